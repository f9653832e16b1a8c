package app_test

import (
	"context"
	"crypto/rand"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"lethe/domain"
	"lethe/domain/catalogue"
	"lethe/domain/operations"
	"lethe/domain/subject"
	"lethe/internal/app"
	"lethe/internal/keyring"
)

// lose removes parts of a closed ledger.
func (s *site) lose(parts ...string) {
	s.t.Helper()
	s.close()
	for _, part := range parts {
		require.NoError(s.t, os.RemoveAll(filepath.Join(s.dir, part)))
	}
}

// declare opens the ledger and declares the journal lost.
func (s *site) declare(current operations.CurrentPart) *operations.ErasureJournalLost {
	s.t.Helper()
	var err error
	s.app, err = app.Open(context.Background(), apart(s.dir), slog.New(slog.DiscardHandler), app.JournalLost(current))
	require.NoError(s.t, err)
	s.t.Cleanup(s.close)
	return s.app.LostJournal
}

// refusesDeclared requires that it does not open, and that nothing is changed.
func (s *site) refusesDeclared(target error) {
	s.t.Helper()
	before := s.files()
	_, err := app.Open(context.Background(), apart(s.dir), slog.New(slog.DiscardHandler), app.JournalLost(operations.CurrentLog))
	require.ErrorIs(s.t, err, target)
	require.Equal(s.t, before, s.files())
}

// files are the bytes of what tells a current ledger from a copy.
func (s *site) files() map[string]string {
	s.t.Helper()
	found := map[string]string{}
	for _, name := range []string{"journal/erasures", "journal/marks", "pins/erasures.head", "pins/latest", "pins/restarts", "data/seal/STATE"} {
		if b, err := os.ReadFile(filepath.Join(s.dir, name)); err == nil {
			found[name] = string(b)
		}
	}
	return found
}

// found tells who is found by the address of a person.
func (s *site) found(n int) []keyring.Hit {
	s.t.Helper()
	hits, err := s.app.Keys.Find(s.t.Context(), catalogue.LookupEmail, "p"+string(rune('0'+n))+"@example.org")
	require.NoError(s.t, err)
	return hits
}

// declared are the declarations that the log has.
func (s *site) declared() (n int) {
	s.t.Helper()
	err := s.app.Ledger.Replay(s.t.Context(), operations.Stream, func(r domain.Recorded) error {
		if _, ok := r.Event.(*operations.ErasureJournalLost); ok {
			n++
		}
		return nil
	})
	require.NoError(s.t, err)
	return n
}

// Where keys and pins are left and are current, nothing has to be declared.
func TestALostJournalOfCurrentKeysNeedsNoDeclaration(t *testing.T) {
	s := newSite(t)
	gone := s.person(1)
	s.erase(gone)
	s.lose("journal")
	require.Nil(t, s.declare(operations.CurrentLog))
	require.Contains(t, s.reports(), "which are as new as anything that was destroyed")
	s.requireErased(gone)
	require.Zero(t, s.declared())
	s.close()
	before := s.files()["journal/erasures"]
	require.Nil(t, s.declare(operations.CurrentLog))
	require.Equal(t, before, s.files()["journal/erasures"])
	require.Zero(t, s.declared())
}

// The disk of the journal and of the pins is lost: nothing shows that the keys
// are current. What is begun anew then serves like the one before.
func TestAJournalThatIsLostWithThePinsIsBegunAnew(t *testing.T) {
	s := newSite(t)
	gone, later, stays := s.person(1), s.person(2), s.person(3)
	made := s.backup()
	s.erase(gone)
	s.lose("journal", "pins")
	s.refuses(keyring.ErrJournalMissing)
	e := s.declare(operations.CurrentLog)
	require.NotNil(t, e)
	require.Positive(t, e.Keys)
	require.Zero(t, e.Again)
	s.requireErased(gone)
	s.requireReadable(later, stays)
	require.Equal(t, 1, s.declared())
	require.Contains(t, s.reports(), "was declared lost")
	require.Contains(t, s.reports(), "marks that the keys do not have are lost")
	s.requireClean()
	s.close()

	require.Nil(t, s.declare(operations.CurrentLog), "nothing is to be done")
	require.NotContains(t, s.reports(), "declared lost")
	require.Equal(t, 1, s.declared())
	s.erase(later)
	s.restore("", made[1].Dir)
	s.open()
	s.requireErased(gone, later)
	s.requireReadable(stays)
	require.Equal(t, 1, s.declared())
	s.requireClean()
}

// The journal is lost with the keys, which are restored from before an
// erasure: the log, which is current, says what is to be destroyed again.
func TestAJournalThatIsLostWithTheKeysIsBegunAnew(t *testing.T) {
	for name, lost := range map[string][]string{
		"the pins are left":           {"journal"},
		"the pins are lost":           {"journal", "pins"},
		"and the lookup":              {"journal", "lookup"},
		"killed before the log spoke": {"journal", "lookup"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t)
			before, gone, stays := s.person(1), s.person(2), s.person(3)
			s.erase(before)
			s.close()
			s.open() // what the key store remembers of the log is not all that the log has
			made := s.backup()
			s.erase(gone)
			s.restore("", made[1].Dir)
			s.lose(lost...)
			s.refuses(keyring.ErrJournalMissing)
			var e *operations.ErasureJournalLost
			if name == "killed before the log spoke" {
				c := apart(s.dir).Storage.Resolved()
				keys, err := keyring.Open(t.Context(), keyring.Options{
					Dir: c.Keys, EpochDir: c.Epochs, LookupDir: c.Lookup, JournalDir: c.Journal, HeadDir: c.Pins, RootKeyFile: c.RootKey, Now: time.Now, Rand: rand.Reader,
					JournalLost: func(uint64) error { return nil },
				})
				require.NoError(t, err)
				require.NoError(t, keys.Close())
				e = s.open().LostJournal
			} else {
				e = s.declare(operations.CurrentLog)
			}
			require.NotNil(t, e)
			require.Positive(t, e.Keys)
			require.Equal(t, e.Keys, e.Again, "as many as of the one before")
			s.requireErased(before, gone)
			s.requireReadable(stays)
			require.Empty(t, s.found(2), "nobody is found by what had come back")
			require.NotEmpty(t, s.found(3))
			events, keys := s.reapplied(gone)
			require.Equal(t, 1, events)
			require.EqualValues(t, e.Again, keys)
			s.requireClean()
			s.close()
			s.open()
			require.Nil(t, s.app.LostJournal)
			require.Equal(t, 1, s.declared())
			s.requireErased(before, gone)
			s.requireClean()

			s.restore("", made[1].Dir)
			s.open()
			s.requireErased(before, gone)
			s.requireReadable(stays)
		})
	}
}

// The disk of the ledger, the journal and the pins is lost, and the keys are
// not: they know who was erased. A copy of the ledger that somebody made does
// not even show that it is one.
func TestAJournalThatIsLostWithTheLedgerIsBegunAnewFromTheKeys(t *testing.T) {
	for _, from := range []string{"a backup", "a copy"} {
		t.Run(from, func(t *testing.T) {
			s := newSite(t)
			before, gone, stays := s.person(1), s.person(2), s.person(3)
			s.erase(before)
			made := s.backup()
			s.close()
			data, copied := filepath.Join(s.dir, "data"), t.TempDir()
			require.NoError(t, os.CopyFS(copied, os.DirFS(data)))
			s.open()
			s.erase(gone)
			if from == "a backup" {
				s.restore(made[0].Dir, "")
			} else {
				s.lose("data")
				require.NoError(t, os.CopyFS(data, os.DirFS(copied)))
			}
			s.lose("journal", "pins", "lookup")
			s.refuses(keyring.ErrJournalMissing)
			if from == "a backup" {
				s.refusesDeclared(app.ErrOlderLedger)
			}
			e := s.declare(operations.CurrentKeys)
			require.NotNil(t, e)
			require.Equal(t, operations.CurrentKeys, e.Current)
			require.Positive(t, e.Keys)
			s.requireErased(before, gone)
			s.requireReadable(stays)
			events, keys := s.reapplied(gone)
			require.Equal(t, 1, events)
			require.Positive(t, keys)
			require.Empty(t, s.found(2))
			require.NotEmpty(t, s.found(3))
			s.requireClean()
			s.close()
			s.open()
			require.Equal(t, 1, s.declared())
			events, _ = s.reapplied(gone)
			require.Equal(t, 1, events, "it is noted once")
			s.requireClean()
		})
	}
}

// Keys that came back from a backup are not current, whatever is declared.
func TestNoDeclarationForRestoredKeys(t *testing.T) {
	for name, lost := range map[string][]string{"the pins are left": {"journal"}, "the pins are lost": {"journal", "pins"}} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t)
			gone := s.person(1)
			made := s.backup()
			s.erase(gone)
			s.restore(made[0].Dir, made[1].Dir)
			s.lose(lost...)
			s.refuses(keyring.ErrJournalMissing)
			before := s.files()
			_, err := app.Open(context.Background(), apart(s.dir), slog.New(slog.DiscardHandler), app.JournalLost(operations.CurrentKeys))
			require.ErrorIs(t, err, keyring.ErrOlderKeys)
			require.Equal(t, before, s.files())
		})
	}
}

// Nor are those that somebody copied back by hand, as long as the pins are there.
func TestNoDeclarationForCopiedKeys(t *testing.T) {
	s := newSite(t)
	gone := s.person(1)
	s.close()
	keys, copied := filepath.Join(s.dir, "keys"), t.TempDir()
	require.NoError(t, os.CopyFS(copied, os.DirFS(keys)))
	s.open()
	s.erase(gone)
	s.lose("keys", "journal")
	require.NoError(t, os.CopyFS(keys, os.DirFS(copied)))
	s.refuses(keyring.ErrJournalMissing)
	_, err := app.Open(context.Background(), apart(s.dir), slog.New(slog.DiscardHandler), app.JournalLost(operations.CurrentKeys))
	require.ErrorIs(t, err, keyring.ErrOlderKeys)
}

// A ledger that came back from a backup does not know who was erased since, and
// no declaration makes up for the journal.
func TestNoDeclarationForARestoredLedger(t *testing.T) {
	for name, lost := range map[string][]string{"the pins are left": {"journal"}, "the pins are lost": {"journal", "pins"}} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t)
			gone, stays := s.person(1), s.person(2)
			made := s.backup()
			s.erase(gone)
			s.restore(made[0].Dir, made[1].Dir)
			kept := t.TempDir()
			require.NoError(t, os.CopyFS(kept, os.DirFS(filepath.Join(s.dir, "journal"))))
			s.lose(lost...)
			s.refuses(keyring.ErrJournalMissing)
			s.refusesDeclared(app.ErrOlderLedger)
			require.NoError(t, os.CopyFS(filepath.Join(s.dir, "journal"), os.DirFS(kept)))
			s.declare(operations.CurrentLog)
			s.requireErased(gone)
			s.requireReadable(stays)
			require.Zero(t, s.declared())
			s.requireClean()
		})
	}
}

// An image of the ledger's disk says nothing of being a copy. The pins do, or
// keys that have seen more of the log.
func TestNoDeclarationForAnOlderImageOfTheLedger(t *testing.T) {
	s := newSite(t)
	gone := s.person(1)
	s.close()
	image := t.TempDir()
	require.NoError(t, os.CopyFS(image, os.DirFS(filepath.Join(s.dir, "data"))))
	s.open()
	s.erase(gone)
	require.NoError(t, s.app.Seal.WaitFor(t.Context(), s.app.Store.Stats().Head))
	s.close()
	s.open() // the keys remember how far the log has come
	s.lose("data")
	require.NoError(t, os.CopyFS(filepath.Join(s.dir, "data"), os.DirFS(image)))
	pins := t.TempDir()
	require.NoError(t, os.CopyFS(pins, os.DirFS(filepath.Join(s.dir, "pins"))))
	s.lose("journal", "pins")
	s.refusesDeclared(app.ErrOlderLedger)
	require.NoError(t, os.CopyFS(filepath.Join(s.dir, "pins"), os.DirFS(pins)))
	require.NoError(t, os.Remove(filepath.Join(s.dir, "pins", "erasures.head")))
	s.refusesDeclared(app.ErrOlderLedger)
}

// A ledger that was restored with its journal has what the journal knew only in
// the keys of then: keys of before it are refused, later ones are not.
func TestKeysOfBeforeARestartAreRefused(t *testing.T) {
	s := newSite(t)
	gone, stays := s.person(1), s.person(2)
	made := s.backup()
	s.erase(gone)
	s.restore(made[0].Dir, "")
	s.open()
	s.requireErased(gone)
	later := s.backup()
	s.restore("", made[1].Dir)
	s.lose("journal", "pins")
	s.refusesDeclared(app.ErrOlderLedger)
	s.restore("", later[1].Dir)
	require.NotNil(t, s.declare(operations.CurrentLog))
	s.requireErased(gone)
	s.requireReadable(stays)
	s.requireClean()
}

// A journal that is there is not written over.
func TestAJournalThatIsThereIsMovedAwayFirst(t *testing.T) {
	s := newSite(t)
	gone := s.person(1)
	s.erase(gone)
	s.close()
	path := filepath.Join(s.dir, "journal", "erasures")
	require.NoError(t, os.Truncate(path, 20))
	s.lose("pins")
	s.refusesDeclared(keyring.ErrJournalMissing)
	require.NoError(t, os.Rename(path, filepath.Join(t.TempDir(), "erasures")))
	require.NotNil(t, s.declare(operations.CurrentLog))
	s.requireErased(gone)
}

// What a write that lost its race had left behind is named by the end of the
// erasure only, and is destroyed again as well.
func TestTheLogKnowsWhatALostRaceHadLeft(t *testing.T) {
	s := newSite(t)
	gone, stays := s.person(1), s.person(2)
	made := s.backup()
	o, e := s.started(gone)
	left := e.Keys[0]
	e.Keys = e.Keys[1:]
	s.bare(gone, o, e)
	s.open()
	eventually(t, time.Minute, func() bool {
		state, err := s.app.Ledger.Subject(context.Background(), gone)
		require.NoError(t, err)
		got, _ := state.Erasure(e.Erasure)
		return got.State == subject.IsCompleted
	})
	s.requireErased(gone)
	s.restore("", made[1].Dir)
	s.lose("journal")
	require.NotNil(t, s.declare(operations.CurrentLog))
	s.requireErased(gone)
	s.requireReadable(stays)
	state, err := s.app.Keys.KeyStates(t.Context(), []keyring.KeyInfo{{
		Compartment: keyring.Compartment{Owner: gone.Stream(), Group: left.Group}, Generation: left.Generation, ID: keyring.KeyID(left.Key),
	}})
	require.NoError(t, err)
	require.Equal(t, keyring.KeyFenced, state[0])
	s.requireClean()
}
