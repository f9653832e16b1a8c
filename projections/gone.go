package projections

import (
	"slices"

	"lethe/domain"
	"lethe/domain/personal"
	"lethe/domain/subject"
	"lethe/internal/part"
)

// Gone is what an event says is destroyed of all that was sealed in its
// stream before it. A view turns what it takes into the erased marker. It
// follows from events alone: a value that does not open is another matter.
type Gone struct {
	groups []domain.Name // whole: whatever the key
	keys   []subject.KeyRef
}

// GoneBy reads an event; false when it destroys nothing.
func GoneBy(e domain.Event) (g Gone, ok bool) {
	switch x := e.(type) {
	case *subject.ErasureStarted:
		for _, w := range x.Groups {
			if w.Outcome == subject.Erase {
				g.groups = append(g.groups, w.Group)
			}
		}
		g.keys = x.Keys
	case *subject.ErasureReapplied:
		g.keys = x.Keys
	}
	return g, len(g.groups)+len(g.keys) > 0
}

// takes reports whether a stored part is among what is destroyed.
func (g *Gone) takes(stored []byte) bool {
	h, err := part.Parse(stored)
	if err != nil {
		return false // it is no part: there is nothing in it
	}
	return slices.Contains(g.groups, domain.Name(h.Group)) ||
		slices.ContainsFunc(g.keys, func(k subject.KeyRef) bool { return k.Key == domain.ID(h.KeyID) })
}

// Erase leaves the marker of a part that g takes, and reports whether it did.
func (g *Gone) Erase(p *Part) bool {
	if p.Bytes == nil || !g.takes(p.Bytes) {
		return false
	}
	p.Bytes = nil
	return true
}

// Decided is an event of a stream. At rises along it: a revision or a position.
type Decided struct {
	At    uint64
	Event domain.Event
}

// Destruction is what is gone of all that was sealed before At.
type Destruction struct {
	At uint64
	Gone
}

// Destructions are those of a stream's events, in their order. An erasure that
// was stopped after it had started has destroyed nothing.
func Destructions(of []Decided) (list []Destruction) {
	for i, d := range of {
		gone, ok := GoneBy(d.Event)
		if ok && !stopped(d.Event, of[i+1:]) {
			list = append(list, Destruction{At: d.At, Gone: gone})
		}
	}
	return list
}

func stopped(e domain.Event, later []Decided) bool {
	started, ok := e.(*subject.ErasureStarted)
	return ok && slices.ContainsFunc(later, func(d Decided) bool {
		x, ok := d.Event.(*subject.ErasureStopped)
		return ok && x.Erasure == started.Erasure
	})
}

// Take leaves the marker of a part that was sealed at a place, if it is gone,
// and reports whether it is.
func Take(list []Destruction, at uint64, p *Part) bool {
	return slices.ContainsFunc(list, func(d Destruction) bool { return d.At > at && d.Erase(p) })
}

// GoneIn tells, of the values that a stream's events seal, which ones are gone
// by its later events. The entries are all that is known of the stream.
func GoneIn(entries []domain.Recorded) func(revision uint64, v *personal.Value) bool {
	decided := make([]Decided, len(entries))
	for i := range entries {
		decided[i] = Decided{entries[i].Revision, entries[i].Event}
	}
	list := Destructions(decided)
	return func(revision uint64, v *personal.Value) bool {
		return v.State() == personal.Sealed && slices.ContainsFunc(list, func(d Destruction) bool {
			return d.At > revision && d.takes(v.Ref().Part)
		})
	}
}
