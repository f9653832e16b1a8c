package projections

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// directory is where a view's files lie:
//
//	DATA/views/<name>/CURRENT    "<n>.db\n": the live file
//	DATA/views/<name>/<n>.db     one build of the view, with its checkpoint
//
// CURRENT is replaced by a synced rename, so it names a complete file or the
// one before. A file that it does not name is the rest of an interrupted
// build or an old one that was not removed yet.
type directory struct {
	path string
	hook func(point string) error
}

const current = "CURRENT"

func openDirectory(path string, hook func(string) error) (directory, error) {
	d := directory{path: path, hook: hook}
	if err := os.MkdirAll(path, 0o700); err != nil {
		return d, fmt.Errorf("making the view's directory: %w", err)
	}
	return d, syncDir(filepath.Dir(path))
}

// live is the number of the live file, 0 when there is none.
func (d directory) live() (int, error) {
	b, err := os.ReadFile(filepath.Join(d.path, current))
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("reading %s: %w", current, err)
	}
	n, ok := fileNumber(strings.TrimSuffix(string(b), "\n"))
	if !ok {
		return 0, fmt.Errorf("%w: %s names no file", errDamaged, current)
	}
	return n, nil
}

func (d directory) file(n int) string { return filepath.Join(d.path, strconv.Itoa(n)+".db") }

// numbers are those of all files there.
func (d directory) numbers() ([]int, error) {
	entries, err := os.ReadDir(d.path)
	if err != nil {
		return nil, fmt.Errorf("listing the view's directory: %w", err)
	}
	var found []int
	for _, e := range entries {
		if n, ok := fileNumber(e.Name()); ok {
			found = append(found, n)
		}
	}
	return found, nil
}

func fileNumber(name string) (int, bool) {
	digits, ok := strings.CutSuffix(name, ".db")
	n, err := strconv.Atoi(digits)
	return n, ok && err == nil && n > 0 && strconv.Itoa(n) == digits
}

// sweep removes what a crash left, that is every file but the live one, and
// gives the number for the next build.
func (d directory) sweep(live int) (next int, err error) {
	found, err := d.numbers()
	if err != nil {
		return 0, err
	}
	next, err = live+1, os.Remove(filepath.Join(d.path, current+".tmp"))
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	for _, n := range found {
		next = max(next, n+1)
		if n != live {
			err = errors.Join(err, removeFile(d.file(n)))
		}
	}
	return next, err
}

// point makes n the live file: after it returns nil no crash brings the old
// one back.
func (d directory) point(n int) error {
	tmp := filepath.Join(d.path, current+".tmp")
	if err := writeSynced(tmp, []byte(strconv.Itoa(n)+".db\n")); err != nil {
		return err
	}
	if err := d.hook("swap.written"); err != nil {
		return err
	}
	if err := os.Rename(tmp, filepath.Join(d.path, current)); err != nil {
		return fmt.Errorf("renaming %s: %w", current, err)
	}
	if err := d.hook("swap.renamed"); err != nil {
		return err
	}
	if err := syncDir(d.path); err != nil {
		return err
	}
	return d.hook("swap.synced")
}

// removeFile removes a database file with what SQLite keeps beside it. The
// file itself goes last: while anything is left of it, it is found.
func removeFile(path string) error {
	var errs []error
	for _, suffix := range []string{"-wal", "-shm", "-journal", ""} {
		if err := os.Remove(path + suffix); err != nil && !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, fmt.Errorf("removing an old view file: %w", err))
		}
	}
	return errors.Join(errs...)
}

func writeSynced(path string, b []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return fmt.Errorf("writing %s: %w", filepath.Base(path), err)
	}
	_, err = f.Write(b)
	if err == nil {
		err = f.Sync()
	}
	if err := errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("writing %s: %w", filepath.Base(path), err)
	}
	return nil
}

// syncFile and syncDir make bytes, and names, survive a lost power.
func syncFile(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return fmt.Errorf("syncing the view's file: %w", err)
	}
	if err := errors.Join(f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("syncing the view's file: %w", err)
	}
	return nil
}

func syncDir(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("syncing the view's directory: %w", err)
	}
	if err := errors.Join(f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("syncing the view's directory: %w", err)
	}
	return nil
}
