package backup

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"

	"github.com/cockroachdb/pebble/v2/vfs"

	"lethe/eventstore/segment"
	"lethe/internal/durable"
)

// work is one backup being made.
type work struct {
	*Options
	place    *place
	dir      string // under its other name
	manifest *Manifest
	have     map[string]File // segments that are in dir
	copied   int64
}

// segments links or copies the files of a snapshot, and removes what an
// earlier try put there that the snapshot does not name any more.
func (w *work) segments(ctx context.Context, snap segment.Snapshot) error {
	var todo []segment.SnapshotSegment
	var room int64
	for _, s := range snap.Segments {
		done, err := w.linked(ctx, snap.Dir, s)
		if err != nil {
			return err
		}
		if !done {
			todo = append(todo, s)
			room += s.Bytes
		}
	}
	if err := w.enough(room); err != nil {
		return err
	}
	var before int64
	for _, s := range todo {
		f, err := copyFile(ctx, w.FS, w.FS.PathJoin(snap.Dir, s.Name), w.FS.PathJoin(w.dir, logDir, s.Name), s.Bytes,
			func(n int64) { w.Progress(w.manifest.Kind, before+n, room) })
		if err != nil {
			return err
		}
		before += s.Bytes
		w.copied += s.Bytes
		f.Path = logDir + "/" + s.Name
		w.have[s.Name] = f
	}
	for name, f := range w.have {
		if slices.ContainsFunc(snap.Segments, func(s segment.SnapshotSegment) bool { return s.Name == name && s.Bytes == f.Bytes }) {
			w.manifest.Files = append(w.manifest.Files, f)
			continue
		}
		if err := w.FS.Remove(w.FS.PathJoin(w.dir, f.Path)); err != nil {
			return fmt.Errorf("removing what was copied in vain: %w", err)
		}
		delete(w.have, name)
	}
	slices.SortFunc(w.manifest.Files, func(a, b File) int { return bytes.Compare([]byte(a.Path), []byte(b.Path)) })
	return nil
}

// linked takes a segment from where it is already: this backup, the one
// before, or one that was stopped.
func (w *work) linked(ctx context.Context, from string, s segment.SnapshotSegment) (bool, error) {
	if f, ok := w.have[s.Name]; ok && f.Bytes == s.Bytes {
		return true, nil
	}
	dirs := w.place.left
	if w.place.last != nil {
		dirs = append([]string{w.place.last.Dir}, dirs...)
	}
	source, to := w.FS.PathJoin(from, s.Name), w.FS.PathJoin(w.dir, logDir, s.Name)
	for i, dir := range dirs {
		old := w.FS.PathJoin(dir, logDir, s.Name)
		same, err := sameEnds(w.FS, source, old, s.Bytes)
		if err != nil {
			return false, err
		}
		if !same {
			continue
		}
		f := File{Path: logDir + "/" + s.Name, Bytes: s.Bytes}
		if last := w.place.last; last != nil && i == 0 {
			was, _ := last.Manifest.file(f.Path)
			f.SHA256 = was.SHA256
		}
		if f.SHA256 == "" { // one that was stopped has no MANIFEST
			if f.SHA256, err = hashFile(ctx, w.FS, old, s.Bytes); err != nil {
				return false, err
			}
		}
		if err := durable.MakeDirs(w.FS, w.FS.PathDir(to)); err != nil {
			return false, err
		}
		_ = w.FS.Remove(to)
		switch err := w.FS.Link(old, to); {
		case noSpace(err):
			return false, fmt.Errorf("linking a segment: %w", err)
		case err != nil: // no links here: it is copied
			return false, nil
		}
		w.have[s.Name] = f
		return true, nil
	}
	return false, nil
}

// enough refuses to begin what cannot be brought to its end.
func (w *work) enough(need int64) error {
	usage, err := w.FS.GetDiskUsage(w.place.dir)
	if err != nil || need <= 0 || usage.AvailBytes >= uint64(need) { // not every file system tells
		return nil
	}
	return fmt.Errorf("%w: it needs %d bytes and %s has %d left; nothing was kept: make room, or name another place",
		ErrNoRoom, need, w.place.dir, usage.AvailBytes)
}

// endBytes is how much of the end of two files is compared. The checksum of
// each group of a segment covers that of the group before it, so that two
// segments with the same beginning, length and end are the same.
const endBytes = 64 << 10

// sameEnds reports whether a file has exactly n bytes, and begins and ends
// like the first n bytes of the source.
func sameEnds(fs vfs.FS, source, other string, n int64) (bool, error) {
	info, err := fs.Stat(other)
	if err != nil || info.Size() != n {
		return false, nil //nolint:nilerr // then there is nothing to take over
	}
	a, err := fs.Open(source)
	if err != nil {
		return false, fmt.Errorf("opening a segment: %w", err)
	}
	defer a.Close() //nolint:errcheck // was only read
	b, err := fs.Open(other)
	if err != nil {
		return false, nil //nolint:nilerr // as above
	}
	defer b.Close() //nolint:errcheck // was only read
	for _, from := range []int64{0, max(0, n-endBytes)} {
		x, y := make([]byte, min(endBytes, n-from)), make([]byte, min(endBytes, n-from))
		if _, err := a.ReadAt(x, from); err != nil && !errors.Is(err, io.EOF) {
			return false, fmt.Errorf("reading a segment: %w", err)
		}
		if _, err := b.ReadAt(y, from); err != nil && !errors.Is(err, io.EOF) || !bytes.Equal(x, y) {
			return false, nil
		}
	}
	return true, nil
}

// put writes a small file.
func (w *work) put(name string, data []byte) error {
	path := w.FS.PathJoin(w.dir, name)
	if err := durable.MakeDirs(w.FS, w.FS.PathDir(path)); err != nil {
		return err
	}
	if err := durable.WriteFile(w.FS, w.FS.PathDir(path), w.FS.PathBase(path), data); err != nil {
		return err
	}
	if err := private(w.FS, path); err != nil {
		return err
	}
	sum := sha256.Sum256(data)
	w.manifest.Files = append(w.manifest.Files, File{Path: name, Bytes: int64(len(data)), SHA256: hex.EncodeToString(sum[:])})
	w.copied += int64(len(data))
	return nil
}

// note takes a file that is there already.
func (w *work) note(ctx context.Context, name string) error {
	path := w.FS.PathJoin(w.dir, name)
	info, err := w.FS.Stat(path)
	if err != nil {
		return fmt.Errorf("looking at %s: %w", name, err)
	}
	sum, err := hashFile(ctx, w.FS, path, info.Size())
	if err != nil {
		return err
	}
	w.manifest.Files = append(w.manifest.Files, File{Path: name, Bytes: info.Size(), SHA256: sum})
	w.copied += info.Size()
	return nil
}

// subdirs are the directories that have files, the innermost first.
func (w *work) subdirs() []string {
	out := []string{w.dir}
	for _, f := range w.manifest.Files {
		if dir := w.FS.PathDir(w.FS.PathJoin(w.dir, f.Path)); !slices.Contains(out, dir) {
			out = append(out, dir)
		}
	}
	slices.Reverse(out)
	return out
}

// chunk is how much is copied or hashed between two looks at the context.
const chunk = 1 << 20

// copyFile copies the first n bytes of a file, durably but for the new file's
// name, and gives their hash. The file appears under its name when it is whole.
func copyFile(ctx context.Context, fs vfs.FS, from, to string, n int64, progress func(done int64)) (f File, err error) {
	if err := durable.MakeDirs(fs, fs.PathDir(to)); err != nil {
		return File{}, err
	}
	in, err := fs.Open(from)
	if err != nil {
		return File{}, fmt.Errorf("opening %s: %w", fs.PathBase(from), err)
	}
	defer in.Close() //nolint:errcheck // was only read
	out, err := fs.Create(to+durable.TmpSuffix, vfs.WriteCategoryUnspecified)
	if err != nil {
		return File{}, fmt.Errorf("creating %s: %w", fs.PathBase(to), err)
	}
	err = private(fs, to+durable.TmpSuffix)
	sum := sha256.New()
	if err == nil {
		err = each(ctx, in, n, func(b []byte, done int64) error {
			sum.Write(b) // before Write: a vfs.File may change what it is given
			_, err := out.Write(b)
			progress(done)
			return err
		})
	}
	if err == nil {
		err = out.Sync()
	}
	if err = errors.Join(err, out.Close()); err == nil {
		err = fs.Rename(to+durable.TmpSuffix, to)
	}
	if err != nil {
		return File{}, fmt.Errorf("copying %s: %w", fs.PathBase(from), err)
	}
	return File{Bytes: n, SHA256: hex.EncodeToString(sum.Sum(nil))}, nil
}

func hashFile(ctx context.Context, fs vfs.FS, path string, n int64) (string, error) {
	f, err := fs.Open(path)
	if err != nil {
		return "", fmt.Errorf("opening %s: %w", fs.PathBase(path), err)
	}
	defer f.Close() //nolint:errcheck // was only read
	sum := sha256.New()
	err = each(ctx, f, n, func(b []byte, _ int64) error {
		sum.Write(b)
		return nil
	})
	if err != nil {
		return "", fmt.Errorf("reading %s: %w", fs.PathBase(path), err)
	}
	return hex.EncodeToString(sum.Sum(nil)), nil
}

// each gives the first n bytes of a file, some at a time. A file that has
// fewer is an error.
func each(ctx context.Context, f vfs.File, n int64, do func(b []byte, done int64) error) error {
	buf := make([]byte, min(chunk, max(n, 1)))
	for done := int64(0); done < n; {
		if err := ctx.Err(); err != nil {
			return err
		}
		b := buf[:min(int64(len(buf)), n-done)]
		if got, err := f.ReadAt(b, done); got < len(b) {
			if err == nil || errors.Is(err, io.EOF) {
				err = io.ErrUnexpectedEOF
			}
			return err
		}
		done += int64(len(b))
		if err := do(b, done); err != nil {
			return err
		}
	}
	return nil
}

// private keeps a file from others: the directory does so as well, until
// somebody copies the file elsewhere.
func private(fs vfs.FS, path string) error {
	if fs != vfs.Default {
		return nil
	}
	if err := os.Chmod(path, 0o600); err != nil {
		return fmt.Errorf("keeping a file from others: %w", err)
	}
	return nil
}
