package segment

import (
	"context"
	"fmt"
	"iter"
	"sort"

	"github.com/cockroachdb/pebble/v2/vfs"

	"lethe/eventstore"
)

var _ eventstore.Sectioned = (*Store)(nil)

// Sections implements eventstore.Sectioned: one section for each segment file,
// of the active one what is durable.
func (s *Store) Sections() []eventstore.Section {
	segs := *s.segs.Load()
	out := make([]eventstore.Section, len(segs))
	for i, seg := range segs {
		out[i] = seg.section()
	}
	return out
}

func (s *segmentFile) section() eventstore.Section {
	s.mu.RLock()
	defer s.mu.RUnlock()
	sec := eventstore.Section{Name: s.name, First: s.entry.First, Count: s.entry.Count, Bytes: s.end, Full: s.entry.End > 0}
	if !sec.Full {
		sec.Count = uint64(len(s.offsets)) // the active segment's are always loaded
	}
	return sec
}

// sectionOf gives the segment that the section is a part of.
func (s *Store) sectionOf(sec eventstore.Section) (*segmentFile, error) {
	segs := *s.segs.Load()
	i := sort.Search(len(segs), func(i int) bool { return segs[i].entry.First >= sec.First })
	for ; i < len(segs) && segs[i].entry.First == sec.First; i++ { // an empty one shares its first with the next
		if has := segs[i].section(); has.Name == sec.Name && has.Count >= sec.Count && has.Bytes >= sec.Bytes {
			return segs[i], nil
		}
	}
	return nil, fmt.Errorf("%w: %s with %d events from %d", eventstore.ErrNoSection, sec.Name, sec.Count, sec.First)
}

// ReadSection implements eventstore.Sectioned. It verifies the file's header,
// and each group's checksum, its link to the one before, its position and its
// padding; the records' own checksums lie within those of the groups. The
// segment is held while it is read.
func (s *Store) ReadSection(ctx context.Context, sec eventstore.Section) iter.Seq2[*eventstore.Recorded, error] {
	return func(yield func(*eventstore.Recorded, error) bool) {
		seg, err := s.sectionOf(sec)
		if err != nil {
			yield(nil, err)
			return
		}
		f, err := seg.acquire()
		if err != nil {
			yield(nil, err)
			return
		}
		defer seg.release()
		w := s.newWalk()
		defer s.walks.Put(w)
		if err = w.start(s, seg, f, sec); err != nil {
			yield(nil, err)
			return
		}
		for w.r.off < w.r.end {
			if err = s.readable(ctx, true); err == nil {
				err = w.advance()
			}
			for err == nil && w.left > 0 {
				var rec *eventstore.Recorded
				if rec, err = w.record(); err == nil && !yield(rec, nil) {
					return
				}
			}
			if err == nil {
				err = w.done()
			}
			if err != nil {
				yield(nil, err)
				return
			}
		}
		if err := w.complete(); err != nil {
			yield(nil, err)
		}
	}
}

// sectionWalk goes through one segment file from its beginning, group by group
// and record by record.
type sectionWalk struct {
	st   *Store
	sec  eventstore.Section
	r    groupReader
	head groupHeader

	group []byte
	base  int64 // of group in the file
	at    int   // of the next record in group
	left  uint32
	next  uint64 // ordinal of the next record
	pos   eventstore.Position

	recorded int64 // of the group before

	rec   eventstore.Recorded
	types interner
	names nameBatch
}

// newWalk gives one with the buffer and the names of an earlier one, which goes
// back to s.walks.
func (s *Store) newWalk() *sectionWalk {
	if w, ok := s.walks.Get().(*sectionWalk); ok {
		return w
	}
	return new(sectionWalk)
}

// start reads the header again: what was read at the opening says nothing of
// the file as it is now.
func (w *sectionWalk) start(st *Store, seg *segmentFile, f vfs.File, sec eventstore.Section) error {
	h, err := headerOf(f, seg.name)
	if err != nil {
		return err
	}
	if h != seg.header {
		return &eventstore.CorruptError{File: seg.name, What: "the segment header is not the one that was there at the opening"}
	}
	w.begin(st, seg, f, sec)
	return nil
}

func (w *sectionWalk) begin(st *Store, seg *segmentFile, f vfs.File, sec eventstore.Section) {
	w.st, w.sec, w.next, w.recorded, w.group, w.left = st, sec, sec.First, seg.entry.Floor, nil, 0
	w.r.start(f, seg.name, seg.header, seg.entry.FirstGroup, sec.Bytes)
}

// advance moves to the next group.
func (w *sectionWalk) advance() (err error) {
	w.base = w.r.off
	if w.head, w.group, err = w.r.next(); err != nil {
		return err
	}
	if err := w.place(); err != nil {
		return err
	}
	w.names.reset()
	w.at, w.left, w.pos = groupHeaderSize, w.head.records, w.head.position
	return nil
}

// place checks that the group's events are the next ones. A marker repeats the
// last position before it.
func (w *sectionWalk) place() error {
	want := w.next
	if w.head.records == 0 {
		want--
	}
	if w.head.position != w.st.positionOf(want) {
		return w.corrupt("the group's position does not follow")
	}
	if w.head.recorded < w.recorded {
		return w.corrupt("the recorded time falls")
	}
	w.recorded = w.head.recorded
	return nil
}

// record gives the group's next event, valid until the next call.
func (w *sectionWalk) record() (*eventstore.Recorded, error) {
	n, err := recordLength(w.group[w.at:])
	if err != nil {
		return nil, w.corrupt(err.Error())
	}
	rec := w.group[w.at : w.at+n]
	w.rec.Stream = w.names.next(w.group[w.at:], int(w.left))
	if err := decodeRecord(rec, &w.types, &w.rec); err != nil {
		return nil, w.corrupt(err.Error())
	}
	if int(le.Uint32(rec[8:])) != w.at || int64(le.Uint64(rec[60:])) != w.head.recorded {
		return nil, w.corrupt("a record is not one of this group")
	}
	w.rec.Position = w.pos
	w.at += n
	w.left--
	w.next++
	w.pos++
	return &w.rec, nil
}

// step gives the next event of the section, whichever group it is in, and nil
// at the end. It is valid until the next call.
func (w *sectionWalk) step() (*eventstore.Recorded, error) {
	for w.left == 0 {
		if w.group != nil {
			if err := w.done(); err != nil {
				return nil, err
			}
		}
		if w.r.off >= w.r.end {
			w.group = nil
			return nil, nil
		}
		if err := w.advance(); err != nil {
			return nil, err
		}
	}
	return w.record()
}

// done checks what follows the group's last record: zeros up to its alignment.
func (w *sectionWalk) done() error {
	rest := w.group[w.at:]
	if len(rest) >= groupAlign {
		return w.corrupt("the group is longer than its records")
	}
	for _, b := range rest {
		if b != 0 {
			return w.corrupt("the group's padding is not zero")
		}
	}
	return nil
}

// complete checks that the file held what the section names.
func (w *sectionWalk) complete() error {
	if w.next != w.sec.First+w.sec.Count {
		return w.corrupt(fmt.Sprintf("the segment holds %d events of %d", w.next-w.sec.First, w.sec.Count))
	}
	return nil
}

func (w *sectionWalk) corrupt(what string) error {
	return &eventstore.CorruptError{File: w.r.name, Offset: w.base, What: what}
}
