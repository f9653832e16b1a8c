package tlog

import (
	"context"
	"errors"
	"fmt"

	sumdb "golang.org/x/mod/sumdb/tlog"
)

// ErrProof is in every error about a proof that does not hold, as opposed to
// one that could not be made or checked.
var ErrProof = errors.New("the proof does not hold")

// tileReader gives tiles to x/mod's tree, which authenticates them.
type tileReader struct {
	ctx   context.Context
	tiles Tiles
}

var _ sumdb.TileReader = tileReader{}

func (r tileReader) Height() int                      { return tileHeight }
func (r tileReader) SaveTiles([]sumdb.Tile, [][]byte) {}

func (r tileReader) ReadTiles(tiles []sumdb.Tile) ([][]byte, error) {
	out := make([][]byte, len(tiles))
	for i, t := range tiles {
		data, err := r.tiles.ReadTile(r.ctx, t.L, t.N, t.W)
		if err != nil {
			return nil, err
		}
		if len(data) != t.W*len(Hash{}) {
			return nil, fmt.Errorf("%s: %d bytes instead of %d", TilePath(t.L, t.N, t.W), len(data), t.W*len(Hash{}))
		}
		out[i] = data
	}
	return out, nil
}

// hashes reads stored hashes of the tree of this size and root. Tiles that do
// not belong to it are an error.
func hashes(ctx context.Context, t Tiles, size int64, root Hash) sumdb.HashReader {
	return sumdb.TileHashReader(sumdb.Tree{N: size, Hash: root}, tileReader{ctx: ctx, tiles: t})
}

// Inclusion returns the proof that leaf index is in the tree of this size and
// root, from the leaf's sibling up (RFC 6962, 2.1.1). The tiles that it reads
// are authenticated against root.
func Inclusion(ctx context.Context, t Tiles, size int64, root Hash, index int64) ([]Hash, error) {
	if err := checkIndex(size, index); err != nil {
		return nil, fmt.Errorf("proving inclusion: %w", err)
	}
	path, err := sumdb.ProveRecord(size, index, hashes(ctx, t, size, root))
	if err != nil {
		return nil, fmt.Errorf("proving inclusion of %d in %d: %w", index, size, err)
	}
	return path, nil
}

// Consistency returns the proof that the tree of this size and root goes on
// from its first from leaves (RFC 6962, 2.1.2). It is empty when from is 0 or
// size. The tiles that it reads are authenticated against root.
func Consistency(ctx context.Context, t Tiles, size int64, root Hash, from int64) ([]Hash, error) {
	if err := checkFrom(size, from); err != nil {
		return nil, fmt.Errorf("proving consistency: %w", err)
	}
	if from == 0 || from == size {
		return nil, nil
	}
	path, err := sumdb.ProveTree(size, from, hashes(ctx, t, size, root))
	if err != nil {
		return nil, fmt.Errorf("proving consistency of %d with %d: %w", from, size, err)
	}
	return path, nil
}

// RootAt returns the root of the first at leaves of the tree of this size and
// root. The tiles that it reads are authenticated against root.
func RootAt(ctx context.Context, t Tiles, size int64, root Hash, at int64) (Hash, error) {
	if err := checkFrom(size, at); err != nil {
		return Hash{}, fmt.Errorf("computing a root: %w", err)
	}
	switch at {
	case 0:
		return EmptyRoot(), nil
	case size:
		return root, nil
	}
	h, err := sumdb.TreeHash(at, hashes(ctx, t, size, root))
	if err != nil {
		return Hash{}, fmt.Errorf("computing the root at %d of %d: %w", at, size, err)
	}
	return h, nil
}

// VerifyInclusion checks that leaf, a leaf's hash, stands at index in the tree
// of this size and root. A proof that does not hold is an ErrProof.
func VerifyInclusion(path []Hash, size int64, root Hash, index int64, leaf Hash) error {
	if err := checkIndex(size, index); err != nil {
		return fmt.Errorf("verifying inclusion: %w", err)
	}
	if len(path) > MaxPath {
		return fmt.Errorf("verifying inclusion: %w: %d hashes, more than %d", ErrProof, len(path), MaxPath)
	}
	if err := sumdb.CheckRecord(path, size, root, index, leaf); err != nil {
		return fmt.Errorf("verifying inclusion of %d in %d: %w", index, size, ErrProof)
	}
	return nil
}

// VerifyConsistency checks that the tree of this size and root begins with the
// tree of from leaves and fromRoot. A proof that does not hold is an ErrProof.
func VerifyConsistency(path []Hash, from int64, fromRoot Hash, size int64, root Hash) error {
	if err := checkFrom(size, from); err != nil {
		return fmt.Errorf("verifying consistency: %w", err)
	}
	if err := checkConsistency(path, from, fromRoot, size, root); err != nil {
		return fmt.Errorf("verifying consistency of %d with %d: %w", from, size, err)
	}
	return nil
}

func checkConsistency(path []Hash, from int64, fromRoot Hash, size int64, root Hash) error {
	trivial := from == 0 || from == size
	switch {
	case len(path) > MaxPath:
		return fmt.Errorf("%w: %d hashes, more than %d", ErrProof, len(path), MaxPath)
	case trivial && len(path) > 0:
		return fmt.Errorf("%w: %d hashes where none are needed", ErrProof, len(path))
	case from == 0 && fromRoot != EmptyRoot():
		return fmt.Errorf("%w: the root at 0 is not that of the empty tree", ErrProof)
	case from == size && fromRoot != root:
		return fmt.Errorf("%w: two roots at one size", ErrProof)
	case trivial:
		return nil
	}
	if err := sumdb.CheckTree(path, size, root, from, fromRoot); err != nil {
		return ErrProof
	}
	return nil
}

func checkIndex(size, index int64) error {
	if size > MaxSize {
		return fmt.Errorf("size %d is larger than %d", size, int64(MaxSize))
	}
	if index < 0 || index >= size {
		return fmt.Errorf("a tree of size %d has no leaf %d", size, index)
	}
	return nil
}

func checkFrom(size, from int64) error {
	if size > MaxSize {
		return fmt.Errorf("size %d is larger than %d", size, int64(MaxSize))
	}
	if from < 0 || from > size {
		return fmt.Errorf("a tree of size %d has no older one of size %d", size, from)
	}
	return nil
}
