package httpapi

import (
	"lethe/domain"
	"lethe/domain/catalogue"
	"lethe/domain/subject"
	"lethe/projections/history"
)

// naming is what a person's events name of the catalogue, and what the
// declarations of that name in turn: of a purpose its fields, controllers and
// recipients, of a controller its processors. Every declaration of what is
// named belongs in a bundle, so that its reader sees which one counted when,
// and what replaced it.
type naming struct {
	purposes, fields, parties map[domain.Name]bool
	notices                   map[domain.Digest]bool
}

func newNaming() *naming {
	return &naming{
		purposes: map[domain.Name]bool{}, fields: map[domain.Name]bool{}, parties: map[domain.Name]bool{},
		notices: map[domain.Digest]bool{},
	}
}

// byPerson notes what an event of a person names.
func (n *naming) byPerson(r *domain.Recorded) {
	note(n.purposes, r.Metadata.Purpose)
	if f, ok := history.FactsOf(r.Event); ok {
		note(n.purposes, f.Purpose)
		if !f.Notice.IsZero() {
			n.notices[f.Notice] = true
		}
	}
	switch e := r.Event.(type) {
	case *subject.FieldsRecorded:
		note(n.purposes, e.Purpose)
		n.items(e.Items)
	case *subject.FieldsRectified:
		n.items(e.Items)
	case *subject.FieldRemoved:
		note(n.purposes, e.Purpose)
		note(n.fields, e.Field)
	case *subject.HoldPlaced:
		note(n.purposes, e.Purpose)
	case *subject.Disclosed:
		note(n.purposes, e.Purpose)
		note(n.parties, e.Recipient)
		note(n.fields, e.Fields...)
	case *subject.ConsentRequested:
		note(n.fields, e.Contact)
	case *subject.ConsentConfirmed:
		note(n.fields, e.Contact)
	default: // it names nothing else
	}
}

func (n *naming) items(items []subject.Item) {
	for i := range items {
		note(n.fields, items[i].Field)
	}
}

func note(set map[domain.Name]bool, names ...domain.Name) {
	for _, name := range names {
		if name != "" {
			set[name] = true
		}
	}
}

// declarations picks those of what is named, in their order.
func (n *naming) declarations(list []domain.Recorded) (of []domain.Recorded) {
	picked := make([]bool, len(list))
	for more := true; more; { // what is picked may name more
		more = false
		for i := range list {
			if !picked[i] && n.declares(list[i].Event) {
				picked[i], more = true, true
			}
		}
	}
	for i := range list {
		if picked[i] {
			of = append(of, list[i])
		}
	}
	return of
}

// declares reports whether an event declares what is named, and if so notes
// what it names itself.
func (n *naming) declares(event domain.Event) bool {
	e, ok := event.(catalogue.Event)
	if !ok {
		return false
	}
	switch e := e.(type) {
	case *catalogue.PurposeDeclared:
		if !n.purposes[e.ID] {
			return false
		}
		note(n.fields, e.Fields...)
		note(n.fields, e.Optional...)
		note(n.parties, e.Controllers...)
		note(n.parties, e.Recipients...)
		return true
	case *catalogue.PurposeEnded:
		return n.purposes[e.ID]
	case *catalogue.FieldDeclared:
		return n.fields[e.ID]
	case *catalogue.NoticePublished:
		return n.notices[e.Digest]
	case *catalogue.ControllerDeclared:
		if !n.parties[e.ID] {
			return false
		}
		note(n.parties, e.JointControllers...)
		note(n.parties, e.Processors...)
		return true
	case *catalogue.RecipientDeclared:
		return n.parties[e.ID]
	}
	return false
}
