package canary_test

import (
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"lethe/internal/canary"
)

// A value that means nothing when it is found is refused, with its line and a
// reason, and is not repeated.
func TestValuesThatAreRefused(t *testing.T) {
	for _, c := range []struct {
		text  string
		short bool
		line  int
		says  string
	}{
		{"speaking\nabcde\n", false, 2, "a value of 5 bytes occurs by chance"},
		{"speaking\n\n  abc  \n", false, 3, "too short"},
		{"abc", true, 1, "too short"},
		{"speaking\n" + strings.Repeat("x", canary.MaxValue+1), false, 2, "too long"},
		{"speaking\n" + strings.Repeat("x", 1<<20), false, 2, "too long"},
		{"a\xffbcdefg", false, 1, "no UTF-8"},
		{"\n \n", false, 1, "no value"},
		{"", false, 1, "no value"},
	} {
		_, err := canary.Read(strings.NewReader(c.text), canary.Options{Short: c.short, Hashes: true})
		var refused *canary.RefusedError
		require.True(t, errors.As(err, &refused), "%q: %v", c.text, err)
		require.Equal(t, c.line, refused.Line)
		require.Contains(t, err.Error(), c.says)
		for word := range strings.FieldsSeq(c.text) {
			require.NotContains(t, err.Error(), word)
		}
	}
	v, err := canary.Read(strings.NewReader("\ufeffabcd\r\n\r\nabcde\r\nabcdef"), canary.Options{Short: true})
	require.NoError(t, err)
	require.Equal(t, 3, v.Len())
	require.Len(t, v.Search([]byte("ABCD")), 1)
	_, err = canary.Compile([]string{"speaking", "abc"}, canary.Options{})
	require.ErrorContains(t, err, "line 2")
}

// Telephone numbers are found as they are stored, however they were typed in.
func TestNumbersAreFoundAsTheyAreStored(t *testing.T) {
	for typed, stored := range map[string]string{
		"+49 (151) 000-0001": "+491510000001", "0049 151 0000001": "+491510000001", "0151 0000001": "+491510000001",
		"+491510000001": "00491510000001",
	} {
		require.Len(t, compile(t, typed).Search([]byte("number="+stored+";")), 1, typed)
	}
	require.Empty(t, compile(t, "Weg 12-14").Search([]byte("1214")))
}

func TestSpacesAreFoundAsInForms(t *testing.T) {
	found := compile(t, "Zoë  Müller & Co").Search([]byte("name=Zo%C3%AB++M%C3%BCller+%26+Co&x=1"))
	require.Len(t, found, 1)
	require.Equal(t, "URL > UTF-8, + for space", found[0].Encoding)
}

// Hashes are found as bytes, in hex and in Base64, whole or in part.
func TestHashesOfValuesAreFound(t *testing.T) {
	v, err := canary.Compile([]string{"nobody@leak.example", "Kanarie@leak.example"}, canary.Options{Hashes: true})
	require.NoError(t, err)
	for _, text := range []string{"Kanarie@leak.example", "kanarie@leak.example"} {
		m, s1, s256, s512 := md5.Sum([]byte(text)), sha1.Sum([]byte(text)), sha256.Sum256([]byte(text)), sha512.Sum512([]byte(text))
		for name, h := range map[string][]byte{"MD5": m[:], "SHA-1": s1[:], "SHA-256": s256[:], "SHA-512": s512[:], "SHA-256 ": s256[:16]} {
			name = strings.TrimSpace(name)
			for want, data := range map[string]string{
				name: noise(1, 99) + string(h) + noise(2, 99), "hex > " + name: "x" + hex.EncodeToString(h),
				"Base64 > " + name: base64.RawURLEncoding.EncodeToString(h),
			} {
				found := v.Search([]byte(data))
				require.Len(t, found, 1, want)
				require.Equal(t, want, found[0].Encoding)
				require.Equal(t, 2, found[0].Line)
			}
		}
	}
	require.Empty(t, compile(t, "kanarie@leak.example").Search(append([]byte{}, sha256Of("kanarie@leak.example")...)))
}

func sha256Of(s string) []byte {
	h := sha256.Sum256([]byte(s))
	return h[:]
}

// Search compares like a simple search does, for any values and bytes.
func FuzzSearch(f *testing.F) {
	f.Add("abcdef\nabcdeg\nABCDxy", []byte("xxabCDefabcdegabcdxyz"))
	f.Add("aaaaaa\naaaaaaaa", []byte("aaaaaaaaa"))
	f.Add("kanarie\nKanarie@leak.example\nleak.example", []byte("Kanarie@leak.example"))
	f.Fuzz(func(t *testing.T, list string, data []byte) {
		v, err := canary.Read(strings.NewReader(list), canary.Options{Short: true, Hashes: true})
		if err != nil {
			return
		}
		got := map[int]int{}
		for _, f := range v.Search(data) {
			if f.Encoding == "UTF-8" {
				got[f.Line] = f.Times
			}
		}
		for i, line := range strings.Split(list, "\n") {
			value := asciiLower(strings.TrimSpace(line))
			if value == "" || strings.ContainsFunc(value, func(r rune) bool { return r >= 0x80 }) {
				continue
			}
			want := 0
			for at := range data {
				if strings.HasPrefix(asciiLower(string(data[at:])), value) {
					want++
				}
			}
			require.Equal(t, want, got[i+1], "line %d", i+1)
		}
	})
}

func asciiLower(s string) string {
	b := []byte(s)
	for i, c := range b {
		if c >= 'A' && c <= 'Z' {
			b[i] = c + 'a' - 'A'
		}
	}
	return string(b)
}

// Whatever bytes come, decoding them ends, and what was encoded is found.
func FuzzDecode(f *testing.F) {
	for _, s := range []string{"%", `\u`, `\ud800\u`, "&#;&amp", "\r\n", "PK\x03\x04", "\x1f\x8b\x08", "\x28\xb5\x2f\xfd"} {
		f.Add([]byte(s), uint8(0))
	}
	v := compile(f, value)
	all := encodings(f, value)
	f.Fuzz(func(t *testing.T, around []byte, which uint8) {
		if len(around) > 4096 {
			return
		}
		n := int(which)
		for want, texts := range all {
			if strings.Count(want, ">") != 1 || strings.Contains(want, "JSON") || strings.Contains(want, "URL") {
				continue
			}
			text := texts[n%len(texts)]
			data := append(append(append([]byte{}, around...), '\n', ' ', '\n', ' '), text...)
			data = append(append(data, ' '), around...)
			found := false
			for _, f := range v.Search(data) {
				found = found || f.Encoding == want
			}
			require.True(t, found, want)
		}
	})
}
