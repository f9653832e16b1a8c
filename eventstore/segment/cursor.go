package segment

import "lethe/eventstore"

// cursor walks the log in global order, group by group, across segments.
type cursor struct {
	st    *Store
	next  uint64 // ordinal of the next event to give
	seg   *segmentFile
	r     groupReader
	group []byte
	at    int // of the next record in group
	left  uint32
	ord   uint64 // ordinal of the next record in group
	pos   eventstore.Position
	rec   eventstore.Recorded
	types interner
	names nameBatch
}

// step gives the event at ordinal next, which must be durable. The result is
// valid until the next step.
func (c *cursor) step() (*eventstore.Recorded, error) {
	for {
		for c.left == 0 {
			if err := c.nextGroup(); err != nil {
				return nil, err
			}
		}
		n, err := recordLength(c.group[c.at:])
		if err != nil {
			return nil, c.r.corrupt(err.Error())
		}
		stream := c.names.next(c.group[c.at:], int(c.left))
		rec := c.group[c.at : c.at+n]
		c.at += n
		c.left--
		ord, pos := c.ord, c.pos
		c.ord++
		c.pos++
		if ord < c.next {
			continue
		}
		if err := decodeRecord(rec, &c.types, &c.rec); err != nil {
			return nil, c.r.corrupt(err.Error())
		}
		c.rec.Position, c.rec.Stream = pos, stream
		c.next++
		return &c.rec, nil
	}
}

func (c *cursor) nextGroup() error {
	if c.seg == nil {
		if err := c.open(); err != nil {
			return err
		}
	}
	for c.r.off >= c.r.end {
		if end := c.seg.durableEnd(); end > c.r.end {
			c.r.end = end
			continue
		}
		if c.st.find(c.next) == c.seg {
			return c.r.corrupt("the segment ends before its last event")
		}
		if err := c.open(); err != nil {
			return err
		}
	}
	h, group, err := c.r.next()
	if err != nil {
		return err
	}
	_, ord := splitPosition(h.position)
	if h.records > 0 && ord > c.next {
		return c.r.corrupt("events are missing before this group")
	}
	c.names.reset()
	c.group, c.at, c.left = group, groupHeaderSize, h.records
	c.ord, c.pos = ord, h.position
	return nil
}

// open moves to the segment and the group that hold ordinal next.
func (c *cursor) open() error {
	c.close()
	seg, f, err := c.st.acquire(c.next)
	if err != nil {
		return err
	}
	c.seg = seg
	end := seg.durableEnd()
	if c.next <= seg.entry.First {
		c.r.start(f, seg.name, seg.header, seg.entry.FirstGroup, end)
		return nil
	}
	var s [1]span
	spans, err := seg.locate(f, c.next, s[:])
	if err != nil {
		return err
	}
	if len(spans) == 0 {
		return &eventstore.CorruptError{File: seg.name, Offset: end, What: "the segment ends before its last event"}
	}
	var h [recordHeaderSize]byte
	if err := readFull(f, h[:], spans[0].off); err != nil {
		return err
	}
	back := int64(le.Uint32(h[8:]))
	if back > spans[0].off-segmentHeaderSize {
		return &eventstore.CorruptError{File: seg.name, Offset: spans[0].off, What: "the record does not say where its group begins"}
	}
	c.r.jump(f, seg.name, seg.header.salt, spans[0].off-back, end)
	return nil
}

func (c *cursor) close() {
	if c.seg != nil {
		c.seg.release()
		c.seg = nil
	}
	c.left = 0
}

// nameBatch makes the stream names of the next records of a group in one
// allocation: a scan would spend a good part of its time on single ones.
type nameBatch struct {
	scratch []byte
	all     string
	ends    [64]int
	starts  [64]int
	at, n   int
}

func (b *nameBatch) reset() { b.at, b.n = 0, 0 }

// next gives the name of the record at the beginning of group, of which left
// records remain. Lengths that do not add up end the batch; the decoder
// reports them.
func (b *nameBatch) next(group []byte, left int) string {
	if b.at == b.n {
		b.fill(group, left)
	}
	if b.n == 0 {
		return ""
	}
	name := b.all[b.starts[b.at]:b.ends[b.at]]
	b.at++
	return name
}

func (b *nameBatch) fill(group []byte, left int) {
	b.scratch, b.at, b.n = b.scratch[:0], 0, 0
	for b.n < min(left, len(b.ends)) {
		n, err := recordLength(group)
		if err != nil {
			break
		}
		name, err := recordStream(group[:n])
		if err != nil {
			break
		}
		group = group[n:]
		start, end := len(b.scratch), len(b.scratch)+len(name)
		if b.n > 0 && string(b.scratch[b.starts[b.n-1]:b.ends[b.n-1]]) == string(name) {
			start, end = b.starts[b.n-1], b.ends[b.n-1]
		} else {
			b.scratch = append(b.scratch, name...)
		}
		b.starts[b.n], b.ends[b.n] = start, end
		b.n++
	}
	if string(b.scratch) != b.all {
		b.all = string(b.scratch)
	}
}
