package projections

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"modernc.org/sqlite" // also registers the driver
	sqlite3 "modernc.org/sqlite/lib"

	"lethe/eventstore"
	"lethe/internal/room"
)

// What is SQLite's own is in this file: the types of columns, how tables lie,
// how a file is opened and when its bytes are safe.

const driver = "sqlite"

// mode is what a connection is for.
type mode uint8

const (
	follow mode = iota // WAL; readers beside it; a commit survives a killed process, and a lost power as a whole or not at all
	bulk               // no journal, no sync: a crash throws the file away
	read               // never writes
)

func dsn(path string, m mode) string {
	pragmas := []string{"busy_timeout(10000)", "temp_store(memory)"}
	switch m {
	case follow:
		pragmas = append(pragmas, "secure_delete(1)", "journal_mode(wal)", "synchronous(normal)", "wal_autocheckpoint(0)", "cache_size(-8192)")
	case bulk:
		pragmas = append(pragmas, "secure_delete(1)", "journal_mode(off)", "synchronous(off)", "locking_mode(exclusive)", "cache_size(-131072)")
	case read:
		pragmas = append(pragmas, "query_only(1)", "cache_size(-4096)")
	}
	q := url.Values{"_pragma": pragmas}
	return (&url.URL{Scheme: "file", Opaque: escapePath(path), RawQuery: q.Encode()}).String()
}

// escapePath keeps a path with ? or # or % in it from ending early in the URI.
func escapePath(path string) string {
	return strings.NewReplacer("%", "%25", "?", "%3f", "#", "%23").Replace(path)
}

// columnSQL is the column's declaration.
func (c Column) columnSQL() string {
	s := c.Name + [...]string{Int: " INTEGER", Text: " TEXT", Bytes: " BLOB"}[c.Type]
	if !c.Null {
		s += " NOT NULL"
	}
	return s
}

// createSQL makes the table. A single integer key is SQLite's own row number,
// which we give; other keys make a table that lies in their order.
func (t *Table) createSQL() string {
	cols := make([]string, len(t.Columns))
	for i, c := range t.Columns {
		cols[i] = c.columnSQL()
	}
	s := "CREATE TABLE " + t.Name + " (" + strings.Join(cols, ", ") +
		", PRIMARY KEY (" + strings.Join(t.keyNames(t.KeyColumns), ", ") + "))"
	if t.KeyColumns == 1 && t.Columns[0].Type == Int {
		return s
	}
	return s + " WITHOUT ROWID"
}

func (t *Table) indexSQL(i Index) string {
	return "CREATE INDEX " + i.Name + " ON " + t.Name + " (" + strings.Join(i.Columns, ", ") + ")"
}

// damaged reports whether err says that the file itself is not sound.
func damaged(err error) bool {
	var e *sqlite.Error
	if !errors.As(err, &e) {
		return errors.Is(err, errDamaged)
	}
	code := e.Code() & 0xff
	return code == sqlite3.SQLITE_CORRUPT || code == sqlite3.SQLITE_NOTADB
}

// errDamaged is damage that was found without SQLite saying so.
var errDamaged = errors.New("the view's file is damaged")

// checkpointTable lies in every view's file, in one row.
var checkpointTable = &Table{Name: "lethe_checkpoint", KeyColumns: 1, Columns: []Column{
	{Name: "id", Type: Int},
	{Name: "view", Type: Text},
	{Name: "schema_version", Type: Int},
	{Name: "position", Type: Int},
	{Name: "event", Type: Bytes},
}}

// checkpoint is how far a file is: the last event that it has seen. The ID
// tells a log that was restored to an earlier day and went on differently.
type checkpoint struct {
	position eventstore.Position
	event    eventstore.EventID
}

// connect opens one connection of the mode.
func connect(ctx context.Context, path string, m mode) (*sql.DB, *sql.Conn, error) {
	db, err := sql.Open(driver, dsn(path, m))
	if err != nil {
		return nil, nil, fmt.Errorf("opening the view's file: %w", err)
	}
	db.SetMaxOpenConns(1)
	conn, err := db.Conn(ctx)
	if err == nil && m == follow {
		err = checkPragmas(ctx, conn)
	}
	if err != nil {
		return nil, nil, errors.Join(fmt.Errorf("opening the view's file: %w", room.Explain(path, err)), db.Close())
	}
	return db, conn, nil
}

// checkPragmas makes sure that what durability and erasure rest on was really set.
func checkPragmas(ctx context.Context, conn *sql.Conn) error {
	var journal string
	var sync, overwrites int
	if err := conn.QueryRowContext(ctx, "PRAGMA journal_mode").Scan(&journal); err != nil {
		return err
	}
	if err := conn.QueryRowContext(ctx, "PRAGMA synchronous").Scan(&sync); err != nil {
		return err
	}
	if err := conn.QueryRowContext(ctx, "PRAGMA secure_delete").Scan(&overwrites); err != nil {
		return err
	}
	if journal != "wal" || sync != 1 || overwrites != 1 {
		return fmt.Errorf("journal mode %s, synchronous %d and secure_delete %d instead of wal, 1 and 1", journal, sync, overwrites)
	}
	return nil
}

// quickCheck reads the whole file and reports damage.
func quickCheck(ctx context.Context, db *sql.DB) error {
	var answer string
	if err := db.QueryRowContext(ctx, "PRAGMA quick_check(1)").Scan(&answer); err != nil {
		return err
	}
	if answer != "ok" {
		return fmt.Errorf("%w: the check of its pages failed", errDamaged)
	}
	return nil
}
