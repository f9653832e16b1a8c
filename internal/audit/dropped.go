package audit

import (
	"fmt"
	"sync"

	"lethe/domain"
	"lethe/domain/operations"
	"lethe/eventstore"
)

// drops compares the sealed values that are gone from the log with the events
// that say so: each value names the removal that took it, and the event of
// that removal has a digest of all that it took.
type drops struct {
	mu     sync.Mutex
	said   map[eventstore.DropID]*operations.PayloadsDropped
	events map[eventstore.DropID]string // their names
	taken  []taken
}

// taken is what one removal took from one section.
type taken struct {
	by      eventstore.DropID
	section string
	whole   bool // the section was read to its end and is sound
	first   string
	at      uint64
	list    eventstore.DropList
}

// dropsOf collects what is gone from one section. One goroutine uses it.
type dropsOf struct {
	by map[eventstore.DropID]*taken
}

// add notes what an event lacks.
func (d *dropsOf) add(section string, rec *eventstore.Recorded) {
	for i := range rec.Dropped {
		gone := &rec.Dropped[i]
		t := d.by[gone.By]
		if t == nil {
			if d.by == nil {
				d.by = map[eventstore.DropID]*taken{}
			}
			t = &taken{by: gone.By, section: section, first: nameOf(rec.ID, rec.Stream, rec.Revision), at: uint64(rec.Position)}
			d.by[gone.By] = t
		}
		t.list.Add(rec.Position, gone)
	}
}

// take adds what a section lacks.
func (d *drops) take(of *dropsOf, whole bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, t := range of.by {
		t.whole = whole
		d.taken = append(d.taken, *t)
	}
	of.by = nil
}

// say notes an event that is one of a removal. What does not decode is the
// events step's to report.
func (d *drops) say(dec Decoder, rec *eventstore.Recorded) {
	if rec.Stream != operations.Stream || rec.Type != (*operations.PayloadsDropped)(nil).EventType().Name {
		return
	}
	decoded, err := dec.Decode(rec)
	if err != nil {
		return
	}
	e, ok := decoded.Event.(*operations.PayloadsDropped)
	if !ok {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.said == nil {
		d.said, d.events = map[eventstore.DropID]*operations.PayloadsDropped{}, map[eventstore.DropID]string{}
	}
	d.said[eventstore.DropID(e.Drop)], d.events[eventstore.DropID(e.Drop)] = e, nameOf(rec.ID, rec.Stream, rec.Revision)
}

const meansTaken = "the ledger took no value of this event away like that, so that nothing says that they were erased: " +
	"put the segment back from a backup, and find out who changed it"

// compare reports what is gone and not said, or said otherwise, when all of
// the log was read. What was said and is not gone was given up: it is there,
// or another removal took it.
func (d *drops) compare(s *Step, report func(Finding)) {
	d.mu.Lock()
	defer d.mu.Unlock()
	fits := map[eventstore.DropID]int{} // the section whose values the event names
	seen := map[eventstore.DropID]bool{}
	parts := uint64(0)
	for i := range d.taken {
		t := &d.taken[i]
		if e := d.said[t.by]; e != nil && t.is(e) {
			fits[t.by] = i
		}
		seen[t.by] = true
		parts += t.list.Parts
	}
	for i := range d.taken {
		t := &d.taken[i]
		fit, ok := fits[t.by]
		if what := d.wrong(t, ok && fit == i, ok); what != "" {
			report(Finding{Where: logFile(t.section), at: t.at, What: what, Means: meansTaken})
		}
	}
	givenUp := 0
	for by := range d.said {
		if !seen[by] {
			givenUp++
		}
	}
	if len(d.said)+len(d.taken) == 0 {
		return
	}
	s.Notes = append(s.Notes, fmt.Sprintf("%d sealed values were dropped long after their erasure, in %d removals", parts, len(seen)))
	if givenUp > 0 {
		s.Notes = append(s.Notes, fmt.Sprintf("%d removals were recorded and then given up: what they name is there, or went with a later one", givenUp))
	}
}

// is reports whether these are exactly the values that an event names.
func (t *taken) is(e *operations.PayloadsDropped) bool {
	return e.List == domain.Digest(t.list.Sum()) && e.Parts == t.list.Parts && e.Bytes == t.list.Bytes
}

// wrong says what is, of what a removal took from a section. fits: its event
// names just this; elsewhere: it names just what another section lacks.
func (d *drops) wrong(t *taken, fits, elsewhere bool) string {
	e := d.said[t.by]
	switch {
	case e == nil:
		return fmt.Sprintf("%d sealed values were taken away, the first of %s, and no event says so (removal %s)", t.list.Parts, t.first, t.by)
	case fits:
		return ""
	case elsewhere:
		return fmt.Sprintf("%d sealed values were taken away, the first of %s, by the removal of %s, which was of another section",
			t.list.Parts, t.first, d.events[t.by])
	case t.whole:
		return fmt.Sprintf("%d sealed values of %d bytes were taken away, the first of %s, and they are not those that %s names: %d of %d bytes",
			t.list.Parts, t.list.Bytes, t.first, d.events[t.by], e.Parts, e.Bytes)
	}
	return "" // what else is gone lies where the section cannot be read, which was reported
}
