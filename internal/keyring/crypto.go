package keyring

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/binary"
	"errors"
	"fmt"
)

const keySize = 32

// expand is HKDF-Expand of RFC 5869 with SHA-256 and L = 32, where it is one
// HMAC over info ‖ 0x01.
func expand(key, info []byte) [32]byte { return hmac256(key, info, []byte{1}) }

// hmac256 is HMAC-SHA-256 over message ‖ suffix. Sealing and opening a value
// take three of it and every key row one, so that short messages are done on
// the stack: a fifth of the time of crypto/hmac, which allocates seven times.
func hmac256(key, message, suffix []byte) (out [32]byte) {
	const block = sha256.BlockSize
	var inner [block + 512]byte
	var outer [block + sha256.Size]byte
	if len(key) > block || len(message)+len(suffix) > len(inner)-block {
		return hmacLong(key, message, suffix)
	}
	copy(inner[:block], key)
	copy(outer[:block], key)
	for i := range block {
		inner[i] ^= 0x36
		outer[i] ^= 0x5c
	}
	n := block + copy(inner[block:], message)
	n += copy(inner[n:], suffix)
	sum := sha256.Sum256(inner[:n])
	copy(outer[block:], sum[:])
	out = sha256.Sum256(outer[:])
	clear(inner[:block])
	clear(outer[:])
	return out
}

// hmacLong hashes copies, so that what callers of hmac256 hash can stay on
// their stacks.
func hmacLong(key, message, suffix []byte) (out [32]byte) {
	secret := bytes.Clone(key)
	defer clear(secret)
	h := hmac.New(sha256.New, secret)
	h.Write(append(bytes.Clone(message), suffix...))
	copy(out[:], h.Sum(nil))
	return out
}

// lp appends s with its length in front, two bytes big-endian. Everything
// that is hashed, authenticated or used as a context is made of it, so that
// no two different lists of values give the same bytes. Longer strings are
// refused before they come here.
func lp[S ~string | ~[]byte](dst []byte, s S) []byte {
	dst = binary.BigEndian.AppendUint16(dst, uint16(len(s))) //nolint:gosec // bounded by validation
	return append(dst, s...)
}

func lp32(dst []byte, v uint32) []byte {
	return binary.BigEndian.AppendUint32(append(dst, 0, 4), v)
}

func lp64(dst []byte, v uint64) []byte {
	return binary.BigEndian.AppendUint64(append(dst, 0, 8), v)
}

// newAEAD is AES-256-GCM that draws its own random nonce and puts it in
// front of the ciphertext.
func newAEAD(key []byte) (cipher.AEAD, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("making a cipher: %w", err)
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		return nil, fmt.Errorf("making an AEAD: %w", err)
	}
	return aead, nil
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
	var inner [sha256.Size + keySize]byte
	sum := sha256.Sum256(context)
	copy(inner[:], sum[:])
	copy(inner[sha256.Size:], key)
	dst = aead.Seal(dst, nil, inner[:], nil)
	clear(inner[:])
	return dst
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
	sum := sha256.Sum256(context)
	if subtle.ConstantTimeCompare(sum[:], inner[:sha256.Size]) != 1 {
		return key, errUnwrap
	}
	copy(key[:], inner[sha256.Size:])
	return key, nil
}

// hmacOf is HMAC-SHA-256.
func hmacOf(key *[keySize]byte, msg []byte) [32]byte { return hmac256(key[:], msg, nil) }

// equal compares MACs in constant time.
func equal(a, b []byte) bool { return subtle.ConstantTimeCompare(a, b) == 1 }
