// Package domain is what the ledger's rules are written in: events, personal
// values, names, errors and deciders. It and the packages below it are pure:
// the standard library and decimals only; time and identifiers come in.
//
// One package per consistency boundary: catalogue, subject, access,
// principal, operations, importing. Each declares a sealed sum of events,
// the state they fold to, and the decisions that make them.
package domain

import (
	"time"

	"lethe/domain/personal"
)

// Type is a stored event's name and the version of its shape. Both are
// pinned: a shape never changes in place.
type Type struct {
	Name    string
	Version uint16
}

// Event is a fact that was decided. Its JSON form is its facts; personal
// values are left out of it (json:"-") and listed by Personal instead, in an
// order that follows from the facts alone.
type Event interface {
	EventType() Type
	// Personal appends the event's personal values to dst. Absent ones are
	// included: the codec seals what is Present and fills in what was sealed.
	Personal(dst []personal.Slot) []personal.Slot
}

// Metadata is the context every event is stored with.
type Metadata struct {
	Principal   ID     `json:"principal"`            // who did it
	Purpose     Name   `json:"purpose,omitzero"`     // of the action
	Correlation ID     `json:"correlation,omitzero"` // the request it belongs to
	Causation   ID     `json:"causation,omitzero"`   // the event it follows from
	Command     Digest `json:"command,omitzero"`     // keyed hash of the command's idempotency key
	Catalogue   uint64 `json:"catalogue,omitzero"`   // catalogue revision + 1 decided against, 0 = none
}

// Recorded is an event with where and when it is.
type Recorded struct {
	ID        ID
	Stream    string
	Revision  uint64
	Position  uint64
	Recorded  time.Time
	Effective time.Time
	Metadata  Metadata
	Event     Event
}

// Decider is a consistency boundary: a pure fold and a pure decision.
// Decide(fold(events), command) answers with new events or a *Error.
// Evolve is total: it never fails, whatever history holds, and must not
// change a state that it was given in any way a holder of it could see.
type Decider[S, C any] interface {
	Evolve(S, Recorded) S
	Decide(S, C) ([]Event, error)
}
