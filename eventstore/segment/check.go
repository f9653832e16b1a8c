package segment

import (
	"context"
	"fmt"
	"time"

	"lethe/eventstore"
)

type verdict int8

const (
	verdictAppend   verdict = iota // to the group under way
	verdictAnswered                // nothing is to be written
	verdictLater                   // when the group under way is durable
)

// check compares what the request expects with where the stream is. Answers
// rest on durable events only: what depends on the group under way waits.
func (c *committer) check(r *request, t *tail) (verdict, eventstore.Result, error) {
	if rev, ok := r.expected.Exactly(); ok {
		if rev == eventstore.NoRevision { // has no successor
			return verdictAnswered, eventstore.Result{}, conflict(r, t)
		}
		return c.checkAt(r, t, rev+1)
	}
	if r.expected.IsNoStream() {
		return c.checkAt(r, t, 0)
	}
	if v, res, err := c.checkRecent(r, t); v != verdictAppend || err != nil {
		return v, res, err
	}
	if r.expected.IsStreamExists() && t.next == 0 {
		return verdictAnswered, eventstore.Result{}, conflict(r, t)
	}
	return verdictAppend, eventstore.Result{}, nil
}

// checkAt is for a request whose first event must get the revision next.
func (c *committer) checkAt(r *request, t *tail, next uint64) (verdict, eventstore.Result, error) {
	switch {
	case next == t.next:
		return verdictAppend, eventstore.Result{}, nil
	case c.touched(t):
		return verdictLater, eventstore.Result{}, nil
	case next > t.next || t.next-next < uint64(len(r.events)):
		return verdictAnswered, eventstore.Result{}, conflict(r, t)
	}
	res, same, err := c.st.original(r.stream, next, r.events)
	if err == nil && !same {
		err = conflict(r, t)
	}
	return verdictAnswered, res, err
}

// checkRecent recognises a repeated append by its IDs. If only its beginning
// is there, the caller's idea of the stream is wrong.
func (c *committer) checkRecent(r *request, t *tail) (verdict, eventstore.Result, error) {
	first, ok := c.ids.get(r.events[0].ID)
	if !ok || first.stream != r.stream {
		return verdictAppend, eventstore.Result{}, nil
	}
	if c.touched(t) {
		return verdictLater, eventstore.Result{}, nil
	}
	last := first
	for i := 1; i < len(r.events); i++ {
		last, ok = c.ids.get(r.events[i].ID)
		if !ok || last.stream != r.stream || last.revision != first.revision+uint64(i) {
			return verdictAnswered, eventstore.Result{}, conflict(r, t)
		}
	}
	res := eventstore.Result{
		First: first.revision, Last: last.revision, Position: last.position,
		Recorded: time.UnixMicro(last.recorded).UTC(), Duplicate: true,
	}
	return verdictAnswered, res, nil
}

// touched says whether the group under way writes to the stream.
func (c *committer) touched(t *tail) bool { return c.records > 0 && t.touched == c.w.group }

func conflict(r *request, t *tail) error {
	return &eventstore.ConflictError{Stream: r.stream, Expected: r.expected, Current: t.next - 1}
}

// original compares the events with those that the stream has from revision on,
// and gives the place of the original append when the IDs are the same.
func (s *Store) original(stream string, from uint64, events []eventstore.Event) (eventstore.Result, bool, error) {
	res := eventstore.Result{First: from, Duplicate: true}
	i := 0
	for rec, err := range s.ReadStream(context.Background(), stream, eventstore.StreamRange{From: from, Limit: len(events)}) {
		if err != nil {
			return eventstore.Result{}, false, fmt.Errorf("comparing with the events that are there: %w", err)
		}
		if rec.Revision != from+uint64(i) || rec.ID != events[i].ID {
			return eventstore.Result{}, false, nil
		}
		res.Last, res.Position, res.Recorded = rec.Revision, rec.Position, rec.Recorded
		i++
	}
	if i != len(events) {
		return eventstore.Result{}, false, nil
	}
	return res, true, nil
}
