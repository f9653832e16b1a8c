// Package leaf is the canonical form of one event in the ledger's Merkle
// tree, and of the entry bundles that publish such forms.
//
// A leaf is made of what is stored and nothing else: names, times, and the
// hashes of facts, metadata and each sealed part. So there is nothing in it to
// guess a personal value from, destroying a key breaks no proof, and a part
// that was dropped or is not disclosed can be left out while the rest still
// verifies.
//
// The format is append-only history: a version, once written, is never
// changed, because every tree ever signed was made of it.
package leaf

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"lethe/eventstore"
)

// A leaf of version 1. Integers are big-endian, times are microseconds since
// 1970 UTC (two's complement).
//
//	  0   1  format version, 1
//	  1   8  leaf index: the event is the index-th of the ledger, from 0
//	  9  16  event ID
//	 25   8  revision in the stream
//	 33   8  recorded time
//	 41   8  effective time
//	 49   2  version of the event type
//	 51  32  SHA-256 of the facts' bytes
//	 83  32  SHA-256 of the metadata's bytes
//	115   1  n, length of the stream's name, then the name
//	     1  n, length of the event type, then the type
//	     2  number of sealed parts, then for each:
//	          16  key ID, as the part's header has it
//	          32  SHA-256 of the part's bytes
//
// The leaf's hash in the tree is SHA-256(0x00 ‖ leaf), RFC 6962 section 2.1.
const (
	formatVersion = 1
	fixedSize     = 115
	partSize      = 16 + sha256.Size

	// MaxSize bounds an entry: a bundle counts it in two bytes.
	MaxSize = 1<<16 - 1
)

// Part is what a leaf says of one sealed part.
type Part struct {
	KeyID [16]byte
	Hash  [sha256.Size]byte
}

// Leaf is one event as the tree has it.
type Leaf struct {
	Index     uint64
	EventID   eventstore.EventID
	Stream    string
	Revision  uint64
	Type      string
	Version   uint16 // of the type
	Recorded  time.Time
	Effective time.Time
	Facts     [sha256.Size]byte
	Metadata  [sha256.Size]byte
	Parts     []Part
}

// Of makes the leaf of a stored event. It reuses the memory of into's parts.
// Of sealed parts that were dropped it takes what the store kept, so that the
// leaf is the same as before.
func Of(index uint64, rec *eventstore.Recorded, into *Leaf) {
	parts, dropped := into.Parts[:0], rec.Dropped
	for _, p := range rec.Sealed {
		parts, dropped = appendKept(parts, dropped)
		parts = append(parts, Part{KeyID: keyID(p), Hash: sha256.Sum256(p)})
	}
	parts, _ = appendKept(parts, dropped)
	*into = Leaf{
		Index: index, EventID: rec.ID, Stream: rec.Stream, Revision: rec.Revision, Type: rec.Type, Version: rec.Version,
		Recorded: rec.Recorded, Effective: rec.Effective,
		Facts: sha256.Sum256(rec.Facts), Metadata: sha256.Sum256(rec.Metadata), Parts: parts,
	}
}

// appendKept adds the dropped parts whose turn it is.
func appendKept(parts []Part, dropped []eventstore.Dropped) ([]Part, []eventstore.Dropped) {
	for len(dropped) > 0 && dropped[0].Index == len(parts) {
		parts = append(parts, Part{KeyID: keyID(dropped[0].Head), Hash: dropped[0].Hash})
		dropped = dropped[1:]
	}
	return parts, dropped
}

// keyID is the part header's second field; zeros for bytes too short to be a
// part, which the hash binds all the same.
func keyID(part []byte) (id [16]byte) {
	if len(part) > len(id) {
		copy(id[:], part[1:])
	}
	return id
}

// Append adds the canonical bytes to dst. Names are within the store's bounds.
func (l *Leaf) Append(dst []byte) []byte {
	dst = append(dst, formatVersion)
	dst = binary.BigEndian.AppendUint64(dst, l.Index)
	dst = append(dst, l.EventID[:]...)
	dst = binary.BigEndian.AppendUint64(dst, l.Revision)
	dst = binary.BigEndian.AppendUint64(dst, uint64(l.Recorded.UnixMicro()))
	dst = binary.BigEndian.AppendUint64(dst, uint64(l.Effective.UnixMicro()))
	dst = binary.BigEndian.AppendUint16(dst, l.Version)
	dst = append(dst, l.Facts[:]...)
	dst = append(dst, l.Metadata[:]...)
	dst = append(append(dst, byte(len(l.Stream))), l.Stream...)
	dst = append(append(dst, byte(len(l.Type))), l.Type...)
	dst = binary.BigEndian.AppendUint16(dst, uint16(len(l.Parts)))
	for i := range l.Parts {
		dst = append(dst, l.Parts[i].KeyID[:]...)
		dst = append(dst, l.Parts[i].Hash[:]...)
	}
	return dst
}

// ErrMalformed: the bytes are no leaf of a version known here.
var ErrMalformed = errors.New("malformed leaf")

// Parse is the strict inverse of Append. The error is ErrMalformed with what
// is wrong.
func Parse(entry []byte) (Leaf, error) {
	var l Leaf
	if len(entry) > MaxSize || len(entry) < fixedSize {
		return l, fmt.Errorf("%w: it has %d bytes", ErrMalformed, len(entry))
	}
	if entry[0] != formatVersion {
		return l, fmt.Errorf("%w: its version is %d, this program reads %d", ErrMalformed, entry[0], formatVersion)
	}
	l.Index = binary.BigEndian.Uint64(entry[1:])
	copy(l.EventID[:], entry[9:])
	l.Revision = binary.BigEndian.Uint64(entry[25:])
	l.Recorded = time.UnixMicro(int64(binary.BigEndian.Uint64(entry[33:]))).UTC()
	l.Effective = time.UnixMicro(int64(binary.BigEndian.Uint64(entry[41:]))).UTC()
	l.Version = binary.BigEndian.Uint16(entry[49:])
	copy(l.Facts[:], entry[51:])
	copy(l.Metadata[:], entry[83:])
	rest, ok := cut(entry[fixedSize:], &l.Stream)
	if ok {
		rest, ok = cut(rest, &l.Type)
	}
	if !ok || len(rest) < 2 {
		return Leaf{}, fmt.Errorf("%w: its names do not fit", ErrMalformed)
	}
	n := int(binary.BigEndian.Uint16(rest))
	rest = rest[2:]
	if n > eventstore.MaxParts || len(rest) != n*partSize {
		return Leaf{}, fmt.Errorf("%w: its parts do not fit", ErrMalformed)
	}
	for ; len(rest) > 0; rest = rest[partSize:] {
		l.Parts = append(l.Parts, Part{KeyID: [16]byte(rest), Hash: [sha256.Size]byte(rest[16:])})
	}
	return l, nil
}

// cut takes a name that is not empty off b.
func cut(b []byte, name *string) ([]byte, bool) {
	if len(b) == 0 || b[0] == 0 || int(b[0]) >= len(b) {
		return nil, false
	}
	n := 1 + int(b[0])
	*name = string(b[1:n])
	return b[n:], true
}

// StreamOf reads only the stream's name and the revision of an entry, without
// allocating: for scans. false means that the entry is malformed.
func StreamOf(entry []byte) (stream []byte, revision uint64, ok bool) {
	if len(entry) <= fixedSize || entry[0] != formatVersion || entry[fixedSize] == 0 || len(entry) < fixedSize+1+int(entry[fixedSize]) {
		return nil, 0, false
	}
	return entry[fixedSize+1 : fixedSize+1+int(entry[fixedSize])], binary.BigEndian.Uint64(entry[25:]), true
}

// IDOf reads only the event ID of an entry.
func IDOf(entry []byte) (id eventstore.EventID, ok bool) {
	if len(entry) < fixedSize || entry[0] != formatVersion {
		return id, false
	}
	copy(id[:], entry[9:])
	return id, true
}

// Hash is the leaf's hash in the tree. It hashes a copy on the stack where
// the entry is short, which nearly all are.
func Hash(entry []byte) [sha256.Size]byte {
	var short [1024]byte
	if len(entry) < len(short) {
		copy(short[1:], entry)
		return sha256.Sum256(short[:1+len(entry)])
	}
	return sha256.Sum256(append(make([]byte, 1, 1+len(entry)), entry...))
}
