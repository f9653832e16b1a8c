package canary

import (
	"cmp"
	"slices"
	"strings"
	"sync"
)

// Finding is a value that lies somewhere, written in one way. What is found of
// it in the same file, or column of a table, is counted.
type Finding struct {
	Line     int    `json:"line" doc:"Line of the value in the input, from 1"`
	Encoding string `json:"encoding" doc:"How it is written: the innermost encoding is last"`
	File     string `json:"file" doc:"The file; a part of its name that holds a value is withheld"`
	Offset   int64  `json:"offset" doc:"Of the first occurrence in the file, in bytes; of what is packed, where that begins; -1 in its name or in a row"`
	Row      string `json:"row,omitzero" doc:"Table, row and column of the first occurrence, or its key"`
	Times    int    `json:"times" doc:"How often"`
}

// MaxFindings is how many findings are kept; the rest is counted.
const MaxFindings = 1000

// found keeps the first findings, and counts the rest.
type found struct {
	mu   sync.Mutex
	kept []Finding
	more int
}

func (f *found) add(list []Finding, more int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.kept = append(f.kept, list...)
	f.more += more
	if len(f.kept) >= 4*MaxFindings {
		f.cut()
	}
}

func (f *found) cut() {
	slices.SortFunc(f.kept, func(a, b Finding) int {
		return cmp.Or(
			strings.Compare(a.File, b.File), cmp.Compare(a.Offset, b.Offset), strings.Compare(a.Row, b.Row),
			cmp.Compare(a.Line, b.Line), strings.Compare(a.Encoding, b.Encoding),
		)
	})
	if n := len(f.kept) - MaxFindings; n > 0 {
		f.more += n
		f.kept = f.kept[:MaxFindings]
	}
}

// origin says where what is searched lies.
type origin struct {
	file  string // as it may be shown
	at    int64  // of what is packed: where it begins; else -1
	how   string
	depth int
	row   func(offset int64) (group, row string) // of a row: what is counted together, and its name
}

// tally counts the hits of one stream.
type tally struct {
	found  *found
	origin origin
	window int
	hits   map[hitKey]*hits
	more   int
	each   func(line int, how string) // instead
}

type hitKey struct {
	line       int
	how, group string
}

// hits of one value in one way. A window overlaps the one before it: what
// begins no later than the last hit of that one was counted.
type hits struct {
	first        int64
	row          string
	times        int
	window       int
	before, last int64
}

func newTally(f *found, o origin) *tally {
	return &tally{found: f, origin: o, hits: map[hitKey]*hits{}}
}

// maxHits bounds what is told apart in one stream.
const maxHits = 1 << 16

func (t *tally) hit(line int, how string, at int64) {
	if t.each != nil {
		t.each(line, how)
		return
	}
	k, row := hitKey{line: line, how: how}, ""
	if t.origin.row != nil {
		k.group, row = t.origin.row(at)
	}
	h := t.hits[k]
	if h == nil {
		if len(t.hits) >= maxHits {
			t.more++
			return
		}
		h = &hits{first: at, row: row, window: t.window, before: -1, last: -1}
		t.hits[k] = h
	}
	if h.window != t.window {
		h.window, h.before = t.window, h.last
	}
	if at <= h.before {
		return
	}
	if at < h.first {
		h.first, h.row = at, row
	}
	h.last = max(h.last, at)
	h.times++
}

// close hands over what was found.
func (t *tally) close() {
	list := make([]Finding, 0, len(t.hits))
	for k, h := range t.hits {
		f := Finding{Line: k.line, Encoding: k.how, File: t.origin.file, Offset: h.first, Row: h.row, Times: h.times}
		if t.origin.at >= 0 {
			f.Offset = t.origin.at
		}
		if t.origin.row != nil {
			f.Offset = -1
		}
		list = append(list, f)
	}
	t.found.add(list, t.more)
}
