package segment

import (
	"context"
	"iter"

	"lethe/eventstore"
)

// ReadAll implements eventstore.Store.
func (s *Store) ReadAll(ctx context.Context, after eventstore.Position) iter.Seq2[*eventstore.Recorded, error] {
	last := s.ordinal.Load()
	return func(yield func(*eventstore.Recorded, error) bool) {
		c := cursor{st: s, next: s.ordinalUpTo(after) + 1}
		defer c.close()
		for c.next <= last {
			if err := s.readable(ctx, c.left == 0); err != nil {
				yield(nil, err)
				return
			}
			rec, err := c.step()
			if err != nil {
				yield(nil, err)
				return
			}
			if !yield(rec, nil) {
				return
			}
		}
	}
}

// readable says whether reading may go on; it is asked once a group.
func (s *Store) readable(ctx context.Context, ask bool) error {
	if !ask {
		return nil
	}
	if s.isClosed() {
		return eventstore.ErrClosed
	}
	return ctx.Err()
}

// Subscribe implements eventstore.Store.
func (s *Store) Subscribe(ctx context.Context, after eventstore.Position) iter.Seq2[eventstore.Message, error] {
	return func(yield func(eventstore.Message, error) bool) {
		c := cursor{st: s}
		defer c.close()
		caughtUp := false
		for {
			news := s.news.wait() // before looking, so that nothing slips between
			last := s.ordinal.Load()
			if c.seg == nil { // Nothing was given yet: the era may have been raised since.
				c.next = s.ordinalUpTo(after) + 1
			}
			if c.next <= last && !s.deliver(ctx, &c, yield) {
				return
			}
			if !caughtUp {
				caughtUp = true
				if !yield(eventstore.Message{CaughtUp: true, Position: max(s.positionOf(last), after)}, nil) {
					return
				}
			}
			if err := s.await(ctx, news); err != nil {
				yield(eventstore.Message{}, err)
				return
			}
		}
	}
}

// deliver yields what is durable; false when the subscription is over.
func (s *Store) deliver(ctx context.Context, c *cursor, yield func(eventstore.Message, error) bool) bool {
	for c.next <= s.ordinal.Load() {
		err := s.readable(ctx, c.left == 0)
		var rec *eventstore.Recorded
		if err == nil {
			rec, err = c.step()
		}
		if err != nil {
			yield(eventstore.Message{}, err)
			return false
		}
		if !yield(eventstore.Message{Event: rec, Position: rec.Position}, nil) {
			return false
		}
	}
	return true
}

// await waits for news, or says why none will come.
func (s *Store) await(ctx context.Context, news <-chan struct{}) error {
	if err := s.failed(); err != nil {
		return err
	}
	select {
	case <-news:
	case <-ctx.Done():
		return ctx.Err()
	case <-s.closed:
		return eventstore.ErrClosed
	}
	if s.isClosed() {
		return eventstore.ErrClosed
	}
	return s.failed()
}
