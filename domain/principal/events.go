// Package principal is who acts: users and services. Their names are
// personal data too and are sealed under their own stream.
package principal

import (
	"slices"

	"lethe/domain"
	"lethe/domain/personal"
)

// Event is the sealed sum of what happens to a principal.
//
//sumtype:decl
type Event interface {
	domain.Event
	isPrincipalEvent()
}

// Role is what a principal may do.
type Role string

// Roles.
const (
	Admin    Role = "admin"    // catalogue, tokens, projections, imports; no personal data by itself
	Officer  Role = "officer"  // data-protection officer: everything about subjects, links, objections, restrictions
	Operator Role = "operator" // records people, changes and consents; reads for a purpose
	Auditor  Role = "auditor"  // reads facts, history and proofs; opens nothing
	Service  Role = "service"  // an application: as operator, for the purposes it was given
)

// Valid reports whether r is a known role.
func (r Role) Valid() bool {
	return slices.Contains([]Role{Admin, Officer, Operator, Auditor, Service}, r)
}

// Kind tells people from programs.
type Kind string

// Kinds.
const (
	User    Kind = "user"
	Program Kind = "program"
)

// Valid reports whether k is a known kind.
func (k Kind) Valid() bool { return k == User || k == Program }

// Registered opens a principal's stream.
type Registered struct {
	ID   domain.ID      `json:"id"`
	Kind Kind           `json:"kind"`
	Name personal.Value `json:"-"` // principal.name
}

// Renamed replaces the name.
type Renamed struct {
	Name personal.Value `json:"-"` // principal.name
}

// Disabled takes every right away.
type Disabled struct{}

func (*Registered) isPrincipalEvent() {}
func (*Renamed) isPrincipalEvent()    {}
func (*Disabled) isPrincipalEvent()   {}

// EventType is the stored name and version.
func (*Registered) EventType() domain.Type {
	return domain.Type{Name: "PrincipalRegistered", Version: 1}
}

// EventType is the stored name and version.
func (*Renamed) EventType() domain.Type { return domain.Type{Name: "PrincipalRenamed", Version: 1} }

// EventType is the stored name and version.
func (*Disabled) EventType() domain.Type { return domain.Type{Name: "PrincipalDisabled", Version: 1} }

// Group is the retention group of principals' names.
const Group domain.Name = "staff"

func name(v *personal.Value) personal.Slot {
	return personal.Slot{Field: "principal.name", Group: string(Group), Value: v}
}

// Personal lists the sealed values.
func (e *Registered) Personal(dst []personal.Slot) []personal.Slot { return append(dst, name(&e.Name)) }

// Personal lists the sealed values.
func (e *Renamed) Personal(dst []personal.Slot) []personal.Slot { return append(dst, name(&e.Name)) }

// Personal lists nothing: the event is facts only.
func (*Disabled) Personal(dst []personal.Slot) []personal.Slot { return dst }

// Stream is the principal's stream.
func Stream(id domain.ID) string { return "principal-" + id.String() }
