package segment

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/sstable"

	"lethe/eventstore"
)

// details finds out where an index differs from the log. It looks up every
// event one by one, which is slow and seldom needed.
func (w *indexWalk) details() error {
	before := w.faults
	var stream []byte
	var next uint64
	err := w.each(runPrefix, runPrefix+1, func(key, value []byte) error {
		r, err := parseRun(key, value)
		if err != nil || len(key) < 11 {
			return nil // was reported
		}
		if name := key[3 : len(key)-8]; string(name) != string(stream) {
			w.compareLength(stream, next)
			stream = append(stream[:0], name...)
		}
		next = r.revision + uint64(r.count)
		w.follow(string(stream), r)
		return nil
	})
	if err != nil {
		return err
	}
	w.compareLength(stream, next)
	if err := w.lookUp(); err != nil {
		return err
	}
	switch {
	case w.faults == before:
		w.fault("it leads to %d events, and the log has %d", w.events.count, w.log.count)
	case w.faults > maxDetails:
		w.audit.fault(eventstore.Fault{File: indexName, What: fmt.Sprintf("%d more faults like these", w.faults-maxDetails), Means: meansIndex})
	}
	return nil
}

// compareLength compares the end of a stream's runs with what stands for it.
func (w *indexWalk) compareLength(stream []byte, length uint64) {
	if stream == nil {
		return
	}
	v, closer, err := w.view.r.Get(append([]byte{headPrefix}, stream...))
	if err != nil {
		w.fault("the length of stream %s cannot be read: %v", stream, err)
		return
	}
	if n, _ := binary.Uvarint(v); n != length {
		w.fault("stream %s has %d events and its length says %d", stream, length, n)
	}
	_ = closer.Close()
}

// follow reads a run's events where the index says that they are.
func (w *indexWalk) follow(stream string, r run) {
	_, ord := splitPosition(r.position)
	if ord > w.limit || w.faults > maxDetails {
		return
	}
	if want := w.st.positionOf(ord); r.position != want {
		w.fault("stream %s revision %d: it leads to position %s, which no event has", stream, r.revision, r.position)
		return
	}
	rd := streamReader{st: w.st, stream: stream, left: -1}
	defer rd.close()
	n := min(uint64(r.count), w.limit-ord+1)
	for i := uint64(0); i < n; i += spansPerLook {
		many := int(min(n-i, spansPerLook))
		rd.give(r.position+eventstore.Position(i), r.revision+i, many, func(_ *eventstore.Recorded, err error) bool {
			if err != nil {
				w.fault("stream %s revisions %d to %d: %v", stream, r.revision, r.revision+uint64(r.count)-1, err)
			}
			return err == nil
		})
	}
}

// lookUp looks for every event of the log in the index, as far as that got.
func (w *indexWalk) lookUp() error {
	var found [1]run
	for rec, err := range w.st.ReadAll(w.ctx, 0) {
		if c := (*eventstore.CorruptError)(nil); errors.As(err, &c) {
			return nil // was reported
		}
		if err != nil {
			return err
		}
		if _, ord := splitPosition(rec.Position); ord > min(w.limit, w.view.at.ordinal) || w.faults > maxDetails {
			return nil
		}
		runs, err := runsIn(w.view.r, found[:0], rec.Stream, rec.Revision, eventstore.Forward, 1)
		if err != nil {
			w.fault("stream %s: %v", rec.Stream, err)
			return errReported
		}
		if len(runs) == 0 || rec.Revision < runs[0].revision || rec.Revision-runs[0].revision >= uint64(runs[0].count) ||
			runs[0].position+eventstore.Position(rec.Revision-runs[0].revision) != rec.Position {
			w.fault("it does not lead to revision %d of stream %s, which is at position %s", rec.Revision, rec.Stream, rec.Position)
		}
	}
	return nil
}

// tables reads every block of Pebble's tables from the disk and checks its
// checksum: an iterator may find a block in the cache, and never reads filters.
func (a *audit) tables(ctx context.Context, x *indexView) error {
	levels, err := x.db.SSTables()
	if err != nil {
		a.fault(faultOf(err, indexName, 0, meansIndex))
		return nil
	}
	for _, level := range levels {
		for _, t := range level {
			if err := a.st.readable(ctx, true); err != nil {
				return err
			}
			name := indexName + "/" + t.BackingSSTNum.String() + ".sst"
			if err := a.st.checkTable(ctx, name); err != nil && !isNotExist(err) { // compacted away meanwhile
				a.fault(faultOf(err, name, 0, meansIndex))
			}
		}
	}
	return nil
}

func (s *Store) checkTable(ctx context.Context, name string) error {
	f, err := s.fs.Open(s.fs.PathJoin(s.dir, name))
	if err != nil {
		return err
	}
	readable, err := sstable.NewSimpleReadable(f)
	if err != nil {
		return errors.Join(err, f.Close())
	}
	var o pebble.Options
	o.EnsureDefaults()
	r, err := sstable.NewReader(ctx, readable, o.MakeReaderOptions())
	if err != nil {
		return errors.Join(err, readable.Close())
	}
	return errors.Join(r.ValidateBlockChecksums(), r.Close())
}
