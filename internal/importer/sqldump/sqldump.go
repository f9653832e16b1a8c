// Package sqldump reads the rows of chosen tables out of an SQL dump, as
// mysqldump, mariadb-dump, phpMyAdmin and pg_dump write it: as a stream, with
// bounded memory, without running any of it.
//
// Open goes over the file once and notes where each table's rows are; Rows
// then visits those places only, so reading a child table after its parent
// costs nothing extra whatever order the file has.
//
// It knows INSERT and REPLACE with and without a column list and with many
// rows, PostgreSQL's COPY … FROM stdin, CREATE TABLE (whose order names the
// columns where the INSERT does not), quoted and plain identifiers with a
// schema before them, comments of every kind, DELIMITER sections and
// dollar-quoted bodies. Everything else is skipped.
//
// Limits: a value that is neither a literal nor NULL (a function call) reads
// as NULL and is marked; text is taken as UTF-8 when it is valid UTF-8 and as
// Windows-1252 when it is not, whatever the file declares, because files
// declare it wrongly; a file that was cut between two statements cannot be
// told from a whole one unless its writer ends it with "Dump completed": Ended
// says whether it does.
package sqldump

import (
	"context"
	"fmt"
	"io"

	"lethe/domain"
)

// Limits bound what an untrusted file can make the reader hold.
type Limits struct {
	Value   int // bytes of one value
	Row     int // bytes of one row's values
	Columns int // columns of one table
	Tables  int // tables of the file
	Regions int // separate places with rows
}

// DefaultLimits are above what the known systems can write: MySQL's largest
// packet is 1 GiB, but the largest text that belongs to a person is not.
func DefaultLimits() Limits {
	return Limits{Value: 16 << 20, Row: 64 << 20, Columns: 4096, Tables: 16384, Regions: 1 << 20}
}

// Value is one value of a row.
type Value struct {
	Text string
	Null bool
	// Opaque marks what was not a literal; it reads as NULL.
	Opaque bool
}

// Row is one row. It stays valid.
type Row struct {
	Number  int   // 1-based within its table, over the whole file
	Line    int64 // where the row begins, 1-based
	Columns []string
	Values  []Value
	// Mismatch: there are more or fewer values than columns.
	Mismatch bool
}

// Table is what the file has of one table.
type Table struct {
	Name    string
	Columns []string // of its CREATE TABLE, nil if there is none
	regions []region
}

// region is a run of statements that hold rows of one table only.
type region struct {
	start, end int64
	line       int64
}

// HasRows reports whether there is any row in it.
func (t *Table) HasRows() bool { return len(t.regions) > 0 }

// File is a dump whose places are known.
type File struct {
	r        io.ReaderAt
	size     int64
	limits   Limits
	postgres bool
	escapes  bool // backslash escapes in plain string literals
	ended    bool
	tables   map[string]*Table
	order    []string
	last     string // table of the last statement, if that held rows
	progress func(int64)
}

// Open goes over the dump once. progress, if not nil, is told of bytes as they
// are read, now and by Rows later, from the goroutine that reads.
//
// A file that ends in the middle of a statement, and one that is over the
// limits, is refused; the error names the line.
func Open(ctx context.Context, r io.ReaderAt, size int64, limits Limits, progress func(int64)) (*File, error) {
	f := &File{
		r: r, size: size, limits: limits, escapes: true,
		tables: map[string]*Table{}, progress: progress,
	}
	if err := f.index(ctx); err != nil {
		return nil, err
	}
	return f, nil
}

// Table finds a table by its name, nil when the file has none of that name.
func (f *File) Table(name string) *Table { return f.tables[name] }

// Tables lists the names in the order in which they first appear.
func (f *File) Tables() []string { return f.order }

// Ended reports whether the file ends the way its writer marks a whole one.
func (f *File) Ended() bool { return f.ended }

// Bytes tells how many bytes Rows reads for the table.
func (f *File) Bytes(name string) int64 {
	t := f.tables[name]
	if t == nil {
		return 0
	}
	var n int64
	for _, g := range t.regions {
		n += g.end - g.start
	}
	return n
}

func (f *File) table(name string, line int64) (*Table, error) {
	if t := f.tables[name]; t != nil {
		return t, nil
	}
	if len(f.tables) >= f.limits.Tables {
		return nil, refuse("limit", line, "the file has more than %d tables", f.limits.Tables)
	}
	t := &Table{Name: name}
	f.tables[name] = t
	f.order = append(f.order, name)
	return t, nil
}

// refuse makes the error for a file that cannot be read. It names the line
// and never repeats what stands there.
func refuse(code string, line int64, format string, args ...any) error {
	return domain.Invalid("dump."+code, "file", "line %d: %s", line, fmt.Sprintf(format, args...))
}
