package tlog

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/mod/sumdb/note"
)

// ErrMalformed is in every error about a signed note that is not one.
var ErrMalformed = errors.New("malformed note")

// SplitNote splits a signed note into its text and its signatures WITHOUT
// verifying them.
//
//	text, one or more lines
//	(empty line)
//	— <key name> base64(uint32 key ID || signature)    one or more
//
// Stricter than note.Open: base64 must be canonical.
func SplitNote(signed []byte) (text string, sigs []note.Signature, err error) {
	if len(signed) > MaxNote {
		return "", nil, fmt.Errorf("%w: %d bytes, more than %d", ErrMalformed, len(signed), MaxNote)
	}
	if err := checkCharacters(signed); err != nil {
		return "", nil, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	split := bytes.LastIndex(signed, []byte("\n\n"))
	if split < 0 {
		return "", nil, fmt.Errorf("%w: no empty line before signatures", ErrMalformed)
	}
	text = string(signed[:split+1])
	sigs, err = ParseSignatures(string(signed[split+2:]))
	if err != nil {
		return "", nil, fmt.Errorf("after %d lines of text: %w", strings.Count(text, "\n"), err)
	}
	return text, sigs, nil
}

// ParseSignatures parses signature lines, at least one and at most 100,
// WITHOUT verifying them.
func ParseSignatures(lines string) ([]note.Signature, error) {
	if lines == "" {
		return nil, fmt.Errorf("%w: no signature", ErrMalformed)
	}
	var sigs []note.Signature
	for n := 1; lines != ""; n++ {
		line, rest, ok := cutLine(lines)
		if !ok {
			return nil, fmt.Errorf("%w: signature %d: no newline at the end", ErrMalformed, n)
		}
		if n > maxSigs {
			return nil, fmt.Errorf("%w: more than %d signatures", ErrMalformed, maxSigs)
		}
		sig, err := parseSignature(line)
		if err != nil {
			return nil, fmt.Errorf("%w: signature %d: %w", ErrMalformed, n, err)
		}
		sigs, lines = append(sigs, sig), rest
	}
	return sigs, nil
}

func parseSignature(line string) (note.Signature, error) {
	rest, ok := strings.CutPrefix(line, "— ")
	if !ok {
		return note.Signature{}, errors.New("the line does not begin with an em dash and a space")
	}
	name, b64, _ := strings.Cut(rest, " ")
	if err := checkName(name); err != nil {
		return note.Signature{}, err
	}
	raw, err := decode64(b64)
	if err != nil {
		return note.Signature{}, err
	}
	if len(raw) < 5 {
		return note.Signature{}, fmt.Errorf("%d bytes hold no signature", len(raw))
	}
	return note.Signature{Name: name, Hash: binary.BigEndian.Uint32(raw), Base64: b64}, nil
}

// FormatSignature is the inverse of parsing one signature line.
func FormatSignature(sig note.Signature) string {
	return "— " + sig.Name + " " + sig.Base64 + "\n"
}

// OpenNote verifies a signed note with the keys that are known; signatures by
// others are ignored. The errors of note.Open are in its errors:
// *note.UnverifiedNoteError when no known key signed, *note.InvalidSignatureError
// when a signature claims to be by a known key and is not.
func OpenNote(signed []byte, known note.Verifiers) (*note.Note, error) {
	if _, _, err := SplitNote(signed); err != nil {
		return nil, err
	}
	n, err := note.Open(signed, known)
	if err != nil {
		return nil, fmt.Errorf("verifying a note: %w", err)
	}
	return n, nil
}

// VerifySignature reports whether a signature of a note's text is valid by a key.
func VerifySignature(v note.Verifier, text string, sig note.Signature) bool {
	raw, err := decode64(sig.Base64)
	return err == nil && sig.Name == v.Name() && len(raw) > 4 && binary.BigEndian.Uint32(raw) == v.KeyHash() && v.Verify([]byte(text), raw[4:])
}

// checkCharacters refuses what no signed note may hold.
func checkCharacters(b []byte) error {
	if !utf8.Valid(b) {
		return errors.New("not UTF-8")
	}
	for i, c := range b {
		if c < 0x20 && c != '\n' {
			return fmt.Errorf("control character 0x%02x on line %d", c, 1+bytes.Count(b[:i], []byte("\n")))
		}
	}
	return nil
}

// checkName checks a key's name: not empty, no Unicode spaces, no plus, and
// nothing that a signed note may not hold.
func checkName(name string) error {
	switch {
	case name == "":
		return errors.New("the key name is empty")
	case strings.Contains(name, "+"), strings.ContainsFunc(name, unicode.IsSpace):
		return fmt.Errorf("the key name %s holds a space or a plus", quoted(name))
	}
	if err := checkCharacters([]byte(name)); err != nil {
		return fmt.Errorf("the key name %s: %w", quoted(name), err)
	}
	return nil
}
