// Package slack wipes the bytes of SQLite's pages that belong to no row.
//
// # Model
//
// With secure_delete SQLite overwrites what is deleted, where it lies. But
// when it evens out pages it now and then builds one anew from the cells that
// stay, and leaves the others' bytes between the cell pointers and the cells.
// Such a copy of a row that moved on is no row's: deleting the row overwrites
// the row and not the copy. Wipe overwrites it.
//
// # Limits
//
// It reads b-tree pages of files without auto_vacuum. Pages of the free list
// and of overflow chains are SQLite's to wipe, and it does. Up to three bytes
// between two cells may stay.
//
// # Compatibility
//
// The formats are SQLite's, which promises to keep them:
// https://www.sqlite.org/fileformat2.html
package slack

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
)

// A b-tree page. Numbers are big-endian; the header of page 1 is at 100.
//
//	+------+-----------------+-------+---------------+-----------+-------------+---------------+-----+----------------------+
//	| kind | first freeblock | cells | content start | fragments | right child | cell pointers | GAP | cells and freeblocks |
//	| 1    | 2               | 2     | 2; 0 = 65,536 | 1         | 4; interior | 2 each        |     | from content start   |
//	+------+-----------------+-------+---------------+-----------+-------------+---------------+-----+----------------------+
//
// A freeblock begins with where the next one is (2 bytes) and its own size (2).
const (
	interiorIndex = 2
	interiorTable = 5
	leafIndex     = 10
	leafTable     = 13

	fileHeader = 100
)

// Wipe overwrites what belongs to no row on a page, and reports whether there
// was anything. number is the page's, from 1. A page that is no b-tree page,
// or not a sound one, is left as it is.
func Wipe(page []byte, number uint32) bool {
	gap, blocks, ok := unused(page, number)
	if !ok {
		return false
	}
	wiped := wipe(gap)
	for _, b := range blocks {
		wiped = wipe(b) || wiped
	}
	return wiped
}

func wipe(b []byte) bool {
	if !slices.ContainsFunc(b, func(c byte) bool { return c != 0 }) {
		return false
	}
	clear(b)
	return true
}

// unused finds the gap and the insides of the freeblocks.
func unused(page []byte, number uint32) (gap []byte, blocks [][]byte, ok bool) {
	at := 0
	if number == 1 {
		at = fileHeader
	}
	if len(page) < at+12 || len(page) > 1<<16 {
		return nil, nil, false
	}
	head := page[at:]
	pointers := at + 8
	switch head[0] {
	case leafIndex, leafTable:
	case interiorIndex, interiorTable:
		pointers += 4
	default:
		return nil, nil, false
	}
	begin := pointers + 2*int(binary.BigEndian.Uint16(head[3:]))
	content := int(binary.BigEndian.Uint16(head[5:]))
	if content == 0 {
		content = 1 << 16
	}
	if begin > content || content > len(page) {
		return nil, nil, false
	}
	gap = page[begin:content]
	last := content
	for next := int(binary.BigEndian.Uint16(head[1:])); next != 0; next = int(binary.BigEndian.Uint16(page[next:])) {
		if next < last || next+4 > len(page) {
			return nil, nil, false
		}
		size := int(binary.BigEndian.Uint16(page[next+2:]))
		if size < 4 || next+size > len(page) {
			return nil, nil, false
		}
		blocks = append(blocks, page[next+4:next+size])
		last = next + size
	}
	return gap, blocks, true
}

// InFile lists the pages of a database file that need wiping, in order. SQLite
// must not have it open in this process: closing it here would cost its locks.
func InFile(path string) ([]uint32, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("reading pages: %w", err)
	}
	pages, err := inFile(bufio.NewReaderSize(f, 1<<20))
	if err = errors.Join(err, f.Close()); err != nil {
		return nil, fmt.Errorf("reading pages: %w", err)
	}
	return pages, nil
}

// inFile reads a database; its page size is at 16, where 1 is 65,536.
func inFile(r *bufio.Reader) (pages []uint32, err error) {
	head, err := r.Peek(18)
	if errors.Is(err, io.EOF) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	size := int(binary.BigEndian.Uint16(head[16:]))
	if size == 1 {
		size = 1 << 16
	}
	if size < 512 {
		return nil, errors.New("it is no database")
	}
	page := make([]byte, size)
	for n := uint32(1); ; n++ {
		ok, err := fill(r, page)
		if !ok {
			return pages, err
		}
		if Wipe(page, n) {
			pages = append(pages, n)
		}
	}
}

// A write-ahead log: 32 bytes of header {magic 4, version 4, page size 4,
// sequence 4, salts 8, checksum 8}, then frames {page number 4, size of the
// file at a commit 4, salts 8, checksum 8, page}. Frames with other salts than
// the header's are of earlier rounds.
const (
	walHeader   = 32
	frameHeader = 24
)

// InWAL lists the pages that need wiping once the write-ahead log at path is
// moved into its file, in order. The log must not be written to meanwhile;
// none is no error.
func InWAL(path string) ([]uint32, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading the write-ahead log: %w", err)
	}
	needs, err := inWAL(f)
	if err = errors.Join(err, f.Close()); err != nil {
		return nil, fmt.Errorf("reading the write-ahead log: %w", err)
	}
	var pages []uint32
	for n, dirty := range needs {
		if dirty {
			pages = append(pages, n)
		}
	}
	slices.Sort(pages)
	return pages, nil
}

// inWAL tells of each page in the log whether its last image needs wiping.
func inWAL(r io.Reader) (map[uint32]bool, error) {
	var head [walHeader]byte
	if ok, err := fill(r, head[:]); !ok {
		return nil, err
	}
	size := binary.BigEndian.Uint32(head[8:])
	if magic := binary.BigEndian.Uint32(head[:]); magic&^1 != 0x377f0682 || size < 512 || size > 1<<16 {
		return nil, nil // nothing was ever written behind such a header
	}
	needs := map[uint32]bool{}
	frame := make([]byte, frameHeader+size)
	for {
		ok, err := fill(r, frame)
		if !ok || [8]byte(frame[8:]) != [8]byte(head[16:]) {
			return needs, err
		}
		n := binary.BigEndian.Uint32(frame)
		needs[n] = Wipe(frame[frameHeader:], n)
	}
}

// fill reads as much as fits; false at the end.
func fill(r io.Reader, b []byte) (bool, error) {
	_, err := io.ReadFull(r, b)
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return false, nil
	}
	return err == nil, err
}
