package projections

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"lethe/domain"
	"lethe/eventstore"
)

// idleEvents is how many events of no concern pass before the checkpoint is
// written for their sake alone. They may be seen again without effect.
const idleEvents = 10_000

// logbook is where a file's events come from.
type logbook struct {
	store   eventstore.Store
	decoder Decoder
}

// file is the writing side of one view file. One goroutine uses it at a time.
type file struct {
	view  Projection
	from  logbook
	path  string
	wants map[string]bool
	hook  func(point string) error

	db    *sql.DB
	conn  *sql.Conn
	stmts map[statement]*sql.Stmt
	fold  Fold
	began bool

	bulk    bool  // not live yet: no write-ahead log
	indexed bool  // in bulk mode: the secondary indexes are there
	enough  int64 // bytes of the write-ahead log that are moved into the file

	at   checkpoint // including what is not committed yet
	idle int        // events seen since the last commit
}

// createFile makes the tables in a new file, in bulk mode, without indexes.
func createFile(ctx context.Context, p Projection, from logbook, path string, hook func(string) error) (*file, error) {
	f, err := attach(ctx, p, from, path, bulk, hook)
	if err != nil {
		return nil, err
	}
	for _, t := range append([]*Table{checkpointTable}, p.Schema().Tables...) {
		if _, err := f.conn.ExecContext(ctx, t.createSQL()); err != nil {
			return nil, errors.Join(fmt.Errorf("making table %s: %w", t.Name, err), f.close())
		}
	}
	if err := f.commit(); err != nil {
		return nil, errors.Join(err, f.close())
	}
	return f, nil
}

// errOtherSchema: the file was written by another version of the view.
var errOtherSchema = errors.New("the view's file has another schema version")

// openFile opens a complete file to follow the log from its checkpoint.
func openFile(ctx context.Context, p Projection, from logbook, path string, hook func(string) error) (*file, error) {
	f, err := attach(ctx, p, from, path, follow, hook)
	if err != nil {
		return nil, err
	}
	if err := f.load(ctx); err != nil {
		return nil, errors.Join(err, f.close())
	}
	return f, nil
}

func attach(ctx context.Context, p Projection, from logbook, path string, m mode, hook func(string) error) (*file, error) {
	db, conn, err := connect(ctx, path, m)
	if err != nil {
		return nil, err
	}
	wants := map[string]bool{}
	for _, name := range p.Events() {
		wants[name] = true
	}
	return &file{
		view: p, from: from, path: path, wants: wants, hook: hook,
		db: db, conn: conn, stmts: map[statement]*sql.Stmt{}, fold: p.NewFold(m == bulk),
		bulk: m == bulk, enough: walBytes,
	}, nil
}

// load reads the checkpoint and checks that the file is this view's.
func (f *file) load(ctx context.Context) error {
	at, schema, err := readCheckpoint(ctx, f.conn, f.view.Name())
	if err != nil {
		return err
	}
	if schema != f.view.Schema().Version {
		return fmt.Errorf("%w: %d instead of %d", errOtherSchema, schema, f.view.Schema().Version)
	}
	f.at = at
	return nil
}

// readCheckpoint gives a file's checkpoint and its schema version.
func readCheckpoint(ctx context.Context, q Querier, view string) (at checkpoint, schema int, err error) {
	var name string
	var position int64
	var event []byte
	row := q.QueryRowContext(ctx, "SELECT view, schema_version, position, event FROM lethe_checkpoint WHERE id = 1")
	switch err := row.Scan(&name, &schema, &position, &event); {
	case damaged(err):
		return at, 0, fmt.Errorf("reading the checkpoint: %w", err)
	case err != nil && ctx.Err() != nil:
		return at, 0, ctx.Err()
	case err != nil || name != view || len(event) != len(at.event):
		return at, 0, fmt.Errorf("%w: it has no checkpoint of this view", errDamaged)
	}
	return checkpoint{position: eventstore.Position(position), event: [16]byte(event)}, schema, nil
}

// take folds the chunk's events after the checkpoint into the open
// transaction. Nothing of it counts before commit.
func (f *file) take(c *chunk) error {
	for i := range c.items {
		it := &c.items[i]
		if it.raw.Position <= f.at.position || !f.wants[it.raw.Type] {
			continue
		}
		if it.err != nil {
			return fmt.Errorf("decoding event %s (%s) at position %s: %w", it.raw.ID, it.raw.Type, it.raw.Position, it.err)
		}
		if err := f.begin(); err != nil {
			return err
		}
		if err := f.fold.Apply(f, &it.event); err != nil {
			return fmt.Errorf("applying event %s (%s) at position %s: %w", it.raw.ID, it.raw.Type, it.raw.Position, err)
		}
	}
	if c.last.position > f.at.position {
		f.at = c.last
		f.idle += c.seen
	}
	return nil
}

func (f *file) begin() error {
	if f.began {
		return nil
	}
	if _, err := f.conn.ExecContext(context.Background(), "BEGIN IMMEDIATE"); err != nil {
		return fmt.Errorf("beginning: %w", err)
	}
	f.began = true
	return nil
}

// settle commits when there is something to commit.
func (f *file) settle() error {
	if !f.began && f.idle < idleEvents {
		return nil
	}
	return f.commit()
}

// commit writes the rows and the checkpoint in one transaction.
func (f *file) commit() error {
	if err := f.begin(); err != nil {
		return err
	}
	if err := f.fold.Flush(f); err != nil {
		return fmt.Errorf("writing rows: %w", err)
	}
	err := f.Put(checkpointTable, int64(1), f.view.Name(), int64(f.view.Schema().Version), int64(f.at.position), f.at.event[:])
	if err != nil {
		return fmt.Errorf("writing the checkpoint: %w", err)
	}
	if err := f.hook("batch.written"); err != nil {
		return err
	}
	if _, err := f.conn.ExecContext(context.Background(), "COMMIT"); err != nil {
		return fmt.Errorf("committing: %w", err)
	}
	f.began, f.idle = false, 0
	if err := f.hook("batch.committed"); err != nil {
		return err
	}
	return f.relieve()
}

// finish does what the fold put off until all rows and indexes are there.
func (f *file) finish() error {
	x, ok := f.fold.(Finisher)
	if !ok || !x.Unfinished() {
		return nil
	}
	if err := errors.Join(f.index(), f.begin()); err != nil {
		return err
	}
	if err := x.Finish(f); err != nil {
		return fmt.Errorf("finishing rows: %w", err)
	}
	return f.commit()
}

// index makes the secondary indexes, after the rows of a rebuild.
func (f *file) index() error {
	if f.indexed {
		return nil
	}
	for _, t := range f.view.Schema().Tables {
		for _, i := range t.Indexes {
			if _, err := f.conn.ExecContext(context.Background(), t.indexSQL(i)); err != nil {
				return fmt.Errorf("making index %s: %w", i.Name, err)
			}
		}
	}
	f.indexed = true
	return nil
}

// close gives the file up. What was not committed is gone, as after a crash.
func (f *file) close() error {
	var errs []error
	for _, s := range f.stmts {
		errs = append(errs, s.Close())
	}
	if f.began {
		_, err := f.conn.ExecContext(context.Background(), "ROLLBACK")
		errs = append(errs, err)
	}
	return errors.Join(append(errs, f.conn.Close(), f.db.Close())...)
}

var _ Tx = (*file)(nil)

// statement names what is prepared once per file.
type statement struct {
	table *Table
	verb  verb
	keys  int    // of a delete
	query string // of a query
}

type verb uint8

const (
	query verb = iota
	insert
	upsert
	remove
)

func (s statement) sql() string {
	switch s.verb {
	case insert:
		return s.table.insertSQL()
	case upsert:
		return s.table.upsertSQL()
	case remove:
		return s.table.deleteSQL(s.keys)
	default:
		return s.query
	}
}

// Add inserts a row.
func (f *file) Add(t *Table, row ...any) error { return f.exec(statement{table: t, verb: insert}, row) }

// Put inserts or replaces a row.
func (f *file) Put(t *Table, row ...any) error { return f.exec(statement{table: t, verb: upsert}, row) }

// Delete removes the rows under a key's beginning.
func (f *file) Delete(t *Table, key ...any) error {
	return f.exec(statement{table: t, verb: remove, keys: len(key)}, key)
}

// Query runs a prepared query.
func (f *file) Query(text string, args []any, scan func(Row) error) (err error) {
	s, err := f.prepare(statement{verb: query, query: text})
	if err != nil {
		return err
	}
	rows, err := s.QueryContext(context.Background(), args...)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		if err := scan(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}

// Stream reads a stream again.
func (f *file) Stream(name string, until uint64, with func(*domain.Recorded) error) error {
	for e, err := range f.from.store.ReadStream(context.Background(), name, eventstore.StreamRange{}) {
		if err != nil {
			return fmt.Errorf("reading a stream again: %w", err)
		}
		if uint64(e.Position) > until {
			break
		}
		d, err := f.from.decoder.Decode(e.Clone())
		if err != nil {
			return fmt.Errorf("decoding event %s (%s) again: %w", e.ID, e.Type, err)
		}
		if err := with(&d); err != nil {
			return err
		}
	}
	return nil
}

// exec runs a statement that is prepared once per file. The context is never
// the caller's: a cancelled one would cost a goroutine per row and could end a
// transaction halfway; cancelling is looked at between batches.
func (f *file) exec(st statement, args []any) error {
	s, err := f.prepare(st)
	if err != nil {
		return err
	}
	_, err = s.ExecContext(context.Background(), args...)
	return err
}

func (f *file) prepare(st statement) (*sql.Stmt, error) {
	if s, ok := f.stmts[st]; ok {
		return s, nil
	}
	s, err := f.conn.PrepareContext(context.Background(), st.sql())
	if err != nil {
		return nil, fmt.Errorf("preparing: %w", err)
	}
	f.stmts[st] = s
	return s, nil
}
