package httpapi

import (
	"context"
	"net/http"
	"time"

	"lethe/domain"
	"lethe/domain/operations"
	"lethe/domain/personal"
	"lethe/domain/principal"
	"lethe/domain/subject"
	"lethe/internal/auth"
	"lethe/internal/ledger"
	"lethe/projections/customers"
)

// HoldBody keeps a retention group.
type HoldBody struct {
	Group     domain.Name `json:"group" doc:"Retention group"`
	Purpose   domain.Name `json:"purpose" doc:"The only one it is kept for"`
	Review    time.Time   `json:"review" doc:"When somebody looks at it again"`
	Authority string      `json:"authority" doc:"By whose authority; kept sealed"`
	Effective time.Time   `json:"effective,omitzero"`
}

// GroupHoldBody keeps a retention group of many people.
type GroupHoldBody struct {
	Group     domain.Name       `json:"group" doc:"Retention group"`
	Purpose   domain.Name       `json:"purpose" doc:"The only one it is kept for"`
	Review    time.Time         `json:"review" doc:"When somebody looks at it again"`
	Authority string            `json:"authority" doc:"By whose authority; kept sealed"`
	People    operations.People `json:"people" enum:"everyone,purpose,import,system" doc:"Whom it is about, also people who come later"`
	For       domain.Name       `json:"for,omitzero" doc:"With people = purpose: of whom anything was ever recorded for this purpose"`
	Import    domain.ID         `json:"import,omitzero" doc:"With people = import: of whom anything came by this import"`
	System    domain.Name       `json:"system,omitzero" doc:"With people = system: of whom anything came from this source system"`
}

// HoldAnswer is a hold: on one person's record, or for a group of people.
type HoldAnswer struct {
	Hold      domain.ID         `json:"hold"`
	Group     domain.Name       `json:"group" doc:"Retention group"`
	Purpose   domain.Name       `json:"purpose" doc:"The only one it is kept for"`
	Review    time.Time         `json:"review"`
	Overdue   bool              `json:"overdue,omitzero" doc:"The review's day has passed; the hold stands all the same"`
	Token     domain.Token      `json:"token,omitzero" doc:"Whose record it is on; absent when it is for a group of people"`
	People    operations.People `json:"people,omitzero" enum:"everyone,purpose,import,system" doc:"Whom it is about, when it is for a group of people"`
	For       domain.Name       `json:"for,omitzero"`
	Import    domain.ID         `json:"import,omitzero"`
	System    domain.Name       `json:"system,omitzero"`
	Placed    time.Time         `json:"placed" doc:"When it was recorded"`
	Released  time.Time         `json:"released,omitzero"`
	Event     domain.ID         `json:"event" doc:"That placed it"`
	Authority *Value            `json:"authority,omitempty" nullable:"false" doc:"When asked for; of all holds together those for groups of people alone have it"`
}

// HoldPage is a page of holds.
type HoldPage struct {
	Items []HoldAnswer `json:"items" doc:"First those for groups of people, by when they were placed; then those on single records, by token"`
	Next  domain.Token `json:"next,omitzero" doc:"Send it as after for the page after this, also when this one has no items; absent on the last"`
}

func (s *API) holdRoutes() {
	s.groupHoldRoutes()
	s.suppressionRoutes()
	handle(s, route{
		method: http.MethodPost, path: "/subjects/{token}/holds", tag: tagRights, summary: "Place hold", keyed: true, matched: true,
		action: auth.DecideRights,
		about:  "Keeps a retention group for a claim or a duty (GDPR 17(3)), for one purpose alone. The answer's `hold` names it.",
	}, s.placeHold)
	handle(s, route{
		method: http.MethodGet, path: "/subjects/{token}/holds", tag: tagRights, summary: "List person holds", action: auth.ReadHolds,
		about: "The holds that bind a person now: those on the record, and those for a group of people that the person belongs to. " +
			"With `authority`, on whose authority they were placed: that is for officers, and recorded as an access to the person's data.",
	}, s.personHolds)
	act(s, route{
		method: http.MethodPost, path: "/subjects/{token}/holds/{hold}/release", summary: "Release hold", action: auth.DecideRights,
		about: "Ends a hold. An erasure that waited for it is weighed again. The copy of a hold for a group of people is released with that one.", bodyOptional: true,
	}, func(_ *call, in *struct {
		Token domain.Token `path:"token" doc:"The person's pseudonym"`
		Hold  domain.ID    `path:"hold"`
		Body  body[WhenBody]
	},
	) (domain.Token, domain.Name, subject.Command) {
		return in.Token, "", subject.ReleaseHold{When: subject.When{At: in.Body.Value.Effective}, Hold: in.Hold}
	})
}

// HoldPlaced is the answer to placing a hold.
type HoldPlaced struct {
	Outcome
	Hold domain.ID `json:"hold"`
}

type holdPlaced struct {
	ETag     string `header:"ETag"`
	Position string `header:"Lethe-Position"`
	Body     HoldPlaced
}

func (s *API) placeHold(ctx context.Context, c *call, in *withBody[HoldBody]) (*holdPlaced, error) {
	b := in.Body.Value
	hold, err := s.nameFor(c, "hold")
	if err != nil {
		return nil, err
	}
	out, err := s.decide(ctx, c, in.Token, b.Purpose, subject.PlaceHold{
		When: subject.When{At: b.Effective}, Hold: hold, Group: b.Group, Purpose: b.Purpose, Review: b.Review, Authority: sealed(b.Authority),
	})
	return heldAs(in.Token, hold, out, err)
}

func (s *API) groupHoldRoutes() {
	handle(s, route{
		method: http.MethodPost, path: "/holds", tag: tagRights, summary: "Place group hold", keyed: true, action: auth.DecideRights,
		about: "Keeps a retention group of many people for a claim or a duty (GDPR 17(3)), for one purpose alone. Whom it binds is asked " +
			"of each person when an erasure of theirs is weighed, and then written to their record. The answer's `hold` names it.",
	}, s.placeGroupHold)
	handle(s, route{
		method: http.MethodGet, path: "/holds", tag: tagRights, summary: "List holds", action: auth.ReadHolds,
		about: "The holds that stand, for groups of people and on single records. With `authority`, on whose authority those for groups " +
			"of people were placed: that is for officers, and recorded as an access.",
	}, s.listHolds)
	handle(s, route{
		method: http.MethodPost, path: "/holds/{hold}/release", tag: tagRights, summary: "Release group hold", keyed: true, action: auth.DecideRights,
		about: "Ends a hold for a group of people, and its copies on their records. Erasures that waited for it are weighed again.",
	}, func(ctx context.Context, c *call, in *struct {
		Hold domain.ID `path:"hold"`
	},
	) (*written, error) {
		out, err := s.Ledger.Operate(ctx, c.request(""), operations.ReleaseGroupHold{Hold: in.Hold, Officer: c.officer()})
		return wrote("", out, err)
	})
}

func (c *call) officer() bool { return c.caller.Has(principal.Officer) }

func (s *API) placeGroupHold(ctx context.Context, c *call, in *struct{ Body body[GroupHoldBody] }) (*holdPlaced, error) {
	b := in.Body.Value
	hold, err := s.nameFor(c, "group-hold")
	if err != nil {
		return nil, err
	}
	out, err := s.Ledger.Operate(ctx, c.request(b.Purpose), operations.PlaceGroupHold{
		Officer: c.officer(),
		GroupHoldPlaced: operations.GroupHoldPlaced{
			Hold: hold, Group: b.Group, Purpose: b.Purpose, Review: b.Review, Authority: sealed(b.Authority),
			People: b.People, For: b.For, Import: b.Import, System: b.System,
		},
	})
	return heldAs("", hold, out, err)
}

func heldAs(token domain.Token, hold domain.ID, out ledger.Outcome, err error) (*holdPlaced, error) {
	if err != nil {
		return nil, err
	}
	return &holdPlaced{
		ETag: etag(out.Last), Position: out.Position.String(), Body: HoldPlaced{Outcome: outcome(token, out), Hold: hold},
	}, nil
}

func (s *API) listHolds(ctx context.Context, c *call, in *struct {
	Overdue   bool         `query:"overdue" doc:"Only those whose review's day has passed"`
	Released  bool         `query:"released" doc:"Also those for groups of people that were released"`
	Authority bool         `query:"authority" doc:"Also open on whose authority those for groups of people were placed"`
	After     domain.Token `query:"after" doc:"next of the page before"`
	Limit     int          `query:"limit" minimum:"1" maximum:"500" default:"100" doc:"People looked at"`
},
) (*bare[HoldPage], error) {
	page, now := HoldPage{Items: []HoldAnswer{}}, s.Ledger.Now()
	if in.After == "" {
		groups, err := s.groupHolds(ctx, c, in.Authority, now)
		if err != nil {
			return nil, err
		}
		for _, h := range groups {
			if (in.Released || h.Released.IsZero()) && (h.Overdue || !in.Overdue) {
				page.Items = append(page.Items, h)
			}
		}
	}
	held, last, err := customers.Queries{Source: s.Views}.Holds(ctx, in.After, in.Limit, now)
	page.Next = last
	for _, h := range held {
		if a := holdOn(h.Token, h.Hold, now); !h.Mirror && (a.Overdue || !in.Overdue) {
			page.Items = append(page.Items, a)
		}
	}
	return &bare[HoldPage]{Body: page}, err
}

// groupHolds lists all holds for groups of people.
func (s *API) groupHolds(ctx context.Context, c *call, open bool, now time.Time) ([]HoldAnswer, error) {
	state, err := s.Ledger.Operations(ctx)
	if err != nil {
		return nil, err
	}
	holds := state.GroupHolds()
	list := each(holds, func(h operations.GroupHold) HoldAnswer { return groupHold(h, now) })
	if !open || len(holds) == 0 {
		return list, nil
	}
	texts, err := s.Door.Authorities(ctx, c.caller, each(holds, func(h operations.GroupHold) personal.Value { return h.Authority }))
	if err != nil {
		return nil, err
	}
	for i := range list {
		list[i].Authority = ptr(shown(texts[i]))
	}
	return list, nil
}

func groupHold(h operations.GroupHold, now time.Time) HoldAnswer {
	return HoldAnswer{
		Hold: h.Hold, Group: h.Group, Purpose: h.Purpose, Review: h.Review, Overdue: h.Released.IsZero() && now.After(h.Review),
		People: h.People, For: h.For, Import: h.Import, System: h.System, Placed: h.Placed, Released: h.Released, Event: h.Event,
	}
}

func holdOn(token domain.Token, h subject.Hold, now time.Time) HoldAnswer {
	return HoldAnswer{
		Hold: h.HoldPlaced.Hold, Group: h.Group, Purpose: h.Purpose, Review: h.Review, Overdue: now.After(h.Review), Token: token,
		Placed: h.Rest.Recorded, Event: h.Rest.ID,
	}
}

func (s *API) personHolds(ctx context.Context, c *call, in *struct {
	Token     domain.Token `path:"token" doc:"The person's pseudonym"`
	Authority bool         `query:"authority" doc:"Also open on whose authority they were placed"`
},
) (*bare[list[HoldAnswer]], error) {
	state, err := s.known(ctx, in.Token)
	if err != nil {
		return nil, err
	}
	all, err := s.Ledger.Operations(ctx)
	if err != nil {
		return nil, err
	}
	now, a := s.Ledger.Now(), list[HoldAnswer]{Items: []HoldAnswer{}}
	var authorities []personal.Value
	for _, h := range state.At(time.Time{}, now).Holds {
		if !h.Mirror {
			a.Items, authorities = append(a.Items, holdOn(in.Token, h, now)), append(authorities, h.Authority)
		}
	}
	for _, binding := range all.HoldsOn(state) {
		if h, ok := all.GroupHold(binding.Hold); ok {
			a.Items, authorities = append(a.Items, groupHold(h, now)), append(authorities, h.Authority)
		}
	}
	if !in.Authority || len(a.Items) == 0 {
		return &bare[list[HoldAnswer]]{Body: a}, nil
	}
	texts, err := s.Door.AuthoritiesOn(ctx, c.caller, in.Token, authorities)
	for i := range texts {
		a.Items[i].Authority = ptr(shown(texts[i]))
	}
	return &bare[list[HoldAnswer]]{Body: a}, err
}
