package keyring

import (
	"errors"
	"fmt"
)

// ErrProtected: a protected secret is not what was protected under this name
// by this key store, or was changed.
var ErrProtected = errors.New("a protected secret does not authenticate")

// maxProtectName bounds the name of a protected secret, in bytes.
const maxProtectName = 1024

// Protect wraps a secret of 32 bytes, such as the seed of a signing key, under
// the root key, so that it can lie in a file. The name says what it is and is
// bound to the result, as is this key store: Unprotect gives it back under
// the same name only. The blob has wrap's form, with the context
//
//	LP("protected") ‖ LP(store ID) ‖ LP(name)
func (k *Keyring) Protect(name string, secret []byte) ([]byte, error) {
	if len(secret) != keySize || name == "" || len(name) > maxProtectName {
		return nil, fmt.Errorf("protecting a secret: it must have %d bytes and a name", keySize)
	}
	return wrap(nil, k.root, k.protectContext(name), secret), nil
}

// Unprotect is the reverse of Protect. The error is ErrProtected.
func (k *Keyring) Unprotect(name string, blob []byte) ([]byte, error) {
	secret, err := unwrap(k.root, k.protectContext(name), blob)
	if err != nil || len(name) > maxProtectName {
		return nil, fmt.Errorf("unprotecting a secret: %w", ErrProtected)
	}
	return secret[:], nil
}

func (k *Keyring) protectContext(name string) []byte {
	return lp(lp(lp(nil, "protected"), k.storeID[:]), name)
}
