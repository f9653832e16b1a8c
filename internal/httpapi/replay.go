package httpapi

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"slices"
	"time"

	"lethe/domain"
	"lethe/domain/subject"
	"lethe/eventstore"
	"lethe/internal/auth"
	"lethe/projections/history"
)

// PurposeAsOf says what a look back at a purpose is of.
type PurposeAsOf struct {
	Purpose  domain.Name         `json:"purpose"`
	AsOf     time.Time           `json:"as_of"`
	By       string              `json:"by"`
	Known    time.Time           `json:"known" doc:"Until when something had to be recorded to count"`
	Position eventstore.Position `json:"position" doc:"The log's end when the first page was asked for: nothing behind it counts"`
}

// PersonStand is how one person's consent, bases and objections stood.
type PersonStand struct {
	Token    domain.Token `json:"token"`
	Revision uint64       `json:"revision" doc:"Of the person's last event that was known then"`
	Stand
	Events []PastEvent `json:"events,omitempty" doc:"About the purpose, when asked for; values stay sealed"`
}

// PurposeStand is a page of a purpose's people.
type PurposeStand struct {
	PurposeAsOf
	Items []PersonStand `json:"items" doc:"In the order of tokens"`
	Next  string        `json:"next,omitzero" doc:"Send it as after for the page after this; absent on the last"`
}

// Total is how many people something stood for.
type Total struct {
	What   string       `json:"what" enum:"consent,basis,objection"`
	Basis  domain.Basis `json:"basis,omitzero"`
	Status string       `json:"status" doc:"Of a consent, or the state of a basis or an objection" example:"ConsentGiven"`
	People uint64       `json:"people"`
}

// PurposeTotals are a purpose's people, counted.
type PurposeTotals struct {
	PurposeAsOf
	People uint64  `json:"people" doc:"Counted here"`
	Totals []Total `json:"totals"`
	Next   string  `json:"next,omitzero" doc:"There are more people: send it as after, and add what is answered; absent when these were all"`
}

// OfPurpose names the purpose that is looked back at.
type OfPurpose struct {
	Purpose domain.Name `path:"purpose" doc:"A purpose of the catalogue" example:"marketing.sms"`
}

func (s *API) replayRoutes() {
	// Everybody's facts, as the event feed has them, so its roles.
	handle(s, route{
		method: http.MethodGet, path: "/purposes/{purpose}/consents", tag: tagConsents, summary: "List purpose consents", action: auth.ReadEvents,
		about: "How everybody stood to a purpose at a moment, by recorded or effective time: each person of whom a consent, basis or " +
			"objection event names it, in the order of tokens. A view finds the people; how each stood is folded from the person's own " +
			"events in the log. All pages are as of the same moment. Facts only: nothing is opened.",
	}, s.purposeStand)
	handle(s, route{
		method: http.MethodGet, path: "/purposes/{purpose}/totals", tag: tagConsents, summary: "Get purpose totals", action: auth.ReadEvents,
		about: "How many people stood how to a purpose at a moment, by recorded or effective time. One answer counts up to 10,000 people, " +
			"folded from the log; `next` goes on behind them, and the totals add up.",
	}, s.purposeTotals)
	s.changeRoutes()
}

func (s *API) purposeStand(ctx context.Context, _ *call, in *struct {
	OfPurpose
	LookingBack
	Events bool `query:"events" doc:"Also each person's events about the purpose"`
	Peopled
},
) (*bare[PurposeStand], error) {
	m, after, err := s.moments(in.After, in.AsOf)
	if err != nil {
		return nil, err
	}
	c := m.cut(in.By, 0)
	page := PurposeStand{PurposeAsOf: m.purposeAsOf(in.Purpose, in.By), Items: []PersonStand{}}
	last, err := s.people(ctx, in.Purpose, c, after, in.Limit, func(token domain.Token, state *subject.State) (bool, error) {
		p := PersonStand{Token: token, Revision: state.Revision(), Stand: standOf(state, c, in.Purpose, nil)}
		s.prove(&p.Stand)
		if in.Events {
			var err error
			if p.Events, err = s.pastEvents(state, in.Purpose, in.By, func(r *domain.Recorded) bool { return seenAt(r, in.By, c) }, nil); err != nil {
				return false, err
			}
		}
		page.Items = append(page.Items, p)
		return false, nil
	})
	page.Next = m.next(last)
	return &bare[PurposeStand]{Body: page}, err
}

func (m moments) purposeAsOf(purpose domain.Name, by string) PurposeAsOf {
	c := m.cut(by, 0)
	return PurposeAsOf{Purpose: purpose, AsOf: c.Effective, By: by, Known: c.Recorded, Position: m.position}
}

func (s *API) purposeTotals(ctx context.Context, _ *call, in *struct {
	OfPurpose
	LookingBack
	Continued
},
) (*bare[PurposeTotals], error) {
	m, after, err := s.moments(in.After, in.AsOf)
	if err != nil {
		return nil, err
	}
	c := m.cut(in.By, 0)
	answer := PurposeTotals{PurposeAsOf: m.purposeAsOf(in.Purpose, in.By)}
	counted := map[Total]uint64{}
	last, err := s.people(ctx, in.Purpose, c, after, s.Limits.MaxFolded, func(_ domain.Token, state *subject.State) (bool, error) {
		answer.People++
		for _, t := range kindsOf(standOf(state, c, in.Purpose, nil)) {
			counted[t]++
		}
		return false, nil
	})
	answer.Totals, answer.Next = inOrder(counted), m.next(last)
	return &bare[PurposeTotals]{Body: answer}, err
}

// kindsOf is everything that a person counts for, each once.
func kindsOf(s Stand) []Total {
	var list []Total
	add := func(t Total) {
		if !slices.Contains(list, t) {
			list = append(list, t)
		}
	}
	for _, c := range s.Consents {
		add(Total{What: "consent", Status: string(c.Status)})
	}
	for _, b := range s.Bases {
		add(Total{What: "basis", Basis: b.Basis, Status: string(b.State)})
	}
	for _, o := range s.Objections {
		add(Total{What: "objection", Status: string(o.State)})
	}
	return list
}

func inOrder(counted map[Total]uint64) []Total {
	list := make([]Total, 0, len(counted))
	for t, n := range counted {
		t.People = n
		list = append(list, t)
	}
	order := []string{"consent", "basis", "objection"}
	slices.SortFunc(list, func(a, b Total) int {
		return cmp.Or(cmp.Compare(slices.Index(order, a.What), slices.Index(order, b.What)), cmp.Compare(a.Basis, b.Basis), cmp.Compare(a.Status, b.Status))
	})
	return list
}

// Add adds the answer that goes on behind this one.
func (t *PurposeTotals) Add(more PurposeTotals) {
	counted := map[Total]uint64{}
	for _, one := range append(t.Totals, more.Totals...) {
		n := one.People
		one.People = 0
		counted[one] += n
	}
	t.People, t.Totals, t.Next = t.People+more.People, inOrder(counted), more.Next
}

// people visits a purpose's people behind a token, in the order of tokens,
// each folded up to the cut, until visit has enough or most were visited. last
// is the token to go on behind, "" when these were all.
func (s *API) people(
	ctx context.Context, purpose domain.Name, c history.Cut, after domain.Token, most int,
	visit func(domain.Token, *subject.State) (enough bool, err error),
) (last domain.Token, err error) {
	if err := s.listable(ctx, purpose, c.Position); err != nil {
		return "", err
	}
	views := history.Queries{Source: s.Views}
	for most > 0 {
		size := min(most, maxPage)
		tokens, err := views.People(ctx, purpose, c, after, size)
		if err != nil {
			return "", err
		}
		for _, token := range tokens {
			state, err := s.past(ctx, token, c)
			if err != nil {
				return "", err
			}
			enough, err := visit(token, state)
			if err != nil || enough {
				return token, err
			}
		}
		if len(tokens) < size {
			return "", nil
		}
		after, most = tokens[size-1], most-size
	}
	return after, nil
}

// maxPage is how many people are looked up at once.
const maxPage = 500

// listable refuses a purpose that was never declared, and waits until the
// view that finds its people has seen all that counts: one that is behind
// would leave people out unseen.
func (s *API) listable(ctx context.Context, purpose domain.Name, position eventstore.Position) error {
	cat, err := s.Ledger.Catalogue(ctx)
	if err != nil {
		return err
	}
	if _, declared := cat.Purpose(purpose, 0); !declared {
		return domain.NotFound("catalogue.undeclared", "purpose", "no purpose of this name is declared: GET /v1/catalogue/purposes lists them")
	}
	if position == endless {
		return nil // the store does not tell its end
	}
	waiting, cancel := context.WithTimeout(ctx, s.Limits.Wait)
	defer cancel()
	err = s.Views.WaitFor(waiting, history.Name, position)
	if errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
		return &domain.Error{
			Kind: domain.KindUnavailable, Code: "view.behind",
			Message: "the view that finds a purpose's people has not seen the whole log yet: ask again",
		}
	}
	return err
}

// errCut ends a fold at its cut.
var errCut = errors.New("the cut is reached")

// past folds a person's stream up to a cut: from the log, since an auditor's
// answer is not a view's, and past the cache, which a look at everybody would
// empty of those who are written to.
func (s *API) past(ctx context.Context, token domain.Token, c history.Cut) (state *subject.State, err error) {
	err = s.Ledger.Replay(ctx, token.Stream(), func(r domain.Recorded) error {
		if r.Recorded.After(c.Recorded) || eventstore.Position(r.Position) > c.Position {
			return errCut
		}
		state = subject.Evolve(state, r)
		return nil
	})
	if errors.Is(err, errCut) {
		err = nil
	}
	return state, err
}
