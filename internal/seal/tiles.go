package seal

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/cockroachdb/pebble/v2/vfs"
	lru "github.com/hashicorp/golang-lru/v2"
	"golang.org/x/sync/errgroup"

	"lethe/internal/durable"
	"lethe/internal/leaf"
	"lethe/internal/tlog"
)

// DifferError: a published file is not what the log gives. It is never
// overwritten: somebody has to look at it.
type DifferError struct{ Path string }

func (e *DifferError) Error() string {
	return fmt.Sprintf("%s differs from what the log gives: a published file or the log was changed; nothing more is signed", e.Path)
}

// maxEntriesBytes bounds an entry bundle.
const maxEntriesBytes = tileWidth * (2 + 1<<16)

// cachedTiles bounds the full hash tiles kept in memory, 8 KiB each.
const cachedTiles = 2048

// tiles are the static files of one origin: checkpoint, hash tiles, entries.
type tiles struct {
	fs   vfs.FS
	dir  string
	full *lru.Cache[string, []byte]
}

func newTiles(fs vfs.FS, dir string) (*tiles, error) {
	full, err := lru.New[string, []byte](cachedTiles)
	if err != nil {
		return nil, fmt.Errorf("making the tile cache: %w", err)
	}
	return &tiles{fs: fs, dir: dir, full: full}, durable.MakeDirs(fs, dir)
}

// write makes files durable: each synced and renamed, then the directories.
// One that is there with the same bytes stays; with others it is a *DifferError.
func (t *tiles) write(files []file) error {
	dirs := map[string]bool{}
	for _, f := range files {
		dirs[t.fs.PathDir(t.fs.PathJoin(t.dir, f.path))] = true
	}
	for _, dir := range slices.Sorted(maps.Keys(dirs)) {
		if err := durable.MakeDirs(t.fs, dir); err != nil {
			return err
		}
	}
	var g errgroup.Group
	g.SetLimit(4)
	for _, f := range files {
		g.Go(func() error { return t.writeOne(f) })
	}
	if err := g.Wait(); err != nil {
		return err
	}
	for _, dir := range slices.Sorted(maps.Keys(dirs)) {
		if err := durable.SyncDir(t.fs, dir); err != nil {
			return err
		}
	}
	return nil
}

func (t *tiles) writeOne(f file) error {
	path := t.fs.PathJoin(t.dir, f.path)
	there, err := durable.ReadFile(t.fs, path, maxEntriesBytes)
	switch {
	case err == nil && bytes.Equal(there, f.data):
		return nil
	case err == nil:
		return &DifferError{Path: f.path}
	case !durable.IsNotExist(err):
		return err
	}
	return durable.WriteFile(t.fs, t.fs.PathDir(path), t.fs.PathBase(path), f.data)
}

// dropPartials removes the partial forms of full tiles; they are not needed
// any more, and what stays behind is harmless.
func (t *tiles) dropPartials(files []file) {
	for _, f := range files {
		if f.full {
			_ = t.fs.RemoveAll(t.fs.PathJoin(t.dir, f.path+".p"))
		}
	}
}

// ReadTile implements tlog.Tiles.
func (t *tiles) ReadTile(_ context.Context, level int, n int64, width int) ([]byte, error) {
	path := tlog.TilePath(level, n, tileWidth)
	if b, ok := t.full.Get(path); ok {
		return b[:width*hashSize], nil
	}
	b, err := t.read(path, tileBytes)
	switch {
	case err == nil && len(b) == tileBytes:
		t.full.Add(path, b)
	case durable.IsNotExist(err) && width < tileWidth:
		path = tlog.TilePath(level, n, width)
		b, err = t.partial(path, width, tileBytes)
	}
	if err == nil && len(b) < width*hashSize {
		err = fmt.Errorf("%s is too short", path)
	}
	if err != nil {
		return nil, err
	}
	return b[:width*hashSize], nil
}

// ReadEntries implements tlog.Entries.
func (t *tiles) ReadEntries(_ context.Context, n int64, width int) ([]byte, error) {
	b, err := t.read(tlog.EntriesPath(n, tileWidth), maxEntriesBytes)
	if durable.IsNotExist(err) && width < tileWidth {
		b, err = t.partial(tlog.EntriesPath(n, width), width, maxEntriesBytes)
	}
	if err != nil {
		return nil, err
	}
	end, i := 0, 0
	for entry, err := range leaf.Entries(b) {
		if err != nil {
			return nil, fmt.Errorf("reading %s: %w", tlog.EntriesPath(n, width), err)
		}
		if i == width {
			break
		}
		i, end = i+1, end+2+len(entry)
	}
	if i < width {
		return nil, fmt.Errorf("%s holds %d entries of %d", tlog.EntriesPath(n, width), i, width)
	}
	return b[:end:end], nil
}

// partial reads a partial file, or the next wider one that is there.
func (t *tiles) partial(path string, width int, limit int64) ([]byte, error) {
	b, err := t.read(path, limit)
	if !durable.IsNotExist(err) {
		return b, err
	}
	dir := t.fs.PathDir(t.fs.PathJoin(t.dir, path))
	names, lerr := t.fs.List(dir)
	if lerr != nil {
		return nil, err
	}
	best := tileWidth
	for _, name := range names {
		var w int
		if _, serr := fmt.Sscanf(name, "%d", &w); serr == nil && fmt.Sprint(w) == name && w > width && w < best {
			best = w
		}
	}
	if best == tileWidth {
		return nil, err
	}
	return durable.ReadFile(t.fs, t.fs.PathJoin(dir, fmt.Sprint(best)), limit)
}

func (t *tiles) read(path string, limit int64) ([]byte, error) {
	return durable.ReadFile(t.fs, t.fs.PathJoin(t.dir, path), limit)
}

const checkpointName = "checkpoint"

func (t *tiles) writeCheckpoint(note []byte) error {
	return durable.ReplaceFile(t.fs, t.dir, checkpointName, note)
}

var (
	_ tlog.Tiles   = (*tiles)(nil)
	_ tlog.Entries = (*tiles)(nil)
)
