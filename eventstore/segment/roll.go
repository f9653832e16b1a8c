package segment

import (
	"fmt"
	"sync/atomic"

	"lethe/eventstore"
)

// preparer makes the next segment while the present one is filling, so that
// no append waits for the zeros to be written. It writes them at the pace at
// which the log grows: in one go they would hold up the log's own syncs.
type preparer struct {
	pending chan prepared // nil: nothing under way
	allowed atomic.Int64  // bytes that the log's growth entitles it to
	tick    chan struct{} // allowed has grown
	hurry   chan struct{} // closed when the segment is wanted now
}

type prepared struct {
	w   *writer
	err error
}

// consider starts preparing when the segment is half full, and goes on with it.
func (p *preparer) consider(c *committer) {
	half := c.w.size / 2
	if c.w.end < half || c.st.failed() != nil {
		return
	}
	// Two and a half times the growth of the second half: done when 90 % are full.
	p.allowed.Store((c.w.end - half) * 5 / 2)
	if p.pending != nil {
		select {
		case p.tick <- struct{}{}:
		default:
		}
		return
	}
	p.pending = make(chan prepared, 1)
	p.tick, p.hurry = make(chan struct{}, 1), make(chan struct{})
	number, tick, hurry := c.w.header.number+1, p.tick, p.hurry
	pace := func(done int64) {
		for done > p.allowed.Load() {
			select {
			case <-tick:
			case <-hurry:
				return
			}
		}
	}
	go func(out chan<- prepared) {
		w, err := c.st.newSegment(number, c.st.opts.SegmentBytes, pace)
		out <- prepared{w, err}
	}(p.pending)
}

// await gives what was being prepared.
func (p *preparer) await() prepared {
	close(p.hurry)
	got := <-p.pending
	p.pending = nil
	return got
}

// take returns a segment of at least size bytes.
func (p *preparer) take(st *Store, number uint64, size int64) (*writer, error) {
	if p.pending != nil {
		switch got := p.await(); {
		case got.err != nil:
			if !survivable(got.err) {
				return nil, got.err
			}
		case got.w.size >= size:
			return got.w, nil
		default:
			_ = got.w.file.Close() // replaced by a larger one under the same name
		}
	}
	return st.newSegment(number, size, nil)
}

// discard removes a prepared segment that will not be used.
func (p *preparer) discard(st *Store) {
	if p.pending == nil {
		return
	}
	if got := p.await(); got.err == nil {
		_ = got.w.file.Close()
		_ = st.fs.Remove(st.fs.PathJoin(st.dir, got.w.name)) // or the next open does it
	}
}

func (s *Store) newSegment(number uint64, size int64, pace func(int64)) (*writer, error) {
	salt, err := newSalt(s.opts.Rand)
	if err != nil {
		return nil, err
	}
	return createSegment(s.fs, s.dir, segmentHeader{number: number, salt: salt}, size, nil, pace)
}

// roll closes the full segment with its footer and goes on in a new one that
// takes a group of n bytes. An error that is not survivable has stopped the
// store.
func (c *committer) roll(n int64, records uint64) error {
	err := c.tryRoll(n, records)
	if err != nil && !survivable(err) {
		c.st.fail(err)
		return c.st.failed()
	}
	return err
}

func (c *committer) tryRoll(n int64, records uint64) error {
	next, err := c.prep.take(c.st, c.w.header.number+1, sizeFor(c.st.opts.SegmentBytes, n, records))
	if err != nil {
		return fmt.Errorf("beginning a new segment: %w", err)
	}
	old := c.st.active()
	footer := encodeFooter(old.offsetsSoFar())
	err = c.writeFooter(footer)
	m := c.st.manifest.clone()
	if err == nil {
		last := m.last()
		last.End, last.Count = c.w.end, c.w.records
		m.Segments = append(m.Segments, segmentEntry{
			Number: next.header.number, First: c.ordinal + 1, FirstGroup: c.w.group, Floor: c.stamp.last,
		})
		err = m.store(c.st.fs, c.st.dir)
	}
	if err != nil {
		_ = next.file.Close()
		_ = c.st.fs.Remove(c.st.fs.PathJoin(c.st.dir, next.name)) // or the next open does it
		if survivable(err) {
			_ = c.w.erase(c.w.end, int64(len(footer))) // a recovery would cut and report it
		}
		return fmt.Errorf("beginning a new segment: %w", err)
	}
	_ = c.w.file.Close() // synced
	next.group = c.w.group
	c.w = next
	c.st.rolled(m, next)
	return nil
}

func (c *committer) writeFooter(footer []byte) error {
	if _, err := c.w.file.WriteAt(footer, c.w.end); err != nil {
		return fmt.Errorf("writing a footer: %w", mediumError(err))
	}
	if err := c.w.file.SyncData(); err != nil {
		// What the medium says of space is no comfort here: after a failed sync
		// nobody knows which of the file's pages are on the disk.
		return fmt.Errorf("%w: syncing a footer: %v", eventstore.ErrFatal, err)
	}
	return nil
}
