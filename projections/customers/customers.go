// Package customers is the view of people as they stand: where a record came
// from, which values it holds (sealed, or a marker that they were erased), its
// restrictions, objections, links and erasures. Values fold by the order of
// recording; what restricts, links and erases a person is kept as facts, for
// the domain's fold to answer at any moment.
package customers

import (
	"slices"
	"strings"

	"lethe/domain"
	"lethe/domain/subject"
	"lethe/projections"
	"lethe/projections/standing"
)

// Name of the view.
const Name = "customers"

// maxCached bounds the people that a fold remembers between transactions.
const maxCached = 20_000

// View is the projection.
type View struct{}

var _ projections.Projection = View{}

// Name is the view's name.
func (View) Name() string { return Name }

// Schema is what its files hold.
func (View) Schema() projections.Schema {
	return projections.Schema{Version: 2, Tables: []*projections.Table{
		peopleTable, fieldsTable, claimsTable,
	}}
}

// Events are all of a subject's stream: each moves the revision.
func (View) Events() []string {
	return slices.Concat(standing.Erasures(), projections.Types(
		(*subject.ValuesResealed)(nil), (*subject.Registered)(nil), (*subject.FieldsRecorded)(nil), (*subject.FieldsRectified)(nil), (*subject.FieldRemoved)(nil),
		(*subject.ConsentRequested)(nil), (*subject.ConsentDeferred)(nil), (*subject.ConsentConfirmed)(nil),
		(*subject.ConsentGiven)(nil), (*subject.ConsentRenewed)(nil), (*subject.ConsentRefused)(nil),
		(*subject.ConsentWithdrawn)(nil), (*subject.ConsentRevoked)(nil), (*subject.ConsentInvalidated)(nil),
		(*subject.ConsentExpired)(nil), (*subject.BasisAsserted)(nil), (*subject.BasisEnded)(nil),
		(*subject.Objected)(nil), (*subject.ObjectionOverridden)(nil), (*subject.ObjectionUpheld)(nil),
		(*subject.ObjectionWithdrawn)(nil), (*subject.RestrictionPlaced)(nil), (*subject.RestrictionLifted)(nil),
		(*subject.HoldPlaced)(nil), (*subject.HoldReleased)(nil), (*subject.Disclosed)(nil),
		(*subject.LinkProposed)(nil), (*subject.LinkAccepted)(nil), (*subject.LinkUndone)(nil), (*subject.AgeAssessed)(nil),
	))
}

// NewFold starts a fold.
func (View) NewFold(bool) projections.Fold {
	f := &fold{facts: standing.NewPending(claimsTable), claims: map[string]bool{}, people: map[string]*person{}}
	for _, name := range slices.Concat(standing.Claims(), standing.Erasures()) {
		f.claims[name] = true
	}
	return f
}

// fold keeps people in memory while their events come, and writes those that
// changed before each commit: an import's hundred events about one person
// become one row each of what they changed.
type fold struct {
	claims map[string]bool // names of the events that are claims
	facts  standing.Pending
	people map[string]*person // all of whom something is pending are here
	dirty  []*person
}

// Apply folds one event into its person.
func (f *fold) Apply(tx projections.Tx, e *domain.Recorded) error {
	token, ok := standing.TokenOf(e.Stream)
	if !ok {
		return nil
	}
	p, err := f.person(tx, token, e.Revision)
	if err != nil {
		return err
	}
	p.apply(e)
	if f.claims[e.Event.EventType().Name] {
		f.facts.Add(token, e)
		p.claim(e)
	}
	if err := p.erasure(tx, e); err != nil {
		return err
	}
	if !p.dirty {
		p.dirty = true
		f.dirty = append(f.dirty, p)
	}
	return nil
}

// person finds somebody in memory or in the tables. A stream's first event
// has nobody to look for.
func (f *fold) person(tx projections.Tx, token string, revision uint64) (*person, error) {
	if p, ok := f.people[token]; ok {
		return p, nil
	}
	p := &person{token: token}
	if revision > 0 {
		if err := p.load(tx); err != nil {
			return nil, err
		}
	}
	f.people[token] = p
	return p, nil
}

// Flush writes who changed, in the order that the tables lie in.
func (f *fold) Flush(tx projections.Tx) error {
	if err := f.facts.Flush(tx); err != nil {
		return err
	}
	slices.SortFunc(f.dirty, func(a, b *person) int { return strings.Compare(a.token, b.token) })
	for _, p := range f.dirty {
		if err := p.write(tx); err != nil {
			return err
		}
		p.dirty = false
	}
	f.dirty = f.dirty[:0]
	if len(f.people) > maxCached {
		clear(f.people)
	}
	return nil
}
