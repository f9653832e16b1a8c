// Package accesses is the view of who opened what: one row for each person
// that an access event names, so that a person's accesses and a principal's
// are both a range of an index.
package accesses

import (
	"strings"

	"lethe/domain"
	"lethe/domain/access"
	"lethe/projections"
)

// Name of the view.
const Name = "accesses"

var table = &projections.Table{
	Name: "accesses", KeyColumns: 2,
	Columns: []projections.Column{
		{Name: "position", Type: projections.Int},
		{Name: "seq", Type: projections.Int},    // of the person in the event
		{Name: "token", Type: projections.Text}, // "" when the event names nobody
		{Name: "principal", Type: projections.Bytes},
		{Name: "event", Type: projections.Bytes},
		{Name: "recorded", Type: projections.Int},
		{Name: "granted", Type: projections.Int},
		{Name: "purpose", Type: projections.Text},
		{Name: "purpose_version", Type: projections.Int},
		{Name: "operation", Type: projections.Text},
		{Name: "door", Type: projections.Text},
		{Name: "channel", Type: projections.Text},
		{Name: "recipient", Type: projections.Text},
		{Name: "basis", Type: projections.Text},
		{Name: "fields", Type: projections.Text}, // names joined by a space
		{Name: "reason", Type: projections.Text},
		{Name: "count", Type: projections.Int},
		{Name: "since", Type: projections.Int, Null: true},
	},
	Indexes: []projections.Index{
		{Name: "accesses_token", Columns: []string{"token", "position", "seq"}},
		{Name: "accesses_principal", Columns: []string{"principal", "position", "seq"}},
	},
}

// View is the projection.
type View struct{}

var _ projections.Projection = View{}

// Name is the view's name.
func (View) Name() string { return Name }

// Schema is what its files hold.
func (View) Schema() projections.Schema {
	return projections.Schema{Version: 1, Tables: []*projections.Table{table}}
}

// Events are those of the access streams.
func (View) Events() []string {
	return projections.Types((*access.Granted)(nil), (*access.Denied)(nil))
}

// NewFold starts a fold; it remembers nothing.
func (View) NewFold(bool) projections.Fold { return fold{} }

type fold struct{}

func (fold) Flush(projections.Tx) error { return nil }

// Apply adds a row for each person.
func (fold) Apply(tx projections.Tx, e *domain.Recorded) error {
	switch x := e.Event.(type) {
	case *access.Granted:
		for i := range x.Subjects {
			if err := addGranted(tx, e, x, i); err != nil {
				return err
			}
		}
	case *access.Denied:
		if len(x.Tokens) == 0 {
			return addDenied(tx, e, x, 0, "")
		}
		for i, token := range x.Tokens {
			if err := addDenied(tx, e, x, i, token); err != nil {
				return err
			}
		}
	}
	return nil
}

func addGranted(tx projections.Tx, e *domain.Recorded, x *access.Granted, i int) error {
	s := &x.Subjects[i]
	return tx.Add(table, int64(e.Position), int64(i), string(s.Token), e.Metadata.Principal[:], e.ID[:],
		e.Recorded.UnixMicro(), int64(1), string(x.Purpose), int64(x.Version), string(x.Operation), string(x.Door),
		string(x.Channel), string(x.Recipient), string(s.Basis), joined(s.Fields), "", int64(1), nil)
}

func addDenied(tx projections.Tx, e *domain.Recorded, x *access.Denied, i int, token domain.Token) error {
	return tx.Add(table, int64(e.Position), int64(i), string(token), e.Metadata.Principal[:], e.ID[:],
		e.Recorded.UnixMicro(), int64(0), string(x.Purpose), int64(0), string(x.Operation), string(x.Door),
		"", "", "", "", string(x.Reason), int64(x.Count), projections.Micros(x.Since))
}

func joined(names []domain.Name) string {
	switch len(names) {
	case 0:
		return ""
	case 1:
		return string(names[0])
	}
	var b strings.Builder
	for i, n := range names {
		if i > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(string(n))
	}
	return b.String()
}
