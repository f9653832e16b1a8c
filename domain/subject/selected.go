package subject

import "lethe/domain"

// RecordedFor reports whether anything was ever recorded of the person for a
// purpose: values, a consent, another basis.
func (s *State) RecordedFor(purpose domain.Name) bool {
	kinds := s.kinds()
	for i := range kinds {
		switch kinds[i].topic {
		case aboutConsent, aboutBasis, aboutFields:
			if kinds[i].purpose == purpose {
				return true
			}
		case aboutNothing, aboutRecord, aboutExpiry, aboutObjection, aboutRestriction, aboutHold, aboutDisclosure, aboutLink,
			aboutAge, aboutErasure:
		}
	}
	return false
}

// CameFrom reports whether the record, or anything that was recorded of the
// person, came from a system ("" = any) by an import (zero = any way).
func (s *State) CameFrom(system domain.Name, imported domain.ID) bool {
	for _, r := range s.Entries() {
		from := sourceOf(r.Event)
		if from != (Source{}) && (system == "" || from.System == system) && (imported.IsZero() || from.Import == imported) {
			return true
		}
	}
	return false
}

// sourceOf is where an event says that it came from; zero for most.
func sourceOf(event domain.Event) Source {
	switch e := event.(type) {
	case *Registered:
		return e.Source
	case *FieldsRecorded:
		return e.Source
	case *FieldsRectified:
		return e.Source
	case *Objected:
		return e.Source
	case *LinkProposed:
		return e.Source
	}
	return Source{}
}
