package subject_test

import (
	"time"

	"pgregory.net/rapid"

	"lethe/domain"
	"lethe/domain/personal"
	"lethe/domain/subject"
)

// Histories of any events whatever, decided or not: few purposes and few
// days, so that ties, backdating and nonsense are frequent.

var (
	somePurposes = []domain.Name{"newsletter", "doi", "club", "ads", "analytics", "health", "service", "claims", "invoicing"}
	someFields   = []domain.Name{"email", "phone", "name", "vat", "diet", "record"}
	someGroups   = []domain.Name{"contact", "identity", "billing", "health", "criminal"}
	someChannels = []subject.Channel{"", subject.Email, subject.Post, subject.SMS}
	someGrounds  = []subject.RestrictionGround{subject.AccuracyContested, subject.UnlawfulButKeep, subject.NeededForClaims}
	someBases    = []domain.Basis{domain.Contract, domain.LegitimateInterests, domain.LegalObligation}
)

func pick[T any](t *rapid.T, from []T, what string) T { return rapid.SampledFrom(from).Draw(t, what) }

// moment is one of few, twenty days apart: "club" has three versions among them.
func moment(t *rapid.T, from, to int, what string) time.Time {
	return day(rapid.IntRange(from, to).Draw(t, what) * 20)
}

// drawState draws a record of any history. It is registered unless it says.
func drawState(t *rapid.T, name string) *subject.State {
	token := tokenOf(name)
	var s *subject.State
	add := func(e domain.Event, at, effective time.Time) {
		id := domain.ID{0: name[0], 15: byte(s.Next() + 1)}
		s = subject.Evolve(s, domain.Recorded{
			ID: id, Stream: token.Stream(), Revision: s.Next(), Position: 10 * (s.Next() + 1), Recorded: at, Effective: effective, Event: e,
		})
	}
	at := rapid.IntRange(0, 2).Draw(t, "opened")
	if rapid.IntRange(0, 29).Draw(t, "unregistered") < 29 {
		acquired := pick(t, []subject.Acquisition{subject.FromPerson, subject.FromThirdParty}, "acquired")
		add(&subject.Registered{Acquired: acquired, Jurisdiction: pick(t, []domain.Place{"DE", "GB"}, "place")}, day(at*20), day(at*20))
	}
	for range rapid.IntRange(6, 20).Draw(t, "events") {
		at += rapid.IntRange(0, 1).Draw(t, "pause")
		effective := day(at * 20)
		if rapid.Bool().Draw(t, "backdated") {
			effective = moment(t, -2, at, "effective")
		}
		add(drawEvent(t, s, name), day(at*20), effective)
	}
	return s
}

// earlier draws the ID of an event that is there, or of none.
func earlier(t *rapid.T, s *subject.State, name string) domain.ID {
	return domain.ID{0: name[0], 15: byte(rapid.IntRange(0, int(s.Next())).Draw(t, "earlier"))}
}

func drawChoice(t *rapid.T) subject.Choice {
	return subject.Choice{
		Purpose: pick(t, somePurposes[:7], "purpose"), Version: pick(t, []uint32{1, 1, 1, 1, 2, 3}, "version"), By: subject.Self,
	}
}

func drawGrant(t *rapid.T) subject.Grant {
	g := subject.Grant{Choice: drawChoice(t), Explicit: rapid.Bool().Draw(t, "explicit")}
	if rapid.IntRange(0, 2).Draw(t, "ends") == 0 {
		g.Until = moment(t, 3, 20, "until")
	}
	if rapid.IntRange(0, 3).Draw(t, "narrow") == 0 {
		g.Channels = []subject.Channel{pick(t, someChannels[1:], "channel")}
	}
	return g
}

func drawItems(t *rapid.T) []subject.Item {
	var items []subject.Item
	for range rapid.IntRange(1, 2).Draw(t, "items") {
		items = append(items, subject.Item{
			Field: pick(t, someFields, "field"), Slot: uint16(rapid.IntRange(0, 1).Draw(t, "slot")),
			Value: personal.Of(rapid.StringN(1, 3, 9).Draw(t, "value")),
		})
	}
	return items
}

func drawEvent(t *rapid.T, s *subject.State, name string) domain.Event {
	purpose := pick(t, somePurposes, "purpose")
	id := earlier(t, s, name)
	switch rapid.IntRange(0, 26).Draw(t, "event") {
	case 0:
		return &subject.ConsentRequested{Choice: drawChoice(t), DoubleOptIn: true, Contact: "email"}
	case 1:
		return &subject.ConsentDeferred{Choice: drawChoice(t)}
	case 2:
		return &subject.ConsentConfirmed{Grant: drawGrant(t), Request: id, Contact: pick(t, []domain.Name{"", "email"}, "contact")}
	case 3, 4, 5:
		return &subject.ConsentGiven{Grant: drawGrant(t)}
	case 6:
		return &subject.ConsentRenewed{Grant: drawGrant(t)}
	case 7:
		return &subject.ConsentRefused{Choice: drawChoice(t)}
	case 8:
		return &subject.ConsentWithdrawn{Choice: drawChoice(t)}
	case 9:
		return &subject.ConsentRevoked{Choice: drawChoice(t)}
	case 10:
		return &subject.ConsentInvalidated{Choice: drawChoice(t), Grant: id}
	case 11:
		return &subject.ConsentExpired{Purpose: purpose, Version: 1, Grant: id}
	case 12, 13:
		e := &subject.BasisAsserted{Purpose: purpose, Version: 1, Basis: pick(t, someBases, "basis")}
		if of, ok := map[domain.Name]domain.Basis{"ads": domain.LegitimateInterests, "analytics": domain.LegitimateInterests, "service": domain.Contract}[purpose]; ok {
			e.Basis = of
		}
		if rapid.IntRange(0, 2).Draw(t, "ends") == 0 {
			e.Until = moment(t, 3, 20, "until")
		}
		return e
	case 14:
		return &subject.BasisEnded{Purpose: purpose, Basis: pick(t, someBases, "basis")}
	case 15, 16, 26:
		return &subject.Objected{
			Scope:   pick(t, []subject.ObjectionScope{subject.ToMarketing, subject.ToProcessing, subject.ToDisclosure}, "scope"),
			Purpose: pick(t, append([]domain.Name{"", ""}, somePurposes...), "of"), Channel: pick(t, append([]subject.Channel{"", ""}, someChannels...), "channel"),
			ContactPoint: rapid.Bool().Draw(t, "contact point"),
		}
	case 17:
		return pick(t, []domain.Event{
			&subject.ObjectionOverridden{Objection: id}, &subject.ObjectionUpheld{Objection: id}, &subject.ObjectionWithdrawn{Objection: id},
		}, "settled")
	case 18:
		return &subject.RestrictionPlaced{Ground: pick(t, someGrounds, "ground")}
	case 19:
		return &subject.RestrictionLifted{Ground: pick(t, someGrounds, "ground")}
	case 20, 25:
		return &subject.HoldPlaced{
			Hold: domain.ID{byte(rapid.IntRange(1, 2).Draw(t, "hold"))}, Group: pick(t, someGroups[:2], "group"),
			Purpose: pick(t, []domain.Name{"claims", "invoicing"}, "keeper"),
		}
	case 21:
		return &subject.HoldReleased{Hold: domain.ID{byte(rapid.IntRange(1, 2).Draw(t, "hold"))}}
	case 22, 23:
		return &subject.FieldsRecorded{Purpose: purpose, Items: drawItems(t)}
	}
	return pick(t, []domain.Event{
		&subject.FieldsRectified{Items: drawItems(t)}, &subject.FieldRemoved{Purpose: purpose, Field: pick(t, someFields, "field")},
		&subject.LinkProposed{Other: tokenOf("x")}, &subject.LinkAccepted{Other: tokenOf("x")}, &subject.LinkUndone{Other: tokenOf("x")},
		&subject.AgeAssessed{Outcome: subject.Child, Rule: "DE"}, &subject.Disclosed{Purpose: purpose}, &subject.Registered{},
	}, "rare")
}
