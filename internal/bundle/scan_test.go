package bundle

import (
	"bytes"
	"context"
	"fmt"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"

	"lethe/eventstore"
	"lethe/internal/leaf"
	"lethe/internal/tlog"
)

func scanning(t testing.TB, w *world, source tlog.Entries) Trust {
	trust := trusted(t)
	trust.Entries, trust.Tiles, trust.Workers = source, w, 3
	return trust
}

func TestAScanShowsThatNothingWasWithheld(t *testing.T) {
	w := story(t)
	r := check(t, golden(t), scanning(t, w, w))
	require.Equal(t, Verified, r.Outcome)
	require.Equal(t, "complete to revision 6 at checkpoint 270: the stream has no other entry among the 270 of the tree", r.Statement)

	early := func(l *leaf.Leaf) bool { return ofBundle(l) && l.Index < 170 }
	in := w.input(storySize, early, someFields)
	z := zipOf(t, in)
	require.Equal(t, Verified, check(t, z, trusted(t)).Outcome, "without a scan it cannot be known")
	r = check(t, z, scanning(t, w, w))
	found(t, r, "withheld", "entry 209 of the tree (tile/entries/000)")
	require.Len(t, r.Findings, 3)
	require.Empty(t, r.Statement)
}

func TestAScanAsOf(t *testing.T) {
	w := story(t)
	early := func(l *leaf.Leaf) bool { return ofBundle(l) && l.Index < 170 }
	in := w.input(storySize, early, someFields)
	in.AsOf = w.events[170].leaf.Recorded
	r := check(t, zipOf(t, in), scanning(t, w, w))
	require.Equal(t, Verified, r.Outcome, r.Findings)
	require.Contains(t, r.Statement, "complete to revision 3 at checkpoint 270, as of 2026-01-05T09:45:27.211014Z: the stream's 3 other entries in the tree were recorded later")

	// As of a time when more had been recorded than it holds.
	in.AsOf = w.events[209].leaf.Recorded
	r = check(t, zipOf(t, in), scanning(t, w, w))
	found(t, r, "withheld", "revision 4 of the stream")
	require.Len(t, r.Findings, 1)
}

// altered is a source of entries of which one bundle is changed.
type altered struct {
	*world
	n      int64
	change func([]byte) []byte
}

func (a altered) ReadEntries(ctx context.Context, n int64, width int) ([]byte, error) {
	data, err := a.world.ReadEntries(ctx, n, width)
	if n == a.n {
		data = a.change(data)
	}
	return data, err
}

func TestEntriesThatAreNotTheLogs(t *testing.T) {
	w := story(t)
	for name, change := range map[string]func([]byte) []byte{
		"a bit":        func(b []byte) []byte { b[40] ^= 1; return b },
		"one too few":  func(b []byte) []byte { return leaf.AppendEntry(nil, b[2:30]) },
		"one too many": func(b []byte) []byte { return leaf.AppendEntry(b, b[2:30]) },
		"cut":          func(b []byte) []byte { return b[:len(b)-1] },
		"a length":     func(b []byte) []byte { b[0] ^= 0x10; return b },
		"nothing":      func([]byte) []byte { return nil },
		"a person's event": func(b []byte) []byte {
			return bytes.Replace(b, []byte("subject-sother1"), []byte("subject-sother2"), 1)
		},
	} {
		t.Run(name, func(t *testing.T) {
			found(t, check(t, golden(t), scanning(t, w, altered{w, 0, change})), name, "tile/entries/000")
			trust := scanning(t, w, altered{w, 0, change})
			trust.Tiles = nil
			found(t, check(t, golden(t), trust), name, "the entries")
		})
	}
	// Tiles and entries of another log, which agree with each other.
	other := story(t)
	other.entries[5] = other.entries[6]
	found(t, check(t, golden(t), scanning(t, other, other)), "another log", "alike")
	// An entry that is in the tree and no leaf.
	w.entries[20] = []byte("hello")
	in := w.input(storySize, ofBundle, someFields)
	found(t, check(t, zipOf(t, in), scanning(t, w, w)), "no leaf", "entry 20 of the tree")
}

func TestEntriesThatCannotBeRead(t *testing.T) {
	r, err := Verify(context.Background(), golden(t), Trust{Keys: trusted(t).Keys, Entries: broken{}})
	require.ErrorIs(t, err, errBroken)
	require.Equal(t, Incomplete, r.Outcome)
	require.Empty(t, r.Statement)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	w := story(t)
	_, err = Verify(ctx, golden(t), scanning(t, w, w))
	require.ErrorIs(t, err, context.Canceled)
}

// The root that a scan recomputes is RFC 6962's, at all sizes around the
// borders of bundles and chunks.
func TestTheRootOfAScan(t *testing.T) {
	w := &world{t: t}
	for i := range 3*chunkEntries + 2 {
		w.entries = append(w.entries, fmt.Appendf(nil, "entry %d", i))
	}
	sizes := []int{0, 1, 2, 3, 255, 256, 257, 511, 512, 513, 1000, chunkEntries - 1, chunkEntries, chunkEntries + 1, chunkEntries + 300, 2*chunkEntries - 1, 2 * chunkEntries, 2*chunkEntries + 1, 3 * chunkEntries, 3*chunkEntries + 2}
	for _, size := range sizes {
		for _, workers := range []int{1, 3} {
			s, err := scan(context.Background(), w, int64(size), "x", workers)
			require.NoError(t, err)
			require.Equal(t, rootOf(w.entries[:size]), s.root, size)
		}
	}
}

// millions is a log of made-up entries that need not be kept.
type millions struct{ bundle []byte }

func (m millions) ReadEntries(context.Context, int64, int) ([]byte, error) { return m.bundle, nil }

// BenchmarkScan tells how many entries a second a scan looks at, from memory.
func BenchmarkScan(b *testing.B) {
	var m millions
	var l leaf.Leaf
	for i := range uint64(tlog.TileWidth) {
		rec := &eventstore.Recorded{
			Event:  eventstore.Event{ID: eventstore.EventID{byte(i)}, Type: "ConsentGiven", Version: 1, Sealed: [][]byte{make([]byte, 100)}},
			Stream: streamOf(subject[:10] + fmt.Sprint(i)), Revision: i,
		}
		leaf.Of(i, rec, &l)
		m.bundle = leaf.AppendEntry(m.bundle, l.Append(nil))
	}
	const size = 1 << 20
	b.ReportAllocs()
	b.SetBytes(int64(len(m.bundle)) * size / tlog.TileWidth)
	for b.Loop() {
		_, err := scan(context.Background(), m, size, streamOf(subject), runtime.GOMAXPROCS(0))
		require.NoError(b, err)
	}
	b.ReportMetric(float64(size)*float64(b.N)/b.Elapsed().Seconds(), "entries/s")
}

// BenchmarkVerify tells how long an ordinary bundle takes.
func BenchmarkVerify(b *testing.B) {
	z, trust := golden(b), trusted(b)
	b.SetBytes(int64(len(z)))
	for b.Loop() {
		require.Equal(b, Verified, check(b, z, trust).Outcome)
	}
}
