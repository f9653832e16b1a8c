package tlog

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// entriesLevel is the level that stands for entry bundles.
const entriesLevel = -1

// maxLevel is the highest level a tile can have in a path.
const maxLevel = 63

// TilePath is the path of a hash tile (c2sp.org/tlog-tiles), without a leading
// slash:
//
//	tile/<level>/<n>[.p/<width>]
//
// n is written in elements of three digits, all but the last after an x:
// 1234067 is x001/x234/067. The suffix stands when width is under TileWidth.
// level is 0 to 63, n not negative, width 1 to 256; others give paths that
// ParsePath refuses.
func TilePath(level int, n int64, width int) string {
	return "tile/" + strconv.Itoa(level) + "/" + tileName(n, width)
}

// EntriesPath is the path of an entry bundle: tile/entries/<n>[.p/<width>].
func EntriesPath(n int64, width int) string {
	return "tile/entries/" + tileName(n, width)
}

func tileName(n int64, width int) string {
	s := fmt.Sprintf("%03d", n%1000)
	for n /= 1000; n > 0; n /= 1000 {
		s = fmt.Sprintf("x%03d/%s", n%1000, s)
	}
	if width < TileWidth {
		s += ".p/" + strconv.Itoa(width)
	}
	return s
}

// ParsePath is the strict inverse of TilePath and EntriesPath. level is -1 for
// an entry bundle.
func ParsePath(path string) (level int, n int64, width int, err error) {
	level, n, width, err = parsePath(path)
	if err != nil {
		return 0, 0, 0, fmt.Errorf("tile path %s: %w", quoted(path), err)
	}
	return level, n, width, nil
}

func parsePath(path string) (level int, n int64, width int, err error) {
	rest, ok := strings.CutPrefix(path, "tile/")
	head, rest, ok2 := strings.Cut(rest, "/")
	if !ok || !ok2 || len(path) > maxTilePath {
		return 0, 0, 0, errors.New("not of the form tile/<level>/<n>")
	}
	if level, err = parseLevel(head); err != nil {
		return 0, 0, 0, err
	}
	index, suffix, partial := strings.Cut(rest, ".p/")
	width = TileWidth
	if partial {
		w, err := ParseSize(suffix)
		if err != nil || w < 1 || w >= TileWidth {
			return 0, 0, 0, fmt.Errorf("%s is no width from 1 to 255", quoted(suffix))
		}
		width = int(w)
	}
	if n, err = parseIndex(index); err != nil {
		return 0, 0, 0, err
	}
	canonical := EntriesPath(n, width)
	if level != entriesLevel {
		canonical = TilePath(level, n, width)
	}
	if path != canonical {
		return 0, 0, 0, errors.New("not written the canonical way")
	}
	return level, n, width, nil
}

func parseLevel(s string) (int, error) {
	if s == "entries" {
		return entriesLevel, nil
	}
	level, err := ParseSize(s)
	if err != nil || level > maxLevel {
		return 0, fmt.Errorf("%s is no level from 0 to %d", quoted(s), maxLevel)
	}
	return int(level), nil
}

func parseIndex(s string) (int64, error) {
	var n int64
	for _, element := range strings.Split(s, "/") {
		digits := strings.TrimPrefix(element, "x")
		if len(digits) != 3 || strings.Trim(digits, "0123456789") != "" {
			return 0, fmt.Errorf("%s is no element of three digits", quoted(element))
		}
		d, err := strconv.ParseInt(digits, 10, 64)
		if err != nil || n > MaxSize/1000 {
			return 0, errors.New("the index is too large")
		}
		n = n*1000 + d
	}
	return n, nil
}
