package projections

import (
	"context"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"lethe/eventstore/storetest"
)

func TestRebuildExchangesTheFile(t *testing.T) {
	w := newWorld(t)
	r := w.open(w.options(ledgerView{name: "a"}, ledgerView{name: "b"}))
	w.write(60)
	w.check(r, "a")
	before := dump(t, r, "a", linesTable, sumsTable)

	var told []Progress
	require.NoError(t, r.Rebuild(t.Context(), func(p Progress) { told = append(told, p) }, "a"))
	require.Equal(t, Progress{View: "a", Done: 120, Total: 120}, told[len(told)-1])
	require.Equal(t, before, dump(t, r, "a", linesTable, sumsTable))
	require.Equal(t, []string{"2.db", "2.db-shm", "2.db-wal", "CURRENT"}, w.files("a"))
	require.Equal(t, Live, r.Status()[0].State)
	require.Nil(t, r.Status()[0].Rebuild)

	w.write(20)
	w.check(r, "a")
	w.check(r, "b")
	require.NoError(t, r.Close())
	require.Equal(t, []string{"2.db", "CURRENT"}, w.files("a"))
	w.check(w.open(w.options(ledgerView{name: "a"}, ledgerView{name: "b"})), "a")
}

func TestRebuildWhileWritesGoOn(t *testing.T) {
	w := newWorld(t)
	o := w.options(ledgerView{name: "a"}, ledgerView{name: "b"})
	r := w.open(o)
	w.write(100)
	stop := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
			}
			if err := r.WaitFor(context.Background(), "b", w.write(7)); err != nil {
				t.Error(err)
				return
			}
		}
	})
	for range 5 {
		if err := r.Rebuild(t.Context(), nil); err != nil {
			t.Error(err)
		}
	}
	close(stop)
	wg.Wait()
	w.check(r, "a")
	w.check(r, "b")
}

func TestAReaderKeepsItsFile(t *testing.T) {
	w := newWorld(t)
	r := w.open(w.options(ledgerView{name: "a"}))
	w.write(10)
	w.check(r, "a")
	err := r.Read(t.Context(), "a", func(db Querier) error {
		w.write(10)
		if err := r.Rebuild(t.Context(), nil); err != nil {
			return err
		}
		require.FileExists(t, filepath.Join(w.dir, "a", "1.db"))
		var lines int
		require.NoError(t, db.QueryRowContext(t.Context(), "SELECT count(*) FROM lines").Scan(&lines))
		require.LessOrEqual(t, lines, 20)
		return nil
	})
	require.NoError(t, err)
	require.NoFileExists(t, filepath.Join(w.dir, "a", "1.db"), "its last reader has left")
	w.check(r, "a")
}

func TestCancelledRebuildLeavesTheLiveFile(t *testing.T) {
	w := newWorld(t)
	w.write(30)
	o := w.options(ledgerView{name: "a"})
	ctx, cancel := context.WithCancel(t.Context())
	var armed atomic.Bool // the follower of the view calls the hook too
	for _, point := range []string{"build.created", "build.loaded", "build.indexed"} {
		o.hook = func(_, at string) error {
			if at == point && armed.Load() {
				cancel()
			}
			return nil
		}
		r := w.open(o)
		w.check(r, "a")
		armed.Store(true)
		require.ErrorIs(t, r.Rebuild(ctx, nil, "a"), context.Canceled)
		armed.Store(false)
		w.write(3)
		w.check(r, "a")
		require.NoError(t, r.Close())
		require.Equal(t, []string{"1.db", "CURRENT"}, w.files("a"))
		ctx, cancel = context.WithCancel(t.Context())
	}
	cancel()
}

func TestCloseDuringARebuild(t *testing.T) {
	w := newWorld(t)
	w.write(10)
	o := w.options(ledgerView{name: "a"})
	begun, closing := make(chan struct{}), make(chan struct{})
	o.hook = func(_, at string) error {
		if at == "build.loaded" {
			close(begun)
			<-closing
		}
		return nil
	}
	r := w.open(o)
	<-begun
	done := make(chan error)
	go func() { done <- r.Close() }()
	<-r.ctx.Done()
	close(closing)
	require.NoError(t, <-done)
	require.Empty(t, w.files("a"))
	require.ErrorIs(t, r.Rebuild(t.Context(), nil), errClosed)
}

func TestAnotherSchemaVersionIsRebuilt(t *testing.T) {
	w := newWorld(t)
	w.write(10)
	r := w.open(w.options(ledgerView{name: "a"}))
	w.check(r, "a")
	require.NoError(t, r.Close())
	r = w.open(w.options(ledgerView{name: "a", version: 2}))
	w.check(r, "a")
	require.Equal(t, 2, r.Status()[0].Schema)
	require.NoError(t, r.Close())
	require.Equal(t, []string{"2.db", "CURRENT"}, w.files("a"))
}

func TestAViewAheadOfTheLogIsRebuilt(t *testing.T) {
	for name, events := range map[string]int{"shorter": 5, "grown beyond": 80} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.write(40)
			r := w.open(w.options(ledgerView{name: "a"}))
			w.check(r, "a")
			require.NoError(t, r.Close())

			restored := newWorld(t)
			restored.dir = w.dir
			restored.store = storetest.NewMemory(storetest.MemoryOptions{Gap: 5})
			*restored.ids = 1 << 32
			restored.write(events)
			o := restored.options(ledgerView{name: "a"})
			r = restored.open(o)
			restored.check(r, "a")
		})
	}
}

func TestDamageIsReportedAndMended(t *testing.T) {
	live := func(w *world) string { return filepath.Join(w.dir, "a", "1.db") }
	for name, spoil := range map[string]func(t *testing.T, w *world){
		"no database":       func(t *testing.T, w *world) { overwrite(t, live(w), 0, []byte("this is no database at all")) },
		"missing":           func(t *testing.T, w *world) { require.NoError(t, os.Remove(live(w))) },
		"empty":             func(t *testing.T, w *world) { require.NoError(t, os.Truncate(live(w), 0)) },
		"cut":               func(t *testing.T, w *world) { require.NoError(t, os.Truncate(live(w), 4096+100)) },
		"CURRENT is broken": func(t *testing.T, w *world) { overwrite(t, filepath.Join(w.dir, "a", current), 0, []byte("../x")) },
		"pages":             func(t *testing.T, w *world) { overwriteAll(t, live(w), 4096) },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.write(400)
			r := w.open(w.options(ledgerView{name: "a"}))
			w.check(r, "a")
			require.NoError(t, r.Close())
			spoil(t, w)
			var told []Progress
			o := w.options(ledgerView{name: "a"})
			o.Progress = func(p Progress) { told = append(told, p) }
			r = w.open(o)
			w.check(r, "a")
			require.NoError(t, r.Close())
			require.NotEmpty(t, told, "it was rebuilt")
		})
	}
}

func TestDamageFoundWhileReadingIsMended(t *testing.T) {
	w := newWorld(t)
	w.write(3000)
	r := w.open(w.options(ledgerView{name: "a"}))
	w.check(r, "a")
	require.NoError(t, r.Check(t.Context(), "a"))
	require.NoError(t, r.Close())
	path := filepath.Join(w.dir, "a", "1.db")
	info, err := os.Stat(path)
	require.NoError(t, err)
	overwrite(t, path, info.Size()/2, make([]byte, 8192)) // the checkpoint's page stays
	rebuilt := make(chan struct{}, 1000)
	o := w.options(ledgerView{name: "a"})
	o.Progress = func(Progress) { rebuilt <- struct{}{} }
	r = w.open(o)
	require.Error(t, r.Check(t.Context(), "a"))
	w.check(r, "a")
	<-rebuilt
	require.NoError(t, r.Check(t.Context(), "a"))
}

func overwrite(t *testing.T, path string, at int64, b []byte) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	require.NoError(t, err)
	_, err = f.WriteAt(b, at)
	require.NoError(t, err)
	require.NoError(t, f.Close())
}

func overwriteAll(t *testing.T, path string, from int64) {
	t.Helper()
	info, err := os.Stat(path)
	require.NoError(t, err)
	overwrite(t, path, from, make([]byte, info.Size()-from))
}
