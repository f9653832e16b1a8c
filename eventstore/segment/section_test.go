package segment_test

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/require"

	"lethe/eventstore"
	"lethe/eventstore/segment"
	"lethe/eventstore/storetest"
)

// sectionEvents reads the sections one after the other and clones their events.
func sectionEvents(t *testing.T, s eventstore.Sectioned) []*eventstore.Recorded {
	t.Helper()
	out := []*eventstore.Recorded{}
	for _, sec := range s.Sections() {
		require.Equal(t, uint64(len(out))+1, sec.First)
		n := uint64(0)
		for rec, err := range s.ReadSection(t.Context(), sec) {
			require.NoError(t, err)
			out = append(out, rec.Clone())
			n++
		}
		require.Equal(t, sec.Count, n)
	}
	return out
}

func TestSectionsHoldEveryEventOnce(t *testing.T) {
	fs := vfs.NewMem()
	s, _, err := openAt(t, fs, func(o *segment.Options) { o.SegmentBytes, o.IdleMarker = 4<<10, time.Millisecond })
	require.NoError(t, err)
	require.Empty(t, sectionEvents(t, s))
	large := storetest.NewEvent(1)
	large.Facts = make([]byte, 20_000) // leaves the first segment empty
	_, err = s.Append(t.Context(), "large", eventstore.Any(), []eventstore.Event{large})
	require.NoError(t, err)
	for i := 2; i <= 120; i++ {
		appendN(t, s, i, 1)
		if i%10 == 0 {
			require.Equal(t, storetest.All(t, s, 0), sectionEvents(t, s))
		}
	}
	secs := s.Sections()
	require.Greater(t, len(secs), 4)
	for i, sec := range secs {
		require.Equal(t, i < len(secs)-1, sec.Full)
		require.Positive(t, sec.Bytes)
	}
	require.NoError(t, s.Close())
	s, _, err = openAt(t, fs, func(o *segment.Options) { o.ReadOnly = true })
	require.NoError(t, err)
	require.Equal(t, storetest.All(t, s, 0), sectionEvents(t, s))
	require.NoError(t, s.Close())
	for _, err := range s.ReadSection(t.Context(), secs[0]) {
		require.ErrorIs(t, err, eventstore.ErrClosed)
	}
}

// A section taken earlier goes on meaning the same while the log grows and its
// segment fills up.
func TestASectionStaysWhatItWas(t *testing.T) {
	s, _, err := openAt(t, vfs.NewMem(), nil)
	require.NoError(t, err)
	defer func() { require.NoError(t, s.Close()) }()
	appendN(t, s, 1, 10)
	secs := s.Sections()
	require.Len(t, secs, 1)
	require.Equal(t, uint64(10), secs[0].Count)
	var wg sync.WaitGroup
	wg.Go(func() { appendN(t, s, 11, 300) })
	for range 20 {
		n := 0
		for rec, err := range s.ReadSection(t.Context(), secs[0]) {
			require.NoError(t, err)
			n++
			require.Equal(t, storetest.ID(uint64(n)), rec.ID)
		}
		require.Equal(t, 10, n)
	}
	wg.Wait()
	require.Greater(t, len(s.Sections()), 1)
	require.Len(t, sectionEvents(t, s), 310)
}

func TestReadSectionStops(t *testing.T) {
	s, _, err := openAt(t, vfs.NewMem(), nil)
	require.NoError(t, err)
	defer func() { require.NoError(t, s.Close()) }()
	appendN(t, s, 1, 10)
	sec := s.Sections()[0]
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var last error
	n := 0
	for _, err := range s.ReadSection(ctx, sec) {
		if last = err; err == nil {
			n++
		}
		if n == 5 {
			cancel()
		}
	}
	require.ErrorIs(t, last, context.Canceled)
	require.Equal(t, 5, n)
	for range s.ReadSection(t.Context(), sec) {
		break
	}
	for _, other := range []eventstore.Section{
		{Name: "00000009.000.seg", First: 1, Count: 10, Bytes: sec.Bytes},
		{Name: sec.Name, First: 2, Count: 9, Bytes: sec.Bytes},
		{Name: sec.Name, First: 1, Count: 11, Bytes: sec.Bytes},
		{Name: sec.Name, First: 1, Count: 10, Bytes: sec.Bytes + 1},
		{},
	} {
		for _, err := range s.ReadSection(t.Context(), other) {
			require.ErrorIs(t, err, eventstore.ErrNoSection)
		}
	}
}

// Whatever byte of a section changes after the opening, its reader says so.
func TestReadSectionFindsEveryChangedByte(t *testing.T) {
	fs := written(t, 100, true, nil)
	s, _, err := openAt(t, fs, nil)
	require.NoError(t, err)
	defer func() { require.NoError(t, s.Close()) }()
	for _, sec := range s.Sections() {
		data, err := fs.UnsafeGetFileDataBuffer("data/" + sec.Name)
		require.NoError(t, err)
		for at := int64(0); at < sec.Bytes; at += 7 {
			data[at] ^= 1 << (at % 8)
			var last error
			for _, err := range s.ReadSection(t.Context(), sec) {
				last = err
			}
			data[at] ^= 1 << (at % 8)
			requireCorrupt(t, last, sec.Name)
		}
	}
}

// A group that is written well and says something wrong is found as well.
func TestReadSectionChecksWhatChecksumsDoNot(t *testing.T) {
	fs := written(t, 100, true, nil)
	s, _, err := openAt(t, fs, nil)
	require.NoError(t, err)
	defer func() { require.NoError(t, s.Close()) }()
	sec := s.Sections()[0]
	data, err := fs.UnsafeGetFileDataBuffer("data/" + sec.Name)
	require.NoError(t, err)
	at := lastGroup(data[:sec.Bytes])
	group := data[at:sec.Bytes]
	for _, c := range []struct {
		what string
		harm func(g []byte)
	}{
		{"position", func(g []byte) { g[24]++ }},
		{"padding", func(g []byte) { g[len(g)-1] = 1 }},
		{"not one of this group", func(g []byte) { g[48+8]++ }},
		{"not one of this group", func(g []byte) { g[48+60]++ }},
		{"lengths", func(g []byte) { g[48]-- }},
	} {
		before := string(group)
		require.Zero(t, group[len(group)-1], "the test needs a padded group")
		c.harm(group)
		segment.Reseal(group)
		var last error
		for _, err := range s.ReadSection(t.Context(), sec) {
			last = err
		}
		requireCorrupt(t, last, c.what)
		copy(group, before)
	}
	require.True(t, strings.HasSuffix(sec.Name, ".seg"))
}
