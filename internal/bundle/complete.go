package bundle

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"lethe/internal/leaf"
	"lethe/internal/tlog"
)

// complete checks by a scan that the person's stream has no other entry in
// the tree, and sets the statement. The error says that entries could not be
// read.
func (c *content) complete(ctx context.Context, t *Trust, r *Report) error {
	said := statement(c.revision, c.checkpoint.Size)
	if r.failed(CheckCheckpoint, CheckInclusion, CheckOrder) {
		r.skip(CheckEntries, "the events themselves do not hold together")
		return nil
	}
	if t.Entries == nil {
		r.Statement = said + fmt.Sprintf(": revisions 0 to %d are here without a gap; whether the stream has other entries in the tree was not checked", c.revision)
		if !c.in.AsOf.IsZero() {
			r.Statement += fmt.Sprintf(", so that these are all up to %s is only what the bundle says", stamp(c.in.AsOf))
		}
		r.skip(CheckEntries, "no tiles were given to scan: that later revisions were not withheld is not shown")
		return nil
	}
	s, err := scan(ctx, t.Entries, c.checkpoint.Size, streamOf(c.in.Subject), t.Workers)
	if err != nil && !errors.Is(err, errEntries) {
		r.skip(CheckEntries, "the entries could not be read")
		return err
	}
	if err != nil || s.root != c.checkpoint.Root {
		what := "the entries do not hash to the checkpoint's root"
		if err != nil {
			what = err.Error()
		}
		r.find(CheckEntries, culprit(ctx, t, c.checkpoint.Size), what, "the entries that were scanned are not those that the log signed, so they show nothing about the stream")
		r.close(CheckEntries, "")
		return nil
	}
	later := c.compare(s, r)
	r.close(CheckEntries, "%s to the root, and the stream has %d of them", number(int(c.checkpoint.Size), "entry was scanned; it hashes", "entries were scanned; they hash"), len(s.hits))
	if r.failed(CheckEntries) {
		return nil
	}
	r.Statement = said + fmt.Sprintf(": the stream has no other entry among the %d of the tree", c.checkpoint.Size)
	if later > 0 {
		r.Statement = said + fmt.Sprintf(", as of %s: the stream's %s recorded later", stamp(c.in.AsOf),
			number(later, "other entry in the tree was", "other entries in the tree were"))
	}
	return nil
}

// compare checks that what a scan found of the stream is what the bundle has,
// and counts entries that were recorded after the time that it is as of.
func (c *content) compare(s scanned, r *Report) (later int) {
	if s.foreign >= 0 {
		r.find(CheckEntries, c.place(s.foreign), "the entry is no leaf of a version known here", "of which stream it is cannot be told: a newer program may know")
	}
	have := map[int64][]byte{}
	for i := range c.events {
		if e := &c.events[i]; c.own(e) {
			have[int64(e.leaf.Index)] = e.Leaf
		}
	}
	for _, h := range s.hits {
		entry, here := have[h.index]
		switch l, err := leaf.Parse(h.entry); {
		case here && bytes.Equal(entry, h.entry):
			delete(have, h.index)
		case err != nil:
			r.find(CheckEntries, c.place(h.index), err.Error(), "the log itself holds an entry that is damaged")
		case !c.in.AsOf.IsZero() && l.Revision > c.revision && l.Recorded.After(c.in.AsOf):
			later++
		default:
			r.find(CheckEntries, c.place(h.index),
				fmt.Sprintf("revision %d of the stream, %s, recorded at %s, is in the tree and not in the bundle", l.Revision, l.Type, stamp(l.Recorded)),
				"it was withheld: the bundle is not complete")
		}
	}
	for index := range have {
		r.find(CheckEntries, dirOf(uint64(index))+inLeaf, "the scan found another entry there", "the entry is not the tree's")
	}
	return later
}

// place names an entry by where it is in the tiles.
func (c *content) place(index int64) string {
	b := index / tlog.TileWidth
	width := min(tlog.TileWidth, c.checkpoint.Size-b*tlog.TileWidth)
	return fmt.Sprintf("entry %d of the tree (%s)", index, tlog.EntriesPath(b, int(width)))
}
