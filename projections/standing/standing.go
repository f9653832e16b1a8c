// Package standing keeps what stands of a person (consents, bases,
// restrictions, objections, links, holds) as rows of facts, one for each
// event, and folds them with the domain's own fold when somebody asks. So a
// view cannot differ from what a decision would see, and what depends on the
// moment (an end that has passed, an effect that is yet to come) is computed
// at that moment.
//
// Rows hold no personal value. They are not the stored bytes but the facts at
// their present shape, so a view whose events get a new version raises its
// schema version.
package standing

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json"

	"lethe/domain"
	"lethe/domain/subject"
	"lethe/projections"
)

// Table declares a table of facts.
func Table(name string) *projections.Table {
	return &projections.Table{
		Name: name, KeyColumns: 2,
		Columns: []projections.Column{
			{Name: "token", Type: projections.Text},
			{Name: "position", Type: projections.Int},
			{Name: "event", Type: projections.Bytes},
			{Name: "type", Type: projections.Text},
			{Name: "revision", Type: projections.Int},
			{Name: "recorded", Type: projections.Int},
			{Name: "effective", Type: projections.Int},
			{Name: "principal", Type: projections.Bytes},
			{Name: "facts", Type: projections.Bytes},
		},
	}
}

// Pending are events whose rows are to be written at the next Flush, in the
// order that the table lies in: a rebuild's events come in the order of time,
// and rows strewn over the table would cost half as much again.
type Pending struct {
	table  *projections.Table
	events []pending
}

type pending struct {
	token string
	event *domain.Recorded
}

// NewPending is for one table.
func NewPending(t *projections.Table) Pending { return Pending{table: t} }

// Add remembers an event.
func (p *Pending) Add(token string, e *domain.Recorded) {
	p.events = append(p.events, pending{token, e})
}

// Flush writes the rows.
func (p *Pending) Flush(tx projections.Tx) error {
	slices.SortFunc(p.events, func(a, b pending) int {
		return cmp.Or(strings.Compare(a.token, b.token), cmp.Compare(a.event.Position, b.event.Position))
	})
	for _, e := range p.events {
		if err := add(tx, p.table, e.token, e.event); err != nil {
			return err
		}
	}
	clear(p.events)
	p.events = p.events[:0]
	return nil
}

// Facts writes what an event says in clear.
func Facts(e domain.Event) ([]byte, error) {
	facts, err := json.Marshal(e)
	if err != nil {
		return nil, fmt.Errorf("writing the facts of a %s: %w", e.EventType().Name, err)
	}
	return facts, nil
}

// Event reads what Facts wrote of an event of the stored name.
func Event(name string, facts []byte) (domain.Event, error) {
	e := empty(name)
	if e == nil {
		return nil, fmt.Errorf("a row of the unknown type %s", name)
	}
	if err := json.Unmarshal(facts, e); err != nil {
		return nil, fmt.Errorf("reading the facts of a %s: %w", name, err)
	}
	return e, nil
}

func add(tx projections.Tx, t *projections.Table, token string, e *domain.Recorded) error {
	facts, err := Facts(e.Event)
	if err != nil {
		return err
	}
	return tx.Add(t, token, int64(e.Position), e.ID[:], e.Event.EventType().Name, int64(e.Revision),
		e.Recorded.UnixMicro(), Effective(e).UnixMicro(), e.Metadata.Principal[:], facts)
}

// Effective is when the event took effect: when it was recorded if it says none.
func Effective(e *domain.Recorded) time.Time {
	if e.Effective.IsZero() {
		return e.Recorded
	}
	return e.Effective
}

const columns = "SELECT token, position, event, type, revision, recorded, effective, principal, facts FROM "

// Load folds a person's rows in a transaction, without what is pending; nil
// when there are none.
func Load(tx projections.Tx, t *projections.Table, token string) (state *subject.State, err error) {
	err = tx.Query(columns+t.Name+" WHERE token = ? ORDER BY position", []any{token}, func(row projections.Row) error {
		state, err = evolve(state, row)
		return err
	})
	return state, err
}

// Read folds a person's rows for a query; nil when there are none.
func Read(ctx context.Context, db projections.Querier, t *projections.Table, token domain.Token) (state *subject.State, err error) {
	rows, err := db.QueryContext(ctx, columns+t.Name+" WHERE token = ? ORDER BY position", string(token))
	if err != nil {
		return nil, fmt.Errorf("reading what stands: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		if state, err = evolve(state, rows); err != nil {
			return nil, fmt.Errorf("reading what stands: %w", err)
		}
	}
	return state, rows.Err()
}

func evolve(state *subject.State, row projections.Row) (*subject.State, error) {
	var token, name string
	var event, principal, facts []byte
	var recorded, effective int64
	var e domain.Recorded
	err := row.Scan(&token, &e.Position, &event, &name, &e.Revision, &recorded, &effective, &principal, &facts)
	if err != nil {
		return nil, err
	}
	e.Stream, e.ID, e.Metadata.Principal = domain.Token(token).Stream(), projections.IDOf(event), projections.IDOf(principal)
	e.Recorded, e.Effective = time.UnixMicro(recorded).UTC(), time.UnixMicro(effective).UTC()
	if e.Event, err = Event(name, facts); err != nil {
		return nil, err
	}
	return subject.Evolve(state, e), nil
}

// TokenOf is the subject whose stream it is; false for other streams.
func TokenOf(stream string) (string, bool) { return strings.CutPrefix(stream, "subject-") }
