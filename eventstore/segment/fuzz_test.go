package segment

import (
	"bytes"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/require"

	"lethe/eventstore"
)

func sampleRecord() []byte {
	e := eventstore.Event{
		ID: eventstore.EventID{1, 2, 3}, Type: "Tested", Version: 3,
		Facts: []byte(`{"a":1}`), Metadata: []byte("{}"), Sealed: [][]byte{[]byte("one"), {}, []byte("three")},
	}
	return appendRecord(make([]byte, groupHeaderSize), "stream", 7, 1_700_000_000_000_000, &e)[groupHeaderSize:]
}

func sampleDropped() []byte {
	e := eventstore.Event{ID: eventstore.EventID{1}, Type: "Tested", Version: 3, Sealed: [][]byte{[]byte("one"), {}, []byte("three")}}
	gone := []eventstore.Dropped{
		{Index: 0, By: eventstore.DropID{1}, Hash: [32]byte{2}, Size: 90, Head: []byte("a head")},
		{Index: 2, By: eventstore.DropID{2}, Hash: [32]byte{3}, Size: 1},
		{Index: 4, By: eventstore.DropID{1}, Hash: [32]byte{4}, Size: 1 << 20, Head: []byte("another head")},
	}
	return appendParts(make([]byte, groupHeaderSize), "stream", 7, 1_700_000_000_000_000, &e, gone)[groupHeaderSize:]
}

// FuzzRecord: no bytes make the decoder fail otherwise than with an error, and
// what it accepts encodes to the same bytes.
func FuzzRecord(f *testing.F) {
	f.Add(sampleRecord())
	f.Add(sampleDropped())
	f.Add([]byte{})
	f.Add(make([]byte, recordHeaderSize))
	f.Fuzz(func(t *testing.T, b []byte) {
		n, err := recordLength(b)
		if err != nil {
			return
		}
		var names interner
		var rec eventstore.Recorded
		if decodeRecord(b[:n], &names, &rec) != nil {
			return
		}
		stream, err := recordStream(b[:n])
		require.NoError(t, err)
		rec.Stream = string(stream)
		back := le.Uint32(b[8:])
		again := appendParts(nil, rec.Stream, rec.Revision, rec.Recorded.UnixMicro(), &rec.Event, rec.Dropped)
		le.PutUint32(again[8:], back)
		require.Equal(t, b[8:n], again[8:])
	})
}

// sampleSegment is a small segment with two groups and a marker.
func sampleSegment() (segmentHeader, []byte) {
	h := segmentHeader{number: 1, salt: 0x1122334455667788}
	b := h.encode()
	prev := h.crc()
	for i := range 3 {
		g := make([]byte, groupHeaderSize)
		gh := groupHeader{salt: h.salt, number: uint64(i + 1), position: eventstore.Position(i + 1), prev: prev}
		if i < 2 {
			g = append(g, sampleRecord()...)
			le.PutUint32(g[groupHeaderSize+8:], groupHeaderSize)
			g = append(g, make([]byte, alignUp(len(g))-len(g))...)
			gh.records = 1
		} else {
			gh.position--
		}
		gh.length = uint32(len(g) - groupHeaderSize)
		prev = gh.seal(g)
		b = append(b, g...)
	}
	return h, append(b, make([]byte, 512)...)
}

// FuzzSegment: a damaged file never makes the scan fail otherwise than with an
// error, nor read behind its end; what it takes for valid is a prefix of groups.
func FuzzSegment(f *testing.F) {
	_, b := sampleSegment()
	f.Add(b, 0, byte(0))
	f.Add(b, 70, byte(1))
	f.Add(b[:100], 0, byte(0))
	f.Fuzz(func(t *testing.T, b []byte, at int, x byte) {
		if len(b) > 1<<16 {
			return
		}
		b = bytes.Clone(b)
		if at >= 0 && at < len(b) {
			b[at] ^= x
		}
		scan, err := scanTail(vfs.NewMemFile(b), "fuzzed", &segmentEntry{Number: 1, First: 1, FirstGroup: 1}, []eraEntry{{0, 1}})
		if err != nil {
			return
		}
		require.LessOrEqual(t, scan.end, int64(len(b)))
		for _, o := range scan.offsets {
			require.Less(t, int64(o), scan.end)
		}
	})
}

func TestEveryFlippedByteOfASegmentIsFound(t *testing.T) {
	_, b := sampleSegment()
	entry := &segmentEntry{Number: 1, First: 1, FirstGroup: 1}
	whole, err := scanTail(vfs.NewMemFile(bytes.Clone(b)), "whole", entry, []eraEntry{{0, 1}})
	require.NoError(t, err)
	require.NoError(t, whole.fault)
	require.Len(t, whole.offsets, 2)
	for i := range whole.end {
		c := bytes.Clone(b)
		c[i] ^= 0x40
		scan, err := scanTail(vfs.NewMemFile(c), "flipped", entry, []eraEntry{{0, 1}})
		require.True(t, err != nil || scan.fault != nil, "byte %d", i)
	}
}

func FuzzManifest(f *testing.F) {
	m := manifest{
		Log: "00112233445566778899aabbccddeeff", Eras: []eraEntry{{0, 1}, {1, 5}},
		Segments: []segmentEntry{{Number: 1, First: 1, FirstGroup: 1, Count: 4, End: 100}, {Number: 2, First: 5, FirstGroup: 5}},
	}
	b, err := m.encode()
	require.NoError(f, err)
	f.Add(b)
	f.Add([]byte("lethe-manifest 1 00000000\n{}"))
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := parseManifest(b)
		if err != nil {
			return
		}
		again, err := m.encode()
		require.NoError(t, err)
		back, err := parseManifest(again)
		require.NoError(t, err)
		require.Equal(t, m, back)
	})
}

func FuzzFormat(f *testing.F) {
	b, err := ownFormat.encode()
	require.NoError(f, err)
	f.Add(b)
	f.Add([]byte(`{"segment":2}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		got, err := parseFormat(b)
		if err == nil && (got.Segment > ownFormat.Segment || got.Manifest > ownFormat.Manifest) {
			t.Fatal("a newer format was accepted")
		}
	})
}

func FuzzFooter(f *testing.F) {
	f.Add(encodeFooter([]uint32{64, 200, 300}), uint64(3), int64(1000))
	f.Fuzz(func(t *testing.T, b []byte, count uint64, end int64) {
		if count > 1<<16 || end > maxSegmentBytes {
			return
		}
		offsets, err := parseFooter(b, count, end)
		if err == nil {
			require.Equal(t, b, encodeFooter(offsets))
		}
	})
}
