package keyring

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"
)

// JournalReport says what opening found of the erasure journal.
type JournalReport struct {
	Entries   uint64 // in it
	Cut       int64  // bytes of an entry that was not written to its end; its destruction never began
	Rewritten bool   // it was lost, and was written again from the fences
	HeadLost  bool   // its head's second copy was missing or older than the key store, and was written again
	MarksLost bool   // the marks' file was missing or damaged: what a restored key store does not have of them is lost

	// Declared is with which declaration the journal begins, made by this opening
	// if it is also Rewritten. Then the key store need not be current.
	Declared Declaration
}

// JournalReport tells how the erasure journal was when the keyring was opened.
func (k *Keyring) JournalReport() JournalReport { return k.journalReport }

// Reapplied are the keys that opening destroyed again because the erasure
// journal said so: the key store was restored from before, or a crash cut
// their destruction. Their fences, and nothing readable, stand by now.
func (k *Keyring) Reapplied() []Destroyed { return k.reapplied }

// openJournal brings the key store up to the erasure journal, before anything
// is served.
func (k *Keyring) openJournal(ctx context.Context) error {
	if k.opts.JournalDir != "" {
		k.journal = &journal{dir: k.opts.JournalDir, headDir: k.opts.HeadDir, key: &k.secrets.journal, storeID: k.storeID}
	}
	var behind []entry
	err := k.change(func(c *changes) error {
		k.logMark.Store(c.logMark)
		if k.journal == nil {
			if c.journal != (head{}) {
				return fmt.Errorf("this key store has an erasure journal, and no directory of it was named: %w", ErrJournalMissing)
			}
			return nil
		}
		var err error
		behind, err = k.recoverJournal(ctx, c)
		return err
	})
	if err != nil {
		return fmt.Errorf("opening the erasure journal: %w", err)
	}
	if r := k.journalReport; r.Cut > 0 || r.Rewritten || r.HeadLost || r.MarksLost {
		k.opts.Logger.WarnContext(ctx, "the erasure journal was mended", "cut", r.Cut, "rewritten", r.Rewritten, "head lost", r.HeadLost, "marks lost", r.MarksLost)
	}
	if len(behind) == 0 {
		return nil
	}
	k.opts.Logger.WarnContext(ctx, "keys were destroyed again as the erasure journal says", "entries", len(behind), "keys", len(k.reapplied))
	return k.clear(ctx, peopleOf(behind))
}

// recoverJournal finds the journal that belongs to the key store, applies
// what is behind the key store's head, and makes all heads one.
func (k *Keyring) recoverJournal(ctx context.Context, c *changes) ([]entry, error) {
	copied, _, err := k.journal.readHead()
	if err != nil {
		return nil, err
	}
	k.journalReport.HeadLost = k.journal.headDir != "" && c.journal.after(&copied)
	got, err := k.journal.read(c.journal)
	switch lost := errors.Is(err, errNoJournal); {
	case err != nil && !lost:
		return nil, err
	case !lost && !copied.after(&got.last):
	default:
		last, err := k.rewriteJournal(c, &copied)
		if err != nil {
			return nil, err
		}
		if err := k.passed("rewritten"); err != nil {
			return nil, err
		}
		got = found{last: last}
	}
	k.journalReport.Entries, k.journalReport.Cut = got.last.seq, got.torn
	if got.torn > 0 {
		if _, err := k.journal.append(got.last, nil); err != nil {
			return nil, err
		}
	}
	if k.journalReport.Declared, err = k.journal.declaration(); err != nil {
		return nil, err
	}
	if err := k.recoverMarks(c); err != nil {
		return nil, err
	}
	if k.reapplied, err = k.reapply(ctx, c, got.entries); err != nil {
		return nil, err
	}
	if err := k.passed("applied"); err != nil {
		return nil, err
	}
	if err := k.journal.writeHead(got.last); err != nil {
		return nil, err
	}
	c.written = c.written || c.journal != got.last
	c.journal = got.last
	return got.entries, nil
}

// fencesAsEntries gives each fence as the entry that made it, as far as it tells.
func (k *Keyring) fencesAsEntries() ([]entry, error) {
	stmt, err := k.writer.stmt("SELECT " + fenceColumns + ` FROM fences`)
	if err != nil {
		return nil, err
	}
	rows, err := stmt.Query()
	if err != nil {
		return nil, fmt.Errorf("reading fences: %w", err)
	}
	defer rows.Close() //nolint:errcheck // read only
	var entries []entry
	for rows.Next() {
		var f fenceRow
		if err := f.scan(rows.Scan); err != nil {
			return nil, fmt.Errorf("reading fences: %w", err)
		}
		info := KeyInfo{Compartment: f.c, Generation: f.generation, ID: f.id, Fenced: true}
		entries = append(entries, entry{erasure: f.erasure, at: f.at, cause: f.cause, marks: f.marks, keys: []ending{{key: info, fingerprint: f.fingerprint}}})
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("reading fences: %w", err)
	}
	for i := range entries {
		newest, err := k.newest(entries[i].keys[0].key.Compartment)
		if err == nil && !newest.fenced {
			entries[i].keys[0].live = newest.generation
		} else if err != nil && !errors.Is(err, sql.ErrNoRows) {
			return nil, err
		}
	}
	return entries, nil
}

// reapply does what entries of the journal say, as far as it was not done. The
// marks are those of rows that are there still: of what a restored key store
// knows nothing of, they lie in the marks' file.
func (k *Keyring) reapply(ctx context.Context, c *changes, entries []entry) ([]Destroyed, error) {
	var marks []markRow
	for i := range entries {
		left, err := k.marksOf(ctx, entries[i].cause, &entries[i].person)
		if err != nil {
			return nil, err
		}
		marks = append(marks, left...)
	}
	marks, err := k.newMarks(marks)
	if err != nil {
		return nil, err
	}
	if err := k.putMarks(c, marks); err != nil {
		return nil, err
	}
	return k.applyAll(c, entries)
}

// applyAll destroys what entries of the journal name, and returns the keys
// that had been there. Whether a compartment lives on is seen when all are applied:
// a later one may have ended it.
func (k *Keyring) applyAll(c *changes, entries []entry) ([]Destroyed, error) {
	var again []Destroyed
	for i := range entries {
		e := &entries[i]
		for j := range e.keys {
			was, err := k.end(c, e, &e.keys[j])
			if err != nil {
				return nil, err
			}
			if was {
				again = append(again, e.destroyed(&e.keys[j]))
			}
		}
	}
	for i := range entries {
		for j := range entries[i].keys {
			if err := k.standIn(c, &entries[i].keys[j]); err != nil {
				return nil, err
			}
		}
	}
	return again, nil
}

// standIn gives a compartment that was not erased a live key, when the one
// that it had is lost with a key store that was restored too old. Its values
// are missing then, and neither erased nor in the way of new ones.
func (k *Keyring) standIn(c *changes, e *ending) error {
	if e.live == 0 {
		return nil
	}
	newest, err := k.newest(e.key.Compartment)
	if err != nil || !newest.fenced || newest.generation >= e.live {
		return err
	}
	_, err = k.insertNext(c, e.key.Compartment, e.live+1, newest.lifecycle)
	return err
}

func peopleOf(entries []entry) []person {
	people := make([]person, 0, len(entries))
	for i := range entries {
		people = append(people, entries[i].person)
	}
	return people
}

func (f *fenceRow) destroyed() Destroyed {
	e := entry{erasure: f.erasure, at: f.at, marks: f.marks}
	info := KeyInfo{Compartment: f.c, Generation: f.generation, ID: f.id, Fenced: true}
	return e.destroyed(&ending{key: info, fingerprint: f.fingerprint})
}

func (e *entry) destroyed(of *ending) Destroyed {
	d := Destroyed{Erasure: e.erasure, Key: of.key, At: time.UnixMicro(e.at).UTC(), Lost: len(of.fingerprint) == 0, Marks: e.marks}
	copy(d.Fingerprint[:], of.fingerprint)
	return d
}
