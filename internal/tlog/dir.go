package tlog

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"strconv"
)

// DirSource reads a log from plain files, laid out as c2sp.org/tlog-tiles has
// them under a prefix: checkpoint, tile/<L>/<N>[.p/<W>], tile/entries/….
// A symbolic link that leads out of the folder is refused. It keeps nothing
// open and is safe for concurrent use.
type DirSource struct {
	root string
}

var (
	_ Tiles   = (*DirSource)(nil)
	_ Entries = (*DirSource)(nil)
)

// Dir makes a source of a folder. Whether it exists shows at the first read.
func Dir(root string) *DirSource { return &DirSource{root: root} }

// Checkpoint reads the signed note at checkpoint, not verified.
func (d *DirSource) Checkpoint(ctx context.Context) ([]byte, error) {
	return d.read(ctx, "checkpoint", MaxNote)
}

// ReadTile implements Tiles.
func (d *DirSource) ReadTile(ctx context.Context, level int, n int64, width int) ([]byte, error) {
	if err := CheckTile(level, n, width); err != nil {
		return nil, err
	}
	name := func(width int) string { return TilePath(level, n, width) }
	return d.widest(ctx, name, width, MaxTile, CutTile)
}

// ReadEntries implements Entries.
func (d *DirSource) ReadEntries(ctx context.Context, n int64, width int) ([]byte, error) {
	if err := CheckTile(0, n, width); err != nil {
		return nil, err
	}
	name := func(width int) string { return EntriesPath(n, width) }
	return d.widest(ctx, name, width, MaxBundle, CutEntries)
}

// widest reads the file of this width, or else of a wider one: a log may
// delete a partial tile once there is a full one. The full one comes last, so
// that a tile that grows meanwhile is found.
func (d *DirSource) widest(ctx context.Context, name func(int) string, width int, limit int, cut func([]byte, int, int) ([]byte, error)) ([]byte, error) {
	data, err := d.read(ctx, name(width), limit)
	have := width
	if errors.Is(err, fs.ErrNotExist) && width < TileWidth {
		wider := append(d.partials(path.Dir(name(width)), width), TileWidth)
		for _, have = range wider {
			var e error
			if data, e = d.read(ctx, name(have), limit); !errors.Is(e, fs.ErrNotExist) {
				err = e
				break
			}
		}
	}
	if err != nil {
		return nil, err
	}
	if data, err = cut(data, have, width); err != nil {
		return nil, fmt.Errorf("reading %s: %w", name(have), err)
	}
	return data, nil
}

// partials lists the widths above width that a folder of partial tiles has,
// ascending. A folder that cannot be read has none: the full tile may be there.
func (d *DirSource) partials(folder string, width int) []int {
	root, err := os.OpenRoot(d.root)
	if err != nil {
		return nil
	}
	defer root.Close() //nolint:errcheck // read only
	entries, err := fs.ReadDir(root.FS(), folder)
	if err != nil {
		return nil
	}
	var out []int
	for _, e := range entries {
		if w, err := strconv.Atoi(e.Name()); err == nil && w > width && w < TileWidth {
			out = append(out, w)
		}
	}
	slices.Sort(out)
	return out
}

// read reads one plain file of at most limit bytes.
func (d *DirSource) read(ctx context.Context, name string, limit int) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	root, err := os.OpenRoot(d.root)
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", name, err)
	}
	defer root.Close() //nolint:errcheck // read only
	if info, err := root.Stat(name); err != nil {
		return nil, fmt.Errorf("reading %s: %w", name, err)
	} else if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("reading %s: not a plain file", name)
	}
	f, err := root.OpenFile(name, os.O_RDONLY, 0)
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", name, err)
	}
	defer f.Close() //nolint:errcheck // read only
	data, err := io.ReadAll(io.LimitReader(f, int64(limit)+1))
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", name, err)
	}
	if len(data) > limit {
		return nil, fmt.Errorf("reading %s: more than %d bytes", name, limit)
	}
	return data, nil
}
