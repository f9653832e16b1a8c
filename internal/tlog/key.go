package tlog

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"

	"github.com/cloudflare/circl/sign/mldsa/mldsa44"
	"golang.org/x/mod/sumdb/note"
)

// Algorithm is a signature type of c2sp.org/signed-note.
type Algorithm byte

// Signature types that are understood.
const (
	Ed25519        Algorithm = 0x01 // over the note's text
	CosignEd25519  Algorithm = 0x04 // timestamped cosignature of a checkpoint
	CosignMLDSA44  Algorithm = 0x06 // timestamped cosignature, post-quantum
	lenSeed                  = 32   // of either algorithm's private key
	lenMLDSAPublic           = mldsa44.PublicKeySize
)

func (a Algorithm) String() string {
	switch a {
	case Ed25519:
		return "Ed25519"
	case CosignEd25519:
		return "Ed25519 cosignature"
	case CosignMLDSA44:
		return "ML-DSA-44 cosignature"
	}
	return fmt.Sprintf("signature type 0x%02x", byte(a))
}

// LogSigns reports whether a log may sign its checkpoints this way.
func (a Algorithm) LogSigns() bool { return a == Ed25519 || a == CosignMLDSA44 }

// Cosigns reports whether signatures of this type are cosignatures.
func (a Algorithm) Cosigns() bool { return a == CosignEd25519 || a == CosignMLDSA44 }

// key is a public key under a name. As text it is a verifier key, vkey for short:
//
//	<key name>+<key ID, 8 hex>+base64(signature type || public key)
//
// where the key ID is the first 4 bytes of
// SHA-256(key name || 0x0A || signature type || public key).
type key struct {
	name   string
	alg    Algorithm
	public []byte // 32 or 1312 bytes
}

func (k key) id() uint32 {
	h := sha256.New()
	h.Write([]byte(k.name + "\n"))
	h.Write([]byte{byte(k.alg)})
	h.Write(k.public)
	return binary.BigEndian.Uint32(h.Sum(nil))
}

// String is the vkey.
func (k key) String() string {
	return fmt.Sprintf("%s+%08x+%s", k.name, k.id(), base64.StdEncoding.EncodeToString(append([]byte{byte(k.alg)}, k.public...)))
}

// parseKey is the strict inverse of String.
func parseKey(vkey string) (key, error) {
	if len(vkey) > maxVKey {
		return key{}, fmt.Errorf("verifier key of %d bytes, more than %d", len(vkey), maxVKey)
	}
	k, err := splitKey(vkey)
	if err != nil {
		return key{}, fmt.Errorf("verifier key %s: %w", quoted(vkey), err)
	}
	return k, nil
}

func splitKey(vkey string) (key, error) {
	name, rest, ok1 := strings.Cut(vkey, "+")
	id, b64, ok2 := strings.Cut(rest, "+")
	if !ok1 || !ok2 {
		return key{}, errors.New("not of the form name+id+key")
	}
	if err := checkName(name); err != nil {
		return key{}, err
	}
	raw, err := decode64(b64)
	if err != nil {
		return key{}, err
	}
	if len(raw) == 0 {
		return key{}, errors.New("no public key")
	}
	k := key{name: name, alg: Algorithm(raw[0]), public: raw[1:]}
	if err := k.check(); err != nil {
		return key{}, err
	}
	if want := fmt.Sprintf("%08x", k.id()); id != want {
		return key{}, fmt.Errorf("the key ID is %s, but name and key give %s", quoted(id), want)
	}
	return k, nil
}

func (k key) check() error {
	want := ed25519.PublicKeySize
	switch k.alg {
	case Ed25519, CosignEd25519:
	case CosignMLDSA44:
		want = lenMLDSAPublic
	default:
		return fmt.Errorf("%s is not supported", k.alg)
	}
	if len(k.public) != want {
		return fmt.Errorf("%s: public key of %d bytes instead of %d", k.alg, len(k.public), want)
	}
	return nil
}

// KeyID returns a vkey's key ID, 8 hex digits.
func KeyID(vkey string) (string, error) {
	k, err := parseKey(vkey)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("%08x", k.id()), nil
}

// KeyAlgorithm returns a vkey's signature type.
func KeyAlgorithm(vkey string) (Algorithm, error) {
	k, err := parseKey(vkey)
	return k.alg, err
}

// verifier is a note.Verifier of a key.
type verifier struct {
	key
	hash  uint32
	check func(msg, sig []byte) bool
}

var _ note.Verifier = (*verifier)(nil)

func (v *verifier) Name() string                { return v.name }
func (v *verifier) KeyHash() uint32             { return v.hash }
func (v *verifier) Verify(msg, sig []byte) bool { return v.check(msg, sig) }

// NewVerifier makes a verifier of a vkey, by its signature type.
func NewVerifier(vkey string) (note.Verifier, error) {
	v, err := newVerifier(vkey)
	if err != nil {
		return nil, err
	}
	return v, nil
}

func newVerifier(vkey string) (*verifier, error) {
	k, err := parseKey(vkey)
	if err != nil {
		return nil, err
	}
	v := &verifier{key: k, hash: k.id()}
	switch k.alg {
	case Ed25519:
		v.check = func(msg, sig []byte) bool { return ed25519.Verify(k.public, msg, sig) }
	case CosignEd25519:
		v.check = func(msg, sig []byte) bool { return verifyCosignEd25519(k, msg, sig) }
	case CosignMLDSA44:
		var public mldsa44.PublicKey
		if err := public.UnmarshalBinary(k.public); err != nil {
			return nil, fmt.Errorf("verifier key %s: %w", quoted(vkey), err)
		}
		v.check = func(msg, sig []byte) bool { return verifyCosignMLDSA44(k, &public, msg, sig) }
	}
	return v, nil
}

// signer is a note.Signer of a key.
type signer struct {
	name string
	hash uint32
	sign func(msg []byte) ([]byte, error)
}

var _ note.Signer = (*signer)(nil)

func (s *signer) Name() string                    { return s.name }
func (s *signer) KeyHash() uint32                 { return s.hash }
func (s *signer) Sign(msg []byte) ([]byte, error) { return s.sign(msg) }

// NewSigner makes the signer of a log, Ed25519 over the note's text, from a
// seed of 32 bytes, and its vkey.
func NewSigner(name string, seed []byte) (note.Signer, string, error) {
	if err := checkSeed(name, seed); err != nil {
		return nil, "", err
	}
	private := ed25519.NewKeyFromSeed(seed)
	k := key{name: name, alg: Ed25519, public: private[ed25519.SeedSize:]}
	sign := func(msg []byte) ([]byte, error) { return ed25519.Sign(private, msg), nil }
	return &signer{name: name, hash: k.id(), sign: sign}, k.String(), nil
}

func checkSeed(name string, seed []byte) error {
	if err := checkName(name); err != nil {
		return err
	}
	if len(seed) != lenSeed {
		return fmt.Errorf("seed of %d bytes instead of %d", len(seed), lenSeed)
	}
	return nil
}
