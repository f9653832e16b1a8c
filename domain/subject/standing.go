package subject

import (
	"cmp"
	"slices"
	"time"

	"lethe/domain"
)

// Basis is a lawful basis other than consent that stands for a purpose.
type Basis struct {
	Purpose domain.Name
	Version uint32
	Basis   domain.Basis
	Until   time.Time // half-open, zero = none
	Rest    *domain.Recorded
}

// ObjectionState is what became of an objection.
type ObjectionState string

// States. Only Overridden and TakenBack let processing go on.
const (
	Pending    ObjectionState = "pending"
	Upheld     ObjectionState = "upheld"
	Overridden ObjectionState = "overridden"
	TakenBack  ObjectionState = "withdrawn"
)

// Objection is one objection and what became of it.
type Objection struct {
	*Objected
	State ObjectionState
	ID    domain.ID // the event
	Rest  *domain.Recorded
	By    *domain.Recorded // the event that settled it, nil while pending
}

// Restriction is a ground of GDPR 18(1) in force.
type Restriction struct {
	Ground RestrictionGround
	Since  time.Time
	Rest   *domain.Recorded
}

// Hold keeps a group.
type Hold struct {
	*HoldPlaced
	Rest *domain.Recorded
}

// LinkState is how far a link has come.
type LinkState string

// Link states.
const (
	LinkOpen     LinkState = "proposed"
	LinkStanding LinkState = "accepted"
	LinkGone     LinkState = "undone"
)

// Link is another record that may be the same person.
type Link struct {
	Other  domain.Token
	Ground LinkGround
	State  LinkState
	Rest   *domain.Recorded
}

// each calls f with the events of a topic in the window, in folding order.
func (s *State) each(w window, about topic, f func(*domain.Recorded)) {
	entries, kinds := s.Entries(), s.kinds()
	var few [16]int
	order := few[:0]
	for i := range entries {
		if kinds[i].topic == about && w.holds(&entries[i]) {
			order = append(order, i)
		}
	}
	s.sort(order)
	for _, i := range order {
		f(&entries[i])
	}
}

// bases lists what is asserted and not ended, by purpose and basis.
func (s *State) bases(w window) []Basis {
	var list []Basis
	s.each(w, aboutBasis, func(r *domain.Recorded) {
		switch e := r.Event.(type) {
		case *BasisAsserted:
			list = slices.DeleteFunc(list, func(b Basis) bool { return b.Purpose == e.Purpose && b.Basis == e.Basis })
			list = append(list, Basis{Purpose: e.Purpose, Version: e.Version, Basis: e.Basis, Until: e.Until, Rest: r})
		case *BasisEnded:
			list = slices.DeleteFunc(list, func(b Basis) bool { return b.Purpose == e.Purpose && b.Basis == e.Basis })
		}
	})
	list = slices.DeleteFunc(list, func(b Basis) bool {
		return !b.Until.IsZero() && !w.effective.IsZero() && !w.effective.Before(b.Until)
	})
	slices.SortFunc(list, func(a, b Basis) int {
		return cmp.Or(cmp.Compare(a.Purpose, b.Purpose), cmp.Compare(a.Basis, b.Basis))
	})
	return list
}

// objections lists all, by effective time, with what became of each. What
// settles one names it, so no settlement can come before its objection.
func (s *State) objections(w window) []Objection {
	var list []Objection
	s.each(w, aboutObjection, func(r *domain.Recorded) {
		if e, ok := r.Event.(*Objected); ok {
			list = append(list, Objection{Objected: e, State: Pending, ID: r.ID, Rest: r})
		}
	})
	if list == nil {
		return nil
	}
	settle := func(id domain.ID, state ObjectionState, r *domain.Recorded) {
		for i := range list {
			if list[i].ID == id {
				list[i].State, list[i].By = state, r
			}
		}
	}
	s.each(w, aboutObjection, func(r *domain.Recorded) {
		switch e := r.Event.(type) {
		case *ObjectionOverridden:
			settle(e.Objection, Overridden, r)
		case *ObjectionUpheld:
			settle(e.Objection, Upheld, r)
		case *ObjectionWithdrawn:
			settle(e.Objection, TakenBack, r)
		}
	})
	return list
}

// restrictions lists the grounds in force, oldest first.
func (s *State) restrictions(w window) []Restriction {
	var list []Restriction
	s.each(w, aboutRestriction, func(r *domain.Recorded) {
		switch e := r.Event.(type) {
		case *RestrictionPlaced:
			if !slices.ContainsFunc(list, func(x Restriction) bool { return x.Ground == e.Ground }) {
				list = append(list, Restriction{Ground: e.Ground, Since: r.Effective, Rest: r})
			}
		case *RestrictionLifted:
			list = slices.DeleteFunc(list, func(x Restriction) bool { return x.Ground == e.Ground })
		}
	})
	return list
}

// AsksToKeep reports whether the person asked that the data be kept (GDPR
// 18(1)(b), (c)). It binds all records of the person.
func (s *State) AsksToKeep() bool {
	return slices.ContainsFunc(s.restrictions(window{}), func(r Restriction) bool {
		return r.Ground == UnlawfulButKeep || r.Ground == NeededForClaims
	})
}

// holds lists those in force, by when they were placed.
func (s *State) holds(w window) []Hold {
	var list []Hold
	s.each(w, aboutHold, func(r *domain.Recorded) {
		if e, ok := r.Event.(*HoldPlaced); ok {
			list = append(list, Hold{HoldPlaced: e, Rest: r})
		}
	})
	if list == nil {
		return nil
	}
	s.each(w, aboutHold, func(r *domain.Recorded) {
		if e, ok := r.Event.(*HoldReleased); ok {
			list = slices.DeleteFunc(list, func(h Hold) bool { return h.Hold == e.Hold })
		}
	})
	return list
}

// links folds by order of recording: being the same person has no beginning,
// so what is known counts for every moment asked about. By token.
func (s *State) links(w window) []Link {
	var list []Link
	set := func(other domain.Token, ground LinkGround, state LinkState, r *domain.Recorded) {
		i := slices.IndexFunc(list, func(l Link) bool { return l.Other == other })
		if i < 0 {
			i, list = len(list), append(list, Link{Other: other})
		}
		if ground != "" {
			list[i].Ground = ground
		}
		list[i].State, list[i].Rest = state, r
	}
	entries, kinds := s.Entries(), s.kinds()
	for i := range entries {
		r := &entries[i]
		if kinds[i].topic != aboutLink || !w.known(r) {
			continue
		}
		switch e := r.Event.(type) {
		case *LinkProposed:
			if !slices.ContainsFunc(list, func(l Link) bool { return l.Other == e.Other && l.State == LinkStanding }) {
				set(e.Other, e.Ground, LinkOpen, r)
			}
		case *LinkAccepted:
			set(e.Other, "", LinkStanding, r)
		case *LinkUndone:
			set(e.Other, "", LinkGone, r)
		}
	}
	slices.SortFunc(list, func(a, b Link) int { return cmp.Compare(a.Other, b.Other) })
	return list
}

// age finds what the age rule said last.
func (s *State) age(w window) (*AgeAssessed, *domain.Recorded) {
	var last *domain.Recorded
	s.each(w, aboutAge, func(r *domain.Recorded) { last = r })
	if last == nil {
		return nil, nil
	}
	return last.Event.(*AgeAssessed), last
}
