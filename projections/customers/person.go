package customers

import (
	"bytes"
	"slices"
	"strings"
	"time"

	"lethe/domain"
	"lethe/domain/subject"
	"lethe/projections"
	"lethe/projections/standing"
)

// person is somebody's rows, while they are being folded.
type person struct {
	token string
	dirty bool
	head  head

	fields []field
	gone   []place // fields to delete
	claims *subject.State
}

// head is the row in customers. known: the person was registered.
type head struct {
	known               bool
	stored              bool // it has a row
	jurisdiction        string
	acquired            string
	source              source
	recorded, effective int64
	event               []byte
	revision, position  int64
	changed             int64
	restricted          bool
	objections          int64 // that stand
	status              Status
	closed              string // groups, sorted and joined by a space
	row                 projections.Part
}

type source struct {
	system, table string
	imported      []byte
}

type place struct {
	field     string
	slot      int64
	lifecycle int64 // an earlier one that it had to stay of, or 0
}

type field struct {
	place
	dirty           bool
	stored          bool // it has a row
	group, class    string
	purposes        string
	event           []byte
	revision        int64
	recorded, since int64
	source          source
	part            projections.Part
}

// effective is the event's, in microseconds.
func effective(e *domain.Recorded) int64 { return standing.Effective(e).UnixMicro() }

func sourceOf(s *subject.Source) source {
	of := source{system: string(s.System), table: string(s.Table)}
	if !s.Import.IsZero() {
		of.imported = s.Import[:]
	}
	return of
}

// apply folds one event. Those that change nothing here still move the
// revision.
func (p *person) apply(e *domain.Recorded) {
	p.head.revision, p.head.position, p.head.changed = int64(e.Revision), int64(e.Position), e.Recorded.UnixMicro()
	switch x := e.Event.(type) {
	case *subject.Registered:
		p.register(e, x)
	case *subject.FieldsRecorded:
		for i := range x.Items {
			p.set(e, &x.Items[i], &x.Source, x.Purpose)
		}
	case *subject.FieldsRectified:
		for i := range x.Items {
			p.set(e, &x.Items[i], &x.Source, "")
		}
	case *subject.FieldRemoved:
		p.remove(x)
	case *subject.ValuesResealed:
		p.reseal(e, x)
	case *subject.ErasureReapplied:
		p.drop(in(x.Erased))
	case *subject.LifecycleOpened:
		p.outlive(x)
	}
}

// outlive drops what was erased when a new lifecycle opens, and puts what had
// to stay aside.
func (p *person) outlive(x *subject.LifecycleOpened) {
	p.drop(func(f *field) bool { return slices.Contains(x.Groups, domain.Name(f.group)) })
	for i := range p.fields {
		f := &p.fields[i]
		if f.lifecycle > 0 || !slices.Contains(x.Waits, domain.Name(f.group)) {
			continue
		}
		if f.stored {
			p.gone = append(p.gone, f.place)
		}
		f.lifecycle, f.dirty, f.stored = int64(x.Number)-1, true, false
	}
}

// reseal points values to where they are sealed now. All else of them is as
// it was.
func (p *person) reseal(e *domain.Recorded, x *subject.ValuesResealed) {
	for i := range x.Items {
		item := &x.Items[i]
		part, ok := projections.PartOf(&item.Value, x.EventType())
		at := slices.IndexFunc(p.fields, func(f field) bool {
			return f.field == string(item.Field) && f.slot == int64(item.Slot) && bytes.Equal(f.event, item.From[:])
		})
		if ok && at >= 0 {
			f := &p.fields[at]
			f.dirty, f.part, f.event, f.revision = true, part, slices.Clone(e.ID[:]), int64(e.Revision)
		}
	}
	p.drop(in(x.Dropped))
}

func in(refs []subject.ValueRef) func(*field) bool {
	return func(f *field) bool {
		return slices.Contains(refs, subject.ValueRef{Field: domain.Name(f.field), Slot: uint16(f.slot), Lifecycle: uint32(f.lifecycle)})
	}
}

func (p *person) find(at place) int {
	return slices.IndexFunc(p.fields, func(f field) bool { return f.place == at })
}

// earlier finds the newest value of an earlier lifecycle that had the place.
func (p *person) earlier(at place) int {
	found := -1
	for i, f := range p.fields {
		if f.field == at.field && f.slot == at.slot && (found < 0 || f.lifecycle > p.fields[found].lifecycle) {
			found = i
		}
	}
	return found
}

// drop takes values out of the record.
func (p *person) drop(which func(*field) bool) {
	kept := p.fields[:0]
	for _, f := range p.fields {
		if !which(&f) {
			kept = append(kept, f)
		} else if f.stored {
			p.gone = append(p.gone, f.place)
		}
	}
	clear(p.fields[len(kept):])
	p.fields = kept
}

// register opens the record; a second registration means nothing.
func (p *person) register(e *domain.Recorded, x *subject.Registered) {
	if p.head.known {
		return
	}
	h := &p.head
	h.known, h.status = true, statusOf(p.claims)
	h.jurisdiction, h.acquired, h.source = string(x.Jurisdiction), string(x.Acquired), sourceOf(&x.Source)
	h.recorded, h.effective, h.event = e.Recorded.UnixMicro(), effective(e), slices.Clone(e.ID[:])
	h.row, _ = projections.PartOf(&x.Row, x.EventType())
}

// set records a value for a purpose, or rectifies one that is held.
func (p *person) set(e *domain.Recorded, item *subject.Item, from *subject.Source, purpose domain.Name) {
	part, ok := projections.PartOf(&item.Value, e.Event.EventType())
	if !ok {
		return
	}
	at := place{field: string(item.Field), slot: int64(item.Slot)}
	i := p.find(at)
	if i < 0 && purpose == "" {
		i = p.earlier(at)
	}
	if i < 0 {
		if purpose == "" {
			return // rectifying what is not held means nothing
		}
		i = len(p.fields)
		p.fields = append(p.fields, field{place: at})
	}
	f := &p.fields[i]
	f.dirty = true
	f.purposes = with(f.purposes, string(purpose))
	f.group, f.class = string(item.Group), string(item.Class)
	f.event, f.revision = slices.Clone(e.ID[:]), int64(e.Revision)
	f.recorded, f.since = e.Recorded.UnixMicro(), effective(e)
	f.source, f.part = sourceOf(from), part
}

// remove takes a purpose's values of a field away; a value that no purpose
// holds any more is out of the record.
func (p *person) remove(x *subject.FieldRemoved) {
	p.drop(func(f *field) bool {
		if f.field != string(x.Field) {
			return false
		}
		rest := without(f.purposes, string(x.Purpose))
		f.dirty = f.dirty || rest != f.purposes
		f.purposes = rest
		return rest == ""
	})
}

func with(list, name string) string {
	switch {
	case name == "" || list == name:
		return list
	case list == "":
		return name
	}
	for have := range strings.FieldsSeq(list) {
		if have == name {
			return list
		}
	}
	return list + " " + name
}

func without(list, name string) string {
	names := strings.Fields(list)
	return strings.Join(slices.DeleteFunc(names, func(s string) bool { return s == name }), " ")
}

// claim folds what restricts, links or erases the person: all that is
// recorded, also what is yet to take effect.
func (p *person) claim(e *domain.Recorded) {
	p.claims = subject.Evolve(p.claims, *e)
	p.head.status, p.head.closed = statusOf(p.claims), closedOf(p.claims)
	snapshot := p.claims.At(time.Time{}, time.Time{})
	p.head.restricted, p.head.objections = snapshot.Restricted(), 0
	for _, o := range snapshot.Objections {
		if stands(o.State) {
			p.head.objections++
		}
	}
}

// statusOf tells how far the record is erased. nil is a record without claims.
func statusOf(claims *subject.State) Status {
	status := Active
	for _, e := range claims.Entries() {
		switch x := e.Event.(type) {
		case *subject.ErasureCompleted:
			if of, _ := claims.Erasure(x.Erasure); of.Ordered != nil && of.Ordered.Everything {
				status = Erased
			}
		case *subject.LifecycleOpened:
			status = Active
		}
	}
	for _, e := range claims.Erasures() {
		if e.State == subject.IsOrdered || e.State == subject.IsStarted {
			return Erasing
		}
	}
	return status
}

func closedOf(claims *subject.State) string {
	var list []string
	for g := range claims.Closed(time.Time{}) {
		list = append(list, string(g))
	}
	slices.Sort(list)
	return strings.Join(list, " ")
}

// stands reports whether an objection counts: until it is settled, and when
// it was upheld.
func stands(s subject.ObjectionState) bool { return s == subject.Pending || s == subject.Upheld }
