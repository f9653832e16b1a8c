package audit

import (
	"crypto/sha256"

	"lethe/internal/tlog"
)

const (
	hashSize  = sha256.Size
	tileWidth = tlog.TileWidth
	tileBytes = tileWidth * hashSize
)

type node = [hashSize]byte

// subtree is the root over a power of two of neighbouring hashes, at most a
// tile of them (RFC 6962 section 2.1). It overwrites them.
func subtree(hashes []byte) node {
	var pair [1 + 2*hashSize]byte
	pair[0] = 1
	for n := len(hashes); n > hashSize; n /= 2 {
		for i := 0; i < n; i += 2 * hashSize {
			copy(pair[1:], hashes[i:i+2*hashSize])
			h := sha256.Sum256(pair[:])
			copy(hashes[i/2:], h[:])
		}
	}
	return node(hashes[:hashSize])
}

// tileRoot is the root of a full tile, which it leaves as it is.
func tileRoot(tile []byte) node {
	var work [tileBytes]byte
	return subtree(work[:copy(work[:], tile)])
}

func parent(left, right node) node {
	var pair [1 + 2*hashSize]byte
	pair[0] = 1
	copy(pair[1:], left[:])
	copy(pair[1+hashSize:], right[:])
	return sha256.Sum256(pair[:])
}

// edgeRoot is the root of a tree by its right edge: at each level the hashes
// of its last tile, from level 0; empty where that level ends with a full one.
// The perfect subtrees are folded from the right.
func edgeRoot(levels [][]byte) node {
	root, first := tlog.EmptyRoot(), true
	for _, tile := range levels {
		for right := len(tile); right > 0; {
			n := right / hashSize
			left := right - (n&-n)*hashSize // the lowest bit: the last perfect subtree
			h := subtree(append([]byte(nil), tile[left:right]...))
			if first {
				root, first = h, false
			} else {
				root = parent(h, root)
			}
			right = left
		}
	}
	return root
}

// width is how many hashes the n-th tile of a level has in a tree of a size.
func width(size uint64, level int, n uint64) int {
	return int(min(size>>(8*level)-n*tileWidth, tileWidth))
}

// tilesAt is how many tiles a level has in a tree of a size, the last one
// maybe not full.
func tilesAt(size uint64, level int) uint64 {
	return (size>>(8*level) + tileWidth - 1) / tileWidth
}
