// Package csvfile reads a delimited text file as rows of a source, by a
// mapping that says what its columns mean.
//
// Delimiter and encoding are found out unless the mapping names them: UTF-8
// with or without a mark, or else Windows-1252 (which holds ISO-8859-1).
// Columns are mapped by header, or by position where a header occurs twice. A
// separator at the end of every line is taken for what it is.
//
// What a mapping says is checked before the first row is read; what a row
// holds that the mapping does not foresee refuses that row, by rule and field.
package csvfile

import (
	"bytes"
	"context"
	"errors"
	"io"
	"iter"
	"strings"
	"sync/atomic"

	"lethe/domain"
	"lethe/internal/importer/source"
)

// Source is an opened file with its mapping.
type Source struct {
	r       io.ReaderAt
	size    int64
	mapping *Mapping
	rules   *rules
	skip    int64 // the mark at the beginning
	comma   byte
	western bool
	header  bool
	base    int64
	read    atomic.Int64
}

var _ source.Source = (*Source)(nil)

// Open finds out how the file is written and checks that it has the columns
// of the mapping.
func Open(ctx context.Context, r io.ReaderAt, size int64, m *Mapping) (*Source, error) {
	s := &Source{r: r, size: size, mapping: m, header: m.File.Header.V != "false"}
	head := make([]byte, min(size, 64<<10))
	if n, err := r.ReadAt(head, 0); err != nil && !errors.Is(err, io.EOF) || n < len(head) {
		return nil, errors.Join(errors.New("reading the file's beginning"), err)
	}
	for _, mark := range markUTF16 {
		if bytes.HasPrefix(head, mark) {
			return nil, domain.Invalid("csv.encoding", "file", "the file is UTF-16: save it as UTF-8 first")
		}
	}
	if bytes.HasPrefix(head, markUTF8) {
		s.skip = int64(len(markUTF8))
	}
	if err := s.findEncoding(ctx); err != nil {
		return nil, err
	}
	s.base = s.read.Load()
	s.comma = delimiter(m.File.Delimiter.V)
	if s.comma == 0 {
		s.comma = findDelimiter(head[s.skip:], size == int64(len(head)))
	}
	return s, s.bind(ctx)
}

func (s *Source) findEncoding(ctx context.Context) error {
	switch strings.ToLower(s.mapping.File.Encoding.V) {
	case "utf-8":
		return nil
	case "iso-8859-1", "windows-1252":
		s.western = true
		return nil
	}
	if s.skip > 0 {
		return nil
	}
	ok, err := isUTF8(s.open(ctx))
	s.western = !ok
	return err
}

func delimiter(name string) byte {
	switch name {
	case "":
		return 0
	case "tab":
		return '\t'
	}
	return name[0]
}

func (s *Source) open(ctx context.Context) io.Reader {
	in := io.NewSectionReader(s.r, s.skip, s.size-s.skip)
	return &counted{ctx: ctx, r: in, n: func(n int64) { s.read.Add(n) }}
}

// bind reads the first line and finds the mapping's columns in it.
func (s *Source) bind(ctx context.Context) error {
	first, _, err := newReader(s.open(ctx), s.comma, s.western).next()
	if errors.Is(err, io.EOF) {
		return domain.Invalid("csv.empty", "file", "the file holds nothing")
	}
	if err != nil {
		return err
	}
	h := &header{names: first}
	if n := len(first); s.header && n > 1 && strings.TrimSpace(first[n-1]) == "" {
		h.names = first[:n-1] // the separator at the end of the line
	}
	if !s.header {
		h.names = make([]string, len(first))
		h.anonymous = true
	}
	s.rules, err = bind(s.mapping, h)
	s.read.Store(s.base)
	return err
}

// System is what the mapping says.
func (s *Source) System() domain.Name { return domain.Name(s.mapping.System.V) }

// Tables is the one that the mapping names.
func (s *Source) Tables() []domain.Name { return []domain.Name{domain.Name(s.mapping.Table.V)} }

// Progress tells the bytes read of those that there are to read.
func (s *Source) Progress() (read, total int64) {
	total = s.base + s.size - s.skip
	return min(s.read.Load(), total), total
}

// Rows yields the rows.
func (s *Source) Rows(ctx context.Context, after source.Place) iter.Seq2[*source.Row, error] {
	return func(yield func(*source.Row, error) bool) {
		s.read.Store(s.base)
		r := newReader(s.open(ctx), s.comma, s.western)
		if s.header {
			if _, _, err := r.next(); err != nil {
				yield(nil, err)
				return
			}
		}
		table := domain.Name(s.mapping.Table.V)
		for number := 1; ; number++ {
			values, line, err := r.next()
			if errors.Is(err, io.EOF) {
				if after.Number >= number || !after.IsZero() && after.Table != table {
					yield(nil, errors.New("finding the place to go on from: the file does not have it"))
				}
				return
			}
			if err != nil {
				yield(nil, err)
				return
			}
			if number <= after.Number {
				continue
			}
			if !yield(s.rules.row(table, number, line, values), nil) {
				return
			}
		}
	}
}

// Delimiter is what stands between the file's values.
func (s *Source) Delimiter() byte { return s.comma }

// Header reports whether the file's first line names its columns.
func (s *Source) Header() bool { return s.header }
