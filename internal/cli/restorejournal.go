package cli

import (
	"context"

	"lethe/domain/operations"
	"lethe/internal/app"
	"lethe/internal/keyring"
)

type restoreJournalCmd struct {
	Lost    bool   `help:"Declare it: the journal is gone for good, and what --current names is not an older copy of itself."`
	Current string `enum:"log,keys" default:"log" help:"What is no older copy: the log (in --data), or the keys (in --keys)."`
}

// Help is shown by --help.
func (restoreJournalCmd) Help() string {
	return `For when the erasure journal (--journal) is lost, and starting refuses since nothing shows that the keys are current: the known checkpoints are lost with it, or the keys were restored. If the journal can be found, put it back instead.

With --lost you declare two things, and both must be true:

1. The journal will not come back. One that is found later is of no use.

2. Something that is left knows of every key that was destroyed:

   --current log: The ledger in --data is the one that was written last. It was not put back from a backup, from a snapshot of the machine or from any other copy that is older than the last erasure; if it was ever restored, then with this journal in place, and the keys are from after that. So the log names every key.

   --current keys: The key store in --keys is the one that was in use. It was never put back from any copy that is older than the last erasure. So it has a fence for every key. The ledger may be a restored one.

If the second is not true, keys of people who were erased since the copy was made stay in force, and their data can be read again: nobody can tell whose. Where that can be seen, by the known checkpoints or by the keys, the command refuses; where the checkpoints are lost, nothing but your declaration stands against it.

A new journal is begun with what the keys know to be destroyed. What the log says beyond that is destroyed again, before anything else. The declaration is recorded in the log. Marks of suppression that lay beside the journal, and that the keys do not have, are lost: an import could bring those people back.

Stop the server first. What was stopped in between is ended by the same command, or by the next start. Where nothing is lost, nothing is changed.

Example:

    lethe restore journal --lost --data /var/lib/lethe
    lethe restore journal --lost --current keys --data /var/lib/lethe --keys /mnt/keys`
}

// journalRestored is what the declaration came to.
type journalRestored struct {
	Begun   bool     `json:"begun"`             // a new journal was begun by a declaration, and that was recorded
	Keys    uint64   `json:"keys"`              // destroyed ones that it begins with
	Again   uint64   `json:"destroyed_again"`   // keys
	Marks   uint64   `json:"suppression_marks"` // that are left
	Reports []string `json:"reports,omitempty"`
}

func (c *restoreJournalCmd) Run(ctx context.Context, s *shell) error {
	switch {
	case !c.Lost:
		return usage("say with --lost that the journal is gone for good and that the ledger, or with --current keys the keys, are no older copy: " +
			"lethe restore journal --help says what you declare by that")
	case s.root.Client.Server != "":
		return usage("this works on the directories themselves: stop the server, and leave --server out")
	}
	keys := s.root.Storage.Resolved().Keys
	if there, err := keyring.StoreThere(keys); err != nil || !there { // keys would be made
		return usage("there is no key store in %s: restore the keys first, or name its directory with --keys", keys)
	}
	a, err := s.open(ctx, app.JournalLost(operations.CurrentPart(c.Current)))
	if err != nil {
		return err
	}
	r := journalRestored{Reports: a.Reports()}
	if e := a.LostJournal; e != nil {
		r.Begun, r.Keys, r.Again, r.Marks = true, e.Keys, e.Again, e.Marks
	}
	if s.root.JSON {
		return s.json(r)
	}
	p := &page{}
	journalLines(p, r, a.Keys.JournalReport().Rewritten)
	return p.writeTo(s.process.Stdout)
}

func journalLines(p *page, r journalRestored, rewritten bool) {
	switch {
	case r.Begun:
		p.line("The erasure journal was begun anew, and the log says that it was declared lost.")
		p.line("%s keys that were known to be destroyed are in it; %s more were destroyed again, as the log says.", count(r.Keys), count(r.Again))
		p.line("%s marks of suppression are left. Later ones, of people who were erased since the keys were backed up, may be lost: "+
			"before the next import look for those whom it must not bring back.", count(r.Marks))
	case rewritten:
		p.line("The erasure journal was written again from the keys, which are seen to be current: nothing had to be declared.")
	default:
		p.line("Nothing to do: the erasure journal is there, and nothing was changed.")
	}
}
