// Package record reads a dump's tables as records by column name, and turns
// them into rows of a source in a fixed order of tables.
package record

import (
	"strings"
	"time"

	"lethe/internal/importer/sqldump"
)

// Record is one row of a dump, its values found by column name. Column names
// are compared without regard to case; the first of several names that the
// table has is meant, so that a column's names over the versions are one call.
type Record struct {
	row   sqldump.Row
	index map[string]int
}

// columnIndex keeps the index of the last column list: it hardly ever changes.
type columnIndex struct {
	columns []string
	index   map[string]int
}

func (x *columnIndex) record(row sqldump.Row) *Record {
	if !sameList(x.columns, row.Columns) {
		x.columns = row.Columns
		x.index = make(map[string]int, len(row.Columns))
		for i, c := range row.Columns {
			x.index[strings.ToLower(c)] = i
		}
	}
	return &Record{row: row, index: x.index}
}

func sameList(a, b []string) bool {
	return len(a) == len(b) && (len(a) == 0 || &a[0] == &b[0])
}

func (r *Record) at(names []string) (sqldump.Value, string, bool) {
	for _, name := range names {
		if i, ok := r.index[name]; ok && i < len(r.row.Values) {
			return r.row.Values[i], r.row.Columns[i], true
		}
	}
	return sqldump.Value{Null: true}, "", false
}

// Text is the value without white space around it, "" for NULL and for a
// column that the table does not have.
func (r *Record) Text(names ...string) string {
	v, _, _ := r.at(names)
	return strings.TrimSpace(v.Text)
}

// Column is the name that the column has in this file.
func (r *Record) Column(names ...string) string {
	_, name, _ := r.at(names)
	return name
}

// Has reports whether the table has the column.
func (r *Record) Has(names ...string) bool {
	_, _, ok := r.at(names)
	return ok
}

// ID is a reference to another record, "" for NULL and for 0, which the older
// schemas write for "none".
func (r *Record) ID(names ...string) string {
	if id := r.Text(names...); id != "0" {
		return id
	}
	return ""
}

// Flag reads a boolean as either database writes it.
func (r *Record) Flag(names ...string) bool {
	switch strings.ToLower(r.Text(names...)) {
	case "1", "t", "true", "y", "yes", "on":
		return true
	}
	return false
}

// Time reads a date and time, or a date. A dump keeps no zone: it is taken as
// UTC. What is no date, the zero date among it, is the zero time.
func (r *Record) Time(names ...string) time.Time {
	text := r.Text(names...)
	for _, layout := range []string{"2006-01-02 15:04:05", "2006-01-02", "20060102150405", "2006-01-02 15:04:05Z07"} {
		if t, err := time.Parse(layout, text); err == nil {
			return t.UTC()
		}
	}
	return time.Time{}
}

// Date reads a date in canonical form. ok is false when the column holds
// something that is no date; NULL and the zero date are "", true.
func (r *Record) Date(names ...string) (text string, ok bool) {
	text = r.Text(names...)
	if text == "" || strings.HasPrefix(text, "0000-00-00") {
		return "", true
	}
	t := r.Time(names...)
	if t.IsZero() {
		return "", false
	}
	return t.Format(time.DateOnly), true
}

// Number is where the row stands in its table.
func (r *Record) Number() int { return r.row.Number }

// Columns are the names as the file has them.
func (r *Record) Columns() []string { return r.row.Columns }

// Raw is the whole row, but for what secret says of a lower-case column name.
func (r *Record) Raw(secret func(column string) bool) []string {
	out := make([]string, len(r.row.Values))
	for i, v := range r.row.Values {
		if i < len(r.row.Columns) && secret(strings.ToLower(r.row.Columns[i])) {
			continue
		}
		out[i] = v.Text
	}
	return out
}
