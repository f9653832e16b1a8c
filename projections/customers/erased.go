package customers

import (
	"lethe/domain"
	"lethe/domain/subject"
	"lethe/projections"
)

// erasure leaves markers of what an event destroys, and brings back what an
// erasure would have destroyed that was stopped after its start.
func (p *person) erasure(tx projections.Tx, e *domain.Recorded) error {
	if x, ok := e.Event.(*subject.ErasureStopped); ok {
		if of, _ := p.claims.Erasure(x.Erasure); of.Started != nil {
			return p.restore(tx, e)
		}
		return nil
	}
	gone, ok := projections.GoneBy(e.Event)
	if !ok {
		return nil
	}
	gone.Erase(&p.head.row)
	for i := range p.fields {
		f := &p.fields[i]
		f.dirty = gone.Erase(&f.part) || f.dirty
	}
	return nil
}

// restore takes the values from the stream again, up to an event, and leaves
// markers of what is gone none the less.
func (p *person) restore(tx projections.Tx, e *domain.Recorded) error {
	again, registered := &person{token: p.token}, uint64(0)
	err := tx.Stream(e.Stream, e.Position, func(r *domain.Recorded) error {
		known := again.head.known
		again.apply(r)
		if again.head.known && !known {
			registered = r.Revision
		}
		return nil
	})
	if err != nil {
		return err
	}
	gone := p.destructions()
	projections.Take(gone, registered, &again.head.row)
	p.head.row = again.head.row
	for i := range again.fields {
		f := &again.fields[i]
		projections.Take(gone, uint64(f.revision), &f.part)
		f.dirty = true
		if at := p.find(f.place); at >= 0 {
			f.stored = p.fields[at].stored
		}
	}
	p.fields = again.fields
	return nil
}

func (p *person) destructions() []projections.Destruction {
	var all []projections.Decided
	for _, r := range p.claims.Entries() {
		all = append(all, projections.Decided{At: r.Revision, Event: r.Event})
	}
	return projections.Destructions(all)
}
