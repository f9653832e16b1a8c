// Package storetest is the conformance suite of the event store contract and a
// reference store for tests. Every implementation of eventstore.Store runs it.
// It is never linked into a program.
package storetest

import (
	"context"
	"encoding/binary"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"lethe/eventstore"
)

// Run checks every sentence of the contract. open gives a new, empty store;
// the suite closes it.
func Run(t *testing.T, open func(t *testing.T) eventstore.Store) {
	t.Helper()
	tests := []struct {
		name string
		run  func(t *testing.T, s eventstore.Store)
	}{
		{"append and read back exact bytes", testExactBytes},
		{"append of several events", testSeveralEvents},
		{"expected revisions", testExpected},
		{"conflict writes nothing", testConflictWritesNothing},
		{"repeat at the same place", testRepeatSamePlace},
		{"repeat without a revision", testRepeatAny},
		{"same IDs elsewhere are new events", testSameIDsElsewhere},
		{"refuses what is too large or not valid", testBounds},
		{"largest append", testLargest},
		{"recorded time never falls", testRecorded},
		{"ended context appends nothing", testEndedContext},
		{"read stream ranges", testStreamRanges},
		{"read stream matches a model", testStreamModel},
		{"read stream reads what was acknowledged", testReadYourWrites},
		{"many short appends to one stream", testLongStream},
		{"read all", testReadAll},
		{"read all ends where it began", testReadAllEnd},
		{"reads stop early and with the context", testReadsStop},
		{"concurrent appends", testConcurrentAppends},
		{"concurrent writers of one stream", testConcurrentRevisions},
		{"subscribe: catch up, then live", testSubscribe},
		{"subscribe: under concurrent writers", testSubscribeConcurrent},
		{"subscribe: slow subscriber", testSubscribeSlow},
		{"subscribe: ends with the context", testSubscribeContext},
		{"statistics", testStats},
		{"close", testClose},
		{"close ends subscriptions", testCloseSubscription},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s := open(t)
			test.run(t, s)
			require.NoError(t, s.Close())
		})
	}
}

// ID makes a distinct event ID of a number.
func ID(n uint64) (id eventstore.EventID) {
	binary.BigEndian.PutUint64(id[8:], n)
	id[6], id[0] = 0x80, 1
	return id
}

// numberOf is the number that ID made an ID of.
func numberOf(id eventstore.EventID) uint64 { return binary.BigEndian.Uint64(id[8:]) }

// NewEvent makes an event whose content follows from n.
func NewEvent(n uint64) eventstore.Event {
	return eventstore.Event{
		ID: ID(n), Type: "Tested", Version: 1,
		Effective: time.Date(2025, 5, 6, 7, 8, 9, int(n%1000)*1000, time.UTC),
		Facts:     fmt.Appendf(nil, `{"n":%d}`, n),
		Sealed:    [][]byte{fmt.Appendf(nil, "sealed %d", n)},
		Metadata:  []byte(`{"actor":"test"}`),
	}
}

func eventsOf(from uint64, n int) []eventstore.Event {
	out := make([]eventstore.Event, n)
	for i := range out {
		out[i] = NewEvent(from + uint64(i))
	}
	return out
}

func mustAppend(t *testing.T, s eventstore.Store, stream string, exp eventstore.Expected, events ...eventstore.Event) eventstore.Result {
	t.Helper()
	res, err := s.Append(t.Context(), stream, exp, events)
	require.NoError(t, err)
	return res
}

// Stream reads a range of a stream and clones its events.
func Stream(t *testing.T, s eventstore.Store, stream string, r eventstore.StreamRange) []*eventstore.Recorded {
	t.Helper()
	out := []*eventstore.Recorded{}
	for rec, err := range s.ReadStream(t.Context(), stream, r) {
		require.NoError(t, err)
		out = append(out, rec.Clone())
	}
	return out
}

// All reads everything after a position and clones it.
func All(t *testing.T, s eventstore.Store, after eventstore.Position) []*eventstore.Recorded {
	t.Helper()
	out := []*eventstore.Recorded{}
	for rec, err := range s.ReadAll(t.Context(), after) {
		require.NoError(t, err)
		out = append(out, rec.Clone())
	}
	return out
}

// CheckLog reads the whole store and requires what must hold of any log:
// positions rise, revisions have no gap, the recorded time never falls, no
// event ID comes twice, and each stream reads the same both ways. It returns
// the events in global order.
func CheckLog(t *testing.T, s eventstore.Store) []*eventstore.Recorded {
	t.Helper()
	all := All(t, s, 0)
	streams := map[string][]*eventstore.Recorded{}
	ids := map[eventstore.EventID]bool{}
	var last eventstore.Position
	var clock time.Time
	for _, rec := range all {
		require.Greater(t, rec.Position, last)
		require.False(t, rec.Recorded.Before(clock), "the recorded time falls")
		require.False(t, ids[rec.ID], "event %s is there twice", rec.ID)
		require.Equal(t, uint64(len(streams[rec.Stream])), rec.Revision, "stream %s", rec.Stream)
		last, clock, ids[rec.ID] = rec.Position, rec.Recorded, true
		streams[rec.Stream] = append(streams[rec.Stream], rec)
	}
	for name, want := range streams {
		require.Equal(t, want, Stream(t, s, name, eventstore.StreamRange{}), "stream %s", name)
		back := Stream(t, s, name, eventstore.StreamRange{From: eventstore.NoRevision, Direction: eventstore.Backward})
		require.Len(t, back, len(want))
		for i := range back {
			require.Equal(t, want[len(want)-1-i], back[i], "stream %s backward", name)
		}
	}
	return all
}

func requireConflict(t *testing.T, err error, stream string, exp eventstore.Expected, current uint64) {
	t.Helper()
	var c *eventstore.ConflictError
	require.ErrorAs(t, err, &c)
	require.Equal(t, eventstore.ConflictError{Stream: stream, Expected: exp, Current: current}, *c)
}

// ended is a context that is over.
func ended() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}
