package catalogue

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"lethe/domain"
)

// State is everything declared so far. It is immutable: Evolve returns a new
// one, and whoever holds an old one goes on seeing what it saw. nil is the
// empty catalogue, and every method works on it.
//
// A catalogue changes rarely and is read by every decision, so Evolve copies
// its maps and reading costs one lookup.
type State struct {
	owned       bool // while folding anew: nobody else sees the maps yet
	log         []domain.Recorded
	controllers map[domain.Name]*ControllerDeclared
	fields      map[domain.Name]*FieldDeclared
	purposes    map[domain.Name]*history
	notices     map[domain.Digest][]Publication
	texts       map[noticeKey]domain.Digest
	recipients  map[domain.Name]*RecipientDeclared
}

// history is a purpose's versions, oldest first, and when it ended.
type history struct {
	versions []*PurposeDeclared
	ended    []time.Time
}

type noticeKey struct {
	id       domain.Name
	version  uint32
	language domain.Language
}

// Publication is one publishing of a text and when it was recorded.
type Publication struct {
	*NoticePublished
	Recorded time.Time
}

// Evolve is total: it takes any history. An event of another stream changes
// nothing but the revision.
func Evolve(s *State, r domain.Recorded) *State {
	if s == nil {
		s = &State{}
	}
	next := *s
	if !s.owned {
		next.log = s.log[:len(s.log):len(s.log)] // appending copies
	}
	next.log = append(next.log, r)
	e, ok := r.Event.(Event)
	if !ok {
		return &next
	}
	switch e := e.(type) {
	case *ControllerDeclared:
		next.controllers = with(s.owned, s.controllers, e.ID, e)
	case *FieldDeclared:
		next.fields = with(s.owned, s.fields, e.ID, e)
	case *PurposeDeclared:
		h := s.purposes[e.ID].clone()
		h.versions = append(h.versions, e)
		next.purposes = with(s.owned, s.purposes, e.ID, h)
	case *PurposeEnded:
		h := s.purposes[e.ID].clone()
		h.ended = append(h.ended, effective(r))
		next.purposes = with(s.owned, s.purposes, e.ID, h)
	case *NoticePublished:
		of := s.notices[e.Digest]
		next.notices = with(s.owned, s.notices, e.Digest, append(of[:len(of):len(of)], Publication{e, r.Recorded}))
		next.texts = with(s.owned, s.texts, noticeKey{e.ID, e.Version, e.Language}, e.Digest)
	case *RecipientDeclared:
		next.recipients = with(s.owned, s.recipients, e.ID, e)
	}
	return &next
}

func with[K comparable, V any](owned bool, m map[K]V, k K, v V) map[K]V {
	if !owned {
		m = maps.Clone(m)
	}
	if m == nil {
		m = make(map[K]V, 1)
	}
	m[k] = v
	return m
}

func (h *history) clone() *history {
	if h == nil {
		return &history{}
	}
	return &history{versions: slices.Clone(h.versions), ended: slices.Clone(h.ended)}
}

func effective(r domain.Recorded) time.Time {
	if r.Effective.IsZero() {
		return r.Recorded
	}
	return r.Effective
}

// Next is the revision the next event gets: 0 for the empty catalogue. It is
// what domain.Metadata.Catalogue holds.
func (s *State) Next() uint64 {
	if s == nil || len(s.log) == 0 {
		return 0
	}
	return s.log[len(s.log)-1].Revision + 1
}

// Revision is the last event's revision, 0 also for the empty catalogue.
func (s *State) Revision() uint64 { return max(s.Next(), 1) - 1 }

// KnownAt is the catalogue as it was known at t: what was recorded until
// then. The zero time is no cut.
func (s *State) KnownAt(t time.Time) *State {
	return s.cut(func(r domain.Recorded) bool { return t.IsZero() || !r.Recorded.After(t) })
}

// Before is the catalogue before the event with this revision, which is what
// a decision saw whose metadata names it.
func (s *State) Before(revision uint64) *State {
	return s.cut(func(r domain.Recorded) bool { return r.Revision < revision })
}

func (s *State) cut(keep func(domain.Recorded) bool) *State {
	if s == nil || len(s.log) == 0 || keep(s.log[len(s.log)-1]) {
		return s
	}
	as := &State{owned: true}
	for _, r := range s.log {
		if keep(r) {
			as = Evolve(as, r)
		}
	}
	as.owned = false
	return as
}

// Field finds a field.
func (s *State) Field(id domain.Name) (*FieldDeclared, bool) {
	if s == nil {
		return nil, false
	}
	f, ok := s.fields[id]
	return f, ok
}

// Controller finds a controller.
func (s *State) Controller(id domain.Name) (*ControllerDeclared, bool) {
	if s == nil {
		return nil, false
	}
	c, ok := s.controllers[id]
	return c, ok
}

// Recipient finds a recipient.
func (s *State) Recipient(id domain.Name) (*RecipientDeclared, bool) {
	if s == nil {
		return nil, false
	}
	r, ok := s.recipients[id]
	return r, ok
}

// Notice finds the first publication of a text.
func (s *State) Notice(digest domain.Digest) (*NoticePublished, bool) {
	if s == nil || len(s.notices[digest]) == 0 {
		return nil, false
	}
	return s.notices[digest][0].NoticePublished, true
}

// Publications lists every publication of a text, in order of recording.
func (s *State) Publications(digest domain.Digest) []Publication {
	if s == nil {
		return nil
	}
	return s.notices[digest]
}

// Controllers lists them by ID.
func (s *State) Controllers() []*ControllerDeclared {
	if s == nil {
		return nil
	}
	return sorted(s.controllers)
}

// Fields lists them by ID.
func (s *State) Fields() []*FieldDeclared {
	if s == nil {
		return nil
	}
	return sorted(s.fields)
}

// Recipients lists them by ID.
func (s *State) Recipients() []*RecipientDeclared {
	if s == nil {
		return nil
	}
	return sorted(s.recipients)
}

// Notices lists every publication by ID, version, language, then recording.
func (s *State) Notices() []Publication {
	if s == nil {
		return nil
	}
	var all []Publication
	for _, of := range s.notices {
		all = append(all, of...)
	}
	slices.SortFunc(all, func(a, b Publication) int {
		return cmp.Or(cmp.Compare(a.ID, b.ID), cmp.Compare(a.Version, b.Version),
			cmp.Compare(a.Language, b.Language), a.Recorded.Compare(b.Recorded))
	})
	return all
}

func sorted[V any](m map[domain.Name]V) []V {
	list := make([]V, 0, len(m))
	for _, k := range slices.Sorted(maps.Keys(m)) {
		list = append(list, m[k])
	}
	return list
}
