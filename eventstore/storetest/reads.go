package storetest

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"lethe/eventstore"
)

func testStreamRanges(t *testing.T, s eventstore.Store) {
	mustAppend(t, s, "other", eventstore.Any(), eventsOf(1000, 3)...)
	mustAppend(t, s, "a", eventstore.NoStream(), eventsOf(0x100, 4)...)
	mustAppend(t, s, "other", eventstore.Any(), eventsOf(1010, 1)...)
	mustAppend(t, s, "a", eventstore.Revision(3), eventsOf(0x104, 1)...)
	mustAppend(t, s, "a", eventstore.Revision(4), eventsOf(0x105, 5)...)
	revisions := func(r eventstore.StreamRange) []int {
		out := []int{}
		for _, rec := range Stream(t, s, "a", r) {
			require.Equal(t, ID(0x100+rec.Revision), rec.ID)
			out = append(out, int(rec.Revision))
		}
		return out
	}
	const end = eventstore.NoRevision
	type rg = eventstore.StreamRange
	tests := []struct {
		r    rg
		want []int
	}{
		{rg{}, []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}},
		{rg{From: 3}, []int{3, 4, 5, 6, 7, 8, 9}},
		{rg{From: 9}, []int{9}},
		{rg{From: 10}, []int{}},
		{rg{From: end}, []int{}},
		{rg{Limit: 1}, []int{0}},
		{rg{From: 2, Limit: 4}, []int{2, 3, 4, 5}},
		{rg{From: 8, Limit: 100}, []int{8, 9}},
		{rg{From: end, Direction: eventstore.Backward}, []int{9, 8, 7, 6, 5, 4, 3, 2, 1, 0}},
		{rg{From: 10, Direction: eventstore.Backward, Limit: 1}, []int{9}},
		{rg{From: end, Direction: eventstore.Backward, Limit: 3}, []int{9, 8, 7}},
		{rg{From: 5, Direction: eventstore.Backward}, []int{5, 4, 3, 2, 1, 0}},
		{rg{From: 6, Direction: eventstore.Backward, Limit: 4}, []int{6, 5, 4, 3}},
		{rg{From: 0, Direction: eventstore.Backward}, []int{0}},
	}
	for _, test := range tests {
		require.Equal(t, test.want, revisions(test.r), "%+v", test.r)
	}
	for _, dir := range []eventstore.Direction{eventstore.Forward, eventstore.Backward} {
		require.Empty(t, Stream(t, s, "absent", rg{Direction: dir}))
		require.Empty(t, Stream(t, s, "absent", rg{From: end, Direction: dir}))
		require.Empty(t, Stream(t, s, "othe", rg{Direction: dir, From: 1}))
	}
}

func testStreamModel(t *testing.T, s eventstore.Store) {
	rng := rand.New(rand.NewPCG(1, 2))
	model := map[string][]eventstore.EventID{}
	id := uint64(1)
	for range 300 {
		stream := fmt.Sprintf("s-%d", rng.IntN(12))
		n := 1 + rng.IntN(4)
		events := eventsOf(id, n)
		id += uint64(n)
		mustAppend(t, s, stream, eventstore.Any(), events...)
		for i := range events {
			model[stream] = append(model[stream], events[i].ID)
		}
		r := eventstore.StreamRange{From: uint64(rng.IntN(len(model[stream]) + 2)), Limit: rng.IntN(6)}
		if rng.IntN(2) == 0 {
			r.Direction = eventstore.Backward
		}
		got := []eventstore.EventID{}
		for _, rec := range Stream(t, s, stream, r) {
			got = append(got, rec.ID)
		}
		require.Equal(t, modelRange(model[stream], r), got, "%s %+v", stream, r)
	}
	CheckLog(t, s)
}

func modelRange(ids []eventstore.EventID, r eventstore.StreamRange) []eventstore.EventID {
	out := []eventstore.EventID{}
	step, at := 1, int(r.From)
	if r.Direction == eventstore.Backward {
		step, at = -1, min(at, len(ids)-1)
	}
	for ; at >= 0 && at < len(ids) && (r.Limit == 0 || len(out) < r.Limit); at += step {
		out = append(out, ids[at])
	}
	return out
}

func testReadYourWrites(t *testing.T, s eventstore.Store) {
	var wg sync.WaitGroup
	for w := range 4 {
		wg.Go(func() {
			stream := fmt.Sprintf("w-%d", w)
			for i := range uint64(40) {
				res, err := s.Append(t.Context(), stream, eventstore.Any(), eventsOf(uint64(w)*1000+i+1, 1))
				if err != nil {
					t.Error(err)
					return
				}
				n := uint64(0)
				for rec, err := range s.ReadStream(t.Context(), stream, eventstore.StreamRange{}) {
					if err != nil || rec.Revision != n {
						t.Errorf("revision %d: %v", n, err)
						return
					}
					n++
				}
				if n != i+1 {
					t.Errorf("%d events after the acknowledgement of %d", n, i+1)
				}
				found := false
				for rec, err := range s.ReadAll(t.Context(), res.Position-1) {
					found = err == nil && rec.Position == res.Position
					break
				}
				if !found {
					t.Error("ReadAll does not begin with the event just acknowledged")
				}
			}
		})
	}
	wg.Wait()
}

func testLongStream(t *testing.T, s eventstore.Store) {
	var wg sync.WaitGroup
	const writers, each = 8, 100
	for w := range writers {
		wg.Go(func() {
			for i := range each {
				_, err := s.Append(t.Context(), "long", eventstore.Any(), eventsOf(uint64(1+w*each+i), 1))
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	require.Len(t, CheckLog(t, s), writers*each)
	require.Len(t, Stream(t, s, "long", eventstore.StreamRange{From: 137, Limit: 200}), 200)
	back := Stream(t, s, "long", eventstore.StreamRange{From: 500, Direction: eventstore.Backward, Limit: 200})
	require.Len(t, back, 200)
	require.Equal(t, uint64(301), back[199].Revision)
}

func testReadAll(t *testing.T, s eventstore.Store) {
	require.Empty(t, All(t, s, 0))
	for i := range uint64(60) {
		mustAppend(t, s, fmt.Sprintf("s-%d", i%7), eventstore.Any(), eventsOf(i*3+1, int(i%3)+1)...)
	}
	all := CheckLog(t, s)
	require.Len(t, all, 120)
	for i := 0; i < len(all); i += 11 {
		require.Equal(t, all[i+1:], All(t, s, all[i].Position), "after %d", i)
		// A position between two events, or not given to any, is a place too.
		require.Equal(t, all[i:], All(t, s, all[i].Position-1), "before %d", i)
	}
	last := all[len(all)-1].Position
	require.Empty(t, All(t, s, last))
	require.Empty(t, All(t, s, last+1000))
}

func testReadAllEnd(t *testing.T, s eventstore.Store) {
	mustAppend(t, s, "a", eventstore.Any(), eventsOf(1, 3)...)
	n := 0
	for _, err := range s.ReadAll(t.Context(), 0) {
		require.NoError(t, err)
		n++
		mustAppend(t, s, "a", eventstore.Any(), eventsOf(uint64(100*n), 1)...)
	}
	require.Equal(t, 3, n)
	require.Len(t, All(t, s, 0), 6)
}

func testReadsStop(t *testing.T, s eventstore.Store) {
	mustAppend(t, s, "a", eventstore.Any(), eventsOf(1, 5)...)
	n := 0
	for range s.ReadAll(t.Context(), 0) {
		if n++; n == 2 {
			break
		}
	}
	for range s.ReadStream(t.Context(), "a", eventstore.StreamRange{}) {
		if n++; n == 4 {
			break
		}
	}
	require.Equal(t, 4, n)
	oneError := func(seq func(func(*eventstore.Recorded, error) bool)) {
		errs := 0
		for rec, err := range seq {
			require.Nil(t, rec)
			require.ErrorIs(t, err, context.Canceled)
			errs++
		}
		require.Equal(t, 1, errs)
	}
	oneError(s.ReadAll(ended(), 0))
	oneError(s.ReadStream(ended(), "a", eventstore.StreamRange{}))
}

func testConcurrentAppends(t *testing.T, s eventstore.Store) {
	const writers, each = 16, 40
	var mu sync.Mutex
	results := map[eventstore.EventID]eventstore.Result{}
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			stream, exp := fmt.Sprintf("c-%d", w), eventstore.NoStream()
			for i := range each {
				events := eventsOf(uint64(1+w*1000+i*2), 2)
				res, err := s.Append(t.Context(), stream, exp, events)
				if err != nil {
					t.Errorf("append %d of %s: %v", i, stream, err)
					return
				}
				exp = eventstore.Revision(res.Last)
				mu.Lock()
				results[events[1].ID] = res
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	all := CheckLog(t, s)
	require.Len(t, all, writers*each*2)
	for _, rec := range all {
		if res, ok := results[rec.ID]; ok {
			require.Equal(t, res.Position, rec.Position)
			require.Equal(t, res.Last, rec.Revision)
			require.Equal(t, res.Recorded, rec.Recorded)
			delete(results, rec.ID)
		}
	}
	require.Empty(t, results)
}

// testConcurrentRevisions lets writers compete for each revision of a stream:
// exactly one wins, and repeats of the winner's append are recognised.
func testConcurrentRevisions(t *testing.T, s eventstore.Store) {
	const writers, rounds = 8, 30
	mustAppend(t, s, "race", eventstore.NoStream(), eventsOf(1, 1)...)
	for round := range uint64(rounds) {
		var mu sync.Mutex
		var wins, duplicates, conflicts int
		var wg sync.WaitGroup
		for w := range uint64(writers) {
			wg.Go(func() {
				// Two writers each have the same IDs: one is a repeat of the other.
				events := eventsOf(1000+round*100+w/2*10, 2)
				res, err := s.Append(t.Context(), "race", eventstore.Revision(round*2), events)
				mu.Lock()
				defer mu.Unlock()
				switch {
				case err == nil && res.Duplicate:
					duplicates++
				case err == nil:
					wins++
				default:
					conflicts++
				}
			})
		}
		wg.Wait()
		require.Equal(t, []int{1, 1, writers - 2}, []int{wins, duplicates, conflicts}, "round %d", round)
	}
	require.Len(t, CheckLog(t, s), 1+2*rounds)
}
