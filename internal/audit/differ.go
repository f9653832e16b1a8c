package audit

import (
	"bytes"
	"fmt"

	"lethe/eventstore"
	"lethe/internal/leaf"
)

const (
	meansAltered = "what was sealed and published for it is older evidence than the event: the event was changed after it was sealed, " +
		"or this segment was exchanged for another. Do not rely on it; put the segment back from a backup and verify again"
	meansDisagree = "more than one of the three was changed. Compare all of them with a backup or a mirror before anything is relied on"
)

// difference is what is wrong with some of a batch's leaves.
type difference struct {
	count int
	first int // of the batch
}

func (d *difference) add(i int) {
	if d.count == 0 {
		d.first = i
	}
	d.count++
}

// differ says of a batch that does not fit which of event, entry and hash is
// the odd one: where two agree, they are taken to be right.
func (c *leafCheck) differ(n uint64, o int, tile []byte, terr error, bundle []byte, eerr error) {
	t := c.l.tree
	k := len(c.hashes) / hashSize
	if terr != nil {
		t.unread(0, n, terr, c.l.report)
		t.fix(0, n, o, c.hashes)
	}
	if eerr != nil {
		t.unread(-1, n, eerr, c.l.report)
	}
	mine, theirs := entriesOf(c.bundle, k), entriesOf(bundle, o+k)[o:]
	var altered, badHash, badEntry, all difference
	for i := range k {
		made := c.hashes[i*hashSize : (i+1)*hashSize]
		hashFits := terr != nil || bytes.Equal(tile[(o+i)*hashSize:(o+i+1)*hashSize], made)
		entryFits := eerr != nil || bytes.Equal(mine[i], theirs[i])
		switch {
		case hashFits && entryFits:
		case hashFits:
			badEntry.add(i)
		case entryFits:
			badHash.add(i)
			t.fix(0, n, o+i, made)
		case isLeaf(theirs[i], tile[(o+i)*hashSize:(o+i+1)*hashSize]):
			altered.add(i)
		default:
			all.add(i)
		}
	}
	if eerr != nil { // two that differ, and no third
		all.count, all.first, badHash = badHash.count, badHash.first, difference{}
	}
	if badEntry.count+all.count+altered.count > 0 {
		t.spoil(n)
	}
	if all.count+altered.count > 0 {
		t.breakUp()
	}
	c.tell(n, mine, altered, badHash, badEntry, all)
	if altered.count+badHash.count+badEntry.count+all.count == 0 && terr == nil && eerr == nil {
		c.l.report(Finding{Where: t.entriesPath(n), What: "it goes on behind its last entry", Means: meansTile})
	}
}

func (c *leafCheck) tell(n uint64, mine [][]byte, altered, badHash, badEntry, all difference) {
	t := c.l.tree
	event := func(i int) string {
		l, _ := leaf.Parse(mine[i]) // was just made
		return nameOf(l.EventID, l.Stream, l.Revision)
	}
	if d := altered; d.count > 0 {
		c.l.report(Finding{
			Where: logFile(c.sec.Name), at: uint64(c.at) + uint64(d.first),
			What: fmt.Sprintf("%s, at position %s, is not the one that was sealed as leaf %d%s", event(d.first),
				c.at+eventstore.Position(d.first), c.first+uint64(d.first), others(d)),
			Means: meansAltered,
		})
	}
	for _, one := range []struct {
		d     difference
		where string
		what  string
		means string
	}{
		{badHash, t.path(0, n), "the hash of leaf %d is not that of its event and its entry%s", meansTile},
		{badEntry, t.entriesPath(n), "the entry of leaf %d is not that of its event and its hash%s", meansTile},
		{all, t.path(0, n), "of leaf %d, hash, entry and event do not agree%s", meansDisagree},
	} {
		if one.d.count > 0 {
			i := c.first + uint64(one.d.first)
			c.l.report(Finding{Where: one.where, at: i, What: fmt.Sprintf(one.what, i, others(one.d)), Means: one.means})
		}
	}
}

func others(d difference) string {
	switch d.count {
	case 1:
		return ""
	case 2:
		return "; nor is one more of this tile"
	}
	return fmt.Sprintf("; nor are %d more of this tile", d.count-1)
}
