package bundle

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"lethe/internal/leaf"
	"lethe/internal/tlog"
)

// A scan reads every entry of a tree once and recomputes the root from them.
// So the entries need no hash tiles to be authentic: if the root is the
// checkpoint's, each of them is the one that the log signed. Of an entry only
// the stream's name is looked at. Memory is a bundle of entries for each
// worker, and what is of the stream.
const (
	bundlesPerChunk = 16
	chunkEntries    = bundlesPerChunk * tlog.TileWidth
)

// hit is an entry of the stream that is looked for.
type hit struct {
	index int64
	entry []byte
}

// scanned is what a scan came to.
type scanned struct {
	root    tlog.Hash
	hits    []hit
	foreign int64 // index of the first entry that is no leaf of a known version, -1 for none
}

// errEntries: a bundle of entries is not what it must be.
var errEntries = errors.New("malformed entries")

// scan reads the first size entries, in parallel.
func scan(ctx context.Context, from tlog.Entries, size int64, stream string, workers int) (scanned, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	j := joined{waiting: map[int64]chunk{}, out: scanned{foreign: -1}}
	var next atomic.Int64
	var wg sync.WaitGroup
	for range max(workers, 1) {
		wg.Go(func() {
			w := scanner{from: from, stream: []byte(stream), size: size}
			for i := next.Add(1) - 1; i*chunkEntries < size && ctx.Err() == nil; i = next.Add(1) - 1 {
				c, err := w.chunk(ctx, i)
				if err != nil {
					cancel(err)
					return
				}
				j.add(i, c)
			}
		})
	}
	wg.Wait()
	if ctx.Err() != nil {
		return scanned{}, fmt.Errorf("scanning the entries: %w", context.Cause(ctx))
	}
	return j.end(), nil
}

// chunk is what one run of chunkEntries entries came to.
type chunk struct {
	root    tlog.Hash
	hits    []hit
	foreign int64
}

// joined joins chunks in their order, whichever is done first.
type joined struct {
	mu      sync.Mutex
	waiting map[int64]chunk
	next    int64
	full    []subtree // from the left, each larger than the next
	out     scanned
}

type subtree struct {
	root  tlog.Hash
	count int64 // chunks
}

func (j *joined) add(i int64, c chunk) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.waiting[i] = c
	for {
		c, ok := j.waiting[j.next]
		if !ok {
			return
		}
		delete(j.waiting, j.next)
		j.next++
		j.out.hits = append(j.out.hits, c.hits...)
		if j.out.foreign < 0 {
			j.out.foreign = c.foreign
		}
		t := subtree{c.root, 1}
		for n := len(j.full); n > 0 && j.full[n-1].count == t.count; n = len(j.full) {
			t = subtree{node(j.full[n-1].root, t.root), 2 * t.count}
			j.full = j.full[:n-1]
		}
		j.full = append(j.full, t)
	}
}

// end joins what is left, from the right. Only the last chunk can be smaller
// than the others; joining it as if it were full gives the same tree, since
// what stands alone is carried up unchanged.
func (j *joined) end() scanned {
	if len(j.full) == 0 {
		j.out.root = tlog.EmptyRoot()
		return j.out
	}
	j.out.root = j.full[len(j.full)-1].root
	for n := len(j.full) - 2; n >= 0; n-- {
		j.out.root = node(j.full[n].root, j.out.root)
	}
	return j.out
}

func node(left, right tlog.Hash) tlog.Hash {
	var b [1 + 2*sha256.Size]byte
	b[0] = 1
	copy(b[1:], left[:])
	copy(b[1+sha256.Size:], right[:])
	return sha256.Sum256(b[:])
}

// scanner is one worker.
type scanner struct {
	from    tlog.Entries
	stream  []byte
	size    int64
	hits    []hit
	foreign int64
}

// chunk reads the i-th run of chunkEntries entries.
func (s *scanner) chunk(ctx context.Context, i int64) (chunk, error) {
	s.hits, s.foreign = nil, -1
	var roots [bundlesPerChunk]tlog.Hash
	n := 0
	for ; n < bundlesPerChunk; n++ {
		b := i*bundlesPerChunk + int64(n)
		width := min(tlog.TileWidth, s.size-b*tlog.TileWidth)
		if width <= 0 {
			break
		}
		data, err := s.from.ReadEntries(ctx, b, int(width))
		if err != nil {
			return chunk{}, err
		}
		var hashes [tlog.TileWidth]tlog.Hash
		if err := s.bundle(b, data, hashes[:width]); err != nil {
			return chunk{}, err
		}
		roots[n] = fold(hashes[:width])
	}
	return chunk{fold(roots[:n]), s.hits, s.foreign}, nil
}

// bundle hashes the entries of a bundle and keeps those of the stream.
func (s *scanner) bundle(b int64, data []byte, hashes []tlog.Hash) error {
	n := 0
	for entry, err := range leaf.Entries(data) {
		if err != nil {
			return fmt.Errorf("%s: %w: %w", tlog.EntriesPath(b, len(hashes)), errEntries, err)
		}
		if n == len(hashes) {
			n++
			break
		}
		index := b*tlog.TileWidth + int64(n)
		stream, _, ok := leaf.StreamOf(entry)
		switch {
		case !ok && s.foreign < 0:
			s.foreign = index
		case bytes.Equal(stream, s.stream):
			s.hits = append(s.hits, hit{index, bytes.Clone(entry)})
		}
		hashes[n] = leaf.Hash(entry)
		n++
	}
	if n != len(hashes) {
		return fmt.Errorf("%s: %w: it has not %d entries", tlog.EntriesPath(b, len(hashes)), errEntries, len(hashes))
	}
	return nil
}

// fold is the root over hashes, which it overwrites (RFC 6962, section 2.1:
// the left tree of two is the largest full one, so that from the left full
// pairs are joined and the last one, if it is alone, waits). The hashes can be
// of leaves, or of full subtrees of one height of which the last may be
// smaller.
func fold(hashes []tlog.Hash) tlog.Hash {
	if len(hashes) == 0 {
		return tlog.EmptyRoot()
	}
	for len(hashes) > 1 {
		half := hashes[:0]
		for i := 0; i+1 < len(hashes); i += 2 {
			half = append(half, node(hashes[i], hashes[i+1]))
		}
		if len(hashes)%2 == 1 {
			half = append(half, hashes[len(hashes)-1])
		}
		hashes = half
	}
	return hashes[0]
}

// culprit names the first bundle whose entries are not those of the level-0
// tile, for entries that do not give the root.
func culprit(ctx context.Context, t *Trust, size int64) string {
	const unknown = "the entries"
	if t.Tiles == nil {
		return unknown
	}
	s := scanner{size: size}
	for b := int64(0); b*tlog.TileWidth < size; b++ {
		width := int(min(tlog.TileWidth, size-b*tlog.TileWidth))
		tile, err := t.Tiles.ReadTile(ctx, 0, b, width)
		if err != nil || len(tile) != width*sha256.Size {
			return unknown
		}
		data, err := t.Entries.ReadEntries(ctx, b, width)
		hashes := make([]tlog.Hash, width)
		if err != nil || s.bundle(b, data, hashes) != nil {
			return tlog.EntriesPath(b, width)
		}
		for i, h := range hashes {
			if !bytes.Equal(h[:], tile[i*sha256.Size:][:sha256.Size]) {
				return fmt.Sprintf("entry %d of %s, which is not the one of %s", i, tlog.EntriesPath(b, width), tlog.TilePath(0, b, width))
			}
		}
	}
	return "the entries and the tiles of level 0 alike"
}
