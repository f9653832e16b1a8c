package httpapi

import (
	"cmp"
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
	"lethe/projections"
	"lethe/projections/history"
)

// LookingBack says as of when, and by which of the two times.
type LookingBack struct {
	AsOf PastTime `query:"as_of" doc:"The moment to look back to, RFC 3339 or a date (its end, UTC); now when left out" example:"2026-01-31"`
	By   string   `query:"by" enum:"recorded,effective" default:"recorded" doc:"recorded: what was known then. effective: what is known now about then."`
}

// cut is up to where a look back goes, whatever the position.
func (l *LookingBack) cut(now time.Time) history.Cut {
	return cutOf(l.By, now, l.AsOf.at(now), endless)
}

// lookBack is a look into the past of one person.
type lookBack struct {
	Token domain.Token `path:"token" doc:"The person's pseudonym"`
	LookingBack
	About domain.Name `query:"about" doc:"Only what is about this purpose; nothing is opened by it" example:"marketing.sms"`
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
	Proved
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
		about: "Every event of a person as of a moment, by recorded or effective time, each with the address of its proof. " +
			"Without a purpose, facts and markers of what is sealed; with one, the values that the purpose needs, through the " +
			"same door as any other reading.",
	}, s.history)
	handle(s, route{
		method: http.MethodGet, path: "/subjects/{token}/consents", tag: tagConsents, summary: "List consents", action: auth.ReadFacts,
		about: "How each purpose's consent stood at a moment, by recorded or effective time, computed from the events, and other " +
			"bases and objections with what became of them. With a purpose, that one's, with its sealed evidence opened for who may see it.",
	}, s.consents)
}

func (s *API) history(ctx context.Context, c *call, in *lookBack) (*shownAs[History], error) {
	state, err := s.known(ctx, in.Token)
	if err != nil {
		return nil, err
	}
	cut := in.cut(s.Ledger.Now())
	h := History{Token: in.Token, Revision: state.Revision(), AsOf: cut.Effective, By: in.By}
	opened, err := s.openPast(ctx, c, in, &h.Access)
	if err != nil {
		return nil, err
	}
	tag := etag(state.Revision(), uint64(len(opened)))
	if in.AsOf == "" && fresh(c.none, tag) {
		return nil, unchanged(tag)
	}
	h.Events, err = s.pastEvents(state, in.About, in.By, func(r *domain.Recorded) bool { return seenAt(r, in.By, cut) }, opened)
	if err != nil {
		return nil, err
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

// seenAt reports whether a look back lists an event: by recorded time also
// what was yet to take effect.
func seenAt(r *domain.Recorded, by string, c history.Cut) bool {
	return !r.Recorded.After(c.Recorded) && (by != byEffective || !r.Effective.After(c.Effective))
}

// pastEvents are the events about a purpose that are wanted, in the order of
// the time that is looked back by.
func (s *API) pastEvents(
	state *subject.State, purpose domain.Name, by string, wanted func(*domain.Recorded) bool, opened []disclose.Past,
) ([]PastEvent, error) {
	list := []PastEvent{}
	values := valuesOf(state, opened)
	for _, r := range about(state.Entries(), purpose) {
		if !wanted(r) {
			continue
		}
		e, err := s.pastEvent(r, values)
		if err != nil {
			return nil, err
		}
		list = append(list, e)
	}
	if by == byEffective {
		slices.SortStableFunc(list, func(a, b PastEvent) int { return a.Effective.Compare(b.Effective) })
	}
	return list, nil
}

func (s *API) pastEvent(r *domain.Recorded, values *pastValues) (PastEvent, error) {
	facts, err := json.Marshal(r.Event)
	if err != nil {
		return PastEvent{}, domain.Internal("writing an event's facts", err)
	}
	return PastEvent{
		Event: r.ID, Revision: r.Revision, Position: eventstore.Position(r.Position), Type: r.Event.EventType().Name,
		Recorded: r.Recorded, Effective: r.Effective, Principal: r.Metadata.Principal, Facts: facts,
		Values: values.of(r), Proved: s.proved(r.ID),
	}, nil
}

// pastValues tells how the values of a person's events are shown: opened, if
// they were, and erased as soon as an event says so.
type pastValues struct {
	opened []disclose.Past
	gone   func(revision uint64, v *personal.Value) bool
}

func valuesOf(state *subject.State, opened []disclose.Past) *pastValues {
	return &pastValues{opened: opened, gone: projections.GoneIn(state.Entries())}
}

func (p *pastValues) of(r *domain.Recorded) (list []PastValue) {
	seen := map[string]int{}
	for _, slot := range r.Event.Personal(nil) {
		index := seen[slot.Field]
		seen[slot.Field]++
		if slot.Value.State() == personal.Absent {
			continue
		}
		list = append(list, PastValue{Field: domain.Name(slot.Field), Value: p.value(r, domain.Name(slot.Field), index, slot.Value)})
	}
	return list
}

func (p *pastValues) value(r *domain.Recorded, field domain.Name, index int, stored *personal.Value) Value {
	if p.gone(r.Revision, stored) {
		return shown(personal.Unreadable(personal.Erased))
	}
	for _, o := range p.opened {
		if o.EventID == r.ID && o.Field == field && o.Index == index {
			return shown(o.Value)
		}
	}
	return Value{State: stored.State().String()}
}

// Consents is how a person's consents stood.
type Consents struct {
	Token    domain.Token `json:"token"`
	Revision uint64       `json:"revision"`
	AsOf     time.Time    `json:"as_of"`
	By       string       `json:"by"`
	Access   domain.ID    `json:"access,omitzero" doc:"The event that recorded this access, when values were opened"`
	Stand
}

func (s *API) consents(ctx context.Context, c *call, in *lookBack) (*shownAs[Consents], error) {
	state, err := s.known(ctx, in.Token)
	if err != nil {
		return nil, err
	}
	cut := in.cut(s.Ledger.Now())
	answer := Consents{Token: in.Token, Revision: state.Revision(), AsOf: cut.Effective, By: in.By}
	opened, err := s.openPast(ctx, c, in, &answer.Access)
	if err != nil {
		return nil, err
	}
	answer.Stand = standOf(state, cut, cmp.Or(in.About, in.Purpose), opened)
	s.prove(&answer.Stand)
	return &shownAs[Consents]{ETag: etag(state.Revision()), Body: answer}, nil
}
