package importer

import (
	"bytes"
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
	"lethe/domain/principal"
	"lethe/domain/subject"
	"lethe/eventstore"
	"lethe/eventstore/segment"
	"lethe/internal/auth"
	"lethe/internal/codec"
	"lethe/internal/disclose"
	"lethe/internal/keyring"
	"lethe/internal/ledger"
	"lethe/internal/starter"
	"lethe/internal/testenv"
)

// place is a data directory that survives what is opened on it.
type place struct {
	t   testing.TB
	dir string
}

// world is an open ledger.
type world struct {
	t      testing.TB
	dir    string
	ledger *ledger.Ledger
	keys   *keyring.Keyring
	store  eventstore.Store
	door   *disclose.Door
	caller auth.Caller
	crash  func(string) error
}

func newPlace(t testing.TB) *place { return &place{t, t.TempDir()} }

func (p *place) open() *world {
	p.t.Helper()
	store, err := segment.Open(filepath.Join(p.dir, "log"), segment.Options{SegmentBytes: 4 << 20, IdleMarker: -1})
	require.NoError(p.t, err)
	keys, err := keyring.Open(context.Background(), keyring.Options{
		Dir: filepath.Join(p.dir, "keys"), EpochDir: filepath.Join(p.dir, "epochs"),
		LookupDir: filepath.Join(p.dir, "lookup"), RootKeyFile: filepath.Join(p.dir, "root.key"), CreateRoot: true,
	})
	require.NoError(p.t, err)
	c, err := codec.New()
	require.NoError(p.t, err)
	log := slog.New(slog.DiscardHandler)
	l, err := ledger.New(ledger.Options{Store: store, Keys: keys, Codec: c, Now: time.Now, Rand: rand.Reader, Logger: log})
	require.NoError(p.t, err)
	return &world{
		t: p.t, dir: p.dir, ledger: l, keys: keys, store: store, door: disclose.New(l, c, keys, log),
		caller: auth.Caller{Principal: domain.ID{1}, Roles: []principal.Role{principal.Admin, principal.Officer}},
	}
}

func (w *world) close() {
	w.t.Helper()
	require.NoError(w.t, w.store.Close())
	require.NoError(w.t, w.keys.Close())
}

// start opens a new directory with the starter catalogue.
func start(t testing.TB) *world {
	t.Helper()
	w := newPlace(t).open()
	t.Cleanup(func() { w.close() })
	w.declare()
	return w
}

func (w *world) declare() {
	w.t.Helper()
	declarations, err := starter.Default()
	require.NoError(w.t, err)
	var commands []catalogue.Command
	for _, d := range declarations {
		commands = append(commands, d.Command)
	}
	_, err = w.ledger.Declare(context.Background(), ledger.Request{Principal: w.caller.Principal}, commands...)
	require.NoError(w.t, err)
}

func (w *world) deps() Deps {
	return Deps{Ledger: w.ledger, Keys: w.keys, Now: time.Now, Rand: rand.Reader, Logger: slog.New(slog.DiscardHandler), crash: w.crash}
}

func (w *world) job(format domain.Name, file, mapping []byte) Job {
	return Job{
		Format: format, File: bytes.NewReader(file), Size: int64(len(file)), FileName: "people.csv", Mapping: mapping, Caller: w.caller, Workers: 64,
	}
}

func (w *world) run(j Job) Report {
	w.t.Helper()
	rep, err := Run(context.Background(), w.deps(), j)
	require.NoError(w.t, err)
	return rep
}

func (w *world) csv(mapping, file string) Report {
	w.t.Helper()
	return w.run(w.job(CSV, []byte(file), []byte(mapping)))
}

// events counts what is in the log, and gives its end.
func (w *world) events() (n int, last eventstore.Position) {
	w.t.Helper()
	for e, err := range w.store.ReadAll(context.Background(), 0) {
		require.NoError(w.t, err)
		n, last = n+1, e.Position
	}
	return n, last
}

// who finds the one record that has a value.
func (w *world) who(kind catalogue.LookupKind, text string) *subject.State {
	w.t.Helper()
	hits, err := w.keys.Find(context.Background(), kind, text)
	require.NoError(w.t, err)
	require.NotEmpty(w.t, hits)
	s, err := w.ledger.Subject(context.Background(), hits[0].Token)
	require.NoError(w.t, err)
	return s
}

func (w *world) snap(s *subject.State) *subject.Snapshot {
	now := w.ledger.Now()
	return s.At(now, now)
}

// holds tells whether the record has the value.
func (w *world) holds(s *subject.State, field domain.Name, text string) bool {
	w.t.Helper()
	for _, f := range w.snap(s).Fields {
		if f.Field == field {
			same, err := w.ledger.Matches(context.Background(), f.Value, text)
			require.NoError(w.t, err)
			if same {
				return true
			}
		}
	}
	return false
}

func (w *world) on(s *subject.State, commands ...subject.Command) {
	w.t.Helper()
	_, err := w.ledger.On(context.Background(), ledger.Request{Principal: w.caller.Principal}, s.Token(), subject.Env{Officer: true}, commands...)
	require.NoError(w.t, err)
}

func foreign(t testing.TB, elem ...string) []byte {
	t.Helper()
	b, err := os.ReadFile(testenv.TestData(t, elem...)) //nolint:gosec // test data
	require.NoError(t, err)
	return b
}
