package part

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
)

// What is here is exported for the keyring: its own derivations, contexts and
// row MACs are made of the same.

// Expand is HKDF-Expand of RFC 5869 with SHA-256 and L = 32, where it is one
// HMAC over info ‖ 0x01.
func Expand(key, info []byte) [32]byte { return hmac256(key, info, []byte{1}) }

// HMAC is HMAC-SHA-256.
func HMAC(key, message []byte) [32]byte { return hmac256(key, message, nil) }

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

// LP appends s with its length in front, two bytes big-endian. Everything
// that is hashed, authenticated or used as a context is made of it, so that
// no two different lists of values give the same bytes. Longer strings are
// refused before they come here.
func LP[S ~string | ~[]byte](dst []byte, s S) []byte {
	dst = binary.BigEndian.AppendUint16(dst, uint16(len(s))) //nolint:gosec // bounded by validation
	return append(dst, s...)
}

// LP32 is LP of four bytes big-endian.
func LP32(dst []byte, v uint32) []byte {
	return binary.BigEndian.AppendUint32(append(dst, 0, 4), v)
}

// Cut takes a non-empty LP string of at most limit bytes off p.
func Cut(p []byte, limit int) (s, rest []byte, ok bool) {
	if len(p) < 2 {
		return nil, nil, false
	}
	n := int(binary.BigEndian.Uint16(p))
	if n == 0 || n > limit || len(p)-2 < n {
		return nil, nil, false
	}
	return p[2 : 2+n], p[2+n:], true
}

// NewAEAD is AES-256-GCM that draws its own random nonce and puts it in
// front of the ciphertext.
func NewAEAD(key []byte) (cipher.AEAD, error) {
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
