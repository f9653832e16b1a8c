package audit

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"

	"lethe/internal/leaf"
	"lethe/internal/tlog"
)

// tree is a sealed tree by its files: hash tiles and entries of one origin,
// up to a size. Where a file is not what it must be, it goes by what was
// computed, so that damage to one file does not look like damage to the rest.
type tree struct {
	dir   string // where the files lie
	label string // what findings call it
	size  uint64

	mu     sync.Mutex
	fixed  map[tileID]*fixedTile
	told   map[tileID]bool // files that were reported as unreadable
	doubts map[uint64]bool // tiles of level 0 that are to be compared with the tile above once more
	spoilt map[uint64]bool // bundles that are not those of the leaves
	lost   bool            // more is wrong than fits in memory
	broken bool            // an event is not the one that was sealed, or was not compared
}

type tileID struct {
	level int
	n     uint64
}

// fixedTile is what a tile must hold.
type fixedTile struct {
	hashes  []byte
	unknown map[int]bool // hashes that neither the file nor the log gives
}

// maxFixed and maxDoubts bound what is kept of a tree that is in ruins.
const (
	maxFixed  = 4096
	maxDoubts = 1 << 18
)

func newTree(dir, label string, size uint64) *tree {
	return &tree{
		dir: dir, label: label, size: size, fixed: map[tileID]*fixedTile{}, told: map[tileID]bool{}, doubts: map[uint64]bool{}, spoilt: map[uint64]bool{},
	}
}

// path is a tile's file as findings name it.
func (t *tree) path(level int, n uint64) string {
	return t.label + "/" + tlog.TilePath(level, int64(n), width(t.size, level, n))
}

func (t *tree) entriesPath(n uint64) string {
	return t.label + "/" + tlog.EntriesPath(int64(n), width(t.size, 0, n))
}

// errSize: a file has not the size that its name promises.
var errSize = errors.New("it has another size")

// tile reads a hash tile's file into buf and gives the hashes that the tree
// has of it.
func (t *tree) tile(level int, n uint64, buf *[]byte) ([]byte, error) {
	w := width(t.size, level, n)
	err := t.read(tlog.TilePath(level, int64(n), tileWidth), tlog.TilePath(level, int64(n), w), tileBytes, buf)
	if err != nil {
		return nil, err
	}
	if have := len(*buf); have != tileBytes && have != w*hashSize {
		return nil, fmt.Errorf("%w: %d bytes", errSize, have)
	}
	return (*buf)[:w*hashSize], nil
}

// entries reads an entry bundle's file into buf, which may hold more entries
// than the tree has.
func (t *tree) entries(n uint64, buf *[]byte) ([]byte, error) {
	w := width(t.size, 0, n)
	err := t.read(tlog.EntriesPath(int64(n), tileWidth), tlog.EntriesPath(int64(n), w), tlog.MaxBundle, buf)
	return *buf, err
}

// read reads the full form of a file, or the partial one. A partial one that
// is gone was filled meanwhile.
func (t *tree) read(full, partial string, limit int, buf *[]byte) error {
	err := readInto(filepath.Join(t.dir, full), limit, buf)
	if full == partial || !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err = readInto(filepath.Join(t.dir, partial), limit, buf); errors.Is(err, fs.ErrNotExist) {
		err = readInto(filepath.Join(t.dir, full), limit, buf)
	}
	return err
}

// readInto reads a whole file of at most limit bytes, in buf's memory.
func readInto(path string, limit int, buf *[]byte) error {
	f, err := os.Open(path) //nolint:gosec // a file of the ledger
	if err != nil {
		return err
	}
	defer f.Close() //nolint:errcheck // was only read
	b := (*buf)[:0]
	for {
		if len(b) == cap(b) {
			b = append(b, make([]byte, max(cap(b), 16<<10))...)[:len(b)]
		}
		n, err := f.Read(b[len(b):cap(b)])
		b = b[:len(b)+n]
		*buf = b
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return fmt.Errorf("reading %s: %w", filepath.Base(path), err)
		case len(b) > limit:
			return fmt.Errorf("%w: more than %d bytes", errSize, limit)
		}
	}
}

// whyOf says what is wrong with a file that was not read.
func whyOf(err error) string {
	if errors.Is(err, fs.ErrNotExist) {
		return "it is not there"
	}
	if errors.Is(err, errSize) {
		return err.Error()
	}
	return "it cannot be read: " + err.Error()
}

// unread reports a file that could not be read, once. Level -1 is entries.
func (t *tree) unread(level int, n uint64, err error, report func(Finding)) {
	where := t.entriesPath(n)
	if level < 0 {
		t.spoil(n)
	} else {
		where = t.path(level, n)
	}
	t.mu.Lock()
	told := t.told[tileID{level, n}] || len(t.told) >= maxFixed
	t.told[tileID{level, n}] = true
	t.mu.Unlock()
	if told {
		return
	}
	report(Finding{Where: where, What: whyOf(err), Means: meansTile})
}

// fix notes hashes of a tile from one on, which the file has otherwise.
func (t *tree) fix(level int, n uint64, from int, hashes []byte) {
	t.mu.Lock()
	defer t.mu.Unlock()
	id := tileID{level, n}
	fixed := t.fixed[id]
	if fixed == nil {
		if len(t.fixed) >= maxFixed {
			t.lost = true
			return
		}
		fixed = t.begin(level, n)
		t.fixed[id] = fixed
	}
	copy(fixed.hashes[from*hashSize:], hashes)
	for i := range len(hashes) / hashSize {
		delete(fixed.unknown, from+i)
	}
}

// begin takes a tile from its file, as far as there is one.
func (t *tree) begin(level int, n uint64) *fixedTile {
	w := width(t.size, level, n)
	f := &fixedTile{hashes: make([]byte, w*hashSize), unknown: map[int]bool{}}
	var buf []byte
	if b, err := t.tile(level, n, &buf); err == nil {
		copy(f.hashes, b)
		return f
	}
	for i := range w {
		f.unknown[i] = true
	}
	return f
}

// breakUp notes that the log is not what was sealed, whatever the tiles say.
func (t *tree) breakUp() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.broken = true
}

// isWhole reports whether every event was compared with what was sealed.
func (t *tree) isWhole() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return !t.broken && !t.lost
}

// doubt asks that tiles of level 0 be compared with the tiles above them, and
// their entries with them, when all leaves were read: those of leaves from,
// to exclusive.
func (t *tree) doubt(from, to uint64) {
	if to = min(to, t.size); from >= to {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for n := from / tileWidth; n*tileWidth < to; n++ {
		if len(t.doubts) >= maxDoubts {
			t.lost = true
			return
		}
		t.doubts[n] = true
	}
}

// spoil notes that a bundle is not that of the leaves.
func (t *tree) spoil(n uint64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.spoilt) >= maxDoubts {
		t.lost = true
		return
	}
	t.spoilt[n] = true
}

// isSpoiled reports whether a bundle of leaves from to, exclusive, is not
// that of the leaves.
func (t *tree) isSpoiled(from, to uint64) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.lost {
		return true
	}
	for n := from / tileWidth; n*tileWidth < to; n++ {
		if t.spoilt[n] {
			return true
		}
	}
	return false
}

// errUnknown: neither a file nor the log gives a hash.
var errUnknown = errors.New("it is damaged, and the log does not give what it held")

// must is what a tile must hold. The memory is buf's or shared, and not to be
// written to.
func (t *tree) must(level int, n uint64, buf *[]byte) ([]byte, error) {
	t.mu.Lock()
	fixed, lost := t.fixed[tileID{level, n}], t.lost
	t.mu.Unlock()
	switch {
	case lost:
		return nil, errUnknown
	case fixed == nil:
		return t.tile(level, n, buf)
	case len(fixed.unknown) > 0:
		return nil, errUnknown
	}
	return fixed.hashes, nil
}

// rootAt is the root that the tree had at a size.
func (t *tree) rootAt(size uint64) (node, error) {
	var levels [][]byte
	for level := 0; size>>(8*level) > 0; level++ {
		n := size >> (8 * (level + 1))
		w := width(size, level, n)
		if w == 0 {
			levels = append(levels, nil)
			continue
		}
		var buf []byte
		b, err := t.must(level, n, &buf)
		if err != nil {
			return node{}, fmt.Errorf("%s: %w", t.path(level, n), err)
		}
		levels = append(levels, b[:w*hashSize])
	}
	return edgeRoot(levels), nil
}

// skip gives where the n-th entry of a bundle begins; false when it ends before.
func skip(bundle []byte, n int) (at int, ok bool) {
	for ; n > 0; n-- {
		if len(bundle)-at < 2 {
			return at, false
		}
		at += 2 + int(bundle[at])<<8 + int(bundle[at+1])
	}
	return at, at <= len(bundle)
}

// entriesOf splits the first entries of a bundle; those behind damage are nil.
func entriesOf(bundle []byte, n int) [][]byte {
	out := make([][]byte, 0, n)
	for e, err := range leaf.Entries(bundle) {
		if err != nil || len(out) == n {
			break
		}
		out = append(out, e)
	}
	return append(out, make([][]byte, n-len(out))...)
}

// isLeaf reports whether an entry has a hash.
func isLeaf(entry, h []byte) bool {
	if entry == nil {
		return false
	}
	sum := leaf.Hash(entry)
	return bytes.Equal(sum[:], h)
}
