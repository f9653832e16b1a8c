package tlog_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	sumdb "golang.org/x/mod/sumdb/tlog"
	"pgregory.net/rapid"

	"lethe/internal/tlog"
)

func TestPaths(t *testing.T) {
	for path, want := range map[string][3]int64{
		"tile/0/000":                               {0, 0, 256},
		"tile/0/x001/x234/067":                     {0, 1234067, 256}, // the specification's example
		"tile/2/000.p/1":                           {2, 0, 1},
		"tile/63/999.p/255":                        {63, 999, 255},
		"tile/entries/x001/000":                    {-1, 1000, 256},
		"tile/entries/000.p/112":                   {-1, 0, 112},
		"tile/0/x001/x152/x921/x504/x606/x846/976": {0, tlog.MaxSize, 256},
	} {
		level, n, width, err := tlog.ParsePath(path)
		require.NoError(t, err, path)
		require.Equal(t, want, [3]int64{int64(level), n, int64(width)}, path)
		if level < 0 {
			require.Equal(t, path, tlog.EntriesPath(n, width))
		} else {
			require.Equal(t, path, tlog.TilePath(level, n, width))
		}
	}
}

func TestBadPaths(t *testing.T) {
	for _, path := range []string{
		"", "tile", "tile/", "tile/0", "tile/0/", "/tile/0/000", "tile/0/000/", "tile/00/000", "tile/64/000", "tile/-1/000",
		"tile/8/0/000", "tile/data/000", "tile/0/0", "tile/0/0000", "tile/0/x000", "tile/0/x000/001", "tile/0/001/x002", "tile/0/x001",
		"tile/0/x001/x002/3", "tile/0/000.p/0", "tile/0/000.p/256", "tile/0/000.p/01", "tile/0/000.p/", "tile/0/000.p/1/", "tile/0/000.p/1.p/2",
		"tile/0/000.p", "tile/0/../000", "tile/0/+01", "tile/0/-01", "tile/entries/xx01/000", "tile/0/x002/x305/x843/x009/x213/x693/952",
		"tile/0/x999/x999/x999/x999/x999/x999/x999/999", "tile/entries/", "tile/0/٠٠٠", "tile/0/000\n", "tile/0/x001//000",
	} {
		_, _, _, err := tlog.ParsePath(path)
		require.Error(t, err, path)
	}
}

// The path differs from x/mod's by the height only.
func TestPathsAgainstXMod(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		tile := sumdb.Tile{
			H: 8, L: rapid.IntRange(0, 63).Draw(t, "level"),
			N: rapid.Int64Range(0, tlog.MaxSize).Draw(t, "n"), W: rapid.IntRange(1, 256).Draw(t, "width"),
		}
		path := tlog.TilePath(tile.L, tile.N, tile.W)
		require.Equal(t, tile.Path(), "tile/8/"+path[len("tile/"):])
		level, n, width, err := tlog.ParsePath(path)
		require.NoError(t, err)
		require.Equal(t, tile, sumdb.Tile{H: 8, L: level, N: n, W: width})
	})
}
