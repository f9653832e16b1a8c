package seal

import (
	"crypto/sha256"

	"lethe/internal/leaf"
	"lethe/internal/tlog"
)

const (
	hashSize  = sha256.Size
	tileWidth = tlog.TileWidth
	tileBytes = tileWidth * hashSize
)

// edge is the right edge of the tree: at each level the hashes of its last
// tile, which is not full, and the entries that the last bundle holds. Tiles
// to the left of it are full and never change.
type edge struct {
	size    uint64
	levels  [][]byte // of hashes, one behind the other; less than a tile each
	entries []byte
}

// file is a tile or bundle to be written.
type file struct {
	path string
	data []byte
	full bool
}

// clone copies what add changes.
func (e *edge) clone() *edge {
	c := &edge{size: e.size, entries: append([]byte(nil), e.entries...)}
	for _, l := range e.levels {
		c.levels = append(c.levels, append(make([]byte, 0, tileBytes), l...))
	}
	return c
}

// add puts one entry at the end and gives the tiles that it fills.
func (e *edge) add(entry []byte, hash [hashSize]byte, files []file) []file {
	e.entries = leaf.AppendEntry(e.entries, entry)
	if (e.size+1)%tileWidth == 0 {
		files = append(files, file{path: tlog.EntriesPath(int64(e.size/tileWidth), tileWidth), data: e.entries, full: true})
		e.entries = nil
	}
	files = e.push(0, hash, files)
	e.size++
	return files
}

func (e *edge) push(level int, hash [hashSize]byte, files []file) []file {
	if level == len(e.levels) {
		e.levels = append(e.levels, make([]byte, 0, tileBytes))
	}
	e.levels[level] = append(e.levels[level], hash[:]...)
	if tile := e.levels[level]; len(tile) == tileBytes {
		n := e.size >> (8 * (level + 1))
		files = append(files, file{path: tlog.TilePath(level, int64(n), tileWidth), data: tile, full: true})
		e.levels[level] = make([]byte, 0, tileBytes)
		files = e.push(level+1, subtree(tile), files)
	}
	return files
}

// partials gives the tiles of the edge itself, as a checkpoint of this size
// needs them.
func (e *edge) partials(files []file) []file {
	for level, tile := range e.levels {
		if width := len(tile) / hashSize; width > 0 {
			n := e.size >> (8 * (level + 1))
			files = append(files, file{path: tlog.TilePath(level, int64(n), width), data: append([]byte(nil), tile...)})
		}
	}
	if width := int(e.size % tileWidth); width > 0 {
		files = append(files, file{path: tlog.EntriesPath(int64(e.size/tileWidth), width), data: append([]byte(nil), e.entries...)})
	}
	return files
}

// root is the tree's hash: the perfect subtrees from the largest on the left
// to the smallest on the right, folded from the right (RFC 6962 section 2.1).
func (e *edge) root() tlog.Hash {
	if e.size == 0 {
		return tlog.EmptyRoot()
	}
	var root [hashSize]byte
	first := true
	for _, tile := range e.levels { // from the smallest
		for right := len(tile); right > 0; {
			width := right / hashSize & -(right / hashSize) // its lowest bit: the last perfect subtree
			left := right - width*hashSize
			h := subtree(tile[left:right])
			if first {
				root, first = h, false
			} else {
				root = node(h, root)
			}
			right = left
		}
	}
	return root
}

// subtree is the hash over a power of two of neighbouring hashes.
func subtree(hashes []byte) (h [hashSize]byte) {
	var work [tileBytes]byte
	n := copy(work[:], hashes)
	for n > hashSize {
		for i := 0; i < n; i += 2 * hashSize {
			h = nodeOf(work[i : i+2*hashSize])
			copy(work[i/2:], h[:])
		}
		n /= 2
	}
	return [hashSize]byte(work[:hashSize])
}

func nodeOf(pair []byte) [hashSize]byte {
	var b [1 + 2*hashSize]byte
	b[0] = 1
	copy(b[1:], pair)
	return sha256.Sum256(b[:])
}

func node(left, right [hashSize]byte) [hashSize]byte {
	var pair [2 * hashSize]byte
	copy(pair[:], left[:])
	copy(pair[hashSize:], right[:])
	return nodeOf(pair[:])
}
