package keyring

import (
	"crypto/cipher"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/binary"
	"errors"

	"lethe/internal/part"
)

const keySize = 32

// Derivations, contexts and MACs are made as the parts' are.
func lp[S ~string | ~[]byte](dst []byte, s S) []byte { return part.LP(dst, s) }
func lp32(dst []byte, v uint32) []byte               { return part.LP32(dst, v) }

func lp64(dst []byte, v uint64) []byte {
	return binary.BigEndian.AppendUint64(append(dst, 0, 8), v)
}

// wrappedSize is what wrap makes of a key.
const wrappedSize = 12 + sha256.Size + keySize + 16

var errUnwrap = errors.New("a wrapped key does not authenticate")

// wrap encrypts key for context. The context goes inside the blob and not
// into the additional data, because a key service that may stand in for a
// local wrapping key has none:
//
//	nonce 12 ‖ GCM( SHA-256(context) 32 ‖ key 32 ) ‖ tag 16
func wrap(dst []byte, aead cipher.AEAD, context, key []byte) []byte {
	inner := boundTo(context, key)
	dst = aead.Seal(dst, nil, inner, nil)
	clear(inner)
	return dst
}

// boundTo puts what a secret is for before it: SHA-256(context) ‖ secret.
func boundTo(context, secret []byte) []byte {
	inner := make([]byte, 0, sha256.Size+keySize)
	sum := sha256.Sum256(context)
	return append(append(inner, sum[:]...), secret...)
}

// boundOf gives a secret of keySize bytes back when it is for this context.
func boundOf(context, inner []byte) ([]byte, bool) {
	sum := sha256.Sum256(context)
	if len(inner) != sha256.Size+keySize || subtle.ConstantTimeCompare(sum[:], inner[:sha256.Size]) != 1 {
		return nil, false
	}
	return inner[sha256.Size:], true
}

func unwrap(aead cipher.AEAD, context, blob []byte) (key [keySize]byte, err error) {
	if len(blob) != wrappedSize {
		return key, errUnwrap
	}
	inner, err := aead.Open(nil, nil, blob, nil)
	if err != nil {
		return key, errUnwrap
	}
	defer clear(inner)
	bound, ok := boundOf(context, inner)
	if !ok {
		return key, errUnwrap
	}
	copy(key[:], bound)
	return key, nil
}

// hmacOf is HMAC-SHA-256.
func hmacOf(key *[keySize]byte, msg []byte) [32]byte { return part.HMAC(key[:], msg) }

// equal compares MACs in constant time.
func equal(a, b []byte) bool { return subtle.ConstantTimeCompare(a, b) == 1 }
