package accesses

import (
	"context"
	"database/sql"
	"fmt"
	"math"
	"strings"
	"time"

	"lethe/domain"
	"lethe/domain/access"
	"lethe/eventstore"
	"lethe/projections"
)

// Access is one person's part in one access event.
type Access struct {
	Position  eventstore.Position `json:"position"`
	Seq       int                 `json:"seq"`
	Token     domain.Token        `json:"token,omitzero"`
	Principal domain.ID           `json:"principal"`
	Event     domain.ID           `json:"event"`
	Recorded  time.Time           `json:"recorded"`
	Granted   bool                `json:"granted"`
	Purpose   domain.Name         `json:"purpose,omitzero"`
	Version   uint32              `json:"version,omitzero"`
	Operation access.Operation    `json:"operation"`
	Door      access.Door         `json:"door"`
	Channel   domain.Name         `json:"channel,omitzero"`
	Recipient domain.Name         `json:"recipient,omitzero"`
	Basis     domain.Basis        `json:"basis,omitzero"`
	Fields    []domain.Name       `json:"fields,omitzero"`
	Reason    access.Reason       `json:"reason,omitzero"`
	Count     uint32              `json:"count"`
	Since     time.Time           `json:"since,omitzero"`
}

// Cursor is a row's place. The zero Cursor is before every row, or after
// every row when the newest come first.
type Cursor struct {
	Position eventstore.Position
	Seq      int
}

// At is the row's own place, to go on behind it.
func (a *Access) At() Cursor { return Cursor{Position: a.Position, Seq: a.Seq} }

// Page says which rows: at most Limit (PageSize) behind After.
type Page struct {
	After  Cursor
	Newest bool // newest first
	Limit  int
}

// Queries reads the view.
type Queries struct{ Source projections.Source }

// OfToken lists the accesses to one person's data.
func (q Queries) OfToken(ctx context.Context, token domain.Token, p Page) ([]Access, error) {
	return q.list(ctx, "token", string(token), p)
}

// OfPrincipal lists what one principal opened, and was refused.
func (q Queries) OfPrincipal(ctx context.Context, id domain.ID, p Page) ([]Access, error) {
	return q.list(ctx, "principal", id[:], p)
}

// statement is one of four: by person or by principal, in either order.
func statement(column string, newest bool) string {
	compare, order := ">", "ASC"
	if newest {
		compare, order = "<", "DESC"
	}
	return "SELECT " + table.Names() + " FROM accesses WHERE " + column + " = ? AND (position, seq) " + compare +
		" (?, ?) ORDER BY position " + order + ", seq " + order + " LIMIT ?"
}

func (q Queries) list(ctx context.Context, column string, key any, p Page) (found []Access, err error) {
	if p.Newest && p.After == (Cursor{}) {
		p.After = Cursor{Position: math.MaxInt64}
	}
	err = q.Source.Read(ctx, Name, func(db projections.Querier) error {
		rows, err := db.QueryContext(ctx, statement(column, p.Newest), key, int64(p.After.Position), p.After.Seq, projections.PageSize(p.Limit))
		if err != nil {
			return fmt.Errorf("listing accesses: %w", err)
		}
		defer rows.Close()
		for rows.Next() {
			a, err := scan(rows)
			if err != nil {
				return fmt.Errorf("listing accesses: %w", err)
			}
			found = append(found, a)
		}
		return rows.Err()
	})
	return found, err
}

func scan(row projections.Row) (a Access, err error) {
	var principal, event []byte
	var recorded int64
	var fields string
	var since sql.NullInt64
	err = row.Scan(&a.Position, &a.Seq, &a.Token, &principal, &event, &recorded, &a.Granted, &a.Purpose, &a.Version,
		&a.Operation, &a.Door, &a.Channel, &a.Recipient, &a.Basis, &fields, &a.Reason, &a.Count, &since)
	a.Principal, a.Event = projections.IDOf(principal), projections.IDOf(event)
	a.Recorded, a.Since = time.UnixMicro(recorded).UTC(), projections.Moment(since)
	for name := range strings.FieldsSeq(fields) {
		a.Fields = append(a.Fields, domain.Name(name))
	}
	return a, err
}
