package segment

import (
	"context"
	"fmt"
	"iter"

	"github.com/cockroachdb/pebble/v2/vfs"

	"lethe/eventstore"
)

const (
	// runsPerLook is how many runs a reader takes from the index at a time. The
	// index is not held while events are yielded.
	runsPerLook = 64
	// spansPerLook bounds how many neighbouring records are located at a time.
	spansPerLook = 64
	// streamChunk bounds one read of neighbouring records.
	streamChunk = 64 << 10
)

// streamReader reads one stream's events by way of the index.
type streamReader struct {
	st     *Store
	stream string
	dir    eventstore.Direction
	head   eventstore.Position // the end as it was at the call
	left   int                 // events still wanted; < 0: all
	next   uint64
	done   bool
	begun  bool // a run was read

	seg   *segmentFile
	file  vfs.File
	runs  [runsPerLook]run
	spans [spansPerLook]span
	buf   []byte
	rec   eventstore.Recorded
	names interner
}

// ReadStream implements eventstore.Store.
func (s *Store) ReadStream(ctx context.Context, stream string, r eventstore.StreamRange) iter.Seq2[*eventstore.Recorded, error] {
	head := eventstore.Position(s.position.Load())
	return func(yield func(*eventstore.Recorded, error) bool) {
		rd, _ := s.readers.Get().(*streamReader)
		if rd == nil {
			rd = new(streamReader)
		}
		rd.st, rd.stream, rd.dir, rd.head = s, stream, r.Direction, head
		rd.left, rd.next, rd.begun, rd.done = r.Limit, r.From, false, len(stream) > eventstore.MaxStreamBytes
		if r.Limit <= 0 {
			rd.left = -1
		}
		defer func() {
			rd.close()
			s.readers.Put(rd)
		}()
		for !rd.done {
			if err := s.readable(ctx, true); err != nil {
				yield(nil, err)
				return
			}
			if !rd.look(ctx, yield) {
				return
			}
		}
	}
}

func (rd *streamReader) close() {
	if rd.seg != nil {
		rd.seg.release()
		rd.seg, rd.file = nil, nil
	}
	rd.st = nil
}

// look takes some runs from the index and yields their events. It returns
// false when the iteration is over by the caller's will or an error.
func (rd *streamReader) look(ctx context.Context, yield func(*eventstore.Recorded, error) bool) bool {
	limit := runsPerLook
	if rd.left > 0 {
		limit = min(limit, rd.left)
	}
	runs, last, err := rd.st.runsOf(rd.runs[:0], rd.stream, rd.next, rd.dir, limit)
	if err != nil {
		yield(nil, err)
		return false
	}
	for _, r := range runs {
		if rd.done {
			break
		}
		if err := ctx.Err(); err != nil {
			yield(nil, err)
			return false
		}
		var more bool
		if rd.dir == eventstore.Forward {
			more = rd.forward(r, yield)
		} else {
			more = rd.backward(r, yield)
		}
		if !more {
			return false
		}
	}
	rd.done = rd.done || last
	return true
}

// runsOf gives at most limit runs of the stream in direction, beginning with
// the one that holds from; last says that the stream has no more. It looks at what is
// not in the index yet before the index: an entry that moves meanwhile is
// found in both and never in neither.
func (s *Store) runsOf(out []run, stream string, from uint64, dir eventstore.Direction, limit int) (_ []run, last bool, err error) {
	out, floor, pending := s.tails.pending(out, stream, from, dir, limit)
	if len(out) > 0 {
		return out, len(out) < limit && (dir == eventstore.Forward || floor == 0), nil
	}
	s.reading.RLock()
	defer s.reading.RUnlock()
	if s.isClosed() {
		return nil, false, eventstore.ErrClosed
	}
	out, err = s.index.runs(out, stream, from, dir, limit)
	if err != nil || !pending {
		return out, len(out) < limit, err
	}
	// The index may have got what was pending; leave that to the next look.
	n := 0
	for n < len(out) && out[n].revision < floor {
		n++
	}
	if n == 0 {
		return nil, false, &eventstore.CorruptError{File: indexName, What: "the beginning of a stream is missing"}
	}
	return out[:n], dir == eventstore.Backward && n < limit, nil
}

// forward yields the run's events from revision next on.
func (rd *streamReader) forward(r run, yield func(*eventstore.Recorded, error) bool) bool {
	end := r.revision + uint64(r.count)
	if rd.next >= end { // next lies behind the stream's end
		rd.done = true
		return true
	}
	if rd.next < r.revision {
		yield(nil, rd.gap(rd.next, r.revision-1))
		return false
	}
	if r.position > rd.head {
		rd.done = true
		return true
	}
	for rd.next < end && rd.left != 0 {
		skip := rd.next - r.revision
		n := min(end-rd.next, spansPerLook)
		if rd.left > 0 {
			n = min(n, uint64(rd.left))
		}
		if !rd.give(r.position+eventstore.Position(skip), rd.next, int(n), yield) {
			return false
		}
	}
	rd.done = rd.left == 0
	return true
}

// backward yields the run's events from revision next down.
func (rd *streamReader) backward(r run, yield func(*eventstore.Recorded, error) bool) bool {
	last := r.revision + uint64(r.count) - 1
	if rd.next > last {
		if rd.begun {
			yield(nil, rd.gap(last+1, rd.next))
			return false
		}
		rd.next = last // from behind the stream's end
	}
	rd.begun = true
	if r.position > rd.head {
		rd.next = r.revision - 1
		rd.done = r.revision == 0
		return true
	}
	for {
		at := rd.next
		if !rd.give(r.position+eventstore.Position(at-r.revision), at, 1, yield) {
			return false
		}
		rd.next = at - 1
		if at == 0 || rd.left == 0 {
			rd.done = true
			return true
		}
		if at == r.revision {
			return true
		}
	}
}

// give yields n events with neighbouring positions and revisions.
func (rd *streamReader) give(p eventstore.Position, revision uint64, n int, yield func(*eventstore.Recorded, error) bool) bool {
	for n > 0 {
		got, err := rd.load(p, revision, n, yield)
		if err != nil {
			yield(nil, err)
			return false
		}
		if got < 0 {
			return false
		}
		p += eventstore.Position(got)
		revision += uint64(got)
		n -= got
	}
	return true
}

// load reads as many of n neighbouring records as one read holds and yields
// them. It returns how many they were, -1 when the caller has enough.
func (rd *streamReader) load(p eventstore.Position, revision uint64, n int, yield func(*eventstore.Recorded, error) bool) (int, error) {
	_, ordinal := splitPosition(p)
	if err := rd.open(ordinal); err != nil {
		return 0, err
	}
	spans, err := rd.seg.locate(rd.file, ordinal, rd.spans[:n])
	if err != nil {
		return 0, err
	}
	if len(spans) == 0 {
		return 0, rd.damaged(0, "the index names a position that the log does not have")
	}
	spans = fitting(spans)
	base := spans[0].off
	size := int(spans[len(spans)-1].limit - base)
	if cap(rd.buf) < size {
		rd.buf = make([]byte, max(size, 4<<10))
	}
	buf := rd.buf[:size]
	if err := readFull(rd.file, buf, base); err != nil {
		return 0, fmt.Errorf("reading %s: %w", rd.seg.name, err)
	}
	for i, sp := range spans {
		if err := rd.decode(buf[sp.off-base:sp.limit-base], sp.off, revision+uint64(i)); err != nil {
			return 0, err
		}
		rd.rec.Position = p + eventstore.Position(i)
		if rd.left > 0 {
			rd.left--
		}
		if rd.dir == eventstore.Forward {
			rd.next = revision + uint64(i) + 1
		}
		if !yield(&rd.rec, nil) {
			return -1, nil
		}
	}
	return len(spans), nil
}

// fitting cuts the spans to what one read takes, at least one.
func fitting(spans []span) []span {
	for i := range spans {
		if i > 0 && spans[i].limit-spans[0].off > streamChunk {
			return spans[:i]
		}
	}
	return spans
}

func (rd *streamReader) open(ordinal uint64) error {
	if rd.st.find(ordinal) == rd.seg {
		return nil
	}
	if rd.seg != nil {
		rd.seg.release()
		rd.seg, rd.file = nil, nil
	}
	seg, f, err := rd.st.acquire(ordinal)
	if err != nil {
		return err
	}
	rd.seg, rd.file = seg, f
	return nil
}

func (rd *streamReader) decode(b []byte, off int64, revision uint64) error {
	n, err := recordLength(b)
	if err == nil {
		err = checkRecordCRC(b[:n])
	}
	if err == nil {
		err = decodeRecord(b[:n], &rd.names, &rd.rec)
	}
	if err != nil {
		return rd.damaged(off, err.Error())
	}
	stream, err := recordStream(b[:n])
	if err != nil || rd.rec.Revision != revision || string(stream) != rd.stream {
		return rd.damaged(off, "the index leads to another event")
	}
	rd.rec.Stream = rd.stream
	return nil
}

func (rd *streamReader) damaged(off int64, what string) error {
	return &eventstore.CorruptError{File: rd.seg.name, Offset: off, What: what}
}

func (rd *streamReader) gap(from, to uint64) error {
	return &eventstore.CorruptError{File: indexName, What: fmt.Sprintf("revisions %d to %d of a stream are missing", from, to)}
}
