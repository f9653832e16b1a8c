package projections

import (
	"context"
	"errors"

	"lethe/domain"
	"lethe/eventstore"
)

// BulkWrite is a rebuild's writing half alone, in the caller's goroutine:
// decoded events into a new, indexed and synced file.
func BulkWrite(ctx context.Context, p Projection, path string, events []domain.Recorded, stored []*eventstore.Recorded) error {
	f, err := createFile(ctx, p, logbook{}, path, func(string) error { return nil })
	if err != nil {
		return err
	}
	for len(events) > 0 {
		n := min(bulkEvents, len(events))
		c := newChunk(n)
		for i := range n {
			c.add(step{at: checkpoint{position: stored[i].Position, event: stored[i].ID}, raw: stored[i]})
			c.items[i].event = events[i]
		}
		if err := f.take(c); err != nil {
			return err
		}
		if err := f.commit(); err != nil {
			return err
		}
		events, stored = events[n:], stored[n:]
	}
	if err := errors.Join(f.index(), f.finish()); err != nil {
		return err
	}
	if err := f.close(); err != nil {
		return err
	}
	return syncFile(path)
}
