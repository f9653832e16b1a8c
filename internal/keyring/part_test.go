package keyring

import (
	"bytes"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"lethe/domain"
	"lethe/domain/personal"
)

// vector is one sealed part whose key is known.
type vector struct {
	What      string      `json:"what"`
	DEK       string      `json:"dek"`
	Stream    string      `json:"stream"`
	EventID   domain.ID   `json:"event_id"`
	Type      string      `json:"type"`
	Version   uint16      `json:"version"`
	Part      string      `json:"part"`
	KeyID     string      `json:"key_id,omitempty"`
	Owner     string      `json:"owner,omitempty"`
	Group     domain.Name `json:"group,omitempty"`
	Gen       uint32      `json:"generation,omitempty"`
	Field     string      `json:"field,omitempty"`
	Plaintext *string     `json:"plaintext"` // null: it does not open
	Malformed bool        `json:"malformed,omitempty"`
}

const vectors = "testdata/parts.json"

// TestVectors opens the committed parts: the format and the derivations may
// never change for them. LETHE_UPDATE=1 writes the file when it is not there.
func TestVectors(t *testing.T) {
	if _, err := os.Stat(vectors); os.IsNotExist(err) && os.Getenv("LETHE_UPDATE") != "" {
		writeVectors(t)
	}
	b, err := os.ReadFile(vectors)
	require.NoError(t, err)
	var all []vector
	require.NoError(t, json.Unmarshal(b, &all))
	require.GreaterOrEqual(t, len(all), 8)
	for _, v := range all {
		t.Run(v.What, func(t *testing.T) {
			part, err := hex.DecodeString(v.Part)
			require.NoError(t, err)
			h, err := ParsePart(part)
			if v.Malformed {
				require.ErrorIs(t, err, ErrMalformed)
				return
			}
			require.NoError(t, err)
			require.Equal(t, []any{v.KeyID, v.Owner, v.Group, v.Gen, v.Field}, []any{h.KeyID.String(), h.Owner, h.Group, h.Generation, h.Field})
			key := &Key{compartment: h.Compartment(), id: h.KeyID, generation: h.Generation}
			dek, err := hex.DecodeString(v.DEK)
			require.NoError(t, err)
			copy(key.dek[:], dek)
			text, ok := key.open(&h, &personal.Ref{Stream: v.Stream, EventID: v.EventID, Type: v.Type, Version: v.Version, Part: part})
			require.Equal(t, v.Plaintext != nil, ok)
			if ok {
				require.Equal(t, *v.Plaintext, text)
			}
		})
	}
}

func writeVectors(t *testing.T) {
	dek := bytes.Repeat([]byte{0x42}, keySize)
	base := vector{
		What: "a value", DEK: hex.EncodeToString(dek), Stream: "subject-saaaa", EventID: domain.ID{1, 2, 3}, Type: "FieldsRecorded", Version: 1,
		Owner: "subject-saaaa", Group: "contact", Gen: 1, Field: "email",
	}
	key := &Key{compartment: Compartment{Owner: base.Owner, Group: base.Group}, id: KeyID{7, 7}, generation: 1}
	copy(key.dek[:], dek)
	base.KeyID = key.id.String()
	make1 := func(what, text string, change func(v *vector, part []byte) []byte) vector {
		v := base
		v.What = what
		at := PartContext{Stream: v.Stream, EventID: v.EventID, Type: v.Type, Version: v.Version, Field: v.Field}
		part, err := (*Keyring)(nil).Seal(nil, key, at, []byte(text))
		require.NoError(t, err)
		v.Plaintext = &text
		if change != nil {
			v.Plaintext = nil
			part = change(&v, part)
		}
		v.Part = hex.EncodeToString(part)
		return v
	}
	all := []vector{
		make1("a value", "jürgen@example.org", nil),
		make1("the empty text", "", nil),
		make1("another stream", "x", func(v *vector, p []byte) []byte { v.Stream = "subject-sbbbb"; return p }),
		make1("another event", "x", func(v *vector, p []byte) []byte { v.EventID[0]++; return p }),
		make1("another type version", "x", func(v *vector, p []byte) []byte { v.Version = 2; return p }),
		make1("another commitment", "x", func(_ *vector, p []byte) []byte { p[len(p)-30-30] ^= 1; return p }),
		make1("another tag", "x", func(_ *vector, p []byte) []byte { p[len(p)-1] ^= 1; return p }),
		make1("an unknown format", "x", func(v *vector, p []byte) []byte { v.Malformed = true; p[0] = 2; return p }),
		make1("cut in the nonce", "x", func(v *vector, p []byte) []byte { v.Malformed = true; return p[:len(p)-18] }),
		make1("an owner longer than the part", "x", func(v *vector, p []byte) []byte { v.Malformed = true; p[17] = 0xff; return p }),
		make1("nothing", "x", func(v *vector, _ []byte) []byte { v.Malformed = true; return nil }),
	}
	b, err := json.MarshalIndent(all, "", "\t")
	require.NoError(t, err)
	require.NoError(t, os.MkdirAll("testdata", 0o755))
	require.NoError(t, os.WriteFile(vectors, append(b, '\n'), 0o644))
}

// FuzzParsePart: whatever the bytes, parsing stays in bounds, and what parses
// is what its header encodes to.
func FuzzParsePart(f *testing.F) {
	f.Add([]byte{})
	f.Add(append([]byte{1}, make([]byte, 200)...))
	h := PartHeader{Version: 1, Owner: "subject-s1", Group: "contact", Generation: 1, Field: "email"}
	f.Add(append(appendHeader(nil, &h), make([]byte, 40)...))
	f.Fuzz(func(t *testing.T, b []byte) {
		h, err := ParsePart(b)
		field, ok := PartField(b)
		if err != nil {
			require.ErrorIs(t, err, ErrMalformed)
			return
		}
		require.True(t, ok)
		require.Equal(t, h.Field, string(field))
		require.Equal(t, b, append(appendHeader(nil, &h), h.body...))
		require.Equal(t, len(h.body), h.Size+nonceSize+tagSize)
	})
}

func TestExpandIsHKDF(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		key := rapid.SliceOfN(rapid.Byte(), 1, 100).Draw(t, "key")
		info := rapid.SliceOfN(rapid.Byte(), 0, 1000).Draw(t, "info")
		want, err := hkdf.Expand(sha256.New, key, string(info), 32)
		require.NoError(t, err)
		got := expand(key, info)
		require.Equal(t, want, got[:])
	})
}

func TestWrappedKeyIsBoundToItsContext(t *testing.T) {
	aead, err := newAEAD(bytes.Repeat([]byte{1}, keySize))
	require.NoError(t, err)
	key := bytes.Repeat([]byte{2}, keySize)
	blob := wrap(nil, aead, []byte("here"), key)
	require.Len(t, blob, wrappedSize)
	got, err := unwrap(aead, []byte("here"), blob)
	require.NoError(t, err)
	require.Equal(t, key, got[:])
	_, err = unwrap(aead, []byte("there"), blob)
	require.ErrorIs(t, err, errUnwrap)
	blob[20] ^= 1
	_, err = unwrap(aead, []byte("here"), blob)
	require.ErrorIs(t, err, errUnwrap)
	_, err = unwrap(aead, []byte("here"), blob[1:])
	require.ErrorIs(t, err, errUnwrap)
}
