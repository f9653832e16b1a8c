package keyring

import (
	"sync"

	"lethe/domain"
	"lethe/internal/part"
)

// Compartment is what one data key covers: an owner's values of one
// retention group. Owner is the stream's name ("subject-s…", "import-…") or
// names a party of the catalogue ("controller-acme"); never an identifier of
// a person.
type Compartment struct {
	Owner string
	Group domain.Name
}

// Valid reports whether owner and group have their form.
func (c Compartment) Valid() bool {
	return validOwner(c.Owner) && c.Group.Valid()
}

// validOwner: lower-case letters, digits, and single ".", "_" or "-" between
// them. By hand, since an import asks for every key.
func validOwner(s string) bool {
	if s == "" || len(s) > part.MaxOwner || s[0] < 'a' || s[0] > 'z' {
		return false
	}
	joined := false
	for i := 1; i < len(s); i++ {
		switch c := s[i]; {
		case c >= 'a' && c <= 'z' || c >= '0' && c <= '9':
			joined = false
		case (c == '.' || c == '_' || c == '-') && !joined:
			joined = true
		default:
			return false
		}
	}
	return !joined
}

// KeyID names one data key. It is random and says nothing of its key.
type KeyID = part.KeyID

// Key is a data key in memory. It is safe for concurrent use. After its
// destruction in this process it seals and opens nothing.
type Key struct {
	compartment Compartment
	id          KeyID
	generation  uint32

	mu   sync.RWMutex // guards dek against being wiped while it is read
	dead bool
	dek  [keySize]byte
}

// Compartment is what the key covers.
func (k *Key) Compartment() Compartment { return k.compartment }

// ID names the key.
func (k *Key) ID() KeyID { return k.id }

// Generation counts the compartment's keys, from 1.
func (k *Key) Generation() uint32 { return k.generation }

// String names the key and never shows it.
func (k *Key) String() string { return "key " + k.id.String() }

// GoString is String: %#v must not print the key's bytes.
func (k *Key) GoString() string { return k.String() }

// MarshalText names the key, for logs.
func (k *Key) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// wipe overwrites the key. Nothing can be sealed or opened with it afterwards.
func (k *Key) wipe() {
	k.mu.Lock()
	defer k.mu.Unlock()
	clear(k.dek[:])
	k.dead = true
}

// fingerprint identifies the key's bytes without revealing them; the same
// bytes have it in every store, which is how a key that was put back is known.
func (k *Key) fingerprint() (fp [32]byte, ok bool) {
	k.mu.RLock()
	defer k.mu.RUnlock()
	if k.dead {
		return fp, false
	}
	return part.Expand(k.dek[:], []byte("lethe/v1/fingerprint")), true
}
