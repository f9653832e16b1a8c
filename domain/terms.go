package domain

import (
	"encoding/hex"
	"regexp"
	"strings"
)

// The closed schema. Facts and metadata are built of these types, numbers,
// booleans and times only, never of a plain string: whatever a caller can
// choose freely is a personal.Value or was hashed under a key. The codec
// refuses to store a Checked value that is not Valid.

// Checked is a fact's type that knows its own legal values. The zero value
// of an optional fact is not asked.
type Checked interface{ Valid() bool }

var (
	termPattern     = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9._:/#-]*$`)
	languagePattern = regexp.MustCompile(`^[a-z]{2,3}(-[A-Za-z0-9]{2,8})*$`)
	placePattern    = regexp.MustCompile(`^[A-Z]{2}(-[A-Z0-9]{1,3})?$`)
	currencyPattern = regexp.MustCompile(`^[A-Z]{3}$`)
)

// Name is a catalogue name: lower case, digits, and single ".", "_" or "-"
// between them; 1 to 64 bytes.
type Name string

// Valid reports whether the form is right.
func (n Name) Valid() bool {
	if len(n) == 0 || len(n) > 64 || n[0] < 'a' || n[0] > 'z' {
		return false
	}
	joined := false // the byte before was a joint; every event is checked here, so there is no pattern to match
	for i := range len(n) {
		switch c := n[i]; {
		case c >= 'a' && c <= 'z', c >= '0' && c <= '9':
			joined = false
		case c == '.' || c == '_' || c == '-':
			if joined {
				return false
			}
			joined = true
		default:
			return false
		}
	}
	return !joined
}

// ParseName checks the form. what names the parameter in the error; the
// input itself is not repeated, since it may be anything.
func ParseName(what, s string) (Name, error) {
	if !Name(s).Valid() {
		return "", Invalid("name.malformed", what, "%s must be lower-case letters and digits joined by . _ or -, at most 64 characters", what)
	}
	return Name(s), nil
}

// Term is a term of a published vocabulary (DPV, fideslang), 1 to 128 bytes.
type Term string

// Valid reports whether the form is right.
func (t Term) Valid() bool { return len(t) <= 128 && termPattern.MatchString(string(t)) }

// Language is a BCP 47 tag, at most 35 bytes.
type Language string

// Valid reports whether the form is right.
func (l Language) Valid() bool { return len(l) <= 35 && languagePattern.MatchString(string(l)) }

// Place is an ISO 3166-1 alpha-2 country or ISO 3166-2 subdivision.
type Place string

// Valid reports whether the form is right.
func (p Place) Valid() bool { return placePattern.MatchString(string(p)) }

// Country is the place's first two letters.
func (p Place) Country() string {
	if len(p) < 2 {
		return ""
	}
	return string(p[:2])
}

// UnderGDPR reports whether the GDPR, or its UK form, is the law of the place.
func (p Place) UnderGDPR() bool {
	const places = "AT BE BG CY CZ DE DK EE ES FI FR GB GR HR HU IE IS IT LI LT LU LV MT NL NO PL PT RO SE SI SK"
	c := p.Country()
	return c != "" && strings.Contains(places, c)
}

// Currency is an ISO 4217 code.
type Currency string

// Valid reports whether the form is right.
func (c Currency) Valid() bool { return currencyPattern.MatchString(string(c)) }

// Digest is a SHA-256, hexadecimal in JSON.
type Digest [32]byte

func (d Digest) IsZero() bool                 { return d == Digest{} }
func (d Digest) MarshalText() ([]byte, error) { return d.AppendText(nil) }
func (d Digest) String() string               { return hex.EncodeToString(d[:]) }

// AppendText appends what String gives; it never fails. JSON asks for it
// before MarshalText, and it spares two allocations.
func (d Digest) AppendText(b []byte) ([]byte, error) { return hex.AppendEncode(b, d[:]), nil }

// UnmarshalText reads 64 hexadecimal digits.
func (d *Digest) UnmarshalText(b []byte) error {
	if len(b) != hex.EncodedLen(len(d)) { // Decode panics on more than fits
		return malformedDigest()
	}
	if _, err := hex.Decode(d[:], b); err != nil {
		return malformedDigest()
	}
	return nil
}

func malformedDigest() error {
	return Invalid("digest.malformed", "digest", "a digest is 64 hexadecimal digits")
}

// ID is a UUID.
type ID [16]byte

func (id ID) IsZero() bool                 { return id == ID{} }
func (id ID) MarshalText() ([]byte, error) { return id.AppendText(nil) }

// String is the canonical 36-character form.
func (id ID) String() string {
	b := id.text()
	return string(b[:])
}

// AppendText appends what String gives; it never fails.
func (id ID) AppendText(b []byte) ([]byte, error) {
	text := id.text()
	return append(b, text[:]...), nil
}

func (id ID) text() (b [36]byte) {
	hex.Encode(b[0:8], id[0:4])
	hex.Encode(b[9:13], id[4:6])
	hex.Encode(b[14:18], id[6:8])
	hex.Encode(b[19:23], id[8:10])
	hex.Encode(b[24:36], id[10:16])
	b[8], b[13], b[18], b[23] = '-', '-', '-', '-'
	return b
}

// ParseID reads the canonical form.
func ParseID(s string) (id ID, err error) { err = id.UnmarshalText([]byte(s)); return }

// UnmarshalText reads the canonical form.
func (id *ID) UnmarshalText(b []byte) error {
	if len(b) != 36 || b[8] != '-' || b[13] != '-' || b[18] != '-' || b[23] != '-' {
		return malformedID()
	}
	var hexed [32]byte
	copy(hexed[0:], b[0:8])
	copy(hexed[8:], b[9:13])
	copy(hexed[12:], b[14:18])
	copy(hexed[16:], b[19:23])
	copy(hexed[20:], b[24:36])
	if _, err := hex.Decode(id[:], hexed[:]); err != nil {
		return malformedID()
	}
	return nil
}

func malformedID() error {
	return Invalid("id.malformed", "id", "an ID has the form xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx")
}
