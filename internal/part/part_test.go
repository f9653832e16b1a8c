package part

import (
	"bytes"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// vector is one sealed part whose key is known.
type vector struct {
	What      string  `json:"what"`
	DEK       hexed   `json:"dek"`
	Stream    string  `json:"stream"`
	EventID   string  `json:"event_id"`
	Type      string  `json:"type"`
	Version   uint16  `json:"version"`
	Part      hexed   `json:"part"`
	KeyID     string  `json:"key_id"`
	Owner     string  `json:"owner"`
	Group     string  `json:"group"`
	Gen       uint32  `json:"generation"`
	Field     string  `json:"field"`
	Secret    hexed   `json:"secret"`    // S of the part where it was sealed
	Plaintext *string `json:"plaintext"` // null: it does not open
	Malformed bool    `json:"malformed"`
	Refused   string  `json:"refused"` // how it does not open by Secret: "secret" or "altered"
}

type hexed []byte

func (h *hexed) UnmarshalText(text []byte) (err error) {
	*h, err = hex.DecodeString(string(text))
	return err
}

func (v *vector) context(t *testing.T) Context {
	raw, err := hex.DecodeString(strings.ReplaceAll(v.EventID, "-", ""))
	require.NoError(t, err)
	require.Len(t, raw, 16)
	return Context{Stream: v.Stream, EventID: [16]byte(raw), Type: v.Type, Version: v.Version, Field: v.Field}
}

func readVectors(t testing.TB) (all []vector) {
	b, err := os.ReadFile("testdata/parts.json")
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(b, &all))
	require.GreaterOrEqual(t, len(all), 10)
	return all
}

// TestVectors opens the committed parts by their data key and by the secret
// alone: the format and the derivations may never change for them.
func TestVectors(t *testing.T) {
	for _, v := range readVectors(t) {
		t.Run(v.What, func(t *testing.T) {
			at := v.context(t)
			h, err := Parse(v.Part)
			if v.Malformed {
				require.ErrorIs(t, err, ErrMalformed)
				_, err = Open(v.Secret, v.Part, at)
				require.ErrorIs(t, err, ErrMalformed)
				return
			}
			require.NoError(t, err)
			require.Equal(t, []any{v.KeyID, v.Owner, v.Group, v.Gen, v.Field}, []any{h.KeyID.String(), h.Owner, h.Group, h.Generation, h.Field})
			derived := h.Secret(v.DEK, at.EventID)
			byKey, keyErr := Open(derived[:], v.Part, at)
			text, err := Open(v.Secret, v.Part, at)
			if v.Plaintext == nil {
				require.Error(t, keyErr)
				require.Equal(t, v.Refused == "secret", err == ErrSecret, "%v", err)
				require.Equal(t, v.Refused == "altered", err == ErrAltered, "%v", err)
				return
			}
			require.NoError(t, keyErr)
			require.NoError(t, err)
			require.Equal(t, []byte(v.Secret), derived[:])
			require.Equal(t, h.Commitment, Commitment(v.Secret))
			require.Equal(t, len(*v.Plaintext), h.Size)
			require.Equal(t, []string{*v.Plaintext, *v.Plaintext}, []string{text, byKey})
		})
	}
}

// FuzzParse: whatever the bytes, parsing stays in bounds, and what parses is
// what its header encodes to.
func FuzzParse(f *testing.F) {
	f.Add([]byte{})
	f.Add(append([]byte{1}, make([]byte, 200)...))
	for _, v := range readVectors(f) {
		f.Add([]byte(v.Part))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		h, err := Parse(b)
		field, ok := Field(b)
		id, isPart := ID(b)
		if err != nil {
			require.ErrorIs(t, err, ErrMalformed)
			return
		}
		require.True(t, ok && isPart)
		require.Equal(t, h.Field, string(field))
		require.Equal(t, h.KeyID, id)
		require.Equal(t, b, append(h.Append(nil), h.Body...))
		require.Equal(t, len(h.Append(nil)), h.size())
		require.Equal(t, len(h.Body), h.Size+nonceSize+tagSize)
		_, err = h.Open(make([]byte, 32), &Context{Field: h.Field})
		require.ErrorIs(t, err, ErrSecret)
	})
}

func drawPart(t *rapid.T) (h Header, at Context, text string) {
	name := rapid.StringMatching(`[a-z][a-z0-9]{0,9}`)
	at = Context{
		Stream: name.Draw(t, "stream"), Type: name.Draw(t, "type"), Version: rapid.Uint16().Draw(t, "version"), Field: name.Draw(t, "field"),
	}
	copy(at.EventID[:], rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "event"))
	h = Header{Owner: name.Draw(t, "owner"), Group: name.Draw(t, "group"), Generation: rapid.Uint32().Draw(t, "generation"), Field: at.Field}
	return h, at, rapid.String().Draw(t, "text")
}

// TestSecretOpensItsPartOnly: S opens the part it was made for, and neither
// another part of the same key nor that part anywhere else.
func TestSecretOpensItsPartOnly(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		dek := rapid.SliceOfN(rapid.Byte(), 32, 32).Draw(t, "dek")
		h, at, text := drawPart(t)
		secret := h.Secret(dek, at.EventID)
		sealed, err := Seal(nil, &secret, &h, &at, []byte(text))
		require.NoError(t, err)
		got, err := Open(secret[:], sealed, at)
		require.NoError(t, err)
		require.Equal(t, text, got)

		other, there := h, at
		switch rapid.IntRange(0, 4).Draw(t, "difference") {
		case 0:
			there.EventID[3]++
		case 1:
			there.Field, other.Field = at.Field+"x", at.Field+"x"
		case 2:
			other.Generation++
		case 3:
			other.Owner += "x"
		case 4:
			other.Group += "x"
		}
		otherSecret := other.Secret(dek, there.EventID)
		otherPart, err := Seal(nil, &otherSecret, &other, &there, []byte(text))
		require.NoError(t, err)
		_, err = Open(secret[:], otherPart, there)
		require.ErrorIs(t, err, ErrSecret)

		at.Stream += "x"
		_, err = Open(secret[:], sealed, at)
		require.ErrorIs(t, err, ErrAltered)
		_, err = Open(secret[:31], sealed, at)
		require.ErrorIs(t, err, ErrSecret)
	})
}

// TestEveryFlippedBitIsFound: no bit of a part can change unnoticed.
func TestEveryFlippedBitIsFound(t *testing.T) {
	v := readVectors(t)[0]
	at := v.context(t)
	for i := range len(v.Part) * 8 {
		changed := bytes.Clone(v.Part)
		changed[i/8] ^= 1 << (i % 8)
		_, err := Open(v.Secret, changed, at)
		require.Error(t, err, "bit %d", i)
	}
}

func TestBounds(t *testing.T) {
	var secret Secret
	at := Context{Stream: "s", Type: "T", Field: "f"}
	_, err := Seal(nil, &secret, &Header{}, &at, make([]byte, MaxPlaintext+1))
	require.Error(t, err)
	for _, change := range []func(*Context){
		func(c *Context) { c.Field = "" },
		func(c *Context) { c.Field = strings.Repeat("f", MaxField+1) },
		func(c *Context) { c.Stream = strings.Repeat("s", MaxOwner+1) },
		func(c *Context) { c.Type = strings.Repeat("T", MaxType+1) },
	} {
		wrong := at
		change(&wrong)
		_, err := Seal(nil, &secret, &Header{}, &wrong, nil)
		require.Error(t, err)
	}
}

func TestExpandIsHKDF(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		key := rapid.SliceOfN(rapid.Byte(), 1, 100).Draw(t, "key")
		info := rapid.SliceOfN(rapid.Byte(), 0, 1000).Draw(t, "info")
		want, err := hkdf.Expand(sha256.New, key, string(info), 32)
		require.NoError(t, err)
		got := Expand(key, info)
		require.Equal(t, want, got[:])
		mac := hmac.New(sha256.New, key)
		mac.Write(info)
		sum := HMAC(key, info)
		require.Equal(t, mac.Sum(nil), sum[:])
	})
}

// TestSecretsAreNeverPrinted: every careless way out tells nothing.
func TestSecretsAreNeverPrinted(t *testing.T) {
	s := Secret(bytes.Repeat([]byte{0xAB}, 32))
	holder := struct{ S Secret }{s}
	var log strings.Builder
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "s", s, "in", holder)
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "s", s, "in", holder)
	encoded, err := json.Marshal(holder)
	require.NoError(t, err)
	out := log.String() + string(encoded)
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		out += fmt.Sprintf(verb, s) + fmt.Sprintf(verb, holder) + fmt.Sprintf(verb, &s)
	}
	for _, leak := range []string{"abab", "ABAB", "171", "\xab", `\xab`, "q6ur"} {
		require.NotContains(t, out, leak)
	}
}

// BenchmarkSeal and BenchmarkOpen: one value without finding its key.
func BenchmarkSeal(b *testing.B) {
	dek, text := make([]byte, 32), []byte("somebody@example.org")
	at := Context{Stream: "subject-s1", EventID: [16]byte{1}, Type: "FieldsRecorded", Version: 1, Field: "email"}
	b.ReportAllocs()
	for b.Loop() {
		h := Header{Owner: "subject-s1", Group: "contact", Generation: 1, Field: at.Field}
		secret := h.Secret(dek, at.EventID)
		_, _ = Seal(nil, &secret, &h, &at, text)
	}
}

func BenchmarkOpen(b *testing.B) {
	at := Context{Stream: "subject-s1", EventID: [16]byte{1}, Type: "FieldsRecorded", Version: 1, Field: "email"}
	h := Header{Owner: "subject-s1", Group: "contact", Generation: 1}
	var secret Secret
	sealed, err := Seal(nil, &secret, &h, &at, []byte("somebody@example.org"))
	require.NoError(b, err)
	b.ReportAllocs()
	for b.Loop() {
		_, _ = Open(secret[:], sealed, at)
	}
}
