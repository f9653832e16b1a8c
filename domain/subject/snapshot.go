package subject

import (
	"cmp"
	"slices"
	"time"

	"lethe/domain"
)

// Snapshot is how a person's record stands at one moment, as far as it was
// known at another. Values in it are as the events hold them: sealed.
type Snapshot struct {
	Token        domain.Token
	Registration *Registered
	Registered   *domain.Recorded // nil: not known then
	Fields       []Field
	Consents     []Consent // by purpose
	Bases        []Basis
	Objections   []Objection
	Restrictions []Restriction
	Holds        []Hold
	Links        []Link
	Disclosures  []Disclosure
	Age          *AgeAssessed
}

// Disclosure is something that went to a recipient.
type Disclosure struct {
	*Disclosed
	At *domain.Recorded
}

// At folds what was recorded until one time and took effect until another,
// both inclusive. By recorded time ask At(t, t); by effective time At(now, t).
//
// Consents, bases, objections, restrictions, holds, age and disclosures fold
// by effective time, a denial last among equals; fields, links and the
// registration by order of recording. An invalidated consent is invalid from
// its giving; an end (of a consent or a basis) is computed, half-open. A zero
// time is no cut, and with a zero effective time nothing expires.
func (s *State) At(recorded, effective time.Time) *Snapshot {
	w := window{recorded, effective}
	snap := &Snapshot{
		Token: s.Token(), Fields: s.fields(w), Bases: s.bases(w), Objections: s.objections(w),
		Restrictions: s.restrictions(w), Holds: s.holds(w), Links: s.links(w),
	}
	snap.Registration, snap.Registered = s.registered(w)
	snap.Age, _ = s.age(w)
	for _, purpose := range s.consentPurposes(w) {
		snap.Consents = append(snap.Consents, s.consent(w, purpose))
	}
	s.each(w, aboutDisclosure, func(r *domain.Recorded) {
		snap.Disclosures = append(snap.Disclosures, Disclosure{r.Event.(*Disclosed), r})
	})
	return snap
}

// consentPurposes lists the purposes that the window knows a consent of.
func (s *State) consentPurposes(w window) []domain.Name {
	var list []domain.Name
	entries, kinds := s.Entries(), s.kinds()
	for i := range entries {
		if kinds[i].topic == aboutConsent && w.holds(&entries[i]) && !slices.Contains(list, kinds[i].purpose) {
			list = append(list, kinds[i].purpose)
		}
	}
	slices.SortFunc(list, func(a, b domain.Name) int { return cmp.Compare(a, b) })
	return list
}

// Consent finds a purpose's consent; its status is StatusUnknown if nothing
// was ever said about it.
func (p *Snapshot) Consent(purpose domain.Name) Consent {
	for _, c := range p.Consents {
		if c.Purpose == purpose {
			return c
		}
	}
	return Consent{Purpose: purpose, Status: StatusUnknown, standing: StatusUnknown}
}

// Consent is one purpose's consent, without folding the others.
func (s *State) Consent(recorded, effective time.Time, purpose domain.Name) Consent {
	return s.consent(window{recorded, effective}, purpose)
}

// Restricted reports whether any ground of restriction is in force.
func (p *Snapshot) Restricted() bool { return len(p.Restrictions) > 0 }
