package segment_test

import (
	"io"
	"sync"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/require"

	"lethe/eventstore"
	"lethe/eventstore/segment"
	"lethe/eventstore/storetest"
)

// copyOf writes what a snapshot names to another file system.
func copyOf(t *testing.T, from vfs.FS, snap segment.Snapshot) *vfs.MemFS {
	t.Helper()
	to := vfs.NewMem()
	require.NoError(t, to.MkdirAll("data", 0o700))
	put := func(name string, b []byte) {
		f, err := to.Create("data/"+name, vfs.WriteCategoryUnspecified)
		require.NoError(t, err)
		_, err = f.Write(b)
		require.NoError(t, err)
		require.NoError(t, f.Close())
	}
	for _, s := range snap.Segments {
		f, err := from.Open(from.PathJoin(snap.Dir, s.Name))
		require.NoError(t, err)
		b, err := io.ReadAll(io.NewSectionReader(f, 0, s.Bytes))
		require.NoError(t, err)
		require.Len(t, b, int(s.Bytes))
		require.NoError(t, f.Close())
		put(s.Name, b)
	}
	for _, s := range snap.Small {
		put(s.Name, s.Data)
	}
	return to
}

// Copies that are taken while the log is written hold what was acknowledged,
// open without a complaint, and can be written on.
func TestASnapshotIsALog(t *testing.T) {
	fs := vfs.NewMem()
	s, _, err := openAt(t, fs, func(o *segment.Options) { o.SegmentBytes = 8 << 10 })
	require.NoError(t, err)
	var wg sync.WaitGroup
	wg.Go(func() { appendN(t, s, 1, 400) })
	var copies []*vfs.MemFS
	var snaps []segment.Snapshot
	for range 20 {
		acknowledged := s.Stats()
		snap, err := s.Snapshot()
		require.NoError(t, err)
		require.GreaterOrEqual(t, snap.Events, acknowledged.Events)
		require.GreaterOrEqual(t, snap.Position, acknowledged.Head)
		copies, snaps = append(copies, copyOf(t, fs, snap)), append(snaps, snap)
		snap.Release()
	}
	wg.Wait()
	snap, err := s.Snapshot()
	require.NoError(t, err)
	require.Greater(t, len(snap.Segments), 4)
	copies, snaps = append(copies, copyOf(t, fs, snap)), append(snaps, snap)
	snap.Release()
	all := storetest.All(t, s, 0)
	require.NoError(t, s.Close())
	_, err = s.Snapshot()
	require.ErrorIs(t, err, eventstore.ErrClosed)

	for i, copied := range copies {
		want := all[:snaps[i].Events]
		r, err := segment.OpenReader(copied, "data")
		require.NoError(t, err)
		require.Equal(t, append([]*eventstore.Recorded{}, want...), sectionEvents(t, r))
		require.NoError(t, r.Close())
		names, err := copied.List("data")
		require.NoError(t, err)
		require.Len(t, names, len(snaps[i].Segments)+2, "a reader leaves nothing behind")

		c, err := segment.Open("data", segment.Options{FS: copied, SegmentBytes: 8 << 10, Report: failOnReport(t)})
		require.NoError(t, err)
		require.False(t, c.Recovery().Unclean)
		require.Equal(t, snaps[i].Position, c.Stats().Head)
		_, err = c.Append(t.Context(), "new", eventstore.NoStream(), []eventstore.Event{storetest.NewEvent(100_000)})
		require.NoError(t, err)
		require.NoError(t, c.Verify(t.Context()))
		require.Equal(t, want, storetest.All(t, c, 0)[:len(want)])
		require.NoError(t, c.Close())
	}
}

// A copy that lacks a byte is damage, not a log that a crash cut.
func TestACopyThatWasCutIsRefused(t *testing.T) {
	fs := vfs.NewMem()
	s, _, err := openAt(t, fs, nil)
	require.NoError(t, err)
	appendN(t, s, 1, 10)
	snap, err := s.Snapshot()
	require.NoError(t, err)
	require.NoError(t, s.Close())
	snap.Segments[0].Bytes--
	copied := copyOf(t, fs, snap)
	var corrupt *eventstore.CorruptError
	_, err = segment.Open("data", segment.Options{FS: copied})
	require.ErrorAs(t, err, &corrupt)
	_, err = segment.OpenReader(copied, "data")
	require.ErrorAs(t, err, &corrupt)
}
