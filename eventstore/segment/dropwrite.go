package segment

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"

	"github.com/cockroachdb/pebble/v2/vfs"

	"lethe/eventstore"
)

// replacement is a segment file that is being written to take another's place.
type replacement struct {
	st      *Store
	order   *eventstore.DropOrder
	old     *segmentFile
	oldFile vfs.File
	drop    eventstore.Drop

	path    string
	file    vfs.File
	header  segmentHeader
	prev    uint32
	offsets []uint32
	end     int64  // of what was written to the file
	buf     []byte // groups that follow it
	group   []byte // under way

	sealed [][]byte // of the record under way
	gone   []eventstore.Dropped
	picked uint64 // parts
}

// build writes the file, makes it durable and compares it with the old one. It
// gives nil when no part was picked.
func (r *replacement) build(ctx context.Context) (next *segmentFile, err error) {
	if err := r.room(); err != nil {
		return nil, err
	}
	salt, err := newSalt(r.st.opts.Rand)
	if err != nil {
		return nil, err
	}
	entry := r.old.entry
	entry.Version++
	r.header = segmentHeader{number: entry.Number, version: entry.Version, salt: salt}
	name := segmentName(entry.Number, entry.Version)
	r.path, r.prev = r.st.fs.PathJoin(r.st.dir, name), r.header.crc()
	r.st.passing.add(name)
	defer r.st.passing.remove(name)
	defer func() {
		if next == nil {
			r.discard()
		}
	}()
	if entry.End, err = r.write(ctx); err != nil || r.picked == 0 {
		return nil, err
	}
	made := r.st.segmentFor(entry, r.header)
	if err := r.compare(ctx, made); err != nil {
		return nil, err
	}
	return made, nil
}

// room refuses before anything is written what would take the space that the
// log and its index need.
func (r *replacement) room() error {
	usage, err := r.st.fs.GetDiskUsage(r.st.dir)
	if need := uint64(r.old.durableEnd()) + r.st.opts.IndexReserve; err == nil && usage.AvailBytes < need {
		return fmt.Errorf("%w: a second file of this size is needed beside it", eventstore.ErrNoSpace)
	}
	return nil // what cannot be asked is found out
}

// discard removes a file that does not count, or the next open does.
func (r *replacement) discard() { _ = r.st.fs.Remove(r.path) }

// write copies the groups and gives where they end. Nothing is lost when it
// fails: the file is not in MANIFEST.
func (r *replacement) write(ctx context.Context) (end int64, err error) {
	if err := r.st.fs.Remove(r.path); err != nil && !isNotExist(err) {
		return 0, fmt.Errorf("removing a leftover segment: %w", mediumError(err))
	}
	if r.file, err = r.st.fs.OpenReadWrite(r.path, writeCategory); err != nil {
		return 0, fmt.Errorf("creating a segment: %w", mediumError(err))
	}
	r.buf = append(r.buf, r.header.encode()...)
	if err = r.groups(ctx); err == nil {
		end = r.end + int64(len(r.buf))
		r.buf = append(r.buf, encodeFooter(r.offsets)...)
		err = r.flush()
	}
	if err == nil && r.picked > 0 {
		if err = r.file.Sync(); err != nil {
			err = fmt.Errorf("syncing a segment: %w", mediumError(err))
		}
	}
	if cerr := r.file.Close(); err == nil && cerr != nil {
		err = fmt.Errorf("closing a segment: %w", cerr)
	}
	if err == nil && r.picked > 0 {
		err = syncDir(r.st.fs, r.st.dir)
	}
	return end, err
}

func (r *replacement) groups(ctx context.Context) error {
	w := r.st.newWalk()
	defer r.st.walks.Put(w)
	if err := w.start(r.st, r.old, r.oldFile, r.old.section()); err != nil {
		return err
	}
	for w.r.off < w.r.end {
		if err := errors.Join(r.st.readable(ctx, true), r.st.failed()); err != nil {
			return err
		}
		if err := w.advance(); err != nil {
			return err
		}
		if err := r.copyGroup(w); err != nil {
			return err
		}
		if len(r.buf) >= zeroChunk {
			if err := r.flush(); err != nil {
				return err
			}
		}
	}
	return w.complete()
}

// copyGroup adds the walk's present group to what is to be written.
func (r *replacement) copyGroup(w *sectionWalk) error {
	base := r.end + int64(len(r.buf))
	g := append(r.group[:0], w.group[:groupHeaderSize]...)
	for w.left > 0 {
		from := w.at
		rec, err := w.record()
		if err != nil {
			return err
		}
		at := len(g)
		r.offsets = append(r.offsets, uint32(base)+uint32(at))
		if r.pick(rec) {
			e := rec.Event
			e.Sealed = r.sealed
			g = appendParts(g, rec.Stream, rec.Revision, rec.Recorded.UnixMicro(), &e, r.gone)
			continue
		}
		g = append(g, w.group[from:w.at]...)
		le.PutUint32(g[at+8:], uint32(at))
		sumRecord(g[at:])
	}
	if err := w.done(); err != nil {
		return err
	}
	for len(g)%groupAlign != 0 {
		g = append(g, 0)
	}
	h := w.head
	h.salt, h.length, h.prev = r.header.salt, uint32(len(g)-groupHeaderSize), r.prev
	r.prev = h.seal(g)
	r.group, r.buf = g, append(r.buf, g...)
	return nil
}

// pick sorts a record's parts into those that stay and those that go or are
// gone; false when none goes.
func (r *replacement) pick(rec *eventstore.Recorded) bool {
	r.sealed, r.gone = r.sealed[:0], append(r.gone[:0], rec.Dropped...)
	for i, p := range rec.Sealed {
		keep, drop := r.order.Pick(rec, i)
		if !drop {
			r.sealed = append(r.sealed, p)
			continue
		}
		keep = min(max(keep, eventstore.MinHead), max(len(p)-1, 0))
		r.gone = append(r.gone, eventstore.Dropped{
			Index: rec.PartIndex(i), Head: p[:keep], Hash: sha256.Sum256(p), Size: uint32(len(p)), By: r.order.ID,
		})
	}
	n := len(r.gone) - len(rec.Dropped)
	r.picked += uint64(n)
	slices.SortFunc(r.gone, func(a, b eventstore.Dropped) int { return a.Index - b.Index })
	return n > 0
}

// flush writes what has gathered, on its way to the disk at once: the sync at
// the end is short then, and the log's own syncs do not queue behind it.
func (r *replacement) flush() error {
	if _, err := r.file.WriteAt(r.buf, r.end); err != nil {
		return fmt.Errorf("writing a segment: %w", mediumError(err))
	}
	r.end += int64(len(r.buf))
	r.buf = r.buf[:0]
	if _, err := r.file.SyncTo(r.end); err != nil {
		return fmt.Errorf("writing a segment: %w", mediumError(err))
	}
	return nil
}

// compare reads both files and requires that they hold the same, but for the
// parts that were picked, of which the new one keeps the hashes. It says what
// was dropped.
func (r *replacement) compare(ctx context.Context, next *segmentFile) error {
	f, err := r.st.fs.Open(next.path)
	if err != nil {
		return fmt.Errorf("opening %s: %w", next.name, err)
	}
	defer func() { _ = f.Close() }() // was only read
	was, is := r.st.newWalk(), r.st.newWalk()
	defer func() { r.st.walks.Put(was); r.st.walks.Put(is) }()
	err = errors.Join(was.start(r.st, r.old, r.oldFile, r.old.section()), is.start(r.st, next, f, next.section()))
	if err != nil {
		return err
	}
	c := comparison{r: r, drop: eventstore.Drop{ID: r.order.ID}}
	if err := c.run(ctx, was, is); err != nil {
		return fmt.Errorf("comparing a segment with its replacement: %w", err)
	}
	if offsets, err := readFooter(f, &next.entry); err != nil || !slices.Equal(offsets, r.offsets) {
		return errors.New("comparing a segment with its replacement: the table of offsets is not the one that was written")
	}
	r.drop = c.drop
	return nil
}

// comparison goes through a segment and its replacement side by side.
type comparison struct {
	r    *replacement
	drop eventstore.Drop
	list eventstore.DropList
}

func (c *comparison) run(ctx context.Context, was, is *sectionWalk) error {
	for {
		if err := c.r.st.readable(ctx, true); err != nil {
			return err
		}
		a, err := was.step()
		if err != nil {
			return err
		}
		b, err := is.step()
		if err != nil {
			return err
		}
		if a == nil || b == nil {
			break
		}
		if !c.same(a, b) {
			return fmt.Errorf("event %s is another", a.Position)
		}
	}
	c.drop.Parts, c.drop.Bytes, c.drop.List = c.list.Parts, c.list.Bytes, c.list.Sum()
	if c.drop.Parts != c.r.picked {
		return fmt.Errorf("%d parts are gone, and %d were to go", c.drop.Parts, c.r.picked)
	}
	return errors.Join(was.complete(), is.complete())
}

// same compares an event with what the replacement has of it.
func (c *comparison) same(a, b *eventstore.Recorded) bool {
	if a.ID != b.ID || a.Stream != b.Stream || a.Revision != b.Revision || a.Position != b.Position ||
		a.Type != b.Type || a.Version != b.Version || !a.Recorded.Equal(b.Recorded) || !a.Effective.Equal(b.Effective) ||
		!bytes.Equal(a.Facts, b.Facts) || !bytes.Equal(a.Metadata, b.Metadata) {
		return false
	}
	if c.drop.First == 0 {
		c.drop.First = a.Position
	}
	c.drop.Last = a.Position
	return c.sameParts(a, b)
}

func (c *comparison) sameParts(a, b *eventstore.Recorded) bool {
	n := len(a.Sealed) + len(a.Dropped)
	if len(b.Sealed)+len(b.Dropped) != n {
		return false
	}
	before, sealedA, sealedB, goneA, goneB := c.list.Parts, a.Sealed, b.Sealed, a.Dropped, b.Dropped
	for i := range n {
		wasGone, isGone := len(goneA) > 0 && goneA[0].Index == i, len(goneB) > 0 && goneB[0].Index == i
		switch {
		case wasGone && isGone:
			if !sameDropped(&goneA[0], &goneB[0]) {
				return false
			}
			goneA, goneB = goneA[1:], goneB[1:]
		case isGone && len(sealedA) > 0:
			if !c.leftOf(sealedA[0], &goneB[0]) {
				return false
			}
			c.list.Add(a.Position, &goneB[0])
			sealedA, goneB = sealedA[1:], goneB[1:]
		case !wasGone && len(sealedA) > 0 && len(sealedB) > 0 && bytes.Equal(sealedA[0], sealedB[0]):
			sealedA, sealedB = sealedA[1:], sealedB[1:]
		default:
			return false
		}
	}
	if c.list.Parts > before {
		c.drop.Events++
	}
	return true
}

// leftOf reports whether d is what this removal leaves of a part.
func (c *comparison) leftOf(p []byte, d *eventstore.Dropped) bool {
	return d.By == c.drop.ID && d.Hash == sha256.Sum256(p) && int(d.Size) == len(p) && bytes.HasPrefix(p, d.Head) &&
		len(d.Head) >= min(eventstore.MinHead, max(len(p)-1, 0))
}

func sameDropped(a, b *eventstore.Dropped) bool {
	return a.Index == b.Index && a.By == b.By && a.Hash == b.Hash && a.Size == b.Size && bytes.Equal(a.Head, b.Head)
}
