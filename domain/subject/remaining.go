package subject

import (
	"cmp"
	"slices"

	"lethe/domain"
	"lethe/domain/personal"
)

// remnant is a sealed value that no erasure destroyed.
type remnant struct {
	From  domain.ID // the event that had set it
	Field string
	Value personal.Value // as it is sealed now

	at      uint64    // revision of that event
	erasure domain.ID // that sealed it again
}

// remaining lists what is sealed in a group and was not destroyed, oldest
// first: live values, and what was replaced, removed or said about them.
func (s *State) remaining(g domain.Name) (list []remnant) {
	stopped := map[domain.ID]bool{}
	for _, r := range s.Entries() {
		if e, ok := r.Event.(*ErasureStopped); ok {
			stopped[e.Erasure] = true
		}
	}
	for _, r := range s.Entries() {
		switch e := r.Event.(type) {
		case *ErasureStarted:
			if goesIn(e.Groups, g) && !stopped[e.Erasure] {
				list = resealedBy(list, e.Erasure)
			}
		case *ErasureReapplied:
			if slices.Contains(e.Left, g) {
				list = nil
			}
		case *ValuesResealed:
			if stopped[e.Erasure] {
				continue // the values stay where they were, too
			}
			for _, it := range e.Items {
				if it.Group == g {
					list = append(list, remnant{it.From, string(it.Field), it.Value, setAt(list, it), e.Erasure})
				}
			}
		case Event:
			list = append(list, sealedBy(&r, e, g)...)
		}
	}
	return list
}

// setAt finds when a value was set that is sealed again.
func setAt(list []remnant, it Resealed) uint64 {
	for _, x := range list {
		if x.From == it.From && x.Field == string(it.Field) {
			return x.at
		}
	}
	return 0
}

func goesIn(groups []Weighed, g domain.Name) bool {
	for _, w := range groups {
		if w.Group == g && w.Goes() {
			return true
		}
	}
	return false
}

// resealedBy is what an erasure sealed again just before it started.
func resealedBy(list []remnant, erasure domain.ID) (kept []remnant) {
	for _, x := range list {
		if x.erasure == erasure {
			kept = append(kept, x)
		}
	}
	return kept
}

// sealedBy lists what an event seals in a group. A value that names none lies
// with the event's first that does.
func sealedBy(r *domain.Recorded, e Event, g domain.Name) (list []remnant) {
	slots := e.Personal(nil)
	otherwise := string(domain.EvidenceGroup)
	for _, slot := range slots {
		if slot.Group != "" {
			otherwise = slot.Group
			break
		}
	}
	for _, slot := range slots {
		if cmp.Or(slot.Group, otherwise) == string(g) && !slot.Value.IsZero() {
			list = append(list, remnant{From: r.ID, Field: slot.Field, Value: *slot.Value, at: r.Revision})
		}
	}
	return list
}

// superseded reports whether something of a group is sealed that is no live
// value any more.
func (s *scale) superseded(g domain.Name) bool {
	live := 0
	for i := range s.fields {
		if s.fields[i].Group == g && !s.fields[i].Lost {
			live++
		}
	}
	return len(s.remaining(g)) > live
}

// supersededHeld reports whether a purpose keeps a value of a group that
// another took the place of, by what it was held for until then.
func (s *scale) supersededHeld(g domain.Name) (held bool) {
	left := s.remaining(g)
	s.foldFields(window{}, func(f Field) {
		is := func(x remnant) bool { return x.at == f.At.Revision && x.Field == string(f.Field) }
		held = held || f.Group == g && slices.ContainsFunc(left, is) && s.value(&f).Outcome != Erase
	})
	return held
}
