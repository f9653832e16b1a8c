package witness

import (
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"

	"lethe/internal/tlog"
)

const (
	lenSeed   = 32
	keyHeader = "lethe witness key v1"
)

// Key is a witness's private key: a seed for each signature type, so that the
// second can be taken up later. It does not print itself.
type Key struct {
	ed25519, mldsa44 [lenSeed]byte
}

// String hides the key.
func (Key) String() string { return "[witness key]" }

// GoString hides the key.
func (Key) GoString() string { return "[witness key]" }

// NewKey makes a key of 64 random bytes.
func NewKey(random io.Reader) (Key, error) {
	var k Key
	for _, seed := range []*[lenSeed]byte{&k.ed25519, &k.mldsa44} {
		if _, err := io.ReadFull(random, seed[:]); err != nil {
			return Key{}, fmt.Errorf("making a witness key: %w", err)
		}
	}
	return k, nil
}

// Text writes the key; it is secret.
//
//	lethe witness key v1
//	ed25519 <base64 of 32 bytes>
//	ml-dsa-44 <base64 of 32 bytes>
func (k Key) Text() string {
	b64 := base64.StdEncoding.EncodeToString
	return keyHeader + "\ned25519 " + b64(k.ed25519[:]) + "\nml-dsa-44 " + b64(k.mldsa44[:]) + "\n"
}

// ParseKey is the strict inverse of Text. Its errors hold nothing of the text.
func ParseKey(text string) (Key, error) {
	var k Key
	rest, ok := strings.CutPrefix(text, keyHeader+"\n")
	if !ok {
		return Key{}, fmt.Errorf("reading a witness key: line 1 is not %q", keyHeader)
	}
	for _, line := range []struct {
		word string
		seed *[lenSeed]byte
	}{{"ed25519", &k.ed25519}, {"ml-dsa-44", &k.mldsa44}} {
		var value string
		value, rest, ok = strings.Cut(rest, "\n")
		value, named := strings.CutPrefix(value, line.word+" ")
		raw, err := base64.StdEncoding.DecodeString(value)
		if !ok || !named || err != nil || len(raw) != lenSeed {
			return Key{}, fmt.Errorf("reading a witness key: no line %q with %d bytes in base64", line.word, lenSeed)
		}
		copy(line.seed[:], raw)
	}
	if k.Text() != text {
		return Key{}, errors.New("reading a witness key: it is not written the canonical way")
	}
	return k, nil
}

// cosigners are the witness's signers, ML-DSA-44 too when asked for, and
// their verifier keys.
func (k Key) cosigners(name string, mldsa bool, now func() time.Time) ([]note.Signer, []string, error) {
	ed, edKey, err := tlog.NewCosigner(name, tlog.CosignEd25519, k.ed25519[:], now)
	if err != nil {
		return nil, nil, err
	}
	if !mldsa {
		return []note.Signer{ed}, []string{edKey}, nil
	}
	pq, pqKey, err := tlog.NewCosigner(name, tlog.CosignMLDSA44, k.mldsa44[:], now)
	if err != nil {
		return nil, nil, err
	}
	return []note.Signer{ed, pq}, []string{edKey, pqKey}, nil
}

// VKeys are the verifier keys of a witness of this name: Ed25519, and
// ML-DSA-44 when asked for.
func (k Key) VKeys(name string, mldsa bool) ([]string, error) {
	_, vkeys, err := k.cosigners(name, mldsa, nil)
	return vkeys, err
}
