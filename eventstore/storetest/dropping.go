package storetest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"lethe/eventstore"
)

// DropperStore is a store that can remove sealed parts.
type DropperStore interface {
	eventstore.Store
	eventstore.Dropper
}

// RunDropper checks every sentence of the contract of removing sealed parts.
// open gives a new, empty store whose sections are full after a few hundred
// events of some hundred bytes; the suite closes it.
func RunDropper(t *testing.T, open func(t *testing.T) DropperStore) {
	t.Helper()
	tests := []struct {
		name string
		run  func(t *testing.T, s DropperStore)
	}{
		{"removes what was picked and nothing else", testDropPicked},
		{"picks nothing", testDropNothing},
		{"removes again", testDropAgain},
		{"refuses what is no full section", testDropRefuses},
		{"what is not recorded is not removed", testDropUnrecorded},
		{"reads go on", testDropReaders},
		{"appends and reads meanwhile", testDropConcurrent},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s := open(t)
			test.run(t, s)
			require.NoError(t, s.Close())
		})
	}
}

// PartsEvent makes an event of n with n modulo 5 parts, each of them named by
// its event and place.
func PartsEvent(n uint64) eventstore.Event {
	e := NewEvent(n)
	e.Sealed = nil
	for i := range n % 5 {
		e.Sealed = append(e.Sealed, PartOf(n, int(i)))
	}
	return e
}

// PartOf is the i-th part of event n: some are shorter than what is kept.
func PartOf(n uint64, i int) []byte {
	if n%7 == 0 && i == 1 {
		return []byte("short")
	}
	return fmt.Appendf(nil, "head of part %04d.%d|ciphertext of part %04d.%d", n, i, n, i)
}

// HeadBytes is how much of such a part Every keeps.
const HeadBytes = 20

// Every picks every k-th part, beginning with the first.
func Every(k int) func(*eventstore.Recorded, int) (int, bool) {
	n := -1
	return func(*eventstore.Recorded, int) (int, bool) { n++; return HeadBytes, n%k == 0 }
}

// Fill appends events of PartsEvent until the store has so many full sections.
func Fill(t *testing.T, s DropperStore, full int) {
	t.Helper()
	for n := uint64(1); ; n++ {
		mustAppend(t, s, fmt.Sprintf("stream-%d", n%3), eventstore.Any(), PartsEvent(n))
		if secs := s.Sections(); len(secs) > full && secs[full-1].Full {
			return
		}
	}
}

// order picks every k-th part and notes what is recorded.
func order(id byte, k int, recorded *[]eventstore.Drop) eventstore.DropOrder {
	return eventstore.DropOrder{
		ID: eventstore.DropID{id}, Pick: Every(k),
		Record: func(_ context.Context, d eventstore.Drop) error { *recorded = append(*recorded, d); return nil },
	}
}

// without is the events as a removal leaves them, and what it says of itself.
func without(all []*eventstore.Recorded, sec eventstore.Section, o eventstore.DropOrder) ([]*eventstore.Recorded, eventstore.Drop) {
	out := make([]*eventstore.Recorded, len(all))
	d := eventstore.Drop{ID: o.ID}
	var list eventstore.DropList
	for i, rec := range all {
		out[i] = rec.Clone()
		if at := uint64(i) + 1; at < sec.First || at >= sec.First+sec.Count {
			continue
		}
		if d.First == 0 {
			d.First = rec.Position
		}
		d.Last = rec.Position
		if takeOut(out[i], rec, o, &list) {
			d.Events++
		}
	}
	d.Parts, d.Bytes, d.List = list.Parts, list.Bytes, list.Sum()
	return out, d
}

// takeOut removes the picked parts of rec from out.
func takeOut(out, rec *eventstore.Recorded, o eventstore.DropOrder, list *eventstore.DropList) (some bool) {
	gone := map[int]eventstore.Dropped{}
	for _, d := range rec.Dropped {
		gone[d.Index] = d
	}
	out.Sealed, out.Dropped = nil, nil
	for i, p := range rec.Sealed {
		keep, drop := o.Pick(rec, i)
		if !drop {
			out.Sealed = append(out.Sealed, p)
			continue
		}
		some = true
		gone[rec.PartIndex(i)] = eventstore.Dropped{
			Index: rec.PartIndex(i), Head: p[:min(keep, len(p)-1)], Hash: sha256.Sum256(p), Size: uint32(len(p)), By: o.ID,
		}
	}
	for i := range len(rec.Sealed) + len(rec.Dropped) {
		d, ok := gone[i]
		if !ok {
			continue
		}
		out.Dropped = append(out.Dropped, d)
		if d.By == o.ID {
			list.Add(rec.Position, &d)
		}
	}
	return some
}

func testDropPicked(t *testing.T, s DropperStore) {
	Fill(t, s, 3)
	all := CheckLog(t, s)
	sec := s.Sections()[1]
	var recorded []eventstore.Drop
	got, err := s.Drop(t.Context(), sec, order(1, 3, &recorded))
	require.NoError(t, err)
	want, drop := without(all, sec, order(1, 3, nil))
	require.Equal(t, drop, got)
	require.Equal(t, []eventstore.Drop{drop}, recorded)
	require.Positive(t, drop.Parts)
	after := CheckLog(t, s)
	require.Equal(t, want, after)
	for i, rec := range after {
		for k, p := range rec.Sealed {
			require.True(t, bytes.Equal(PartOf(uint64(i+1), rec.PartIndex(k)), p), "PartIndex")
		}
	}
}

func testDropNothing(t *testing.T, s DropperStore) {
	Fill(t, s, 1)
	all, secs := CheckLog(t, s), s.Sections()
	var recorded []eventstore.Drop
	o := order(1, 1, &recorded)
	o.Pick = func(*eventstore.Recorded, int) (int, bool) { return 0, false }
	got, err := s.Drop(t.Context(), secs[0], o)
	require.NoError(t, err)
	require.Zero(t, got)
	require.Empty(t, recorded)
	require.Equal(t, secs[0], s.Sections()[0])
	require.Equal(t, all, CheckLog(t, s))
}

func testDropAgain(t *testing.T, s DropperStore) {
	Fill(t, s, 2)
	want := CheckLog(t, s)
	var recorded, expected []eventstore.Drop
	for id := range 4 {
		k := 4 - id // the last takes all that is left
		sec := s.Sections()[0]
		_, err := s.Drop(t.Context(), sec, order(byte(id+1), k, &recorded))
		require.NoError(t, err)
		var d eventstore.Drop
		want, d = without(want, sec, order(byte(id+1), k, nil))
		expected = append(expected, d)
		require.NotEqual(t, sec.Name, s.Sections()[0].Name)
	}
	require.Equal(t, expected, recorded)
	require.Equal(t, want, CheckLog(t, s))
	for rec, err := range s.ReadSection(t.Context(), s.Sections()[0]) {
		require.NoError(t, err)
		require.Empty(t, rec.Sealed)
	}
}

func testDropRefuses(t *testing.T, s DropperStore) {
	Fill(t, s, 1)
	secs := s.Sections()
	var recorded []eventstore.Drop
	_, err := s.Drop(t.Context(), secs[1], order(1, 1, &recorded))
	require.ErrorIs(t, err, eventstore.ErrSectionOpen)
	lie := secs[1]
	lie.Full = true
	_, err = s.Drop(t.Context(), lie, order(1, 1, &recorded))
	require.ErrorIs(t, err, eventstore.ErrSectionOpen)
	_, err = s.Drop(ended(), secs[0], order(1, 1, &recorded))
	require.ErrorIs(t, err, context.Canceled)
	require.Empty(t, recorded)
	require.Equal(t, secs[0], s.Sections()[0])
	_, err = s.Drop(t.Context(), secs[0], order(1, 1, &recorded))
	require.NoError(t, err)
	_, err = s.Drop(t.Context(), secs[0], order(2, 1, &recorded))
	require.ErrorIs(t, err, eventstore.ErrNoSection, "it has another name now")
	for _, err := range s.ReadSection(t.Context(), secs[0]) {
		require.ErrorIs(t, err, eventstore.ErrNoSection)
	}
	require.Len(t, recorded, 1)
}

func testDropUnrecorded(t *testing.T, s DropperStore) {
	Fill(t, s, 1)
	all, secs := CheckLog(t, s), s.Sections()
	refused := errors.New("refused")
	for range 2 {
		o := order(1, 1, nil)
		o.Record = func(context.Context, eventstore.Drop) error {
			require.Equal(t, all, CheckLog(t, s), "nothing is removed yet")
			return refused
		}
		_, err := s.Drop(t.Context(), secs[0], o)
		require.ErrorIs(t, err, refused)
		require.Equal(t, secs[0], s.Sections()[0])
		require.Equal(t, all, CheckLog(t, s))
	}
	var recorded []eventstore.Drop
	_, err := s.Drop(t.Context(), secs[0], order(2, 1, &recorded))
	require.NoError(t, err)
}

// testDropReaders drops under readers that stand in the middle.
func testDropReaders(t *testing.T, s DropperStore) {
	Fill(t, s, 2)
	all, sec := CheckLog(t, s), s.Sections()[0]
	want, _ := without(all, sec, order(1, 1, nil))
	drop := func(at int) {
		if at == 3 {
			var recorded []eventstore.Drop
			_, err := s.Drop(t.Context(), s.Sections()[0], order(1, 1, &recorded))
			require.NoError(t, err)
		}
	}
	either := func(n int, rec *eventstore.Recorded) {
		got := rec.Clone()
		require.Contains(t, []*eventstore.Recorded{all[n], want[n]}, got)
	}
	n := 0
	for rec, err := range s.ReadAll(t.Context(), 0) {
		require.NoError(t, err)
		either(n, rec)
		drop(n)
		n++
	}
	require.Len(t, all, n)
	require.Equal(t, want, CheckLog(t, s))
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	n = 0
	for m, err := range s.Subscribe(ctx, 0) {
		if m.CaughtUp || err != nil {
			break
		}
		require.Equal(t, want[n], m.Event.Clone())
		n++
	}
	require.Len(t, all, n)
}

// testDropConcurrent removes, appends and reads at once, with the removal
// recorded in the store itself.
func testDropConcurrent(t *testing.T, s DropperStore) {
	Fill(t, s, 3)
	before := len(CheckLog(t, s))
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var readers, writers sync.WaitGroup
	for range 2 {
		readers.Go(func() {
			for ctx.Err() == nil {
				n := 0
				for rec, err := range s.ReadAll(t.Context(), 0) {
					if err != nil || len(rec.Sealed)+len(rec.Dropped) != int((rec.Position&(1<<40-1))%5) && n < before {
						t.Errorf("event %d: %v", n, err)
						return
					}
					n++
				}
				for _, err := range s.ReadStream(t.Context(), "stream-1", eventstore.StreamRange{}) {
					if err != nil {
						t.Errorf("stream: %v", err)
						return
					}
				}
			}
		})
	}
	writers.Go(func() {
		for n := range uint64(100) {
			mustAppend(t, s, "meanwhile", eventstore.Any(), NewEvent(1_000_000+n))
		}
	})
	for id := range byte(12) {
		o := order(id+1, 3, nil)
		o.Record = func(ctx context.Context, d eventstore.Drop) error {
			e := NewEvent(2_000_000 + uint64(id))
			e.Facts = fmt.Appendf(nil, `{"list":"%x"}`, d.List)
			_, err := s.Append(ctx, "operations", eventstore.Any(), []eventstore.Event{e})
			return err
		}
		_, err := s.Drop(t.Context(), s.Sections()[id%3], o)
		require.NoError(t, err)
	}
	writers.Wait()
	cancel()
	readers.Wait()
	dropped := map[eventstore.DropID]*eventstore.DropList{}
	for _, rec := range CheckLog(t, s) {
		for i := range rec.Dropped {
			d := &rec.Dropped[i]
			if dropped[d.By] == nil {
				dropped[d.By] = &eventstore.DropList{}
			}
			dropped[d.By].Add(rec.Position, d)
		}
	}
	for _, rec := range Stream(t, s, "operations", eventstore.StreamRange{}) {
		id := eventstore.DropID{byte(numberOf(rec.ID)-2_000_000) + 1}
		sum := dropped[id].Sum()
		require.Equal(t, fmt.Sprintf(`{"list":"%x"}`, sum), string(rec.Facts), "what was recorded is what is gone")
		delete(dropped, id)
	}
	require.Empty(t, dropped, "every part that is gone was recorded")
}
