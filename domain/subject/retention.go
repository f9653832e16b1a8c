package subject

import (
	"cmp"
	"slices"
	"time"

	"lethe/domain"
	"lethe/domain/catalogue"
	"lethe/domain/personal"
)

// Expired is something of a record that is to go since its retention has ended
// (GDPR 5(1)(e), 17(1)(a)): a value, or all that is left of a group that holds
// no value any more.
type Expired struct {
	Group     domain.Name              `json:"group"`
	Field     domain.Name              `json:"field,omitzero"` // "" = what is left of the group
	Slot      uint16                   `json:"slot,omitzero"`
	Lifecycle uint32                   `json:"lifecycle,omitzero"` // an earlier one that the value is of
	Purpose   domain.Name              `json:"purpose,omitzero"`   // that kept it longest
	Retention domain.Duration          `json:"retention,omitzero"` // of that purpose, or of evidence
	From      catalogue.RetentionStart `json:"from,omitzero"`      // what started it
	Since     time.Time                `json:"since,omitzero"`     // when it ended
	Stays     KeepRule                 `json:"stays,omitzero"`     // what keeps it all the same
	Hold      domain.ID                `json:"hold,omitzero"`      // when that is a hold
}

// Overdue lists what is to go by retention, and what would but is kept by a
// hold or by the person's wish, by group, field and slot. Nothing of a group
// that an erasure closes is in it.
//
// A value is when the retention of every purpose that holds it has ended. What
// is left of a group is when no value of it is held: what was replaced and
// removed. Where the record came from, and evidence, are when all values go, no
// consent, contract, hold or restriction stands, and evidence is not needed any
// more. A group
// stays open for what may be recorded anew.
func Overdue(s *State, env Env) []Expired {
	d := decision{State: s, Env: env, at: env.Now}
	scale := d.scale(Scope{Ended: true}, NotNecessary)
	scale.fields = s.fields(window{})
	shut := s.Closed(time.Time{})
	var list []Expired
	live := map[domain.Name]bool{}
	over := true // nothing that is held stays
	for i := range scale.fields {
		f := &scale.fields[i]
		if shut[f.Group] {
			continue
		}
		live[f.Group] = true
		if x, ok := scale.expired(f); ok {
			list = append(list, x)
		} else {
			over = false
		}
	}
	over = over && scale.served() && !scale.busy()
	for _, g := range s.sealedGroups() {
		if shut[g] || live[g] {
			continue
		}
		if x, ok := scale.leftover(g, over); ok {
			list = append(list, x)
		}
	}
	for i := range list {
		list[i].Stays, list[i].Hold = scale.kept(list[i].Group)
	}
	slices.SortFunc(list, byPlace)
	return list
}

// leftover says whether what is left of a group that holds no value is to go.
// over: nothing of the record is held or agreed any more.
func (s *scale) leftover(g domain.Name, over bool) (Expired, bool) {
	x := Expired{Group: g}
	last, left := s.left(g)
	x.Since = last
	switch {
	case !left:
		return x, false
	case g == domain.EvidenceGroup:
		if until := s.evidenceUntil(); !until.IsZero() {
			x.Retention, x.Since = s.evidence, until
		}
		return x, over && !s.at.Before(x.Since)
	case g == domain.RecordGroup:
		return x, over
	}
	return x, true
}

// expired says which purpose kept a value longest, if it is over for all.
func (s *scale) expired(f *Field) (Expired, bool) {
	x := Expired{Group: f.Group, Field: f.Field, Slot: f.Slot, Lifecycle: f.Earlier}
	for _, id := range f.Purposes {
		p, ok := s.cat.Purpose(id, 0)
		if !ok {
			return x, false
		}
		until := s.ends(p, f)
		if until.IsZero() || s.at.Before(until) {
			return x, false
		}
		if until.After(x.Since) {
			x.Purpose, x.Retention, x.From, x.Since = p.ID, p.Retention, p.RetentionStart, until
		}
	}
	return x, !x.Since.IsZero()
}

// served reports whether the record was of use once: one that was opened just
// now is not over.
func (s *scale) served() bool {
	until := s.evidenceUntil()
	return !until.IsZero() && !s.at.Before(until) ||
		slices.ContainsFunc(s.Entries(), func(r domain.Recorded) bool { _, ok := r.Event.(*FieldsRecorded); return ok })
}

// busy reports whether anything about the person stands that the record is
// needed for: a consent, a contract, a hold, a restriction.
func (s *scale) busy() bool {
	return s.consents() || s.restricted || len(s.outside)+len(s.holds(window{}))+len(s.restrictions(window{})) > 0 ||
		slices.ContainsFunc(s.bases(window{effective: s.at}), func(b Basis) bool { return b.Basis == domain.Contract })
}

// kept is what keeps a group whatever its retention.
func (s *scale) kept(g domain.Name) (KeepRule, domain.ID) {
	if w := s.group(g); w.Rule == KeptByHold || w.Rule == RestrictedByWish {
		return w.Rule, w.Hold
	}
	return "", domain.ID{}
}

// left reports whether anything of a group is sealed that no erasure destroyed,
// and when the last of it was recorded.
func (s *State) left(g domain.Name) (last time.Time, left bool) {
	resealed := map[domain.ID]bool{}
	before := map[domain.ID]time.Time{}
	for _, r := range s.Entries() {
		switch e := r.Event.(type) {
		case *ErasureStarted:
			if slices.ContainsFunc(e.Groups, func(w Weighed) bool { return w.Group == g && w.Goes() }) {
				before[e.Erasure] = last
				if !resealed[e.Erasure] {
					last = time.Time{}
				}
			}
			continue
		case *ErasureStopped: // nothing of it was destroyed
			if old, ok := before[e.Erasure]; ok {
				last = later(last, old)
			}
			continue
		case *ValuesResealed:
			resealed[e.Erasure] = resealed[e.Erasure] || e.Group == g && len(e.Items) > 0
		case *FieldRemoved:
			if e.Group == g && !last.IsZero() {
				last = later(last, r.Effective)
			}
		}
		if sealsIn(r.Event, g) {
			last = later(last, r.Effective)
		}
	}
	return last, !last.IsZero()
}

// sealsIn reports whether an event has a value in a group.
func sealsIn(event domain.Event, g domain.Name) bool {
	e, ok := event.(Event)
	return ok && slices.ContainsFunc(e.Personal(nil), func(slot personal.Slot) bool {
		return slot.Group == string(g) && !slot.Value.IsZero()
	})
}

func byPlace(a, b Expired) int {
	return cmp.Or(cmp.Compare(a.Group, b.Group), cmp.Compare(a.Field, b.Field), cmp.Compare(a.Slot, b.Slot), cmp.Compare(a.Lifecycle, b.Lifecycle))
}

// ScopeOf is what to order of what is overdue: as much as one order takes. The
// rest is overdue still when that has been done.
func ScopeOf(list []Expired) Scope {
	scope := Scope{Ended: true}
	for _, x := range list {
		switch {
		case x.Stays != "":
		case len(scope.Values)+len(scope.Superseded) == maxItems:
			return scope
		case x.Field == "":
			scope.Superseded = append(scope.Superseded, x.Group)
		default:
			scope.Values = append(scope.Values, ValueRef{x.Field, x.Slot, x.Lifecycle})
		}
	}
	return scope
}

// Empty reports whether nothing is asked for.
func (s Scope) Empty() bool {
	return !s.Everything && len(s.Groups)+len(s.Values)+len(s.Superseded) == 0
}
