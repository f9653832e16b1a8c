package customers

import (
	"context"
	"database/sql"
	"errors"
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

// Status of a record.
type Status string

// Statuses.
const (
	Active  Status = "active"
	Erasing Status = "erasing" // an erasure is ordered or has started
	Erased  Status = "erased"  // everything went but what must be kept, and no new lifecycle was opened
)

// Customer is one person's record.
type Customer struct {
	Token        domain.Token        `json:"token"`
	Jurisdiction domain.Place        `json:"jurisdiction"`
	Acquired     subject.Acquisition `json:"acquired"`
	Source       subject.Source      `json:"source,omitzero"`
	Row          personal.Value      `json:"-"`                    // the source's row, sealed
	Registered   time.Time           `json:"registered"`           // recorded
	Effective    time.Time           `json:"registered_effective"` // took effect
	Event        domain.ID           `json:"event"`                // that registered
	Revision     uint64              `json:"revision"`
	Position     eventstore.Position `json:"position"`
	Changed      time.Time           `json:"changed"` // when the last event was recorded
	Restricted   bool                `json:"restricted"`
	Objections   int                 `json:"objections"` // those that stand
	Status       Status              `json:"status"`
	Closed       []domain.Name       `json:"closed,omitempty"` // groups that nothing is written to and no purpose may use
	Fields       []Field             `json:"-"`
}

// Field is one value that is held, sealed.
type Field struct {
	Field    domain.Name
	Slot     uint16
	Earlier  uint32 // the lifecycle of a value that had to stay when a later one opened, or 0
	Group    domain.Name
	Class    subject.ProvenanceClass
	Purposes []domain.Name // that hold it, in order of recording
	Source   subject.Source
	Event    domain.ID // that set the value
	Revision uint64
	Recorded time.Time
	Since    time.Time // took effect
	Value    personal.Value
}

// Details is a record with everything the view has about it. Values in the
// events of what stands are absent: the view keeps their facts only.
type Details struct {
	Customer
	Restrictions []subject.Restriction
	Objected     []subject.Objection // all, with what became of each
	Holds        []subject.Hold
	Links        []subject.Link
}

// Filter narrows a list; what is zero narrows nothing.
type Filter struct {
	Jurisdiction domain.Place
	System       domain.Name
	Import       domain.ID
	Restricted   bool // only those
	Objecting    bool // only those with an objection that stands
	Status       Status
}

// Queries reads the view.
type Queries struct{ Source projections.Source }

// Get gives one record as it stands now: what is yet to take effect does not
// count. A *domain.Error of KindNotFound if there is none.
func (q Queries) Get(ctx context.Context, token domain.Token, now time.Time) (d Details, err error) {
	err = q.Source.Read(ctx, Name, func(db projections.Querier) error {
		row := db.QueryRowContext(ctx, "SELECT token, "+headColumns+" FROM customers WHERE token = ?", string(token))
		d.Customer, err = scanCustomer(row)
		if errors.Is(err, sql.ErrNoRows) {
			return domain.NotFound("subject.unknown", "token", "there is no such subject")
		}
		if err != nil {
			return fmt.Errorf("reading a customer: %w", err)
		}
		if d.Fields, err = fieldsOf(ctx, db, token); err != nil {
			return err
		}
		return d.stand(ctx, db, now)
	})
	return d, err
}

// List gives the records behind a token, in the order of tokens, with their
// fields: at most PageSize of limit.
func (q Queries) List(ctx context.Context, after domain.Token, limit int, f Filter) (found []Customer, err error) {
	where, args := f.sql(after)
	query := "SELECT token, " + headColumns + " FROM customers WHERE " + where + " ORDER BY token LIMIT ?"
	err = q.Source.Read(ctx, Name, func(db projections.Querier) error {
		err := each(ctx, db, query, append(args, projections.PageSize(limit)), func(row projections.Row) error {
			c, err := scanCustomer(row)
			found = append(found, c)
			return err
		})
		for i := range found {
			if err == nil {
				found[i].Fields, err = fieldsOf(ctx, db, found[i].Token)
			}
		}
		return err
	})
	return found, err
}

// sql is made of constant conditions; what is asked for are parameters.
func (f *Filter) sql(after domain.Token) (string, []any) {
	where, args := []string{"token > ?"}, []any{string(after)}
	add := func(condition string, arg ...any) {
		where, args = append(where, condition), append(args, arg...)
	}
	if f.Jurisdiction != "" {
		add("jurisdiction = ?", string(f.Jurisdiction))
	}
	if f.System != "" {
		add("source_system = ?", string(f.System))
	}
	if !f.Import.IsZero() {
		add("source_import = ?", f.Import[:])
	}
	if f.Restricted {
		add("restricted = 1")
	}
	if f.Objecting {
		add("objections > 0")
	}
	if f.Status != "" {
		add("status = ?", string(f.Status))
	}
	return strings.Join(where, " AND "), args
}

func scanCustomer(row projections.Row) (c Customer, err error) {
	var h head
	if err := row.Scan(append([]any{&c.Token}, h.columns()...)...); err != nil {
		return c, err
	}
	c.Jurisdiction, c.Acquired = domain.Place(h.jurisdiction), subject.Acquisition(h.acquired)
	c.Source, c.Event, c.Status = h.source.public(), projections.IDOf(h.event), h.status
	c.Registered, c.Effective, c.Changed = moment(h.recorded), moment(h.effective), moment(h.changed)
	c.Revision, c.Position = uint64(h.revision), eventstore.Position(h.position)
	c.Restricted, c.Objections = h.restricted, int(h.objections)
	for g := range strings.FieldsSeq(h.closed) {
		c.Closed = append(c.Closed, domain.Name(g))
	}
	if h.row.Type != "" {
		c.Row = h.row.Value(c.Token.Stream(), c.Event)
	}
	return c, nil
}

func (s *source) public() subject.Source {
	return subject.Source{System: domain.Name(s.system), Table: domain.Name(s.table), Import: projections.IDOf(s.imported)}
}

func moment(micros int64) time.Time { return time.UnixMicro(micros).UTC() }

func fieldsOf(ctx context.Context, db projections.Querier, token domain.Token) (found []Field, err error) {
	err = each(ctx, db, selectFields, []any{string(token)}, func(row projections.Row) error {
		var f field
		if err := row.Scan(f.columns()...); err != nil {
			return err
		}
		p := Field{
			Field: domain.Name(f.field), Slot: uint16(f.slot), Earlier: uint32(f.lifecycle), Group: domain.Name(f.group), Class: subject.ProvenanceClass(f.class),
			Source: f.source.public(), Event: projections.IDOf(f.event), Revision: uint64(f.revision),
			Recorded: moment(f.recorded), Since: moment(f.since),
		}
		p.Value = f.part.Value(token.Stream(), p.Event)
		for name := range strings.FieldsSeq(f.purposes) {
			p.Purposes = append(p.Purposes, domain.Name(name))
		}
		found = append(found, p)
		return nil
	})
	return found, err
}

// stand reads what restricts and links a person, and sets the customer's own
// summary to the moment.
func (d *Details) stand(ctx context.Context, db projections.Querier, now time.Time) error {
	state, err := standing.Read(ctx, db, claimsTable, d.Token)
	if err != nil || state == nil {
		return err
	}
	s := state.At(time.Time{}, now)
	d.Restrictions, d.Objected, d.Holds, d.Links = s.Restrictions, s.Objections, s.Holds, s.Links
	d.Restricted, d.Objections = s.Restricted(), 0
	for _, o := range s.Objections {
		if stands(o.State) {
			d.Objections++
		}
	}
	return nil
}

func each(ctx context.Context, db projections.Querier, query string, args []any, scan func(projections.Row) error) error {
	rows, err := db.QueryContext(ctx, query, args...)
	if err != nil {
		return fmt.Errorf("reading customers: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		if err := scan(rows); err != nil {
			return fmt.Errorf("reading customers: %w", err)
		}
	}
	return rows.Err()
}
