// Package bundle is the evidence bundle: one file with the events of one
// person, as far as they are disclosed, and all that shows that they are in a
// signed Merkle tree. It is written where the ledger is and checked where
// nothing of the ledger is: no keys, no store, no network.
//
// A bundle is a zip of these files:
//
//	checkpoint                        the log's signed note: origin, size N, root
//	log-keys                          the log's signed statement of its own keys
//	events/<leaf index, 12 digits>/
//	    leaf                          the event's entry in the tree, as it was hashed
//	    leaf.tlog-proof               its inclusion, a C2SP tlog-proof with the checkpoint
//	    facts.json                    what the event says in clear, as stored
//	    metadata.json                 who and why, as stored
//	    part-<n, 3 digits>            a disclosed sealed value, as stored
//	    secret-<n, 3 digits>          the 32 bytes that open it and nothing else
//	manifest.json                     what is in the bundle
//	summary.html                      the same to read and print
//
// The leaf has the SHA-256 of facts, metadata and every sealed part, so what
// is not disclosed is simply left out. The last two files are derived: a pure
// function of the others and of what the manifest says was asked for (subject,
// as of). A verifier makes them anew, and the zip around them, and compares
// every byte, so that there is no byte that could be changed unseen.
//
// Whoever makes a bundle anew can still make another one that is true: with
// fewer of the last events, an earlier or later as of, fewer disclosed values
// or declarations, or without signatures that no trusted key asks for. A scan
// finds the first two, a policy the last; the others withhold, and say so.
//
// Two statements about completeness are told apart. "Complete to revision n
// at checkpoint N" says that revisions 0 to n are there without a gap. That
// the stream has no other entry among the N of the tree is shown only by a
// scan of the log's entries (Trust.Entries).
//
// The format is versioned as a whole. Files of a version are read, and their
// manifest and summary derived, in the same way for ever; a changed layout or
// page is a new version.
package bundle

// Format is the version that Write writes and Verify reads.
const Format = "lethe-bundle/1"

// Bounds. A zip without its 64-bit extension counts 65,535 files; a bundle is
// read into memory as a whole.
const (
	MaxSize   = 512 << 20
	MaxFiles  = 1<<16 - 1
	maxName   = 64
	maxIndex  = 1e12 // twelve digits
	maxTokens = 64   // bytes of a subject token
)
