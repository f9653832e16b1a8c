package audit

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"

	"lethe/domain/personal"
	"lethe/eventstore"
	"lethe/eventstore/segment"
	"lethe/internal/codec"
	"lethe/internal/keyring"
	"lethe/internal/part"
)

// eventsStep decodes every event and asks for the key of every part.
type eventsStep struct {
	*run
	ctx     context.Context
	report  func(Finding)
	free    sync.Pool // of *eventCheck
	decoded atomic.Uint64
	skipped atomic.Uint64
	parts   [5]atomic.Uint64 // by state of their key

	mu     sync.Mutex
	open   map[string]*eventCheck
	missed map[part.KeyID]bool // keys that were reported
	lost   lostValues
}

// events decodes each event, which also compares the number of its parts with
// what its metadata says; parses each part, which must lie in its owner's
// stream; and asks the key store for its key, which must be there or fenced,
// and fenced when the part was dropped.
//
// That a section decodes follows from its bytes alone. So it is not decoded
// again when an earlier run of this program found it clean and all its leaves,
// which were compared with the sealed tree a moment ago, are the same. The keys
// are asked for all the same.
func (r *run) events(ctx context.Context, s *Step) error {
	e := &eventsStep{
		run: r, ctx: ctx, report: r.reporter(StepEvents), open: map[string]*eventCheck{}, missed: map[part.KeyID]bool{},
	}
	err := r.Store.Check(ctx, segment.CheckOptions{
		Sections: true, Workers: r.Workers, Visit: e.visit,
		Progress: func(p segment.CheckProgress) { r.progress(StepEvents, p.Done, p.Total) },
	}, func(eventstore.Fault) {}) // the log step reported them
	if err != nil {
		return err
	}
	for _, c := range e.open { // sections that damage has cut short
		if err := c.keys.flush(); err != nil {
			return err
		}
	}
	s.Checked, s.Skipped = e.decoded.Load()+e.skipped.Load(), e.skipped.Load()
	return e.notes(ctx, s)
}

func (e *eventsStep) notes(ctx context.Context, s *Step) error {
	count := func(k keyring.KeyState) uint64 { return e.parts[k].Load() }
	s.Notes = append(s.Notes, fmt.Sprintf("%d sealed values: %d with their key, %d erased, %d with a missing or damaged key",
		count(keyring.KeyLive)+count(keyring.KeyFenced)+count(keyring.KeyLost)+count(keyring.KeyDamaged),
		count(keyring.KeyLive), count(keyring.KeyFenced), count(keyring.KeyLost)+count(keyring.KeyDamaged)))
	fences := 0
	for _, err := range e.Keys.Fences(ctx) {
		if integrity := (*keyring.IntegrityError)(nil); errors.As(err, &integrity) {
			return nil // the keys step reports it
		}
		if err != nil {
			return err
		}
		fences++
	}
	s.Notes = append(s.Notes, fmt.Sprintf("%d keys were destroyed and are fenced", fences))
	s.Notes = append(s.Notes, e.lost.notes()...)
	return nil
}

func (e *eventsStep) visit(sec eventstore.Section) func(*eventstore.Recorded) error {
	c, _ := e.free.Get().(*eventCheck)
	if c == nil {
		c = &eventCheck{e: e}
		c.keys.init(e)
	}
	unit, whole := e.digests[sec.Name]
	*c = eventCheck{e: e, sec: sec, keys: c.keys, slots: c.slots, heads: c.heads, unit: unit, whole: whole}
	c.light = whole && e.unchanged(unit)
	c.keys.file = logFile(sec.Name)
	e.mu.Lock()
	defer e.mu.Unlock()
	if sec.Count > 0 {
		e.open[sec.Name] = c
	}
	return c.event
}

// eventCheck goes through one section. One goroutine uses it.
type eventCheck struct {
	e     *eventsStep
	sec   eventstore.Section
	unit  Unit
	whole bool // its leaves are those of the sealed tree
	light bool // only its keys are asked for
	n     uint64
	found bool
	keys  keyBatch
	slots []personal.Slot
	heads []partHead
}

func (c *eventCheck) event(rec *eventstore.Recorded) error {
	c.n++
	if c.light {
		c.e.skipped.Add(1)
	} else {
		c.e.decoded.Add(1)
		c.decode(rec)
	}
	c.lost(rec)
	for _, p := range rec.Sealed {
		if h, err := part.Parse(p); err == nil {
			if err := c.keys.add(&h, rec, false); err != nil {
				return err
			}
		}
	}
	for i := range rec.Dropped {
		if h, err := part.ParseHead(rec.Dropped[i].Head); err == nil {
			if err := c.keys.add(&h, rec, true); err != nil {
				return err
			}
		}
	}
	if c.n == c.sec.Count {
		return c.end()
	}
	return nil
}

// end is at the section's last event.
func (c *eventCheck) end() error {
	if err := c.keys.flush(); err != nil {
		return err
	}
	if c.whole && !c.found {
		c.e.line(Line{Clean: &c.unit})
	}
	c.e.mu.Lock()
	delete(c.e.open, c.sec.Name)
	c.e.mu.Unlock()
	c.e.free.Put(c)
	return nil
}

func (c *eventCheck) finding(rec *eventstore.Recorded, means, format string, args ...any) {
	c.found = true
	c.e.report(Finding{
		Where: logFile(c.sec.Name), at: uint64(rec.Position), Means: means,
		What: nameOf(rec.ID, rec.Stream, rec.Revision) + ": " + fmt.Sprintf(format, args...),
	})
}

const (
	meansUndecodable = "this program cannot have written it so: it was put into the log, or changed, by something else. Views and decisions that need " +
		"the event stop. Compare it with its leaf: if it was sealed so, it was never right; else put the segment back from a backup"
	meansNewer    = "a newer program wrote it: verify with that one"
	meansStranger = "a value of one stream lies in another, where an erasure of its owner does not look for it: this program cannot have written it"
)

// decode checks what one event says, but for its keys.
func (c *eventCheck) decode(rec *eventstore.Recorded) {
	event, err := c.e.Decoder.Decode(rec)
	switch {
	case errors.Is(err, codec.ErrNewer):
		c.finding(rec, meansNewer, "%v", err)
	case err != nil:
		c.finding(rec, meansUndecodable, "%v", err)
	}
	c.headers(rec)
	foreign := slices.ContainsFunc(c.heads, func(h partHead) bool { return h.Owner != rec.Stream })
	if !foreign || err != nil {
		return
	}
	c.slots = event.Event.Personal(c.slots[:0])
	for i := range c.heads {
		if h := &c.heads[i]; h.Owner != rec.Stream && !owned(c.slots, &h.Header) {
			c.finding(rec, meansStranger, "part %d belongs to %s", h.index, h.Owner)
		}
	}
}

// partHead is what the i-th part of an event says of itself.
type partHead struct {
	part.Header
	index int
}

// headers reads those of all parts, those that were dropped too.
func (c *eventCheck) headers(rec *eventstore.Recorded) {
	c.heads = c.heads[:0]
	note := func(i int, h part.Header, err error) {
		if err != nil {
			c.finding(rec, meansUndecodable, "part %d: %v", i, err)
			return
		}
		c.heads = append(c.heads, partHead{h, i})
	}
	for i, p := range rec.Sealed {
		h, err := part.Parse(p)
		note(rec.PartIndex(i), h, err)
	}
	for i := range rec.Dropped {
		h, err := part.ParseHead(rec.Dropped[i].Head)
		note(rec.Dropped[i].Index, h, err)
	}
}

// owned reports whether the event's own form gives a part to another owner
// than its stream, as the catalogue's parties are.
func owned(slots []personal.Slot, h *part.Header) bool {
	for i := range slots {
		if slots[i].Owner == h.Owner {
			return true
		}
	}
	return false
}
