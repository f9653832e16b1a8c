package main

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/binary"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"lethe/internal/rootkey"
	"lethe/internal/rootkey/rootkeytest"
)

// standIn is a key service that a test has to itself, with the keys "lethe"
// and "other".
type standIn struct {
	root, other string // their names
	opener      rootkey.Opener
	secrets     []string

	rotate, remove, back, deny, disable, away func()
	swap                                      func() // the name is another key's from now on
}

// standIns make them, by the scheme of their names.
var standIns = map[string]func(t *testing.T) *standIn{
	"awskms":        func(t *testing.T) *standIn { return newAmazonStandIn(t).standIn() },
	"gcpkms":        func(t *testing.T) *standIn { return newGoogleStandIn(t).standIn() },
	"azurekeyvault": func(t *testing.T) *standIn { return newMicrosoftStandIn(t).standIn() },
}

func (s *standIn) open(name string) func(t *testing.T) (rootkey.Provider, error) {
	return func(t *testing.T) (rootkey.Provider, error) {
		return rootkey.Open(t.Context(), name, rootkey.Options{More: map[string]rootkey.Opener{rootkey.Scheme(name): s.opener}})
	}
}

func TestTheContract(t *testing.T) {
	for scheme, start := range standIns {
		t.Run(scheme, func(t *testing.T) {
			rootkeytest.Run(t, func(t *testing.T) rootkeytest.Subject {
				s := start(t)
				return rootkeytest.Subject{
					Open: s.open(s.root), Other: s.open(s.other), Secrets: s.secrets,
					Rotate: s.rotate, Delete: s.remove, Deny: s.deny, Away: s.away,
				}
			})
		})
	}
}

// A key that is disabled is there, and is refused; its name that is another
// key's by now is wrong.
func TestKeysThatAreDisabledOrSwapped(t *testing.T) {
	for scheme, start := range standIns {
		t.Run(scheme, func(t *testing.T) {
			s := start(t)
			p, err := s.open(s.root)(t)
			require.NoError(t, err)
			defer p.Close() //nolint:errcheck // a test
			wrapped, err := p.Wrap(t.Context(), []byte("secret"))
			require.NoError(t, err)
			s.swap()
			_, err = p.Unwrap(t.Context(), wrapped)
			require.ErrorIs(t, err, rootkey.ErrWrong)
			s.disable()
			_, err = p.Unwrap(t.Context(), wrapped)
			require.ErrorIs(t, err, rootkey.ErrDenied)
			require.ErrorContains(t, err, "disabled")
			require.NotContains(t, err.Error(), "\n")
			_, err = p.Wrap(t.Context(), []byte("secret"))
			require.ErrorIs(t, err, rootkey.ErrDenied)
			_, err = p.Wrap(t.Context(), make([]byte, rootkey.MaxPlain+1))
			require.ErrorContains(t, err, "1 to 128 bytes")
		})
	}
}

// versions is a symmetric key of a stand-in. What it encrypts begins with the
// key's ID and the version, as far as the stand-in wants to know.
type versions struct {
	id       uint32
	aeads    []cipher.AEAD
	disabled bool
}

var ids = struct {
	sync.Mutex
	last uint32
}{}

func newVersions(t testing.TB) *versions {
	ids.Lock()
	defer ids.Unlock()
	ids.last++
	v := &versions{id: ids.last}
	v.rotate(t)
	return v
}

func (v *versions) rotate(t testing.TB) {
	key := make([]byte, 32)
	_, err := rand.Read(key)
	require.NoError(t, err)
	block, err := aes.NewCipher(key)
	require.NoError(t, err)
	aead, err := cipher.NewGCMWithRandomNonce(block)
	require.NoError(t, err)
	v.aeads = append(v.aeads, aead)
}

func (v *versions) encrypt(plain []byte) []byte {
	head := binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32([]byte("KMS1"), v.id), uint32(len(v.aeads)))
	return v.aeads[len(v.aeads)-1].Seal(head, nil, plain, nil)
}

// keyOf is the ID of the key that encrypted, if anything did.
func keyOf(b []byte) (id uint32, ok bool) {
	if len(b) < 12 || !bytes.HasPrefix(b, []byte("KMS1")) {
		return 0, false
	}
	return binary.BigEndian.Uint32(b[4:]), true
}

func (v *versions) decrypt(b []byte) (plain []byte, ok bool) {
	id, ok := keyOf(b)
	if !ok || id != v.id {
		return nil, false
	}
	n := binary.BigEndian.Uint32(b[8:])
	if n < 1 || int(n) > len(v.aeads) {
		return nil, false
	}
	plain, err := v.aeads[n-1].Open(nil, nil, b[12:], nil)
	return plain, err == nil
}
