package segment

import (
	"fmt"
	"hash/crc32"

	"github.com/cockroachdb/pebble/v2/vfs"

	"lethe/eventstore"
)

// The footer of a full segment begins where its groups end, so that an event
// is found by its ordinal without walking the groups:
//
//	0      4·n   offset of each record in the file, in order
//	4·n    4     magic "LFTR"
//	4·n+4  4     n
//	4·n+8  4     CRC-32C of all before
//
// It says nothing that the groups do not, and is rebuilt from them when damaged.
const (
	footerMagic     = "LFTR"
	footerTrailer   = 12
	footerEntrySize = 4
)

func footerSize(records uint64) int64 { return int64(records)*footerEntrySize + footerTrailer }

func encodeFooter(offsets []uint32) []byte {
	b := make([]byte, 0, footerSize(uint64(len(offsets))))
	for _, o := range offsets {
		b = le.AppendUint32(b, o)
	}
	b = append(b, footerMagic...)
	b = le.AppendUint32(b, uint32(len(offsets)))
	return le.AppendUint32(b, crc32.Checksum(b, castagnoli))
}

// parseFooter returns the offsets, all of them between the header and end.
func parseFooter(b []byte, count uint64, end int64) ([]uint32, error) {
	if uint64(len(b)) != uint64(footerSize(count)) {
		return nil, fmt.Errorf("the footer's length is wrong")
	}
	n := len(b) - footerTrailer
	if string(b[n:n+4]) != footerMagic || uint64(le.Uint32(b[n+4:])) != count {
		return nil, fmt.Errorf("the footer is missing")
	}
	if crc32.Checksum(b[:n+8], castagnoli) != le.Uint32(b[n+8:]) {
		return nil, fmt.Errorf("the footer's checksum is wrong")
	}
	offsets := make([]uint32, count)
	for i := range offsets {
		offsets[i] = le.Uint32(b[i*footerEntrySize:])
		if int64(offsets[i]) < segmentHeaderSize || int64(offsets[i])+recordHeaderSize > end {
			return nil, fmt.Errorf("the footer points outside the segment")
		}
	}
	return offsets, nil
}

// readFooter loads a full segment's offsets; the error says that the footer is
// damaged or could not be read.
func readFooter(f vfs.File, e *segmentEntry) ([]uint32, error) {
	b := make([]byte, footerSize(e.Count))
	if err := readFull(f, b, e.End); err != nil {
		return nil, fmt.Errorf("reading the footer: %w", err)
	}
	return parseFooter(b, e.Count, e.End)
}

// appendOffsets adds the offsets of a group's records; base is the group's
// place in the file.
func appendOffsets(offsets []uint32, h *groupHeader, group []byte, base int64) ([]uint32, error) {
	at := groupHeaderSize
	for range h.records {
		n, err := recordLength(group[at:])
		if err != nil {
			return offsets, err
		}
		offsets = append(offsets, uint32(base)+uint32(at))
		at += n
	}
	return offsets, nil
}

// scanOffsets rebuilds a full segment's offsets from its groups.
func scanOffsets(f vfs.File, name string, h segmentHeader, e *segmentEntry) ([]uint32, error) {
	var r groupReader
	r.start(f, name, h, e.FirstGroup, e.End)
	offsets := make([]uint32, 0, e.Count)
	for r.off < r.end {
		base := r.off
		gh, group, err := r.next()
		if err != nil {
			return nil, err
		}
		if offsets, err = appendOffsets(offsets, &gh, group, base); err != nil {
			return nil, &eventstore.CorruptError{File: name, Offset: base, What: err.Error()}
		}
	}
	if uint64(len(offsets)) != e.Count {
		return nil, &eventstore.CorruptError{File: name, Offset: r.off, What: "the segment does not hold the events that MANIFEST says"}
	}
	return offsets, nil
}
