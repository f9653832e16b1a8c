package audit_test

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"lethe/eventstore"
	"lethe/eventstore/segment"
	"lethe/eventstore/storetest"
	"lethe/internal/app"
	"lethe/internal/audit"
)

// shared is a ledger that tests copy: closed in order, 150 people.
var shared struct {
	once sync.Once
	dir  string
}

func TestMain(m *testing.M) {
	code := m.Run()
	for _, dir := range temporary {
		_ = os.RemoveAll(dir)
	}
	os.Exit(code)
}

// temporary directories outlive a test.
var temporary []string

// copyOfShared is a copy of the shared ledger.
func copyOfShared(t testing.TB) string {
	t.Helper()
	shared.once.Do(func() {
		dir, err := os.MkdirTemp("", "lethe-audit-*")
		require.NoError(t, err)
		shared.dir = dir
		temporary = append(temporary, dir)
		fill(t, dir, 150)
	})
	dir := t.TempDir()
	copyTo(t, shared.dir, dir)
	return dir
}

// flip changes one bit of a file.
func flip(t testing.TB, name string, at int64) {
	t.Helper()
	f, err := os.OpenFile(name, os.O_RDWR, 0)
	require.NoError(t, err)
	defer f.Close()
	if at < 0 {
		info, err := f.Stat()
		require.NoError(t, err)
		at += info.Size()
	}
	b := make([]byte, 1)
	_, err = f.ReadAt(b, at)
	require.NoError(t, err)
	b[0] ^= 1
	_, err = f.WriteAt(b, at)
	require.NoError(t, err)
}

// one requires a single finding and gives it.
func one(t testing.TB, res audit.Result, step, where, what string) audit.Finding {
	t.Helper()
	require.Len(t, res.Findings, 1, "%+v", res.Findings)
	f := res.Findings[0]
	require.Equal(t, step, f.Step, "%+v", f)
	require.Contains(t, f.Where, where)
	require.Contains(t, f.What, what)
	require.NotEmpty(t, f.Means)
	require.False(t, res.Clean)
	return f
}

// some requires a finding among others.
func some(t testing.TB, res audit.Result, step, where, what string) {
	t.Helper()
	for _, f := range res.Findings {
		if f.Step == step && strings.Contains(f.Where, where) && strings.Contains(f.What, what) {
			return
		}
	}
	require.Fail(t, "not found", "%s %s %s in %+v", step, where, what, res.Findings)
}

// The files of the tree, one thing wrong with each. Whatever is wrong with a
// file, the checkpoint still fits what the events give.
func TestFilesOfTheTree(t *testing.T) {
	const log0 = "seal/log-0/"
	for name, test := range map[string]struct {
		change      func(t *testing.T, dir string)
		where, what string
	}{
		"a hash": {
			func(t *testing.T, dir string) { flip(t, dir+"/tile/0/000", 70) },
			"tile/0/000", "the hash of leaf 2 is not that of its event and its entry",
		},
		"many hashes": {
			func(t *testing.T, dir string) {
				b, err := os.ReadFile(dir + "/tile/0/001")
				require.NoError(t, err)
				clear(b[:96])
				require.NoError(t, os.WriteFile(dir+"/tile/0/001", b, 0o600))
			},
			"tile/0/001", "of leaf 256 is not that of its event and its entry; nor are 2 more",
		},
		"an entry": {
			func(t *testing.T, dir string) { flip(t, dir+"/tile/entries/000", 30) },
			"tile/entries/000", "the entry of leaf 0 is not that of its event and its hash",
		},
		"behind the entries": {
			func(t *testing.T, dir string) {
				f, err := os.OpenFile(dir+"/tile/entries/000", os.O_APPEND|os.O_WRONLY, 0)
				require.NoError(t, err)
				_, err = f.WriteString("\x00\x01x")
				require.NoError(t, err)
				require.NoError(t, f.Close())
			},
			"tile/entries/000", "goes on behind its last entry",
		},
		"a tile gone": {
			func(t *testing.T, dir string) { require.NoError(t, os.Remove(dir+"/tile/0/000")) },
			"tile/0/000", "it is not there",
		},
		"a short tile": {
			func(t *testing.T, dir string) { require.NoError(t, os.Truncate(dir+"/tile/0/001", 8191)) },
			"tile/0/001", "another size",
		},
		"a stale partial tile": {
			func(t *testing.T, dir string) {
				require.NoError(t, os.MkdirAll(dir+"/tile/0/000.p", 0o700))
				require.NoError(t, os.WriteFile(dir+"/tile/0/000.p/3", make([]byte, 96), 0o600))
			},
			"tile/0/000.p/3", "not the beginning of its tile",
		},
		"stale partial entries": {
			func(t *testing.T, dir string) {
				require.NoError(t, os.MkdirAll(dir+"/tile/entries/000.p", 0o700))
				require.NoError(t, os.WriteFile(dir+"/tile/entries/000.p/3", make([]byte, 96), 0o600))
			},
			"tile/entries/000.p/3", "not the beginning of its tile",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := copyOfShared(t)
			test.change(t, filepath.Join(dir, log0))
			res := verifyDir(t, dir, audit.Request{LogOnly: true})
			one(t, res, audit.StepLog, log0+test.where, test.what)
			require.NotNil(t, res.Checkpoint, "the checkpoint fits the events")
		})
	}
}

// The right edge is read when the ledger is opened: what is wrong there stops
// sealing, and is named.
func TestTheTreesEdge(t *testing.T) {
	for _, level := range []string{"0", "1", "entries"} {
		t.Run(level, func(t *testing.T) {
			t.Parallel()
			dir := copyOfShared(t)
			partials, err := filepath.Glob(filepath.Join(dir, "seal/log-0/tile", level, "*.p/*"))
			require.NoError(t, err)
			require.NotEmpty(t, partials)
			for _, p := range partials {
				flip(t, p, -1)
			}
			res := verifyDir(t, dir, audit.Request{LogOnly: true})
			some(t, res, audit.StepLog, "tile/"+level+"/", "")
			some(t, res, audit.StepCheckpoints, "seal", "sealing stopped")
		})
	}
}

// A key store that is older than the log: consistent in itself, and without
// the keys that came since. That is missing, and never erased.
func TestAnOlderKeyStore(t *testing.T) {
	dir := t.TempDir()
	w := &world{t: t, app: open(t, dir)}
	w.declare()
	w.register(5)
	w.destroy(1)
	require.NoError(t, w.app.Close())
	older := t.TempDir()
	copyTo(t, filepath.Join(dir, "keys"), older)
	w.app = open(t, dir)
	w.register(3)
	require.NoError(t, w.app.Close())
	require.NoError(t, os.RemoveAll(filepath.Join(dir, "keys")))
	copyTo(t, older, filepath.Join(dir, "keys"))
	require.NoError(t, os.RemoveAll(filepath.Join(dir, "lookup")))
	res := verifyDir(t, dir, audit.Request{})
	missing := 0
	for _, f := range res.Findings {
		if f.Step == audit.StepEvents {
			missing++
			require.Contains(t, f.What, "is missing, and no fence")
			require.Contains(t, f.Means, "not erased")
		}
	}
	require.GreaterOrEqual(t, missing, 6, "two groups of three people at least")
	for _, s := range res.Steps {
		if s.Name == audit.StepEvents {
			require.Contains(t, s.Notes[0], " 2 erased,")
		}
	}
}

func TestAChangedRowOfAView(t *testing.T) {
	dir := copyOfShared(t)
	table, column := changeView(t, dir, "consents")
	found := verifyDir(t, dir, audit.Request{})
	some(t, found, audit.StepViews, "views/consents, "+table, column)
	require.NotNil(t, found.Checkpoint)
}

// An event that something else than the ledger put into the log.
func TestAnEventFromOutside(t *testing.T) {
	dir := copyOfShared(t)
	s, err := segment.Open(filepath.Join(dir, "log"), segment.Options{SegmentBytes: 64 << 10})
	require.NoError(t, err)
	e := storetest.NewEvent(7)
	e.Sealed = [][]byte{[]byte("no part")}
	_, err = s.Append(t.Context(), "subject-s0000000000000000000000000", eventstore.Any(), []eventstore.Event{e})
	require.NoError(t, err)
	require.NoError(t, s.Close())
	res := verifyDir(t, dir, audit.Request{})
	some(t, res, audit.StepEvents, "log/", "unknown event type")
	some(t, res, audit.StepEvents, "log/", "malformed sealed part")
	require.NotNil(t, res.Checkpoint, "it was sealed as it is")
}

// A segment that was exchanged for an older copy of itself.
func TestAnOlderSegment(t *testing.T) {
	dir := t.TempDir()
	w := &world{t: t, app: open(t, dir)}
	w.declare()
	ready(t, w.app)
	require.NoError(t, w.app.Close())
	older := t.TempDir()
	copyTo(t, filepath.Join(dir, "log"), older)
	w.app = open(t, dir)
	w.register(3)
	ready(t, w.app)
	require.NoError(t, w.app.Close())
	segments, err := filepath.Glob(older + "/*.seg")
	require.NoError(t, err)
	require.Len(t, segments, 1)
	b, err := os.ReadFile(segments[0])
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "log", filepath.Base(segments[0])), b, 0o600))
	_, err = app.Open(context.Background(), ledgerOf(dir), slog.New(slog.DiscardHandler))
	require.Error(t, err)
	res, damaged := audit.Refused(dir, err)
	require.True(t, damaged, "%v", err)
	require.Len(t, res.Findings, 1)
	require.False(t, res.Clean)
}

func TestEntriesThatAreGone(t *testing.T) {
	res := online(t, func(_ *app.App, dir string) {
		require.NoError(t, os.Remove(filepath.Join(dir, "seal/log-0/tile/entries/001")))
	})
	one(t, res, audit.StepLog, "tile/entries/001", "it is not there")
	dir := copyOfShared(t)
	require.NoError(t, os.Remove(filepath.Join(dir, "seal/log-0/tile/entries/001")))
	_, err := app.Open(context.Background(), ledgerOf(dir), slog.New(slog.DiscardHandler))
	require.Error(t, err)
	_, damaged := audit.Refused(dir, err)
	require.True(t, damaged, "%v", err)
}

func TestPartsThatAreGone(t *testing.T) {
	for _, part := range []string{"epochs", "keys/keys.db"} {
		t.Run(part, func(t *testing.T) {
			t.Parallel()
			dir := copyOfShared(t)
			require.NoError(t, os.RemoveAll(filepath.Join(dir, part)))
			_, err := app.Open(context.Background(), ledgerOf(dir), slog.New(slog.DiscardHandler))
			require.Error(t, err)
			res, damaged := audit.Refused(dir, err)
			require.True(t, damaged, "%v", err)
			require.Contains(t, res.Findings[0].Means, "not erased")
		})
	}
}

func TestWhatIsNoDamage(t *testing.T) {
	for name, change := range map[string]func(dir string) error{
		"the root key is gone": func(dir string) error { return os.Remove(dir + "/root.key") },
		"others may read it":   func(dir string) error { return os.Chmod(dir+"/root.key", 0o644) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := copyOfShared(t)
			require.NoError(t, change(dir))
			_, err := app.Open(context.Background(), ledgerOf(dir), slog.New(slog.DiscardHandler))
			require.Error(t, err)
			_, damaged := audit.Refused(dir, err)
			require.False(t, damaged, "%v", err)
		})
	}
}

// Events that were changed after they were sealed, in segments that are whole
// by themselves.
func TestAlteredEvents(t *testing.T) {
	start := time.Date(2026, 1, 31, 9, 0, 0, 0, time.UTC)
	write := func(dir string, altered uint64) *segment.Store {
		s, err := segment.Open(dir, segment.Options{SegmentBytes: 64 << 10, Now: func() time.Time { return start }})
		require.NoError(t, err)
		for n := uint64(1); n <= 700; n++ {
			e := storetest.NewEvent(n)
			if n == altered {
				e.Facts = append([]byte(nil), e.Facts...)
				e.Facts[0] ^= 1
			}
			_, err := s.Append(t.Context(), "subject-1", eventstore.Any(), []eventstore.Event{e})
			require.NoError(t, err)
		}
		return s
	}
	l := &sealedLog{dir: t.TempDir()}
	l.store = write(filepath.Join(l.dir, "log"), 0)
	l.openSeal(t)
	require.NoError(t, l.seal.WaitFor(t.Context(), l.store.Stats().Head))
	res, err := l.auditor(2).Run(t.Context(), audit.Request{LogOnly: true}, nil)
	require.NoError(t, err)
	requireClean(t, res)

	twin := write(filepath.Join(l.dir, "twin"), 300)
	defer func() { require.NoError(t, twin.Close()) }()
	a := audit.New(audit.Options{Store: twin, Seal: l.seal, Now: time.Now})
	res, err = a.Run(t.Context(), audit.Request{LogOnly: true}, nil)
	require.NoError(t, err)
	f := one(t, res, audit.StepLog, "log/", "is not the one that was sealed as leaf 299")
	require.Contains(t, f.What, storetest.ID(300).String())
	require.Nil(t, res.Checkpoint, "no checkpoint fits what was changed")
}
