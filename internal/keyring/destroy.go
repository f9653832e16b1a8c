package keyring

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"lethe/domain"
)

// MaxDestroy bounds the keys of one call of Destroy.
const MaxDestroy = 65_536

// Destruction says what goes for one person, or for another owner.
type Destruction struct {
	Erasure domain.ID
	Token   domain.Token // whose lookup rows and claims go; "": nobody's
	Keys    []KeyInfo

	// Fields are those whose lookup rows, and hashes in import claims, go: a
	// group that something keeps is found by its fields still.
	Fields []domain.Name
	// Values are those that go of groups of which something stays. Only the
	// erasure journal has them: it tells an older copy of the log what the others
	// were (see Parted).
	Values []ValueRef
	// Everything: all import claims of Token go, and the digests of the bodies
	// of their creation.
	Everything bool

	Marks Marks     // left for what goes from the lookup; none is made twice
	Until time.Time // the end of the marks; zero: none
}

// ValueRef names where a value of a person is.
type ValueRef struct {
	Field domain.Name
	Slot  uint16
}

// Destroyed is one key that is gone. Lost says that there was neither a key
// nor a fence of it, so that Fingerprint is zero: where it is, nobody knows.
type Destroyed struct {
	Erasure     domain.ID // that destroyed it, perhaps an earlier one
	Key         KeyInfo
	Fingerprint [32]byte
	At          time.Time
	Lost        bool
	Marks       uint32 // that the destruction left, all its keys together
}

// Destroy ends keys for good, in this order: the erasure journal is written; in
// one transaction marks are left, keys are deleted and fences set; the rows of
// the people go from the lookup file; the write-ahead logs are cut, so that
// nothing of it is in any file. Afterwards what was sealed with the keys does
// not open, here at once and in other processes within a second, and a
// compartment whose newest key is among them gets no new one until Reopen.
// cause is a controlled term.
//
// It may be repeated, and finishes what a crash left: keys that are destroyed
// already are answered from their fences. Marks are made of what the
// lookup file holds: while that is lost, none are.
//
// Errors: *IncompleteError with the keys, when the fences stand but rows of
// the lookup, or old bytes in a file, may be there still: call again. With
// anything else this call has destroyed nothing, but what the journal holds
// by then is done by the next call, or by Open.
func (k *Keyring) Destroy(ctx context.Context, cause domain.Name, of ...Destruction) ([]Destroyed, error) {
	if err := checkDestructions(cause, of); err != nil {
		return nil, fmt.Errorf("destroying keys: %w", err)
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	done, people, err := k.destroyKeys(ctx, cause, of)
	if err != nil {
		return nil, fmt.Errorf("destroying keys: %w", err)
	}
	// The fences stand: what follows is no more the caller's to cancel.
	if err := k.clear(context.WithoutCancel(ctx), people); err != nil {
		return done, &IncompleteError{Err: err}
	}
	return done, nil
}

// clear takes what is left out of the files, as much as can be.
func (k *Keyring) clear(ctx context.Context, people []person) error {
	if err := k.passed("committed"); err != nil {
		return err
	}
	forgotten := k.forget(ctx, people)
	if err := k.passed("forgotten"); err != nil {
		return err
	}
	return errors.Join(forgotten, k.clearLog(), k.passed("cleared"))
}

func checkDestructions(cause domain.Name, of []Destruction) error {
	if !cause.Valid() {
		return errors.New("the cause is malformed")
	}
	keys := 0
	for i := range of {
		d := &of[i]
		if d.Token != "" && !d.Token.Valid() {
			return errors.New("a token is malformed")
		}
		for _, f := range d.Fields {
			if !f.Valid() {
				return errors.New("a field is malformed")
			}
		}
		for _, v := range d.Values {
			if !v.Field.Valid() {
				return errors.New("a field is malformed")
			}
		}
		for _, info := range d.Keys {
			if !info.Compartment.Valid() || info.Generation == 0 {
				return errors.New("a compartment is malformed")
			}
		}
		keys += len(d.Keys)
	}
	if keys > MaxDestroy {
		return fmt.Errorf("%d keys are more than %d", keys, MaxDestroy)
	}
	return nil
}

// destroyKeys is the journal and the transaction. The people are those whose
// rows go from the lookup file.
func (k *Keyring) destroyKeys(ctx context.Context, cause domain.Name, of []Destruction) (done []Destroyed, people []person, err error) {
	var written []entry
	err = k.change(func(c *changes) error {
		behind, err := k.catchUp(ctx, c)
		if err != nil {
			return err
		}
		entries, answers, marks, err := k.plan(ctx, cause, of)
		if err != nil {
			return err
		}
		if err := k.journalAll(c, entries); err != nil {
			return err
		}
		if err := k.putMarks(c, marks); err != nil {
			return err
		}
		if _, err := k.applyAll(c, entries); err != nil {
			return err
		}
		done, written = answers, append(behind, entries...)
		return k.passed("applied")
	})
	if err != nil {
		return nil, nil, err
	}
	people = peopleOf(written)
	for i := range of {
		people = append(people, of[i].person())
	}
	return done, people, nil
}

func (d *Destruction) person() person {
	return person{token: d.Token, everything: d.Everything, fields: d.Fields, values: d.Values, marks: d.Marks, until: endDay(d.Until)}
}

// catchUp applies what another process wrote into the journal and did not
// live to do.
func (k *Keyring) catchUp(ctx context.Context, c *changes) ([]entry, error) {
	if k.journal == nil {
		return nil, nil
	}
	got, err := k.journal.read(c.journal)
	if errors.Is(err, errNoJournal) {
		return nil, ErrJournalMissing
	}
	if err != nil {
		return nil, err
	}
	c.written = c.written || len(got.entries) > 0
	c.journal = got.last
	_, err = k.reapply(ctx, c, got.entries)
	return got.entries, err
}

// journalAll makes entries durable in the journal before anything happens.
func (k *Keyring) journalAll(c *changes, entries []entry) (err error) {
	if k.journal == nil || len(entries) == 0 {
		return nil
	}
	if c.journal, err = k.journal.append(c.journal, entries); err != nil {
		return err
	}
	if err := k.passed("journal"); err != nil {
		return err
	}
	if err := k.journal.writeHead(c.journal); err != nil {
		return err
	}
	return k.passed("head")
}

// plan says what will be destroyed and what marks it leaves, and answers for
// what was destroyed before. An entry is made only for what has keys that
// stand.
func (k *Keyring) plan(ctx context.Context, cause domain.Name, of []Destruction) (entries []entry, answers []Destroyed, marks []markRow, err error) {
	at := k.opts.Now().UnixMicro()
	planned := map[KeyID]Destroyed{}
	for i := range of {
		d := &of[i]
		e := entry{erasure: d.Erasure, at: at, cause: cause, person: d.person()}
		left, err := k.marksOf(ctx, cause, &e.person)
		if err != nil {
			return nil, nil, nil, err
		}
		e.marks, marks = uint32(len(left)), append(marks, left...) //nolint:gosec // rows of one person
		for _, info := range d.Keys {
			info.Fenced = true
			answer, twice := planned[info.ID]
			if !twice {
				fence, fingerprint, err := k.standing(info)
				if err != nil {
					return nil, nil, nil, err
				}
				if fence != nil {
					answer = fence.destroyed()
				} else {
					e.keys = append(e.keys, ending{key: info, fingerprint: fingerprint})
					answer = e.destroyed(&e.keys[len(e.keys)-1])
				}
				planned[info.ID] = answer
			}
			answers = append(answers, answer)
		}
		if len(e.keys) > 0 {
			entries = append(entries, e)
		}
	}
	if err := k.planLive(entries, planned); err != nil {
		return nil, nil, nil, err
	}
	marks, err = k.newMarks(marks)
	return entries, answers, marks, err
}

// planLive finds the compartments that keep a live key.
func (k *Keyring) planLive(entries []entry, planned map[KeyID]Destroyed) error {
	for i := range entries {
		for j := range entries[i].keys {
			e := &entries[i].keys[j]
			newest, err := k.newest(e.key.Compartment)
			if errors.Is(err, sql.ErrNoRows) {
				continue
			}
			if err != nil {
				return err
			}
			if _, goes := planned[newest.id]; !goes && !newest.fenced {
				e.live = newest.generation
			}
		}
	}
	return nil
}

// standing returns a key's fence, when nothing of the key is left, or else
// its fingerprint, which is empty when there is no key that opens.
func (k *Keyring) standing(info KeyInfo) (*fenceRow, []byte, error) {
	row, err := k.generation(info.Compartment, info.Generation)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return nil, nil, err
	}
	if err != nil || row.id != info.ID || row.fenced {
		fence, err := k.fenceByID(info.ID)
		return fence, nil, err
	}
	key, err := k.unwrapLocal(&row)
	if integrity := (*IntegrityError)(nil); errors.As(err, &integrity) || errors.Is(err, errDead) {
		return nil, nil, nil // it is lost already, with its epoch key
	}
	if err != nil {
		return nil, nil, err
	}
	defer key.wipe()
	fp, _ := key.fingerprint()
	return nil, fp[:], nil
}

func (k *Keyring) fenceByID(id KeyID) (*fenceRow, error) {
	stmt, err := k.writer.stmt("SELECT " + fenceColumns + " FROM fences WHERE key_id = ?")
	if err != nil {
		return nil, err
	}
	var f fenceRow
	err = f.scan(stmt.QueryRow(id[:]).Scan)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil //nolint:nilnil // no fence is an answer
	}
	if err != nil {
		return nil, fmt.Errorf("reading a fence: %w", err)
	}
	if k.wrongMAC(f.mac, f.message(), macSize) != "" {
		return nil, &IntegrityError{Table: "fences", Row: "the MAC of the fence of key " + id.String() + " is wrong"}
	}
	return &f, nil
}

// end deletes a key and sets its fence, and reports whether the key was
// there. A key that was lost is fenced too, also when its place has another
// one by now.
func (k *Keyring) end(c *changes, e *entry, of *ending) (was bool, err error) {
	info := &of.key
	row, err := k.generation(info.Compartment, info.Generation)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		err = k.insertLost(c, info)
	case err == nil && row.id == info.ID && !row.fenced:
		old := row.mac
		row.fenced, row.wrapped, row.epoch = true, []byte{}, 0
		row.mac = k.secrets.rowMAC(row.message(nil))
		c.keys.replace(old, row.mac)
		c.written = true
		was, err = true, k.updateRow(&row)
		c.gone = append(c.gone, info.ID)
	}
	if err != nil {
		return false, err
	}
	return was, k.fence(c, e, of)
}
