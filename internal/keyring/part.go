package keyring

import (
	"encoding/binary"
	"errors"

	"lethe/domain"
)

// A part is one sealed value as it is stored. Integers are big-endian, LP is
// a two-byte length followed by that many bytes.
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
	partVersion    = 1
	commitmentSize = 32
	nonceSize      = 12
	tagSize        = 16

	// MaxPlaintext bounds one sealed value.
	MaxPlaintext = 512 << 10
)

// PartHeader is what a part says of itself in clear.
type PartHeader struct {
	Version    uint8
	KeyID      KeyID
	Owner      string
	Group      domain.Name
	Generation uint32
	Field      string
	Commitment [commitmentSize]byte
	Size       int // bytes of plaintext

	body []byte // nonce ‖ ciphertext ‖ tag, in the part's memory
}

// Compartment is the header's owner and group.
func (h *PartHeader) Compartment() Compartment { return Compartment{Owner: h.Owner, Group: h.Group} }

// ErrMalformed: the bytes are no part of a version known here.
var ErrMalformed = errors.New("malformed sealed part")

// ParsePart reads a part's header. It checks form and bounds only; whether
// the header is true is known once the part opens. The error is ErrMalformed.
func ParsePart(part []byte) (PartHeader, error) {
	var h PartHeader
	p := part
	if len(p) < 1+len(h.KeyID) || p[0] != partVersion {
		return PartHeader{}, ErrMalformed
	}
	h.Version = p[0]
	p = p[1+copy(h.KeyID[:], p[1:]):]
	owner, p, ok := cut(p, MaxOwner)
	group, p, ok2 := cut(p, 64)
	if !ok || !ok2 || len(p) < 4 {
		return PartHeader{}, ErrMalformed
	}
	h.Generation = binary.BigEndian.Uint32(p)
	field, p, ok := cut(p[4:], MaxField)
	if !ok || len(p) < commitmentSize+nonceSize+tagSize || len(p) > commitmentSize+nonceSize+tagSize+MaxPlaintext {
		return PartHeader{}, ErrMalformed
	}
	h.Owner, h.Group, h.Field = string(owner), domain.Name(group), string(field)
	h.body = p[copy(h.Commitment[:], p):]
	h.Size = len(h.body) - nonceSize - tagSize
	return h, nil
}

// PartField reads only the field's name of a part, without allocating.
func PartField(part []byte) ([]byte, bool) {
	if len(part) < 17 || part[0] != partVersion {
		return nil, false
	}
	_, p, ok := cut(part[17:], MaxOwner)
	if !ok {
		return nil, false
	}
	_, p, ok = cut(p, 64)
	if !ok || len(p) < 4 {
		return nil, false
	}
	field, _, ok := cut(p[4:], MaxField)
	return field, ok
}

// cut takes a non-empty LP string of at most limit bytes off p.
func cut(p []byte, limit int) (s, rest []byte, ok bool) {
	if len(p) < 2 {
		return nil, nil, false
	}
	n := int(binary.BigEndian.Uint16(p))
	if n == 0 || n > limit || len(p)-2 < n {
		return nil, nil, false
	}
	return p[2 : 2+n], p[2+n:], true
}

// size is how many bytes appendHeader appends.
func (h *PartHeader) size() int {
	return 1 + len(h.KeyID) + 2 + len(h.Owner) + 2 + len(h.Group) + 4 + 2 + len(h.Field) + commitmentSize
}

func appendHeader(dst []byte, h *PartHeader) []byte {
	dst = append(dst, h.Version)
	dst = append(dst, h.KeyID[:]...)
	dst = lp(lp(dst, h.Owner), h.Group)
	dst = binary.BigEndian.AppendUint32(dst, h.Generation)
	dst = lp(dst, h.Field)
	return append(dst, h.Commitment[:]...)
}
