package segment

import (
	"errors"
	"hash/crc32"
	"time"

	"lethe/eventstore"
)

// A record, little-endian, 68 bytes of header:
//
//	 0  4  length of the whole record
//	 4  4  CRC-32C of bytes 8 to length, for readers of a single event
//	 8  4  distance back to the group's header, for readers that start here
//	12  1  flags: bit 0 = the ciphertext of one sealed part or more was dropped
//	13  1  length of the type
//	14  2  version of the type
//	16  8  revision in the stream
//	24  8  effective time, microseconds since 1970 UTC
//	32 16  event ID
//	48  2  length of the stream's name
//	50  2  number of sealed parts
//	52  4  length of the facts
//	56  4  length of the metadata
//	60  8  recorded time, microseconds since 1970 UTC, as in the group's header
//	68     stream, type, facts, metadata, then each part as length (4) and bytes
//
// A part that was dropped has bit 31 of its length set, and instead of its
// bytes, which the length counts:
//
//	 0 16  the removal that took it
//	16 32  SHA-256 of the part
//	48  4  length that the part had
//	52     its first bytes, as far as they were kept
const (
	recordHeaderSize = 68
	flagDropped      = 1 << 0

	partDropped     = 1 << 31
	droppedPartSize = 52
)

var (
	errRecordShort = errors.New("the record's lengths do not add up")
	errRecordCRC   = errors.New("the record's checksum is wrong")
	errRecordFlags = errors.New("the record has flags this program does not know")
)

// recordSize is what the event takes in a group.
func recordSize(stream string, e *eventstore.Event) int {
	n := recordHeaderSize + len(stream) + len(e.Type) + len(e.Facts) + len(e.Metadata)
	for _, p := range e.Sealed {
		n += 4 + len(p)
	}
	return n
}

// appendRecord encodes an event at the end of the group and returns the group.
func appendRecord(group []byte, stream string, revision uint64, recorded int64, e *eventstore.Event) []byte {
	return appendParts(group, stream, revision, recorded, e, nil)
}

// appendParts is appendRecord of an event of which some parts were dropped.
func appendParts(group []byte, stream string, revision uint64, recorded int64, e *eventstore.Event, dropped []eventstore.Dropped) []byte {
	at := len(group)
	var h [recordHeaderSize]byte
	le.PutUint32(h[8:], uint32(at))
	h[13] = byte(len(e.Type))
	le.PutUint16(h[14:], e.Version)
	le.PutUint64(h[16:], revision)
	le.PutUint64(h[24:], uint64(e.Effective.UnixMicro()))
	copy(h[32:48], e.ID[:])
	le.PutUint16(h[48:], uint16(len(stream)))
	le.PutUint16(h[50:], uint16(len(e.Sealed)+len(dropped)))
	if len(dropped) > 0 {
		h[12] = flagDropped
	}
	le.PutUint32(h[52:], uint32(len(e.Facts)))
	le.PutUint32(h[56:], uint32(len(e.Metadata)))
	le.PutUint64(h[60:], uint64(recorded))
	group = append(group, h[:]...)
	group = append(group, stream...)
	group = append(group, e.Type...)
	group = append(group, e.Facts...)
	group = append(group, e.Metadata...)
	for i, next := 0, 0; next < len(e.Sealed) || len(dropped) > 0; i++ {
		if len(dropped) > 0 && (dropped[0].Index == i || next == len(e.Sealed)) {
			group = appendDropped(group, &dropped[0])
			dropped = dropped[1:]
			continue
		}
		group = le.AppendUint32(group, uint32(len(e.Sealed[next])))
		group = append(group, e.Sealed[next]...)
		next++
	}
	rec := group[at:]
	le.PutUint32(rec[0:], uint32(len(rec)))
	sumRecord(rec)
	return group
}

// sumRecord writes a record's checksum.
func sumRecord(rec []byte) { le.PutUint32(rec[4:], crc32.Checksum(rec[8:], castagnoli)) }

// recordLength reads the length and checks that the record lies within b.
func recordLength(b []byte) (int, error) {
	if len(b) < recordHeaderSize {
		return 0, errRecordShort
	}
	n := le.Uint32(b)
	if n < recordHeaderSize || uint64(n) > uint64(len(b)) {
		return 0, errRecordShort
	}
	return int(n), nil
}

// checkRecordCRC verifies a record that was read on its own; a reader of whole
// groups has verified it with the group.
func checkRecordCRC(rec []byte) error {
	if crc32.Checksum(rec[8:], castagnoli) != le.Uint32(rec[4:]) {
		return errRecordCRC
	}
	return nil
}

// recordStream returns the stream's name within the record.
func recordStream(rec []byte) ([]byte, error) {
	n := int(le.Uint16(rec[48:]))
	if recordHeaderSize+n > len(rec) {
		return nil, errRecordShort
	}
	return rec[recordHeaderSize : recordHeaderSize+n], nil
}

// decodeRecord fills out from one whole record. The byte strings alias rec;
// position and stream are set by the caller, who knows a cheaper way to them.
func decodeRecord(rec []byte, names *interner, out *eventstore.Recorded) error {
	if len(rec) < recordHeaderSize || int(le.Uint32(rec)) != len(rec) {
		return errRecordShort
	}
	if rec[12]&^flagDropped != 0 {
		return errRecordFlags
	}
	stream, typ := int(le.Uint16(rec[48:])), int(rec[13])
	facts, meta := int(le.Uint32(rec[52:])), int(le.Uint32(rec[56:]))
	body := rec[recordHeaderSize:]
	if stream+typ+facts+meta > len(body) {
		return errRecordShort
	}
	out.Version = le.Uint16(rec[14:])
	out.Revision = le.Uint64(rec[16:])
	out.Effective = time.UnixMicro(int64(le.Uint64(rec[24:]))).UTC()
	out.Recorded = time.UnixMicro(int64(le.Uint64(rec[60:]))).UTC()
	copy(out.ID[:], rec[32:48])
	body = body[stream:]
	out.Type, body = names.get(body[:typ]), body[typ:]
	out.Facts, body = body[:facts:facts], body[facts:]
	out.Metadata, body = body[:meta:meta], body[meta:]
	if err := decodeParts(body, int(le.Uint16(rec[50:])), out); err != nil {
		return err
	}
	if (len(out.Dropped) > 0) != (rec[12]&flagDropped != 0) {
		return errRecordFlags
	}
	return nil
}

func decodeParts(body []byte, parts int, out *eventstore.Recorded) error {
	out.Sealed, out.Dropped = out.Sealed[:0], out.Dropped[:0]
	for i := range parts {
		if len(body) < 4 {
			return errRecordShort
		}
		n := le.Uint32(body)
		dropped := n&partDropped != 0
		n &^= partDropped
		if uint64(n) > uint64(len(body)-4) || dropped && n < droppedPartSize {
			return errRecordShort
		}
		b := body[4 : 4+n : 4+n]
		body = body[4+n:]
		if dropped {
			out.Dropped = append(out.Dropped, readDropped(b, i))
		} else {
			out.Sealed = append(out.Sealed, b)
		}
	}
	if len(body) != 0 {
		return errRecordShort
	}
	return nil
}

// readDropped reads what is left of the i-th part.
func readDropped(b []byte, i int) eventstore.Dropped {
	return eventstore.Dropped{
		Index: i, By: eventstore.DropID(b), Hash: [32]byte(b[16:]), Size: le.Uint32(b[48:]), Head: b[droppedPartSize:],
	}
}

func appendDropped(b []byte, d *eventstore.Dropped) []byte {
	b = le.AppendUint32(b, partDropped|uint32(droppedPartSize+len(d.Head)))
	b = append(append(b, d.By[:]...), d.Hash[:]...)
	return append(le.AppendUint32(b, d.Size), d.Head...)
}

// interner gives the string for a type without allocating one for every
// event: a small table in which a later name overwrites an earlier one. A
// reader has one of its own.
type interner struct {
	table [64]string
}

func (in *interner) get(b []byte) string {
	if len(b) == 0 {
		return ""
	}
	// Names of one kind differ at their ends; eight bytes there and the length
	// spread well enough for a cache.
	h := uint64(len(b))
	if len(b) >= 8 {
		h ^= le.Uint64(b[len(b)-8:])
	} else {
		for _, c := range b {
			h = h<<8 ^ uint64(c)
		}
	}
	slot := &in.table[(h*0x9E3779B97F4A7C15)>>58]
	if *slot != string(b) {
		*slot = string(b)
	}
	return *slot
}
