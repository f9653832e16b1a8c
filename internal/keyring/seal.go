package keyring

import (
	"crypto/subtle"
	"fmt"
	"slices"

	"lethe/domain/personal"
)

// PartContext is where a value is sealed: all of it is bound, so that a part
// moved anywhere else does not open.
type PartContext struct {
	Stream  string
	EventID [16]byte
	Type    string // the event's, as stored
	Version uint16 // of the type, as stored
	Field   string // unique in its event
}

// Seal appends the part that holds plaintext to dst. Equal plaintexts give
// different parts. The error is ErrDestroyed, or says that something exceeds
// its bound.
func (k *Keyring) Seal(dst []byte, key *Key, at PartContext, plaintext []byte) ([]byte, error) {
	if len(plaintext) > MaxPlaintext || len(at.Field) > MaxField || at.Field == "" || len(at.Stream) > MaxOwner || len(at.Type) > 64 {
		return nil, fmt.Errorf("sealing %s: it exceeds its bound", at.Field)
	}
	h := PartHeader{
		Version: partVersion, KeyID: key.id, Owner: key.compartment.Owner, Group: key.compartment.Group,
		Generation: key.generation, Field: at.Field,
	}
	secret, ok := key.partSecret(&h, at.EventID)
	if !ok {
		return nil, fmt.Errorf("sealing %s: %w", at.Field, ErrDestroyed)
	}
	defer clear(secret[:])
	h.Commitment = expand(secret[:], []byte("commit"))
	aeadKey := expand(secret[:], []byte("key"))
	defer clear(aeadKey[:])
	aead, err := newAEAD(aeadKey[:])
	if err != nil {
		return nil, err
	}
	dst = slices.Grow(dst, h.size()+nonceSize+len(plaintext)+tagSize)
	return aead.Seal(appendHeader(dst, &h), nil, plaintext, aad(&h, &at)), nil
}

// open is the reverse of Seal; false means that the part does not authenticate.
func (k *Key) open(h *PartHeader, ref *personal.Ref) (string, bool) {
	secret, ok := k.partSecret(h, ref.EventID)
	if !ok {
		return "", false
	}
	defer clear(secret[:])
	commitment := expand(secret[:], []byte("commit"))
	if subtle.ConstantTimeCompare(commitment[:], h.Commitment[:]) != 1 {
		return "", false
	}
	aeadKey := expand(secret[:], []byte("key"))
	defer clear(aeadKey[:])
	aead, err := newAEAD(aeadKey[:])
	if err != nil {
		return "", false
	}
	at := PartContext{Stream: ref.Stream, EventID: ref.EventID, Type: ref.Type, Version: ref.Version, Field: h.Field}
	plaintext, err := aead.Open(nil, nil, h.body, aad(h, &at))
	if err != nil {
		return "", false
	}
	defer clear(plaintext)
	return string(plaintext), true
}

// partSecret is S of the part format.
func (k *Key) partSecret(h *PartHeader, eventID [16]byte) ([32]byte, bool) {
	var scratch [384]byte
	info := append(scratch[:0], "lethe/v1/part"...)
	info = lp(info, eventID[:])
	info = lp(lp(info, h.Owner), h.Group)
	info = lp(lp32(info, h.Generation), h.Field)
	k.mu.RLock()
	defer k.mu.RUnlock()
	if k.dead {
		return [32]byte{}, false
	}
	return expand(k.dek[:], info), true
}

func aad(h *PartHeader, at *PartContext) []byte {
	const fixed = 11*2 + 1 + len(at.EventID) + 2 + 4 + len(h.KeyID) // lengths, and what always has one
	dst := make([]byte, 0, fixed+2*len(h.Owner)+len(at.Stream)+len(at.Type)+len(h.Field)+len(h.Group))
	dst = lp(dst, []byte{h.Version})
	dst = lp(lp(dst, h.Owner), at.Stream)
	dst = lp(lp(dst, at.EventID[:]), at.Type)
	dst = lp(dst, []byte{byte(at.Version >> 8), byte(at.Version)})
	dst = lp(lp(lp(dst, h.Field), h.Owner), h.Group)
	return lp(lp32(dst, h.Generation), h.KeyID[:])
}
