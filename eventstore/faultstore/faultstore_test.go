package faultstore_test

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"lethe/eventstore"
	"lethe/eventstore/faultstore"
	"lethe/eventstore/storetest"
)

func TestConformanceWithoutFaults(t *testing.T) {
	storetest.Run(t, func(*testing.T) eventstore.Store {
		return faultstore.Wrap(storetest.NewMemory(storetest.MemoryOptions{Gap: 2}), nil)
	})
}

func TestAppendFaults(t *testing.T) {
	tests := []struct {
		kind      faultstore.Kind
		want      error
		persisted bool
		stops     bool
	}{
		{faultstore.UnknownBefore, eventstore.ErrOutcomeUnknown, false, false},
		{faultstore.UnknownAfter, eventstore.ErrOutcomeUnknown, true, false},
		{faultstore.FatalBefore, eventstore.ErrFatal, false, true},
		{faultstore.FatalAfter, eventstore.ErrOutcomeUnknown, true, true},
		{faultstore.NoSpace, eventstore.ErrNoSpace, false, false},
		{faultstore.ReadOnly, eventstore.ErrReadOnly, false, false},
	}
	for _, test := range tests {
		s := faultstore.Wrap(storetest.NewMemory(storetest.MemoryOptions{}), faultstore.Plan{{Op: faultstore.Append, Call: 2, Kind: test.kind}})
		write := func(n uint64) error {
			_, err := s.Append(t.Context(), "a", eventstore.Any(), []eventstore.Event{storetest.NewEvent(n)})
			return err
		}
		require.NoError(t, write(1))
		require.ErrorIs(t, write(2), test.want)
		want := 1
		if test.persisted {
			want = 2
		}
		require.Len(t, storetest.All(t, s, 0), want, "kind %d", test.kind)
		if test.stops {
			require.ErrorIs(t, write(3), eventstore.ErrFatal)
			s.Reset(nil)
		}
		require.NoError(t, write(2), "a repeat is answered or made")
		require.NoError(t, write(3))
		require.Len(t, storetest.CheckLog(t, s), 3, "kind %d", test.kind)
	}
}

func TestConflictNamesTheRealRevision(t *testing.T) {
	plan := faultstore.Plan{{Op: faultstore.Append, Kind: faultstore.Conflict}}
	s := faultstore.Wrap(storetest.NewMemory(storetest.MemoryOptions{}), plan)
	_, err := s.Append(t.Context(), "a", eventstore.Any(), []eventstore.Event{storetest.NewEvent(1)})
	var c *eventstore.ConflictError
	require.ErrorAs(t, err, &c)
	require.Equal(t, uint64(eventstore.NoRevision), c.Current)
	s.Reset(nil)
	_, err = s.Append(t.Context(), "a", eventstore.Any(), []eventstore.Event{storetest.NewEvent(1), storetest.NewEvent(2)})
	require.NoError(t, err)
	s.Reset(plan)
	_, err = s.Append(t.Context(), "a", eventstore.Revision(1), []eventstore.Event{storetest.NewEvent(3)})
	require.ErrorAs(t, err, &c)
	require.Equal(t, uint64(1), c.Current)
	require.Equal(t, 1, s.Calls(faultstore.Append))
	require.Equal(t, 1, s.Fired())
}

func TestReadFaults(t *testing.T) {
	own := errors.New("own")
	gate := make(chan struct{})
	s := faultstore.Wrap(storetest.NewMemory(storetest.MemoryOptions{}), faultstore.Plan{
		{Op: faultstore.ReadAll, Call: 1, Kind: faultstore.Broken, After: 2},
		{Op: faultstore.ReadStream, Call: 1, Kind: faultstore.Broken, After: 9, Err: own},
		{Op: faultstore.Subscribe, Call: 1, Kind: faultstore.Broken, After: 1, Err: own},
		{Op: faultstore.ReadAll, Call: 2, Kind: faultstore.Slow, After: 1, Gate: gate},
	})
	_, err := s.Append(t.Context(), "a", eventstore.Any(), []eventstore.Event{storetest.NewEvent(1), storetest.NewEvent(2), storetest.NewEvent(3)})
	require.NoError(t, err)

	n, last := count(s.ReadAll(t.Context(), 0))
	require.Equal(t, 2, n)
	require.ErrorIs(t, last, faultstore.ErrBroken)
	n, last = count(s.ReadStream(t.Context(), "a", eventstore.StreamRange{}))
	require.Equal(t, 3, n)
	require.ErrorIs(t, last, own)
	n, last = count(s.Subscribe(t.Context(), 0))
	require.Equal(t, 1, n)
	require.ErrorIs(t, last, own)

	ctx, cancel := context.WithCancel(t.Context())
	go cancel()
	n, last = count(s.ReadAll(ctx, 0))
	require.LessOrEqual(t, n, 1)
	require.ErrorIs(t, last, context.Canceled)
	n, last = count(s.ReadAll(t.Context(), 0))
	require.Equal(t, 3, n)
	require.NoError(t, last)
}

func count[T any](seq func(func(T, error) bool)) (n int, last error) {
	for _, err := range seq {
		if err != nil {
			return n, err
		}
		n++
	}
	return n, nil
}
