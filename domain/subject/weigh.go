package subject

import (
	"cmp"
	"slices"
	"time"

	"lethe/domain"
	"lethe/domain/catalogue"
)

// Scope is what an erasure is asked for: everything, or some groups, or some
// values, or what was superseded in some groups.
type Scope struct {
	Everything bool
	Groups     []domain.Name
	Values     []ValueRef
	Superseded []domain.Name
	// Ended: values go only if the retention of every purpose that holds them
	// has ended. An order has it when retention is its cause.
	Ended bool
}

// OutsideHold binds a record from outside it: of a linked record, or of a whole
// group of people.
type OutsideHold struct {
	Hold    domain.ID
	Group   domain.Name
	Purpose domain.Name
	Review  time.Time
}

// scale weighs one erasure of one record (GDPR 17, 18, 21).
type scale struct {
	*State
	cat     *catalogue.State
	at      time.Time
	scope   Scope
	ground  ErasureGround
	outside []OutsideHold
	// restricted: by another record the person asked that the data be kept.
	restricted bool

	evidence domain.Duration // limitation of claims about consent
	fields   []Field
	anew     bool   // also what this erasure has closed
	asOf     uint64 // revision: evidence from after it was not asked for; 0 = all was
}

// weigh says for each group in scope what goes, what stays, and by which rule.
func (s *scale) weigh() []Weighed {
	s.fields = s.State.fields(window{})
	var list []Weighed
	shut := s.State.Gone()
	for _, g := range s.groups() {
		if shut[g] && !s.anew {
			continue
		}
		if w := s.group(g); w.Outcome != "" {
			list = append(list, w)
		}
	}
	return list
}

// groups lists those in scope, sorted.
func (s *scale) groups() []domain.Name {
	var list []domain.Name
	if s.scope.Everything {
		list = s.sealedGroups()
	}
	list = append(append(list, s.scope.Groups...), s.scope.Superseded...)
	for _, v := range s.scope.Values {
		for _, f := range s.fields {
			if f.Ref() == v {
				list = append(list, f.Group)
			}
		}
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// sealedGroups lists every group that something of the record was ever sealed in.
func (s *State) sealedGroups() []domain.Name {
	list := []domain.Name{domain.EvidenceGroup, domain.RecordGroup}
	entries, kinds := s.Entries(), s.kinds()
	for i := range entries {
		if kinds[i].topic != aboutFields {
			continue
		}
		var items []Item
		switch e := entries[i].Event.(type) {
		case *FieldsRecorded:
			items = e.Items
		case *FieldsRectified:
			items = e.Items
		}
		for _, it := range items {
			if !slices.Contains(list, it.Group) {
				list = append(list, it.Group)
			}
		}
	}
	return list
}

// group weighs one; without an outcome there is nothing of what was asked for.
func (s *scale) group(g domain.Name) Weighed {
	for _, h := range s.holdsOn(g) {
		return Weighed{Group: g, Outcome: Keep, Rule: KeptByHold, Purpose: h.Purpose, Hold: h.Hold}
	}
	if s.restricted || s.AsksToKeep() {
		return Weighed{Group: g, Outcome: Refuse, Rule: RestrictedByWish}
	}
	switch {
	case g == domain.EvidenceGroup:
		return s.evidenceGroup()
	case !slices.Contains(s.scope.Superseded, g):
		return s.values(g)
	case s.asksValues(g):
		if w := s.values(g); w.Goes() {
			return w // and what is superseded with it
		}
	}
	if !s.superseded(g) {
		return Weighed{}
	}
	return Weighed{Group: g, Outcome: Trim, Ground: NotNecessary}
}

// asksValues reports whether live values of a group are asked for.
func (s *scale) asksValues(g domain.Name) bool {
	return slices.ContainsFunc(s.fields, func(f Field) bool { return f.Group == g && s.asked(&f) })
}

func (s *scale) holdsOn(g domain.Name) []OutsideHold {
	var list []OutsideHold
	for _, h := range s.holds(window{}) {
		if h.Group == g {
			list = append(list, OutsideHold{Hold: h.Hold, Group: g, Purpose: h.Purpose, Review: h.Review})
		}
	}
	for _, h := range s.outside {
		if h.Group == g {
			list = append(list, h)
		}
	}
	return list
}

// evidenceUntil is the end of limitation of claims about the person's consents;
// zero when there was none, or nothing is to be shown.
func (s *scale) evidenceUntil() time.Time {
	var last time.Time
	entries, kinds := s.Entries(), s.kinds()
	for i := range entries {
		if kinds[i].topic == aboutConsent {
			last = later(last, entries[i].Effective)
		}
	}
	if last.IsZero() || s.evidence == "" {
		return time.Time{}
	}
	if s.scope.Everything {
		last = later(last, s.at) // it withdraws what stands
	}
	return s.evidence.After(last)
}

// consents reports whether a consent stands or is asked for.
func (s *scale) consents() bool {
	return slices.ContainsFunc(s.consentPurposes(window{}), func(p domain.Name) bool {
		c := s.consent(window{effective: s.at}, p)
		return c.Status.Allows() || c.Pending != nil
	})
}

func (s *scale) because(ground ErasureGround) ErasureGround { return cmp.Or(s.ground, ground) }

// values weighs a group's live values one by one: all go, none goes, or the
// group is trimmed. When values alone were asked for, the group stays open for
// new ones, also when none is left.
func (s *scale) values(g domain.Name) Weighed {
	w := Weighed{Group: g, Outcome: Erase, Ground: s.because(NotNecessary)}
	var kept *Weighed
	var go1 []ValueRef
	for i := range s.fields {
		f := &s.fields[i]
		if f.Group != g {
			continue
		}
		v := Weighed{}
		if s.asked(f) {
			v = s.value(f)
		}
		if v.Outcome == Erase {
			go1 = append(go1, f.Ref())
			w.Ground = v.Ground
			continue
		}
		kept = firmer(kept, v)
	}
	switch {
	case kept == nil && s.whole(g):
		return w
	case kept == nil:
		kept = &Weighed{}
	case len(go1) == 0:
		kept.Group = g
		if s.whole(g) && s.superseded(g) && !s.supersededHeld(g) { // what keeps the new values is nothing to the old ones
			kept.Outcome, kept.Ground = Trim, s.because(NotNecessary)
		}
		return *kept
	}
	w.Outcome, w.Values = Trim, go1
	w.Rule, w.Purpose, w.Until = kept.Rule, kept.Purpose, kept.Until
	return w
}

// whole reports whether all of a group was asked for, and not values of it.
func (s *scale) whole(g domain.Name) bool {
	return s.scope.Everything || !s.scope.Ended && slices.Contains(s.scope.Groups, g)
}

// asked reports whether a value is in scope.
func (s *scale) asked(f *Field) bool {
	return s.scope.Everything || slices.Contains(s.scope.Groups, f.Group) ||
		slices.Contains(s.scope.Values, f.Ref())
}

// firmer prefers what keeps longest, and a duty to the absence of a ground.
func firmer(a *Weighed, b Weighed) *Weighed {
	if a == nil || (a.Outcome != Keep && b.Outcome == Keep) || (a.Outcome == b.Outcome && b.Until.After(a.Until)) {
		return &b
	}
	return a
}

// value weighs one value by every purpose that holds it.
func (s *scale) value(f *Field) Weighed {
	ground := s.because(NotNecessary)
	var kept *Weighed
	for _, id := range f.Purposes {
		p, ok := s.cat.Purpose(id, 0)
		if !ok {
			continue
		}
		v := s.purpose(p, f)
		if v.Outcome != Erase {
			kept = firmer(kept, v)
			continue
		}
		ground = cmp.Or(s.ground, v.Ground)
	}
	if kept != nil {
		return *kept
	}
	return Weighed{Outcome: Erase, Ground: ground}
}

// purpose says whether one purpose keeps a value.
func (s *scale) purpose(p *catalogue.PurposeDeclared, f *Field) Weighed {
	v := Weighed{Outcome: Keep, Purpose: p.ID, Until: s.ends(p, f)}
	ended := !v.Until.IsZero() && !s.at.Before(v.Until)
	switch {
	case p.Keeps && !ended:
		v.Rule = dutyOf(p)
		return v
	case p.Exemption == catalogue.Claims && !ended:
		v.Rule = KeptForClaims
		return v
	case s.ground.overrides() || ended:
		return Weighed{Outcome: Erase, Ground: s.because(NotNecessary)}
	case s.scope.Ended:
		v.Outcome, v.Rule = Refuse, RetentionRuns
		return v
	}
	return s.basis(p, v)
}

func dutyOf(p *catalogue.PurposeDeclared) KeepRule {
	switch p.Basis {
	case domain.LegalObligation:
		return KeptByLaw
	case domain.PublicTask:
		return KeptByTask
	case domain.Consent, domain.Contract, domain.VitalInterests, domain.LegitimateInterests, domain.RecognisedInterestUK:
	}
	return KeptByDuty
}

// basis weighs a purpose that has no duty to keep.
func (s *scale) basis(p *catalogue.PurposeDeclared, v Weighed) Weighed {
	stands := slices.ContainsFunc(s.bases(window{effective: s.at}), func(b Basis) bool {
		return b.Purpose == p.ID && b.Basis == p.Basis
	})
	switch p.Basis {
	case domain.Consent:
		c := s.consent(window{effective: s.at}, p.ID)
		if !s.scope.Everything && c.Status.Allows() {
			v.Outcome, v.Rule = Refuse, ConsentStands
			return v
		}
		return Weighed{Outcome: Erase, Ground: ConsentGone}
	case domain.Contract:
		if stands {
			v.Outcome, v.Rule, v.Until = Refuse, ContractRuns, time.Time{}
			return v
		}
	case domain.VitalInterests:
		if stands {
			v.Outcome, v.Rule = Refuse, VitalInterest
			return v
		}
	case domain.LegalObligation:
		if stands {
			v.Rule = KeptByLaw
			return v
		}
	case domain.PublicTask:
		if stands {
			v.Rule = KeptByTask
			return v
		}
	case domain.LegitimateInterests, domain.RecognisedInterestUK:
		if stands && s.overridden(p.ID) {
			v.Outcome, v.Rule = Refuse, GroundsOverride
			return v
		}
		return Weighed{Outcome: Erase, Ground: ObjectedTo}
	}
	return Weighed{Outcome: Erase, Ground: NotNecessary}
}

// overridden: the newest objection to the purpose's processing was overridden
// with documented grounds.
func (s *scale) overridden(purpose domain.Name) bool {
	found := false
	for _, o := range s.objections(window{}) {
		if o.Scope == ToProcessing && (o.Purpose == "" || o.Purpose == purpose) && o.State != TakenBack {
			found = o.State == Overridden
		}
	}
	return found
}

// ends is when a purpose's retention of a value ends; zero while what starts
// it has not happened.
func (s *scale) ends(p *catalogue.PurposeDeclared, f *Field) time.Time {
	start := s.starts(p, f)
	if start.IsZero() || p.Retention == "" {
		return time.Time{}
	}
	return p.Retention.After(start)
}

func (s *scale) starts(p *catalogue.PurposeDeclared, f *Field) (start time.Time) {
	switch p.RetentionStart {
	case catalogue.FromCollection:
		return f.At.Effective
	case catalogue.FromFinancialYear:
		return time.Date(f.At.Effective.Year()+1, time.January, 1, 0, 0, 0, 0, time.UTC)
	case catalogue.FromLastActivity:
		start = f.At.Effective
		entries, kinds := s.Entries(), s.kinds()
		for i := range entries {
			if kinds[i].purpose == p.ID {
				start = later(start, entries[i].Effective)
			}
		}
		return start
	case catalogue.FromContractEnd, catalogue.FromRelationEnd:
		for _, b := range s.PastBases(time.Time{}, s.at) {
			if b.Basis == domain.Contract && b.State != BasisStands {
				start = later(start, b.Since)
			} else if b.Basis == domain.Contract {
				return time.Time{}
			}
		}
		return start
	case catalogue.FromConsentEnd:
		c := s.consent(window{effective: s.at}, p.ID)
		if c.Rest != nil && !c.Status.Allows() {
			return c.Since
		}
	}
	return time.Time{}
}
