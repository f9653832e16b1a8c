package seal

import (
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/cockroachdb/pebble/v2/vfs"
	"golang.org/x/mod/sumdb/note"

	"lethe/internal/durable"
	"lethe/internal/tlog"
)

// Vault protects signing seeds at rest. The name is bound to the result.
type Vault interface {
	Protect(name string, secret []byte) ([]byte, error)
	Unprotect(name string, blob []byte) ([]byte, error)
}

// Key is one of the log's signing keys, as it is shown.
type Key struct {
	ID         string `json:"id"`         // 8 hexadecimal digits
	VKey       string `json:"vkey"`       // the verifier key, C2SP signed-note
	Origin     string `json:"origin"`     // the log that it signs for
	From       int64  `json:"from"`       // signs checkpoints of this size on
	Until      int64  `json:"until"`      // up to this size; -1 = it signs still
	Distrusted int64  `json:"distrusted"` // its signatures do not count from this size on; -1 = they do
	Signs      bool   `json:"signs" doc:"It signs the present checkpoints"`
}

// storedKey is a key as its file has it, the seed wrapped.
type storedKey struct {
	VKey       string `json:"vkey"`
	Origin     string `json:"origin"`
	Seed       []byte `json:"seed"`
	From       int64  `json:"from"`
	Until      int64  `json:"until"`
	Distrusted int64  `json:"distrusted"`
}

const (
	keysHead = "lethe-log-keys 1"
	keysName = "log-keys"
	keysMax  = 4 << 20
)

// keys are the signing keys of the log and of its earlier origins, in a file
// of their own in the key directory.
type keys struct {
	fs      vfs.FS
	dir     string
	vault   Vault
	rand    io.Reader
	all     []storedKey
	signers map[string]note.Signer // by vkey
}

func openKeys(fs vfs.FS, dir string, vault Vault, rand io.Reader) (*keys, error) {
	k := &keys{fs: fs, dir: dir, vault: vault, rand: rand, signers: map[string]note.Signer{}}
	b, err := durable.ReadFile(fs, fs.PathJoin(dir, keysName), keysMax)
	if durable.IsNotExist(err) {
		return k, durable.MakeDirs(fs, dir)
	}
	if err == nil {
		err = durable.DecodeJSON(keysHead, b, &k.all)
	}
	if err != nil {
		return nil, fmt.Errorf("reading the log's signing keys (%s): %w", keysName, err)
	}
	for i := range k.all {
		if err := k.load(&k.all[i]); err != nil {
			return nil, err
		}
	}
	return k, nil
}

func (k *keys) load(s *storedKey) error {
	seed, err := k.vault.Unprotect(protectName(s.Origin), s.Seed)
	if err != nil {
		return fmt.Errorf("opening a signing key of %s: %w", s.Origin, err)
	}
	defer clear(seed)
	signer, vkey, err := tlog.NewSigner(s.Origin, seed)
	if err != nil {
		return fmt.Errorf("opening a signing key of %s: %w", s.Origin, err)
	}
	if vkey != s.VKey {
		return fmt.Errorf("the signing key of %s is not that of its verifier key: %w", s.Origin, durable.ErrDamaged)
	}
	k.signers[vkey] = signer
	return nil
}

func protectName(origin string) string { return "log-signing-key/" + origin }

func (k *keys) store(all []storedKey) error {
	b, err := durable.EncodeJSON(keysHead, all)
	if err != nil {
		return err
	}
	return durable.ReplaceFile(k.fs, k.dir, keysName, b)
}

// add makes a key that signs for origin from a size on, durable before it is
// used.
func (k *keys) add(origin string, from uint64) (string, error) {
	seed := make([]byte, 32)
	defer clear(seed)
	if _, err := io.ReadFull(k.rand, seed); err != nil {
		return "", fmt.Errorf("drawing a signing key: %w", err)
	}
	signer, vkey, err := tlog.NewSigner(origin, seed)
	if err != nil {
		return "", fmt.Errorf("making a signing key: %w", err)
	}
	blob, err := k.vault.Protect(protectName(origin), seed)
	if err != nil {
		return "", fmt.Errorf("protecting a signing key: %w", err)
	}
	all := append(slices.Clone(k.all), storedKey{VKey: vkey, Origin: origin, Seed: blob, From: int64(from), Until: -1, Distrusted: -1})
	if err := k.store(all); err != nil {
		return "", err
	}
	k.all, k.signers[vkey] = all, signer
	return vkey, nil
}

// Errors of changing signing keys.
var (
	ErrNoSuchKey = errors.New("the log has no such signing key")
	ErrLastKey   = errors.New("it is the only key that signs: rotate first, so that another one does")
)

// change alters one key of an origin; at least one must go on signing.
func (k *keys) change(origin, id string, alter func(*storedKey)) (storedKey, error) {
	all := slices.Clone(k.all)
	i := slices.IndexFunc(all, func(s storedKey) bool { return s.Origin == origin && idOf(s.VKey) == id })
	if i < 0 {
		return storedKey{}, ErrNoSuchKey
	}
	alter(&all[i])
	if !slices.ContainsFunc(all, func(s storedKey) bool { return s.Origin == origin && s.signs() }) {
		return storedKey{}, ErrLastKey
	}
	if err := k.store(all); err != nil {
		return storedKey{}, err
	}
	k.all = all
	return all[i], nil
}

func (s *storedKey) signs() bool { return s.Until < 0 && s.Distrusted < 0 }

func idOf(vkey string) string {
	id, err := tlog.KeyID(vkey)
	if err != nil {
		return ""
	}
	return id
}

// signing gives the signers of an origin, oldest first.
func (k *keys) signing(origin string) []note.Signer {
	var out []note.Signer
	for i := range k.all {
		if s := &k.all[i]; s.Origin == origin && s.signs() {
			out = append(out, k.signers[s.VKey])
		}
	}
	return out
}

// list is what the log says of its keys. One that was retired before it signed
// anything is of no interest to anybody.
func (k *keys) list(origin string) tlog.KeyList {
	l := tlog.KeyList{Origin: origin}
	for _, s := range k.all {
		if s.Origin == origin && (s.Until < 0 || s.Until >= s.From) {
			l.Keys = append(l.Keys, tlog.LogKey{VKey: s.VKey, From: s.From, Until: s.Until, Distrusted: s.Distrusted})
		}
	}
	return l
}

// shown lists all keys; those of former names sign no more.
func (k *keys) shown(origin string) []Key {
	out := make([]Key, 0, len(k.all))
	for _, s := range k.all {
		out = append(out, Key{
			ID: idOf(s.VKey), VKey: s.VKey, Origin: s.Origin, From: s.From, Until: s.Until, Distrusted: s.Distrusted,
			Signs: s.signs() && s.Origin == origin,
		})
	}
	return out
}
