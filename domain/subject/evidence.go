package subject

import (
	"slices"
	"time"

	"lethe/domain"
	"lethe/domain/personal"
)

// rest is evidence that stays when other evidence goes, and why: what stands
// rests on it. Without a rule it was recorded after what was asked for.
type rest struct {
	remnant
	Weighed
}

// evidenceGroup: what shows that consent was given outlives the consent to the
// end of limitation; where none was ever given there is nothing to show. What
// goes is what was recorded so far, but for what something that stands rests on:
// why a hold is released or a person comes back is evidence of something later.
func (s *scale) evidenceGroup() Weighed {
	w := Weighed{Group: domain.EvidenceGroup}
	switch until := s.evidenceUntil(); {
	case s.evidence != "" && !s.scope.Everything && s.consents():
		w.Outcome, w.Rule = Keep, KeptAsEvidence // what stands is still to be shown
		return w
	case s.at.Before(until):
		w.Outcome, w.Rule, w.Until = Keep, KeptAsEvidence, until
		return w
	}
	var kept Weighed
	rests := s.rests()
	for _, x := range rests {
		if kept.Rule == "" || lasts(x.Weighed, kept) {
			kept = x.Weighed
		}
	}
	kept.Group, kept.Outcome = domain.EvidenceGroup, Keep
	switch {
	case len(rests) == 0 || len(rests) < len(s.remaining(domain.EvidenceGroup)):
		kept.Outcome, kept.Ground = Trim, s.because(NotNecessary)
	case kept.Rule == "":
		return Weighed{}
	}
	return kept
}

// lasts reports whether a keeps longer than b, as far as that is known: a hold,
// what has no known end, what ends later.
func lasts(a, b Weighed) bool {
	switch {
	case a.Rule == "" || b.Rule == KeptByHold:
		return false
	case a.Rule == KeptByHold || a.Until.IsZero():
		return true
	}
	return !b.Until.IsZero() && a.Until.After(b.Until)
}

// rests lists evidence that stays: on whose authority a hold stands, what a
// basis, a restriction or an override of an objection rests on.
func (s *scale) rests() (list []rest) {
	sealed := s.remaining(domain.EvidenceGroup)
	add := func(r *domain.Recorded, field string, why Weighed) {
		for _, x := range sealed {
			if x.From == r.ID && x.Field == field {
				list = append(list, rest{x, why})
			}
		}
	}
	for _, h := range s.holds(window{}) {
		add(h.Rest, "hold.authority", Weighed{Rule: KeptByHold, Purpose: h.Purpose, Hold: h.Hold})
	}
	for _, b := range s.bases(window{}) {
		if until, yes := s.needed(b.Purpose); yes && (b.Until.IsZero() || s.at.Before(b.Until)) {
			add(b.Rest, "basis.reference", Weighed{Rule: KeptByLaw, Purpose: b.Purpose, Until: until})
		}
	}
	for _, o := range s.objections(window{}) {
		if until, yes := s.needed(o.Purpose); yes && o.State == Overridden {
			add(o.By, "objection.grounds", Weighed{Rule: KeptByLaw, Purpose: o.Purpose, Until: until})
		}
	}
	if s.goesOn() {
		for _, r := range s.restrictions(window{}) {
			add(r.Rest, "restriction.reason", Weighed{Rule: KeptByLaw})
		}
	}
	for _, x := range sealed {
		here := func(y rest) bool { return y.From == x.From && y.Field == x.Field }
		if s.asOf > 0 && x.at > s.asOf && !slices.ContainsFunc(list, here) {
			list = append(list, rest{remnant: x})
		}
	}
	return list
}

// goesOn: the record goes on. Of one of which everything goes, and when only
// what is over goes, nothing stands but for the data that stays.
func (s *scale) goesOn() bool { return !s.scope.Everything && !s.scope.Ended && !s.forgotten() }

// needed reports whether a purpose's basis ("" for any) is still to be shown
// (GDPR 5(2)), and until when if that is known: it keeps some of the data, or the
// record goes on.
func (s *scale) needed(purpose domain.Name) (until time.Time, yes bool) {
	if s.goesOn() {
		return time.Time{}, true
	}
	gone, known := s.Gone(), true
	for i := range s.fields {
		f := &s.fields[i]
		for _, id := range f.Purposes {
			p, ok := s.cat.Purpose(id, 0)
			if !ok || purpose != "" && id != purpose || gone[f.Group] && !s.anew {
				continue
			}
			if v := s.purpose(p, f); v.Outcome != Erase {
				until, yes, known = later(until, v.Until), true, known && !v.Until.IsZero()
			}
		}
	}
	if !known {
		until = time.Time{}
	}
	return until, yes
}

// resealEvidence carries what stays of evidence over to its newest key, nil when
// nothing does.
func (d *decision) resealEvidence(erasure domain.ID, s *scale) (*ValuesResealed, error) {
	e := &ValuesResealed{Erasure: erasure, Group: domain.EvidenceGroup}
	slots := map[string]uint16{}
	for _, x := range s.rests() {
		text, err := d.open(x.Value)
		if err != nil {
			return nil, err
		}
		item := Item{Field: domain.Name(x.Field), Group: domain.EvidenceGroup, Slot: slots[x.Field], Class: Observed, Value: personal.Of(text)}
		slots[x.Field]++
		e.Items = append(e.Items, Resealed{Item: item, From: x.From})
	}
	if e.Items == nil {
		return nil, nil //nolint:nilnil // nothing stays
	}
	return e, nil
}
