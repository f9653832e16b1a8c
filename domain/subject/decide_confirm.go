package subject

import (
	"lethe/domain"
)

// confirmConsent gives consent by answering a request. The request must be
// the newest thing said about the purpose, so that a link from an older mail
// neither confirms another text nor undoes a refusal.
func (d *decision) confirmConsent(c ConfirmConsent) ([]domain.Event, error) {
	request, r := d.request(c.Request)
	if request == nil || !request.DoubleOptIn {
		return nil, domain.NotFound("consent.request_unknown", "request", "there is no such request: ask for the consent anew").Citing("GDPR 7(1)")
	}
	newest := d.newestConsent(request.Purpose)
	if done, ok := newest.Event.(*ConsentConfirmed); ok && done.Request == c.Request {
		return nil, nil // confirmed before: nothing is said twice
	}
	if newest.ID != r.ID {
		return nil, domain.Conflict("consent.request_superseded", "request",
			"something newer was said about this purpose: ask for the consent anew").Citing("GDPR 7(1)")
	}
	if err := firstError(
		bad(!d.at.Before(r.Effective) && !d.at.Before(r.Recorded.Add(-maxAhead)), "consent.confirm_backdated", "effective", "GDPR 7(1)",
			"a confirmation takes effect when it is made, not before its request"),
		bad(request.Expires.IsZero() || d.Now.Before(request.Expires) && d.at.Before(request.Expires), "consent.request_expired", "request", "GDPR 7(1)",
			"the request has expired: ask for the consent anew"),
		bad(request.Contact == "" || !d.contactChanged(window{}, request.Contact, request.ContactSlot, r), "consent.contact_changed", "contact", "GDPR 7(1)",
			"the address that the request went to has changed since: ask for the consent anew"),
	); err != nil {
		return nil, err
	}
	p, err := d.consentPurpose(request.Purpose, request.Version)
	if err != nil {
		return nil, err
	}
	g, err := d.grant(Granting{
		Said: Said{
			Purpose: request.Purpose, Version: request.Version, Notice: request.Notice, Language: request.Language,
			Medium: c.Medium, Method: c.Method, By: c.By, Evidence: c.Evidence, Guardian: c.Guardian,
		},
		Explicit: c.Explicit, Channels: request.Channels, Until: request.Until,
	}, p)
	if err != nil {
		return nil, err
	}
	return one(&ConsentConfirmed{Grant: g, Request: c.Request, Contact: request.Contact, ContactSlot: request.ContactSlot})
}

func (d *decision) request(id domain.ID) (*ConsentRequested, *domain.Recorded) {
	entries := d.Entries()
	for i := range entries {
		if e, ok := entries[i].Event.(*ConsentRequested); ok && entries[i].ID == id {
			return e, &entries[i]
		}
	}
	return nil, nil
}

// newestConsent is the last recorded event about a purpose's consent, notes
// of an expiry aside.
func (d *decision) newestConsent(purpose domain.Name) *domain.Recorded {
	entries, kinds := d.Entries(), d.kinds()
	for i := len(entries) - 1; i >= 0; i-- {
		if kinds[i].topic == aboutConsent && kinds[i].purpose == purpose {
			return &entries[i]
		}
	}
	return nil
}
