package seal

import (
	"encoding/base64"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/require"

	"lethe/eventstore/storetest"
)

// backedUp is what a backup would hold of a seal.
func (w *world) backedUp(l *Log) (at Standing, newest []byte) {
	at, err := l.Standing()
	require.NoError(w.t, err)
	return at, l.Published().Note
}

// putBack puts a copy of n events in place of the ledger, as it was written then.
func (w *world) putBack(n int, at Standing, newest []byte) *Log {
	require.NoError(w.t, w.fs.RemoveAll("data"))
	w.store, w.n = storetest.NewMemory(storetest.MemoryOptions{}), 0
	w.append(n)
	require.NoError(w.t, WriteCopy(w.fs, "data/seal", at, newest))
	return w.open(w.options())
}

// goesOn records the restart and seals some events behind it.
func (w *world) goesOn(l *Log, n int) {
	w.n += 10_000 // what follows is nothing that was there before
	w.append(n)
	require.NoError(w.t, l.RestartRecorded())
	require.NoError(w.t, w.seal(l, 100))
	require.Equal(w.t, l.Origin(), l.Published().Origin)
	require.NoError(w.t, l.Close(w.t.Context()))
	l = w.open(w.options())
	require.Nil(w.t, l.Restart())
	require.NoError(w.t, l.Close(w.t.Context()))
}

// A copy begins a new origin also when no pin says that anything was lost.
func TestACopyAlwaysBeginsANewOrigin(t *testing.T) {
	for _, pins := range []bool{true, false} {
		w := newWorld(t)
		w.append(120)
		l := w.open(w.options())
		require.NoError(t, w.seal(l, 100))
		at, newest := w.backedUp(l)
		require.NoError(t, l.Close(t.Context()))
		if !pins {
			require.NoError(t, w.fs.RemoveAll("pins"))
		}
		l = w.putBack(120, at, newest)
		r := l.Restart()
		require.NotNil(t, r)
		require.EqualValues(t, 1, r.Number)
		require.EqualValues(t, 120, r.Common)
		require.EqualValues(t, 120, r.Size)
		require.Equal(t, newest, r.Checkpoint)
		require.Equal(t, "example.com/ledger/restart-1", l.Origin())
		require.NoError(t, l.Close(t.Context()))
		l = w.open(w.options())
		require.Equal(t, r, l.Restart(), "once, until it is recorded")
		w.goesOn(l, 3)
		_, err := w.fs.List("data/seal/log-0")
		require.NoError(t, err)
	}
}

// Whether a log came back is seen without opening it: by the pins, by the seal's
// own files, and by the mark that a restore leaves.
func TestWhetherALogCameBack(t *testing.T) {
	data, pins := t.TempDir(), t.TempDir()
	back := func(events uint64) bool {
		t.Helper()
		was, err := CameBack(data, pins, events)
		require.NoError(t, err)
		return was
	}
	require.False(t, back(0))
	s := &state{Base: "example.com/ledger", Size: 100, Root: emptyRoot()}
	require.NoError(t, s.write(vfs.Default, data))
	require.False(t, back(100))
	require.True(t, back(99))

	p, err := openPins(vfs.Default, pins)
	require.NoError(t, err)
	pin := &Pin{Position: 7, Note: []byte("example.com/ledger\n120\n" + base64.StdEncoding.EncodeToString(emptyRoot()) + "\n\n\u2014 k AAAAAAAA\n")}
	require.NoError(t, p.pin(pin, time.Now()))
	require.False(t, back(120))
	require.True(t, back(119))
	pin.Restarts = 1
	require.NoError(t, p.pin(pin, time.Now()))
	require.True(t, back(200), "the pins know of a later name")
	require.NoError(t, os.Remove(filepath.Join(data, stateName)))
	require.False(t, back(120))
	require.True(t, back(119))

	s.Restarts, s.Copied = 1, true
	require.NoError(t, s.write(vfs.Default, data))
	require.True(t, back(200))
	s.Copied, s.Restart = false, &Restart{Number: 1}
	require.NoError(t, s.write(vfs.Default, data))
	require.True(t, back(200))
	s.Restart.Recorded = true
	require.NoError(t, s.write(vfs.Default, data))
	require.False(t, back(200))
}

// A newer copy comes back after an older one had: each is compared with the
// checkpoints of its own history, and with what they have in common.
func TestAnOlderCopyAndThenANewerOne(t *testing.T) {
	w := newWorld(t)
	w.append(50)
	l := w.open(w.options())
	require.NoError(t, w.seal(l, 100))
	older, oldNote := w.backedUp(l)
	w.append(50)
	w.now = w.now.Add(time.Hour) // the pins keep one a minute
	require.NoError(t, w.seal(l, 100))
	newer, newNote := w.backedUp(l)
	require.NoError(t, l.Close(t.Context()))

	l = w.putBack(50, older, oldNote)
	require.EqualValues(t, 50, l.Restart().Common)
	require.EqualValues(t, 100, l.Restart().Size)
	w.goesOn(l, 70) // the first restart's own events, at the places of those that were lost

	l = w.putBack(100, newer, newNote)
	r := l.Restart()
	require.EqualValues(t, 2, r.Number)
	require.EqualValues(t, 50, r.Common, "with the origin before")
	require.EqualValues(t, 120, r.Size)
	require.Equal(t, []uint64{50}, r.Earlier)
	require.Len(t, l.expect, 2, "of the first origin, both")
	w.goesOn(l, 3)

	l = w.putBack(50, older, oldNote)
	require.EqualValues(t, 3, l.Restart().Number)
	require.EqualValues(t, 50, l.Restart().Common)
	w.goesOn(l, 3)
}

// A copy that was altered is not signed, also when the first opening crashed.
func TestAnAlteredCopyThatWasRestoredIsNotSigned(t *testing.T) {
	w := newWorld(t)
	w.append(60)
	l := w.open(w.options())
	require.NoError(t, w.seal(l, 100))
	at, newest := w.backedUp(l)
	require.NoError(t, l.Close(t.Context()))
	w.fs = cloned(t, w.fs)
	require.NoError(t, w.fs.RemoveAll("data"))
	w.store, w.n = storetest.NewMemory(storetest.MemoryOptions{}), 7
	w.append(60)
	require.NoError(t, WriteCopy(w.fs, "data/seal", at, newest))
	for range 2 {
		l = w.open(w.options())
		require.NotEmpty(t, l.expect)
		require.NoError(t, l.Close(t.Context()))
	}
	l = w.open(w.options())
	require.NoError(t, l.RestartRecorded())
	require.ErrorIs(t, w.seal(l, 100), ErrInconsistent)
	require.Nil(t, l.Published())
	require.NoError(t, l.Close(t.Context()))
}

func cloned(t testing.TB, from vfs.FS) vfs.FS {
	to := vfs.NewMem()
	for _, dir := range []string{"data", "pins", "keys"} {
		cloneDir(t, from, to, dir)
	}
	return to
}
