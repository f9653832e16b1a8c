package segment

import (
	"context"

	"lethe/eventstore"
)

func newRequest() any { return &request{done: make(chan struct{}, 1)} }

// Append implements eventstore.Store.
func (s *Store) Append(ctx context.Context, stream string, expected eventstore.Expected, events []eventstore.Event) (eventstore.Result, error) {
	if err := eventstore.CheckAppend(stream, events); err != nil {
		return eventstore.Result{}, err
	}
	if err := ctx.Err(); err != nil {
		return eventstore.Result{}, err
	}
	if s.isClosed() {
		return eventstore.Result{}, eventstore.ErrClosed
	}
	if s.comm == nil {
		return eventstore.Result{}, eventstore.ErrReadOnly
	}
	r := s.requests.Get().(*request)
	r.stream, r.expected, r.events, r.size = stream, expected, events, 0
	r.state.Store(stateQueued)
	for i := range events {
		r.size += recordSize(stream, &events[i])
	}
	if err := s.queue.push(r); err != nil {
		return eventstore.Result{}, err
	}
	select {
	case <-r.done:
	case <-ctx.Done():
		if r.withdraw() {
			return eventstore.Result{}, ctx.Err() // the committer drops r
		}
		<-r.done // a group takes as long as a sync
	}
	res, err := r.res, r.err
	r.tail, r.res, r.err = nil, eventstore.Result{}, nil
	s.requests.Put(r)
	return res, err
}
