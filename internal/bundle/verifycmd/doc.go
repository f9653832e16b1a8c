// Package verifycmd is the command lethe-verify: flags, files and output
// around package bundle. It reads no clock, keeps nothing, and reaches the
// network only when it is told to by --tiles URL.
package verifycmd

// Exit codes. They are part of the command's promise to scripts.
const (
	exitVerified   = 0 // all that was checked holds, and somebody trusted vouches for the tree
	exitFailed     = 1 // something could not be read, or not compared as was asked for
	exitUsage      = 2 // the command line cannot be followed
	exitFound      = 3 // something is not as it should be
	exitUnanchored = 4 // consistent in itself, but nobody vouched for the key
)

const usage = `Usage: lethe-verify [certificate] FILE [flags]

Checks an evidence bundle (FILE.zip), the certificate of an erasure (FILE.json)
or the proof of one event (FILE.tlog-proof) of a Lethe ledger, on a machine that
has nothing else. It says of each check whether it was done, and names everything
that was altered. The word certificate before the file says what it must be. Of a
bundle it says which of two statements holds:

  complete to revision n at checkpoint N     revisions 0 to n are there without a gap
  … the stream has no other entry            shown only by --tiles, a scan of all N entries

Who vouches for the log (at least one is needed, and none of them should come
from where FILE came from):
  --key VKEY|FILE      a key of the log, or a file with keys, one a line, or with
                       the log's own key list; may be repeated
  --policy FILE        a C2SP tlog-policy: logs, witnesses, and the quorum of them
                       that must have cosigned
  --checkpoint FILE    a checkpoint of the same log, as a rule a newer one. Without
                       --key and --policy it is trusted as it is. One of another size
                       is compared by --consistency or --tiles
What to compare with:
  --consistency FILE   the proof between the two checkpoints ("from N\nto M\n…")
  --tiles DIR|URL      the log's tiles: computes that proof, and scans the entries
  --tiles-token-file FILE
                       the token for entry tiles, which are for auditors only
  --page FILE          the page that was printed of a certificate
Output:
  --json               the report as JSON
  --version            the program's version

Exit codes:
  0 verified    1 something could not be read, or not compared as was asked for
  2 usage    3 found something
  4 consistent in itself, but nobody vouched for the key

Examples:
  lethe-verify ada.zip --key log.vkey
  lethe-verify ada.zip --policy witnesses.policy --tiles /mnt/log
  lethe-verify ada.zip --key log.vkey --checkpoint today.txt --consistency proof.txt
  lethe-verify event.tlog-proof --key log.vkey --json
  lethe-verify certificate erasure.json --key log.vkey --page erasure.html
`
