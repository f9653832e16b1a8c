package subject

import (
	"slices"

	"lethe/domain"
	"lethe/domain/catalogue"
)

func (d *decision) placeHold(c PlaceHold) ([]domain.Event, error) {
	if err := d.officerOnly("place a hold"); err != nil {
		return nil, err
	}
	if c.Mirror {
		return d.mirrorHold(c)
	}
	p, ok := d.Catalogue.InForce(c.Purpose, d.at)
	keeps := ok && (p.Keeps || p.Exemption == catalogue.Claims)
	if err := firstError(
		bad(!c.Hold.IsZero(), "hold.id", "hold", "", "a hold has an ID"),
		bad(d.groupKnown(c.Group), "hold.group", "group", "GDPR 17(3)", "no declared field belongs to this group: check its name"),
		bad(keeps, "hold.purpose", "purpose", "GDPR 17(3)", "a hold keeps data for a legal duty or for claims: name a purpose that is declared for one"),
		bad(c.Review.After(d.Now), "hold.review", "review", "GDPR 5(1)(e)", "say when the hold is reviewed: a day to come"),
		needText("hold.authority", "authority", "GDPR 17(3)", "say on whose authority the hold is placed", c.Authority),
	); err != nil {
		return nil, err
	}
	if d.held(c.Hold) {
		return nil, domain.Conflict("hold.exists", "hold", "this hold was placed already")
	}
	if d.nothingLeft(c.Group) {
		return nil, &domain.Error{
			Kind: domain.KindGone, Code: "group.erased", Field: "group", Source: "GDPR 17",
			Message: "the erasure of this group has started or is done: there is nothing to hold",
		}
	}
	return one(&HoldPlaced{Hold: c.Hold, Group: c.Group, Purpose: c.Purpose, Review: c.Review, Authority: c.Authority})
}

// mirrorHold copies what was decided for a whole group of people, if there is
// anything of the person to hold.
func (d *decision) mirrorHold(c PlaceHold) ([]domain.Event, error) {
	if d.held(c.Hold) || d.nothingLeft(c.Group) || !slices.Contains(d.sealedGroups(), c.Group) {
		return nil, nil
	}
	return one(&HoldPlaced{Hold: c.Hold, Group: c.Group, Purpose: c.Purpose, Review: c.Review, Mirror: true})
}

// held reports whether a hold was ever placed on the record.
func (d *decision) held(hold domain.ID) bool {
	return slices.ContainsFunc(d.Entries(), func(r domain.Recorded) bool {
		e, ok := r.Event.(*HoldPlaced)
		return ok && e.Hold == hold
	})
}

// nothingLeft: the group's erasure has started. An order alone gives way to a
// hold.
func (d *decision) nothingLeft(group domain.Name) bool { return d.Fenced[group] || d.Gone()[group] }

func (d *decision) releaseHold(c ReleaseHold) ([]domain.Event, error) {
	if err := d.officerOnly("release a hold"); err != nil {
		return nil, err
	}
	holds := d.holds(window{})
	i := slices.IndexFunc(holds, func(h Hold) bool { return h.Hold == c.Hold })
	switch {
	case i < 0 && c.Mirror:
		return nil, nil
	case i < 0:
		return nil, domain.NotFound("hold.unknown", "hold", "there is no such hold on this record, or it was released: one of many people is released as a whole (without --subject, /v1/holds/{hold}/release)")
	case holds[i].Mirror && !c.Mirror:
		return nil, domain.Conflict("hold.of_people", "hold", "this hold is for a whole group of people: release that one").Citing("GDPR 17(3)")
	}
	return one(&HoldReleased{Hold: c.Hold})
}
