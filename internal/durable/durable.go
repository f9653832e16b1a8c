// Package durable writes small files so that a crash leaves the old one or
// the new one, whole, and reads them within bounds. It works on Pebble's file
// system interface, so that tests can run it on one that loses what was not
// synced.
package durable

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"

	"github.com/cockroachdb/errors/oserror"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// TmpSuffix is what a file is called while it is written.
const TmpSuffix = ".tmp"

// IsNotExist reports whether err says that a file is not there.
func IsNotExist(err error) bool { return oserror.IsNotExist(err) }

// WriteFile writes and syncs a whole file under a temporary name and renames
// it into place. The directory is left to the caller to sync.
func WriteFile(fs vfs.FS, dir, name string, data []byte) error {
	tmp := fs.PathJoin(dir, name+TmpSuffix)
	f, err := fs.Create(tmp, vfs.WriteCategoryUnspecified)
	if err != nil {
		return fmt.Errorf("creating %s: %w", name, err)
	}
	_, err = f.Write(bytes.Clone(data)) // a vfs.File may change what it is given
	if err == nil {
		err = f.Sync()
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		_ = fs.Remove(tmp) // a leftover is overwritten by the next try as well
		return fmt.Errorf("writing %s: %w", name, err)
	}
	if err := fs.Rename(tmp, fs.PathJoin(dir, name)); err != nil {
		return fmt.Errorf("renaming %s: %w", name, err)
	}
	return nil
}

// ReplaceFile is WriteFile, with the directory synced: when it returns nil
// the new file is there after any crash.
func ReplaceFile(fs vfs.FS, dir, name string, data []byte) error {
	if err := WriteFile(fs, dir, name, data); err != nil {
		return err
	}
	return SyncDir(fs, dir)
}

// SyncDir makes a directory's entries durable.
func SyncDir(fs vfs.FS, dir string) error {
	d, err := fs.OpenDir(dir)
	if err != nil {
		return fmt.Errorf("opening %s to sync it: %w", fs.PathBase(dir), err)
	}
	err = d.Sync()
	if cerr := d.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return fmt.Errorf("syncing %s: %w", fs.PathBase(dir), err)
	}
	return nil
}

// MakeDirs makes dir and the parents it lacks, each durable in its own parent.
func MakeDirs(fs vfs.FS, dir string) error {
	if _, err := fs.Stat(dir); err == nil || !IsNotExist(err) {
		return err
	}
	parent := fs.PathDir(dir)
	if parent != dir {
		if err := MakeDirs(fs, parent); err != nil {
			return err
		}
	}
	if err := fs.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("making %s: %w", fs.PathBase(dir), err)
	}
	return SyncDir(fs, parent)
}

// ReadFile reads a whole file of at most limit bytes.
func ReadFile(fs vfs.FS, path string, limit int64) ([]byte, error) {
	f, err := fs.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // was only read
	b, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", fs.PathBase(path), err)
	}
	if int64(len(b)) > limit {
		return nil, fmt.Errorf("%s is larger than %d bytes", fs.PathBase(path), limit)
	}
	return b, nil
}

// ErrDamaged: a file is not what was written.
var ErrDamaged = errors.New("the file is damaged")

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// EncodeJSON makes a record of v that DecodeJSON checks: one line
// "<head> <CRC-32C of what follows, in hex>", then JSON.
func EncodeJSON(head string, v any) ([]byte, error) {
	body, err := json.MarshalIndent(v, "", " ")
	if err != nil {
		return nil, fmt.Errorf("encoding %s: %w", head, err)
	}
	body = append(body, '\n')
	return fmt.Appendf(nil, "%s %08x\n%s", head, crc32.Checksum(body, castagnoli), body), nil
}

// DecodeJSON reads what EncodeJSON wrote under the same head. Any changed
// byte is ErrDamaged.
func DecodeJSON(head string, b []byte, v any) error {
	line, body, ok := bytes.Cut(b, []byte("\n"))
	if !ok || string(line) != fmt.Sprintf("%s %08x", head, crc32.Checksum(body, castagnoli)) {
		return fmt.Errorf("%w: its first line does not fit it", ErrDamaged)
	}
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.DisallowUnknownFields()
	if err := dec.Decode(v); err != nil {
		return fmt.Errorf("%w: it cannot be decoded", ErrDamaged)
	}
	return nil
}
