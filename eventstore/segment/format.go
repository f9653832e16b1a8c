package segment

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"

	"lethe/eventstore"
)

// A segment file, all numbers little-endian:
//
//	0                 64                                      end
//	| segment header  | group | group | … | group | footer?   | zeros …
//
// Segment header, 64 bytes:
//
//	 0  8  magic "LETHESEG"
//	 8  4  format version
//	12  4  file version: 0, or higher for a file that replaced another
//	16  8  segment number
//	24  8  salt: random; opens every group header, so that neither a caller's
//	       bytes nor an older file's can pass for a group of this file
//	32 28  zero
//	60  4  CRC-32C of bytes 0 to 60; the chain of groups starts with it
//
// Group, 48 bytes of header, then the payload, padded with zeros to 8 bytes:
//
//	 0  8  salt of the segment
//	 8  8  group number, counting through all segments
//	16  4  payload length with padding
//	20  4  records; 0 is a marker: an empty group written when the store falls
//	       idle, so that an acknowledged group has a successor and damage to it
//	       cannot be taken for a torn tail
//	24  8  position of the first record; of a marker, the last position before
//	32  8  recorded time, microseconds since 1970 UTC, of every record
//	40  4  CRC-32C of the group before (this field of the next header)
//	44  4  CRC-32C of bytes 0 to 44 and the payload
//
// Records follow each other without padding; see record.go. The footer is
// written when the segment is full; see footer.go.
const (
	formatVersion     = 1
	segmentMagic      = "LETHESEG"
	segmentHeaderSize = 64
	groupHeaderSize   = 48
	groupAlign        = 8

	// maxGroupBytes ends a group that goes on growing. It must hold the
	// largest append: eventstore.MaxAppendBytes and the record headers.
	maxGroupBytes = 4 << 20
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

var le = binary.LittleEndian

// eraBits is the width of a position's ordinal: position = era·2^40 + ordinal.
const eraBits = 40

// maxEra is the last era whose positions fit.
const maxEra = 1<<(64-eraBits) - 1

func makePosition(era uint32, ordinal uint64) eventstore.Position {
	return eventstore.Position(uint64(era)<<eraBits | ordinal)
}

func splitPosition(p eventstore.Position) (era uint32, ordinal uint64) {
	return uint32(p >> eraBits), uint64(p) & (1<<eraBits - 1)
}

func ordinalOf(p eventstore.Position) uint64 {
	_, ordinal := splitPosition(p)
	return ordinal
}

type segmentHeader struct {
	number  uint64
	version uint32
	salt    uint64
}

func (h segmentHeader) encode() []byte {
	b := make([]byte, segmentHeaderSize)
	copy(b, segmentMagic)
	le.PutUint32(b[8:], formatVersion)
	le.PutUint32(b[12:], h.version)
	le.PutUint64(b[16:], h.number)
	le.PutUint64(b[24:], h.salt)
	le.PutUint32(b[60:], crc32.Checksum(b[:60], castagnoli))
	return b
}

// crc is where the segment's chain of groups starts.
func (h segmentHeader) crc() uint32 { return le.Uint32(h.encode()[60:]) }

func parseSegmentHeader(b []byte) (segmentHeader, error) {
	if len(b) < segmentHeaderSize || string(b[:8]) != segmentMagic {
		return segmentHeader{}, fmt.Errorf("it does not begin as a segment file")
	}
	if crc32.Checksum(b[:60], castagnoli) != le.Uint32(b[60:]) {
		return segmentHeader{}, fmt.Errorf("the segment header's checksum is wrong")
	}
	if v := le.Uint32(b[8:]); v != formatVersion {
		return segmentHeader{}, fmt.Errorf("segment format %d, this program reads %d", v, formatVersion)
	}
	h := segmentHeader{number: le.Uint64(b[16:]), version: le.Uint32(b[12:]), salt: le.Uint64(b[24:])}
	return h, nil
}

type groupHeader struct {
	salt     uint64
	number   uint64
	length   uint32
	records  uint32
	position eventstore.Position
	recorded int64
	prev     uint32
	crc      uint32
}

// seal writes the header into the group's first bytes and returns its CRC.
func (h *groupHeader) seal(group []byte) uint32 {
	le.PutUint64(group[0:], h.salt)
	le.PutUint64(group[8:], h.number)
	le.PutUint32(group[16:], h.length)
	le.PutUint32(group[20:], h.records)
	le.PutUint64(group[24:], uint64(h.position))
	le.PutUint64(group[32:], uint64(h.recorded))
	le.PutUint32(group[40:], h.prev)
	h.crc = groupCRC(group)
	le.PutUint32(group[44:], h.crc)
	return h.crc
}

func groupCRC(group []byte) uint32 {
	return crc32.Update(crc32.Checksum(group[:44], castagnoli), castagnoli, group[groupHeaderSize:])
}

func readGroupHeader(b []byte) groupHeader {
	_ = b[groupHeaderSize-1]
	return groupHeader{
		salt:     le.Uint64(b[0:]),
		number:   le.Uint64(b[8:]),
		length:   le.Uint32(b[16:]),
		records:  le.Uint32(b[20:]),
		position: eventstore.Position(le.Uint64(b[24:])),
		recorded: int64(le.Uint64(b[32:])),
		prev:     le.Uint32(b[40:]),
		crc:      le.Uint32(b[44:]),
	}
}

// plausible refuses lengths that no writer makes, before anything is read or
// allocated by them.
func (h *groupHeader) plausible(salt uint64, room int64) bool {
	return h.salt == salt &&
		h.length%groupAlign == 0 &&
		int64(h.length) <= room &&
		uint64(h.records)*recordHeaderSize <= uint64(h.length) &&
		(h.records > 0) == (h.length > 0)
}

func alignUp(n int) int { return (n + groupAlign - 1) &^ (groupAlign - 1) }
