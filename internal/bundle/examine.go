package bundle

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"
	"time"

	"lethe/internal/leaf"
	"lethe/internal/part"
	"lethe/internal/tlog"
)

// content is what an input proves.
type content struct {
	in         *Input
	checkpoint tlog.Checkpoint
	keys       *ownKeys // nil: not to be relied on
	events     []event  // by leaf index
	revision   uint64   // the last one of the person's stream
	listed     bool     // the files were compared with the manifest's list
}

// event is one event with its leaf parsed and its disclosed values opened.
type event struct {
	*Event
	dir    string // of its files, with the slash
	leaf   leaf.Leaf
	values []value
}

// value is a disclosed value.
type value struct {
	part  int
	field string
	text  string
}

// own reports whether the event is of the person's stream.
func (c *content) own(e *event) bool { return e.leaf.Stream == streamOf(c.in.Subject) }

func streamOf(subject string) string { return "subject-" + subject }

// Streams that events besides the person's own may be of.
const (
	streamCatalogue  = "catalogue"
	streamOperations = "operations"
)

// examine checks everything that needs no trust: that the events are in the
// tree of the checkpoint, that contents are those of the events, and that the
// order is right. Everything found goes into the report.
func examine(in *Input, r *Report) *content {
	c := &content{in: in}
	if c.openCheckpoint(r) {
		c.openKeys(r)
	}
	for i := range in.Events {
		c.openEvent(&in.Events[i], r)
	}
	slices.SortStableFunc(c.events, func(a, b event) int { return cmp.Compare(a.leaf.Index, b.leaf.Index) })
	c.order(r)
	return c
}

func (c *content) openCheckpoint(r *Report) bool {
	if c.in.Checkpoint == nil {
		r.find(CheckCheckpoint, nameCheckpoint, "the file is missing", "nothing says which tree the events are in")
		return false
	}
	cp, err := tlog.CheckpointOf(c.in.Checkpoint)
	if err == nil {
		err = cp.Check()
	}
	if err != nil {
		r.find(CheckCheckpoint, nameCheckpoint, err.Error(), "it was altered; nothing says which tree the events are in")
		return false
	}
	c.checkpoint = cp
	return true
}

// openEvent checks one event on its own and keeps it when its leaf parses.
func (c *content) openEvent(in *Event, r *Report) {
	where := cmp.Or(in.dir, eventsDir) + inLeaf
	if in.Leaf == nil {
		r.find(CheckInclusion, where, "the file is missing", "the entry was left out or renamed; what it was cannot be told")
		return
	}
	l, err := leaf.Parse(in.Leaf)
	if err != nil {
		r.find(CheckInclusion, where, err.Error(), "the entry was altered, or is of a newer version of the ledger")
		return
	}
	e := event{Event: in, dir: cmp.Or(in.dir, dirOf(l.Index)), leaf: l}
	if e.dir != dirOf(l.Index) || l.Index >= maxIndex {
		r.find(CheckInclusion, where, fmt.Sprintf("it is of index %d, which does not belong in this folder", l.Index), "the entry was altered, or its folder renamed")
	}
	c.included(&e, r)
	contents(&e, e.dir+inFacts, in.Facts, l.Facts, r)
	contents(&e, e.dir+inMetadata, in.Metadata, l.Metadata, r)
	for i := range in.Disclosed {
		c.open(&e, &in.Disclosed[i], r)
	}
	c.stated(&e, r)
	c.events = append(c.events, e)
}

// included checks that the entry is where it says in the checkpoint's tree.
func (c *content) included(e *event, r *Report) {
	if c.checkpoint.Origin == "" {
		return // there is no tree: found already
	}
	err := tlog.VerifyInclusion(e.Path, c.checkpoint.Size, c.checkpoint.Root, int64(e.leaf.Index), leaf.Hash(e.Leaf))
	if err != nil {
		r.find(CheckInclusion, e.dir+inLeaf, err.Error(), "the entry, its proof or the checkpoint was altered, or they are not of the same tree: this event is not shown to be in history")
	}
}

func contents(e *event, name string, data []byte, want [sha256.Size]byte, r *Report) {
	switch {
	case data == nil:
		r.find(CheckContents, name, "the file is missing", "the entry shows that there was something, not what")
	case sha256.Sum256(data) != want:
		r.find(CheckContents, name, fmt.Sprintf("it does not have the SHA-256 that leaf %d has of it", e.leaf.Index), "it was altered, or is of another event: this is not what was recorded")
	}
}

// open checks one disclosed part and opens it.
func (c *content) open(e *event, d *Disclosed, r *Report) {
	name, secret := e.dir+numbered(inPart, d.Index), e.dir+numbered(inSecret, d.Index)
	if d.Index < 0 || d.Index >= len(e.leaf.Parts) {
		r.find(CheckContents, name, fmt.Sprintf("the event has %s, none of this number", number(len(e.leaf.Parts), "sealed value", "sealed values")), "it was added or renamed")
		return
	}
	if d.Part == nil {
		r.find(CheckContents, name, "the sealed value is missing and its secret is there", "it was left out or renamed")
		return
	}
	if sha256.Sum256(d.Part) != e.leaf.Parts[d.Index].Hash {
		r.find(CheckContents, name, fmt.Sprintf("it does not have the SHA-256 that leaf %d has of part %d", e.leaf.Index, d.Index), "it was altered, or is of another event: this is not what was sealed")
		return
	}
	field, ok := part.Field(d.Part)
	if !ok {
		r.find(CheckContents, name, "it is no sealed value of a version known here", "it cannot be opened by this program")
		return
	}
	at := part.Context{Stream: e.leaf.Stream, EventID: e.leaf.EventID, Type: e.leaf.Type, Version: e.leaf.Version, Field: string(field)}
	text, err := part.Open(d.Secret[:], d.Part, at)
	if err != nil {
		r.find(CheckContents, secret, err.Error(), "the secret was altered or left out, or is of another value: the value is in history and cannot be read with it")
		return
	}
	if n := len(e.values); n > 0 && e.values[n-1].part >= d.Index {
		r.find(CheckContents, name, "disclosed values are not in order", "one is there twice")
		return
	}
	e.values = append(e.values, value{d.Index, string(field), text})
}

// stated checks what the catalogue states of its own texts: a notice is named
// by the SHA-256 of its text everywhere.
func (c *content) stated(e *event, r *Report) {
	if e.leaf.Type != typeNotice {
		return
	}
	for _, v := range e.values {
		if v.field == fieldNoticeText && digest([]byte(v.text)) != factsOf(e.Facts).get("digest") {
			r.find(CheckContents, e.dir+numbered(inPart, v.part), "the notice's text does not have the digest that names it", "the ledger recorded a text under a wrong name")
		}
	}
}

// order checks streams, revisions and times of all events.
func (c *content) order(r *Report) {
	if !validToken(c.in.Subject) {
		r.find(CheckOrder, nameManifest, "the subject is no token", "nothing says whose events these are")
	}
	if !microseconds(c.in.AsOf) {
		r.find(CheckOrder, nameManifest, "as_of is no time in whole microseconds", "it was altered; the ledger has no such times")
	}
	next := map[string]uint64{}
	seen := map[string]bool{}
	for i := range c.events {
		e := &c.events[i]
		where := e.dir + inLeaf
		if i > 0 {
			c.follows(e, &c.events[i-1], r)
		}
		switch e.leaf.Stream {
		case streamOf(c.in.Subject):
			c.revised(e, next[e.leaf.Stream], r)
		case streamCatalogue, streamOperations:
			if seen[e.leaf.Stream] && e.leaf.Revision < next[e.leaf.Stream] {
				r.find(CheckOrder, where, fmt.Sprintf("revision %d of %s stands behind a later one", e.leaf.Revision, e.leaf.Stream), "the log itself holds them in a wrong order, or twice")
			}
		default:
			r.find(CheckOrder, where, "it is of another stream than the subject's, the catalogue and operations", "it does not belong in this bundle")
		}
		next[e.leaf.Stream], seen[e.leaf.Stream] = e.leaf.Revision+1, true
		if !c.in.AsOf.IsZero() && e.leaf.Recorded.After(c.in.AsOf) {
			r.find(CheckOrder, where, fmt.Sprintf("it was recorded at %s, after the %s that the bundle is as of", stamp(e.leaf.Recorded), stamp(c.in.AsOf)), "it does not belong in this bundle, or as_of was altered")
		}
	}
	if !seen[streamOf(c.in.Subject)] {
		r.find(CheckOrder, eventsDir, "there is no event of the subject's stream", "they were left out, or the subject was altered; the bundle shows nothing of this person")
	}
}

// follows checks an event against the one before it in the tree.
func (c *content) follows(e, before *event, r *Report) {
	if e.leaf.Index == before.leaf.Index {
		r.find(CheckOrder, e.dir+inLeaf, "two events have this index", "an entry is there twice, or one of them is not of this tree")
	}
	if e.leaf.Recorded.Before(before.leaf.Recorded) {
		r.find(CheckOrder, e.dir+inLeaf, fmt.Sprintf("it was recorded at %s, before leaf %d", stamp(e.leaf.Recorded), before.leaf.Index), "the log itself holds times that go back: its clock or its order is not to be relied on")
	}
	if e.leaf.EventID == before.leaf.EventID {
		r.find(CheckOrder, e.dir+inLeaf, fmt.Sprintf("it has the event ID of leaf %d", before.leaf.Index), "the log itself holds one event twice")
	}
}

// revised checks that the person's stream goes on without a gap.
func (c *content) revised(e *event, want uint64, r *Report) {
	where := e.dir + inLeaf
	switch {
	case e.leaf.Revision > want:
		r.find(CheckOrder, where, fmt.Sprintf("revision %d follows where %d is due", e.leaf.Revision, want), fmt.Sprintf("revisions %d to %d were left out", want, e.leaf.Revision-1))
	case e.leaf.Revision < want:
		r.find(CheckOrder, where, fmt.Sprintf("revision %d follows where %d is due", e.leaf.Revision, want), "the log itself holds the revision twice, or in a wrong order")
	}
	c.revision = e.leaf.Revision
}

// validToken reports whether s can be a subject's token: what it names is
// compared with the streams of the events.
func validToken(s string) bool {
	return s != "" && len(s) <= maxTokens && strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789") == ""
}

// microseconds reports whether t is a time as the ledger has them.
func microseconds(t time.Time) bool { return t.Equal(t.Truncate(time.Microsecond)) }

// equalFile reports whether a file is what it must be, and where not.
func equalFile(got, want []byte) (offset int, same bool) {
	if bytes.Equal(got, want) {
		return 0, true
	}
	return differ(got, want), false
}
