package operations

import (
	"slices"
	"time"

	"lethe/domain"
	"lethe/domain/personal"
	"lethe/domain/subject"
)

// People says whom a hold for a whole group of people is about. It is asked
// of each person when an erasure of theirs is weighed, so it also covers who
// comes later.
type People string

// Whom a hold is about.
const (
	Everyone    People = "everyone"
	WithPurpose People = "purpose" // of whom values, a consent or a basis were ever recorded for a purpose
	FromImport  People = "import"  // of whom anything came by an import
	FromSystem  People = "system"  // of whom anything came from a source system
)

// Valid reports whether p is a known choice.
func (p People) Valid() bool {
	return slices.Contains([]People{Everyone, WithPurpose, FromImport, FromSystem}, p)
}

// GroupHoldPlaced keeps a retention group of many people for a claim or a duty
// (GDPR 17(3)), and for the purpose that needs it alone. Nothing is written to
// anybody's record until something of it is about to be erased.
type GroupHoldPlaced struct {
	Hold      domain.ID      `json:"hold"`
	Group     domain.Name    `json:"group"`
	Purpose   domain.Name    `json:"purpose"` // that keeps
	Review    time.Time      `json:"review"`
	People    People         `json:"people"`
	For       domain.Name    `json:"for,omitzero"`    // the purpose, when People is WithPurpose
	Import    domain.ID      `json:"import,omitzero"` // when People is FromImport
	System    domain.Name    `json:"system,omitzero"` // when People is FromSystem
	Authority personal.Value `json:"-"`               // hold.authority
}

// GroupHoldReleased ends it.
type GroupHoldReleased struct {
	Hold domain.ID `json:"hold"`
}

func (*GroupHoldPlaced) isOperationsEvent()   {}
func (*GroupHoldReleased) isOperationsEvent() {}

// EventType is the stored name and version.
func (*GroupHoldPlaced) EventType() domain.Type {
	return domain.Type{Name: "GroupHoldPlaced", Version: 1}
}

// EventType is the stored name and version.
func (*GroupHoldReleased) EventType() domain.Type {
	return domain.Type{Name: "GroupHoldReleased", Version: 1}
}

// Personal lists the sealed values.
func (e *GroupHoldPlaced) Personal(dst []personal.Slot) []personal.Slot {
	return append(dst, personal.Slot{Field: "hold.authority", Group: string(domain.EvidenceGroup), Value: &e.Authority})
}

// Personal lists nothing: the event is facts only.
func (*GroupHoldReleased) Personal(dst []personal.Slot) []personal.Slot { return dst }

// covers reports whether the hold is about a person.
func (e *GroupHoldPlaced) covers(person *subject.State) bool {
	switch e.People {
	case Everyone:
		return person != nil
	case WithPurpose:
		return person.RecordedFor(e.For)
	case FromImport:
		return person.CameFrom("", e.Import)
	case FromSystem:
		return person.CameFrom(e.System, domain.ID{})
	}
	return false
}

// GroupHold is a hold for a group of people and what became of it.
type GroupHold struct {
	*GroupHoldPlaced
	Event    domain.ID // that placed it
	Position uint64    // of that event
	Placed   time.Time
	Released time.Time // zero while it stands
}

// GroupHolds lists all by when they were placed.
func (s *State) GroupHolds() []GroupHold {
	if s == nil {
		return nil
	}
	return s.holds
}

// GroupHold finds one by its ID, released or not.
func (s *State) GroupHold(id domain.ID) (GroupHold, bool) {
	for _, h := range s.GroupHolds() {
		if h.Hold == id {
			return h, true
		}
	}
	return GroupHold{}, false
}

// HoldsOn lists the holds for groups of people that stand and bind a person.
func (s *State) HoldsOn(person *subject.State) []subject.OutsideHold {
	var list []subject.OutsideHold
	for _, h := range s.GroupHolds() {
		if h.Released.IsZero() && h.covers(person) {
			list = append(list, subject.OutsideHold{Hold: h.Hold, Group: h.Group, Purpose: h.Purpose, Review: h.Review})
		}
	}
	return list
}

func (s *State) withHold(h GroupHold) *State {
	next := *s
	next.holds = append(s.holds[:len(s.holds):len(s.holds)], h)
	return &next
}

func (s *State) released(id domain.ID, at time.Time) *State {
	next := *s
	next.holds = slices.Clone(s.holds)
	for i := range next.holds {
		if next.holds[i].Hold == id && next.holds[i].Released.IsZero() {
			next.holds[i].Released = at
		}
	}
	return &next
}
