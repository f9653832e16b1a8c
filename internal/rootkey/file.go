package rootkey

import (
	"bytes"
	"context"
	"crypto/cipher"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"lethe/internal/part"
)

// A root key file is one line: the prefix and 32 random bytes in base64, or
// what passphrase.go says. The prefix keeps some other file from being taken
// for a key.
const (
	filePrefix = "lethe-root-key-1:"
	keySize    = 32
	maxLine    = 1 << 10
)

var errNotRoot = errors.New("is not a root key file")

// IsDamage reports whether an error says that a file is not what was written.
func IsDamage(err error) bool { return errors.Is(err, errNotRoot) || errors.Is(err, ErrWrong) }

// fileKey is the provider of a file.
type fileKey struct {
	name string
	aead cipher.AEAD
}

func openFile(_ context.Context, name string, o Options) (Provider, error) {
	path := strings.TrimPrefix(name, "file:")
	line, err := readPrivate(path)
	switch {
	case errors.Is(err, fs.ErrNotExist) && o.Create:
		line, err = createFile(path, o)
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("%s: %w", path, ErrMissing)
	}
	if err != nil {
		return nil, err
	}
	defer clear(line)
	key, err := parseFile(path, line, o)
	if err != nil {
		return nil, err
	}
	defer clear(key[:])
	wrapping := part.Expand(key[:], []byte("lethe/v1/root-wrap"))
	defer clear(wrapping[:])
	aead, err := part.NewAEAD(wrapping[:])
	if err != nil {
		return nil, err
	}
	return &fileKey{"file", aead}, nil
}

// readPrivate reads a file that only its owner may read.
func readPrivate(path string) ([]byte, error) {
	f, err := os.Open(path) //nolint:gosec // the operator names it
	if err != nil {
		return nil, err
	}
	defer f.Close() //nolint:errcheck // read only
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if runtime.GOOS != "windows" && info.Mode().Perm()&0o077 != 0 {
		return nil, fmt.Errorf("%s %w", path, ErrExposed)
	}
	line, err := io.ReadAll(io.LimitReader(f, maxLine))
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", path, err)
	}
	return line, nil
}

// parseFile reads a file's line, with the passphrase when it has one.
func parseFile(path string, line []byte, o Options) (key [keySize]byte, err error) {
	body, ok := bytes.CutPrefix(bytes.TrimSpace(line), []byte(filePrefix))
	if !ok {
		return key, fmt.Errorf("%s %w", path, errNotRoot)
	}
	if bytes.HasPrefix(body, []byte(sealedPrefix)) {
		return openSealed(path, body, o)
	}
	if o.PassphraseFile != "" {
		return key, fmt.Errorf("%s has no passphrase, and one was named: leave it out, or bring the key store under a root key that has one", path)
	}
	var raw [keySize + 8]byte
	defer clear(raw[:])
	if base64.StdEncoding.DecodedLen(len(body)) > len(raw) {
		return key, fmt.Errorf("%s %w", path, errNotRoot)
	}
	n, err := base64.StdEncoding.Decode(raw[:], body)
	if err != nil || n != keySize {
		return key, fmt.Errorf("%s %w", path, errNotRoot)
	}
	copy(key[:], raw[:])
	return key, nil
}

// createFile makes a root key file that did not exist, durably, and returns
// its line.
func createFile(path string, o Options) (line []byte, err error) {
	var key [keySize]byte
	defer clear(key[:])
	if _, err = io.ReadFull(o.Rand, key[:]); err != nil {
		return nil, fmt.Errorf("drawing a root key: %w", err)
	}
	if o.PassphraseFile != "" {
		line, err = sealLine(key, o)
	} else {
		line = []byte(filePrefix + base64.StdEncoding.EncodeToString(key[:]) + "\n")
	}
	if err != nil {
		return nil, err
	}
	if err = os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, fmt.Errorf("creating the root key: %w", err)
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600) //nolint:gosec // the operator names it
	if err != nil {
		return nil, fmt.Errorf("creating the root key: %w", err)
	}
	_, err = f.Write(line)
	if err = errors.Join(err, f.Sync(), f.Close(), syncDir(filepath.Dir(path))); err != nil {
		return nil, fmt.Errorf("creating the root key: %w", err)
	}
	return line, nil
}

func syncDir(dir string) error {
	d, err := os.Open(dir) //nolint:gosec // the operator names it
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// Name implements Provider.
func (k *fileKey) Name() string { return k.name }

// Wrap implements Provider.
func (k *fileKey) Wrap(ctx context.Context, plain []byte) ([]byte, error) {
	return k.aead.Seal(nil, nil, plain, nil), ctx.Err()
}

// Unwrap implements Provider.
func (k *fileKey) Unwrap(ctx context.Context, wrapped []byte) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	plain, err := k.aead.Open(nil, nil, wrapped, nil)
	if err != nil {
		return nil, ErrWrong
	}
	return plain, nil
}

// Close implements Provider.
func (k *fileKey) Close() error { return nil }
