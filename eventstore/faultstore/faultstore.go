// Package faultstore wraps an event store and makes chosen calls fail the way
// real stores fail, so that callers' crash tables can enumerate every point. It
// is for tests and never linked into a program.
package faultstore

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"sync"

	"lethe/eventstore"
)

// Op is a kind of call that faults are counted by.
type Op int8

// Ops.
const (
	Append Op = iota
	ReadStream
	ReadAll
	Subscribe
	ops
)

// Kind is what happens to a call.
type Kind int8

// Kinds. Those named after appends are for Append, the others for reads and
// subscriptions.
const (
	// Conflict refuses an append with a *eventstore.ConflictError that names
	// where the stream really is. Nothing is written.
	Conflict Kind = iota + 1
	// UnknownBefore answers ErrOutcomeUnknown and writes nothing.
	UnknownBefore
	// UnknownAfter writes, then answers ErrOutcomeUnknown.
	UnknownAfter
	// FatalBefore stops the store before the append: this call and all later
	// appends get ErrFatal; reads go on.
	FatalBefore
	// FatalAfter writes, answers ErrOutcomeUnknown, and stops the store.
	FatalAfter
	// NoSpace answers ErrNoSpace and writes nothing.
	NoSpace
	// ReadOnly answers ErrReadOnly and writes nothing.
	ReadOnly
	// Slow holds a read or a subscription after After items until Gate is
	// closed or its context ends.
	Slow
	// Broken ends a read or a subscription with Err after After items.
	Broken
)

// ErrBroken is what Broken yields when the fault names no error.
var ErrBroken = errors.New("the read was broken off by plan")

// Fault is one planned failure.
type Fault struct {
	Op    Op
	Call  int // which call of that Op, from 1; 0 means every call
	Kind  Kind
	After int             // items that still come, for Slow and Broken
	Gate  <-chan struct{} // for Slow
	Err   error           // for Broken
}

// Plan is the faults of one store. The first that fits a call counts.
type Plan []Fault

// Store is a store with planned faults.
type Store struct {
	inner eventstore.Store

	mu      sync.Mutex
	plan    Plan
	calls   [ops]int
	fired   int
	stopped bool
}

var (
	_ eventstore.Store   = (*Store)(nil)
	_ eventstore.Statser = (*Store)(nil)
)

// Wrap returns store with the plan's faults. An empty plan changes nothing.
func Wrap(store eventstore.Store, plan Plan) *Store { return &Store{inner: store, plan: plan} }

// Calls says how many calls of an Op were made: a table first counts them
// without faults, then fails each in turn.
func (s *Store) Calls(op Op) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.calls[op]
}

// Fired says how many faults happened. A table that expects one requires it,
// lest it test nothing.
func (s *Store) Fired() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.fired
}

// Reset replaces the plan, counts anew, and lets a stopped store go on, as
// reopening it would.
func (s *Store) Reset(plan Plan) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.plan, s.calls, s.fired, s.stopped = plan, [ops]int{}, 0, false
}

// next counts a call and gives its fault, Kind 0 when it has none.
func (s *Store) next(op Op) (f Fault, stopped bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls[op]++
	if op == Append && s.stopped {
		return Fault{}, true
	}
	for _, f := range s.plan {
		if f.Op == op && (f.Call == 0 || f.Call == s.calls[op]) {
			s.fired++
			s.stopped = s.stopped || f.Kind == FatalBefore || f.Kind == FatalAfter
			return f, false
		}
	}
	return Fault{}, false
}

// Append implements eventstore.Store.
func (s *Store) Append(ctx context.Context, stream string, expected eventstore.Expected, events []eventstore.Event) (eventstore.Result, error) {
	f, stopped := s.next(Append)
	if stopped {
		return eventstore.Result{}, eventstore.ErrFatal
	}
	refused := func(err error) (eventstore.Result, error) {
		return eventstore.Result{}, fmt.Errorf("appending by plan: %w", err)
	}
	switch f.Kind {
	case 0:
		return s.inner.Append(ctx, stream, expected, events)
	case Conflict:
		return eventstore.Result{}, s.conflict(ctx, stream, expected)
	case UnknownBefore:
		return refused(eventstore.ErrOutcomeUnknown)
	case UnknownAfter, FatalAfter:
		if _, err := s.inner.Append(ctx, stream, expected, events); err != nil {
			return eventstore.Result{}, err
		}
		return refused(eventstore.ErrOutcomeUnknown)
	case FatalBefore:
		return refused(eventstore.ErrFatal)
	case NoSpace:
		return refused(eventstore.ErrNoSpace)
	case ReadOnly:
		return refused(eventstore.ErrReadOnly)
	default:
		return refused(fmt.Errorf("fault kind %d is not for appends", f.Kind))
	}
}

func (s *Store) conflict(ctx context.Context, stream string, expected eventstore.Expected) error {
	c := &eventstore.ConflictError{Stream: stream, Expected: expected, Current: eventstore.NoRevision}
	last := eventstore.StreamRange{From: eventstore.NoRevision, Direction: eventstore.Backward, Limit: 1}
	for rec, err := range s.inner.ReadStream(ctx, stream, last) {
		if err != nil {
			return err
		}
		c.Current = rec.Revision
	}
	return c
}

// ReadStream implements eventstore.Store.
func (s *Store) ReadStream(ctx context.Context, stream string, r eventstore.StreamRange) iter.Seq2[*eventstore.Recorded, error] {
	return faulty(ctx, s, ReadStream, s.inner.ReadStream(ctx, stream, r))
}

// ReadAll implements eventstore.Store.
func (s *Store) ReadAll(ctx context.Context, after eventstore.Position) iter.Seq2[*eventstore.Recorded, error] {
	return faulty(ctx, s, ReadAll, s.inner.ReadAll(ctx, after))
}

// Subscribe implements eventstore.Store.
func (s *Store) Subscribe(ctx context.Context, after eventstore.Position) iter.Seq2[eventstore.Message, error] {
	return faulty(ctx, s, Subscribe, s.inner.Subscribe(ctx, after))
}

// faulty passes a sequence on with the fault of its call. The call counts when
// the sequence is made, not when it is read.
func faulty[T any](ctx context.Context, s *Store, op Op, seq iter.Seq2[T, error]) iter.Seq2[T, error] {
	f, _ := s.next(op)
	if f.Kind == 0 {
		return seq
	}
	return func(yield func(T, error) bool) {
		var none T
		n := 0
		for item, err := range seq {
			if err == nil && n == f.After {
				if ferr := f.happen(ctx); ferr != nil {
					yield(none, ferr)
					return
				}
			}
			n++
			if !yield(item, err) || err != nil {
				return
			}
		}
		if n <= f.After { // it ended before its fault; the fault is its end
			if ferr := f.happen(ctx); ferr != nil {
				yield(none, ferr)
			}
		}
	}
}

// happen waits or fails, as the fault says.
func (f *Fault) happen(ctx context.Context) error {
	switch f.Kind {
	case Slow:
		select {
		case <-f.Gate:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	case Broken:
		if f.Err != nil {
			return f.Err
		}
		return ErrBroken
	default:
		return fmt.Errorf("fault kind %d is not for reads", f.Kind)
	}
}

// Close implements eventstore.Store.
func (s *Store) Close() error { return s.inner.Close() }

// Stats implements eventstore.Statser; zero when the wrapped store does not count.
func (s *Store) Stats() eventstore.Stats {
	if st, ok := s.inner.(eventstore.Statser); ok {
		return st.Stats()
	}
	return eventstore.Stats{}
}

// CountAfter implements eventstore.Statser; zero when the wrapped store does
// not count.
func (s *Store) CountAfter(p eventstore.Position) uint64 {
	if st, ok := s.inner.(eventstore.Statser); ok {
		return st.CountAfter(p)
	}
	return 0
}
