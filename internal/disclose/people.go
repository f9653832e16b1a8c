package disclose

import (
	"context"

	"lethe/domain"
	"lethe/domain/catalogue"
	"lethe/domain/subject"
)

// maxLinked bounds how many records of one person are looked at.
const maxLinked = 64

// People returns the record asked about and all that bind it: linked records
// in either direction as far as links reach, and records that share an
// e-mail address or phone number, whose opt-outs of that address count.
// The first is always the one asked about; its State is nil when unknown.
func (d *Door) People(ctx context.Context, token domain.Token) ([]subject.Record, error) {
	people, seen, err := d.onePerson(ctx, token)
	if err != nil || people[0].State == nil {
		return people, err
	}
	return d.withPeers(ctx, people, seen)
}

// Linked lists the other records that are taken to be the same person.
func (d *Door) Linked(ctx context.Context, token domain.Token) ([]domain.Token, error) {
	people, _, err := d.onePerson(ctx, token)
	if err != nil {
		return nil, err
	}
	var others []domain.Token
	for _, p := range people[1:] {
		others = append(others, p.State.Token())
	}
	return others, nil
}

// onePerson follows links in either direction as far as they reach.
func (d *Door) onePerson(ctx context.Context, token domain.Token) ([]subject.Record, map[domain.Token]bool, error) {
	first, err := d.person(ctx, token)
	people, seen := []subject.Record{first}, map[domain.Token]bool{token: true}
	if err != nil || first.State == nil {
		return people, seen, err
	}
	for i := 0; i < len(people); i++ {
		for _, other := range d.linked(people[i].State) {
			if seen[other] {
				continue
			}
			if len(people) == maxLinked {
				return nil, nil, domain.Conflict("subject.too_many_links", "token",
					"more than %d records are linked: an officer must undo wrong links first", maxLinked)
			}
			seen[other] = true
			r, err := d.person(ctx, other)
			if err != nil {
				return nil, nil, err
			}
			if r.State != nil {
				r.Linked = true
				people = append(people, r)
			}
		}
	}
	return people, seen, nil
}

// withPeers adds the records that share an address with any of people.
func (d *Door) withPeers(ctx context.Context, people []subject.Record, seen map[domain.Token]bool) ([]subject.Record, error) {
	at := map[domain.Token]int{}
	for _, p := range people[:len(people):len(people)] {
		peers, err := d.keys.Peers(ctx, p.State.Token())
		if err != nil {
			return nil, domain.Internal("finding records with the same address", err)
		}
		for _, peer := range peers {
			if seen[peer.Token] {
				continue
			}
			i, known := at[peer.Token]
			if !known {
				r, err := d.person(ctx, peer.Token)
				if err != nil {
					return nil, err
				}
				if r.State == nil {
					continue
				}
				i = len(people)
				at[peer.Token] = i
				people = append(people, r)
			}
			if d.current(people[i].State, peer.Field, peer.EventID) {
				people[i].SharesContact = append(people[i].SharesContact, channels(peer.Kind)...)
			}
		}
	}
	return people, nil
}

// linked are the records that an officer took to be the same person.
func (d *Door) linked(s *subject.State) (others []domain.Token) {
	now := d.ledger.Now()
	for _, l := range s.At(now, now).Links {
		if l.State == subject.LinkStanding {
			others = append(others, l.Other)
		}
	}
	return others
}

// current reports whether the event is where the record's field has a value
// from: rows of the lookup go in before their event and may outlive it.
func (d *Door) current(s *subject.State, field domain.Name, event domain.ID) bool {
	now := d.ledger.Now()
	for _, h := range s.At(now, now).Fields {
		if h.Field == field && h.EventID == event {
			return true
		}
	}
	return false
}

func (d *Door) person(ctx context.Context, token domain.Token) (subject.Record, error) {
	state, err := d.ledger.Subject(ctx, token)
	if err != nil || state == nil {
		return subject.Record{}, err
	}
	fenced, err := d.keys.Fenced(ctx, token.Stream())
	if err != nil {
		return subject.Record{}, domain.Internal("reading fences", err)
	}
	return subject.Record{State: state, Fenced: fenced}, nil
}

// channels are the contact channels that an address of the kind serves.
func channels(kind catalogue.LookupKind) []subject.Channel {
	switch kind {
	case catalogue.LookupEmail:
		return []subject.Channel{subject.Email}
	case catalogue.LookupPhone:
		return []subject.Channel{subject.Phone, subject.SMS}
	case catalogue.LookupExternalID, catalogue.NoLookup:
	}
	return nil
}
