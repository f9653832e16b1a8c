package projections

import (
	"slices"

	"lethe/domain"
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

// Takes reports whether a stored part is among what is destroyed.
func (g *Gone) Takes(stored []byte) bool {
	h, err := part.Parse(stored)
	if err != nil {
		return false // it is no part: there is nothing in it
	}
	return slices.Contains(g.groups, domain.Name(h.Group)) ||
		slices.ContainsFunc(g.keys, func(k subject.KeyRef) bool { return k.Key == domain.ID(h.KeyID) })
}

// Erase leaves the marker of a part that g takes, and reports whether it did.
func (g *Gone) Erase(p *Part) bool {
	if p.Bytes == nil || !g.Takes(p.Bytes) {
		return false
	}
	p.Bytes = nil
	return true
}
