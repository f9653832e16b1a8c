package sqldump

import (
	"context"
	"iter"
	"strings"
)

// Rows yields the rows of a table in the order of the file. The file's values
// are read anew at every call. An error ends it.
func (f *File) Rows(ctx context.Context, name string) iter.Seq2[Row, error] {
	return func(yield func(Row, error) bool) {
		t := f.tables[name]
		if t == nil {
			return
		}
		r := rowReader{f: f, t: t, yield: yield}
		for _, g := range t.regions {
			r.s = newScanner(ctx, f.r, g.start, g.end, g.line, f.progress)
			if err := r.region(); err != nil {
				yield(Row{}, err)
				return
			}
			if r.stopped {
				return
			}
		}
	}
}

// rowReader reads one table's regions.
type rowReader struct {
	f       *File
	t       *Table
	s       *scanner
	yield   func(Row, error) bool
	stopped bool
	number  int
	columns []string
	values  collector
}

func (r *rowReader) region() error {
	for !r.stopped {
		if err := r.s.space(); err != nil {
			return err
		}
		if r.s.done() {
			return r.s.err
		}
		line := r.s.lineNow()
		word := r.s.keyword()
		if _, err := r.f.target(r.s, word); err != nil {
			return err
		}
		if err := r.readColumns(line); err != nil {
			return err
		}
		var err error
		if word == "copy" {
			err = r.copyBlock(line)
		} else {
			err = r.insert(line)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// readColumns takes the statement's own list, or else the table's.
func (r *rowReader) readColumns(line int64) error {
	if err := r.s.space(); err != nil {
		return err
	}
	if r.s.peek() != '(' {
		if r.t.Columns == nil {
			return refuse("columns", line, "rows without column names, and the file has no CREATE TABLE for them")
		}
		r.columns = r.t.Columns
		return nil
	}
	r.s.pos++
	columns, err := r.f.columns(r.s, line)
	if err != nil {
		return err
	}
	if strings.Join(columns, "\x00") != strings.Join(r.columns, "\x00") {
		r.columns = columns
	}
	return nil
}

// insert reads VALUES and its tuples.
func (r *rowReader) insert(line int64) error {
	for {
		if err := r.s.space(); err != nil {
			return err
		}
		switch w := r.s.keyword(); w {
		case "values", "value":
			return r.tuples(line)
		case "overriding", "system", "user": // PostgreSQL: OVERRIDING SYSTEM VALUE VALUES
			if w == "overriding" {
				_ = r.s.space()
				r.s.keyword()
				_ = r.s.space()
				r.s.keyword()
			}
		default:
			return refuse("form", line, "an INSERT of a form that is not read: only VALUES is")
		}
	}
}

func (r *rowReader) tuples(line int64) error {
	for !r.stopped {
		if err := r.s.space(); err != nil {
			return err
		}
		switch c := r.s.peek(); {
		case c == '(':
			if err := r.tuple(); err != nil {
				return err
			}
		case c == ',':
			r.s.pos++
		default: // the semicolon, or ON DUPLICATE KEY … before it
			return r.f.skipStatement(r.s, line)
		}
	}
	return nil
}

// tuple reads one row in parentheses.
func (r *rowReader) tuple() error {
	line := r.s.lineNow()
	r.values.reset()
	r.s.pos++
	for {
		if err := r.s.space(); err != nil {
			return err
		}
		switch c := r.s.peek(); {
		case r.s.done():
			return r.s.cut(line, "a row")
		case c == ')':
			r.s.pos++
			r.emit(line)
			return nil
		case c == ',':
			r.s.pos++
		default:
			if err := r.value(line); err != nil {
				return err
			}
		}
	}
}

func (r *rowReader) emit(line int64) {
	r.number++
	row := Row{Number: r.number, Line: line, Columns: r.columns, Values: r.values.take()}
	row.Mismatch = len(row.Values) != len(row.Columns)
	r.stopped = !r.yield(row, nil)
}

// copyBlock reads the lines after COPY … FROM stdin; up to "\.".
func (r *rowReader) copyBlock(line int64) error {
	if err := r.f.skipStatement(r.s, line); err != nil {
		return err
	}
	r.s.skipLine()
	for !r.stopped {
		end, err := r.copyLine()
		if err != nil || end {
			return err
		}
	}
	return nil
}

// copyLine reads one line of tab-separated values with backslash escapes.
func (r *rowReader) copyLine() (end bool, err error) {
	line := r.s.lineNow()
	r.values.reset()
	r.values.begin()
	for {
		if r.s.done() {
			return false, r.s.cut(line, "a row")
		}
		c := r.s.buf[r.s.pos]
		r.s.pos++
		switch c {
		case '\\':
			e := r.s.peek()
			if e == '.' && r.values.empty() {
				r.s.skipLine()
				return true, nil
			}
			r.s.pos++
			if e == 'N' {
				r.values.null = true
				continue
			}
			c = unescapeCopy(e)
		case '\t':
			if err := r.values.end(r.f.limits, line); err != nil {
				return false, err
			}
			r.values.begin()
			continue
		case '\n':
			if err := r.values.end(r.f.limits, line); err != nil {
				return false, err
			}
			r.emit(line)
			return false, nil
		}
		if err := r.values.add(c, r.f.limits, line); err != nil {
			return false, err
		}
	}
}

func unescapeCopy(c byte) byte {
	switch c {
	case 'b':
		return '\b'
	case 'f':
		return '\f'
	case 'n':
		return '\n'
	case 'r':
		return '\r'
	case 't':
		return '\t'
	case 'v':
		return '\v'
	}
	return c
}
