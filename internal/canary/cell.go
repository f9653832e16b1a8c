package canary

import (
	"encoding/binary"
	"math"
	"strconv"
)

// A page of a b-tree: at 0, or behind the file's header on page 1,
//
//	0  2 inner page of an index, 5 of a table, 10 leaf of an index, 13 of a table
//	3  number of cells, 2 bytes
//	8  on inner pages the right child, 4 bytes
//	…  offset of each cell, 2 bytes
//
// and a cell:
//
//	[left child, 4 bytes, on inner pages] [size of the record, varint] [row, varint, in tables] [beginning of the record] [first overflow page]
//
// Inner pages of tables have no records.
const (
	innerIndex = 2
	innerTable = 5
	leafIndex  = 10
	leafTable  = 13
)

// cell is one record of a page.
type cell struct {
	child    uint32 // on inner pages
	row      int64  // in tables
	size     int    // of the record
	local    []byte // what of it is in the page
	overflow uint32 // first page of the rest
}

// cells reads the cells of a page, 0 for what is none. What makes no sense is
// left out: any page is read, also one that is no longer in use.
func cells(page []byte, no uint32, usable int) (kind byte, list []cell, right uint32) {
	head := page
	if no == 1 && len(page) > headSize {
		head = page[headSize:]
	}
	if len(head) < 12 || usable > len(page) {
		return 0, nil, 0
	}
	kind, array := head[0], head[8:]
	switch kind {
	case innerIndex, innerTable:
		right, array = binary.BigEndian.Uint32(head[8:]), head[12:]
	case leafIndex, leafTable:
	default:
		return 0, nil, 0
	}
	n := int(binary.BigEndian.Uint16(head[3:]))
	if n > len(array)/2 {
		return 0, nil, 0
	}
	for i := range n {
		if at := int(binary.BigEndian.Uint16(array[2*i:])); at < usable {
			if c, ok := cellAt(page[at:usable], kind, usable); ok {
				list = append(list, c)
			}
		}
	}
	return kind, list, right
}

func cellAt(b []byte, kind byte, usable int) (c cell, ok bool) {
	if kind == innerIndex || kind == innerTable {
		if len(b) < 4 {
			return c, false
		}
		c.child, b = binary.BigEndian.Uint32(b), b[4:]
	}
	if kind == innerTable {
		return c, true
	}
	size, n := varint(b)
	if n == 0 || size > maxPayload {
		return c, false
	}
	c.size, b = int(size), b[n:]
	most := (usable-12)*64/255 - 23
	if kind == leafTable {
		row, n := varint(b)
		if n == 0 {
			return c, false
		}
		c.row, b, most = int64(row), b[n:], usable-35
	}
	here := c.size
	if here > most {
		least := (usable-12)*32/255 - 23
		if here = least + (c.size-least)%(usable-4); here > most {
			here = least
		}
		if len(b) < here+4 {
			return c, false
		}
		c.overflow = binary.BigEndian.Uint32(b[here:])
	}
	if len(b) < here {
		return c, false
	}
	c.local = b[:here]
	return c, true
}

// varint reads a number of one to nine bytes, seven bits in each, the first
// bytes first, eight in the ninth.
func varint(b []byte) (v uint64, size int) {
	for i := range min(len(b), 9) {
		if i == 8 {
			return v<<8 | uint64(b[8]), 9
		}
		v = v<<7 | uint64(b[i]&0x7F)
		if b[i] < 0x80 {
			return v, i + 1
		}
	}
	return 0, 0
}

// columns calls do with each value of a record, numbers as decimals.
//
//	[size of this header, varint] [type of each column, varint] … [value] …
//
// Types: 0 NULL; 1 to 6 integers of 1, 2, 3, 4, 6, 8 bytes; 7 a float; 8 and 9
// the numbers 0 and 1; from 12 on blobs (even) and texts (odd) of
// (type−12)/2 bytes.
func columns(record []byte, do func(column int, value []byte)) {
	header, n := varint(record)
	if n == 0 || header > uint64(len(record)) {
		return
	}
	types, values := record[n:max(int(header), n)], record[header:]
	for column := 1; len(types) > 0; column++ {
		kind, n := varint(types)
		if n == 0 {
			return
		}
		types = types[n:]
		size := sizeOf(kind)
		whole := uint64(len(values)) >= size
		value := values[:min(size, uint64(len(values)))]
		values = values[len(value):]
		switch {
		case kind >= 12:
			do(column, value)
		case whole && kind == 7:
			do(column, strconv.AppendFloat(nil, math.Float64frombits(binary.BigEndian.Uint64(value)), 'f', -1, 64))
		case whole && kind >= 1 && kind <= 6:
			do(column, strconv.AppendInt(nil, integer(value), 10))
		}
	}
}

func sizeOf(kind uint64) uint64 {
	if kind >= 12 {
		return (kind - 12) / 2
	}
	return [...]uint64{0, 1, 2, 3, 4, 6, 8, 8, 0, 0, 0, 0}[kind]
}

// integer reads a number in two's complement.
func integer(b []byte) int64 {
	v := int64(int8(b[0]))
	for _, c := range b[1:] {
		v = v<<8 | int64(c)
	}
	return v
}
