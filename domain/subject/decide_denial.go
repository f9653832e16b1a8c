package subject

import (
	"lethe/domain"
)

// deniable finds the purpose and version that a denial speaks of. Any version
// does, and a purpose that has ended: taking back is as easy as giving.
func (d *decision) deniable(s Said) (Choice, Consent, error) {
	c, err := d.asked(s)
	if err != nil {
		return Choice{}, Consent{}, err
	}
	stands := d.consent(d.now(), s.Purpose)
	declared, ok := d.Catalogue.Purpose(s.Purpose, 0)
	switch {
	case !ok && stands.Rest == nil:
		return Choice{}, Consent{}, domain.Invalid("consent.undeclared", "purpose",
			"this purpose is not declared and was never consented to: check its name").Citing("GDPR 7(3)")
	case c.Version != 0:
	case stands.Version != 0:
		c.Version = stands.Version
	default:
		c.Version = declared.Version
	}
	return c, stands, nil
}

func (d *decision) refuseConsent(c RefuseConsent) ([]domain.Event, error) {
	choice, stands, err := d.deniable(c.Said)
	if err == nil {
		err = d.fromPerson(&choice, "refuse")
	}
	if err != nil {
		return nil, err
	}
	if stands.standing.Allows() {
		return one(&ConsentWithdrawn{choice})
	}
	return one(&ConsentRefused{choice})
}

// withdrawConsent records every withdrawal, also a repeated one: its time
// counts against the consents of linked records.
func (d *decision) withdrawConsent(c WithdrawConsent) ([]domain.Event, error) {
	choice, _, err := d.deniable(c.Said)
	if err == nil {
		err = d.fromPerson(&choice, "withdraw; others revoke")
	}
	if err != nil {
		return nil, err
	}
	return one(&ConsentWithdrawn{choice})
}

func (d *decision) revokeConsent(c RevokeConsent) ([]domain.Event, error) {
	if c.By == "" {
		c.By = Controller
	}
	choice, stands, err := d.deniable(c.Said)
	switch {
	case err != nil:
		return nil, err
	case choice.By == Self || choice.By == Guardian:
		return nil, domain.Invalid("consent.by", "by", "what the person ends is a withdrawal: withdraw it").Citing("GDPR 7(3)")
	case !stands.standing.Allows():
		return nil, domain.Conflict("consent.none", "purpose", "no consent stands for this purpose: there is nothing to revoke")
	}
	return one(&ConsentRevoked{choice})
}

func (d *decision) invalidateConsent(c InvalidateConsent) ([]domain.Event, error) {
	if c.By == "" {
		c.By = Controller
	}
	choice, stands, err := d.deniable(c.Said)
	if err != nil {
		return nil, err
	}
	grant := c.Grant
	if grant.IsZero() && stands.Origin != nil {
		grant = stands.Origin.ID
	}
	if !d.granted(c.Purpose, grant) {
		return nil, domain.Conflict("consent.none", "grant", "no consent was given for this purpose that could be invalid").Citing("GDPR 7")
	}
	if d.invalidated(grant) {
		return nil, nil
	}
	return one(&ConsentInvalidated{Choice: choice, Grant: grant})
}

func (d *decision) granted(purpose domain.Name, id domain.ID) bool {
	entries, kinds := d.Entries(), d.kinds()
	for i := range entries {
		if kinds[i].purpose != purpose || entries[i].ID != id {
			continue
		}
		switch entries[i].Event.(type) {
		case *ConsentGiven, *ConsentConfirmed, *ConsentRenewed:
			return true
		}
	}
	return false
}

func (d *decision) invalidated(grant domain.ID) bool {
	for _, r := range d.Entries() {
		if e, ok := r.Event.(*ConsentInvalidated); ok && e.Grant == grant {
			return true
		}
	}
	return false
}

func (d *decision) expireConsent(c ExpireConsent) ([]domain.Event, error) {
	stands := d.consent(d.now(), c.Purpose)
	if stands.standing != StatusExpired {
		return nil, domain.Conflict("consent.not_expired", "purpose", "no consent for this purpose has run out: nothing is noted")
	}
	for _, r := range d.Entries() {
		if e, ok := r.Event.(*ConsentExpired); ok && e.Grant == stands.Granted.ID {
			return nil, nil
		}
	}
	return one(&ConsentExpired{Purpose: c.Purpose, Version: stands.Grant.Version, Grant: stands.Granted.ID})
}
