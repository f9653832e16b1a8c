package sqldump

import (
	"bytes"
	"context"
	"strings"
)

// index notes where each table's rows are.
func (f *File) index(ctx context.Context) error {
	f.sniff()
	s := newScanner(ctx, f.r, 0, f.size, 1, f.progress)
	if s.peek() == 0xEF && s.peekAt(1) == 0xBB && s.peekAt(2) == 0xBF {
		s.pos += 3
	}
	for {
		if err := s.space(); err != nil {
			return err
		}
		if s.done() {
			return s.err
		}
		if err := f.statement(s); err != nil {
			return err
		}
	}
}

// sniff reads the two ends of the file for what its writer says of itself.
func (f *File) sniff() {
	const ends = 64 << 10
	head := make([]byte, min(f.size, ends))
	n, _ := f.r.ReadAt(head, 0)
	f.postgres = bytes.Contains(head[:n], []byte("PostgreSQL database dump"))
	f.escapes = !f.postgres
	tail := make([]byte, min(f.size, ends))
	n, _ = f.r.ReadAt(tail, f.size-int64(len(tail)))
	f.ended = bytes.Contains(tail[:n], []byte("-- Dump completed")) ||
		bytes.Contains(tail[:n], []byte("database dump complete"))
}

// statement indexes or skips one statement.
func (f *File) statement(s *scanner) error {
	start, line := s.offset(), s.lineNow()
	switch word := s.keyword(); word {
	case "":
		return f.oddStatement(s, line)
	case "insert", "replace", "copy":
		name, err := f.target(s, word)
		if err != nil {
			return err
		}
		if name == "" {
			f.last = ""
			return f.skipStatement(s, line)
		}
		if word == "copy" {
			err = f.skipCopy(s, line)
		} else {
			err = f.skipStatement(s, line)
		}
		if err != nil {
			return err
		}
		return f.note(name, region{start: start, end: s.offset(), line: line})
	case "create":
		return f.create(s, line)
	case "delimiter":
		return f.skipDelimited(s, line)
	case "set":
		return f.set(s, line)
	default:
		f.last = ""
		return f.skipStatement(s, line)
	}
}

// oddStatement passes over what does not begin with a word: a stray
// semicolon, a psql command.
func (f *File) oddStatement(s *scanner, line int64) error {
	if s.peek() == '\\' {
		s.skipLine()
		return nil
	}
	return f.skipStatement(s, line)
}

// set heeds the one setting that changes how strings are read.
func (f *File) set(s *scanner, line int64) error {
	if err := s.space(); err != nil {
		return err
	}
	if s.keyword() == "standard_conforming_strings" {
		if err := s.space(); err != nil {
			return err
		}
		if s.peek() == '=' {
			s.pos++
			if err := s.space(); err != nil {
				return err
			}
			f.escapes = s.keyword() == "off"
		}
	}
	return f.skipStatement(s, line)
}

// target reads INTO and the table's name; "" when it is neither.
func (f *File) target(s *scanner, word string) (string, error) {
	for {
		if err := s.space(); err != nil {
			return "", err
		}
		if word == "copy" || isQuote(s.peek()) {
			return f.name(s)
		}
		switch w := s.keyword(); w {
		case "low_priority", "delayed", "high_priority", "ignore":
		case "into":
			if err := s.space(); err != nil {
				return "", err
			}
			return f.name(s)
		default:
			return "", nil
		}
	}
}

// name reads a table's name and drops a schema before it.
func (f *File) name(s *scanner) (string, error) {
	for {
		name, err := s.identifier()
		if err != nil || name == "" {
			return "", err
		}
		if s.peek() != '.' {
			return name, nil
		}
		s.pos++
	}
}

// note adds a place. It is joined to the one before when that was the last
// statement: then only white space and comments are between them.
func (f *File) note(name string, g region) error {
	t, err := f.table(name, g.line)
	if err != nil {
		return err
	}
	if f.last == name {
		t.regions[len(t.regions)-1].end = g.end
		return nil
	}
	if len(t.regions) >= f.limits.Regions {
		return refuse("limit", g.line, "the rows of one table stand in more than %d places", f.limits.Regions)
	}
	t.regions = append(t.regions, g)
	f.last = name
	return nil
}

// create reads the columns of CREATE TABLE and skips every other CREATE.
func (f *File) create(s *scanner, line int64) error {
	f.last = ""
	for {
		if err := s.space(); err != nil {
			return err
		}
		switch w := s.keyword(); w {
		case "temporary", "temp", "unlogged", "global", "local":
			continue
		case "table":
		default:
			return f.skipStatement(s, line)
		}
		break
	}
	name, err := f.createName(s)
	if err != nil || name == "" {
		return orSkip(err, f, s, line)
	}
	if err := s.space(); err != nil {
		return err
	}
	if s.peek() != '(' {
		return f.skipStatement(s, line)
	}
	s.pos++
	columns, err := f.columns(s, line)
	if err != nil {
		return err
	}
	t, err := f.table(name, line)
	if err != nil {
		return err
	}
	if t.HasRows() && t.Columns != nil && strings.Join(t.Columns, "\x00") != strings.Join(columns, "\x00") {
		return refuse("columns", line, "a table is created twice with different columns")
	}
	t.Columns = columns
	return f.skipStatement(s, line)
}

func orSkip(err error, f *File, s *scanner, line int64) error {
	if err != nil {
		return err
	}
	return f.skipStatement(s, line)
}

// createName reads IF NOT EXISTS and the name.
func (f *File) createName(s *scanner) (string, error) {
	for {
		if err := s.space(); err != nil {
			return "", err
		}
		if isQuote(s.peek()) {
			return f.name(s)
		}
		word := s.word()
		switch strings.ToLower(word) {
		case "if", "not", "exists":
			continue
		}
		if word == "" || s.peek() != '.' {
			return word, nil
		}
		s.pos++
		return f.name(s)
	}
}

// notColumn tells the words that begin an item of CREATE TABLE which is no column.
func notColumn(word string) bool {
	switch word {
	case "primary", "unique", "key", "index", "constraint", "fulltext", "spatial",
		"foreign", "check", "exclude", "like", "period":
		return true
	}
	return false
}

// columns reads the items up to the closing parenthesis.
func (f *File) columns(s *scanner, line int64) ([]string, error) {
	var columns []string
	for {
		if err := s.space(); err != nil {
			return nil, err
		}
		quoted := isQuote(s.peek())
		name, err := s.identifier()
		if err != nil {
			return nil, err
		}
		if name != "" && (quoted || !notColumn(strings.ToLower(name))) {
			if len(columns) >= f.limits.Columns {
				return nil, refuse("limit", line, "a table has more than %d columns", f.limits.Columns)
			}
			columns = append(columns, name)
		}
		last, err := f.skipItem(s, line)
		if err != nil || last {
			return columns, err
		}
	}
}

// skipItem passes the comma after an item, or tells that it was the last.
func (f *File) skipItem(s *scanner, line int64) (last bool, err error) {
	for depth := 0; ; {
		if err := s.space(); err != nil {
			return false, err
		}
		switch c := s.peek(); {
		case s.done():
			return false, s.cut(line, "a table")
		case c == '(':
			depth++
			s.pos++
		case c == ')':
			s.pos++
			if depth == 0 {
				return true, nil
			}
			depth--
		case c == ',' && depth == 0:
			s.pos++
			return false, nil
		default:
			if err := f.skipToken(s); err != nil {
				return false, err
			}
		}
	}
}
