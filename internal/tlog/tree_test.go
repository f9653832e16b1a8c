package tlog_test

import (
	"context"
	"encoding/binary"
	"errors"
	"io/fs"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/transparency-dev/merkle/compact"
	"github.com/transparency-dev/merkle/rfc6962"
	sumdb "golang.org/x/mod/sumdb/tlog"

	"lethe/internal/tlog"
)

// tree is a log in memory: its leaves are numbers, its roots come from another
// implementation (transparency-dev/merkle).
type tree struct {
	stored []tlog.Hash
	roots  []tlog.Hash // by size
	tiles  map[string][]byte
	served int
}

func (t *tree) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	out := make([]tlog.Hash, len(indexes))
	for i, at := range indexes {
		if at >= int64(len(t.stored)) {
			return nil, fs.ErrNotExist
		}
		out[i] = t.stored[at]
	}
	return out, nil
}

// ReadTile serves the tile of any width that the leaves suffice for.
func (t *tree) ReadTile(_ context.Context, level int, n int64, width int) ([]byte, error) {
	t.served++
	name := tlog.TilePath(level, n, width)
	if data, ok := t.tiles[name]; ok {
		return data, nil
	}
	data, err := sumdb.ReadTileData(sumdb.Tile{H: 8, L: level, N: n, W: width}, t)
	if err == nil && width == tlog.TileWidth {
		t.tiles[name] = data
	}
	return data, err
}

func leafHash(i int) tlog.Hash {
	return sumdb.RecordHash(binary.BigEndian.AppendUint64(nil, uint64(i)))
}

func grow(tb testing.TB, size int) *tree {
	tb.Helper()
	t := &tree{roots: []tlog.Hash{tlog.EmptyRoot()}, tiles: map[string][]byte{}}
	factory := &compact.RangeFactory{Hash: rfc6962.DefaultHasher.HashChildren}
	edge := factory.NewEmptyRange(0)
	for i := range size {
		h := leafHash(i)
		hashes, err := sumdb.StoredHashesForRecordHash(int64(i), h, t)
		require.NoError(tb, err)
		t.stored = append(t.stored, hashes...)
		require.NoError(tb, edge.Append(h[:], nil))
		root, err := edge.GetRootHash(nil)
		require.NoError(tb, err)
		t.roots = append(t.roots, tlog.Hash(root))
	}
	return t
}

// lying serves one flipped bit in every tile of one level.
type lying struct {
	*tree
	level int
}

func (l lying) ReadTile(ctx context.Context, level int, n int64, width int) ([]byte, error) {
	data, err := l.tree.ReadTile(ctx, level, n, width)
	if err != nil || level != l.level {
		return data, err
	}
	data = append([]byte(nil), data...)
	data[len(data)-1] ^= 1
	return data, nil
}

var errDown = errors.New("the source is down")

type down struct{}

func (down) ReadTile(context.Context, int, int64, int) ([]byte, error) { return nil, errDown }
