package projections

import "strings"

// Schema is what a view's file holds.
type Schema struct {
	Version int
	Tables  []*Table
}

// ColumnType is what a column stores.
type ColumnType uint8

// Column types. Times are Int: microseconds since 1970, UTC.
const (
	Int ColumnType = iota
	Text
	Bytes
)

// Column of a table.
type Column struct {
	Name string
	Type ColumnType
	Null bool
}

// Table is declared once for every engine. Its rows live in the order of Key,
// the first KeyColumns columns; there is no hidden row number.
type Table struct {
	Name       string
	KeyColumns int
	Columns    []Column
	Indexes    []Index
}

// Index is a secondary index. In a rebuild it is made after the rows.
type Index struct {
	Name    string
	Columns []string
}

// Names lists the columns, for a SELECT.
func (t *Table) Names() string {
	names := make([]string, len(t.Columns))
	for i, c := range t.Columns {
		names[i] = c.Name
	}
	return strings.Join(names, ", ")
}

func (t *Table) keyNames(n int) []string {
	names := make([]string, n)
	for i := range names {
		names[i] = t.Columns[i].Name
	}
	return names
}

// insertSQL and the other statements are made of declared names only; every
// value is a parameter.
func (t *Table) insertSQL() string {
	marks := strings.TrimSuffix(strings.Repeat("?,", len(t.Columns)), ",")
	return "INSERT INTO " + t.Name + " (" + t.Names() + ") VALUES (" + marks + ")"
}

func (t *Table) upsertSQL() string {
	var set []string
	for _, c := range t.Columns[t.KeyColumns:] {
		set = append(set, c.Name+" = excluded."+c.Name)
	}
	conflict := " ON CONFLICT (" + strings.Join(t.keyNames(t.KeyColumns), ", ") + ") DO "
	if len(set) == 0 {
		return t.insertSQL() + conflict + "NOTHING"
	}
	return t.insertSQL() + conflict + "UPDATE SET " + strings.Join(set, ", ")
}

func (t *Table) deleteSQL(keys int) string {
	return "DELETE FROM " + t.Name + " WHERE " + strings.Join(t.keyNames(keys), " = ? AND ") + " = ?"
}
