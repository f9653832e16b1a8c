package subject

import (
	"cmp"
	"slices"
	"time"

	"lethe/domain"
	"lethe/domain/personal"
)

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

func (d *decision) link(other domain.Token) (Link, error) {
	switch {
	case !other.Valid():
		return Link{}, domain.Invalid("link.token", "other", "this is not a subject token: check that it was copied whole")
	case other == d.Token():
		return Link{}, domain.Invalid("link.self", "other", "a record is not linked to itself: name the other one")
	}
	for _, e := range d.Erasures() {
		if e.State == IsStarted {
			return Link{}, domain.Conflict("erasure.underway", "other", "an erasure of this record has started: change its links when it is done").Citing("GDPR 17")
		}
	}
	for _, l := range d.links(window{}) {
		if l.Other == other {
			return l, nil
		}
	}
	return Link{Other: other}, nil
}

func (d *decision) proposeLink(c ProposeLink) ([]domain.Event, error) {
	l, err := d.link(c.Other)
	if err := firstError(err,
		bad(c.Ground.Valid(), "link.ground", "ground", "GDPR 5(1)(d)", "say why: same_email, same_phone, same_external_id or officer"),
		validSource(c.Source)); err != nil {
		return nil, err
	}
	switch l.State {
	case LinkOpen, LinkStanding:
		return nil, nil
	case LinkGone:
		if c.Ground != ByOfficer || !d.Officer {
			return nil, domain.Conflict("link.undone", "other", "an officer said that these are not one person: only an officer proposes it again").Citing("GDPR 5(1)(d)")
		}
	}
	return one(&LinkProposed{Other: c.Other, Ground: c.Ground, Source: c.Source})
}

// acceptLink. The mirrored copy is taken as it comes: the decision was made
// on the other record, and half a link would not bind.
func (d *decision) acceptLink(c AcceptLink) ([]domain.Event, error) {
	l, err := d.link(c.Other)
	switch {
	case err != nil:
		return nil, err
	case l.State == LinkStanding:
		return nil, nil
	case c.Mirror:
		return one(&LinkAccepted{Other: c.Other, Mirror: true})
	case l.State != LinkOpen:
		return nil, domain.Conflict("link.not_proposed", "other", "this link was not proposed: propose it first").Citing("GDPR 5(1)(d)")
	}
	if err := firstError(d.officerOnly("accept a link"), d.restricted("merging")); err != nil {
		return nil, err
	}
	return one(&LinkAccepted{Other: c.Other})
}

func (d *decision) undoLink(c UndoLink) ([]domain.Event, error) {
	l, err := d.link(c.Other)
	switch {
	case err != nil:
		return nil, err
	case l.State == LinkGone:
		return nil, nil
	case c.Mirror:
		return one(&LinkUndone{Other: c.Other, Mirror: true, Reason: c.Reason})
	case l.State == "":
		return nil, domain.NotFound("link.unknown", "other", "these records are not linked and no link was proposed")
	}
	if err := firstError(d.officerOnly("undo a link"), validText("reason", c.Reason), d.goingTogether()); err != nil {
		return nil, err
	}
	return one(&LinkUndone{Other: c.Other, Reason: c.Reason})
}

// goingTogether refuses to undo a link while an erasure of several records is
// under way: whoever it was ordered for by mistake would go all the same.
func (d *decision) goingTogether() error {
	for _, e := range d.Erasures() {
		if e.Ordered == nil || len(e.Ordered.Linked) == 0 && e.Ordered.Of == "" {
			continue
		}
		switch e.State {
		case IsOrdered:
			return domain.Conflict("link.erasure", "other", "erasure %s of these records is ordered: cancel it first, at %s, and order it again "+
				"when the link is undone", e.ID, cmp.Or(e.Ordered.Of, "this record")).Citing("GDPR 5(1)(d)")
		case IsStarted:
			return domain.Conflict("link.erasure", "other", "erasure %s of these records has started: wait for its end", e.ID)
		case IsCancelled, IsStopped, IsCompleted:
		}
	}
	return nil
}

func (d *decision) noteDisclosure(c NoteDisclosure) ([]domain.Event, error) {
	p, err := d.purposeAt(c.Purpose, c.Version)
	if err != nil {
		return nil, err
	}
	if err := recipientAllowed(d.Catalogue, p, c.Recipient); err != nil {
		return nil, err
	}
	if len(c.Fields) == 0 || len(c.Fields) > maxItems || c.Access.IsZero() {
		return nil, domain.Invalid("disclosure.fields", "fields", "name what was disclosed, at most %d fields, and the access that opened it", maxItems).Citing("GDPR 15(1)(c)")
	}
	for _, f := range c.Fields {
		if !p.Needs(f) {
			return nil, domain.Invalid("field.not_needed", "fields", "the purpose %s does not need one of these fields", p.ID).Citing("GDPR 5(1)(c)")
		}
	}
	return one(&Disclosed{
		Recipient: c.Recipient, Purpose: p.ID, Version: p.Version, Fields: slices.Clone(c.Fields), Access: c.Access,
	})
}

func (d *decision) assessAge(c AssessAge) ([]domain.Event, error) {
	if err := firstError(
		d.forgot(),
		bad(c.Outcome.Valid(), "age.outcome", "outcome", "GDPR 8(1)", "the outcome is of_digital_age or below_digital_age"),
		bad(c.Rule.Valid(), "age.rule", "rule", "GDPR 8(1)", "name the jurisdiction whose age counts"),
	); err != nil {
		return nil, err
	}
	text, present := c.Review.Reveal()
	if present || c.Outcome == Child {
		if _, err := time.Parse(time.DateOnly, text); err != nil {
			return nil, domain.Invalid("age.review", "review", "give the day, as 2006-01-31, on which the person comes of digital age").Citing("GDPR 8(1)")
		}
		c.Review = personal.Of(text)
	}
	return one(&AgeAssessed{Outcome: c.Outcome, Rule: c.Rule, Review: c.Review})
}
