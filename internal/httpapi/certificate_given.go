package httpapi

import (
	"cmp"
	"context"
	"slices"

	"lethe/domain"
	"lethe/domain/access"
	"lethe/domain/subject"
	"lethe/eventstore"
	"lethe/internal/certificate"
	"lethe/projections/accesses"
)

// handing sorts what was opened of a record before an erasure into what was
// handed over and what stayed in the house.
type handing struct {
	since  map[domain.Name]uint64        // of the groups of which something went: position from which on they held it
	values map[domain.Name][]domain.Name // of those that went in part: the fields, when they are named
	groups map[domain.Name]domain.Name   // of fields
	seen   map[domain.ID]bool            // access events
	out    certificate.Source
	uses   map[[2]domain.Name]*certificate.Opening
}

// given lists what left the ledger of what a record's erasure destroyed.
func (e *erasing) given(ctx context.Context, r *erasedRecord) (*certificate.Source, error) {
	h := handingOf(r)
	if r.CompletedAt == nil || len(h.since) == 0 {
		return &h.out, nil
	}
	end := eventstore.Position(r.CompletedAt.Position)
	if err := e.waitFor(ctx, accesses.Name, end.String()); err != nil {
		return nil, err
	}
	q, page := accesses.Queries{Source: e.Views}, accesses.Page{Limit: 500}
	for {
		found, err := q.OfToken(ctx, r.token, page)
		if err != nil {
			return nil, domain.Internal("listing what was disclosed", err)
		}
		for i := range found {
			if a := &found[i]; a.Granted && a.Position < end {
				h.access(a)
			}
		}
		if len(found) < page.Limit || found[len(found)-1].Position >= end {
			break
		}
		page.After = found[len(found)-1].At()
	}
	h.noted(r)
	return h.sorted(), nil
}

func handingOf(r *erasedRecord) *handing {
	h := &handing{
		since: map[domain.Name]uint64{}, values: map[domain.Name][]domain.Name{}, groups: map[domain.Name]domain.Name{}, seen: map[domain.ID]bool{},
		uses: map[[2]domain.Name]*certificate.Opening{},
	}
	if r.Started == nil {
		return h
	}
	for _, g := range r.Started.Groups {
		if g.Goes() {
			h.since[g.Group] = 0
			for _, v := range g.Values {
				h.values[g.Group] = append(h.values[g.Group], v.Field)
			}
		}
	}
	entries := r.state.Entries()
	for i := range entries {
		for _, slot := range entries[i].Event.Personal(nil) {
			h.groups[domain.Name(slot.Field)] = domain.Name(slot.Group)
		}
		opened, ok := entries[i].Event.(*subject.LifecycleOpened)
		if !ok || entries[i].Position > r.OrderedAt.Position {
			continue
		}
		for _, g := range opened.Groups { // what was there before was erased before
			if _, gone := h.since[g]; gone {
				h.since[g] = entries[i].Position
			}
		}
	}
	return h
}

// concerned picks the fields of which something went.
func (h *handing) concerned(fields []domain.Name, position uint64) (names []string) {
	for _, f := range fields {
		group := h.groups[f]
		since, gone := h.since[group]
		if values := h.values[group]; gone && position > since && (values == nil || slices.Contains(values, f)) {
			names = append(names, string(f))
		}
	}
	slices.Sort(names)
	return names
}

// access sorts one access. A bundle's secrets and an export are handed over to
// whoever asked, also when no recipient is named.
func (h *handing) access(a *accesses.Access) {
	fields := h.concerned(a.Fields, uint64(a.Position))
	if len(fields) == 0 {
		return
	}
	h.seen[a.Event] = true
	at := certificate.Stamp(a.Recorded)
	if a.Operation == access.Disclose || a.Recipient != "" || a.Door == access.Evidence || a.Door == access.Export {
		h.out.Disclosures = append(h.out.Disclosures, certificate.Disclosure{
			Event: a.Event.String(), At: at, Purpose: string(a.Purpose), Door: string(a.Door), Recipient: string(a.Recipient), Fields: fields,
		})
		return
	}
	key := [2]domain.Name{a.Purpose, domain.Name(a.Door)}
	use := h.uses[key]
	if use == nil {
		use = &certificate.Opening{Purpose: string(a.Purpose), Door: string(a.Door), First: at}
		h.uses[key] = use
	}
	use.Count++
	use.Last = at
	use.Fields = append(use.Fields, fields...)
	slices.Sort(use.Fields)
	use.Fields = slices.Compact(use.Fields)
}

// doorNoted is how a disclosure was made that only the record notes.
const doorNoted = "noted"

// noted adds disclosures that the record notes and no access event tells of.
func (h *handing) noted(r *erasedRecord) {
	entries := r.state.Entries()
	for i := range entries {
		d, ok := entries[i].Event.(*subject.Disclosed)
		if !ok || h.seen[d.Access] || entries[i].Position > r.CompletedAt.Position {
			continue
		}
		if fields := h.concerned(d.Fields, entries[i].Position); len(fields) > 0 {
			h.out.Disclosures = append(h.out.Disclosures, certificate.Disclosure{
				Event: entries[i].ID.String(), At: certificate.Stamp(entries[i].Effective), Purpose: string(d.Purpose), Door: doorNoted,
				Recipient: string(d.Recipient), Fields: fields,
			})
		}
	}
}

func (h *handing) sorted() *certificate.Source {
	slices.SortStableFunc(h.out.Disclosures, func(a, b certificate.Disclosure) int {
		return cmp.Or(cmp.Compare(a.At, b.At), cmp.Compare(a.Event, b.Event))
	})
	for _, use := range h.uses {
		h.out.Openings = append(h.out.Openings, *use)
	}
	slices.SortFunc(h.out.Openings, func(a, b certificate.Opening) int {
		return cmp.Or(cmp.Compare(a.Purpose, b.Purpose), cmp.Compare(a.Door, b.Door))
	})
	return &h.out
}
