package witness

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
)

// KeyFile is the name of the key in a witness's directory.
const KeyFile = "witness.key"

// Errors of the key file.
var (
	ErrKeyExposed = errors.New("the witness's key can be read by others: chmod 600 it, and think about who may have read it")
	ErrKeyMissing = errors.New("the witness's key is not there, but checkpoints that it cosigned are: put the key back, " +
		"or begin as another witness in a new directory")
)

// LoadKey reads the key of the witness in dir. In a directory that holds no
// cosigned checkpoints it makes one at first, which made tells. The file is
// for its owner alone.
func LoadKey(dir string, random io.Reader) (key Key, made bool, err error) {
	key, err = readKey(filepath.Join(dir, KeyFile))
	if !errors.Is(err, fs.ErrNotExist) {
		return key, false, err
	}
	used, err := holdsHistory(dir)
	if err != nil {
		return Key{}, false, err
	}
	if used {
		return Key{}, false, fmt.Errorf("%s: %w", dir, ErrKeyMissing)
	}
	if key, err = NewKey(random); err != nil {
		return Key{}, false, err
	}
	if err := writeKey(dir, key); err != nil {
		return Key{}, false, fmt.Errorf("making the witness's key: %w", err)
	}
	return key, true, nil
}

func readKey(path string) (Key, error) {
	f, err := os.Open(path) //nolint:gosec // the operator names it
	if err != nil {
		return Key{}, fmt.Errorf("opening the witness's key: %w", err)
	}
	defer f.Close() //nolint:errcheck // read only
	info, err := f.Stat()
	if err != nil {
		return Key{}, fmt.Errorf("opening the witness's key: %w", err)
	}
	if runtime.GOOS != "windows" && info.Mode().Perm()&0o077 != 0 {
		return Key{}, fmt.Errorf("%s: %w", path, ErrKeyExposed)
	}
	const most = 1 << 10
	text, err := io.ReadAll(io.LimitReader(f, most))
	if err != nil {
		return Key{}, fmt.Errorf("reading the witness's key: %w", err)
	}
	key, err := ParseKey(string(text))
	if err != nil {
		return Key{}, fmt.Errorf("%s: %w", path, err)
	}
	return key, nil
}

var historyFile = regexp.MustCompile(`^[0-9a-f]{64}$`)

// holdsHistory reports whether a witness has worked in dir.
func holdsHistory(dir string) (bool, error) {
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return false, fmt.Errorf("reading the witness's directory: %w", err)
	}
	for _, e := range entries {
		if historyFile.MatchString(e.Name()) {
			return true, nil
		}
	}
	return false, nil
}

// writeKey makes a key file that did not exist, durably.
func writeKey(dir string, key Key) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	path := filepath.Join(dir, KeyFile)
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600) //nolint:gosec // the operator names it
	if err != nil {
		return err
	}
	_, err = f.WriteString(key.Text())
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return errors.Join(err, os.Remove(path)) // half a key would be in the way
	}
	d, err := os.Open(dir) //nolint:gosec // the operator names it
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
