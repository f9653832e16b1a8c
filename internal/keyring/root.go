package keyring

import (
	"bytes"
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

// The root key file is one line: the prefix and 32 random bytes in base64.
// The prefix keeps some other file from being taken for a key.
const rootPrefix = "lethe-root-key-1:"

// rootPath takes the scheme off. Only local files are read; schemes whose
// empty form silently makes a key, and all others, are refused.
func rootPath(name string) (string, error) {
	path := strings.TrimPrefix(name, "file:")
	if path == "" {
		return "", errors.New("no root key file was named")
	}
	if strings.Contains(path, "://") {
		return "", errors.New("the root key must be named as file:PATH")
	}
	return path, nil
}

// readRoot returns fs.ErrNotExist when the file is not there.
func readRoot(path string) (key [keySize]byte, err error) {
	f, err := os.Open(path) //nolint:gosec // the operator names it
	if err != nil {
		return key, fmt.Errorf("opening the root key: %w", err)
	}
	defer f.Close() //nolint:errcheck // read only
	info, err := f.Stat()
	if err != nil {
		return key, fmt.Errorf("opening the root key: %w", err)
	}
	if runtime.GOOS != "windows" && info.Mode().Perm()&0o077 != 0 {
		return key, fmt.Errorf("%s: %w", path, ErrRootExposed)
	}
	text, err := io.ReadAll(io.LimitReader(f, 256))
	if err != nil {
		return key, fmt.Errorf("reading the root key: %w", err)
	}
	defer clear(text)
	encoded, ok := bytes.CutPrefix(bytes.TrimSpace(text), []byte(rootPrefix))
	var raw [keySize + 8]byte
	defer clear(raw[:])
	if !ok || base64.StdEncoding.DecodedLen(len(encoded)) > len(raw) {
		return key, fmt.Errorf("%s %w", path, errNotRoot)
	}
	n, err := base64.StdEncoding.Decode(raw[:], encoded)
	if err != nil || n != keySize {
		return key, fmt.Errorf("%s %w", path, errNotRoot)
	}
	copy(key[:], raw[:])
	return key, nil
}

// createRoot makes a root key file that did not exist, durably.
func createRoot(path string, rand io.Reader) (key [keySize]byte, err error) {
	if _, err = io.ReadFull(rand, key[:]); err != nil {
		return key, fmt.Errorf("drawing a root key: %w", err)
	}
	if err = os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return key, fmt.Errorf("creating the root key: %w", err)
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600) //nolint:gosec // the operator names it
	if err != nil {
		return key, fmt.Errorf("creating the root key: %w", err)
	}
	_, err = f.WriteString(rootPrefix + base64.StdEncoding.EncodeToString(key[:]) + "\n")
	err = errors.Join(err, f.Sync(), f.Close())
	if err != nil {
		return key, fmt.Errorf("creating the root key: %w", err)
	}
	return key, syncDir(filepath.Dir(path))
}

// loadRoot reads the root key, or makes it when there is nothing yet that it
// should open.
func loadRoot(o *Options, stored bool) (cipher.AEAD, error) {
	path, err := rootPath(o.RootKeyFile)
	if err != nil {
		return nil, err
	}
	key, err := readRoot(path)
	switch {
	case errors.Is(err, fs.ErrNotExist) && stored:
		return nil, fmt.Errorf("%s: %w", path, ErrRootMissing)
	case errors.Is(err, fs.ErrNotExist) && o.CreateRoot:
		key, err = createRoot(path, o.Rand)
	}
	if err != nil {
		return nil, err
	}
	defer clear(key[:])
	wrapping := part.Expand(key[:], []byte("lethe/v1/root-wrap"))
	defer clear(wrapping[:])
	return part.NewAEAD(wrapping[:])
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
