package segment

import (
	"context"
	"errors"
	"fmt"

	"lethe/eventstore"
)

var _ eventstore.Dropper = (*Store)(nil)

// Drop implements eventstore.Dropper. The section's file is replaced by one of
// the next version: the same groups with the same numbers, positions and
// times, whose records lack the parts that were picked. It needs free space
// for a second file, and leaves Options.IndexReserve besides.
func (s *Store) Drop(ctx context.Context, sec eventstore.Section, order eventstore.DropOrder) (eventstore.Drop, error) {
	d, err := s.drop(ctx, sec, order)
	if err != nil {
		return eventstore.Drop{}, fmt.Errorf("dropping sealed parts of %s: %w", sec.Name, err)
	}
	return d, nil
}

func (s *Store) drop(ctx context.Context, sec eventstore.Section, order eventstore.DropOrder) (none eventstore.Drop, err error) {
	if s.comm == nil {
		return none, eventstore.ErrReadOnly
	}
	s.dropping.Lock()
	defer s.dropping.Unlock()
	if err := errors.Join(s.readable(ctx, true), s.failed()); err != nil {
		return none, err
	}
	old, err := s.sectionOf(sec)
	if err != nil {
		return none, err
	}
	if !old.section().Full {
		return none, eventstore.ErrSectionOpen
	}
	f, err := old.acquire()
	if err != nil {
		return none, err
	}
	erased := make(chan struct{})
	defer func() {
		if old.release() {
			<-erased
		}
	}()
	r := &replacement{st: s, order: &order, old: old, oldFile: f}
	next, err := r.build(ctx)
	if err != nil || next == nil {
		return none, err
	}
	s.passing.add(next.name)
	defer s.passing.remove(next.name)
	if err := order.Record(ctx, r.drop); err != nil {
		r.discard()
		return none, fmt.Errorf("recording it: %w", err)
	}
	if err := s.exchange(old, next); err != nil {
		if survivable(err) || errors.Is(err, eventstore.ErrClosed) {
			r.discard()
		}
		return none, err
	}
	s.retire(old, erased)
	return r.drop, nil
}

// exchange makes MANIFEST name the replacement, and readers find it.
func (s *Store) exchange(old, next *segmentFile) error {
	var err error
	if berr := s.between(func(c *committer) { err = c.exchange(old, next) }); berr != nil {
		return berr
	}
	return err
}

func (c *committer) exchange(old, next *segmentFile) error {
	if err := c.st.failed(); err != nil {
		return err
	}
	m := c.st.manifest.clone()
	for i := range m.Segments {
		if m.Segments[i].Number == next.entry.Number {
			m.Segments[i] = next.entry
		}
	}
	if err := m.store(c.st.fs, c.st.dir); err != nil {
		if survivable(err) {
			return err
		}
		c.st.fail(err)
		return c.st.failed()
	}
	c.st.manifest = m
	segs := append([]*segmentFile(nil), *c.st.segs.Load()...)
	for i := range segs {
		if segs[i] == old {
			segs[i] = next
		}
	}
	c.st.segs.Store(&segs)
	return nil
}

// retire lets the old file go as soon as nobody reads it, and closes erased
// when it is gone.
func (s *Store) retire(old *segmentFile, erased chan<- struct{}) {
	s.passing.add(old.name)
	s.pool.forget(old)
	old.retire(func() {
		s.erasing.start(func() {
			defer close(erased)
			defer s.passing.remove(old.name)
			if err := eraseFile(s.fs, old.path); err != nil {
				s.report(&eventstore.Fault{
					File: old.name, What: "a segment that was replaced cannot be removed: " + err.Error(),
					Means: "sealed values that were dropped are still in it; the next opening removes it",
				})
			}
		}, func() { close(erased) }) // closed: the next opening does it
	})
}
