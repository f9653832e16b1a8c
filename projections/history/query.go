package history

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"time"

	"lethe/domain"
	"lethe/domain/personal"
	"lethe/domain/subject"
	"lethe/eventstore"
	"lethe/projections"
	"lethe/projections/standing"
)

// Entry is one event of a person's history.
type Entry struct {
	Position  eventstore.Position `json:"position"`
	Token     domain.Token        `json:"token"`
	Event     domain.ID           `json:"event"`
	Type      string              `json:"type"`
	Revision  uint64              `json:"revision"`
	Recorded  time.Time           `json:"recorded"`
	Effective time.Time           `json:"effective"`
	Principal domain.ID           `json:"principal"`
	Facts
	Erasure domain.Event `json:"erasure,omitempty"` // what an event about an erasure says in clear
	Values  []Value      `json:"-"`
}

// Value is one sealed value of an entry.
type Value struct {
	Field string
	Group domain.Name
	Value personal.Value
}

// Page says which entries: at most Limit (PageSize) behind After, in the
// order of recording. Until, unless it is zero, leaves out what was recorded
// later than it.
type Page struct {
	After eventstore.Position
	Until time.Time
	Limit int
}

// Queries reads the view.
type Queries struct{ Source projections.Source }

// List gives a person's history; nothing for a person it does not know.
func (q Queries) List(ctx context.Context, token domain.Token, p Page) (found []Entry, err error) {
	if p.Until.IsZero() {
		p.Until = time.UnixMicro(1<<62 - 1)
	}
	err = q.Source.Read(ctx, Name, func(db projections.Querier) error {
		found, err = entries(ctx, db, token, p)
		if err != nil || len(found) == 0 {
			return err
		}
		return values(ctx, db, found, p)
	})
	return found, err
}

func entries(ctx context.Context, db projections.Querier, token domain.Token, p Page) (found []Entry, err error) {
	rows, err := db.QueryContext(ctx, "SELECT "+table.Names()+" FROM history"+
		" WHERE token = ? AND position > ? AND recorded <= ? ORDER BY position LIMIT ?",
		string(token), int64(p.After), p.Until.UnixMicro(), projections.PageSize(p.Limit))
	if err != nil {
		return nil, fmt.Errorf("reading history: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		e, err := scan(rows)
		if err != nil {
			return nil, fmt.Errorf("reading history: %w", err)
		}
		found = append(found, e)
	}
	return found, rows.Err()
}

func scan(row projections.Row) (e Entry, err error) {
	var event, principal, notice, refers, source, erasure []byte
	var recorded, effective int64
	var until, informed, expires sql.NullInt64
	var channels string
	err = row.Scan(&e.Position, &e.Token, &event, &e.Type, &e.Revision, &recorded, &effective, &principal,
		&e.Purpose, &e.Version, &notice, &e.Language, &e.Medium, &e.Method, &e.By, &e.Class, &e.Explicit, &until, &channels,
		&e.Basis, &e.Scope, &e.ContactPoint, &e.Ground, &refers, &informed, &expires, &e.DoubleOptIn, &e.System, &source, &erasure)
	e.Event, e.Principal = projections.IDOf(event), projections.IDOf(principal)
	e.Refers, e.Import = projections.IDOf(refers), projections.IDOf(source)
	e.Recorded, e.Effective = time.UnixMicro(recorded).UTC(), time.UnixMicro(effective).UTC()
	e.Until, e.Informed, e.Expires = projections.Moment(until), projections.Moment(informed), projections.Moment(expires)
	copy(e.Notice[:], notice)
	for c := range strings.FieldsSeq(channels) {
		e.Channels = append(e.Channels, subject.Channel(c))
	}
	if err == nil && erasure != nil {
		e.Erasure, err = standing.Event(e.Type, erasure)
	}
	return e, err
}

// values adds the sealed values to a page of entries.
func values(ctx context.Context, db projections.Querier, found []Entry, p Page) error {
	at := make(map[int64]*Entry, len(found))
	for i := range found {
		at[int64(found[i].Position)] = &found[i]
	}
	rows, err := db.QueryContext(ctx, "SELECT p.position, field, retention_group, p.type, p.version, part"+
		" FROM history h JOIN history_parts p ON p.position = h.position"+
		" WHERE token = ? AND h.position > ? AND h.position <= ? ORDER BY p.position, seq",
		string(found[0].Token), int64(p.After), int64(found[len(found)-1].Position))
	if err != nil {
		return fmt.Errorf("reading the history's values: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var position int64
		var v Value
		var part projections.Part
		if err := rows.Scan(&position, &v.Field, &v.Group, &part.Type, &part.Version, &part.Bytes); err != nil {
			return fmt.Errorf("reading the history's values: %w", err)
		}
		if e := at[position]; e != nil {
			v.Value = part.Value(e.Token.Stream(), e.Event)
			e.Values = append(e.Values, v)
		}
	}
	return rows.Err()
}
