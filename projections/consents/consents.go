// Package consents is the view of consents and other lawful bases as they
// stand. Each event's facts are a row, from which the domain's fold answers
// for one person at any moment; beside them lies one row for each person and
// purpose, to list people by.
package consents

import (
	"slices"
	"strings"
	"time"

	"lethe/domain"
	"lethe/domain/subject"
	"lethe/projections"
	"lethe/projections/standing"
)

// Name of the view.
const Name = "consents"

// maxCached bounds the people that a fold remembers between transactions.
const maxCached = 20_000

var factsTable = standing.Table("consent_events")

// table has what the domain's fold says of all that is recorded, with nothing
// expired: until and effects tell what a moment changes.
var table = &projections.Table{
	Name: "consents", KeyColumns: 2,
	Columns: []projections.Column{
		{Name: "token", Type: projections.Text},
		{Name: "purpose", Type: projections.Text},
		{Name: "purpose_version", Type: projections.Int},
		{Name: "status", Type: projections.Text},
		{Name: "since", Type: projections.Int, Null: true},
		{Name: "until", Type: projections.Int, Null: true},
		{Name: "event", Type: projections.Bytes, Null: true}, // that the status rests on
		{Name: "effects", Type: projections.Int},             // the latest effective time of any of its events
		{Name: "position", Type: projections.Int},            // of its newest event
	},
	Indexes: []projections.Index{{Name: "consents_purpose", Columns: []string{"purpose", "token"}}},
}

// View is the projection.
type View struct{}

var _ projections.Projection = View{}

// Name is the view's name.
func (View) Name() string { return Name }

// Schema is what its files hold.
func (View) Schema() projections.Schema {
	return projections.Schema{Version: 1, Tables: []*projections.Table{factsTable, table}}
}

// Events are those that consents and bases fold from.
func (View) Events() []string { return standing.Consents() }

// NewFold starts a fold.
func (View) NewFold(empty bool) projections.Fold {
	f := &fold{facts: standing.NewPending(factsTable), people: map[string]*person{}}
	if empty {
		f.seen = standing.NewSeen()
	}
	return f
}

// fold keeps people in memory while their events come. Rows are written once
// before each commit.
type fold struct {
	seen   *standing.Seen // nil unless it began on empty tables
	facts  standing.Pending
	people map[string]*person // all of whom something is pending are here
	dirty  []*person
}

type person struct {
	token   string
	state   *subject.State
	changed []domain.Name // purposes whose row is to be written
	stored  []domain.Name // purposes that have a row
}

// Apply remembers the event and whose standing changed.
func (f *fold) Apply(tx projections.Tx, e *domain.Recorded) error {
	token, ok := standing.TokenOf(e.Stream)
	if !ok {
		return nil
	}
	p, err := f.person(tx, token)
	if err != nil {
		return err
	}
	f.facts.Add(token, e)
	p.state = subject.Evolve(p.state, *e)
	purpose, ok := purposeOf(e.Event)
	if !ok {
		return nil
	}
	if len(p.changed) == 0 {
		f.dirty = append(f.dirty, p)
	}
	if !slices.Contains(p.changed, purpose) {
		p.changed = append(p.changed, purpose)
	}
	return nil
}

// person finds somebody in memory or in the tables.
func (f *fold) person(tx projections.Tx, token string) (*person, error) {
	if p, ok := f.people[token]; ok {
		return p, nil
	}
	p := &person{token: token}
	if f.seen.Meet(token) {
		if err := p.load(tx); err != nil {
			return nil, err
		}
	}
	f.people[token] = p
	return p, nil
}

func (p *person) load(tx projections.Tx) (err error) {
	p.state, err = standing.Load(tx, factsTable, p.token)
	for _, e := range p.state.Entries() {
		if purpose, ok := purposeOf(e.Event); ok && !slices.Contains(p.stored, purpose) {
			p.stored = append(p.stored, purpose)
		}
	}
	return err
}

// Flush writes what is pending, in the order that the tables lie in.
func (f *fold) Flush(tx projections.Tx) error {
	if err := f.facts.Flush(tx); err != nil {
		return err
	}
	slices.SortFunc(f.dirty, func(a, b *person) int { return strings.Compare(a.token, b.token) })
	for _, p := range f.dirty {
		slices.Sort(p.changed)
		for _, purpose := range p.changed {
			if err := p.write(tx, purpose); err != nil {
				return err
			}
		}
		p.changed = p.changed[:0]
	}
	f.dirty = f.dirty[:0]
	if len(f.people) > maxCached {
		clear(f.people)
	}
	return nil
}

func (p *person) write(tx projections.Tx, purpose domain.Name) error {
	c := p.state.Consent(time.Time{}, time.Time{}, purpose)
	var rest any
	if c.Rest != nil {
		rest = c.Rest.ID[:]
	}
	effects, position := p.latest(purpose)
	put := tx.Put
	if !slices.Contains(p.stored, purpose) {
		put, p.stored = tx.Add, append(p.stored, purpose) // cheaper, when it is known to be new
	}
	return put(table, p.token, string(purpose), int64(c.Version), string(c.Status),
		projections.Micros(c.Since), projections.Micros(c.Until), rest, effects, position)
}

// latest finds when the last of the purpose's events takes effect, and where
// the newest is.
func (p *person) latest(purpose domain.Name) (effects, position int64) {
	for _, e := range p.state.Entries() {
		if of, ok := purposeOf(e.Event); ok && of == purpose {
			effects, position = max(effects, e.Effective.UnixMicro()), int64(e.Position)
		}
	}
	return effects, position
}

// purposeOf is the purpose of a consent event; false for other bases, which
// have no row by purpose.
func purposeOf(e domain.Event) (domain.Name, bool) {
	switch x := e.(type) {
	case *subject.ConsentRequested:
		return x.Purpose, true
	case *subject.ConsentDeferred:
		return x.Purpose, true
	case *subject.ConsentConfirmed:
		return x.Purpose, true
	case *subject.ConsentGiven:
		return x.Purpose, true
	case *subject.ConsentRenewed:
		return x.Purpose, true
	case *subject.ConsentRefused:
		return x.Purpose, true
	case *subject.ConsentWithdrawn:
		return x.Purpose, true
	case *subject.ConsentRevoked:
		return x.Purpose, true
	case *subject.ConsentInvalidated:
		return x.Purpose, true
	default:
		return "", false
	}
}
