package keyring

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"modernc.org/sqlite"

	"lethe/internal/room"
)

// pragmas of every connection, and what asking for them must answer. A
// connection that answers otherwise is not used: without FULL a key could be
// lost after its event, without secure_delete a destroyed key stays readable
// in the file.
var pragmas = [...]struct{ name, set, want string }{
	{"busy_timeout", "10000", "10000"},
	{"journal_mode", "WAL", "wal"},
	{"synchronous", "FULL", "2"},
	{"secure_delete", "ON", "1"},
	{"cache_size", "-16384", "-16384"},       // KiB
	{"wal_autocheckpoint", "16384", "16384"}, // 64 MiB: a page that changes often is moved half as often as with 32
	{"temp_store", "MEMORY", "2"},
	{"trusted_schema", "OFF", "0"},
}

// connector opens connections to a file and asserts their pragmas.
type connector struct {
	driver.Connector
	path string
}

// Connect is driver.Connector's.
func (c connector) Connect(ctx context.Context) (driver.Conn, error) {
	conn, err := c.Connector.Connect(ctx)
	if err != nil {
		return nil, fmt.Errorf("connecting: %w", room.Explain(c.path, err))
	}
	for _, p := range pragmas {
		if err := assertPragma(ctx, conn, p.name, p.want); err != nil {
			return nil, errors.Join(room.Explain(c.path, err), conn.Close())
		}
	}
	return conn, nil
}

func assertPragma(ctx context.Context, conn driver.Conn, name, want string) error {
	q, ok := conn.(driver.QueryerContext)
	if !ok {
		return errors.New("the SQLite driver cannot be asked for its pragmas")
	}
	rows, err := q.QueryContext(ctx, "PRAGMA "+name, nil)
	if err != nil {
		return fmt.Errorf("asking for pragma %s: %w", name, err)
	}
	defer rows.Close() //nolint:errcheck // read only
	row := make([]driver.Value, len(rows.Columns()))
	if err := rows.Next(row); err != nil {
		return fmt.Errorf("asking for pragma %s: %w", name, err)
	}
	if got := fmt.Sprint(row[0]); got != want {
		return fmt.Errorf("pragma %s is %s and must be %s", name, got, want)
	}
	return nil
}

// openDB opens a database file with at most conns connections that stay.
func openDB(path string, conns int) (*sql.DB, error) {
	query := url.Values{}
	for _, p := range pragmas {
		query.Add("_pragma", p.name+"("+p.set+")")
	}
	uri := url.URL{Scheme: "file", Opaque: (&url.URL{Path: path}).EscapedPath(), RawQuery: query.Encode()}
	base, err := sqlite.NewConnector(uri.String())
	if err != nil {
		return nil, fmt.Errorf("opening %s: %w", path, err)
	}
	db := sql.OpenDB(connector{base, path})
	db.SetMaxOpenConns(conns)
	db.SetMaxIdleConns(conns)
	db.SetConnMaxLifetime(0)
	return db, nil
}

// writer is the one connection that writes to a database, with its prepared
// statements. Its transactions do not end with a caller's context: the batch
// belongs to many callers.
type writer struct {
	path  string
	db    *sql.DB
	conn  *sql.Conn
	stmts map[string]*sql.Stmt
}

func newWriter(ctx context.Context, path string) (*writer, error) {
	db, err := openDB(path, 1)
	if err != nil {
		return nil, err
	}
	conn, err := db.Conn(ctx)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("opening %s: %w", path, err), db.Close())
	}
	return &writer{path: path, db: db, conn: conn, stmts: map[string]*sql.Stmt{}}, nil
}

// stmt returns the prepared statement of a query. The queries are constants
// of this package, so that there are few.
func (w *writer) stmt(query string) (*sql.Stmt, error) {
	if s, ok := w.stmts[query]; ok {
		return s, nil
	}
	s, err := w.conn.PrepareContext(context.Background(), query)
	if err != nil {
		return nil, fmt.Errorf("preparing a statement: %w", room.Explain(w.path, err))
	}
	w.stmts[query] = s
	return s, nil
}

func (w *writer) exec(query string, args ...any) (int64, error) {
	s, err := w.stmt(query)
	if err != nil {
		return 0, err
	}
	res, err := s.ExecContext(context.Background(), args...)
	if err != nil {
		return 0, room.Explain(w.path, err)
	}
	return res.RowsAffected()
}

// row scans the first row of a query; sql.ErrNoRows when there is none.
func (w *writer) row(query string, args []any, dest ...any) error {
	s, err := w.stmt(query)
	if err != nil {
		return err
	}
	return room.Explain(w.path, s.QueryRowContext(context.Background(), args...).Scan(dest...))
}

// tx runs f between BEGIN IMMEDIATE and COMMIT, or rolls back.
func (w *writer) tx(f func() error) (err error) {
	if _, err := w.exec("BEGIN IMMEDIATE"); err != nil {
		return fmt.Errorf("beginning a transaction: %w", err)
	}
	defer func() {
		if err != nil {
			_, rollback := w.exec("ROLLBACK")
			err = errors.Join(err, rollback)
		}
	}()
	if err := f(); err != nil {
		return err
	}
	if _, err := w.exec("COMMIT"); err != nil {
		return fmt.Errorf("committing: %w", err)
	}
	return nil
}

// truncate moves the write-ahead log into the database file and cuts it to
// nothing, so that no old page stays in it. It fails when a reader kept it busy.
func (w *writer) truncate() error {
	var busy, log, moved int
	if err := w.row("PRAGMA wal_checkpoint(TRUNCATE)", nil, &busy, &log, &moved); err != nil {
		return fmt.Errorf("checkpointing: %w", err)
	}
	if busy != 0 {
		return errors.New("checkpointing: readers kept the write-ahead log busy")
	}
	return nil
}

func (w *writer) close() error {
	var errs []error
	for _, s := range w.stmts {
		errs = append(errs, s.Close())
	}
	return errors.Join(append(errs, w.conn.Close(), w.db.Close())...)
}

// query is a statement and where to keep it.
type query struct {
	stmt **sql.Stmt
	sql  string
}

func prepare(ctx context.Context, db *sql.DB, queries []query) error {
	for _, q := range queries {
		stmt, err := db.PrepareContext(ctx, q.sql)
		if err != nil {
			return err
		}
		*q.stmt = stmt
	}
	return nil
}

func closeAll(stmts ...*sql.Stmt) error {
	var errs []error
	for _, s := range stmts {
		if s != nil {
			errs = append(errs, s.Close())
		}
	}
	return errors.Join(errs...)
}

// placeholders is n copies of row, joined by commas: "(?,?),(?,?)".
func placeholders(row string, n int) string {
	return strings.TrimSuffix(strings.Repeat(row+",", n), ",")
}
