package segment

import (
	"context"
	"fmt"
	"slices"

	"lethe/eventstore"
)

// Verify reads the whole log and checks everything that it claims of itself:
// each group's checksum and its link to the one before, the footers, that
// positions rise, and that the index leads to every event by its stream and
// revision, and to nothing else. It gives a *eventstore.CorruptError for the
// first fault. Appends may go on; what they add meanwhile is not checked.
func (s *Store) Verify(ctx context.Context) error {
	head := eventstore.Position(s.position.Load())
	events := s.ordinal.Load()
	for _, seg := range *s.segs.Load() {
		if err := s.readable(ctx, true); err != nil {
			return err
		}
		if err := seg.verifyFooter(); err != nil {
			return err
		}
	}
	var n uint64
	var last eventstore.Position
	for rec, err := range s.ReadAll(ctx, 0) {
		switch {
		case err != nil:
			return err
		case rec.Position > head:
		case rec.Position <= last:
			return &eventstore.CorruptError{What: fmt.Sprintf("position %d follows %d", rec.Position, last)}
		default:
			n, last = n+1, rec.Position
		}
	}
	if n != events {
		return &eventstore.CorruptError{What: fmt.Sprintf("the log holds %d events of %d", n, events)}
	}
	return s.verifyStreams(ctx, head, events)
}

// verifyFooter compares a full segment's footer with its groups.
func (s *segmentFile) verifyFooter() error {
	f, err := s.acquire()
	if err != nil {
		return err
	}
	defer s.release()
	s.mu.RLock()
	entry := s.entry
	s.mu.RUnlock()
	if entry.End == 0 {
		return nil // being written
	}
	want, err := scanOffsets(f, s.name, s.header, &entry)
	if err != nil {
		return err
	}
	got, err := readFooter(f, &entry)
	if err == nil && !slices.Equal(got, want) {
		err = fmt.Errorf("the footer is not that of these groups")
	}
	if err != nil {
		return &eventstore.CorruptError{File: s.name, Offset: entry.End, What: err.Error()}
	}
	return nil
}

// verifyStreams reads every stream by way of the index; together they must be
// all events.
func (s *Store) verifyStreams(ctx context.Context, head eventstore.Position, events uint64) error {
	names, err := s.streamNames()
	if err != nil {
		return err
	}
	var n uint64
	for _, name := range names {
		for rec, err := range s.ReadStream(ctx, name, eventstore.StreamRange{}) {
			if err != nil {
				return err
			}
			if rec.Position <= head {
				n++
			}
		}
	}
	if n != events {
		return &eventstore.CorruptError{File: indexName, What: fmt.Sprintf("it leads to %d events of %d", n, events)}
	}
	return nil
}

// streamNames gives every stream, those that the index has not got yet included.
func (s *Store) streamNames() ([]string, error) {
	var names []string
	s.tails.mu.RLock()
	for name, t := range s.tails.m {
		if len(t.runs) > 0 {
			names = append(names, name)
		}
	}
	s.tails.mu.RUnlock()
	s.reading.RLock()
	defer s.reading.RUnlock()
	if s.isClosed() {
		return nil, eventstore.ErrClosed
	}
	err := s.index.eachStream(func(stream string) error {
		names = append(names, stream)
		return nil
	})
	slices.Sort(names)
	return slices.Compact(names), err
}
