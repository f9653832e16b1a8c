package imports

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"
	"time"

	"lethe/domain"
	"lethe/domain/importing"
	"lethe/domain/personal"
	"lethe/eventstore"
	"lethe/projections"
)

// Status of an import.
type Status string

// Statuses. An import that was interrupted is Running until it is resumed.
const (
	Running   Status = "running"
	Completed Status = "completed"
)

// Import is one import's head and totals.
type Import struct {
	ID        domain.ID           `json:"import"`
	System    domain.Name         `json:"system"`
	Format    domain.Name         `json:"format"`
	File      domain.Digest       `json:"file"`
	Mapping   domain.Digest       `json:"mapping"`
	Bytes     int64               `json:"bytes"`
	Catalogue uint64              `json:"catalogue"`
	Principal domain.ID           `json:"principal"`
	Status    Status              `json:"status"`
	Started   time.Time           `json:"started"`
	Completed time.Time           `json:"completed,omitzero"`
	Position  eventstore.Position `json:"position"` // of its start
	FileName  personal.Value      `json:"-"`        // sealed
	Refused   uint64              `json:"refused"`  // rows listed as refused; conflicts and suppressed rows not counted
	Conflicts uint64              `json:"conflicts"`
	Links     uint64              `json:"links"`
}

// Report is an import with its counts per table, empty until it is completed.
type Report struct {
	Import
	Tables []importing.Table `json:"tables"`
}

// Cursor is a refusal's or a link's place in its import; the zero Cursor is
// before all of them.
type Cursor struct {
	Position eventstore.Position
	Seq      int
}

// Refusal is one refused row or conflict.
type Refusal struct {
	At Cursor
	importing.Refusal
}

// Link is one proposed link.
type Link struct {
	At Cursor
	importing.Link
}

// Queries reads the view.
type Queries struct{ Source projections.Source }

const selectImport = `SELECT i.import, system, format, file, mapping, bytes, catalogue, principal, started, i.position,
	event, type, version, part, completed,
	(SELECT count(*) FROM import_refusals r WHERE r.import = i.import AND conflict = 0 AND rule <> 'suppressed'),
	(SELECT count(*) FROM import_refusals r WHERE r.import = i.import AND conflict = 1),
	(SELECT count(*) FROM import_links l WHERE l.import = i.import)
	FROM imports i LEFT JOIN import_completions c ON c.import = i.import `

// List gives the imports that began before a position, newest first; 0 begins
// at the newest.
func (q Queries) List(ctx context.Context, before eventstore.Position, limit int) (found []Import, err error) {
	if before == 0 {
		before = math.MaxInt64
	}
	err = q.Source.Read(ctx, Name, func(db projections.Querier) error {
		return each(ctx, db, selectImport+"WHERE i.position < ? ORDER BY i.position DESC LIMIT ?",
			[]any{int64(before), projections.PageSize(limit)}, func(row projections.Row) error {
				i, err := scanImport(row)
				found = append(found, i)
				return err
			})
	})
	return found, err
}

// Get gives one import's report; a *domain.Error of KindNotFound if there is
// no such import.
func (q Queries) Get(ctx context.Context, id domain.ID) (r Report, err error) {
	err = q.Source.Read(ctx, Name, func(db projections.Querier) error {
		r.Import, err = scanImport(db.QueryRowContext(ctx, selectImport+"WHERE i.import = ?", id[:]))
		if errors.Is(err, sql.ErrNoRows) {
			return domain.NotFound("import.unknown", "import", "there is no such import")
		}
		if err != nil {
			return fmt.Errorf("reading an import: %w", err)
		}
		r.Tables, err = tablesOf(ctx, db, id)
		return err
	})
	return r, err
}

func scanImport(row projections.Row) (i Import, err error) {
	var id, file, mapping, principal, event []byte
	var started int64
	var completed sql.NullInt64
	var name projections.Part
	err = row.Scan(&id, &i.System, &i.Format, &file, &mapping, &i.Bytes, &i.Catalogue, &principal, &started, &i.Position,
		&event, &name.Type, &name.Version, &name.Bytes, &completed, &i.Refused, &i.Conflicts, &i.Links)
	if err != nil {
		return i, err
	}
	i.ID, i.Principal = projections.IDOf(id), projections.IDOf(principal)
	copy(i.File[:], file)
	copy(i.Mapping[:], mapping)
	i.Started, i.Completed, i.Status = time.UnixMicro(started).UTC(), projections.Moment(completed), Running
	if completed.Valid {
		i.Status = Completed
	}
	if name.Type != "" {
		i.FileName = name.Value(importing.Stream(i.ID), projections.IDOf(event))
	}
	return i, nil
}

func tablesOf(ctx context.Context, db projections.Querier, id domain.ID) (tables []importing.Table, err error) {
	err = each(ctx, db, "SELECT name, read, created, updated, unchanged, refused, suppressed, field_values, denials, consents, conflicts, linked"+
		" FROM import_tables WHERE import = ? ORDER BY seq", []any{id[:]}, func(row projections.Row) error {
		var t importing.Table
		err := row.Scan(&t.Name, &t.Read, &t.Created, &t.Updated, &t.Unchanged, &t.Refused, &t.Suppressed, &t.Values,
			&t.Denials, &t.Consents, &t.Conflicts, &t.Linked)
		tables = append(tables, t)
		return err
	})
	if err != nil {
		return nil, err
	}
	err = each(ctx, db, "SELECT table_seq, kind, rule, count FROM import_rules WHERE import = ? ORDER BY table_seq, kind, seq",
		[]any{id[:]}, func(row projections.Row) error {
			var at int
			var kind string
			var c importing.RuleCount
			if err := row.Scan(&at, &kind, &c.Rule, &c.Count); err != nil || at >= len(tables) {
				return err
			}
			if kind == leftOut {
				tables[at].LeftOut = append(tables[at].LeftOut, c)
			} else {
				tables[at].Findings = append(tables[at].Findings, c)
			}
			return nil
		})
	return tables, err
}

// Refusals lists an import's refused rows and conflicts behind a place.
func (q Queries) Refusals(ctx context.Context, id domain.ID, after Cursor, limit int) (found []Refusal, err error) {
	err = q.page(ctx, "SELECT position, seq, source_table, row, field, rule, conflict FROM import_refusals", id, after, limit,
		func(row projections.Row) error {
			var r Refusal
			err := row.Scan(&r.At.Position, &r.At.Seq, &r.Table, &r.Row, &r.Field, &r.Rule, &r.Conflict)
			found = append(found, r)
			return err
		})
	return found, err
}

// Links lists the links an import proposed, behind a place.
func (q Queries) Links(ctx context.Context, id domain.ID, after Cursor, limit int) (found []Link, err error) {
	err = q.page(ctx, "SELECT position, seq, a, b, ground FROM import_links", id, after, limit,
		func(row projections.Row) error {
			var l Link
			err := row.Scan(&l.At.Position, &l.At.Seq, &l.A, &l.B, &l.Ground)
			found = append(found, l)
			return err
		})
	return found, err
}

func (q Queries) page(ctx context.Context, query string, id domain.ID, after Cursor, limit int, scan func(projections.Row) error) error {
	if after == (Cursor{}) {
		after.Seq = -1
	}
	return q.Source.Read(ctx, Name, func(db projections.Querier) error {
		return each(ctx, db, query+" WHERE import = ? AND (position, seq) > (?, ?) ORDER BY position, seq LIMIT ?",
			[]any{id[:], int64(after.Position), after.Seq, projections.PageSize(limit)}, scan)
	})
}

func each(ctx context.Context, db projections.Querier, query string, args []any, scan func(projections.Row) error) error {
	rows, err := db.QueryContext(ctx, query, args...)
	if err != nil {
		return fmt.Errorf("reading imports: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		if err := scan(rows); err != nil {
			return fmt.Errorf("reading imports: %w", err)
		}
	}
	return rows.Err()
}
