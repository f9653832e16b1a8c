package segment

import (
	"errors"
	"fmt"
	"io"
	"syscall"

	"github.com/cockroachdb/errors/oserror"
	"github.com/cockroachdb/pebble/v2/vfs"

	"lethe/eventstore"
)

// writeCategory is what Pebble's file systems want to know of a write.
const writeCategory = vfs.WriteCategoryUnspecified

// mediumError gives the contract's error for what the medium refuses; the
// cause stays wrapped.
func mediumError(err error) error {
	switch {
	case err == nil:
		return nil
	case vfs.IsNoSpaceError(err) || errors.Is(err, syscall.EDQUOT):
		return fmt.Errorf("%w: %w", eventstore.ErrNoSpace, err)
	case errors.Is(err, syscall.EROFS):
		return fmt.Errorf("%w: %w", eventstore.ErrReadOnly, err)
	default:
		return err
	}
}

func isNotExist(err error) bool { return oserror.IsNotExist(err) }

// makeDirs creates dir with its parents. The parents are made durable; dir's
// own entry is synced by create, which has to do so in any case.
func makeDirs(fs vfs.FS, dir string) error {
	if _, err := fs.Stat(dir); err == nil {
		return nil
	} else if !isNotExist(err) {
		return fmt.Errorf("looking for the data directory: %w", err)
	}
	if parent := fs.PathDir(dir); parent != dir {
		if err := makeDurableDirs(fs, parent); err != nil {
			return err
		}
	}
	if err := fs.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("creating the data directory: %w", mediumError(err))
	}
	return nil
}

func makeDurableDirs(fs vfs.FS, dir string) error {
	if _, err := fs.Stat(dir); err == nil {
		return nil
	}
	if err := makeDirs(fs, dir); err != nil {
		return err
	}
	return syncDir(fs, fs.PathDir(dir))
}

// syncDir makes the directory's entries durable: files created, renamed and
// removed in it.
func syncDir(fs vfs.FS, dir string) error {
	d, err := fs.OpenDir(dir)
	if err != nil {
		return fmt.Errorf("opening the directory to sync it: %w", err)
	}
	err = d.Sync()
	if cerr := d.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return fmt.Errorf("syncing the directory: %w", mediumError(err))
	}
	return nil
}

// writeFile writes and syncs a whole small file under a temporary name and
// renames it into place. The directory is left to the caller to sync.
func writeFile(fs vfs.FS, dir, name string, data []byte) error {
	tmp := fs.PathJoin(dir, name+tmpSuffix)
	f, err := fs.Create(tmp, writeCategory)
	if err != nil {
		return fmt.Errorf("creating %s: %w", name, mediumError(err))
	}
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		_ = fs.Remove(tmp) // a leftover is removed by the next open as well
		return fmt.Errorf("writing %s: %w", name, mediumError(err))
	}
	if err := fs.Rename(tmp, fs.PathJoin(dir, name)); err != nil {
		_ = fs.Remove(tmp)
		return fmt.Errorf("renaming %s: %w", name, mediumError(err))
	}
	return nil
}

// readFile reads a whole file of at most limit bytes.
func readFile(fs vfs.FS, path string, limit int64) ([]byte, error) {
	f, err := fs.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	b, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err != nil {
		return nil, err
	}
	if int64(len(b)) > limit {
		return nil, fmt.Errorf("%s is larger than %d bytes", fs.PathBase(path), limit)
	}
	return b, nil
}

// readFull reads len(b) bytes at off; a shorter file is an error.
func readFull(f vfs.File, b []byte, off int64) error {
	n, err := f.ReadAt(b, off)
	if n == len(b) {
		return nil
	}
	if err == nil || errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// zeroChunk is how much of a new segment is written at a time.
const zeroChunk = 1 << 20

// zeroFill writes zeros from off to end. Writing, not fallocate: blocks that
// were never written change the file's metadata with their first write, and
// then the sync of a group has to wait for the file system's journal as well.
//
// pace, if any, is called with the bytes written so far before each megabyte;
// what was written is then already on its way to the disk, so that the sync at
// the end is short and syncs of other files do not queue behind it.
func zeroFill(f vfs.File, off, end int64, pace func(done int64)) error {
	zeros := make([]byte, min(zeroChunk, max(end-off, 0)))
	for start := off; off < end; {
		if pace != nil {
			if _, err := f.SyncTo(off); err != nil {
				return fmt.Errorf("preparing a segment: %w", mediumError(err))
			}
			pace(off - start)
		}
		n := min(int64(len(zeros)), end-off)
		if _, err := f.WriteAt(zeros[:n], off); err != nil {
			return fmt.Errorf("preparing a segment: %w", mediumError(err))
		}
		off += n
	}
	return nil
}
