// Package erasures is the view of erasures as they stand: which are ordered
// and due, which have started and must be finished, and what an erasure had to
// leave and waits for. Each event's facts are a row, from which the domain's
// own fold makes the others, so a list cannot differ from what a decision
// about the record would see.
package erasures

import (
	"cmp"
	"slices"
	"strings"

	"lethe/domain"
	"lethe/domain/subject"
	"lethe/projections"
	"lethe/projections/standing"
)

// Name of the view.
const Name = "erasures"

// maxCached bounds the people that a fold remembers between transactions.
const maxCached = 20_000

var factsTable = standing.Table("erasure_events")

var table = &projections.Table{
	Name: "erasures", KeyColumns: 2,
	Columns: []projections.Column{
		{Name: "token", Type: projections.Text},
		{Name: "erasure", Type: projections.Bytes},
		{Name: "position", Type: projections.Int}, // of its first event
		{Name: "state", Type: projections.Text},
		{Name: "cause", Type: projections.Text},
		{Name: "ground", Type: projections.Text},
		{Name: "everything", Type: projections.Int},
		{Name: "main_token", Type: projections.Text}, // the record that it goes along with
		{Name: "follows", Type: projections.Bytes, Null: true},
		{Name: "linked", Type: projections.Text}, // tokens joined by a space
		{Name: "due", Type: projections.Int, Null: true},
		{Name: "ordered", Type: projections.Int, Null: true}, // this and the like: when recorded
		{Name: "cancelled", Type: projections.Int, Null: true},
		{Name: "started", Type: projections.Int, Null: true},
		{Name: "started_position", Type: projections.Int, Null: true},
		{Name: "stopped", Type: projections.Int, Null: true},
		{Name: "completed", Type: projections.Int, Null: true},
		{Name: "completed_position", Type: projections.Int, Null: true},
		{Name: "erased", Type: projections.Int}, // groups that go whole, as weighed last; so the next three
		{Name: "trimmed", Type: projections.Int},
		{Name: "kept", Type: projections.Int},
		{Name: "refused", Type: projections.Int},
		{Name: "keys", Type: projections.Int}, // named when it started
		{Name: "marks", Type: projections.Int},
		{Name: "dead_from", Type: projections.Int, Null: true},
	},
	Indexes: []projections.Index{
		{Name: "erasures_state", Columns: []string{"state", "position", "due"}},
		{Name: "erasures_position", Columns: []string{"position"}},
	},
}

// waitsTable has what subject.State.Waiting tells.
var waitsTable = &projections.Table{
	Name: "erasure_waits", KeyColumns: 2,
	Columns: []projections.Column{
		{Name: "token", Type: projections.Text},
		{Name: "retention_group", Type: projections.Text},
		{Name: "erasure", Type: projections.Bytes},
		{Name: "rule", Type: projections.Text},
		{Name: "purpose", Type: projections.Text},
		{Name: "hold", Type: projections.Bytes, Null: true},
		{Name: "until", Type: projections.Int, Null: true},
	},
	Indexes: []projections.Index{
		{Name: "erasure_waits_until", Columns: []string{"until", "token", "retention_group"}},
		{Name: "erasure_waits_hold", Columns: []string{"hold", "token", "retention_group"}},
	},
}

// View is the projection.
type View struct{}

var _ projections.Projection = View{}

// Name is the view's name.
func (View) Name() string { return Name }

// Schema is what its files hold.
func (View) Schema() projections.Schema {
	return projections.Schema{Version: 1, Tables: []*projections.Table{factsTable, table, waitsTable}}
}

// Events are those that erasures fold from.
func (View) Events() []string { return standing.Erasures() }

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
	token string
	state *subject.State
	dirty bool
}

// Apply remembers the event and whose erasures changed.
func (f *fold) Apply(tx projections.Tx, e *domain.Recorded) error {
	token, ok := standing.TokenOf(e.Stream)
	if !ok {
		return nil
	}
	p, ok := f.people[token]
	if !ok {
		p = &person{token: token}
		if f.seen.Meet(token) {
			var err error
			if p.state, err = standing.Load(tx, factsTable, token); err != nil {
				return err
			}
		}
		f.people[token] = p
	}
	f.facts.Add(token, e)
	p.state = subject.Evolve(p.state, *e)
	if !p.dirty {
		p.dirty = true
		f.dirty = append(f.dirty, p)
	}
	return nil
}

// Flush writes what is pending, in the order that the tables lie in.
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

// write stores all that a person has: it is little.
func (p *person) write(tx projections.Tx) error {
	for _, e := range p.state.Erasures() {
		if err := tx.Put(table, row(p.token, &e)...); err != nil {
			return err
		}
	}
	if err := tx.Delete(waitsTable, p.token); err != nil {
		return err
	}
	for _, w := range p.state.Waiting() {
		err := tx.Add(waitsTable, p.token, string(w.Group), w.Erasure[:], string(w.Rule), string(w.Purpose),
			projections.OptionalID(w.Hold), projections.Micros(w.Until))
		if err != nil {
			return err
		}
	}
	return nil
}

// row is an erasure as the table has it. What has not happened is NULL.
func row(token string, e *subject.Erasure) []any {
	ordered, started, completed := e.Ordered, e.Started, e.Completed
	if ordered == nil {
		ordered = &subject.ErasureOrdered{}
	}
	if started == nil {
		started = &subject.ErasureStarted{}
	}
	if completed == nil {
		completed = &subject.ErasureCompleted{}
	}
	first := cmp.Or(e.OrderedAt, e.StartedAt, e.StoppedAt, e.CancelledAt, e.CompletedAt)
	of := func(o subject.Outcome) (n int64) {
		for _, g := range e.Groups() {
			if g.Outcome == o {
				n++
			}
		}
		return n
	}
	return []any{
		token, e.ID[:], int64(first.Position), string(e.State), string(ordered.Cause), string(ordered.Ground),
		projections.Flag(ordered.Everything), string(ordered.Of), projections.OptionalID(ordered.Follows),
		joined(ordered.Linked), projections.Micros(ordered.Due),
		recorded(e.OrderedAt), recorded(e.CancelledAt), recorded(e.StartedAt), position(e.StartedAt),
		recorded(e.StoppedAt), recorded(e.CompletedAt), position(e.CompletedAt),
		of(subject.Erase), of(subject.Trim), of(subject.Keep), of(subject.Refuse),
		int64(len(started.Keys)), int64(completed.Marks), projections.Micros(completed.DeadFrom),
	}
}

func recorded(r *domain.Recorded) any {
	if r == nil {
		return nil
	}
	return projections.Micros(r.Recorded)
}

func position(r *domain.Recorded) any {
	if r == nil {
		return nil
	}
	return int64(r.Position)
}

func joined(tokens []domain.Token) string {
	var b strings.Builder
	for i, t := range tokens {
		if i > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(string(t))
	}
	return b.String()
}
