package projections

import (
	"context"
	"math"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"lethe/domain"
	"lethe/eventstore"
)

func TestFollowsAndResumes(t *testing.T) {
	w := newWorld(t)
	w.write(40)
	view := ledgerView{name: "a"}
	r := w.open(w.options(view))
	w.check(r, "a")
	w.write(100)
	w.check(r, "a")
	require.NoError(t, r.Close())

	w.write(30)
	o := w.options(view)
	decoder := &plain{}
	o.Decoder = decoder
	r = w.open(o)
	w.check(r, "a")
	require.EqualValues(t, 30, decoder.decoded.Load(), "it resumes at its checkpoint")
	s := r.Status()[0]
	require.Equal(t, Live, s.State)
	require.Equal(t, w.store.Stats().Head, s.Position)
	require.Zero(t, *s.Lag)
	require.Equal(t, []string{"1.db", "1.db-shm", "1.db-wal", "CURRENT"}, w.files("a"))
}

func TestEventsOfNoConcernMoveThePosition(t *testing.T) {
	w := newWorld(t)
	r := w.open(w.options(ledgerView{name: "a"}))
	for range 50 {
		w.append(noise())
	}
	w.check(r, "a")
	require.NoError(t, r.Close())
	o := w.options(ledgerView{name: "a"})
	r = w.open(o)
	require.Equal(t, w.store.Stats().Head, r.Status()[0].Position, "closing writes the checkpoint")
}

func TestDecodesOnceForAllViews(t *testing.T) {
	w := newWorld(t)
	w.write(50)
	o := w.options(ledgerView{name: "a"}, ledgerView{name: "b"}, ledgerView{name: "c"})
	decoder := &plain{}
	o.Decoder = decoder
	r := w.open(o)
	for _, name := range []string{"a", "b", "c"} {
		w.until(r, name, isLive)
	}
	require.EqualValues(t, 50, decoder.decoded.Load(), "in the rebuild at the start")
	w.write(25)
	for _, name := range []string{"a", "b", "c"} {
		w.check(r, name)
	}
	require.EqualValues(t, 75, decoder.decoded.Load(), "while following")
	require.NoError(t, r.Rebuild(t.Context(), nil))
	require.EqualValues(t, 150, decoder.decoded.Load(), "in a rebuild of all")
}

func TestAFailingViewStopsAlone(t *testing.T) {
	w := newWorld(t)
	good, bad := ledgerView{name: "good"}, ledgerView{name: "bad", poison: "poison"}
	r := w.open(w.options(good, bad))
	w.write(10)
	w.check(r, "bad")
	before := r.byName["bad"].status().Position
	at := w.append(note("poison", 1))
	w.write(10)
	w.check(r, "good")

	s := w.until(r, "bad", isFailed)
	require.Contains(t, s.Error, "poisoned")
	require.Contains(t, s.Error, at.String(), "it names the event")
	require.Equal(t, before, s.Position)
	requireUnavailable(t, r.WaitFor(t.Context(), "bad", at))
	requireUnavailable(t, r.Read(t.Context(), "bad", func(Querier) error { return nil }))
	require.ErrorIs(t, r.Rebuild(t.Context(), nil, "bad"), errPoison, "it fails on the same event")
	require.Equal(t, Failed, r.Status()[1].State)
	require.NoError(t, r.Close())

	// The view is mended: it goes on from its checkpoint.
	r = w.open(w.options(good, ledgerView{name: "bad"}))
	w.check(r, "bad")
}

func requireUnavailable(t *testing.T, err error) {
	t.Helper()
	e, ok := domain.AsError(err)
	require.True(t, ok, "%v", err)
	require.Equal(t, domain.KindUnavailable, e.Kind)
}

func TestAnUndecodableEventStopsWhoWantsIt(t *testing.T) {
	w := newWorld(t)
	r := w.open(w.options(ledgerView{name: "a"}))
	w.append(eventstore.Event{Type: "Noted", Version: 1, Facts: []byte("?")})
	s := w.until(r, "a", isFailed)
	require.Contains(t, s.Error, "decoding")
}

func TestAStoreThatStopsStopsAllViews(t *testing.T) {
	w := newWorld(t)
	r := w.open(w.options(ledgerView{name: "a"}, ledgerView{name: "b"}))
	w.write(3)
	w.check(r, "a")
	w.check(r, "b")
	require.NoError(t, w.store.Close())
	w.until(r, "a", isFailed)
	require.Contains(t, w.until(r, "b", isFailed).Error, eventstore.ErrClosed.Error())
}

func TestWaitFor(t *testing.T) {
	w := newWorld(t)
	o := w.options(ledgerView{name: "a"})
	o.BatchDelay = time.Hour // only whoever waits makes it hurry
	r := w.open(o)
	for range 5 {
		last := w.write(1)
		require.NoError(t, r.WaitFor(t.Context(), "a", last))
	}
	w.check(r, "a")

	ctx, cancel := context.WithCancel(t.Context())
	waited := make(chan error, 2)
	go func() { waited <- r.WaitFor(ctx, "a", math.MaxInt64) }()
	cancel()
	require.ErrorIs(t, <-waited, context.Canceled)

	go func() { waited <- r.WaitFor(context.Background(), "a", math.MaxInt64) }()
	require.NoError(t, r.Close())
	require.ErrorIs(t, <-waited, errClosed)

	_, known := domain.AsError(r.WaitFor(t.Context(), "nobody", 0))
	require.True(t, known)
}

func TestReadsAreConsistentWhileItFollows(t *testing.T) {
	w := newWorld(t)
	r := w.open(w.options(ledgerView{name: "a"}))
	w.check(r, "a")
	var wg sync.WaitGroup
	stop := make(chan struct{})
	for range 3 {
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				var lines, sums int64
				err := r.Read(context.Background(), "a", func(db Querier) error {
					ctx := context.Background()
					if err := db.QueryRowContext(ctx, "SELECT coalesce(sum(amount), 0) FROM lines").Scan(&lines); err != nil {
						return err
					}
					return db.QueryRowContext(ctx, "SELECT coalesce(sum(amount), 0) FROM sums").Scan(&sums)
				})
				if err != nil || lines != sums {
					t.Errorf("lines %d, sums %d, error %v", lines, sums, err)
					return
				}
			}
		})
	}
	for range 3 {
		w.write(50)
		if err := r.Rebuild(t.Context(), nil, "a"); err != nil {
			t.Errorf("rebuilding: %v", err)
		}
	}
	close(stop)
	wg.Wait()
	w.check(r, "a")
}
