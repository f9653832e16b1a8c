package segment_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/require"

	"lethe/eventstore"
	"lethe/eventstore/segment"
	"lethe/eventstore/storetest"
)

// posAt is the position of an ordinal in an era.
func posAt(era, ordinal uint64) eventstore.Position {
	return eventstore.Position(era<<40 | ordinal)
}

// The contract holds in a store whose first event is of a higher era, and in
// one whose eras change all the time.
func TestConformanceInAHigherEra(t *testing.T) {
	storetest.Run(t, func(t *testing.T) eventstore.Store {
		s, err := segment.Open("data", segment.Options{FS: vfs.NewMem(), SegmentBytes: 16 << 10, IdleMarker: time.Millisecond, Report: failOnReport(t)})
		require.NoError(t, err)
		require.NoError(t, s.RaiseEraAbove(posAt(6, 100)))
		return s
	})
	t.Run("raised before every append", func(t *testing.T) {
		storetest.Run(t, func(t *testing.T) eventstore.Store {
			s, err := segment.Open("data", segment.Options{FS: vfs.NewMem(), SegmentBytes: 16 << 10, IdleMarker: time.Millisecond, Report: failOnReport(t)})
			require.NoError(t, err)
			return &restless{Store: s}
		})
	})
}

// restless begins an era with every append.
type restless struct{ *segment.Store }

func (r *restless) Append(ctx context.Context, stream string, exp eventstore.Expected, events []eventstore.Event) (eventstore.Result, error) {
	if err := r.RaiseEra(); err != nil && !errors.Is(err, eventstore.ErrClosed) {
		return eventstore.Result{}, err
	}
	return r.Store.Append(ctx, stream, exp, events)
}

// restored is a copy of the log after n events, put in place when there were more.
func restored(t *testing.T, n, more int) (fs *vfs.MemFS, lost []eventstore.Position) {
	t.Helper()
	fs = written(t, n, true, nil)
	ahead := vfs.NewMem()
	_, err := vfs.Clone(fs, ahead, "data", "data")
	require.NoError(t, err)
	s, _, err := openAt(t, ahead, nil)
	require.NoError(t, err)
	appendN(t, s, n+1, more)
	for _, rec := range storetest.All(t, s, 0)[n:] {
		lost = append(lost, rec.Position)
	}
	require.NoError(t, s.Close())
	return fs, lost
}

func TestPositionsOfLostEventsAreNotGivenAgain(t *testing.T) {
	fs, lost := restored(t, 50, 30)
	s, _, err := openAt(t, fs, nil)
	require.NoError(t, err)
	before := storetest.All(t, s, 0)
	require.Len(t, before, 50)
	// One subscriber had seen an event that is lost, one all that is left, one
	// nothing; they began before the era was raised.
	seen := lost[19]
	streams := map[eventstore.Position]<-chan *eventstore.Recorded{}
	for _, after := range []eventstore.Position{seen, before[49].Position, 0} {
		streams[after] = subscribed(t, s, after)
	}
	require.NoError(t, s.RaiseEraAbove(lost[len(lost)-1]))
	appendN(t, s, 1001, 100) // more than were lost
	all := storetest.CheckLog(t, s)
	require.Len(t, all, 150)
	for i, rec := range all[50:] {
		require.Equal(t, posAt(1, uint64(51+i)), rec.Position)
		require.NotContains(t, lost, rec.Position)
	}
	for after, events := range streams {
		want := all[50:]
		if after == 0 {
			want = all
		}
		for _, rec := range want {
			require.Equal(t, rec, <-events, "after %d", after)
		}
	}
	check := func(s *segment.Store) {
		require.Equal(t, all, storetest.CheckLog(t, s))
		require.Equal(t, all, sectionEvents(t, s))
		for _, p := range append(lost, before[49].Position) {
			require.Equal(t, all[50:], storetest.All(t, s, p))
			require.Equal(t, uint64(100), s.CountAfter(p))
		}
		require.Equal(t, all[60:], storetest.All(t, s, posAt(1, 60)))
		require.Equal(t, uint64(90), s.CountAfter(posAt(1, 60)))
		require.Equal(t, all[50:], storetest.All(t, s, posAt(1, 7)))
		require.Equal(t, posAt(1, 150), s.Stats().Head)
		require.NoError(t, s.Verify(t.Context()))
	}
	check(s)
	require.NoError(t, s.Close())
	t.Run("reopened", func(t *testing.T) {
		s, got, err := openAt(t, fs, func(o *segment.Options) { o.DurableMark = lost[len(lost)-1] })
		require.NoError(t, err, "the mark lies in the lost range: nothing newer is missing")
		require.Empty(t, *got)
		check(s)
		require.NoError(t, s.Close())
	})
	t.Run("read only", func(t *testing.T) {
		s, _, err := openAt(t, fs, func(o *segment.Options) { o.ReadOnly = true })
		require.NoError(t, err)
		check(s)
		require.ErrorIs(t, s.RaiseEra(), eventstore.ErrReadOnly)
		require.NoError(t, s.Close())
	})
	t.Run("index rebuilt", func(t *testing.T) {
		require.NoError(t, fs.RemoveAll("data/index"))
		s, _, err := openAt(t, fs, nil)
		require.NoError(t, err)
		check(s)
		s.Kill()
	})
	t.Run("after a kill", func(t *testing.T) {
		s, _, err := openAt(t, fs, nil)
		require.NoError(t, err)
		check(s)
		appendN(t, s, 2000, 5)
		require.Equal(t, posAt(1, 155), s.Stats().Head)
		require.NoError(t, s.Close())
	})
}

// subscribed follows the store; its channel holds more events than a test makes.
func subscribed(t *testing.T, s eventstore.Store, after eventstore.Position) <-chan *eventstore.Recorded {
	t.Helper()
	out, caughtUp := make(chan *eventstore.Recorded, 1000), make(chan eventstore.Position, 1)
	go func() {
		for m, err := range s.Subscribe(t.Context(), after) {
			switch {
			case err != nil:
				return
			case m.CaughtUp:
				caughtUp <- m.Position
			default:
				out <- m.Event.Clone()
			}
		}
	}()
	require.GreaterOrEqual(t, <-caughtUp, after)
	return out
}

func TestErasRiseOnlyAsFarAsTheyMust(t *testing.T) {
	fs := vfs.NewMem()
	s, _, err := openAt(t, fs, nil)
	require.NoError(t, err)
	require.NoError(t, s.RaiseEra())
	require.NoError(t, s.RaiseEra()) // of a copy that was put in place twice
	appendN(t, s, 1, 1)
	require.Equal(t, posAt(2, 1), s.Stats().Head)
	require.NoError(t, s.RaiseEraAbove(posAt(1, 900)))
	appendN(t, s, 2, 1)
	require.Equal(t, posAt(2, 2), s.Stats().Head, "it was above already")
	require.NoError(t, s.RaiseEraAbove(posAt(2, 900)))
	require.NoError(t, s.RaiseEraAbove(posAt(2, 901)))
	appendN(t, s, 3, 1)
	require.Equal(t, posAt(3, 3), s.Stats().Head)
	require.NoError(t, s.RaiseEraAbove(posAt(9, 1)))
	require.NoError(t, s.Close())
	require.ErrorIs(t, s.RaiseEra(), eventstore.ErrClosed)
	s, _, err = openAt(t, fs, nil)
	require.NoError(t, err)
	require.Equal(t, posAt(3, 3), s.Stats().Head, "the new era has no event yet")
	require.Equal(t, uint64(0), s.CountAfter(posAt(4, 1)))
	appendN(t, s, 4, 1)
	require.Equal(t, posAt(10, 4), s.Stats().Head)
	require.Equal(t, uint64(1), s.CountAfter(posAt(9, 77)))
	require.ErrorContains(t, s.RaiseEraAbove(^eventstore.Position(0)), "no era after")
	require.Len(t, storetest.CheckLog(t, s), 4)
	require.NoError(t, s.Close())
}

// A marker written after the era was raised names the last event that is there.
func TestMarkerAfterARaisedEra(t *testing.T) {
	fs := written(t, 5, true, nil)
	s, _, err := openAt(t, fs, func(o *segment.Options) { o.IdleMarker = 20 * time.Millisecond })
	require.NoError(t, err)
	bytes := s.Stats().Bytes
	require.NoError(t, s.RaiseEra())
	require.Eventually(t, func() bool { return s.Stats().Bytes == bytes+48 }, 5*time.Second, time.Millisecond)
	appendN(t, s, 6, 1)
	s.Kill()
	s, _, err = openAt(t, fs, nil)
	require.NoError(t, err)
	require.Len(t, storetest.CheckLog(t, s), 6)
	require.Equal(t, posAt(1, 6), s.Stats().Head)
	require.NoError(t, s.Close())
}

func TestEraThatCannotBeRaised(t *testing.T) {
	for _, test := range []struct {
		cause error
		want  error
		fatal bool
	}{
		{syscall.ENOSPC, eventstore.ErrNoSpace, false},
		{errors.New("the disk failed"), eventstore.ErrFatal, true},
	} {
		mem := vfs.NewMem()
		var armed atomic.Bool // the committer calls the hook too
		hook := &hookFS{FS: mem, before: func(op, name string) error {
			if op == "write" && strings.Contains(name, "MANIFEST") && armed.Load() {
				return fmt.Errorf("%s: %w", op, test.cause)
			}
			return nil
		}}
		s, _, err := openAt(t, hook, nil)
		require.NoError(t, err)
		appendN(t, s, 1, 3)
		armed.Store(true)
		require.ErrorIs(t, s.RaiseEra(), test.want)
		armed.Store(false)
		_, err = s.Append(t.Context(), "a", eventstore.Any(), []eventstore.Event{storetest.NewEvent(4)})
		if test.fatal {
			require.ErrorIs(t, err, eventstore.ErrFatal)
			require.ErrorIs(t, s.RaiseEra(), eventstore.ErrFatal)
		} else {
			require.NoError(t, err)
			require.Equal(t, posAt(0, 4), s.Stats().Head)
			require.NoError(t, s.RaiseEra())
			appendN(t, s, 5, 1)
			require.Equal(t, posAt(1, 5), s.Stats().Head)
		}
		require.NoError(t, s.Close())
	}
}

// A MANIFEST that lost the era does not make the new era's events vanish.
func TestEraThatManifestLost(t *testing.T) {
	fs := written(t, 5, false, nil)
	s, _, err := openAt(t, fs, nil)
	require.NoError(t, err)
	old, err := fs.UnsafeGetFileDataBuffer("data/MANIFEST")
	require.NoError(t, err)
	kept := string(old)
	require.NoError(t, s.RaiseEra())
	appendN(t, s, 6, 1)
	s.Kill()
	f, err := fs.Create("data/MANIFEST", vfs.WriteCategoryUnspecified)
	require.NoError(t, err)
	_, err = f.Write([]byte(kept))
	require.NoError(t, err)
	require.NoError(t, f.Close())
	_, _, err = openAt(t, fs, nil)
	requireCorrupt(t, err, "position does not follow")
}
