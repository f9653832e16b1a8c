package audit

import (
	"fmt"
	"slices"
	"strings"

	"lethe/domain/subject"
	"lethe/eventstore"
)

// maxLost is how many people are named who lost something.
const maxLost = 100

// lostValues is what the log says was to stay when something else was erased,
// and was lost with events that a restore lost: neither erased nor missing a key.
type lostValues struct {
	values, groups int // groups: of which something had stayed that is no value
	people         map[string]bool
	lines          []string
}

// lost notes what an event says of it.
func (c *eventCheck) lost(rec *eventstore.Recorded) {
	if rec.Type != "ErasureReapplied" {
		return
	}
	decoded, err := c.e.Decoder.Decode(rec)
	if err != nil {
		return // decoding it is another check's
	}
	again, ok := decoded.Event.(*subject.ErasureReapplied)
	if !ok || len(again.Left) == 0 {
		return
	}
	c.e.mu.Lock()
	defer c.e.mu.Unlock()
	c.e.lost.add(rec.Stream, again)
}

func (l *lostValues) add(stream string, e *subject.ErasureReapplied) {
	if l.people == nil {
		l.people = map[string]bool{}
	}
	l.people[stream] = true
	l.values += len(e.Lost)
	what := make([]string, 0, len(e.Lost))
	for _, v := range e.Lost {
		what = append(what, fmt.Sprintf("%s:%d", v.Field, v.Slot))
	}
	if len(e.Lost) == 0 {
		l.groups += len(e.Left)
		what = append(what, "what had stayed of it")
	}
	groups := make([]string, len(e.Left))
	for i, g := range e.Left {
		groups[i] = string(g)
	}
	l.lines = append(l.lines, fmt.Sprintf("lost of %s, %s: %s", stream, strings.Join(groups, ", "), strings.Join(what, ", ")))
}

func (l *lostValues) notes() []string {
	if len(l.people) == 0 {
		return nil
	}
	what := fmt.Sprintf("%d values of %d people were to stay when others were erased, and are lost with events that a restore lost: "+
		"they were not erased. What was not brought in again since is to be, from its source", l.values, len(l.people))
	if l.groups > 0 {
		what += fmt.Sprintf("; of %d more groups something had stayed, such as evidence", l.groups)
	}
	slices.Sort(l.lines)
	list := append([]string{what}, l.lines[:min(len(l.lines), maxLost)]...)
	if more := len(l.lines) - maxLost; more > 0 {
		list = append(list, fmt.Sprintf("and of %d more", more))
	}
	return list
}
