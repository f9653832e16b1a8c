package segment

import (
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"time"

	"lethe/eventstore"
)

// committer is the one goroutine that writes the log. Everything in it is its
// own; what others may see it publishes.
type committer struct {
	st    *Store
	w     *writer
	prep  preparer
	stamp *stamper
	ids   *recentIDs

	era        uint32 // of the next event
	ordinal    uint64 // of the last durable event
	buf        []byte // the group under way
	records    uint64
	recorded   int64    // its stamp
	offsets    []uint32 // of its records, within the group
	admitted   []*request
	entries    []indexEntry
	backlog    []*request // taken, for the next group
	used       []*request
	needMarker bool // the last group has no successor yet
}

// run serves the queue until it is closed and empty.
func (c *committer) run() {
	defer close(c.st.committerDone)
	for {
		items, closing := c.st.queue.drain(c.used)
		c.used = items
		for _, job := range c.st.queue.takeJobs() {
			job(c)
		}
		if len(items) == 0 && len(c.backlog) == 0 {
			if closing {
				return
			}
			c.idle()
			continue
		}
		c.commit(items)
		c.st.tails.trim(maxTails)
		// Let those who were just answered come back with their next append, or
		// two halves of the callers take turns and each waits for two syncs.
		runtime.Gosched()
	}
}

// idle waits for work and writes the marker when none comes.
func (c *committer) idle() {
	var d time.Duration
	if c.needMarker && c.st.opts.IdleMarker > 0 && c.st.failed() == nil {
		d = c.st.opts.IdleMarker
	}
	if c.st.queue.await(d) {
		c.writeMarker()
	}
}

// commit makes one group of what fits and leaves the rest in the backlog.
func (c *committer) commit(items []*request) {
	waiting := c.backlog
	c.backlog = nil
	c.begin()
	if err := c.admission(); err != nil {
		refuse(waiting, items, err)
		return
	}
	for i, r := range waiting {
		if !c.admit(r) {
			c.backlog = append(c.backlog, waiting[i:]...)
			c.backlog = appendTaken(c.backlog, items)
			items = nil
			break
		}
	}
	for i, r := range items {
		if r.take() && !c.admit(r) {
			c.backlog = append(c.backlog, r)
			c.backlog = appendTaken(c.backlog, items[i+1:])
			break
		}
	}
	if c.records > 0 {
		c.finish(c.write(c.records))
	}
}

// admission says why nothing can be appended at the moment.
func (c *committer) admission() error {
	if err := c.st.failed(); err != nil {
		return err
	}
	if err := c.st.indexer.admit(); err != nil {
		if failed := c.st.failed(); failed != nil {
			return failed
		}
		return err
	}
	return nil
}

func refuse(taken, queued []*request, err error) {
	for _, r := range taken {
		r.finish(eventstore.Result{}, err)
	}
	for _, r := range queued {
		if r.take() {
			r.finish(eventstore.Result{}, err)
		}
	}
}

func appendTaken(to, items []*request) []*request {
	for _, r := range items {
		if r.take() {
			to = append(to, r)
		}
	}
	return to
}

func (c *committer) begin() {
	c.buf = append(c.buf[:0], make([]byte, groupHeaderSize)...)
	c.records = 0
	c.recorded = c.stamp.next()
	c.offsets, c.admitted, c.entries = c.offsets[:0], c.admitted[:0], c.entries[:0]
}

// admit puts the request into the group or answers it. It returns false when
// the group is full; what must see this group durable first is put off.
func (c *committer) admit(r *request) bool {
	if c.records > 0 && len(c.buf)+r.size > maxGroupBytes {
		return false
	}
	t, err := c.tailOf(r.stream)
	if err != nil {
		r.finish(eventstore.Result{}, err)
		return true
	}
	switch verdict, res, err := c.check(r, t); {
	case err != nil || verdict == verdictAnswered:
		r.finish(res, err)
		return true
	case verdict == verdictLater:
		c.backlog = append(c.backlog, r)
		return true
	}
	n := int64(alignUp(len(c.buf) + r.size))
	if !c.w.fits(n, c.records+uint64(len(r.events))) {
		if c.records > 0 {
			return false
		}
		if err := c.roll(n, uint64(len(r.events))); err != nil {
			r.finish(eventstore.Result{}, err)
			return true
		}
	}
	c.encode(r, t)
	return true
}

func (c *committer) tailOf(stream string) (*tail, error) {
	if t := c.st.tails.get(stream); t != nil {
		return t, nil
	}
	n, err := c.st.index.length(stream)
	if err != nil {
		return nil, err
	}
	return c.st.tails.put(stream, n), nil
}

func (c *committer) encode(r *request, t *tail) {
	r.tail, r.next = t, t.next
	first := c.ordinal + c.records + 1
	for i := range r.events {
		e := &r.events[i]
		c.offsets = append(c.offsets, uint32(len(c.buf)))
		c.buf = appendRecord(c.buf, r.stream, t.next, c.recorded, e)
		c.ids.add(e.ID, place{stream: t.stream, revision: t.next, position: c.position(first + uint64(i)), recorded: c.recorded})
		t.next++
	}
	t.touched = c.w.group
	c.records += uint64(len(r.events))
	c.admitted = append(c.admitted, r)
	c.entries = append(c.entries, indexEntry{tail: t, run: run{revision: r.next, position: c.position(first), count: uint32(len(r.events))}})
}

func (c *committer) position(ordinal uint64) eventstore.Position {
	return makePosition(c.era, ordinal)
}

// write seals the group, writes it and syncs it. The error is classified:
// ErrNoSpace and ErrReadOnly leave nothing behind, anything else leaves the
// outcome unknown.
func (c *committer) write(records uint64) error {
	for len(c.buf)%groupAlign != 0 {
		c.buf = append(c.buf, 0)
	}
	h := groupHeader{
		salt: c.w.header.salt, number: c.w.group, length: uint32(len(c.buf) - groupHeaderSize),
		records: uint32(records), position: c.position(c.ordinal + 1), recorded: c.recorded, prev: c.w.prev,
	}
	if records == 0 {
		h.position = c.st.positionOf(c.ordinal)
	}
	crc := h.seal(c.buf)
	n := int64(len(c.buf))
	if _, err := c.w.file.WriteAt(c.buf, c.w.end); err != nil {
		return c.writeFailed(err, n)
	}
	if err := c.w.file.SyncData(); err != nil {
		return fmt.Errorf("syncing the log: %w", err)
	}
	c.w.prev = crc
	c.w.group++
	c.w.records += records
	c.w.end += n
	return nil
}

// writeFailed puts zeros where a refused write may have left a beginning. A
// group that was not written in full is none, so the outcome is known as long
// as the medium says why it refused.
func (c *committer) writeFailed(err error, n int64) error {
	cause := mediumError(err)
	if !survivable(cause) {
		return fmt.Errorf("writing the log: %w", err)
	}
	if errors.Is(cause, eventstore.ErrNoSpace) {
		if zerr := c.w.erase(c.w.end, n); zerr != nil && !survivable(zerr) {
			return fmt.Errorf("erasing a refused write: %w", zerr)
		}
	}
	return fmt.Errorf("writing the log: %w", cause)
}

func survivable(err error) bool {
	return errors.Is(err, eventstore.ErrNoSpace) || errors.Is(err, eventstore.ErrReadOnly)
}

// finish publishes a durable group and answers its callers, or says what
// became of it.
func (c *committer) finish(err error) {
	if err != nil {
		c.undo(err)
		return
	}
	base := uint32(c.w.end - int64(len(c.buf)))
	for i := range c.offsets {
		c.offsets[i] += base
	}
	c.ordinal += c.records
	c.st.publish(c)
	c.needMarker = true
	recorded := time.UnixMicro(c.recorded).UTC()
	for i, r := range c.admitted {
		run := &c.entries[i].run
		n := uint64(run.count)
		r.finish(eventstore.Result{
			First: r.next, Last: r.next + n - 1,
			Position: run.position + eventstore.Position(n-1), Recorded: recorded,
		}, nil)
	}
	c.prep.consider(c)
}

// undo answers a group that was not written. If the store cannot go on, the
// outcome is unknown, and the store stops.
func (c *committer) undo(err error) {
	answer := err
	if !survivable(err) {
		c.st.fail(err)
		answer = fmt.Errorf("%w: %w", eventstore.ErrOutcomeUnknown, err)
	}
	for i := len(c.admitted) - 1; i >= 0; i-- {
		r := c.admitted[i]
		r.tail.next = r.next
		r.tail.touched = 0
		for k := range r.events {
			c.ids.remove(r.events[k].ID)
		}
		r.finish(eventstore.Result{}, answer)
	}
}

// writeMarker gives the last acknowledged group a successor.
func (c *committer) writeMarker() {
	if c.st.failed() != nil || c.w.end+groupHeaderSize+footerSize(c.w.records) > c.w.size {
		c.needMarker = false
		return
	}
	c.begin()
	err := c.write(0)
	c.needMarker = false
	switch {
	case err == nil:
		c.st.markWritten(c)
	case survivable(err):
		c.st.log.Warn("the idle marker could not be written", slog.Any("error", err))
	default:
		c.st.fail(err)
	}
}
