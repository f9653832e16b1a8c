package app

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"github.com/cockroachdb/pebble/v2/vfs"

	"lethe/domain/operations"
	"lethe/eventstore"
	"lethe/internal/backup"
	"lethe/internal/keyring"
	"lethe/internal/ledger"
	"lethe/internal/seal"
)

// JournalLost is given by an operator who declares that the erasure journal is
// gone for good, and which part is not an older copy of itself: it knows of
// every key that was destroyed. When opening would fail for want of the
// journal, a new one is begun, keys that the log says were destroyed are
// destroyed again before anything is served, and the declaration is recorded.
// When what is declared is seen not to be so, opening fails with ErrOlderLedger
// or keyring.ErrOlderKeys.
func JournalLost(current operations.CurrentPart) Option {
	return func(a *App) { a.journalLost = current }
}

// ErrOlderLedger: without the erasure journal nobody can tell whose keys must
// be destroyed, since the ledger lost events after which somebody may have been
// erased. Nothing was changed.
var ErrOlderLedger = errors.New("the ledger came back from an older copy, and without the erasure journal nobody can tell whom it does not know to be erased")

// declaration is what the keyring asks before it begins a journal anew; nil:
// nothing was declared.
func (a *App) declaration(ctx context.Context) func(mark uint64) error {
	switch a.journalLost {
	case operations.CurrentLog:
		return func(mark uint64) error { return a.requireCurrent(ctx, mark) }
	case operations.CurrentKeys:
		return func(uint64) error { // whether a later head is known the keyring sees itself
			restored, err := backup.KeysRestored(vfs.Default, a.Config.Storage.Resolved().Keys)
			if restored {
				err = fmt.Errorf("%w: it was put back from a backup, and has not been opened since", keyring.ErrOlderKeys)
			}
			return err
		}
	}
	return nil
}

// declaresKeys reports whether the keys were declared to be current and what
// they know is not noted yet.
func (a *App) declaresKeys(ctx context.Context) (bool, error) {
	d := a.Keys.JournalReport().Declared
	if !d.Own {
		return false, nil
	}
	ops, err := a.Ledger.Operations(ctx)
	return err == nil && !ops.JournalLost(d.ID), err
}

// requireCurrent fails when the log is seen not to name every key that was
// destroyed since the key store stood at mark.
func (a *App) requireCurrent(ctx context.Context, mark uint64) error {
	s, stats := a.Config.Storage.Resolved(), a.Store.Stats()
	back, err := seal.CameBack(filepath.Join(s.Data, "seal"), s.Pins, stats.Events)
	if err != nil {
		return err
	}
	if back || uint64(stats.Head) < mark {
		return fmt.Errorf("%w: find the journal and put it back where --journal says, or the ledger that is not a copy. If the keys were never "+
			"restored, say so with --current keys; else they must not be used, since they may be of people who were erased", ErrOlderLedger)
	}
	for rec, err := range a.Store.ReadStream(ctx, operations.Stream, eventstore.StreamRange{}) {
		if err != nil {
			return fmt.Errorf("looking for restarts of the log: %w", err)
		}
		if rec.Type == "LogRestarted" && uint64(rec.Position) > mark {
			return fmt.Errorf("%w: it was restored on %s, and the keys are from before that day. Restore a backup of the keys that was made since, "+
				"or find the journal and put it back where --journal says", ErrOlderLedger, rec.Recorded.UTC().Format("2006-01-02 15:04"))
		}
	}
	return nil
}

// recordJournal records with which declaration the erasure journal begins, as
// far as that was not recorded yet.
func (a *App) recordJournal(ctx context.Context) error {
	d := a.Keys.JournalReport().Declared
	if d == (keyring.Declaration{}) {
		return nil
	}
	ops, err := a.Ledger.Operations(ctx)
	if err != nil || ops.JournalLost(d.ID) {
		return err
	}
	now, err := a.Keys.Describe(ctx)
	if err != nil {
		return fmt.Errorf("counting destroyed keys: %w", err)
	}
	marks, err := a.Keys.CountMarks(ctx)
	if err != nil {
		return err
	}
	current := operations.CurrentLog
	if d.Own {
		current = operations.CurrentKeys
	}
	e := operations.ErasureJournalLost{Declaration: d.ID, Current: current, Keys: d.Keys, Again: now.Fences - min(d.Keys, now.Fences), Marks: marks.Source + marks.Contact}
	if _, err := a.Ledger.Operate(ctx, ledger.Request{Principal: Local}, operations.LoseErasureJournal{ErasureJournalLost: e}); err != nil {
		return fmt.Errorf("recording that the erasure journal was lost: %w", err)
	}
	a.LostJournal = &e
	a.report(fmt.Sprintf("the erasure journal was declared lost, and was begun anew with the %d keys that were known to be destroyed; "+
		"%d more were destroyed again as the log says; %d suppression marks are left", e.Keys, e.Again, e.Marks))
	return nil
}
