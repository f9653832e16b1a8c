// Package part is the format of one sealed personal value as it is stored:
// how it is drawn, parsed, sealed and opened.
//
// # Model
//
// A part says in clear whose it is, of which field, and which data key it
// hangs on. Its text is sealed under a secret S of its own that follows from
// the data key, and the part commits to S. So S of one value can be given to
// an auditor, who opens that value and no other and needs no data key: Parse
// and Open are all it takes.
//
// # Limits
//
// Nothing here holds, finds or destroys a key; the keyring does. That a part
// opens says that it is what was sealed, not that it is in history.
//
// # Compatibility
//
// The format and the derivations carry a version and are pinned by vectors
// in testdata. They never change for what was stored.
package part

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
)

// A part is one sealed value. Integers are big-endian, LP is a two-byte
// length followed by that many bytes.
//
//	+---------+------------+----------+----------+------------+----------+---------------+----------+---------------------+
//	| version | key ID     | LP owner | LP group | generation | LP field | commitment    | nonce    | ciphertext ‖ tag    |
//	| 1 byte  | 16 bytes   |          |          | 4 bytes    |          | 32 bytes      | 12 bytes | plaintext + 16 bytes |
//	+---------+------------+----------+----------+------------+----------+---------------+----------+---------------------+
//
// With DEK the data key that key ID names:
//
//	S          = HKDF-Expand(DEK, "lethe/v1/part" ‖ LP(event ID) ‖ LP(owner) ‖ LP(group) ‖ LP(generation) ‖ LP(field))
//	commitment = HKDF-Expand(S, "commit")
//	key        = HKDF-Expand(S, "key")            of AES-256-GCM
//	AAD        = LP(version) ‖ LP(owner) ‖ LP(stream) ‖ LP(event ID) ‖ LP(event type) ‖ LP(type version)
//	             ‖ LP(field) ‖ LP(owner) ‖ LP(group) ‖ LP(generation) ‖ LP(key ID)
//
// The field is in clear so that disclosure can go by field, and bound twice.
// GCM does not commit to its key: without the commitment one ciphertext could
// be made to open to two texts under two keys. An event never seals two
// values under one field name; the codec numbers repetitions.
const (
	version        = 1
	commitmentSize = 32
	nonceSize      = 12
	tagSize        = 16

	// MaxPlaintext bounds one sealed value, in bytes.
	MaxPlaintext = 512 << 10
	// MaxOwner, MaxGroup, MaxField and MaxType bound the names, in bytes. A
	// stream is bounded like an owner.
	MaxOwner = 128
	MaxGroup = 64
	MaxField = 96
	MaxType  = 64
)

// KeyID names one data key. It is random and says nothing of its key.
type KeyID [16]byte

// String is 32 hexadecimal digits.
func (id KeyID) String() string { return hex.EncodeToString(id[:]) }

// Header is what a part says of itself in clear.
type Header struct {
	Version    uint8
	KeyID      KeyID
	Owner      string // whose value it is: a stream, or a party of the catalogue
	Group      string // retention group
	Generation uint32 // of the key, from 1
	Field      string
	Commitment [commitmentSize]byte
	Size       int    // bytes of plaintext
	Body       []byte // nonce ‖ ciphertext ‖ tag, in the part's memory
}

// ErrMalformed: the bytes are no part of a version known here.
var ErrMalformed = errors.New("malformed sealed part")

// Parse reads a part's header. It checks form and bounds only; whether the
// header is true is known once the part opens. The error is ErrMalformed.
func Parse(b []byte) (Header, error) {
	h, p, ok := parseHead(b)
	if !ok || len(p) < commitmentSize+nonceSize+tagSize || len(p) > commitmentSize+nonceSize+tagSize+MaxPlaintext {
		return Header{}, ErrMalformed
	}
	h.Body = p[copy(h.Commitment[:], p):]
	h.Size = len(h.Body) - nonceSize - tagSize
	return h, nil
}

// ParseHead reads what is left of a part that was dropped: its head, which
// ends before the commitment. The error is ErrMalformed.
func ParseHead(b []byte) (Header, error) {
	h, p, ok := parseHead(b)
	if !ok || len(p) != 0 {
		return Header{}, ErrMalformed
	}
	return h, nil
}

// HeadSize is the length of a part's head; false when b is no part.
func HeadSize(b []byte) (int, bool) {
	field, ok := Field(b)
	if !ok {
		return 0, false
	}
	// The field is the head's end, and is in b's memory.
	return cap(b) - cap(field) + len(field), true
}

func parseHead(b []byte) (h Header, rest []byte, ok bool) {
	if len(b) < 1+len(h.KeyID) || b[0] != version {
		return h, nil, false
	}
	h.Version = b[0]
	p := b[1+copy(h.KeyID[:], b[1:]):]
	owner, p, ok := Cut(p, MaxOwner)
	group, p, ok2 := Cut(p, MaxGroup)
	if !ok || !ok2 || len(p) < 4 {
		return h, nil, false
	}
	h.Generation = binary.BigEndian.Uint32(p)
	field, p, ok := Cut(p[4:], MaxField)
	h.Owner, h.Group, h.Field = string(owner), string(group), string(field)
	return h, p, ok
}

// Field reads only the field's name of a part, without allocating; false when
// there is none.
func Field(b []byte) ([]byte, bool) {
	if len(b) < 17 || b[0] != version {
		return nil, false
	}
	_, p, ok := Cut(b[17:], MaxOwner)
	if !ok {
		return nil, false
	}
	_, p, ok = Cut(p, MaxGroup)
	if !ok || len(p) < 4 {
		return nil, false
	}
	field, _, ok := Cut(p[4:], MaxField)
	return field, ok
}

// ID reads only the key ID of a part; false when it is no part.
func ID(b []byte) (id KeyID, ok bool) {
	if len(b) < 1+len(id) || b[0] != version {
		return id, false
	}
	copy(id[:], b[1:])
	return id, true
}

// size is how many bytes Append appends.
func (h *Header) size() int {
	return 1 + len(h.KeyID) + 2 + len(h.Owner) + 2 + len(h.Group) + 4 + 2 + len(h.Field) + commitmentSize
}

// Append appends the header as it stands in a part, without the body.
func (h *Header) Append(dst []byte) []byte {
	dst = append(dst, h.Version)
	dst = append(dst, h.KeyID[:]...)
	dst = LP(LP(dst, h.Owner), h.Group)
	dst = binary.BigEndian.AppendUint32(dst, h.Generation)
	dst = LP(dst, h.Field)
	return append(dst, h.Commitment[:]...)
}
