package projections

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// snapshot copies a view's directory as a killed process would leave it:
// what was written is there, locks and shared memory are not.
func snapshot(t *testing.T, from, to string) {
	t.Helper()
	require.NoError(t, os.MkdirAll(to, 0o700))
	entries, err := os.ReadDir(from)
	require.NoError(t, err)
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), "-shm") {
			continue
		}
		b, err := os.ReadFile(filepath.Join(from, e.Name()))
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(filepath.Join(to, e.Name()), b, 0o600))
	}
}

// TestKilledAtEveryStep kills at each step of a first build, of following and
// of a rebuild, and reopens.
func TestKilledAtEveryStep(t *testing.T) {
	w := newWorld(t)
	w.write(20)
	var killed, points []string
	o := w.options(ledgerView{name: "a"})
	var mu sync.Mutex
	on := true
	o.hook = func(view, point string) error {
		mu.Lock()
		defer mu.Unlock()
		if on {
			dir := filepath.Join(t.TempDir(), fmt.Sprint(len(killed)))
			snapshot(t, filepath.Join(w.dir, view), filepath.Join(dir, view))
			killed, points = append(killed, dir), append(points, point)
		}
		return nil
	}
	r := w.open(o)
	w.check(r, "a")
	w.write(5)
	w.check(r, "a")
	require.NoError(t, r.Rebuild(t.Context(), nil))
	w.write(5)
	w.check(r, "a")
	require.NoError(t, r.Close())
	mu.Lock()
	on = false
	mu.Unlock()
	require.Subset(t, points, []string{
		"batch.begun", "batch.written", "batch.committed", "build.created", "build.loaded", "build.indexed", "build.synced",
		"swap.written", "swap.renamed", "swap.synced", "swap.retired",
	})
	want := dump(t, w.open(w.options(ledgerView{name: "a"})), "a", linesTable, sumsTable)
	for i, dir := range killed {
		w.dir = dir
		r := w.open(w.options(ledgerView{name: "a"}))
		w.check(r, "a")
		require.Equal(t, want, dump(t, r, "a", linesTable, sumsTable), "killed at step %d, %s", i, points[i])
		require.NoError(t, r.Close())
		require.Len(t, w.files("a"), 2, "killed at step %d, %s: nothing is left over", i, points[i])
	}
}

var errStep = errors.New("this step failed")

// TestFailedAtEveryStep lets each step fail instead: the process goes on, the
// view is whole or says that it failed, and reopening mends it.
func TestFailedAtEveryStep(t *testing.T) {
	for step, failed := 0, true; failed; step++ {
		w := newWorld(t)
		w.write(20)
		var mu sync.Mutex
		n := 0
		o := w.options(ledgerView{name: "a"})
		failed = false
		o.hook = func(_, point string) error {
			mu.Lock()
			defer mu.Unlock()
			if point == "swap.retired" {
				return nil // comes after everything that can fail
			}
			if n++; n == step+1 {
				failed = true
				return errStep
			}
			return nil
		}
		r := w.open(o)
		err := r.WaitFor(t.Context(), "a", w.store.Stats().Head)
		w.write(5)
		err = errors.Join(err, r.WaitFor(t.Context(), "a", w.store.Stats().Head), r.Rebuild(t.Context(), nil))
		if r.Status()[0].State == Live {
			w.check(r, "a")
		}
		if err := errors.Join(err, r.Close()); failed {
			require.Error(t, err, "step %d", step)
		} else {
			require.NoError(t, err)
		}
		r = w.open(w.options(ledgerView{name: "a"}))
		w.check(r, "a")
		require.NoError(t, r.Close())
		require.Len(t, w.files("a"), 2)
	}
}

// TestReopensAfterEveryFrame loses the end of the write-ahead log at every
// frame: the view reopens at an earlier checkpoint and catches up.
func TestReopensAfterEveryFrame(t *testing.T) {
	w := newWorld(t)
	r := w.open(w.options(ledgerView{name: "a"}))
	w.check(r, "a")
	for range 6 {
		w.write(10)
		w.check(r, "a")
	}
	want := dump(t, r, "a", linesTable, sumsTable)
	whole := t.TempDir()
	snapshot(t, filepath.Join(w.dir, "a"), whole)
	wal, err := os.ReadFile(filepath.Join(whole, "1.db-wal"))
	require.NoError(t, err)
	const header, frameHeader = 32, 24
	frame := frameHeader + int(binary.BigEndian.Uint32(wal[8:]))
	positions := map[string]bool{}
	require.Greater(t, len(wal), header+10*frame)
	for end := header; end <= len(wal); end += frame {
		w.dir = t.TempDir()
		snapshot(t, whole, filepath.Join(w.dir, "a"))
		require.NoError(t, os.Truncate(filepath.Join(w.dir, "a", "1.db-wal"), int64(end)))
		o := w.options(ledgerView{name: "a"})
		r := w.open(o)
		positions[r.Status()[0].Position.String()] = true
		w.check(r, "a")
		require.Equal(t, want, dump(t, r, "a", linesTable, sumsTable))
		require.NoError(t, r.Close())
	}
	require.Greater(t, len(positions), 3, "several checkpoints were met")
}
