package eventstore

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"hash"
)

// DropID names one removal of sealed parts. An event of the log names it too.
type DropID [16]byte

// String is 32 hexadecimal digits.
func (id DropID) String() string { return hex.EncodeToString(id[:]) }

// Dropped is what a store keeps of a sealed part whose bytes were removed. It
// is enough for the event's leaf in the tree, and says whose value it was.
type Dropped struct {
	Index int    // among the event's parts as they were appended
	Head  []byte // the part's first bytes, in clear; those that DropOrder chose
	Hash  [sha256.Size]byte
	Size  uint32 // bytes that the part had
	By    DropID // the removal that took it
}

// PartIndex is the place among the parts as they were appended of the i-th
// that is left.
func (r *Recorded) PartIndex(i int) int {
	for k := range r.Dropped {
		if r.Dropped[k].Index > i {
			break
		}
		i++
	}
	return i
}

// Dropper is implemented by stores that can remove sealed parts from what is
// not written to any more. Everything else of an event stays as it is: its
// ID, place, times, facts and metadata, byte for byte, and the parts that are
// not removed.
//
// Drop removes parts of one section, which must be Full, in this order: a
// replacement is made durable beside it and compared with it; order.Record is
// called; the replacement counts, durably, from then on; the old bytes are
// overwritten and removed, at once or, when somebody reads the section, as
// soon as nobody does any more. So whatever was removed was recorded before,
// and a crash leaves the section whole, or replaced and recorded. After a
// crash in between, the recorded removal has removed nothing: it is given up,
// and the next Drop has another ID.
//
// Reads go on meanwhile and see an event with all its parts or without those
// removed. The section's name changes; ReadSection of the old one may give
// ErrNoSection. Drops take turns. When no part is picked, nothing is recorded
// and nothing changes.
//
// Errors: ErrNoSection; ErrSectionOpen; *CorruptError when the section is
// damaged, and is left so; ErrNoSpace, ErrReadOnly and order.Record's with
// nothing changed; ErrClosed and ctx's, the same; ErrFatal when the store
// stopped, which may leave the section replaced or not.
type Dropper interface {
	Sectioned
	Drop(ctx context.Context, s Section, order DropOrder) (Drop, error)
}

// MinHead is the least that stays of a removed part, or all but its last byte
// of a shorter one: leaves name the key ID, which lies there.
const MinHead = 17

// DropOrder says what to remove.
type DropOrder struct {
	ID DropID // new, and random
	// Pick says whether to remove the i-th part of rec.Sealed, and how many of
	// its first bytes stay, which is MinHead or more. It is called in the order
	// of the log.
	Pick func(rec *Recorded, i int) (keep int, drop bool)
	// Record makes it durable, in the log or elsewhere, that the removal is
	// done. The store can be written to meanwhile.
	Record func(ctx context.Context, d Drop) error
}

// Drop is what one removal took.
type Drop struct {
	ID          DropID
	First, Last Position          // of the section's events
	Events      uint64            // that lost a part
	Parts       uint64            // that were removed
	Bytes       uint64            // that those had
	List        [sha256.Size]byte // of what was removed: see DropList
}

// ErrSectionOpen: parts are removed only from sections that are full.
var ErrSectionOpen = errors.New("the section is still being written")

// DropList computes what a removal says of the parts that it took: SHA-256
// over each of them, in the order of the log. Integers are big-endian:
//
//	 8  position of the event
//	 2  the part's place among those of the event
//	 4  its size
//	32  its SHA-256
//	 4  length of what is kept of it, and that
type DropList struct {
	Parts uint64
	Bytes uint64
	sum   hash.Hash
	buf   []byte
}

// Add counts one part of the event at a position.
func (l *DropList) Add(at Position, d *Dropped) {
	if l.sum == nil {
		l.sum = sha256.New()
	}
	b := binary.BigEndian.AppendUint64(l.buf[:0], uint64(at))
	b = binary.BigEndian.AppendUint16(b, uint16(d.Index))
	b = binary.BigEndian.AppendUint32(b, d.Size)
	b = append(b, d.Hash[:]...)
	b = binary.BigEndian.AppendUint32(b, uint32(len(d.Head)))
	l.buf = append(b, d.Head...)
	l.sum.Write(l.buf)
	l.Parts++
	l.Bytes += uint64(d.Size)
}

// Sum is the digest of all that was added.
func (l *DropList) Sum() (sum [sha256.Size]byte) {
	if l.sum == nil {
		return sha256.Sum256(nil)
	}
	l.sum.Sum(sum[:0])
	return sum
}
