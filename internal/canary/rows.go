package canary

import (
	"fmt"
	"sort"
)

// rows searches what a structured file consists of. Small values are put
// together, so that a search is worth its while.
type rows struct {
	s     *searcher
	tally *tally
	data  []byte
	marks []mark
	base  int64 // of data, counted from the first value on
}

// mark names the value that ends at end. What it is made of is put into words
// only for a hit.
type mark struct {
	end    int
	part   string // of the file: a table
	column int
	row    rowName
}

// rowName says which row it is: by its number in a table, else by its place.
type rowName struct {
	frame, page uint32
	cell        int
	row         int64
	numbered    bool
}

func (n rowName) String() string {
	switch {
	case n.numbered:
		return fmt.Sprintf("row %d", n.row)
	case n.frame > 0:
		return fmt.Sprintf("frame %d, page %d, cell %d", n.frame, n.page, n.cell)
	case n.page > 0:
		return fmt.Sprintf("page %d, cell %d", n.page, n.cell)
	}
	return fmt.Sprintf("entry %d", n.cell)
}

const rowsBuffer = 256 << 10

func (s *searcher) rows(name string) *rows {
	r := &rows{s: s}
	r.tally = newTally(s.found, origin{file: name, at: -1, row: r.name})
	return r
}

// put adds a value.
func (r *rows) put(value []byte, m mark) {
	if len(value) < r.s.v.least {
		return
	}
	r.data = append(r.data, value...)
	r.data = append(r.data, 0xFF, 0xFF, 0xFF, 0xFF) // no value goes on across it
	m.end = len(r.data)
	r.marks = append(r.marks, m)
	if len(r.data) >= rowsBuffer {
		r.flush()
	}
}

// flush searches what was put.
func (r *rows) flush() {
	n := len(r.data)
	if n == 0 {
		return
	}
	r.data = append(r.data, make([]byte, padding)...)
	r.s.piece(&piece{data: r.data[:n], base: r.base}, r.tally)
	r.base += int64(n)
	r.data, r.marks = r.data[:0], r.marks[:0]
}

func (r *rows) close() {
	r.flush()
	r.tally.close()
}

// name names the value at an offset.
func (r *rows) name(offset int64) (group, row string) {
	at := int(offset - r.base)
	i := sort.Search(len(r.marks), func(i int) bool { return r.marks[i].end > at })
	m := r.marks[min(i, len(r.marks)-1)]
	group = r.s.safe(m.part)
	if m.column > 0 {
		group = fmt.Sprintf("%s, column %d", group, m.column)
	}
	return group, fmt.Sprintf("%s, %s", group, m.row)
}
