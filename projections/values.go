package projections

import (
	"database/sql"
	"time"

	"lethe/domain"
	"lethe/domain/personal"
)

// How values of the domain lie in columns, the same in every view.

// MaxPage bounds the rows of one page.
const MaxPage = 500

// PageSize is the size asked for, within 1 and MaxPage; 100 when none is asked.
func PageSize(asked int) int {
	if asked <= 0 {
		return 100
	}
	return min(asked, MaxPage)
}

// Micros is a time as its column has it: microseconds, nil when there is none.
func Micros(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t.UnixMicro()
}

// Moment reads a time's column.
func Moment(v sql.NullInt64) time.Time {
	if !v.Valid {
		return time.Time{}
	}
	return time.UnixMicro(v.Int64).UTC()
}

// Flag is a boolean as its column has it.
func Flag(b bool) int64 {
	if b {
		return 1
	}
	return 0
}

// OptionalID is an ID as its column has it, nil for none.
func OptionalID(id domain.ID) any {
	if id.IsZero() {
		return nil
	}
	return id[:]
}

// IDOf reads an ID's column; anything else than 16 bytes is no ID.
func IDOf(b []byte) (id domain.ID) {
	if len(b) == len(id) {
		copy(id[:], b)
	}
	return id
}

// SealedColumns are what a view keeps of a personal value: the stored part
// and, with the stream and the event's ID, what opening it needs. A part is
// NULL when it is erased.
func SealedColumns() []Column {
	return []Column{{Name: "type", Type: Text}, {Name: "version", Type: Int}, {Name: "part", Type: Bytes, Null: true}}
}

// Part is a personal value as a row has it.
type Part struct {
	Type    string // of the event, as stored
	Version uint16
	Bytes   []byte // nil: erased
}

// PartOf takes the sealed part out of a decoded value, and false when there
// is no value. A value in clear never gets into a view: it has no part.
func PartOf(v *personal.Value, of domain.Type) (Part, bool) {
	if ref := v.Ref(); ref != nil {
		return Part{Type: ref.Type, Version: ref.Version, Bytes: ref.Part}, true
	}
	if v.State() == personal.Erased {
		return Part{Type: of.Name, Version: of.Version}, true
	}
	return Part{}, false
}

// Value is what the disclosing side opens.
func (p Part) Value(stream string, event domain.ID) personal.Value {
	if p.Bytes == nil {
		return personal.Unreadable(personal.Erased)
	}
	return personal.SealedAs(&personal.Ref{
		Stream: stream, EventID: event, Type: p.Type, Version: p.Version, Part: p.Bytes,
	})
}

// Column is the part as its column has it.
func (p Part) Column() any {
	if p.Bytes == nil {
		return nil
	}
	return p.Bytes
}
