package segment

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"github.com/cockroachdb/pebble/v2/vfs"

	"lethe/eventstore"
)

// progressEvery is after how many events of a section progress is told.
const progressEvery = 1 << 16

// sectionCheck is the Check of one segment file by one worker.
type sectionCheck struct {
	*audit
	sec    eventstore.Section
	seg    *segmentFile
	file   vfs.File
	walk   *sectionWalk
	visit  func(*eventstore.Recorded) error
	hash   hasher
	events multiset

	offsets []uint32 // of the records, for comparing with the footer
	partial bool     // some are missing
	faults  int
	told    uint64 // events that progress knows of
}

// section checks one section. The error is a visitor's or says that the Check
// cannot go on.
func (a *audit) section(ctx context.Context, held heldSection) error {
	sec, seg := held.Section, held.seg
	c := &sectionCheck{audit: a, sec: sec, hash: hasher{seed: a.seed}, walk: a.st.newWalk()}
	defer a.st.walks.Put(c.walk)
	if a.o.Visit != nil {
		c.visit = a.o.Visit(sec)
	}
	f, err := seg.acquire()
	if err != nil {
		c.fault(faultOf(err, sec.Name, 0, c.lost(sec.First, sec.First+sec.Count-1)))
		c.finish()
		return nil
	}
	defer seg.release()
	c.seg, c.file = seg, f
	if err := c.groups(ctx); err != nil {
		return err
	}
	c.footer()
	if err := c.tail(); err != nil {
		return err
	}
	c.finish()
	return nil
}

func (c *sectionCheck) fault(f eventstore.Fault) {
	c.faults++
	c.audit.fault(f)
}

// finish hands over what the section adds to the whole.
func (c *sectionCheck) finish() {
	c.progress("sections", c.sec.Count-c.told)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.log.add(c.events)
	if c.o.Checked != nil {
		c.o.Checked(c.sec, c.faults)
	}
}

// groups reads all groups, those behind a damaged one too.
func (c *sectionCheck) groups(ctx context.Context) error {
	w := c.walk
	if err := w.start(c.st, c.seg, c.file, c.sec); err != nil {
		c.fault(faultOf(err, c.sec.Name, 0, "the store refuses to open with this file"))
		w.begin(c.st, c.seg, c.file, c.sec) // by the header that was there
	}
	for w.r.off < w.r.end {
		if err := c.st.readable(ctx, true); err != nil {
			return err
		}
		first := w.next
		err := w.advance()
		if err == nil {
			err = c.records()
		}
		var stop *visitError
		if errors.As(err, &stop) {
			return stop.err
		}
		if err != nil && !c.pass(err, first) {
			return nil
		}
		if done := w.next - c.sec.First; done >= c.told+progressEvery {
			c.progress("sections", done-c.told)
			c.told = done
		}
	}
	if err := w.complete(); err != nil && !c.partial {
		c.fault(faultOf(err, c.sec.Name, 0, c.lost(w.next, c.sec.First+c.sec.Count-1)))
	}
	return nil
}

// visitError is an error of the visitor, which is none of the log.
type visitError struct{ err error }

func (e *visitError) Error() string { return e.err.Error() }

// records reads those of the present group.
func (c *sectionCheck) records() error {
	w := c.walk
	for w.left > 0 {
		if c.sec.Full {
			c.offsets = append(c.offsets, uint32(w.base)+uint32(w.at))
		}
		rec, err := w.record()
		if err != nil {
			return err
		}
		if c.o.Streams && w.next-1 <= c.limit {
			c.events.add(one(&c.hash, rec.Stream, rec.Revision, uint64(rec.Position)))
		}
		if c.visit != nil {
			if err := c.visit(rec); err != nil {
				return &visitError{err}
			}
		}
	}
	return w.done()
}

// pass reports a damaged group, of which first would have been the first event,
// and goes to the next intact one. It returns false when there is none.
func (c *sectionCheck) pass(err error, first uint64) bool {
	w := c.walk
	c.partial = true
	found := true
	if w.r.off > w.base { // its frame is intact, what it holds is not
		_, ord := splitPosition(w.head.position)
		w.next = max(first, min(ord, c.sec.First+c.sec.Count)) + uint64(w.head.records)
	} else {
		found = c.resume()
	}
	last := w.next - 1
	if !found {
		last = c.sec.First + c.sec.Count - 1
	}
	c.fault(faultOf(err, c.sec.Name, w.base, c.lost(first, last)))
	return found
}

// lost says what becomes of events that cannot be read.
func (c *sectionCheck) lost(first, last uint64) string {
	if last+1 <= first {
		return "no event lies here, but whoever reads the log in order ends here with an error"
	}
	return fmt.Sprintf("events %d to %d (positions %s to %s) cannot be relied on, and whoever reads the log in order ends here with an error; put this file back from a backup",
		first, last, c.st.positionOf(first), c.st.positionOf(last))
}

// resume looks for an intact group behind the damaged one, by the salt that
// opens each.
func (c *sectionCheck) resume() bool {
	w := c.walk
	salt := le.AppendUint64(nil, w.r.salt)
	buf := make([]byte, readChunk+len(salt)-1)
	for from := w.base + groupAlign; from+groupHeaderSize <= w.r.end; from += readChunk {
		b := buf[:min(int64(len(buf)), w.r.end-from)]
		if readFull(c.file, b, from) != nil {
			return false
		}
		for at := 0; ; at++ {
			i := bytes.Index(b[at:], salt)
			if i < 0 {
				break
			}
			if at += i; c.resumeAt(from + int64(at)) {
				return true
			}
		}
	}
	return false
}

func (c *sectionCheck) resumeAt(off int64) bool {
	w := c.walk
	var r groupReader
	r.jump(c.file, w.r.name, w.r.salt, off, w.r.end)
	h, _, err := r.next()
	if err != nil || h.number <= w.r.number {
		return false
	}
	_, next := splitPosition(h.position)
	if h.records == 0 {
		next++
	}
	if next < w.next || next > c.sec.First+c.sec.Count {
		return false
	}
	w.r.jump(c.file, w.r.name, w.r.salt, off, w.r.end)
	w.r.number, w.next = h.number, next
	return true
}
