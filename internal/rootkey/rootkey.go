// Package rootkey opens the key that is above all others. It wraps a single
// key of the key store, so that a start asks for it once, and is a file, a
// file under a passphrase, or a key that a key service never gives away.
//
// # Names
//
//	file:PATH, PATH                  a file of ours, perhaps under a passphrase
//	hashivault://KEY?engine=transit  a key of Vault's transit engine
//	awskms://, gcpkms://, azurekeyvault://   in the program lethe-kms
//
// A name holds no secret. What opens a file or a service is in another file,
// or in the environment of the service's own tools; no key or passphrase is
// ever an argument.
//
// # Limits
//
// Nothing is destroyed by way of a root key: erasure deletes keys below it.
// So it does not matter here that key services delete late.
package rootkey

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"
)

// Provider wraps small secrets. It may be used concurrently. Neither method
// takes additional data: who wraps puts the context inside.
//
// Errors are of this package: ErrMissing, ErrWrong, ErrDenied, ErrUnreachable.
// They say what to do, and hold nothing secret.
type Provider interface {
	// Name says which key it is, for people: "file", "hashivault://lethe".
	Name() string
	// Wrap encrypts at most MaxPlain bytes; equal ones differ.
	Wrap(ctx context.Context, plain []byte) ([]byte, error)
	// Unwrap is the reverse, also after the service has rotated its key.
	Unwrap(ctx context.Context, wrapped []byte) ([]byte, error)
	Close() error
}

// MaxPlain is what every provider can wrap, in bytes: an RSA key of 2048 bits
// takes 190 (RFC 8017, 7.1.1, with SHA-256).
const MaxPlain = 128

// Errors of providers.
var (
	ErrMissing     = errors.New("the root key is missing: put it back, or restore it from where you keep it")
	ErrWrong       = errors.New("the root key does not open this key store: it belongs to another one")
	ErrExposed     = errors.New("can be read by others: chmod 600 it")
	ErrDenied      = errors.New("the key service refuses to use the root key: give this program the right to, and see that the key is enabled")
	ErrUnreachable = errors.New("the key service of the root key cannot be reached: bring it back, or correct its address")
	ErrPassphrase  = errors.New("the passphrase does not open the root key")
)

// Opener opens a provider by what follows the scheme of its name.
type Opener func(ctx context.Context, name string, o Options) (Provider, error)

// Options say how to open a root key.
type Options struct {
	// Create makes a file that is missing. A key of a service is made there.
	Create bool
	// PassphraseFile is the file with the passphrase of a root key file, which
	// only its owner may read; "": the file has none.
	PassphraseFile string

	Rand io.Reader                        // default: crypto/rand
	Env  func(name string) (string, bool) // default: os.LookupEnv
	HTTP *http.Client                     // default: one that gives up after 30 s and follows nobody

	// More are further schemes.
	More map[string]Opener

	passes, memory uint32 // of Argon2id in a new file; KiB
}

func (o *Options) setDefaults() {
	if o.Rand == nil {
		o.Rand = rand.Reader
	}
	if o.Env == nil {
		o.Env = os.LookupEnv
	}
	if o.passes == 0 {
		o.passes, o.memory = defaultTime, defaultMemory
	}
	if o.HTTP == nil {
		o.HTTP = &http.Client{Timeout: 30 * time.Second}
	}
}

// Scheme is what kind of root key a name is of: "file", "hashivault", …
func Scheme(name string) string {
	if scheme, _, ok := strings.Cut(name, "://"); ok {
		return scheme
	}
	return "file"
}

// Check reports a name that no program opens. It does not repeat the name,
// which may hold a secret by mistake.
func Check(name string) error {
	switch scheme := Scheme(name); scheme {
	case "file":
		if strings.TrimPrefix(name, "file:") == "" {
			return errors.New("no root key was named")
		}
	case "hashivault", "awskms", "gcpkms", "azurekeyvault":
	case "base64key":
		return errors.New("base64key is not read: the key would be in the settings, and its empty form makes a key that is kept nowhere")
	default:
		return errors.New("the root key must be named as file:PATH, hashivault://KEY, or the key of another service")
	}
	return nil
}

// Open opens a root key by its name. Of a service it checks nothing yet.
// Errors: ErrMissing, ErrExposed, ErrPassphrase, or what is wrong with the
// name or the surroundings.
func Open(ctx context.Context, name string, o Options) (p Provider, err error) {
	o.setDefaults()
	if err := Check(name); err != nil {
		return nil, err
	}
	scheme := Scheme(name)
	if scheme != "file" && o.PassphraseFile != "" {
		return nil, errors.New("a passphrase opens a file, and the root key is none: leave the passphrase out")
	}
	open := o.More[scheme]
	switch {
	case scheme == "file":
		open = openFile
	case scheme == "hashivault" && open == nil:
		open = openVault
	}
	if open == nil {
		return nil, fmt.Errorf("this program does not know %s:// keys: run lethe-kms, which is built with the clients of these services", scheme)
	}
	if p, err = open(ctx, name, o); err != nil {
		return nil, fmt.Errorf("opening the root key: %w", err)
	}
	return p, nil
}
