package projections

import (
	"context"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

var errNever = context.DeadlineExceeded

func short(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	t.Cleanup(cancel)
	return ctx
}

func positions(found []Confirmed) map[string]bool {
	m := map[string]bool{}
	for _, c := range found {
		m[c.View] = true
	}
	return m
}

func TestConfirmWaitsForEveryView(t *testing.T) {
	w := newWorld(t)
	r := w.open(w.options(ledgerView{name: "a"}, ledgerView{name: "b"}))
	at := w.write(50)
	found, err := r.Confirm(t.Context(), at)
	require.NoError(t, err)
	require.Equal(t, map[string]bool{"a": true, "b": true}, positions(found))
	for _, c := range found {
		require.GreaterOrEqual(t, c.Position, at)
		info, err := os.Stat(filepath.Join(w.dir, c.View, "1.db-wal"))
		require.NoError(t, err)
		require.Zero(t, info.Size(), "the write-ahead log is cut")
	}
	_, err = r.Confirm(short(t), at+1000)
	require.ErrorIs(t, err, errNever, "nothing is at that position yet")
	require.ErrorContains(t, err, "view a has not confirmed")
	require.ErrorContains(t, err, "view b has not confirmed")
	require.NoError(t, r.Close())
	_, err = r.Confirm(t.Context(), at)
	require.ErrorIs(t, err, errClosed)
}

func TestConfirmNamesABrokenView(t *testing.T) {
	w := newWorld(t)
	r := w.open(w.options(ledgerView{name: "a"}, ledgerView{name: "b", poison: "x"}))
	w.write(20)
	w.append(note("x", 1))
	at := w.write(3)
	found, err := r.Confirm(t.Context(), at)
	require.ErrorContains(t, err, "view b has not confirmed")
	require.NotContains(t, err.Error(), "view a")
	require.Equal(t, map[string]bool{"a": true}, positions(found), "the others did")
}

func TestConfirmWaitsForReaders(t *testing.T) {
	w := newWorld(t)
	r := w.open(w.options(ledgerView{name: "a"}))
	w.check(r, "a")
	at := w.write(50)
	w.wait(r, "a")
	err := r.Read(t.Context(), "a", func(db Querier) error {
		var n int
		require.NoError(t, db.QueryRowContext(t.Context(), "SELECT count(*) FROM lines").Scan(&n))
		_, err := r.Confirm(short(t), at)
		require.ErrorIs(t, err, errBusy, "what it reads lies in the write-ahead log")
		require.ErrorContains(t, err, "view a")
		return nil
	})
	require.NoError(t, err)
	_, err = r.Confirm(t.Context(), at)
	require.NoError(t, err)

	err = r.Read(t.Context(), "a", func(db Querier) error {
		var n int
		require.NoError(t, db.QueryRowContext(t.Context(), "SELECT count(*) FROM lines").Scan(&n))
		require.NoError(t, r.Rebuild(t.Context(), nil))
		_, err := r.Confirm(short(t), at)
		require.ErrorContains(t, err, "the readers of its former file")
		return nil
	})
	require.NoError(t, err)
	_, err = r.Confirm(t.Context(), at)
	require.NoError(t, err)
	require.NoFileExists(t, filepath.Join(w.dir, "a", "1.db"))
}

// A file in the making is a sink like any other: at whichever step it is.
func TestConfirmWaitsForABuildInProgress(t *testing.T) {
	for _, what := range []string{"rebuild", "compare"} {
		for _, step := range []string{"build.created", "build.loaded", "build.indexed"} {
			if what == "compare" && step != "build.created" {
				continue
			}
			t.Run(what+" "+step, func(t *testing.T) {
				w := newWorld(t)
				w.write(30)
				o := w.options(ledgerView{name: "a"})
				held, release := make(chan struct{}), make(chan struct{})
				var armed atomic.Bool // the follower of the view calls the hook too
				o.hook = func(_, at string) error {
					if at == step && armed.CompareAndSwap(true, false) {
						close(held)
						<-release
					}
					return nil
				}
				r := w.open(o)
				goOn := sync.OnceFunc(func() { close(release) })
				t.Cleanup(goOn)
				w.check(r, "a")
				armed.Store(true)
				built := make(chan error, 1)
				go func() {
					if what == "compare" {
						built <- r.Compare(context.Background(), "a", nil, func(Difference) {})
						return
					}
					built <- r.Rebuild(context.Background(), nil)
				}()
				<-held
				at := w.write(3)
				w.wait(r, "a")
				_, err := r.Confirm(short(t), at)
				require.ErrorIs(t, err, errNever)
				require.ErrorContains(t, err, "view a has not confirmed: waiting for a file that is being built")
				goOn()
				_, err = r.Confirm(t.Context(), at)
				require.NoError(t, err)
				require.NoError(t, <-built)
			})
		}
	}
}

// What a failed removal left is taken away before anything is confirmed.
func TestConfirmRemovesLeftovers(t *testing.T) {
	w := newWorld(t)
	r := w.open(w.options(ledgerView{name: "a"}))
	at := w.write(20)
	stray := filepath.Join(w.dir, "a", "77.db")
	require.NoError(t, os.WriteFile(stray, []byte("old rows"), 0o600))
	require.NoError(t, os.WriteFile(stray+"-wal", []byte("old rows"), 0o600))
	_, err := r.Confirm(t.Context(), at)
	require.NoError(t, err)
	require.NoFileExists(t, stray)
	require.NoFileExists(t, stray+"-wal")
	require.NoError(t, os.MkdirAll(filepath.Join(stray, "in the way"), 0o700))
	_, err = r.Confirm(t.Context(), at)
	require.ErrorContains(t, err, "view a has not confirmed: removing an old view file")
}
