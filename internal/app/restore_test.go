package app_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"lethe/domain"
	"lethe/domain/catalogue"
	"lethe/domain/operations"
	"lethe/domain/personal"
	"lethe/domain/subject"
	"lethe/eventstore/segment"
	"lethe/internal/app"
	"lethe/internal/audit"
	"lethe/internal/backup"
	"lethe/internal/codec"
	"lethe/internal/config"
	"lethe/internal/keyring"
	"lethe/internal/ledger"
)

// site is a ledger whose parts lie apart, and its backups.
type site struct {
	t   *testing.T
	dir string
	app *app.App
}

func newSite(t *testing.T) *site {
	s := &site{t: t, dir: t.TempDir()}
	s.open()
	declareService(t, s.app)
	return s
}

func (s *site) open() *app.App {
	s.t.Helper()
	s.app = openApart(s.t, s.dir)
	s.t.Cleanup(s.close)
	return s.app
}

func (s *site) close() {
	if s.app != nil {
		require.NoError(s.t, s.app.Close())
		s.app = nil
	}
}

func (s *site) places() config.Backup {
	return config.Backup{LedgerTo: filepath.Join(s.dir, "backups", "ledger"), KeysTo: filepath.Join(s.dir, "backups", "keys")}
}

func (s *site) backup() []backup.Made {
	s.t.Helper()
	b := app.Backups{App: s.app, To: s.places(), Program: "test"}
	made, err := b.Create(s.t.Context(), true, true, nil)
	require.NoError(s.t, err)
	return made
}

// restore puts back what is named, with the rest as it is.
func (s *site) restore(ledgerFrom, keysFrom string) {
	s.t.Helper()
	s.close()
	if ledgerFrom != "" {
		require.NoError(s.t, os.RemoveAll(filepath.Join(s.dir, "data")))
	}
	if keysFrom != "" {
		require.NoError(s.t, os.RemoveAll(filepath.Join(s.dir, "keys")))
	}
	_, err := backup.Restore(s.t.Context(), backup.RestoreOptions{
		LedgerFrom: ledgerFrom, KeysFrom: keysFrom, Data: filepath.Join(s.dir, "data"), KeyDir: filepath.Join(s.dir, "keys"),
	})
	require.NoError(s.t, err)
}

func (s *site) refuses(target error) {
	s.t.Helper()
	_, err := app.Open(context.Background(), apart(s.dir), slog.New(slog.DiscardHandler))
	require.ErrorIs(s.t, err, target)
}

func (s *site) person(n int) domain.Token {
	s.t.Helper()
	token, err := registerPerson(s.app, n)
	require.NoError(s.t, err)
	return token
}

// erase erases everything of people and waits until it is complete.
func (s *site) erase(people ...domain.Token) {
	s.t.Helper()
	for _, token := range people {
		s.order(token)
	}
	s.await(people...)
}

func (s *site) order(token domain.Token, linked ...domain.Token) {
	s.t.Helper()
	_, err := s.app.Ledger.OrderErasure(s.t.Context(), ledger.Request{Principal: app.Local}, token,
		subject.OrderErasure{Erasure: erasureOf(token), Scope: subject.Scope{Everything: true}, Linked: linked})
	require.NoError(s.t, err)
}

// await waits until the people's erasures are completed.
func (s *site) await(people ...domain.Token) {
	s.t.Helper()
	s.app.Erasures.Wake()
	eventually(s.t, time.Minute, func() bool {
		for _, token := range people {
			state, err := s.app.Ledger.Subject(context.Background(), token)
			require.NoError(s.t, err)
			if e, _ := state.Erasure(erasureOf(token)); e.State != subject.IsCompleted {
				return false
			}
		}
		return true
	})
}

func erasureOf(token domain.Token) domain.ID {
	var id domain.ID
	copy(id[:], token[5:])
	return id
}

// values tells how each value that was ever sealed in a person's stream opens.
func (s *site) values(token domain.Token) (states []personal.State) {
	s.t.Helper()
	err := s.app.Ledger.Replay(s.t.Context(), token.Stream(), func(r domain.Recorded) error {
		for _, slot := range r.Event.Personal(nil) {
			if slot.Value.State() != personal.Sealed {
				continue
			}
			v, err := s.app.Codec.OpenValue(s.t.Context(), s.app.Keys, *slot.Value)
			if err != nil {
				return err
			}
			states = append(states, v.State())
		}
		return nil
	})
	require.NoError(s.t, err)
	return states
}

// requireErased: nothing of the person opens, by whatever door.
func (s *site) requireErased(people ...domain.Token) {
	s.t.Helper()
	for _, token := range people {
		states := s.values(token)
		require.NotEmpty(s.t, states)
		for _, state := range states {
			require.Equal(s.t, personal.Erased, state)
		}
		keys, err := s.app.Keys.Keys(s.t.Context(), token.Stream())
		require.NoError(s.t, err)
		for _, k := range keys {
			require.True(s.t, k.Fenced)
		}
	}
}

func (s *site) requireReadable(people ...domain.Token) {
	s.t.Helper()
	for _, token := range people {
		states := s.values(token)
		require.NotEmpty(s.t, states)
		for _, state := range states {
			require.Equal(s.t, personal.Present, state)
		}
	}
}

// reapplied counts what a person's stream says of erasures carried out again.
func (s *site) reapplied(token domain.Token) (events, keys int) {
	s.t.Helper()
	state, err := s.app.Ledger.Subject(s.t.Context(), token)
	require.NoError(s.t, err)
	for _, r := range state.Entries() {
		if e, ok := r.Event.(*subject.ErasureReapplied); ok {
			require.Equal(s.t, erasureOf(token), e.Erasure)
			events, keys = events+1, keys+len(e.Keys)
		}
	}
	return events, keys
}

// requireClean audits everything.
func (s *site) requireClean() {
	s.t.Helper()
	a := s.app
	require.NoError(s.t, a.Seal.WaitFor(s.t.Context(), a.Store.Stats().Head))
	res, err := audit.New(audit.Options{
		Store: a.Store, Seal: a.Seal, Keys: a.Keys, Decoder: a.Codec, Views: a.Views.Runner, Version: "test", Now: time.Now,
	}).Run(s.t.Context(), audit.Request{}, nil)
	require.NoError(s.t, err)
	require.True(s.t, res.Clean, "%+v", res.Findings)
}

func (s *site) reports() string { return strings.Join(s.app.Reports(), "\n") }

// A backup that is restored brings nobody back: keys alone, and then ledger
// and keys, of before the erasure. What opens the ledger has destroyed the
// keys again before it returns, so that at no moment anything is readable;
// where it cannot know what was erased it does not open.
func TestPitfall03RestoredKeysAreShreddedAgain(t *testing.T) {
	s := newSite(t)
	gone, stays := s.person(1), s.person(2)
	made := s.backup()
	require.Len(t, made, 2)
	s.requireReadable(gone, stays)
	s.erase(gone)
	s.requireErased(gone)

	for _, from := range [][2]string{{"", made[1].Dir}, {made[0].Dir, made[1].Dir}, {made[0].Dir, ""}} {
		s.restore(from[0], from[1])
		hidden := filepath.Join(s.dir, "elsewhere")
		if from[1] != "" { // keys that nobody can tell to be current
			require.NoError(t, os.Rename(filepath.Join(s.dir, "journal"), hidden))
			s.refuses(keyring.ErrJournalMissing)
			require.NoError(t, os.RemoveAll(filepath.Join(s.dir, "journal")))
			require.NoError(t, os.Rename(hidden, filepath.Join(s.dir, "journal")))
		}
		s.open()
		s.requireErased(gone)
		s.requireReadable(stays)
		require.Contains(t, s.reports(), "1 erasures that what was restored did not know of were carried out again", "%v", from)
		events, keys := s.reapplied(gone)
		require.Equal(t, 1, events)
		require.Positive(t, keys)
		events, _ = s.reapplied(stays)
		require.Zero(t, events)
		s.requireClean()
		s.close()
		s.open()
		s.requireErased(gone)
		require.NotContains(t, s.reports(), "carried out again", "it is told once")
		s.requireClean()
	}
}

// The full backup of an hour before, put back where the keys of the journal's
// head are gone as well: the journal alone is enough.
func TestAFullBackupDoesNotReviveAnybody(t *testing.T) {
	s := newSite(t)
	people := []domain.Token{s.person(1), s.person(2), s.person(3)}
	made := s.backup()
	s.erase(people[:2]...)
	after := s.person(4)
	s.restore(made[0].Dir, made[1].Dir)
	for _, lost := range []string{"pins", "lookup"} {
		require.NoError(t, os.RemoveAll(filepath.Join(s.dir, lost)))
	}
	s.open()
	s.requireErased(people[:2]...)
	s.requireReadable(people[2])
	state, err := s.app.Ledger.Subject(t.Context(), after)
	require.NoError(t, err)
	require.Nil(t, state, "who came after the backup is lost with it")
	s.requireClean()
	ops, err := s.app.Ledger.Operations(t.Context())
	require.NoError(t, err)
	require.EqualValues(t, 1, ops.LostRange(s.app.Ledger.Now()))
	n := s.person(5)
	s.requireReadable(n)
}

// The journal, its head and the keys come back together as they were before
// the erasure, as from the image of a disk. The log knows better.
func TestTheLogKnowsWhatTheJournalLost(t *testing.T) {
	s := newSite(t)
	gone, stays := s.person(1), s.person(2)
	s.close()
	image := t.TempDir()
	for _, part := range []string{"keys", "journal", "pins"} {
		require.NoError(t, os.CopyFS(filepath.Join(image, part), os.DirFS(filepath.Join(s.dir, part))))
	}
	s.open()
	s.erase(gone)
	s.close()
	for _, part := range []string{"keys", "journal", "pins"} {
		require.NoError(t, os.RemoveAll(filepath.Join(s.dir, part)))
		require.NoError(t, os.CopyFS(filepath.Join(s.dir, part), os.DirFS(filepath.Join(image, part))))
	}
	s.open()
	s.requireErased(gone)
	s.requireReadable(stays)
	events, _ := s.reapplied(gone)
	require.Equal(t, 1, events)
	s.requireClean()
}

// bare records events in a closed ledger, as a crash leaves them: nothing
// follows them up.
func (s *site) bare(token domain.Token, events ...domain.Event) {
	s.t.Helper()
	s.close()
	c := apart(s.dir).Storage.Resolved()
	store, err := segment.Open(filepath.Join(c.Data, "log"), segment.Options{Now: time.Now})
	require.NoError(s.t, err)
	keys, err := keyring.Open(s.t.Context(), keyring.Options{
		Dir: c.Keys, EpochDir: c.Epochs, LookupDir: c.Lookup, JournalDir: c.Journal, HeadDir: c.Pins, RootKeyFile: c.RootKey, Now: time.Now, Rand: rand.Reader,
	})
	require.NoError(s.t, err)
	all, err := codec.New()
	require.NoError(s.t, err)
	l, err := ledger.New(ledger.Options{Store: store, Keys: keys, Codec: all, Now: time.Now, Rand: rand.Reader, Logger: slog.New(slog.DiscardHandler)})
	require.NoError(s.t, err)
	for _, e := range events {
		_, _, err := l.Record(s.t.Context(), token.Stream(), ledger.Request{Principal: app.System}, e)
		require.NoError(s.t, err)
	}
	require.NoError(s.t, errors.Join(store.Close(), keys.Close()))
}

// started is what a start of an erasure of everything says.
func (s *site) started(token domain.Token) (*subject.ErasureOrdered, *subject.ErasureStarted) {
	s.t.Helper()
	keys, err := s.app.Keys.Keys(s.t.Context(), token.Stream())
	require.NoError(s.t, err)
	o := &subject.ErasureOrdered{Erasure: erasureOf(token), Cause: subject.OnRequest, Everything: true, By: subject.Self, Due: time.Now().UTC().Truncate(time.Microsecond)}
	e := &subject.ErasureStarted{Erasure: o.Erasure}
	for _, k := range keys {
		group := k.Compartment.Group
		if !strings.HasPrefix(string(group), "evidence") {
			o.Groups = append(o.Groups, subject.Weighed{Group: group, Outcome: subject.Erase, Ground: subject.NotNecessary})
		}
		e.Keys = append(e.Keys, subject.KeyRef{Group: group, Generation: k.Generation, Key: domain.ID(k.ID)})
	}
	e.Groups = o.Groups
	return o, e
}

// What had started when a crash came is destroyed before anything is served;
// what was stopped, or is to be stopped for a hold that was placed before, is
// not destroyed.
func TestOpeningActsOnWhatHadStarted(t *testing.T) {
	s := newSite(t)
	begun, stopped, held := s.person(1), s.person(2), s.person(3)
	o, e := s.started(begun)
	s.bare(begun, o, e)
	s.open()
	s.requireErased(begun)
	events, _ := s.reapplied(begun)
	require.Zero(t, events, "nothing had come back")

	o, e = s.started(stopped)
	s.bare(stopped, o, e, &subject.ErasureStopped{Erasure: e.Erasure})
	s.open()
	s.requireReadable(stopped)

	_, err := s.app.Ledger.Declare(t.Context(), ledger.Request{Principal: app.Local}, catalogue.DeclarePurpose{PurposeDeclared: catalogue.PurposeDeclared{
		ID: "claims", Controllers: []domain.Name{"acme"}, Basis: domain.LegitimateInterests, Fields: []domain.Name{"name"}, Exemption: catalogue.Claims,
		Retention: "P3Y", RetentionStart: catalogue.FromLastActivity, DPV: "dpv:CustomerCare",
	}})
	require.NoError(t, err)
	cat, err := s.app.Ledger.Catalogue(t.Context())
	require.NoError(t, err)
	_, err = s.app.Ledger.Operate(t.Context(), ledger.Request{Principal: app.Local}, operations.PlaceGroupHold{
		GroupHoldPlaced: operations.GroupHoldPlaced{
			Hold: domain.ID{7}, Group: "identity", Purpose: "claims", Review: time.Now().AddDate(1, 0, 0).UTC().Truncate(time.Microsecond),
			People: operations.Everyone, Authority: personal.Of("court"),
		},
		Officer: true, Catalogue: cat,
	})
	require.NoError(t, err)
	o, e = s.started(held)
	s.bare(held, o, e)
	s.open()
	s.requireReadable(held)
	eventually(t, time.Minute, func() bool {
		state, err := s.app.Ledger.Subject(context.Background(), held)
		require.NoError(t, err)
		got, _ := state.Erasure(e.Erasure)
		return got.State == subject.IsStopped
	})
	s.requireReadable(held)
}

// What a backup must not hold it does not, by name or by content, and nobody
// else may read it.
func TestWhatIsInNoBackup(t *testing.T) {
	s := newSite(t)
	gone := s.person(1)
	s.person(2)
	s.erase(gone)
	made := s.backup()
	require.NoError(t, s.app.Seal.WaitFor(t.Context(), s.app.Store.Stats().Head))

	secret := map[string][]byte{"a name": []byte("Person 2"), "an address": []byte("p2@example.org"), "the journal": []byte("lethe-erasures-1")}
	root, err := os.ReadFile(filepath.Join(s.dir, "root.key"))
	require.NoError(t, err)
	_, encoded, _ := bytes.Cut(bytes.TrimSpace(root), []byte(":"))
	raw, err := base64.StdEncoding.DecodeString(string(encoded))
	require.NoError(t, err)
	secret["the root key"], secret["the root key as it is"] = encoded, raw
	epochs, err := os.ReadFile(filepath.Join(s.dir, "epochs", "epochs"))
	require.NoError(t, err)
	wrapped := regexp.MustCompile(`"wrapped":"([^"]+)"`).FindAllSubmatch(epochs, -1)
	require.Len(t, wrapped, 257, "the epoch keys, and the key-encryption key above them, which the key store has too")
	stored, err := os.ReadFile(filepath.Join(s.dir, "keys", "keys.db"))
	require.NoError(t, err)
	wrapped = slices.DeleteFunc(wrapped, func(w [][]byte) bool {
		key, err := base64.StdEncoding.DecodeString(string(w[1]))
		require.NoError(t, err)
		return bytes.Contains(stored, key) || bytes.Contains(stored, w[1])
	})
	require.GreaterOrEqual(t, len(wrapped), 256)
	for _, w := range wrapped {
		key, err := base64.StdEncoding.DecodeString(string(w[1]))
		require.NoError(t, err)
		secret["an epoch key "+string(w[1][:8])] = key
	}
	pin, err := os.ReadFile(filepath.Join(s.dir, "pins", "latest"))
	require.NoError(t, err)
	secret["a pin"] = bytes.TrimSpace(pin)[8:]
	for _, table := range []string{"lookup_by_token", "CREATE TABLE creations"} {
		secret["the lookup's "+table] = []byte(table)
	}
	lookup, err := os.ReadFile(filepath.Join(s.dir, "lookup", "lookup.db"))
	require.NoError(t, err)
	require.Contains(t, string(lookup), "lookup_by_token", "it would be found")

	files := 0
	for _, m := range made {
		require.NoError(t, filepath.WalkDir(m.Dir, func(path string, d fs.DirEntry, err error) error {
			require.NoError(t, err)
			info, err := d.Info()
			require.NoError(t, err)
			require.Zero(t, info.Mode().Perm()&0o077, "%s can be read by others", path)
			if d.IsDir() {
				return nil
			}
			files++
			b, err := os.ReadFile(path)
			require.NoError(t, err)
			for what, bytesOf := range secret {
				require.False(t, bytes.Contains(b, bytesOf), "%s holds %s", path, what)
			}
			return nil
		}))
	}
	require.Equal(t, len(made[0].Manifest.Files)+len(made[1].Manifest.Files)+2, files, "and nothing else")
	names := []string{}
	for _, f := range made[1].Manifest.Files {
		names = append(names, f.Path)
	}
	require.ElementsMatch(t, []string{"keys.db", "log-keys"}, names)
}

// Places that would be lost, or stolen, together are refused.
func TestPlacesOfBackupsLieApart(t *testing.T) {
	dir := t.TempDir()
	of := apart(dir).Storage
	in := func(parts ...string) string { return filepath.Join(append([]string{dir}, parts...)...) }
	_, err := app.Places(config.Backup{LedgerTo: in("b", "ledger"), KeysTo: in("b", "keys")}, of)
	require.NoError(t, err)
	for _, bad := range []config.Backup{
		{LedgerTo: in("b"), KeysTo: in("b")},
		{LedgerTo: in("b"), KeysTo: in("b", "keys")},
		{LedgerTo: in("data", "b")},
		{KeysTo: in("keys")},
		{KeysTo: in("epochs", "b")},
		{LedgerTo: in("journal")},
		{LedgerTo: in("pins", "..", "pins")},
		{LedgerTo: dir},
		{KeysTo: in("lookup")},
	} {
		_, err := app.Places(bad, of)
		require.Error(t, err, "%+v", bad)
	}
}
