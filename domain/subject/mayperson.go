package subject

import (
	"slices"

	"lethe/domain"
	"lethe/domain/access"
	"lethe/domain/catalogue"
)

// person tries the rows that look at the person: d to i. They are the same
// for every field, so they are tried once.
func (j *judge) person() *verdict {
	if j.asked == nil {
		j.asked = j.fresh()
	}
	return j.asked
}

func (j *judge) fresh() *verdict {
	if v := j.restricted(); v != nil {
		return v
	}
	if v := j.refused(); v != nil {
		return v
	}
	return j.basis()
}

// refused tries the denials of rows e, f and g.
func (j *judge) refused() *verdict {
	if v := j.objected(); v != nil {
		return v
	}
	if v := j.contested(); v != nil {
		return v
	}
	return j.electronic()
}

// restricted is row d. Consent given after the restriction lifts it for its
// purpose, but not over an objection that came later still: that one is
// absolute (GDPR 21(3)). A restriction of a linked record denies like the
// person's own; where it does not deny, the next rows are tried, since
// nothing of another record grants.
func (j *judge) restricted() *verdict {
	var placed []Ref
	consent, why := j.consent()
	own, after := false, why == nil
	for i, r := range j.people {
		if i > 0 && !r.Linked {
			continue
		}
		for _, x := range r.State.restrictions(j.w) {
			placed = append(placed, ref(r.State, x.Rest))
			own, after = own || i == 0, after && consent.Granted.Effective.After(x.Since)
		}
	}
	exempt := j.q.Operation == access.Store || j.p.Exemption != ""
	switch {
	case len(placed) == 0 || (!own && (exempt || after)):
		return nil
	case exempt:
		return yes(RuleRestricted, "restricted data may be stored, and processed by exempt purposes (GDPR 18(2))", placed...)
	case after:
		if v := j.refused(); v != nil {
			return v
		}
		return yes(RuleRestricted, "restricted, and the person consented since (GDPR 18(2))", append(placed, ref(j.self, consent.Granted))...)
	}
	return no(RuleRestricted, access.RuleRestricted, "processing is restricted (GDPR 18)", placed...)
}

// eachObjection visits what was not taken back, on the own and the linked
// records; of records that share a contact point only opt-outs of it.
func (j *judge) eachObjection(visit func(*State, Objection)) {
	for i, r := range j.people {
		for _, o := range r.State.objections(j.w) {
			shared := o.ContactPoint && o.Channel != NoChannel && slices.Contains(r.SharesContact, o.Channel)
			if o.State != TakenBack && (i == 0 || r.Linked || shared) && (o.Purpose == "" || o.Purpose == j.p.ID) {
				visit(r.State, o)
			}
		}
	}
}

// objected is row e. An objection to marketing stops marketing; an opt-out of
// a channel from any other processing stops every use of that channel. An
// objection to disclosure stops handing data to anybody but a processor, who
// acts for the controller, and but for a legal obligation, which nobody can
// object to.
func (j *judge) objected() *verdict {
	consent, why := j.consent()
	var rests []Ref
	j.eachObjection(func(s *State, o Objection) {
		applies := j.p.Marketing || (o.Scope == ToProcessing && o.Channel != NoChannel)
		switch {
		case o.Scope == ToProcessing && o.Channel == NoChannel:
			applies = false // row f weighs it
		case o.Scope == ToDisclosure:
			applies = j.handsOver()
		}
		if !applies || (o.Channel != NoChannel && o.Channel != j.q.Channel) {
			return
		}
		if why == nil && consent.Granted.Effective.After(o.Rest.Effective) {
			return // opted in since, for this purpose and channel
		}
		rests = append(rests, ref(s, o.Rest))
	})
	if rests == nil {
		return nil
	}
	return no(RuleObjected, access.RuleObjected, "the person objected to marketing or disclosure, or opted out of this channel (GDPR 21(2), (3))", rests...)
}

// handsOver: the question is whether somebody else gets the data.
func (j *judge) handsOver() bool {
	r, ok := j.cat.Recipient(j.q.Recipient)
	return j.q.Operation == access.Disclose && j.p.Basis != domain.LegalObligation && (!ok || r.Kind != catalogue.IsProcessor)
}

// contested is row f.
func (j *judge) contested() *verdict {
	switch j.p.Basis {
	case domain.PublicTask, domain.LegitimateInterests, domain.RecognisedInterestUK:
	case domain.Consent, domain.Contract, domain.LegalObligation, domain.VitalInterests:
		return nil
	}
	var rests []Ref
	j.eachObjection(func(s *State, o Objection) {
		if o.Scope == ToProcessing && o.Channel == NoChannel && o.State != Overridden {
			rests = append(rests, ref(s, o.Rest))
			if o.By != nil {
				rests = append(rests, ref(s, o.By))
			}
		}
	})
	if rests == nil {
		return nil
	}
	return no(RuleContested, access.RuleContested, "the person objected and no compelling grounds override it (GDPR 21(1))", rests...)
}

// electronic is row g. The soft opt-in is for people whose address was got
// from themselves.
func (j *judge) electronic() *verdict {
	if !j.p.Marketing || !j.q.Channel.Electronic() {
		return nil
	}
	consent, why := j.consent()
	if why == nil || (j.p.SoftOptIn && j.reg.Acquired == FromPerson) {
		return nil
	}
	if why.lost() {
		return why
	}
	var rests []Ref
	if consent.Rest != nil {
		rests = append(rests, ref(j.self, consent.Rest))
	}
	return no(RuleElectronic, access.RuleElectronic, "electronic marketing needs consent or the soft opt-in (ePrivacy 13)", rests...)
}

// basis is rows h and i.
func (j *judge) basis() *verdict {
	if j.p.Basis == domain.Consent {
		consent, why := j.consent()
		if why != nil {
			return why
		}
		return yes(RuleBasis, "consent stands", ref(j.self, consent.Granted))
	}
	for _, b := range j.self.bases(j.w) {
		if b.Purpose != j.p.ID || b.Basis != j.p.Basis {
			continue
		}
		if b.Basis == domain.RecognisedInterestUK && !j.inUK() {
			return no(RuleElse, access.RuleNoBasis, "recognised legitimate interests exist in the United Kingdom only", ref(j.self, b.Rest))
		}
		return yes(RuleBasis, "the basis is asserted and in force", ref(j.self, b.Rest))
	}
	return no(RuleElse, access.RuleNoBasis, "no basis was asserted for this purpose, or it has ended: assert it for this person first")
}

func (j *judge) inUK() bool {
	if j.q.Regime != "" {
		return j.q.Regime == "uk"
	}
	return j.reg.Jurisdiction.Country() == "GB"
}

// consent finds the purpose's consent and why it does not count, nil if it does:
// given or renewed, to a version that says materially the same, explicit
// where that is needed, for the channel, to a contact point that is still the
// one it was proven for, and not taken back later on a linked record.
func (j *judge) consent() (Consent, *verdict) {
	if !j.weighed {
		j.stands, j.fails = j.weigh()
		j.weighed = true
	}
	return j.stands, j.fails
}

func (j *judge) weigh() (Consent, *verdict) {
	c := j.self.consent(j.w, j.p.ID)
	fails := func(message string, rests ...Ref) (Consent, *verdict) {
		if c.Rest != nil {
			rests = append(rests, ref(j.self, c.Rest))
		}
		return c, no(RuleElse, access.RuleNoBasis, message, rests...)
	}
	switch {
	case !c.Status.Allows():
		return fails("no consent stands for this purpose")
	case !j.cat.SameMaterial(j.p.ID, c.Version, j.p.Version):
		return fails("consent was given to another version of this purpose: ask for it anew")
	case j.p.Explicit && !c.Grant.Explicit:
		return fails("this purpose needs explicit consent")
	case !c.Covers(j.q.Channel):
		return fails("consent was not given for this channel")
	case c.Contact != "" && j.self.contactChanged(j.w, c.Contact, c.ContactSlot, c.ContactSince):
		return fails("the contact point has changed since consent was confirmed")
	}
	for _, r := range j.people[1:] {
		if !r.Linked {
			continue
		}
		if d := r.State.consent(j.w, j.p.ID).Denied; d != nil && !d.Effective.Before(c.Granted.Effective) {
			return fails("consent was taken back on a linked record", ref(r.State, d))
		}
	}
	if j.q.LostRange {
		return c, no(RuleBasis, access.RuleLostRange,
			"the log was restored and lost events, a withdrawal may be among them: an officer has to accept the lost range first (GDPR 7(3))",
			ref(j.self, c.Granted))
	}
	return c, nil
}

// lost: consent would stand, and is in doubt only for what the log lost.
func (v *verdict) lost() bool { return v != nil && v.reason == access.RuleLostRange }
