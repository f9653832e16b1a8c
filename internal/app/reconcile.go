package app

import (
	"context"
	"fmt"
	"slices"

	"lethe/domain"
	"lethe/domain/subject"
	"lethe/eventstore"
	"lethe/internal/keyring"
	"lethe/internal/ledger"
)

// erasedAgain is an erasure whose keys were there again when the ledger was
// opened, as after a backup was restored, and are destroyed by now.
type erasedAgain struct {
	token   domain.Token
	erasure domain.ID
}

// reconcile makes keys and log agree on what was erased, before anything is
// served. What opening the keyring did already is what the erasure journal
// says; what is left is what the log says, and that the log says it.
//
//   - The log: keys that a started erasure names are destroyed when they are
//     there, from the position on up to which this key store has been seen to
//     agree. One that was stopped for a hold had destroyed nothing, and goes on
//     destroying nothing; one that was only ordered is left to the process.
//   - The keys: what was destroyed again is noted in the stream of the person,
//     and so is, when the log is or may be an older copy, every fence that it does not
//     know of.
func (a *App) reconcile(ctx context.Context, copied bool) error {
	a.reportJournal()
	head := a.Store.Stats().Head
	again := map[erasedAgain][]subject.KeyRef{}
	if err := a.byJournal(ctx, again); err != nil {
		return err
	}
	touched, err := a.byLog(ctx, again)
	if err != nil {
		return err
	}
	declared, err := a.declaresKeys(ctx)
	if err != nil {
		return err
	}
	if copied || declared {
		err = a.byFences(ctx, again)
	} else {
		err = a.reopenAll(ctx, touched)
	}
	if err != nil {
		return err
	}
	if err := a.note(ctx, again, copied); err != nil {
		return err
	}
	if err := a.recordJournal(ctx); err != nil {
		return err
	}
	if uint64(head) == a.Keys.LogMark() {
		return nil
	}
	return a.Keys.SetLogMark(ctx, uint64(head))
}

// reportJournal tells what was made good of the erasure journal.
func (a *App) reportJournal() {
	r := a.Keys.JournalReport()
	if r.Rewritten && r.Declared == (keyring.Declaration{}) {
		a.report("the erasure journal was lost, and was written again from the keys, which are as new as anything that was destroyed")
	}
	if r.HeadLost {
		a.report("the second copy of the erasure journal's head was lost or too old, and was written again")
	}
	if r.MarksLost {
		a.report("the erasure journal's copy of the suppression marks was lost: marks that the keys do not have are lost")
	}
	if r.Cut > 0 {
		a.report(fmt.Sprintf("%d bytes at the end of the erasure journal were no entry and were cut: what they would have destroyed was not begun", r.Cut))
	}
}

// byJournal notes what opening the keyring destroyed. What a crash had cut is
// the process's to complete.
func (a *App) byJournal(ctx context.Context, again map[erasedAgain][]subject.KeyRef) error {
	for _, d := range a.Keys.Reapplied() {
		token, ref, ok := refOf(d.Key)
		if !ok || d.Erasure.IsZero() {
			continue
		}
		s, err := a.Ledger.Subject(ctx, token)
		if err != nil {
			return err
		}
		if e, _ := s.Erasure(d.Erasure); s != nil && e.State != subject.IsStarted {
			of := erasedAgain{token, d.Erasure}
			again[of] = append(again[of], ref)
		}
	}
	return nil
}

// refOf names a person's key; false when it is somebody else's.
func refOf(k keyring.KeyInfo) (domain.Token, subject.KeyRef, bool) {
	token, err := domain.ParseToken(tokenOf(k.Compartment.Owner))
	return token, ledger.RefOf(k), err == nil
}

// manyErasures bounds the erasures of one transaction of the key store.
const manyErasures = 1000

// byLog destroys what started erasures name and is there still. It returns whose
// erasures those were.
func (a *App) byLog(ctx context.Context, again map[erasedAgain][]subject.KeyRef) (whose []domain.Token, err error) {
	var of []keyring.Destruction
	seen := map[erasedAgain]bool{}
	destroy := func() error {
		if len(of) == 0 {
			return nil
		}
		_, err := a.Keys.Destroy(ctx, "erasure", of...)
		of = of[:0]
		return err
	}
	for rec, err := range a.Store.ReadAll(ctx, eventstore.Position(a.Keys.LogMark())) {
		if err != nil {
			return nil, fmt.Errorf("looking for erasures: %w", err)
		}
		if rec.Type != "ErasureStarted" {
			continue
		}
		decoded, err := a.Codec.Decode(rec)
		if err != nil {
			return nil, fmt.Errorf("decoding an erasure: %w", err)
		}
		started, ok := decoded.Event.(*subject.ErasureStarted)
		token, terr := domain.ParseToken(tokenOf(rec.Stream))
		if !ok || terr != nil || seen[erasedAgain{token, started.Erasure}] {
			continue
		}
		seen[erasedAgain{token, started.Erasure}] = true
		whose = append(whose, token)
		d, live, err := a.left(ctx, token, started.Erasure)
		if err != nil {
			return nil, err
		}
		if len(live) > 0 {
			again[erasedAgain{token, started.Erasure}] = live
		}
		if len(d.Keys) > 0 {
			of = append(of, d)
		}
		if len(of) == manyErasures {
			if err := destroy(); err != nil {
				return nil, err
			}
		}
	}
	return whose, destroy()
}

// left tells what is to be destroyed of an erasure: keys that are there, and
// keys that are lost, so that they count as erased. live are those that were
// there although the erasure had been completed.
func (a *App) left(ctx context.Context, token domain.Token, id domain.ID) (d keyring.Destruction, live []subject.KeyRef, err error) {
	s, err := a.Ledger.Subject(ctx, token)
	if err != nil {
		return d, nil, err
	}
	e, ok := s.Erasure(id)
	if !ok || e.Started == nil || e.State == subject.IsStopped {
		return d, nil, nil
	}
	if e.State == subject.IsStarted {
		if late, err := a.Ledger.LateHold(ctx, token, &e); err != nil || late { // the process stops it
			return d, nil, err
		}
	}
	gone := keysOf(&e)
	keys := make([]keyring.KeyInfo, len(gone))
	for i, k := range gone {
		keys[i] = ledger.KeyOf(token, k)
	}
	states, err := a.Keys.KeyStates(ctx, keys)
	if err != nil {
		return d, nil, err
	}
	d.Erasure, d.Token, d.Values = id, token, ledger.GoneValues(e.Started.Groups)
	for i, state := range states {
		switch state {
		case keyring.KeyLive:
			d.Keys = append(d.Keys, keys[i])
			if e.State == subject.IsCompleted {
				live = append(live, gone[i])
			}
		case keyring.KeyLost:
			d.Keys = append(d.Keys, keys[i])
		case keyring.KeyDamaged:
			a.report("the key " + keys[i].ID.String() + " of an erasure is damaged: what it sealed cannot be read, and is not called erased")
		case keyring.KeyFenced:
		}
	}
	return d, live, nil
}

// keysOf are the keys of a started erasure: those that it named, and those that
// it found besides, of a write that had lost its race.
func keysOf(e *subject.Erasure) []subject.KeyRef {
	keys := slices.Clone(e.Started.Keys)
	if e.Completed != nil {
		for _, k := range e.Completed.Keys {
			if !slices.Contains(keys, k.KeyRef) {
				keys = append(keys, k.KeyRef)
			}
		}
	}
	return keys
}

// byFences finds what was destroyed and a log that is an older copy does not
// know: its erasure is in the range that is lost.
func (a *App) byFences(ctx context.Context, again map[erasedAgain][]subject.KeyRef) error {
	noted := map[domain.ID]bool{} // by key
	for _, refs := range again {
		for _, r := range refs {
			noted[r.Key] = true
		}
	}
	for f, err := range a.Keys.Fences(ctx) {
		if err != nil {
			return err
		}
		token, ref, ok := refOf(f.Key)
		if !ok || f.Erasure.IsZero() || noted[ref.Key] {
			continue
		}
		s, err := a.Ledger.Subject(ctx, token)
		if err != nil {
			return err
		}
		if s != nil && !knows(s, f.Erasure, ref) {
			of := erasedAgain{token, f.Erasure}
			again[of] = append(again[of], ref)
		}
	}
	return nil
}

// knows reports whether a record says that a key was to be destroyed.
func knows(s *subject.State, erasure domain.ID, ref subject.KeyRef) bool {
	for _, r := range s.Entries() {
		var keys []subject.KeyRef
		switch e := r.Event.(type) {
		case *subject.ErasureStarted:
			keys = e.Keys
		case *subject.ErasureReapplied:
			keys = e.Keys
		default:
			continue
		}
		for _, k := range keys {
			if k == ref {
				return true
			}
		}
	}
	if e, ok := s.Erasure(erasure); ok && e.Completed != nil { // what a lost race had left
		for _, k := range e.Completed.Keys {
			if k.KeyRef == ref {
				return true
			}
		}
	}
	return false
}
