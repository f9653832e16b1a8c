package segment

import (
	"fmt"

	"lethe/eventstore"
)

// RaiseEra begins a new era: every position given from now on is above every
// position of the present era, whether its event is in this log or was lost.
// Call it after an older copy of the directory was put in place and before the
// first append: positions that the lost events had are then never given again,
// and a subscriber that saw them goes on with the first event of the new era.
//
// A copy that was put in place once before does not know of the era that was
// begun then. Whoever knows a position that was given, from a checkpoint kept
// elsewhere, calls RaiseEraAbove with it.
//
// The new era is durable when RaiseEra returns nil. It gives ErrReadOnly,
// ErrNoSpace and ErrClosed with nothing changed; ErrFatal when the store has
// stopped itself, which may leave the era raised or not.
func (s *Store) RaiseEra() error {
	return s.raiseEra(func(present uint32) uint32 { return present + 1 })
}

// RaiseEraAbove begins an era above that of the position, unless the present
// one is. The position may be of an event that this log does not have. Errors
// are those of RaiseEra.
//
// Open refuses a log that ends before Options.DurableMark. Whoever knows that
// the events up to there are lost and goes on without them opens without the
// mark, raises the era above it, and may name it from then on.
func (s *Store) RaiseEraAbove(p eventstore.Position) error {
	era, _ := splitPosition(p)
	return s.raiseEra(func(present uint32) uint32 { return max(present, era+1) })
}

func (s *Store) raiseEra(to func(present uint32) uint32) error {
	var err error
	if berr := s.between(func(c *committer) { err = c.raiseEra(to(c.era)) }); berr != nil {
		err = berr
	}
	if err != nil {
		return fmt.Errorf("raising the era: %w", err)
	}
	return nil
}

// between runs f in the committer between two groups: nobody else writes the
// log or MANIFEST meanwhile.
func (s *Store) between(f func(c *committer)) error {
	if s.isClosed() {
		return eventstore.ErrClosed
	}
	if s.comm == nil {
		return eventstore.ErrReadOnly
	}
	done := make(chan struct{})
	if err := s.queue.do(func(c *committer) { f(c); close(done) }); err != nil {
		return err
	}
	<-done
	return nil
}

// raiseEra makes MANIFEST name the era before any event has it.
func (c *committer) raiseEra(era uint32) error {
	switch {
	case c.st.failed() != nil:
		return c.st.failed()
	case era == c.era:
		return nil
	case era > maxEra:
		return fmt.Errorf("there is no era after %d", c.era)
	}
	m := c.st.manifest.clone()
	m.raiseEra(era, c.ordinal+1)
	if err := m.store(c.st.fs, c.st.dir); err != nil {
		if survivable(err) {
			return err
		}
		c.st.fail(err)
		return c.st.failed()
	}
	c.st.manifest, c.era = m, era
	c.st.eras.Store(&m.Eras)
	return nil
}
