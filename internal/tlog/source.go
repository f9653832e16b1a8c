package tlog

import (
	"context"
	"encoding/binary"
	"fmt"
)

// Bounds of what a source reads, in bytes.
const (
	MaxTile   = TileWidth * len(Hash{})
	MaxBundle = TileWidth * (2 + 65535)
)

// Tiles reads hash tiles. level is 0 to 63, n not negative, width 1 to
// TileWidth. The answer has exactly 32*width bytes; it may be cut from a wider
// tile. A tile that is not there is an fs.ErrNotExist. What is read is not
// trusted: the proofs of this package authenticate it against a root.
type Tiles interface {
	ReadTile(ctx context.Context, level int, n int64, width int) ([]byte, error)
}

// Entries reads entry bundles: width entries, each a big-endian uint16 length
// and its bytes, exactly. The other terms are those of Tiles.
type Entries interface {
	ReadEntries(ctx context.Context, n int64, width int) ([]byte, error)
}

// CutTile returns the first width hashes of a tile that must have have.
func CutTile(tile []byte, have, width int) ([]byte, error) {
	const lenHash = len(Hash{})
	if len(tile) != have*lenHash {
		return nil, fmt.Errorf("%d bytes instead of %d, %d hashes", len(tile), have*lenHash, have)
	}
	if width < 1 || width > have {
		return nil, fmt.Errorf("%d hashes do not hold %d", have, width)
	}
	return tile[:width*lenHash], nil
}

// CutEntries returns the first width entries of a bundle that must have have.
func CutEntries(bundle []byte, have, width int) ([]byte, error) {
	if width < 1 || width > have || have > TileWidth {
		return nil, fmt.Errorf("%d entries do not hold %d", have, width)
	}
	at, end := 0, 0
	for i := range have {
		if len(bundle)-at < 2 {
			return nil, fmt.Errorf("the bundle ends before entry %d of %d", i+1, have)
		}
		n := int(binary.BigEndian.Uint16(bundle[at:]))
		if len(bundle)-at-2 < n {
			return nil, fmt.Errorf("the bundle ends within entry %d of %d", i+1, have)
		}
		if at += 2 + n; i == width-1 {
			end = at
		}
	}
	if at != len(bundle) {
		return nil, fmt.Errorf("%d bytes follow entry %d", len(bundle)-at, have)
	}
	return bundle[:end], nil
}

// CheckTile refuses coordinates that no tile has.
func CheckTile(level int, n int64, width int) error {
	if level < 0 || level > maxLevel || n < 0 || width < 1 || width > TileWidth {
		return fmt.Errorf("no tile has level %d, index %d, width %d", level, n, width)
	}
	return nil
}
