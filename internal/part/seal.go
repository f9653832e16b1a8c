package part

import (
	"crypto/subtle"
	"errors"
	"fmt"
	"log/slog"
	"slices"
)

// Context is where a value is sealed: all of it is bound, so that a part
// moved anywhere else does not open.
type Context struct {
	Stream  string
	EventID [16]byte
	Type    string // the event's, as stored
	Version uint16 // of the type, as stored
	Field   string // unique in its event
}

// Errors of Open besides ErrMalformed.
var (
	// ErrSecret: the part was not sealed under this secret, or its commitment
	// was changed.
	ErrSecret = errors.New("the sealed part does not commit to this secret")
	// ErrAltered: the secret is the part's, but the part was changed or moved.
	ErrAltered = errors.New("the sealed part does not authenticate where it stands")
)

// Secret is S of one part: it opens that part and no other. It prints as
// "[secret]"; take its bytes to hand it over.
type Secret [32]byte

const redacted = "[secret]"

func (s Secret) String() string               { return redacted }
func (s Secret) GoString() string             { return redacted }
func (s Secret) Format(f fmt.State, _ rune)   { _, _ = f.Write([]byte(redacted)) }
func (s Secret) LogValue() slog.Value         { return slog.StringValue(redacted) }
func (s Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// Secret derives S of the part in an event from its data key.
func (h *Header) Secret(dek []byte, eventID [16]byte) Secret {
	var scratch [384]byte
	info := append(scratch[:0], "lethe/v1/part"...)
	info = LP(info, eventID[:])
	info = LP(LP(info, h.Owner), h.Group)
	info = LP(LP32(info, h.Generation), h.Field)
	return Expand(dek, info)
}

// Commitment is what a part that was sealed under the secret S commits to.
func Commitment(secret []byte) [commitmentSize]byte { return Expand(secret, []byte("commit")) }

// Seal appends the part that holds plaintext to dst; equal plaintexts give
// different parts. Version, field and commitment of the header are set here.
// It fails when something exceeds its bound.
func Seal(dst []byte, secret *Secret, h *Header, at *Context, plaintext []byte) ([]byte, error) {
	if len(plaintext) > MaxPlaintext || len(at.Field) > MaxField || at.Field == "" || len(at.Stream) > MaxOwner || len(at.Type) > MaxType {
		return nil, fmt.Errorf("sealing %s: it exceeds its bound", at.Field)
	}
	h.Version, h.Field, h.Commitment = version, at.Field, Commitment(secret[:])
	key := Expand(secret[:], []byte("key"))
	defer clear(key[:])
	aead, err := NewAEAD(key[:])
	if err != nil {
		return nil, err
	}
	dst = slices.Grow(dst, h.size()+nonceSize+len(plaintext)+tagSize)
	return aead.Seal(h.Append(dst), nil, plaintext, aad(h, at)), nil
}

// Open opens a part by its secret S of 32 bytes. The commitment is compared
// first, in constant time: nobody can hand over a second secret that opens
// the part to something else. Errors: ErrMalformed, ErrSecret, ErrAltered.
func Open(secret, part []byte, at Context) (plaintext string, err error) {
	h, err := Parse(part)
	if err != nil {
		return "", err
	}
	return h.Open(secret, &at)
}

// Open is the function Open for a part that was parsed.
func (h *Header) Open(secret []byte, at *Context) (plaintext string, err error) {
	commitment := Commitment(secret)
	if len(secret) != len(Secret{}) || subtle.ConstantTimeCompare(commitment[:], h.Commitment[:]) != 1 {
		return "", ErrSecret
	}
	if h.Field != at.Field {
		return "", ErrAltered
	}
	key := Expand(secret, []byte("key"))
	defer clear(key[:])
	aead, err := NewAEAD(key[:])
	if err != nil {
		return "", err
	}
	text, err := aead.Open(nil, nil, h.Body, aad(h, at))
	if err != nil {
		return "", ErrAltered
	}
	defer clear(text)
	return string(text), nil
}

func aad(h *Header, at *Context) []byte {
	const fixed = 11*2 + 1 + len(at.EventID) + 2 + 4 + len(h.KeyID) // lengths, and what always has one
	dst := make([]byte, 0, fixed+2*len(h.Owner)+len(at.Stream)+len(at.Type)+len(at.Field)+len(h.Group))
	dst = LP(dst, []byte{h.Version})
	dst = LP(LP(dst, h.Owner), at.Stream)
	dst = LP(LP(dst, at.EventID[:]), at.Type)
	dst = LP(dst, []byte{byte(at.Version >> 8), byte(at.Version)})
	dst = LP(LP(LP(dst, at.Field), h.Owner), h.Group)
	return LP(LP32(dst, h.Generation), h.KeyID[:])
}
