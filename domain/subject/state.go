package subject

import (
	"strings"
	"sync/atomic"
	"time"

	"lethe/domain"
)

// State is a subject's history, classified. Everything a decision asks is
// folded from it when it is asked, for the moment it is asked about: a
// command looks at one purpose or one field of a few dozen events, which
// costs less than keeping maps up to date would.
//
// A State is immutable. Successors share one journal, into which Evolve
// appends in place when the state is the newest of its lineage and which it
// copies when it is not, so that every holder goes on seeing what it saw,
// from any goroutine, and appending costs amortised constant time.
//
// nil is the empty state, and every method works on it.
type State struct {
	journal *journal
	n       int
}

// journal has room for len(events) events, of which used are taken.
type journal struct {
	used   atomic.Int64
	events []domain.Recorded
	kinds  []kind
}

const firstRoom = 4

// Evolve is total: it takes any history and never fails. Events of other
// streams and repeated registrations are kept in the history and mean nothing.
func Evolve(s *State, r domain.Recorded) *State {
	if r.Effective.IsZero() {
		r.Effective = r.Recorded
	}
	if s == nil {
		s = &State{journal: newJournal(firstRoom)}
	}
	j := s.journal
	if s.n == len(j.events) || !j.used.CompareAndSwap(int64(s.n), int64(s.n)+1) {
		j = newJournal(max(firstRoom, 2*s.n))
		copy(j.events, s.journal.events[:s.n])
		copy(j.kinds, s.journal.kinds[:s.n])
		j.used.Store(int64(s.n) + 1)
	}
	j.events[s.n], j.kinds[s.n] = r, kindOf(r.Event)
	return &State{journal: j, n: s.n + 1}
}

func newJournal(room int) *journal {
	return &journal{events: make([]domain.Recorded, room), kinds: make([]kind, room)}
}

// Entries is the history, oldest first. It must not be changed.
func (s *State) Entries() []domain.Recorded {
	if s == nil {
		return nil
	}
	return s.journal.events[:s.n:s.n]
}

func (s *State) kinds() []kind {
	if s == nil {
		return nil
	}
	return s.journal.kinds[:s.n]
}

// Next is the revision the next event gets: 0 for the empty state.
func (s *State) Next() uint64 {
	if s == nil {
		return 0
	}
	return s.journal.events[s.n-1].Revision + 1
}

// Revision is the last event's revision, 0 also for the empty state.
func (s *State) Revision() uint64 { return max(s.Next(), 1) - 1 }

// Token is the subject's, "" for the empty state.
func (s *State) Token() domain.Token {
	if s == nil {
		return ""
	}
	return domain.Token(strings.TrimPrefix(s.journal.events[0].Stream, "subject-"))
}

// Command finds the events that a command made.
func (s *State) Command(id domain.Digest) (first, last uint64, ok bool) {
	entries := s.Entries()
	for i := len(entries) - 1; i >= 0 && !id.IsZero(); i-- {
		if entries[i].Metadata.Command != id {
			if ok {
				return first, last, true
			}
			continue
		}
		if !ok {
			last, ok = entries[i].Revision, true
		}
		first = entries[i].Revision
	}
	return first, last, ok
}

// window is what is looked at: what was recorded until one time and took
// effect until another, both inclusive. A zero time is no cut.
type window struct{ recorded, effective time.Time }

func (w window) known(r *domain.Recorded) bool {
	return w.recorded.IsZero() || !r.Recorded.After(w.recorded)
}

func (w window) holds(r *domain.Recorded) bool {
	return w.known(r) && (w.effective.IsZero() || !r.Effective.After(w.effective))
}

// registered finds the event that opened the stream, as known then. Its
// effective time does not matter: what is recorded later about earlier times
// is about a person who is known.
func (s *State) registered(w window) (*Registered, *domain.Recorded) {
	entries, kinds := s.Entries(), s.kinds()
	for i := range entries {
		if kinds[i].topic == aboutRecord && w.known(&entries[i]) {
			return entries[i].Event.(*Registered), &entries[i]
		}
	}
	return nil, nil
}
