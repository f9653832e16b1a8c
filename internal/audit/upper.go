package audit

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"lethe/internal/tlog"
)

const (
	meansTile = "proofs that need this file fail; no event is concerned. Put it back from a mirror, or stop, remove it and seal/STATE, " +
		"and start: the files are made again from the log and compared with those that are there"
	meansAbove = "if the roots of the checkpoints fit, this file alone was changed: stop, remove it and seal/STATE, and start. " +
		"If they do not, history was changed together with the files below it"
)

// upper compares every tile above the leaves with what is below it, once all
// leaves were read.
func (t *tree) upper(ctx context.Context, report func(Finding)) error {
	for level := 0; t.size>>(8*(level+1)) > 0; level++ {
		full := t.size >> (8 * (level + 1))
		if level == 0 {
			if err := t.resolve(ctx, full, report); err != nil {
				return err
			}
			continue
		}
		var below, above []byte
		for n := range full {
			if err := ctx.Err(); err != nil {
				return err
			}
			t.compareUp(level, n, &below, &above, report)
		}
	}
	if t.size < tileWidth { // there is nothing above
		return t.resolve(ctx, 0, report)
	}
	return nil
}

// resolve looks once more at the tiles of level 0 that were doubted.
func (t *tree) resolve(ctx context.Context, full uint64, report func(Finding)) error {
	var below, above []byte
	for _, n := range slices.Sorted(maps.Keys(t.doubts)) {
		if err := ctx.Err(); err != nil {
			return err
		}
		t.checkEntries(n, &below, &above, report)
		if n < full {
			t.compareUp(0, n, &below, &above, report)
		}
	}
	return nil
}

// compareUp compares a full tile with its hash in the tile above.
func (t *tree) compareUp(level int, n uint64, below, above *[]byte, report func(Finding)) {
	b, err := t.must(level, n, below)
	if err != nil {
		t.unread(level, n, err, report)
		return
	}
	root := tileRoot(b)
	up, i := n/tileWidth, int(n%tileWidth)
	a, err := t.tile(level+1, up, above)
	switch {
	case err != nil:
		t.unread(level+1, up, err, report)
	case bytes.Equal(a[i*hashSize:(i+1)*hashSize], root[:]):
		return
	default:
		report(Finding{
			Where: t.path(level+1, up), at: uint64(i),
			What:  fmt.Sprintf("its hash %d is not that of %s", i, t.path(level, n)),
			Means: meansAbove,
		})
	}
	t.fix(level+1, up, i, root[:])
}

// checkEntries compares a bundle with the hashes of its tile: of leaves whose
// events could not be read, and of trees that are not the present one.
func (t *tree) checkEntries(n uint64, tile, bundle *[]byte, report func(Finding)) {
	w := width(t.size, 0, n)
	hashes, err := t.must(0, n, tile)
	if err != nil {
		return // was reported, or is when it is compared with the tile above
	}
	b, err := t.entries(n, bundle)
	if err != nil {
		t.unread(-1, n, err, report)
		return
	}
	for i, e := range entriesOf(b, w) {
		if !isLeaf(e, hashes[i*hashSize:(i+1)*hashSize]) {
			t.spoil(n)
			report(Finding{
				Where: t.entriesPath(n), at: n*tileWidth + uint64(i),
				What:  fmt.Sprintf("the entry of leaf %d is not that of its hash", n*tileWidth+uint64(i)),
				Means: meansTile,
			})
			return
		}
	}
}

// partials compares every partial form that lies about with the tile: a plain
// web server gives them out as they are.
func (t *tree) partials(ctx context.Context, report func(Finding)) error {
	root := filepath.Join(t.dir, "tile")
	err := filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			if os.IsNotExist(err) { // filled and dropped meanwhile
				return nil
			}
			return err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		if d.IsDir() || !strings.HasSuffix(filepath.Dir(name), ".p") {
			return nil
		}
		rel, err := filepath.Rel(t.dir, name)
		if err != nil {
			return err
		}
		t.partial(filepath.ToSlash(rel), report)
		return nil
	})
	if err != nil {
		return fmt.Errorf("listing the tiles: %w", err)
	}
	return nil
}

func (t *tree) partial(rel string, report func(Finding)) {
	level, at, w, err := tlog.ParsePath(rel)
	if err != nil || w == tileWidth {
		return // no client asks for it
	}
	n := uint64(at)
	of := max(level, 0)
	if n >= tilesAt(t.size, of) || w > width(t.size, of, n) {
		return // beyond what is compared
	}
	var have, want []byte
	err = readInto(filepath.Join(t.dir, filepath.FromSlash(rel)), tlog.MaxBundle, &have)
	if os.IsNotExist(err) {
		return
	}
	must, merr := t.prefix(level, n, w, &want)
	switch where := path.Join(t.label, rel); {
	case err != nil:
		report(Finding{Where: where, What: whyOf(err), Means: meansTile})
	case merr == nil && !bytes.Equal(have, must):
		report(Finding{Where: where, What: "it is not the beginning of its tile", Means: meansTile})
	}
}

// prefix is the first w hashes of a tile, or entries of a bundle (level -1).
func (t *tree) prefix(level int, n uint64, w int, buf *[]byte) ([]byte, error) {
	if level >= 0 {
		b, err := t.must(level, n, buf)
		if err != nil {
			return nil, err
		}
		return b[:w*hashSize], nil
	}
	b, err := t.entries(n, buf)
	if err != nil {
		return nil, err
	}
	end, ok := skip(b, w)
	if !ok {
		return nil, errSize
	}
	return b[:end], nil
}
