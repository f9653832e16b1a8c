package keyring

import (
	"fmt"

	"lethe/domain"
	"lethe/domain/personal"
	"lethe/internal/part"
)

// compartmentOf is a part's owner and group.
func compartmentOf(h *part.Header) Compartment {
	return Compartment{Owner: h.Owner, Group: domain.Name(h.Group)}
}

// Seal appends the part that holds plaintext to dst. Equal plaintexts give
// different parts. The error is ErrDestroyed, or says that something exceeds
// its bound.
func (k *Keyring) Seal(dst []byte, key *Key, at part.Context, plaintext []byte) ([]byte, error) {
	h := part.Header{
		KeyID: key.id, Owner: key.compartment.Owner, Group: string(key.compartment.Group),
		Generation: key.generation, Field: at.Field,
	}
	secret, ok := key.secret(&h, at.EventID)
	if !ok {
		return nil, fmt.Errorf("sealing %s: %w", at.Field, ErrDestroyed)
	}
	defer clear(secret[:])
	return part.Seal(dst, &secret, &h, &at, plaintext)
}

// secret is S of a part that the key seals; false when the key was destroyed.
func (k *Key) secret(h *part.Header, eventID [16]byte) (part.Secret, bool) {
	k.mu.RLock()
	defer k.mu.RUnlock()
	if k.dead {
		return part.Secret{}, false
	}
	return h.Secret(k.dek[:], eventID), true
}

// open is the reverse of Seal and also gives the part's secret; false means
// that the part does not authenticate.
func (k *Key) open(h *part.Header, ref *personal.Ref) (text string, secret part.Secret, ok bool) {
	secret, ok = k.secret(h, ref.EventID)
	if !ok {
		return "", secret, false
	}
	at := part.Context{Stream: ref.Stream, EventID: ref.EventID, Type: ref.Type, Version: ref.Version, Field: h.Field}
	text, err := h.Open(secret[:], &at)
	if err != nil {
		clear(secret[:])
		return "", secret, false
	}
	return text, secret, true
}
