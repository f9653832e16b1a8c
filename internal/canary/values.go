package canary

import (
	"bufio"
	"bytes"
	"crypto/md5"  //nolint:gosec // what others may have used
	"crypto/sha1" //nolint:gosec // as above
	"crypto/sha256"
	"crypto/sha512"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/cases"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/unicode/norm"
)

// Bounds of a value, in bytes of UTF-8.
const (
	MinValue = 6
	MinShort = 4 // when short values are wanted
	MaxValue = 4096
)

// maxText bounds all forms of all values together.
const maxText = 1 << 30

// A RefusedError says why a value cannot be searched for. It does not repeat it.
type RefusedError struct {
	Line int // of the value, from 1
	Why  string
}

func (e *RefusedError) Error() string { return fmt.Sprintf("line %d: %s", e.Line, e.Why) }

// Values is a set of values to look for. It does not change, and may be used
// by many searches at once.
type Values struct {
	count   int     // of values
	longest int     // bytes of the longest form, in the widest encoding
	least   int     // bytes of the shortest form
	bound   int     // bytes that an encoding of a form has at least, or it is not searched for
	chance  float64 // matches to expect in one random byte

	text   []byte // of all forms, in lower case
	forms  []form
	tables []table
}

// form is one way to write a value as text.
type form struct {
	from uint32 // in Values.text
	line uint32 // of the value, from 1
	size uint16
	kind kind
}

type kind uint8

const (
	asGiven kind = iota
	decomposed
	spaced  // + for a space, as in forms of web pages
	dialled // digits of a telephone number without what separates them
	latin   // in Windows-1252, which has ISO-8859-1 but for control characters
	md5Hash // hashes: the first bytes of one
	sha1Hash
	sha256Hash
	sha512Hash
)

// encoding names a form in an encoding.
func (k kind) encoding(c charset) string {
	if k >= md5Hash {
		return [...]string{"MD5", "SHA-1", "SHA-256", "SHA-512"}[k-md5Hash]
	}
	if k == latin {
		return "Windows-1252"
	}
	return c.String() + [...]string{"", ", decomposed", ", + for space", ", digits only"}[k]
}

// Options of a set of values.
type Options struct {
	Short  bool // also values of 4 and 5 bytes, which occur by chance
	Hashes bool // also MD5, SHA-1, SHA-256 and SHA-512 of the values
}

// Read reads one value a line. Space around a value and empty lines are left
// out. The error is a *RefusedError for a value that cannot be searched for.
func Read(r io.Reader, o Options) (*Values, error) {
	in := bufio.NewReaderSize(r, 64<<10)
	b := builder{Options: o}
	for line := 1; ; line++ {
		text, err := in.ReadSlice('\n')
		if err != nil && !errors.Is(err, io.EOF) {
			if errors.Is(err, bufio.ErrBufferFull) {
				return nil, &RefusedError{line, tooLong(in.Size())}
			}
			return nil, fmt.Errorf("reading values: %w", err)
		}
		if line == 1 {
			text = bytes.TrimPrefix(text, []byte("\ufeff"))
		}
		if refused := b.add(line, strings.TrimSpace(string(text))); refused != nil {
			return nil, refused
		}
		if err != nil {
			return b.values()
		}
	}
}

// Compile is Read of a list; a value's line is its index + 1.
func Compile(values []string, o Options) (*Values, error) {
	b := builder{Options: o}
	for i, v := range values {
		if err := b.add(i+1, strings.TrimSpace(v)); err != nil {
			return nil, err
		}
	}
	return b.values()
}

// Len is how many values there are.
func (v *Values) Len() int { return v.count }

type builder struct {
	Options
	v Values
}

func tooLong(n int) string {
	return fmt.Sprintf("a value of %d bytes or more is too long: at most %d are searched for; take a part of it that is telling", n, MaxValue)
}

func (b *builder) add(line int, value string) error {
	least := MinValue
	if b.Short {
		least = MinShort
	}
	b.v.bound = least
	switch {
	case value == "":
		return nil
	case !utf8.ValidString(value):
		return &RefusedError{line, "this is no UTF-8"}
	case len(value) > MaxValue:
		return &RefusedError{line, tooLong(len(value))}
	case len(value) < MinShort:
		return &RefusedError{line, fmt.Sprintf("a value of %d bytes is too short: it would be found everywhere by chance; %d are the least", len(value), MinShort)}
	case len(value) < least:
		return &RefusedError{line, fmt.Sprintf("a value of %d bytes occurs by chance in what is random, which ciphertext is; from %d bytes on that is unlikely. "+
			"Short values are searched for when that is asked for", len(value), least)}
	case line > math.MaxUint32 || len(b.v.text) > maxText:
		return &RefusedError{line, "there are too many values: search for a part of them at a time"}
	}
	b.v.count++
	for _, w := range formsOf(value) {
		if len(w.text) >= least && len(w.text) <= math.MaxUint16/2 {
			b.form(line, w.kind, w.text)
		}
	}
	if b.Hashes {
		b.hashes(line, value)
		if lower := strings.ToLower(value); lower != value {
			b.hashes(line, lower)
		}
	}
	return nil
}

func (b *builder) form(line int, k kind, text string) {
	b.v.forms = append(b.v.forms, form{from: uint32(len(b.v.text)), line: uint32(line), size: uint16(len(text)), kind: k})
	b.v.text = append(b.v.text, text...)
	b.v.chance += chanceOf(text)
	if b.v.least == 0 || len(text) < b.v.least {
		b.v.least = len(text)
	}
}

// hashSize is how many bytes of a hash are searched for: it may be stored in part.
const hashSize = 16

func (b *builder) hashes(line int, value string) {
	text := []byte(value)
	m, s1, s256, s512 := md5.Sum(text), sha1.Sum(text), sha256.Sum256(text), sha512.Sum512(text) //nolint:gosec // what others may have used
	for i, h := range [][]byte{m[:], s1[:], s256[:], s512[:]} {
		b.form(line, md5Hash+kind(i), string(fold(nil, h[:hashSize])))
	}
}

func (b *builder) values() (*Values, error) {
	if b.v.count == 0 {
		return nil, &RefusedError{1, "there is no value to search for"}
	}
	b.v.build()
	return &b.v, nil
}

type written struct {
	text string
	kind kind
}

// formsOf gives every way to write a value as text, in lower case as far as
// ASCII goes; the data is brought to lower case in the same way.
func formsOf(value string) []written {
	out := []written{{string(fold(nil, []byte(value))), asGiven}}
	put := func(text string, k kind) {
		text = string(fold(nil, []byte(text)))
		if !slices.ContainsFunc(out, func(w written) bool { return w.text == text }) {
			out = append(out, written{text, k})
		}
	}
	if !ascii(value) {
		composed := norm.NFC.String(value)
		all := []string{composed, strings.ToLower(composed), strings.ToUpper(composed), norm.NFKC.String(cases.Fold().String(composed))}
		for _, s := range all {
			put(s, asGiven)
		}
		for _, s := range all {
			put(norm.NFD.String(s), decomposed)
		}
		for _, s := range all {
			if text, ok := inLatin(s); ok {
				put(text, latin)
			}
		}
	}
	if strings.Contains(value, " ") {
		put(strings.ReplaceAll(value, " ", "+"), spaced)
	}
	if digits := dial(value); digits != "" {
		put(digits, dialled)
	}
	return out
}

func inLatin(s string) (string, bool) {
	var out []byte
	for _, r := range s {
		b, ok := charmap.Windows1252.EncodeRune(r)
		if !ok {
			return "", false
		}
		out = append(out, b)
	}
	return string(out), true
}

func ascii(s string) bool {
	return strings.IndexFunc(s, func(r rune) bool { return r >= utf8.RuneSelf }) < 0
}

// dial gives the digits of what looks like a telephone number that is written
// with separators, or with the zeros dialled before it, since numbers are
// stored without; empty otherwise.
func dial(value string) string {
	if strings.Trim(value, "0123456789+-/(). ") != "" {
		return ""
	}
	digits := strings.Map(func(r rune) rune {
		if r < '0' || r > '9' {
			return -1
		}
		return r
	}, value)
	if digits = strings.TrimLeft(digits, "0"); len(digits) < 7 || digits == value {
		return ""
	}
	return digits
}

// chanceOf is how probable it is that random bytes match a form: in every
// byte one of 256, of a letter two.
func chanceOf(text string) float64 {
	p := 1.0
	for i := range len(text) {
		p /= 256
		if c := text[i]; c >= 'a' && c <= 'z' {
			p *= 2
		}
	}
	return p
}

var folded = func() (t [256]byte) {
	for i := range t {
		t[i] = byte(i)
		if i >= 'A' && i <= 'Z' {
			t[i] += 'a' - 'A'
		}
	}
	return t
}()

// fold appends b with the letters of ASCII in lower case.
func fold(dst, b []byte) []byte {
	n := len(dst)
	dst = append(dst, b...)
	for i, c := range dst[n:] {
		dst[n+i] = folded[c]
	}
	return dst
}

// longestOf is how many bytes a form can have in the widest encoding.
func longestOf(forms []form) int {
	widest := slices.MaxFunc(forms, func(a, b form) int { return int(a.size) - int(b.size) })
	return 2 * int(widest.size)
}
