package canary

import (
	"bytes"
	"context"
	"encoding/binary"
	"io"
)

// database searches every page of a database file, those that are no longer
// in use included, record by record.
func (s *searcher) database(ctx context.Context, main io.ReaderAt, size int64, wal io.ReaderAt, name string) error {
	p, ok := openPages(main, size, wal)
	if !ok {
		return nil // searched as it is
	}
	d := &databaseRows{rows: s.rows(name), pages: p, owners: p.owners(), buf: make([]byte, p.size)}
	defer d.close()
	page := make([]byte, p.size)
	for no := uint32(1); int64(no)*int64(p.size) <= size; no++ {
		if err := ctx.Err(); err != nil {
			return err
		}
		if _, err := main.ReadAt(page, int64(no-1)*int64(p.size)); err != nil {
			return eof(err)
		}
		d.page(page, no, 0)
	}
	return nil
}

// log searches every frame of a write-ahead log, those that no longer count
// included.
func (s *searcher) log(ctx context.Context, main io.ReaderAt, size int64, wal io.ReaderAt, name string) error {
	p, ok := openPages(main, size, wal)
	if !ok {
		return nil
	}
	d := &databaseRows{rows: s.rows(name), pages: p, owners: p.owners(), buf: make([]byte, p.size)}
	defer d.close()
	frame := make([]byte, frameHead+p.size)
	for n := uint32(1); ; n++ {
		if err := ctx.Err(); err != nil {
			return err
		}
		if _, err := wal.ReadAt(frame, walHead+int64(n-1)*int64(len(frame))); err != nil {
			return eof(err)
		}
		d.page(frame[frameHead:], binary.BigEndian.Uint32(frame), n)
	}
}

// databaseRows searches pages.
type databaseRows struct {
	*rows
	pages  *pages
	owners *owners
	buf    []byte // for overflow pages
}

func (d *databaseRows) page(page []byte, no, frame uint32) {
	p := d.pages
	part := d.owners.of(no)
	kind, list, _ := cells(page, no, p.usable)
	for i, c := range list {
		m := mark{part: part, row: rowName{frame: frame, page: no, cell: i + 1}}
		if kind == leafTable && frame == 0 && part != unowned {
			m.row.row, m.row.numbered = c.row, true
		}
		record := c.local
		if c.overflow != 0 {
			record = p.overflow(append([]byte{}, c.local...), c.overflow, c.size, d.buf)
		}
		columns(record, func(column int, value []byte) {
			m.column = column
			d.put(value, m)
		})
	}
	if kind == 0 {
		d.seam(page, no, frame)
	}
}

// seam searches the end of an overflow page together with the beginning of the
// next: the record that they belong to may be gone.
func (d *databaseRows) seam(page []byte, no, frame uint32) {
	p := d.pages
	next := p.page(binary.BigEndian.Uint32(page), d.buf)
	if next == nil {
		return
	}
	reach := min(d.s.v.reach(), p.usable-4)
	seam := append(append([]byte{}, page[p.usable-reach:p.usable]...), next[4:4+reach]...)
	d.put(seam, mark{part: "overflow pages", row: rowName{frame: frame, page: no}})
}

// owners says which table or index a page belongs to.
type owners struct {
	names []string // of trees; the first is unowned
	tree  []uint16 // by page
}

const unowned = "no table"

func (o *owners) of(no uint32) string {
	if uint64(no) < uint64(len(o.tree)) {
		return o.names[o.tree[no]]
	}
	return unowned
}

// owners walks the trees that the schema names.
func (p *pages) owners() *owners {
	o := &owners{names: []string{unowned}, tree: make([]uint16, min(uint64(p.count)+1, maxPages))}
	type tree struct {
		name string
		root uint32
	}
	trees := []tree{{"the schema", 1}}
	record := make([]byte, p.size)
	p.walk(o, 1, 1, func(c cell) {
		var t tree
		columns(p.overflow(append([]byte{}, c.local...), c.overflow, c.size, record), func(column int, value []byte) {
			switch column {
			case 1: // table, index
				t.name = plain(value)
			case 2:
				t.name += " " + plain(value)
			case 4:
				t.root = uint32(decimal(value))
			}
		})
		trees = append(trees, t)
	})
	clear(o.tree)
	for _, t := range trees[:min(len(trees), 1<<16-1)] {
		o.names = append(o.names, t.name)
		p.walk(o, t.root, uint16(len(o.names)-1), func(cell) {})
	}
	return o
}

// maxPages bounds what is known by page; of later pages the owner is not told.
const maxPages = 1 << 28

// walk marks the pages of a tree, and calls do with the cells of its leaves.
func (p *pages) walk(o *owners, root uint32, tree uint16, do func(cell)) {
	page := make([]byte, p.size)
	for todo := []uint32{root}; len(todo) > 0; {
		no := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		if uint64(no) >= uint64(len(o.tree)) || o.tree[no] != 0 || p.page(no, page) == nil {
			continue
		}
		o.tree[no] = tree
		kind, list, right := cells(page, no, p.usable)
		if kind == innerIndex || kind == innerTable {
			todo = append(todo, right)
			for _, c := range list {
				todo = append(todo, c.child)
			}
			continue
		}
		for _, c := range list {
			do(c)
		}
	}
}

// plain is a name in the schema, also of a database whose texts are in UTF-16.
func plain(name []byte) string { return string(bytes.ReplaceAll(name, []byte{0}, nil)) }

// decimal reads what columns wrote.
func decimal(b []byte) (v uint64) {
	for _, c := range b {
		v = v*10 + uint64(c-'0')
	}
	return v
}
