package keyring

import (
	"context"
	"crypto/cipher"
	"errors"
	"fmt"
	"io"
	"os"

	"lethe/internal/part"
	"lethe/internal/rootkey"
)

// The root key wraps one key, the key-encryption key, which wraps the epoch
// keys, the key store's secrets and what Protect is given; so a start asks a
// key service once. The wrapped key lies with the epoch keys, at every place,
// and nowhere else. Since a key service takes no additional data, what is
// wrapped says itself what it is:
//
//	SHA-256( LP("kek") ‖ LP(store ID) ) 32 ‖ key 32
//
// Changing the root key wraps the same key anew.
type rootWrap struct {
	provider string // Provider.Name, for people
	wrapped  []byte
}

func kekContext(storeID [16]byte) []byte { return lp(lp(nil, "kek"), storeID[:]) }

func (o *Options) rootOptions(create bool) rootkey.Options {
	return rootkey.Options{
		Create: create && o.CreateRoot, PassphraseFile: o.RootPassphraseFile, Rand: o.Rand, Env: o.Env, More: o.RootProviders,
	}
}

// openRoot opens the root key, or makes its file when there is nothing yet
// that it should open.
func (k *Keyring) openRoot(ctx context.Context, stored bool) (rootkey.Provider, error) {
	return rootkey.Open(ctx, k.opts.RootKeyFile, k.opts.rootOptions(!stored))
}

// newKEK draws a key-encryption key and wraps it under the root key.
func newKEK(ctx context.Context, root rootkey.Provider, storeID [16]byte, rand io.Reader) (cipher.AEAD, rootWrap, error) {
	var key [keySize]byte
	defer clear(key[:])
	if _, err := io.ReadFull(rand, key[:]); err != nil {
		return nil, rootWrap{}, fmt.Errorf("drawing a key-encryption key: %w", err)
	}
	w, err := wrapKEK(ctx, root, storeID, &key)
	if err != nil {
		return nil, rootWrap{}, err
	}
	aead, err := kekAEAD(&key)
	return aead, w, err
}

func wrapKEK(ctx context.Context, root rootkey.Provider, storeID [16]byte, key *[keySize]byte) (rootWrap, error) {
	inner := boundTo(kekContext(storeID), key[:])
	defer clear(inner)
	wrapped, err := root.Wrap(ctx, inner)
	if err != nil {
		return rootWrap{}, fmt.Errorf("wrapping under the root key %s: %w", root.Name(), err)
	}
	return rootWrap{provider: root.Name(), wrapped: wrapped}, nil
}

func unwrapKEK(ctx context.Context, root rootkey.Provider, storeID [16]byte, w rootWrap) (key [keySize]byte, err error) {
	inner, err := root.Unwrap(ctx, w.wrapped)
	if err != nil {
		if w.provider != root.Name() {
			err = fmt.Errorf("%w (the key store is under %s, and the root key named is %s)", err, w.provider, root.Name())
		}
		return key, fmt.Errorf("unwrapping by the root key %s: %w", root.Name(), err)
	}
	defer clear(inner)
	bound, ok := boundOf(kekContext(storeID), inner)
	if !ok {
		return key, fmt.Errorf("unwrapping by the root key %s: %w", root.Name(), ErrRootWrong)
	}
	copy(key[:], bound)
	return key, nil
}

func kekAEAD(key *[keySize]byte) (cipher.AEAD, error) {
	wrapping := part.Expand(key[:], []byte("lethe/v1/kek-wrap"))
	defer clear(wrapping[:])
	return part.NewAEAD(wrapping[:])
}

// loadKEK asks the root key once, for the key that opens everything else.
func (k *Keyring) loadKEK(ctx context.Context, root rootkey.Provider, form *epochForm) error {
	key, err := unwrapKEK(ctx, root, form.Store, form.Root.wrap())
	if err != nil {
		return err
	}
	defer clear(key[:])
	k.root, err = kekAEAD(&key)
	return err
}

// RewrapRoot brings the key store under another root key, which it opens, or
// makes when it is a file that is missing. Nothing below it changes, and the
// old root key opens only copies of the epoch keys that were made before. From
// the next start on the new one is the one to name. same: it is the same key as
// before, perhaps under another name, so that what had opened it opens it still.
func (k *Keyring) RewrapRoot(ctx context.Context, name, passphraseFile string) (same bool, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("changing the root key: %w", err)
		}
	}()
	old, err := k.openRoot(ctx, true)
	if err != nil {
		return false, err
	}
	defer old.Close() //nolint:errcheck // nothing was written
	o := k.opts.rootOptions(true)
	o.Create, o.PassphraseFile = true, passphraseFile
	next, err := rootkey.Open(ctx, name, o)
	if err != nil {
		return false, err
	}
	defer next.Close() //nolint:errcheck // nothing was written
	key, err := unwrapKEK(ctx, old, k.storeID, k.epochs.Load().root)
	if err != nil {
		return false, err
	}
	defer clear(key[:])
	w, err := wrapKEK(ctx, next, k.storeID, &key)
	if err != nil {
		return false, err
	}
	again, err := unwrapKEK(ctx, next, k.storeID, w) // before the old one is given up
	if err != nil {
		return false, err
	}
	clear(again[:])
	again, err = unwrapKEK(ctx, old, k.storeID, w) // one key may have several names
	clear(again[:])
	same = err == nil
	if err := k.changeRoot(ctx, w); err != nil {
		return false, err
	}
	k.opts.RootKeyFile, k.opts.RootPassphraseFile = name, passphraseFile
	return same, nil
}

// changeRoot notes the new wrapping at every place.
func (k *Keyring) changeRoot(ctx context.Context, w rootWrap) error {
	return k.withState(ctx, func(st *state) error {
		if err := k.syncEpochs(st); err != nil {
			return err
		}
		if err := k.allReachable(); err != nil {
			return err
		}
		files, err := k.changeEpochs(st, func(next *epochs) error {
			next.root = w
			return nil
		})
		if err != nil {
			return err
		}
		return unreachable(files)
	})
}

// syncDir makes the names in a directory durable.
func syncDir(dir string) error {
	d, err := os.Open(dir) //nolint:gosec // a directory of ours
	if err != nil {
		return fmt.Errorf("syncing %s: %w", dir, err)
	}
	if err := errors.Join(d.Sync(), d.Close()); err != nil {
		return fmt.Errorf("syncing %s: %w", dir, err)
	}
	return nil
}
