package history

import (
	"time"

	"lethe/domain"
	"lethe/domain/subject"
)

// Facts are what an event says in clear. Each kind of event fills those that
// it has.
type Facts struct {
	Purpose      domain.Name               `json:"purpose,omitzero"`
	Version      uint32                    `json:"version,omitzero"`
	Notice       domain.Digest             `json:"notice,omitzero"`
	Language     domain.Language           `json:"language,omitzero"`
	Medium       subject.Medium            `json:"medium,omitzero"`
	Method       subject.Method            `json:"method,omitzero"`
	By           subject.Party             `json:"by,omitzero"`
	Class        subject.EvidenceClass     `json:"class,omitzero"`
	Explicit     bool                      `json:"explicit,omitzero"`
	Until        time.Time                 `json:"until,omitzero"`
	Channels     []subject.Channel         `json:"channels,omitzero"`
	Basis        domain.Basis              `json:"basis,omitzero"`
	Scope        subject.ObjectionScope    `json:"scope,omitzero"`
	ContactPoint bool                      `json:"contact_point,omitzero"`
	Ground       subject.RestrictionGround `json:"ground,omitzero"`
	Refers       domain.ID                 `json:"refers,omitzero"` // the event that this one answers or ends
	Informed     time.Time                 `json:"informed,omitzero"`
	Expires      time.Time                 `json:"expires,omitzero"`
	DoubleOptIn  bool                      `json:"double_opt_in,omitzero"`
	System       domain.Name               `json:"system,omitzero"`
	Import       domain.ID                 `json:"import,omitzero"`
}

// FactsOf reads an event; false for those that are not of this view.
func FactsOf(e domain.Event) (Facts, bool) {
	if f, ok := consentFacts(e); ok {
		return f, true
	}
	if about(e) {
		return erasureParty(e), true
	}
	return otherFacts(e)
}

func consentFacts(e domain.Event) (Facts, bool) {
	switch x := e.(type) {
	case *subject.ConsentRequested:
		f := ofChoice(&x.Choice)
		f.Channels, f.DoubleOptIn, f.Expires, f.Until = x.Channels, x.DoubleOptIn, x.Expires, x.Until
		return f, true
	case *subject.ConsentConfirmed:
		f := ofGrant(&x.Grant)
		f.Refers = x.Request
		return f, true
	case *subject.ConsentGiven:
		return ofGrant(&x.Grant), true
	case *subject.ConsentRenewed:
		return ofGrant(&x.Grant), true
	case *subject.ConsentDeferred:
		return ofChoice(&x.Choice), true
	case *subject.ConsentRefused:
		return ofChoice(&x.Choice), true
	case *subject.ConsentWithdrawn:
		return ofChoice(&x.Choice), true
	case *subject.ConsentRevoked:
		return ofChoice(&x.Choice), true
	case *subject.ConsentInvalidated:
		return ofChoice(&x.Choice), true
	case *subject.ConsentExpired:
		return Facts{Purpose: x.Purpose, Version: x.Version, Refers: x.Grant}, true
	default:
		return Facts{}, false
	}
}

func ofChoice(c *subject.Choice) Facts {
	return Facts{
		Purpose: c.Purpose, Version: c.Version, Notice: c.Notice, Language: c.Language,
		Medium: c.Medium, Method: c.Method, By: c.By,
	}
}

func ofGrant(g *subject.Grant) Facts {
	f := ofChoice(&g.Choice)
	f.Class, f.Explicit, f.Until, f.Channels = g.Class, g.Explicit, g.Until, g.Channels
	return f
}

func otherFacts(e domain.Event) (Facts, bool) {
	switch x := e.(type) {
	case *subject.BasisAsserted:
		return Facts{Purpose: x.Purpose, Version: x.Version, Basis: x.Basis, Until: x.Until}, true
	case *subject.BasisEnded:
		return Facts{Purpose: x.Purpose, Basis: x.Basis}, true
	case *subject.Objected:
		f := Facts{
			Purpose: x.Purpose, Scope: x.Scope, ContactPoint: x.ContactPoint, By: x.By,
			System: x.Source.System, Import: x.Source.Import,
		}
		if x.Channel != subject.NoChannel {
			f.Channels = []subject.Channel{x.Channel}
		}
		return f, true
	case *subject.ObjectionOverridden:
		return Facts{Refers: x.Objection}, true
	case *subject.ObjectionUpheld:
		return Facts{Refers: x.Objection}, true
	case *subject.ObjectionWithdrawn:
		return Facts{Refers: x.Objection}, true
	case *subject.RestrictionPlaced:
		return Facts{Ground: x.Ground}, true
	case *subject.RestrictionLifted:
		return Facts{Ground: x.Ground, Informed: x.Informed}, true
	default:
		return Facts{}, false
	}
}
