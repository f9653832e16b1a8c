// Package history is the view of everything that was said and decided about a
// person's consents, other bases, objections, restrictions and erasures: one
// row for each event, never changed afterwards, with its sealed evidence
// beside it. What an erasure destroys becomes a marker; the facts stay.
package history

import (
	"slices"
	"strings"

	"lethe/domain"
	"lethe/domain/personal"
	"lethe/domain/subject"
	"lethe/projections"
	"lethe/projections/standing"
)

// Name of the view.
const Name = "history"

var table = &projections.Table{
	Name: "history", KeyColumns: 1,
	Columns: []projections.Column{
		{Name: "position", Type: projections.Int},
		{Name: "token", Type: projections.Text},
		{Name: "event", Type: projections.Bytes},
		{Name: "type", Type: projections.Text},
		{Name: "revision", Type: projections.Int},
		{Name: "recorded", Type: projections.Int},
		{Name: "effective", Type: projections.Int},
		{Name: "principal", Type: projections.Bytes},
		{Name: "purpose", Type: projections.Text}, // "" where it is about no single purpose
		{Name: "purpose_version", Type: projections.Int},
		{Name: "notice", Type: projections.Bytes, Null: true},
		{Name: "language", Type: projections.Text},
		{Name: "medium", Type: projections.Text},
		{Name: "method", Type: projections.Text},
		{Name: "party", Type: projections.Text},
		{Name: "class", Type: projections.Text},
		{Name: "explicit", Type: projections.Int},
		{Name: "until", Type: projections.Int, Null: true},
		{Name: "channels", Type: projections.Text}, // joined by a space
		{Name: "basis", Type: projections.Text},
		{Name: "scope", Type: projections.Text}, // of an objection
		{Name: "contact_point", Type: projections.Int},
		{Name: "ground", Type: projections.Text},              // of a restriction
		{Name: "refers", Type: projections.Bytes, Null: true}, // the event that this one answers or ends
		{Name: "informed", Type: projections.Int, Null: true}, // when the person was told of the lifting
		{Name: "expires", Type: projections.Int, Null: true},  // of a request
		{Name: "double_opt_in", Type: projections.Int},        // of a request
		{Name: "source_system", Type: projections.Text},       // of an objection that was imported
		{Name: "source_import", Type: projections.Bytes, Null: true},
		{Name: "erasure", Type: projections.Bytes, Null: true}, // all that an event about an erasure says in clear, as JSON
	},
	Indexes: []projections.Index{
		{Name: "history_token", Columns: []string{"token", "position"}},
		{Name: "history_purpose", Columns: []string{"purpose", "token", "recorded", "effective"}}, // with the key, all that People asks
	},
}

var partsTable = &projections.Table{
	Name: "history_parts", KeyColumns: 2,
	Columns: append([]projections.Column{
		{Name: "position", Type: projections.Int},
		{Name: "seq", Type: projections.Int},
		{Name: "field", Type: projections.Text},
		{Name: "retention_group", Type: projections.Text},
	}, projections.SealedColumns()...),
}

// View is the projection.
type View struct{}

var _ projections.Projection = View{}

// Name is the view's name.
func (View) Name() string { return Name }

// Schema is what its files hold.
func (View) Schema() projections.Schema {
	return projections.Schema{Version: 3, Tables: []*projections.Table{table, partsTable}}
}

// Events are those that change what may be done with a person's data.
func (View) Events() []string {
	return slices.Concat(standing.Erasures(), projections.Types(
		(*subject.ValuesResealed)(nil), (*subject.ConsentRequested)(nil), (*subject.ConsentDeferred)(nil), (*subject.ConsentConfirmed)(nil),
		(*subject.ConsentGiven)(nil), (*subject.ConsentRenewed)(nil), (*subject.ConsentRefused)(nil),
		(*subject.ConsentWithdrawn)(nil), (*subject.ConsentRevoked)(nil), (*subject.ConsentInvalidated)(nil),
		(*subject.ConsentExpired)(nil), (*subject.BasisAsserted)(nil), (*subject.BasisEnded)(nil),
		(*subject.Objected)(nil), (*subject.ObjectionOverridden)(nil), (*subject.ObjectionUpheld)(nil),
		(*subject.ObjectionWithdrawn)(nil), (*subject.RestrictionPlaced)(nil), (*subject.RestrictionLifted)(nil),
	))
}

// NewFold starts a fold.
func (View) NewFold(empty bool) projections.Fold { return &fold{bulk: empty, later: map[string]bool{}} }

// fold remembers nothing but its scratch memory and, while the table has no
// index to find a person's rows by, of whom something was erased.
type fold struct {
	slots []personal.Slot
	rows  []row
	bulk  bool
	later map[string]bool
}

func (*fold) Flush(projections.Tx) error { return nil }

// Apply adds the event's row and a row for each of its sealed values.
func (f *fold) Apply(tx projections.Tx, e *domain.Recorded) error {
	token, ok := strings.CutPrefix(e.Stream, "subject-")
	if !ok {
		return nil
	}
	facts, ok := FactsOf(e.Event)
	if !ok {
		return nil
	}
	erasure, err := erasureFacts(e.Event)
	if err != nil {
		return err
	}
	err = tx.Add(table, int64(e.Position), token, e.ID[:], e.Event.EventType().Name, int64(e.Revision),
		e.Recorded.UnixMicro(), e.Effective.UnixMicro(), e.Metadata.Principal[:],
		string(facts.Purpose), int64(facts.Version), digest(facts.Notice), string(facts.Language),
		string(facts.Medium), string(facts.Method), string(facts.By), string(facts.Class),
		projections.Flag(facts.Explicit), projections.Micros(facts.Until), joined(facts.Channels),
		string(facts.Basis), string(facts.Scope), projections.Flag(facts.ContactPoint), string(facts.Ground),
		projections.OptionalID(facts.Refers), projections.Micros(facts.Informed), projections.Micros(facts.Expires),
		projections.Flag(facts.DoubleOptIn), string(facts.System), projections.OptionalID(facts.Import), erasure)
	if err != nil {
		return err
	}
	if err := f.addParts(tx, e); err != nil {
		return err
	}
	return f.erase(tx, token, e)
}

func (f *fold) addParts(tx projections.Tx, e *domain.Recorded) error {
	for _, r := range f.sealed(e) {
		if err := tx.Add(partsTable, r.columns()...); err != nil {
			return err
		}
	}
	return nil
}

// row is one of partsTable.
type row struct {
	position, seq int64
	field, group  string
	part          projections.Part
}

func (r *row) columns() []any {
	return []any{r.position, r.seq, r.field, r.group, r.part.Type, int64(r.part.Version), r.part.Column()}
}

func (r *row) put(tx projections.Tx) error { return tx.Put(partsTable, r.columns()...) }

// sealed lists an event's sealed values, until the next call.
func (f *fold) sealed(e *domain.Recorded) []row {
	f.slots, f.rows = e.Event.Personal(f.slots[:0]), f.rows[:0]
	for i, s := range f.slots {
		if part, ok := projections.PartOf(s.Value, e.Event.EventType()); ok {
			f.rows = append(f.rows, row{int64(e.Position), int64(i), s.Field, s.Group, part})
		}
	}
	return f.rows
}

func digest(d domain.Digest) any {
	if d.IsZero() {
		return nil
	}
	return d[:]
}

func joined(channels []subject.Channel) string {
	var b strings.Builder
	for i, c := range channels {
		if i > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(string(c))
	}
	return b.String()
}
