package subject

import (
	"slices"

	"lethe/domain"
	"lethe/domain/catalogue"
)

// failedOnce reports whether consent for a purpose was ever refused, taken
// back, ended, found invalid or let expire without standing again now.
func (d *decision) failedOnce(purpose domain.Name) bool {
	c := d.consent(window{effective: later(d.Now, d.at)}, purpose)
	return c.standing.failed() || c.Denied != nil && !c.standing.Allows()
}

func (d *decision) assertBasis(c AssertBasis) ([]domain.Event, error) {
	if err := d.forgot(); err != nil {
		return nil, err
	}
	p, err := d.purposeAt(c.Purpose, c.Version)
	if err != nil {
		return nil, err
	}
	switch {
	case !c.Basis.Valid():
		return nil, domain.Invalid("basis.unknown", "basis", "this is not a lawful basis of Article 6(1)").Citing("GDPR 6(1)")
	case c.Basis == domain.Consent:
		return nil, domain.Invalid("basis.is_consent", "basis", "consent is given by the person, not asserted: record the consent").Citing("GDPR 6(1)(a)")
	case d.failedOnce(p.ID):
		return nil, domain.Conflict("basis.switch", "basis",
			"consent for this purpose failed or was withdrawn: another basis cannot take its place").Citing("GDPR 6(1), 7(3); EDPB 05/2020, 121-123")
	case c.Basis != p.Basis:
		return nil, domain.Invalid("basis.not_declared", "basis",
			"the purpose %s rests on %s: assert that, or declare the purpose anew", p.ID, p.Basis).Citing("GDPR 13(1)(c)")
	case !c.Until.IsZero() && !c.Until.After(d.at):
		return nil, domain.Invalid("basis.until", "until", "the basis would end before it begins: give a later end")
	case c.Basis == domain.RecognisedInterestUK && d.jurisdiction() != "GB":
		return nil, domain.Invalid("basis.elsewhere", "basis",
			"recognised legitimate interests exist in the United Kingdom only: name another basis").Citing("UK GDPR 6(1)(ea)")
	}
	if err := needText("basis.reference", "reference", "GDPR 5(2)",
		"say what the basis rests on: the contract, the statute, the balancing test", c.Reference); err != nil {
		return nil, err
	}
	return one(&BasisAsserted{Purpose: p.ID, Version: p.Version, Basis: c.Basis, Until: c.Until, Reference: c.Reference})
}

func (s *State) jurisdiction() string {
	if reg, _ := s.registered(window{}); reg != nil {
		return reg.Jurisdiction.Country()
	}
	return ""
}

func (d *decision) endBasis(c EndBasis) ([]domain.Event, error) {
	if err := validText("reason", c.Reason); err != nil {
		return nil, err
	}
	if !slices.ContainsFunc(d.bases(d.now()), func(b Basis) bool { return b.Purpose == c.Purpose && b.Basis == c.Basis }) {
		return nil, domain.Conflict("basis.none", "basis", "this basis was not asserted for the purpose: there is nothing to end")
	}
	return one(&BasisEnded{Purpose: c.Purpose, Basis: c.Basis, Reason: c.Reason})
}

func (d *decision) object(c Object) ([]domain.Event, error) {
	if c.By == "" {
		c.By = Self
	}
	_, declared := d.Catalogue.Purpose(c.Purpose, 0)
	if err := firstError(
		bad(c.Scope.Valid(), "objection.scope", "scope", "GDPR 21", "say what is objected to: marketing, processing or disclosure"),
		bad(c.Purpose == "" || declared, "purpose.undeclared", "purpose", "GDPR 21", "this purpose is not declared: check its name, or leave it out"),
		bad(c.Channel == NoChannel || c.Channel.Valid(), "objection.channel", "channel", "GDPR 21", "a channel is email, sms, phone, post or push"),
		bad(!c.ContactPoint || c.Channel != NoChannel, "objection.contact_point", "channel", "ePrivacy 13", "an opt-out of a contact point names its channel"),
		bad(c.By.Valid(), "objection.by", "by", "GDPR 21", "say who acted: subject, guardian, controller, processor or authority"),
		validSource(c.Source), validText("reason", c.Reason),
	); err != nil {
		return nil, err
	}
	return one(&Objected{
		Scope: c.Scope, Purpose: c.Purpose, Channel: c.Channel, ContactPoint: c.ContactPoint, Source: c.Source, By: c.By, Reason: c.Reason,
	})
}

// objection finds an objection that was not taken back.
func (d *decision) objection(id domain.ID) (Objection, error) {
	for _, o := range d.objections(window{}) {
		if o.ID == id && o.State != TakenBack {
			return o, nil
		}
	}
	return Objection{}, domain.NotFound("objection.unknown", "objection", "there is no such objection, or it was taken back")
}

func (d *decision) overrideObjection(c OverrideObjection) ([]domain.Event, error) {
	o, err := d.objection(c.Objection)
	if err := firstError(d.officerOnly("override an objection"), err); err != nil {
		return nil, err
	}
	switch {
	case o.Scope != ToProcessing || o.Channel != NoChannel:
		return nil, domain.Conflict("objection.absolute", "objection",
			"an objection to marketing, to a channel or to disclosure cannot be overridden: stop").Citing("GDPR 21(3)")
	case o.State != Pending:
		return nil, domain.Conflict("objection.settled", "objection", "this objection was settled already: it is %s", o.State).Citing("GDPR 21(1)")
	case d.at.Before(o.Rest.Effective):
		return nil, domain.Invalid("objection.order", "effective", "an objection is settled after it is made: give a later time")
	}
	if err := needText("objection.grounds", "grounds", "GDPR 21(1)", "document the compelling grounds that override it", c.Grounds); err != nil {
		return nil, err
	}
	return one(&ObjectionOverridden{Objection: c.Objection, Grounds: c.Grounds})
}

func (d *decision) upholdObjection(c UpholdObjection) ([]domain.Event, error) {
	o, err := d.objection(c.Objection)
	if err := firstError(d.officerOnly("uphold an objection"), err); err != nil {
		return nil, err
	}
	switch {
	case o.State == Upheld:
		return nil, nil
	case d.at.Before(o.Rest.Effective):
		return nil, domain.Invalid("objection.order", "effective", "an objection is settled after it is made: give a later time")
	}
	return one(&ObjectionUpheld{Objection: c.Objection})
}

func (d *decision) withdrawObjection(c WithdrawObjection) ([]domain.Event, error) {
	o, err := d.objection(c.Objection)
	switch {
	case err != nil:
		return nil, err
	case d.at.Before(o.Rest.Effective):
		return nil, domain.Invalid("objection.order", "effective", "an objection is taken back after it is made: give a later time")
	}
	return one(&ObjectionWithdrawn{Objection: c.Objection})
}

func (d *decision) placeRestriction(c PlaceRestriction) ([]domain.Event, error) {
	if err := firstError(
		bad(c.Ground.Valid(), "restriction.ground", "ground", "GDPR 18(1)", "name the ground: accuracy_contested, unlawful, claims or objection_pending"),
		validText("reason", c.Reason),
	); err != nil {
		return nil, err
	}
	if slices.ContainsFunc(d.restrictions(window{}), func(r Restriction) bool { return r.Ground == c.Ground && !d.at.Before(r.Since) }) {
		return nil, nil
	}
	return one(&RestrictionPlaced{Ground: c.Ground, Reason: c.Reason})
}

func (d *decision) liftRestriction(c LiftRestriction) ([]domain.Event, error) {
	if err := d.officerOnly("lift a restriction"); err != nil {
		return nil, err
	}
	placed := d.restrictions(window{})
	i := slices.IndexFunc(placed, func(r Restriction) bool { return r.Ground == c.Ground })
	switch {
	case i < 0:
		return nil, domain.Conflict("restriction.none", "ground", "the record is not restricted on this ground: there is nothing to lift")
	case c.Informed.IsZero() || c.Informed.After(d.at):
		return nil, domain.Invalid("restriction.uninformed", "informed",
			"the person is told before a restriction is lifted: say when that was").Citing("GDPR 18(3)")
	case !d.at.After(placed[i].Since):
		return nil, domain.Invalid("restriction.order", "effective", "a restriction is lifted after it was placed: give a later time").Citing("GDPR 18")
	}
	return one(&RestrictionLifted{Ground: c.Ground, Informed: c.Informed})
}

func (d *decision) groupKnown(group domain.Name) bool {
	return group == domain.EvidenceGroup ||
		slices.ContainsFunc(d.Catalogue.Fields(), func(f *catalogue.FieldDeclared) bool { return f.Group == group })
}
