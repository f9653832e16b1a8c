package slack

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// page makes a leaf of 512 bytes with two cells of four bytes, a freeblock of
// ten between them, and rest wherever nothing belongs to a row.
func page(kind byte, at int, rest byte) []byte {
	p := bytes.Repeat([]byte{rest}, 512)
	h := p[at:]
	h[0], h[7] = kind, 0
	binary.BigEndian.PutUint16(h[1:], 498)
	binary.BigEndian.PutUint16(h[3:], 2)
	binary.BigEndian.PutUint16(h[5:], 494)
	pointers := at + 8
	if kind == interiorIndex || kind == interiorTable {
		pointers += 4
		binary.BigEndian.PutUint32(h[8:], 7)
	}
	binary.BigEndian.PutUint16(p[pointers:], 494)
	binary.BigEndian.PutUint16(p[pointers+2:], 508)
	copy(p[494:], "cell")
	binary.BigEndian.PutUint16(p[498:], 0)
	binary.BigEndian.PutUint16(p[500:], 10)
	copy(p[508:], "cell")
	return p
}

func TestWipeLeavesNothingButRows(t *testing.T) {
	for _, kind := range []byte{interiorIndex, interiorTable, leafIndex, leafTable} {
		for number, at := range map[uint32]int{1: fileHeader, 2: 0} {
			p := page(kind, at, 0xEE)
			copy(p[:at], bytes.Repeat([]byte{1}, at))
			want := page(kind, at, 0)
			copy(want[:at], bytes.Repeat([]byte{1}, at))
			require.True(t, Wipe(p, number))
			require.Equal(t, want, p)
			require.False(t, Wipe(p, number), "it is clean")
		}
	}
}

func TestWipeLeavesOtherPagesAlone(t *testing.T) {
	for name, spoil := range map[string]func(p []byte) []byte{
		"of an overflow chain":                func(p []byte) []byte { p[0] = 0; return p },
		"cut":                                 func(p []byte) []byte { return p[:11] },
		"too long":                            func([]byte) []byte { return make([]byte, 1<<17) },
		"more cells than fit":                 func(p []byte) []byte { p[3] = 0xff; return p },
		"cells behind its end":                func(p []byte) []byte { p[5], p[6] = 0xff, 0xff; return p },
		"cells at 65,536 of 512":              func(p []byte) []byte { p[5], p[6] = 0, 0; return p },
		"a freeblock before the cells":        func(p []byte) []byte { p[1], p[2] = 0, 9; return p },
		"a freeblock that is smaller than it": func(p []byte) []byte { p[501] = 3; return p },
		"a freeblock behind the end":          func(p []byte) []byte { p[500] = 2; return p },
		"freeblocks in a circle":              func(p []byte) []byte { p[498], p[499] = 1, 242; return p },
	} {
		t.Run(name, func(t *testing.T) {
			p := spoil(page(leafTable, 0, 0xEE))
			before := bytes.Clone(p)
			require.False(t, Wipe(p, 2))
			require.Equal(t, before, p)
		})
	}
}

// frames makes a write-ahead log; a page of the salt 0 is of an earlier round.
func frames(pages ...[]byte) []byte {
	log := make([]byte, walHeader)
	binary.BigEndian.PutUint32(log, 0x377f0682)
	binary.BigEndian.PutUint32(log[8:], 512)
	binary.BigEndian.PutUint64(log[16:], 0x5A17)
	for i, p := range pages {
		head := make([]byte, frameHeader)
		binary.BigEndian.PutUint32(head, uint32(i%3+2))
		binary.BigEndian.PutUint64(head[8:], 0x5A17)
		log = append(append(log, head...), p...)
	}
	return log
}

func TestInWAL(t *testing.T) {
	clean, dirty := page(leafIndex, 0, 0), page(leafIndex, 0, 0xEE)
	old := frames(dirty)[walHeader:]
	old[8] = 9
	for name, test := range map[string]struct {
		log  []byte
		want []uint32
	}{
		"empty":             {nil, nil},
		"a header alone":    {frames(), nil},
		"another file":      {bytes.Repeat([]byte("x"), 600), nil},
		"pages":             {frames(dirty, clean, bytes.Clone(dirty)), []uint32{2, 4}},
		"the last counts":   {frames(bytes.Clone(dirty), bytes.Clone(clean), clean, clean, bytes.Clone(dirty)), []uint32{3}},
		"an earlier round":  {append(frames(clean), old...), nil},
		"a frame is cut":    {frames(bytes.Clone(dirty), bytes.Clone(dirty))[:walHeader+frameHeader+512+300], []uint32{2}},
		"pages of odd size": {append(append(frames()[:8], 0, 0, 0, 1), make([]byte, 20)...), nil},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "x-wal")
			require.NoError(t, os.WriteFile(path, test.log, 0o600))
			pages, err := InWAL(path)
			require.NoError(t, err)
			require.Equal(t, test.want, pages)
		})
	}
	pages, err := InWAL(filepath.Join(t.TempDir(), "none"))
	require.NoError(t, err)
	require.Empty(t, pages)
	_, err = InWAL(t.TempDir())
	require.Error(t, err, "a directory")
}

func TestInFile(t *testing.T) {
	first := page(leafTable, fileHeader, 0)
	binary.BigEndian.PutUint16(first[16:], 512)
	dirty, clean := page(leafIndex, 0, 0xEE), page(leafIndex, 0, 0)
	path := filepath.Join(t.TempDir(), "x.db")
	require.NoError(t, os.WriteFile(path, slices.Concat(first, clean, dirty, make([]byte, 512), dirty, dirty[:300]), 0o600))
	pages, err := InFile(path)
	require.NoError(t, err)
	require.Equal(t, []uint32{3, 5}, pages)
	require.NoError(t, os.WriteFile(path, nil, 0o600))
	pages, err = InFile(path)
	require.NoError(t, err)
	require.Empty(t, pages)
	require.NoError(t, os.WriteFile(path, make([]byte, 600), 0o600))
	_, err = InFile(path)
	require.ErrorContains(t, err, "it is no database")
	_, err = InFile(path + "x")
	require.ErrorIs(t, err, os.ErrNotExist)
}

// FuzzInFile: any bytes are read to their end.
func FuzzInFile(f *testing.F) {
	first := page(leafTable, fileHeader, 0xEE)
	binary.BigEndian.PutUint16(first[16:], 512)
	f.Add(append(first, page(leafIndex, 0, 0xEE)...))
	f.Fuzz(func(t *testing.T, b []byte) {
		pages, err := inFile(bufio.NewReader(bytes.NewReader(b)))
		require.LessOrEqual(t, len(pages), len(b)/512)
		if err != nil {
			require.Empty(t, pages)
		}
	})
}

// FuzzWipe: whatever a page holds, its header, pointers and cells stay, wiping
// twice changes nothing, and what it does not take for a page stays as it is.
func FuzzWipe(f *testing.F) {
	for _, kind := range []byte{interiorIndex, interiorTable, leafIndex, leafTable, 0} {
		f.Add(page(kind, 0, 0xEE), uint32(2))
		f.Add(page(kind, fileHeader, 0xEE), uint32(1))
	}
	f.Fuzz(func(t *testing.T, p []byte, number uint32) {
		before := bytes.Clone(p)
		wiped := Wipe(p, number)
		require.Len(t, p, len(before))
		for i := range p {
			require.True(t, p[i] == before[i] || p[i] == 0, "bytes are only overwritten with zeros")
		}
		require.Equal(t, wiped, !bytes.Equal(p, before))
		require.False(t, Wipe(p, number))
	})
}

// FuzzInWAL: any bytes are read to their end.
func FuzzInWAL(f *testing.F) {
	f.Add(frames(page(leafIndex, 0, 0xEE), page(leafTable, 0, 0)))
	f.Fuzz(func(t *testing.T, b []byte) {
		_, err := inWAL(bytes.NewReader(b))
		require.NoError(t, err)
	})
}
