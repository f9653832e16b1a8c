package catalogue

import (
	"slices"
	"time"

	"lethe/domain"
)

// Purpose finds one version of a purpose; version 0 is the newest declared.
// It may be superseded, ended or not yet in force: see InForce.
func (s *State) Purpose(id domain.Name, version uint32) (*PurposeDeclared, bool) {
	versions := s.Versions(id)
	if version == 0 && len(versions) > 0 {
		return versions[len(versions)-1], true
	}
	for _, p := range versions {
		if p.Version == version {
			return p, true
		}
	}
	return nil, false
}

// Versions lists a purpose's versions, oldest first.
func (s *State) Versions(id domain.Name) []*PurposeDeclared {
	if s == nil || s.purposes[id] == nil {
		return nil
	}
	return s.purposes[id].versions
}

// Purposes lists the newest version of each purpose, by ID.
func (s *State) Purposes() []*PurposeDeclared {
	if s == nil {
		return nil
	}
	var all []*PurposeDeclared
	for _, h := range sorted(s.purposes) {
		if n := len(h.versions); n > 0 {
			all = append(all, h.versions[n-1])
		}
	}
	return all
}

// InForce is the version of a purpose that is in force at a time: the newest
// whose beginning has come, unless the purpose was ended since.
func (s *State) InForce(id domain.Name, at time.Time) (*PurposeDeclared, bool) {
	if s == nil || s.purposes[id] == nil {
		return nil, false
	}
	h := s.purposes[id]
	var in *PurposeDeclared
	for _, p := range h.versions {
		if !p.InForce.After(at) && (in == nil || !p.InForce.Before(in.InForce)) {
			in = p
		}
	}
	if in == nil || h.endedBetween(in.InForce, at) {
		return nil, false
	}
	return in, true
}

// endedBetween: an end at the very moment of a beginning goes to the end.
func (h *history) endedBetween(from, at time.Time) bool {
	return slices.ContainsFunc(h.ended, func(end time.Time) bool {
		return !end.Before(from) && !end.After(at)
	})
}

// SameMaterial reports whether consent given to version a of a purpose still
// speaks of version b: no version between them changed it materially.
func (s *State) SameMaterial(id domain.Name, a, b uint32) bool {
	if a == b {
		return true
	}
	if a > b {
		return false // the newer text was never in force when b was asked for
	}
	known := false
	for _, p := range s.Versions(id) {
		known = known || p.Version == a
		if p.Version > a && p.Version <= b && p.Material {
			return false
		}
	}
	return known
}

// Needs reports whether the purpose names the field as needed or optional.
func (p *PurposeDeclared) Needs(field domain.Name) bool {
	return slices.Contains(p.Fields, field) || slices.Contains(p.Optional, field)
}

// TakesConsent reports whether a person's consent can matter to the purpose:
// as its basis, as its Article 9 condition, or for electronic marketing
// (ePrivacy 13).
func (p *PurposeDeclared) TakesConsent() bool {
	return p.Basis == domain.Consent || p.Article9 == ExplicitConsent || p.Marketing
}

// material reports whether going from p to next asks for consent anew: wider
// data, a controller that newly relies on it, another purpose, a transfer to
// another third country, or another basis.
func (p *PurposeDeclared) material(next *PurposeDeclared) bool {
	wider := slices.ContainsFunc(slices.Concat(next.Fields, next.Optional), func(f domain.Name) bool { return !p.Needs(f) })
	return wider ||
		added(p.Controllers, next.Controllers) || added(p.ThirdCountries, next.ThirdCountries) ||
		p.DPV != next.DPV || (p.Fideslang != "" && p.Fideslang != next.Fideslang) ||
		p.Basis != next.Basis
}

func added[T comparable](old, now []T) bool {
	return slices.ContainsFunc(now, func(v T) bool { return !slices.Contains(old, v) })
}
