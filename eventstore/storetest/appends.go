package storetest

import (
	"bytes"
	"context"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"lethe/eventstore"
)

func testExactBytes(t *testing.T, s eventstore.Store) {
	binary := make([]byte, 256)
	for i := range binary {
		binary[i] = byte(i)
	}
	many := make([][]byte, eventstore.MaxParts)
	for i := range many {
		many[i] = bytes.Repeat([]byte{byte(i)}, i%7)
	}
	events := []eventstore.Event{
		{Facts: []byte(` { "spaced" : 1.0 } `), Metadata: []byte("{}"), Sealed: [][]byte{[]byte("one"), []byte("two")}},
		{Facts: nil, Metadata: nil, Sealed: nil},
		{Facts: []byte{}, Metadata: []byte{}, Sealed: [][]byte{}},
		{Facts: binary, Metadata: binary, Sealed: [][]byte{binary, {}, nil, binary}},
		{Facts: []byte{0}, Sealed: [][]byte{{}}},
		{Sealed: many, Effective: time.Date(1890, 1, 2, 3, 4, 5, 6000, time.UTC)},
		{Effective: time.Date(2031, 12, 31, 23, 59, 59, 999999999, time.FixedZone("x", 3600))},
		{Type: strings.Repeat("T", eventstore.MaxTypeBytes), Version: 65535},
	}
	for i := range events {
		e := &events[i]
		e.ID = ID(uint64(i + 1))
		if e.Type == "" {
			e.Type, e.Version = "Tested", uint16(i)
		}
	}
	given := make([]eventstore.Event, len(events))
	for i := range events {
		given[i] = (&eventstore.Recorded{Event: events[i]}).Clone().Event
	}
	stream := "subject-" + strings.Repeat("é", (eventstore.MaxStreamBytes-8)/2)
	res := mustAppend(t, s, stream, eventstore.NoStream(), given...)
	for i := range given { // the caller may reuse its bytes once Append is back
		spoil(given[i].Facts)
		spoil(given[i].Metadata)
	}
	for _, got := range [][]*eventstore.Recorded{Stream(t, s, stream, eventstore.StreamRange{}), All(t, s, 0)} {
		require.Len(t, got, len(events))
		for i, rec := range got {
			requireSame(t, &events[i], rec)
			require.Equal(t, stream, rec.Stream)
			require.Equal(t, uint64(i), rec.Revision)
			require.Equal(t, time.UTC, rec.Recorded.Location())
			require.Zero(t, rec.Recorded.Nanosecond()%1000)
			require.Empty(t, rec.Dropped)
		}
		require.Equal(t, res.Position, got[len(got)-1].Position)
		require.Equal(t, res.Recorded, got[len(got)-1].Recorded)
	}
}

func requireSame(t *testing.T, want *eventstore.Event, got *eventstore.Recorded) {
	t.Helper()
	require.Equal(t, want.ID, got.ID)
	require.Equal(t, want.Type, got.Type)
	require.Equal(t, want.Version, got.Version)
	require.Equal(t, want.Effective.UTC().Truncate(time.Microsecond), got.Effective)
	require.True(t, bytes.Equal(want.Facts, got.Facts), "facts")
	require.True(t, bytes.Equal(want.Metadata, got.Metadata), "metadata")
	require.Len(t, got.Sealed, len(want.Sealed))
	for i := range want.Sealed {
		require.True(t, bytes.Equal(want.Sealed[i], got.Sealed[i]), "part %d", i)
	}
}

func testSeveralEvents(t *testing.T, s eventstore.Store) {
	a := mustAppend(t, s, "a", eventstore.NoStream(), eventsOf(1, 3)...)
	require.Equal(t, uint64(0), a.First)
	require.Equal(t, uint64(2), a.Last)
	require.False(t, a.Duplicate)
	b := mustAppend(t, s, "b", eventstore.Any(), eventsOf(10, 1)...)
	require.Equal(t, uint64(0), b.First)
	require.Equal(t, uint64(0), b.Last)
	require.Greater(t, b.Position, a.Position)
	c := mustAppend(t, s, "a", eventstore.Revision(2), eventsOf(4, 2)...)
	require.Equal(t, uint64(3), c.First)
	require.Equal(t, uint64(4), c.Last)
	require.Greater(t, c.Position, b.Position)
	require.Len(t, CheckLog(t, s), 6)
}

func testExpected(t *testing.T, s eventstore.Store) {
	try := func(stream string, exp eventstore.Expected, n uint64) error {
		_, err := s.Append(t.Context(), stream, exp, eventsOf(n, 1))
		return err
	}
	requireConflict(t, try("a", eventstore.StreamExists(), 1), "a", eventstore.StreamExists(), eventstore.NoRevision)
	requireConflict(t, try("a", eventstore.Revision(0), 2), "a", eventstore.Revision(0), eventstore.NoRevision)
	requireConflict(t, try("a", eventstore.Revision(eventstore.NoRevision), 3), "a", eventstore.Revision(eventstore.NoRevision), eventstore.NoRevision)
	require.NoError(t, try("a", eventstore.NoStream(), 4))
	requireConflict(t, try("a", eventstore.NoStream(), 5), "a", eventstore.NoStream(), 0)
	requireConflict(t, try("a", eventstore.Revision(1), 6), "a", eventstore.Revision(1), 0)
	require.NoError(t, try("a", eventstore.Revision(0), 7))
	requireConflict(t, try("a", eventstore.Revision(0), 8), "a", eventstore.Revision(0), 1)
	require.NoError(t, try("a", eventstore.StreamExists(), 9))
	require.NoError(t, try("a", eventstore.Any(), 10))
	require.NoError(t, try("b", eventstore.Any(), 11))
	require.Len(t, CheckLog(t, s), 5)
}

func testConflictWritesNothing(t *testing.T, s eventstore.Store) {
	mustAppend(t, s, "a", eventstore.NoStream(), eventsOf(1, 2)...)
	before := CheckLog(t, s)
	for _, exp := range []eventstore.Expected{eventstore.NoStream(), eventstore.Revision(0), eventstore.Revision(7)} {
		_, err := s.Append(t.Context(), "a", exp, eventsOf(100, 3))
		requireConflict(t, err, "a", exp, 1)
	}
	_, err := s.Append(t.Context(), "never", eventstore.StreamExists(), eventsOf(200, 1))
	requireConflict(t, err, "never", eventstore.StreamExists(), eventstore.NoRevision)
	require.Equal(t, before, CheckLog(t, s))
	require.Empty(t, Stream(t, s, "never", eventstore.StreamRange{}))
}

func testRepeatSamePlace(t *testing.T, s eventstore.Store) {
	first := mustAppend(t, s, "a", eventstore.NoStream(), eventsOf(1, 2)...)
	second := mustAppend(t, s, "a", eventstore.Revision(1), eventsOf(3, 3)...)
	mustAppend(t, s, "a", eventstore.Revision(4), eventsOf(6, 1)...)
	before := CheckLog(t, s)

	again := func(exp eventstore.Expected, events []eventstore.Event) eventstore.Result {
		res := mustAppend(t, s, "a", exp, events...)
		require.True(t, res.Duplicate)
		res.Duplicate = false
		return res
	}
	require.Equal(t, first, again(eventstore.NoStream(), eventsOf(1, 2)))
	require.Equal(t, second, again(eventstore.Revision(1), eventsOf(3, 3)))
	part := again(eventstore.Revision(1), eventsOf(3, 2)) // the IDs at that place are the same
	require.Equal(t, uint64(2), part.First)
	require.Equal(t, uint64(3), part.Last)

	for _, try := range []struct {
		exp    eventstore.Expected
		events []eventstore.Event
	}{
		{eventstore.NoStream(), eventsOf(2, 2)},                              // other IDs
		{eventstore.Revision(1), append(eventsOf(3, 2), eventsOf(99, 1)...)}, // the last differs
		{eventstore.Revision(4), eventsOf(6, 2)},                             // more than there is
		{eventstore.Revision(0), eventsOf(3, 3)},                             // at another place
		{eventstore.Revision(9), eventsOf(6, 1)},                             // beyond the end
	} {
		_, err := s.Append(t.Context(), "a", try.exp, try.events)
		requireConflict(t, err, "a", try.exp, 5)
	}
	require.Equal(t, before, CheckLog(t, s))
}

func testRepeatAny(t *testing.T, s eventstore.Store) {
	first := mustAppend(t, s, "a", eventstore.Any(), eventsOf(1, 3)...)
	mustAppend(t, s, "a", eventstore.Any(), eventsOf(4, 1)...)
	mustAppend(t, s, "b", eventstore.NoStream(), eventsOf(50, 2)...)
	before := CheckLog(t, s)
	for _, exp := range []eventstore.Expected{eventstore.Any(), eventstore.StreamExists()} {
		res := mustAppend(t, s, "a", exp, eventsOf(1, 3)...)
		require.True(t, res.Duplicate)
		res.Duplicate = false
		require.Equal(t, first, res)
		res = mustAppend(t, s, "b", exp, eventsOf(50, 2)...) // first appended with a revision
		require.True(t, res.Duplicate)
		_, err := s.Append(t.Context(), "a", exp, append(eventsOf(2, 1), eventsOf(77, 1)...))
		requireConflict(t, err, "a", exp, 3) // begins as one that is there and goes on differently
		_, err = s.Append(t.Context(), "a", exp, append(eventsOf(2, 1), eventsOf(1, 1)...))
		requireConflict(t, err, "a", exp, 3) // in another order
	}
	require.Equal(t, before, CheckLog(t, s))
	res := mustAppend(t, s, "a", eventstore.Any(), eventsOf(5, 1)...)
	require.False(t, res.Duplicate)
	require.Equal(t, uint64(4), res.First)
}

func testSameIDsElsewhere(t *testing.T, s eventstore.Store) {
	mustAppend(t, s, "a", eventstore.NoStream(), eventsOf(1, 2)...)
	res := mustAppend(t, s, "b", eventstore.Any(), eventsOf(1, 2)...)
	require.False(t, res.Duplicate, "another stream is another place")
	res = mustAppend(t, s, "c", eventstore.NoStream(), eventsOf(1, 2)...)
	require.False(t, res.Duplicate)
	res = mustAppend(t, s, "a", eventstore.Revision(1), eventsOf(1, 2)...)
	require.False(t, res.Duplicate, "at the expected end the append is made")
	require.Equal(t, uint64(3), res.Last)
	require.Len(t, Stream(t, s, "a", eventstore.StreamRange{}), 4)
}

func testBounds(t *testing.T, s eventstore.Store) {
	big := func(facts int) []eventstore.Event {
		e := NewEvent(1)
		e.Facts, e.Sealed, e.Metadata = make([]byte, facts), nil, nil
		return []eventstore.Event{e}
	}
	with := func(change func(e *eventstore.Event)) []eventstore.Event {
		e := NewEvent(1)
		change(&e)
		return []eventstore.Event{NewEvent(2), e}
	}
	overhead := big(0)[0]
	tests := []struct {
		name   string
		stream string
		events []eventstore.Event
		want   error
	}{
		{"no event", "a", nil, eventstore.ErrInvalid},
		{"no stream", "", eventsOf(1, 1), eventstore.ErrInvalid},
		{"no type", "a", with(func(e *eventstore.Event) { e.Type = "" }), eventstore.ErrInvalid},
		{"no ID", "a", with(func(e *eventstore.Event) { e.ID = eventstore.EventID{} }), eventstore.ErrInvalid},
		{"stream name", strings.Repeat("s", eventstore.MaxStreamBytes+1), eventsOf(1, 1), eventstore.ErrTooLarge},
		{"type name", "a", with(func(e *eventstore.Event) { e.Type = strings.Repeat("t", eventstore.MaxTypeBytes+1) }), eventstore.ErrTooLarge},
		{"parts", "a", with(func(e *eventstore.Event) { e.Sealed = make([][]byte, eventstore.MaxParts+1) }), eventstore.ErrTooLarge},
		{"one event", "a", big(eventstore.MaxAppendBytes - overhead.Size() + 1), eventstore.ErrTooLarge},
		{"sum", "a", append(big(eventstore.MaxAppendBytes/2), big(eventstore.MaxAppendBytes/2)...), eventstore.ErrTooLarge},
	}
	for _, test := range tests {
		_, err := s.Append(t.Context(), test.stream, eventstore.Any(), test.events)
		require.ErrorIs(t, err, test.want, test.name)
	}
	require.Empty(t, All(t, s, 0))
}

func testLargest(t *testing.T, s eventstore.Store) {
	e := NewEvent(1)
	e.Facts = nil
	e.Facts = bytes.Repeat([]byte("x"), eventstore.MaxAppendBytes-e.Size())
	mustAppend(t, s, "a", eventstore.NoStream(), eventsOf(5, 1)...)
	mustAppend(t, s, "b", eventstore.NoStream(), e)
	many := make([]eventstore.Event, 0, 10_000)
	for size := 0; ; {
		next := eventstore.Event{ID: ID(uint64(100 + len(many))), Type: "T", Version: 1}
		if size += next.Size(); size > eventstore.MaxAppendBytes {
			break
		}
		many = append(many, next)
	}
	mustAppend(t, s, "c", eventstore.NoStream(), many...)
	mustAppend(t, s, "a", eventstore.Revision(0), eventsOf(6, 1)...)
	all := CheckLog(t, s)
	require.Len(t, all, 3+len(many))
	requireSame(t, &e, all[1])
}

func testRecorded(t *testing.T, s eventstore.Store) {
	var last time.Time
	for i := range 50 {
		res := mustAppend(t, s, "a", eventstore.Any(), eventsOf(uint64(i*2+1), 2)...)
		require.False(t, res.Recorded.Before(last))
		last = res.Recorded
	}
	for _, rec := range CheckLog(t, s) {
		require.NotEqual(t, rec.Effective, rec.Recorded)
	}
}

func testEndedContext(t *testing.T, s eventstore.Store) {
	_, err := s.Append(ended(), "a", eventstore.Any(), eventsOf(1, 1))
	require.ErrorIs(t, err, context.Canceled)
	require.Empty(t, All(t, s, 0))
	// Whatever a context that ends meanwhile leads to, the answer is true.
	for i := range 50 {
		ctx, cancel := context.WithCancel(t.Context())
		go cancel()
		id := uint64(100 + i)
		_, err := s.Append(ctx, "race", eventstore.Any(), eventsOf(id, 1))
		found := false
		for _, rec := range All(t, s, 0) {
			found = found || rec.ID == ID(id)
		}
		require.Equal(t, err == nil, found)
		cancel()
	}
}
