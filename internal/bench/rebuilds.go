package bench

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	_ "modernc.org/sqlite" // the views' own driver

	"lethe/domain/subject"
	"lethe/projections"
)

// rebuilds measures the fold by itself, and each view rebuilt from the log
// beside a bare insert of the same rows into the same database.
func (b *bench) rebuilds(ctx context.Context) error {
	b.tell("fold")
	if err := b.fold(ctx); err != nil {
		return err
	}
	for _, v := range b.app.Views.Status() {
		b.tell("rebuild of %s", v.Name)
		if err := b.rebuildOne(ctx, v.Name); err != nil {
			return fmt.Errorf("rebuilding %s: %w", v.Name, err)
		}
	}
	return nil
}

// fold reads, decodes and evolves every event on one processor.
func (b *bench) fold(ctx context.Context) error {
	states := map[string]*subject.State{}
	start, n := begin(), 0
	for rec, err := range b.app.Store.ReadAll(ctx, 0) {
		if err != nil {
			return fmt.Errorf("reading the log: %w", err)
		}
		kept := rec.Clone()
		decoded, err := b.app.Codec.Decode(kept)
		if err != nil {
			return err
		}
		if strings.HasPrefix(kept.Stream, "subject-") {
			states[kept.Stream] = subject.Evolve(states[kept.Stream], decoded)
		}
		n++
	}
	measured := start.rate(n)
	met := measured.each >= 500_000
	b.add(Figure{
		Name: "rebuild: fold", Unit: "events/s", Aim: "500 000/s", Met: &met,
		Note: fmt.Sprintf("read, cloned, decoded and evolved into %d people's states, one processor", len(states)),
	}.of(measured))
	return nil
}

// fewRows is how many rows a rate needs to say anything.
const fewRows = 5000

func (b *bench) rebuildOne(ctx context.Context, view string) error {
	start := begin()
	if err := b.app.Views.Rebuild(ctx, func(projections.Progress) {}, view); err != nil {
		return err
	}
	took, cpu := time.Since(start.start), processorTime()-start.cpu
	var base rate
	var rows int
	err := b.app.Views.Read(ctx, view, func(q projections.Querier) (err error) {
		rows, base, err = b.bareInsert(ctx, view, q)
		return err
	})
	if err != nil || rows == 0 {
		return err
	}
	aim, aimed := 0.7, "0.7× insert"
	if rows < fewRows { // opening and exchanging a file is all that is measured
		aim, aimed = 0, ""
	}
	events := float64(b.app.Store.Stats().Events)
	b.add(Figure{
		Name: "rebuild: view " + view, Unit: "rows/s", Aim: aimed,
		Note: fmt.Sprintf("%d rows from %.0f events in %s (%.0f events/s)", rows, events, took.Round(time.Millisecond), events/took.Seconds()),
	}.of(rate{float64(rows) / took.Seconds(), cpu / time.Duration(rows)}).against("bare insert of the same rows", base, aim))
	return nil
}

// table is a table's declaration and rows.
type table struct {
	name    string
	columns int
	rows    [][]any
}

// bareInsert copies a view's rows with one prepared statement a table, in one
// transaction, without journal and sync, then makes the same indexes.
func (b *bench) bareInsert(ctx context.Context, view string, from projections.Querier) (rows int, measured rate, err error) {
	declarations, indexes, tables, err := contents(ctx, from)
	if err != nil {
		return 0, rate{}, err
	}
	path := filepath.Join(b.Dir, "bare-"+view+".db")
	db, err := sql.Open("sqlite", "file:"+path+
		"?_pragma=journal_mode(off)&_pragma=synchronous(off)&_pragma=locking_mode(exclusive)&_pragma=cache_size(-131072)")
	if err != nil {
		return 0, rate{}, fmt.Errorf("making the bare database: %w", err)
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	db.SetMaxOpenConns(1)
	for _, d := range declarations {
		if _, err := db.ExecContext(ctx, d); err != nil {
			return 0, rate{}, fmt.Errorf("declaring a bare table: %w", err)
		}
	}
	start := begin()
	for _, t := range tables {
		if err := insert(ctx, db, t); err != nil {
			return 0, rate{}, err
		}
		rows += len(t.rows)
	}
	for _, d := range indexes {
		if _, err := db.ExecContext(ctx, d); err != nil {
			return 0, rate{}, fmt.Errorf("making a bare index: %w", err)
		}
	}
	return rows, start.rate(rows), nil
}

func insert(ctx context.Context, db *sql.DB, t table) error {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("beginning a bare insert: %w", err)
	}
	defer tx.Rollback() //nolint:errcheck // committed below
	into, err := tx.PrepareContext(ctx, `INSERT INTO "`+t.name+`" VALUES (?`+strings.Repeat(",?", t.columns-1)+")")
	if err != nil {
		return fmt.Errorf("preparing a bare insert: %w", err)
	}
	defer into.Close() //nolint:errcheck // ends with the transaction
	for _, row := range t.rows {
		if _, err := into.ExecContext(ctx, row...); err != nil {
			return fmt.Errorf("inserting a bare row: %w", err)
		}
	}
	return tx.Commit()
}

// contents reads a view's declarations and rows into memory.
func contents(ctx context.Context, q projections.Querier) (declarations, indexes []string, tables []table, err error) {
	found, err := q.QueryContext(ctx, "SELECT type, name, sql FROM sqlite_master WHERE sql IS NOT NULL AND name NOT LIKE 'lethe_%'")
	if err != nil {
		return nil, nil, nil, fmt.Errorf("reading a view's tables: %w", err)
	}
	defer found.Close() //nolint:errcheck // read only
	for found.Next() {
		var kind, name, text string
		if err := found.Scan(&kind, &name, &text); err != nil {
			return nil, nil, nil, fmt.Errorf("reading a view's tables: %w", err)
		}
		if kind != "table" {
			indexes = append(indexes, text)
			continue
		}
		declarations, tables = append(declarations, text), append(tables, table{name: name})
	}
	if err := found.Err(); err != nil {
		return nil, nil, nil, fmt.Errorf("reading a view's tables: %w", err)
	}
	for i := range tables {
		if err := tables[i].read(ctx, q); err != nil {
			return nil, nil, nil, err
		}
	}
	return declarations, indexes, tables, nil
}

func (t *table) read(ctx context.Context, q projections.Querier) error {
	// The name is one that the database itself just gave.
	rows, err := q.QueryContext(ctx, `SELECT * FROM "`+t.name+`"`)
	if err != nil {
		return fmt.Errorf("reading a view's rows: %w", err)
	}
	defer rows.Close() //nolint:errcheck // read only
	columns, err := rows.Columns()
	if err != nil {
		return fmt.Errorf("reading a view's rows: %w", err)
	}
	t.columns = len(columns)
	for rows.Next() {
		row, into := make([]any, t.columns), make([]any, t.columns)
		for i := range row {
			into[i] = &row[i]
		}
		if err := rows.Scan(into...); err != nil {
			return fmt.Errorf("reading a view's row: %w", err)
		}
		t.rows = append(t.rows, row)
	}
	return rows.Err()
}
