package keyring

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"

	"lethe/domain"
)

// Declaration is that somebody declared a lost erasure journal to be gone for
// good, which the journal that was begun then remembers. The zero Declaration
// is none.
type Declaration struct {
	ID   domain.ID
	At   time.Time
	Keys uint64 // destroyed ones that the key store knew of, and that were written into the new journal
	Own  bool   // it is the key store that was declared to be no older copy, and not the log
}

// causeJournalLost is of the entry that a journal begins with when the one
// before was declared lost. It has no keys; its erasure is the declaration's
// ID, and its marks count the entries that follow it of the key store's fences.
// The second is of a declaration that the key store is no older copy.
const (
	causeJournalLost domain.Name = "journal-lost"
	causeKeysCurrent domain.Name = "journal-lost-keys-current"
)

// declare asks whether a journal may be begun anew. Nobody has to be asked
// when the key store is seen to be as new as anything that was ever destroyed;
// else somebody must have declared that the journal is gone for good.
func (k *Keyring) declare(c *changes, copied *head) ([]entry, error) {
	if *copied == c.journal {
		return nil, nil
	}
	if k.opts.JournalLost == nil {
		return nil, ErrJournalMissing
	}
	there, err := fileExists(k.journal.path())
	if err != nil {
		return nil, err
	}
	if there {
		return nil, fmt.Errorf("%s is there, and is damaged, older than what is known, or of another key store: move it away, and keep it: %w",
			k.journal.path(), ErrJournalMissing)
	}
	e := entry{at: k.opts.Now().UnixMicro(), cause: causeJournalLost}
	if k.opts.KeysCurrent {
		e.cause = causeKeysCurrent
		if copied.after(&c.journal) {
			return nil, fmt.Errorf("%w: beside the known checkpoints is what was destroyed last, and the key store does not have that", ErrOlderKeys)
		}
	}
	if err := k.opts.JournalLost(c.logMark); err != nil {
		return nil, err
	}
	if _, err := io.ReadFull(k.opts.Rand, e.erasure[:]); err != nil {
		return nil, fmt.Errorf("drawing an ID: %w", err)
	}
	return []entry{e}, nil
}

// rewriteJournal makes the journal anew from the fences, after the declaration
// that it was lost, if there is one. Its era is above any that is known.
func (k *Keyring) rewriteJournal(c *changes, copied *head) (head, error) {
	entries, err := k.declare(c, copied)
	if err != nil {
		return head{}, err
	}
	k.journalReport.Rewritten = c.journal.era > 0
	fences, err := k.fencesAsEntries()
	if err != nil {
		return head{}, err
	}
	for i := range entries {
		entries[i].marks = uint32(len(fences)) //nolint:gosec // rows that are in memory
	}
	return k.journal.create(max(c.journal.era, copied.era)+1, append(entries, fences...))
}

// declaration reads with which declaration the journal begins.
func (j *journal) declaration() (d Declaration, err error) {
	f, err := os.Open(j.path())
	if errors.Is(err, fs.ErrNotExist) {
		return d, nil
	}
	if err != nil {
		return d, fmt.Errorf("reading the erasure journal: %w", err)
	}
	defer f.Close() //nolint:errcheck // read only
	at, err := j.readHeader(f)
	if err != nil {
		return d, err
	}
	first, _, err := j.next(bufio.NewReader(io.NewSectionReader(f, at.end, entryFrame+maxEntry)), &at)
	switch {
	case errors.Is(err, errTorn) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF):
		return d, nil
	case err != nil:
		return d, fmt.Errorf("reading the erasure journal: %w", err)
	case (first.cause == causeJournalLost || first.cause == causeKeysCurrent) && len(first.keys) == 0:
		d = Declaration{
			ID: first.erasure, At: time.UnixMicro(first.at).UTC(), Keys: uint64(first.marks), Own: first.cause == causeKeysCurrent,
		}
	}
	return d, nil
}
