package domain

import (
	"encoding/base32"
	"hash/crc32"
	"io"
)

// Token is a subject's pseudonym: 15 random bytes and a 2-byte checksum in
// lower-case base32, e.g. "s" + 28 characters. It is never derived from an
// identifier, and its form is checked before it is logged or written
// anywhere, so that a person's e-mail typed in its place goes nowhere.
type Token string

const (
	tokenRandom = 15
	tokenBytes  = tokenRandom + 2
	tokenLength = 1 + (tokenBytes*8+4)/5
)

var tokenEncoding = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

// NewToken draws a token from rand.
func NewToken(rand io.Reader) (Token, error) {
	var b [tokenBytes]byte
	if _, err := io.ReadFull(rand, b[:tokenRandom]); err != nil {
		return "", Internal("drawing a subject token", err)
	}
	sum := crc32.ChecksumIEEE(b[:tokenRandom])
	b[tokenRandom], b[tokenRandom+1] = byte(sum>>8), byte(sum)
	return Token("s" + tokenEncoding.EncodeToString(b[:])), nil
}

// ParseToken checks form and checksum. Its error never repeats the input.
func ParseToken(s string) (Token, error) {
	if !Token(s).Valid() {
		return "", Invalid("subject.token", "token", "this is not a subject token: check that it was copied whole")
	}
	return Token(s), nil
}

// Valid reports whether form and checksum are right.
func (t Token) Valid() bool {
	if len(t) != tokenLength || t[0] != 's' {
		return false
	}
	var b [tokenBytes]byte
	if n, err := tokenEncoding.Decode(b[:], []byte(t[1:])); err != nil || n != tokenBytes {
		return false
	}
	sum := crc32.ChecksumIEEE(b[:tokenRandom])
	return b[tokenRandom] == byte(sum>>8) && b[tokenRandom+1] == byte(sum) &&
		tokenEncoding.EncodeToString(b[:]) == string(t[1:])
}

// Stream is the name of the subject's stream.
func (t Token) Stream() string { return "subject-" + string(t) }
