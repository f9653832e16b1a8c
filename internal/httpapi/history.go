package httpapi

import (
	"context"
	stdjson "encoding/json"
	"net/http"
	"slices"
	"time"

	"github.com/go-json-experiment/json"

	"lethe/domain"
	"lethe/domain/access"
	"lethe/domain/personal"
	"lethe/domain/subject"
	"lethe/eventstore"
	"lethe/internal/auth"
	"lethe/internal/disclose"
)

// LookingBack says as of when, and by which of the two times.
type LookingBack struct {
	AsOf PastTime `query:"as_of" doc:"The moment to look back to, RFC 3339 or a date (its end, UTC); now when left out" example:"2026-01-31"`
	By   string   `query:"by" enum:"recorded,effective" default:"recorded" doc:"recorded: what was known then. effective: what is known now about then."`
}

// at gives the two cuts: recorded until, effective until.
func (l *LookingBack) at(now time.Time) (recorded, effective time.Time) {
	t := l.AsOf.at(now)
	if l.By == "effective" {
		return now, t
	}
	return t, t
}

// lookBack is a look into the past of one person.
type lookBack struct {
	Token domain.Token `path:"token" doc:"The person's pseudonym"`
	LookingBack
	Asking
}

// PastEvent is one event of a person's history.
type PastEvent struct {
	Event     domain.ID           `json:"event"`
	Revision  uint64              `json:"revision"`
	Position  eventstore.Position `json:"position"`
	Type      string              `json:"type" example:"ConsentGiven"`
	Recorded  time.Time           `json:"recorded"`
	Effective time.Time           `json:"effective"`
	Principal domain.ID           `json:"principal" doc:"Who did it"`
	Facts     stdjson.RawMessage  `json:"facts" doc:"What the event says in clear"`
	Values    []PastValue         `json:"values,omitempty" doc:"What it seals; opened only with a purpose, and only what that needs"`
}

// PastValue is one sealed value of an event.
type PastValue struct {
	Field domain.Name `json:"field"`
	Value Value       `json:"value"`
}

// History is a person's events.
type History struct {
	Token    domain.Token `json:"token"`
	Revision uint64       `json:"revision"`
	AsOf     time.Time    `json:"as_of"`
	By       string       `json:"by"`
	Access   domain.ID    `json:"access,omitzero" doc:"The event that recorded this access, when values were opened"`
	Events   []PastEvent  `json:"events"`
}

func (s *API) historyRoutes() {
	handle(s, route{
		method: http.MethodGet, path: "/subjects/{token}/history", tag: tagReading, summary: "Get history", action: auth.ReadFacts, conditional: true,
		about: "Every event of a person as of a moment, by recorded or effective time. Without a purpose, facts and markers of " +
			"what is sealed; with one, the values that the purpose needs, through the same door as any other reading.",
	}, s.history)
	handle(s, route{
		method: http.MethodGet, path: "/subjects/{token}/consents", tag: tagConsents, summary: "List consents", action: auth.ReadFacts,
		about: "How each purpose's consent stood at a moment, by recorded or effective time, computed from the events. " +
			"With a purpose, that one's, with its sealed evidence opened for who may see it.",
	}, s.consents)
}

func (s *API) history(ctx context.Context, c *call, in *lookBack) (*shownAs[History], error) {
	state, err := s.known(ctx, in.Token)
	if err != nil {
		return nil, err
	}
	recorded, effective := in.at(s.Ledger.Now())
	h := History{Token: in.Token, Revision: state.Revision(), AsOf: effective, By: in.By, Events: []PastEvent{}}
	opened, err := s.openPast(ctx, c, in, &h.Access)
	if err != nil {
		return nil, err
	}
	tag := etag(state.Revision(), uint64(len(opened)))
	if in.AsOf == "" && fresh(c.none, tag) {
		return nil, unchanged(tag)
	}
	for _, r := range state.Entries() {
		if r.Recorded.After(recorded) || (in.By == "effective" && r.Effective.After(effective)) {
			continue
		}
		e, err := pastEvent(&r, opened)
		if err != nil {
			return nil, err
		}
		h.Events = append(h.Events, e)
	}
	if in.By == "effective" {
		slices.SortStableFunc(h.Events, func(a, b PastEvent) int { return a.Effective.Compare(b.Effective) })
	}
	return &shownAs[History]{ETag: tag, Body: h}, nil
}

// known is a person's state, NotFound when there is none.
func (s *API) known(ctx context.Context, token domain.Token) (*subject.State, error) {
	state, err := s.Ledger.Subject(ctx, token)
	if err != nil {
		return nil, err
	}
	if state == nil {
		return nil, domain.NotFound("subject.unknown", "token", "there is no such person")
	}
	return state, nil
}

// openPast opens history's values when a purpose asks for them.
func (s *API) openPast(ctx context.Context, c *call, in *lookBack, accessed *domain.ID) ([]disclose.Past, error) {
	if in.Purpose == "" {
		return nil, nil
	}
	a := in.ask(c)
	a.Door = access.History
	past, answer, err := s.Door.History(ctx, a, in.Token)
	*accessed = answer.Access
	return past, err
}

func pastEvent(r *domain.Recorded, opened []disclose.Past) (PastEvent, error) {
	facts, err := json.Marshal(r.Event)
	if err != nil {
		return PastEvent{}, domain.Internal("writing an event's facts", err)
	}
	e := PastEvent{
		Event: r.ID, Revision: r.Revision, Position: eventstore.Position(r.Position), Type: r.Event.EventType().Name,
		Recorded: r.Recorded, Effective: r.Effective, Principal: r.Metadata.Principal, Facts: facts,
	}
	seen := map[string]int{}
	for _, slot := range r.Event.Personal(nil) {
		index := seen[slot.Field]
		seen[slot.Field]++
		if slot.Value.State() == personal.Absent {
			continue
		}
		v := Value{State: slot.Value.State().String()}
		for _, p := range opened {
			if p.EventID == r.ID && p.Field == domain.Name(slot.Field) && p.Index == index {
				v = shown(p.Value)
			}
		}
		e.Values = append(e.Values, PastValue{Field: domain.Name(slot.Field), Value: v})
	}
	return e, nil
}

// Consent is how one purpose's consent stood.
type Consent struct {
	Purpose  domain.Name       `json:"purpose"`
	Status   subject.Status    `json:"status" doc:"In the words of the Data Privacy Vocabulary" example:"ConsentGiven"`
	Version  uint32            `json:"version,omitzero"`
	Since    time.Time         `json:"since,omitzero"`
	Until    time.Time         `json:"until,omitzero" doc:"When it ends, exclusive"`
	Notice   domain.Digest     `json:"notice,omitzero" doc:"The text that was shown when it was given last"`
	Language domain.Language   `json:"language,omitzero"`
	Medium   subject.Medium    `json:"medium,omitzero"`
	Method   subject.Method    `json:"method,omitzero"`
	By       subject.Party     `json:"by,omitzero"`
	Class    string            `json:"class,omitzero" doc:"proven, or asserted when the notice was recorded later or another system says so"`
	Explicit bool              `json:"explicit,omitzero"`
	Channels []subject.Channel `json:"channels,omitempty"`
	Granted  domain.ID         `json:"granted,omitzero" doc:"The event that gave it last"`
	Rest     domain.ID         `json:"rests_on,omitzero" doc:"The event that the status rests on"`
	Values   []PastValue       `json:"values,omitempty" doc:"Of the event that it rests on: evidence and guardian"`
}

// Consents is how a person's consents stood.
type Consents struct {
	Token    domain.Token `json:"token"`
	Revision uint64       `json:"revision"`
	AsOf     time.Time    `json:"as_of"`
	By       string       `json:"by"`
	Access   domain.ID    `json:"access,omitzero" doc:"The event that recorded this access, when values were opened"`
	Consents []Consent    `json:"consents"`
}

func (s *API) consents(ctx context.Context, c *call, in *lookBack) (*shownAs[Consents], error) {
	state, err := s.known(ctx, in.Token)
	if err != nil {
		return nil, err
	}
	recorded, effective := in.at(s.Ledger.Now())
	answer := Consents{Token: in.Token, Revision: state.Revision(), AsOf: effective, By: in.By, Consents: []Consent{}}
	opened, err := s.openPast(ctx, c, in, &answer.Access)
	if err != nil {
		return nil, err
	}
	for _, at := range state.At(recorded, effective).Consents {
		if in.Purpose != "" && at.Purpose != in.Purpose {
			continue
		}
		shown, err := consentOf(&at, opened)
		if err != nil {
			return nil, err
		}
		answer.Consents = append(answer.Consents, shown)
	}
	return &shownAs[Consents]{ETag: etag(state.Revision()), Body: answer}, nil
}

func consentOf(at *subject.Consent, opened []disclose.Past) (Consent, error) {
	c := Consent{Purpose: at.Purpose, Status: at.Status, Version: at.Version, Since: at.Since, Until: at.Until}
	if g := at.Grant; g != nil {
		c.Notice, c.Language, c.Medium, c.Method, c.By = g.Notice, g.Language, g.Medium, g.Method, g.By
		c.Class, c.Explicit, c.Channels, c.Granted = string(g.Class), g.Explicit, g.Channels, at.Granted.ID
	}
	if at.Rest != nil {
		e, err := pastEvent(at.Rest, opened)
		if err != nil {
			return c, err
		}
		c.Rest, c.Values = at.Rest.ID, e.Values
	}
	return c, nil
}
