package storetest

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"lethe/eventstore"
)

// follower collects a subscription's messages in a goroutine of its own.
type follower struct {
	cancel context.CancelFunc
	done   chan struct{}

	mu     sync.Mutex
	cond   *sync.Cond
	events []*eventstore.Recorded
	marks  []eventstore.Message
	at     []int // how many events had come before each mark
	err    error
	ended  bool
}

func follow(t *testing.T, s eventstore.Store, after eventstore.Position) *follower {
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	f := &follower{cancel: cancel, done: make(chan struct{})}
	f.cond = sync.NewCond(&f.mu)
	seq := s.Subscribe(ctx, after)
	go func() {
		defer close(f.done)
		for m, err := range seq {
			f.note(m, err)
		}
		f.mu.Lock()
		f.ended = true
		f.mu.Unlock()
		f.cond.Broadcast()
	}()
	t.Cleanup(func() { cancel(); <-f.done })
	return f
}

func (f *follower) note(m eventstore.Message, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case err != nil:
		f.err = err
	case m.Event != nil:
		if m.Position != m.Event.Position || m.CaughtUp {
			f.err = fmt.Errorf("a message of an event with position %s and mark %v", m.Position, m.CaughtUp)
		}
		f.events = append(f.events, m.Event.Clone())
	default:
		f.marks = append(f.marks, m)
		f.at = append(f.at, len(f.events))
	}
	f.cond.Broadcast()
}

// until waits for n events and the first mark.
func (f *follower) until(n int) []*eventstore.Recorded {
	f.mu.Lock()
	defer f.mu.Unlock()
	for (len(f.events) < n || len(f.marks) == 0) && !f.ended {
		f.cond.Wait()
	}
	return append([]*eventstore.Recorded{}, f.events...)
}

func (f *follower) end() error {
	<-f.done
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.err
}

func testSubscribe(t *testing.T, s eventstore.Store) {
	empty := follow(t, s, 0)
	empty.until(0)
	require.Equal(t, []int{0}, empty.at)
	mustAppend(t, s, "a", eventstore.Any(), eventsOf(1, 3)...)
	mustAppend(t, s, "b", eventstore.Any(), eventsOf(4, 2)...)
	all := All(t, s, 0)
	late := follow(t, s, 0)
	middle := follow(t, s, all[1].Position)
	require.Equal(t, all, late.until(5))
	require.Equal(t, all[2:], middle.until(3))
	require.True(t, late.marks[0].CaughtUp)
	require.Equal(t, []int{5}, late.at, "the mark comes behind what was there")
	require.Equal(t, all[4].Position, late.marks[0].Position)
	mustAppend(t, s, "a", eventstore.Any(), eventsOf(6, 4)...)
	all = All(t, s, 0)
	for _, f := range []*follower{empty, late} {
		require.Equal(t, all, f.until(9))
		require.Len(t, f.marks, 1)
	}
	require.Equal(t, all[2:], middle.until(7))
}

func testSubscribeConcurrent(t *testing.T, s eventstore.Store) {
	const writers, each, followers = 6, 60, 4
	mustAppend(t, s, "first", eventstore.Any(), eventsOf(900_000, 20)...)
	var wg sync.WaitGroup
	start := make(chan struct{})
	for w := range writers {
		wg.Go(func() {
			<-start
			for i := range each {
				_, err := s.Append(t.Context(), fmt.Sprintf("w-%d", w), eventstore.Any(), eventsOf(uint64(1+w*1000+i*2), 1+i%2))
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	fs := []*follower{follow(t, s, 0)}
	close(start)
	for range followers {
		fs = append(fs, follow(t, s, 0))
	}
	wg.Wait()
	all := CheckLog(t, s)
	require.Len(t, all, 20+writers*each*3/2)
	for _, f := range fs {
		require.Equal(t, all, f.until(len(all)))
	}
}

// testSubscribeSlow writes far more than any buffer between two steps of a
// subscriber.
func testSubscribeSlow(t *testing.T, s eventstore.Store) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	mustAppend(t, s, "a", eventstore.Any(), eventsOf(1, 1)...)
	n := uint64(0)
	for m, err := range s.Subscribe(ctx, 0) {
		require.NoError(t, err)
		if m.CaughtUp {
			for i := range uint64(20) {
				mustAppend(t, s, "a", eventstore.Any(), eventsOf(2+i*100, 100)...)
			}
			continue
		}
		require.Equal(t, ID(1+n), m.Event.ID)
		if n++; n == 2001 {
			break
		}
	}
	require.Equal(t, uint64(2001), n)
}

func testSubscribeContext(t *testing.T, s eventstore.Store) {
	mustAppend(t, s, "a", eventstore.Any(), eventsOf(1, 2)...)
	f := follow(t, s, 0)
	f.until(2)
	f.cancel()
	require.ErrorIs(t, f.end(), context.Canceled)
	yields := 0
	for m, err := range s.Subscribe(ended(), 0) {
		require.ErrorIs(t, err, context.Canceled)
		require.Nil(t, m.Event)
		yields++
	}
	require.Equal(t, 1, yields)
}

func testStats(t *testing.T, s eventstore.Store) {
	st, ok := s.(eventstore.Statser)
	if !ok {
		t.Skip("the store does not count")
	}
	require.Equal(t, eventstore.Stats{Bytes: st.Stats().Bytes}, st.Stats())
	require.Zero(t, st.CountAfter(0))
	for i := range uint64(20) {
		mustAppend(t, s, fmt.Sprintf("s-%d", i%4), eventstore.Any(), eventsOf(1+i*3, 3)...)
	}
	all := All(t, s, 0)
	got := st.Stats()
	require.Equal(t, uint64(60), got.Events)
	require.Equal(t, uint64(4), got.Streams)
	require.Equal(t, all[59].Position, got.Head)
	require.Positive(t, got.Bytes)
	for i, rec := range all {
		require.Equal(t, uint64(59-i), st.CountAfter(rec.Position))
		require.Equal(t, uint64(60-i), st.CountAfter(rec.Position-1))
	}
	require.Zero(t, st.CountAfter(got.Head+100))
}

func testClose(t *testing.T, s eventstore.Store) {
	mustAppend(t, s, "a", eventstore.Any(), eventsOf(1, 2)...)
	var wg sync.WaitGroup
	var mu sync.Mutex
	var acknowledged int
	start := make(chan struct{})
	for w := range 8 {
		wg.Go(func() {
			<-start
			for i := range 200 {
				_, err := s.Append(t.Context(), fmt.Sprintf("c-%d", w), eventstore.Any(), eventsOf(uint64(100+w*1000+i), 1))
				if err != nil {
					if w == 0 {
						require.ErrorIs(t, err, eventstore.ErrClosed)
					}
					return
				}
				mu.Lock()
				acknowledged++
				mu.Unlock()
			}
		})
	}
	close(start)
	require.NoError(t, s.Close())
	wg.Wait()
	require.NoError(t, s.Close(), "closing twice is harmless")
	_, err := s.Append(t.Context(), "a", eventstore.Any(), eventsOf(50, 1))
	require.ErrorIs(t, err, eventstore.ErrClosed)
	for _, seq := range []func(func(*eventstore.Recorded, error) bool){
		s.ReadAll(t.Context(), 0), s.ReadStream(t.Context(), "a", eventstore.StreamRange{}),
	} {
		for _, err := range seq {
			require.ErrorIs(t, err, eventstore.ErrClosed)
		}
	}
}

func testCloseSubscription(t *testing.T, s eventstore.Store) {
	mustAppend(t, s, "a", eventstore.Any(), eventsOf(1, 2)...)
	f := follow(t, s, 0)
	f.until(2)
	require.NoError(t, s.Close())
	require.ErrorIs(t, f.end(), eventstore.ErrClosed)
}
