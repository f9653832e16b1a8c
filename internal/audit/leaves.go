package audit

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"hash"

	"lethe/eventstore"
	"lethe/internal/leaf"
)

// leafCheck makes the leaves of one section's events again and compares them
// with the tree's files, a tile at a time. One goroutine uses it.
type leafCheck struct {
	l   *logStep
	sec eventstore.Section
	end uint64 // leaf after the section's last

	next uint64              // leaf of the next event
	pos  eventstore.Position // that the next event has if none is missing

	first  uint64              // leaf that the batch begins with
	at     eventstore.Position // of its event
	bundle []byte              // the batch's entries, as a bundle has them
	hashes []byte              // and their hashes

	of       leaf.Leaf
	tile     []byte
	entries  []byte
	above    []byte // of level 1
	aboveN   uint64
	hasAbove bool
	work     [tileBytes]byte

	gone   dropsOf   // sealed values that the section lacks
	digest hash.Hash // of all hashes of the section
	whole  bool      // each of its leaves was compared, and fits
}

// begin makes the check ready for a section.
func (c *leafCheck) begin(sec eventstore.Section) {
	c.sec, c.next, c.end, c.pos, c.whole = sec, sec.First-1, sec.First-1+sec.Count, 0, true
	c.bundle, c.hashes = c.bundle[:0], c.hashes[:0]
	if c.digest == nil {
		c.digest = sha256.New()
	}
	c.digest.Reset()
}

// event takes the section's next event.
func (c *leafCheck) event(rec *eventstore.Recorded) error {
	if rec.Position != c.pos {
		c.jump(rec.Position)
	}
	c.pos++
	c.gone.add(c.sec.Name, rec)
	c.l.drops.say(c.l.Decoder, rec)
	if c.next >= c.l.tree.size {
		c.next++
		return nil
	}
	leaf.Of(c.next, rec, &c.of)
	start := len(c.bundle)
	c.bundle = c.of.Append(append(c.bundle, 0, 0))
	h := sha256.Sum256(c.bundle[start+1:]) // RFC 6962: of a zero and the leaf, before its length stands there
	c.hashes = append(c.hashes, h[:]...)
	binary.BigEndian.PutUint16(c.bundle[start:], uint16(len(c.bundle)-start-2))
	c.next++
	if c.next%tileWidth == 0 || c.next == c.end || c.next == c.l.tree.size {
		c.flush()
	}
	return nil
}

// jump goes on at another place: the section's first event, or the one behind
// events that could not be read.
func (c *leafCheck) jump(to eventstore.Position) {
	c.flush()
	was := c.next
	c.next = c.l.indexOf(to)
	if c.next != was {
		c.missing(was, c.next)
	}
	c.pos, c.first, c.at = to, c.next, to
}

// missing notes leaves whose events were not read.
func (c *leafCheck) missing(from, to uint64) {
	c.whole = false
	c.l.tree.doubt(from, to)
}

func nameOf(id eventstore.EventID, stream string, revision uint64) string {
	return fmt.Sprintf("event %s (stream %s, revision %d)", id, stream, revision)
}

func logFile(name string) string { return "log/" + name }

// finish ends a section whose events were not all read.
func (c *leafCheck) finish() {
	c.flush()
	if c.next < c.end {
		c.missing(c.next, c.end)
	}
}

// flush compares the batch, which lies within one tile.
func (c *leafCheck) flush() {
	k := len(c.hashes) / hashSize
	if k == 0 {
		return
	}
	t := c.l.tree
	n, o := c.first/tileWidth, int(c.first%tileWidth)
	w := width(t.size, 0, n)
	tile, terr := t.tile(0, n, &c.tile)
	entries, eerr := t.entries(n, &c.entries)
	fits := terr == nil && bytes.Equal(tile[o*hashSize:(o+k)*hashSize], c.hashes)
	if !fits || eerr != nil || !c.entriesFit(entries, o, o+k == w) {
		c.whole = false
		c.differ(n, o, tile, terr, entries, eerr)
	}
	if o+k == tileWidth {
		c.compareUp(n, tile, fits)
	} else if !fits {
		t.doubt(c.first, c.first+1)
	}
	c.l.compared.Add(uint64(k))
	if c.l.req.Known != nil {
		c.digest.Write(c.hashes)
	}
	c.bundle, c.hashes = c.bundle[:0], c.hashes[:0]
	c.first, c.at = c.next, c.pos
}

// entriesFit compares the batch with a bundle from its o-th entry on. last: the
// batch ends with the last entry that the tree has in the bundle.
func (c *leafCheck) entriesFit(bundle []byte, o int, last bool) bool {
	at, ok := skip(bundle, o)
	if !ok || !bytes.HasPrefix(bundle[at:], c.bundle) {
		return false
	}
	full := c.first/tileWidth < c.l.tree.size/tileWidth
	return !last || !full || len(bundle) == at+len(c.bundle)
}

// compareUp compares a full tile with the tile above it. What does not fit is
// looked at again when everything that is wrong with either is known.
func (c *leafCheck) compareUp(n uint64, tile []byte, fits bool) {
	t := c.l.tree
	if fits && (!c.hasAbove || c.aboveN != n/tileWidth) {
		_, err := t.tile(1, n/tileWidth, &c.above)
		c.hasAbove, c.aboveN = err == nil, n/tileWidth
	}
	if fits && c.hasAbove {
		copy(c.work[:], tile)
		root := subtree(c.work[:])
		i := int(n%tileWidth) * hashSize
		if bytes.Equal(c.above[i:i+hashSize], root[:]) {
			return
		}
	}
	t.doubt(n*tileWidth, n*tileWidth+1)
}
