// Package room tells a full disk where SQLite does not say it.
//
// # Model
//
// SQLite has one result code for a disk that was full when it wrote
// (SQLITE_FULL) and many for what else failed, among them making room for what
// connections share (SQLITE_IOERR_SHMSIZE), which fails on a full disk, too.
// None of them names the file. Explain asks the file system then, and names it.
//
// # Limits
//
// Between the failure and the question somebody may have made room: then the
// disk counts as failed. The code is known by its method, so that this package
// does not link SQLite.
package room

import (
	"errors"
	"fmt"
	"path/filepath"
	"syscall"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// Result codes of SQLite without their upper bits: https://www.sqlite.org/rescode.html
const (
	ioerr    = 10
	full     = 13
	cantOpen = 14
)

// least is how much a disk must have left not to count as full: twice what
// SQLite asks for at once for what its connections share.
const least = 64 << 10

// explained is an error that names its file already.
type explained struct{ error }

func (e explained) Unwrap() error { return e.error }

// Explain gives SQLite's error about the database file path its reason and
// what to do, when the disk is full or failed. On a full disk
// it is syscall.ENOSPC. Other errors, and nil, stay as they are.
func Explain(path string, err error) error { return explain(path, err, left) }

func explain(path string, err error, left func(dir string) (uint64, bool)) error {
	var of interface {
		error
		Code() int
	}
	if already := (explained{}); !errors.As(err, &of) || errors.As(err, &already) {
		return err
	}
	bytes, known := left(filepath.Dir(path))
	switch code := of.Code() & 0xff; {
	case code == full, known && bytes < least && (code == ioerr || code == cantOpen):
		return explained{fmt.Errorf("writing %s: %w: make room on its disk, and repeat: %w", path, syscall.ENOSPC, err)}
	case code == ioerr:
		return explained{fmt.Errorf("reading or writing %s: its disk failed, or a quota is used up: see the system's log: %w", path, err)}
	}
	return err
}

// left is the room of a directory's file system for this process, in bytes. Not
// every file system tells.
func left(dir string) (uint64, bool) {
	usage, err := vfs.Default.GetDiskUsage(dir)
	return usage.AvailBytes, err == nil
}

// None reports whether an error says that a disk, or a quota of it, is full.
func None(err error) bool { return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) }
