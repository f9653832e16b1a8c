package subject

import (
	"cmp"
	"slices"
	"time"

	"lethe/domain"
)

// BasisState is what became of a basis other than consent.
type BasisState string

// States. Only BasisStands lets processing rest on it.
const (
	BasisStands  BasisState = "asserted"
	BasisOver    BasisState = "ended"   // somebody ended it
	BasisExpired BasisState = "expired" // its own end has passed
)

// PastBasis is a basis that was ever asserted for a purpose, and what became
// of it.
type PastBasis struct {
	Purpose  domain.Name
	Basis    domain.Basis
	Version  uint32 // of the purpose, as asserted last
	State    BasisState
	Since    time.Time        // when State began
	Until    time.Time        // half-open end, as asserted last; zero = none
	Asserted *domain.Recorded // the last assertion, nil = only its end is known
	Rest     *domain.Recorded // the event that State rests on
}

// PastBases lists the bases other than consent that At leaves out because
// they no longer stand, together with those that do, by purpose and basis. It
// folds as At does, and its times are At's.
func (s *State) PastBases(recorded, effective time.Time) []PastBasis {
	var list []PastBasis
	at := func(purpose domain.Name, basis domain.Basis) *PastBasis {
		i := slices.IndexFunc(list, func(b PastBasis) bool { return b.Purpose == purpose && b.Basis == basis })
		if i < 0 {
			i, list = len(list), append(list, PastBasis{Purpose: purpose, Basis: basis})
		}
		return &list[i]
	}
	s.each(window{recorded, effective}, aboutBasis, func(r *domain.Recorded) {
		switch e := r.Event.(type) {
		case *BasisAsserted:
			b := at(e.Purpose, e.Basis)
			b.Version, b.State, b.Since, b.Until, b.Asserted, b.Rest = e.Version, BasisStands, r.Effective, e.Until, r, r
		case *BasisEnded:
			b := at(e.Purpose, e.Basis)
			b.end(r.Effective) // it may have been over by itself
			if b.State != BasisExpired {
				b.State, b.Since, b.Rest = BasisOver, r.Effective, r
			}
		}
	})
	for i := range list {
		list[i].end(effective)
	}
	slices.SortFunc(list, func(a, b PastBasis) int {
		return cmp.Or(cmp.Compare(a.Purpose, b.Purpose), cmp.Compare(a.Basis, b.Basis))
	})
	return list
}

// end computes whether the basis's own end has passed.
func (b *PastBasis) end(at time.Time) {
	if b.State == BasisStands && !b.Until.IsZero() && !at.IsZero() && !at.Before(b.Until) {
		b.State, b.Since = BasisExpired, b.Until
	}
}
