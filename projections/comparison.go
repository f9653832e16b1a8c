package projections

import (
	"bytes"
	"cmp"
	"context"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// maxPageFaults bounds how many faults of one file's pages are listed.
const maxPageFaults = 100

// pages lets SQLite check its pages, its free list, and that every index has
// exactly the entries that its table's rows ask for.
func (c *comparison) pages(ctx context.Context) (err error) {
	rows, err := c.live.QueryContext(ctx, fmt.Sprintf("PRAGMA integrity_check(%d)", maxPageFaults))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var answer string
		if err := rows.Scan(&answer); err != nil {
			return err
		}
		if answer != "ok" {
			c.damage("", "the file is damaged: "+answer)
		}
	}
	return rows.Err()
}

// damage is told of what makes the file unfit.
func (c *comparison) damage(table, what string) {
	c.broken = true
	c.tell(table, "", what)
}

// schema compares what the file declares with what the view does.
func (c *comparison) schema(ctx context.Context) error {
	declared := map[string]string{checkpointTable.Name: checkpointTable.createSQL()}
	for _, t := range c.view.Schema().Tables {
		declared[t.Name] = t.createSQL()
		for _, i := range t.Indexes {
			declared[i.Name] = t.indexSQL(i)
		}
	}
	rows, err := c.live.QueryContext(ctx, "SELECT name, tbl_name, sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY name")
	if err != nil {
		return err
	}
	for rows.Next() {
		var name, table, text string
		if err := rows.Scan(&name, &table, &text); err != nil {
			return errors.Join(err, rows.Close())
		}
		switch want, ok := declared[name]; {
		case !ok:
			c.damage(table, "the view does not declare "+name)
		case want != text:
			c.damage(table, name+" is not declared as the view declares it")
		}
		delete(declared, name)
	}
	for _, name := range slices.Sorted(maps.Keys(declared)) {
		c.damage(name, "it is not there")
	}
	return errors.Join(rows.Err(), rows.Close())
}

// rows compares a table row by row, both sides in the order of the key.
func (c *comparison) rows(ctx context.Context, t *Table) (err error) {
	query := "SELECT " + t.Names() + " FROM " + t.Name + " ORDER BY " + strings.Join(t.keyNames(t.KeyColumns), ", ")
	live, err := openCursor(ctx, c.live, query, t)
	if err != nil {
		return &unreadable{err}
	}
	defer func() { err = errors.Join(err, live.rows.Close()) }()
	fold, err := openCursor(ctx, c.fold.conn, query, t)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, fold.rows.Close()) }()
	for live.more || fold.more {
		order := live.compare(fold)
		switch {
		case order < 0:
			c.tell(t.Name, live.key(), "the row does not follow from the log")
		case order > 0:
			c.tell(t.Name, fold.key(), "the row is missing")
		default:
			if names := live.changed(fold); len(names) > 0 {
				c.tell(t.Name, live.key(), "other than the log says: "+strings.Join(names, ", "))
			}
		}
		if order <= 0 {
			if err := c.pass(live); err != nil {
				return err
			}
		}
		if order >= 0 {
			if err := fold.next(); err != nil {
				return err
			}
		}
	}
	return nil
}

// pass moves on in the live table, whose rows must rise.
func (c *comparison) pass(live *cursor) error {
	if err := live.next(); err != nil {
		return &unreadable{err}
	}
	if live.falls {
		c.tell(live.table.Name, live.key(), "the row does not lie in the order of the key")
	}
	return nil
}

// cursor goes through a table's rows.
type cursor struct {
	table *Table
	rows  *sql.Rows
	row   []any
	into  []any
	last  []any // key of the row before
	more  bool
	falls bool // the row is not after the one before
}

func openCursor(ctx context.Context, q Querier, query string, t *Table) (*cursor, error) {
	rows, err := q.QueryContext(ctx, query)
	if err != nil {
		return nil, err
	}
	c := &cursor{table: t, rows: rows, row: make([]any, len(t.Columns)), into: make([]any, len(t.Columns))}
	for i := range c.row {
		c.into[i] = &c.row[i]
	}
	if err := c.next(); err != nil {
		return nil, errors.Join(err, rows.Close())
	}
	return c, nil
}

// next moves on. Values are the driver's own copies.
func (c *cursor) next() error {
	c.falls = false
	before := c.more
	c.last = append(c.last[:0], c.row[:c.table.KeyColumns]...)
	if c.more = c.rows.Next(); !c.more {
		return c.rows.Err()
	}
	if err := c.rows.Scan(c.into...); err != nil {
		return err
	}
	c.falls = before && compareValues(c.last, c.row[:c.table.KeyColumns]) >= 0
	return nil
}

// compare orders two rows by their keys; one that is not there comes last.
func (c *cursor) compare(o *cursor) int {
	switch {
	case !c.more:
		return 1
	case !o.more:
		return -1
	}
	n := c.table.KeyColumns
	return compareValues(c.row[:n], o.row[:n])
}

// changed names the columns in which two rows differ.
func (c *cursor) changed(o *cursor) (names []string) {
	for i := range c.row {
		if compareValues(c.row[i:i+1], o.row[i:i+1]) != 0 {
			names = append(names, c.table.Columns[i].Name)
		}
	}
	return names
}

func (c *cursor) key() string {
	parts := make([]string, c.table.KeyColumns)
	for i := range parts {
		switch v := c.row[i].(type) {
		case []byte:
			parts[i] = hex.EncodeToString(v)
		default:
			parts[i] = fmt.Sprint(v)
		}
	}
	return strings.Join(parts, " ")
}

// compareValues orders as SQLite does: by kind, then by value.
func compareValues(a, b []any) int {
	for i := range a {
		if d := compareValue(a[i], b[i]); d != 0 {
			return d
		}
	}
	return 0
}

func compareValue(a, b any) int {
	if d := cmp.Compare(kind(a), kind(b)); d != 0 {
		return d
	}
	switch a := a.(type) {
	case int64:
		return cmp.Compare(a, b.(int64))
	case float64:
		return cmp.Compare(a, b.(float64))
	case string:
		return strings.Compare(a, b.(string))
	case []byte:
		return bytes.Compare(a, b.([]byte))
	default:
		return 0 // NULL
	}
}

// kind ranks a value's type: NULL, numbers, text, bytes.
func kind(v any) int {
	switch v.(type) {
	case nil:
		return 0
	case int64:
		return 1
	case float64: // no view has any: it only has to be told from an integer
		return 2
	case string:
		return 3
	default:
		return 4
	}
}
