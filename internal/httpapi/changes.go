package httpapi

import (
	"context"
	"net/http"
	"reflect"
	"time"

	"lethe/domain"
	"lethe/domain/subject"
	"lethe/eventstore"
	"lethe/internal/auth"
	"lethe/projections/history"
)

// Between says which two moments are compared.
type Between struct {
	From PastTime `query:"from" required:"true" doc:"The earlier moment, RFC 3339 or a date (its end, UTC)" example:"2026-01-31"`
	To   PastTime `query:"to" doc:"The later moment, RFC 3339 or a date (its end, UTC); now when left out" example:"2026-02-28"`
	By   string   `query:"by" enum:"recorded,effective" default:"recorded" doc:"recorded: what was known at each moment. effective: what is known now about each."`
}

// Moments are the two moments that were compared.
type Moments struct {
	From time.Time `json:"from"`
	To   time.Time `json:"to"`
	By   string    `json:"by"`
}

// Changed is one thing that stood otherwise at the later moment.
type Changed[T any] struct {
	Before *T `json:"before,omitempty" nullable:"false" doc:"Absent when nothing was known of it"`
	After  T  `json:"after"`
}

// Difference is what changed between two moments. What is known never
// becomes unknown, so that there is always an after.
type Difference struct {
	Consents   []Changed[Consent]       `json:"consents"`
	Bases      []Changed[PastBasis]     `json:"bases"`
	Objections []Changed[PastObjection] `json:"objections"`
	Events     []PastEvent              `json:"events" doc:"What was recorded (by effective time: took effect) after from and until to; a consent or basis may also have come to its own end"`
}

// PersonChanges is what changed for one person.
type PersonChanges struct {
	Token    domain.Token `json:"token"`
	Revision uint64       `json:"revision" doc:"Of the person's last event that was known at the later moment"`
	Difference
}

// SubjectChanges is what changed for one person, with the moments.
type SubjectChanges struct {
	Moments
	PersonChanges
}

// PurposeMoments says what a comparison of a purpose is of.
type PurposeMoments struct {
	Purpose domain.Name `json:"purpose"`
	Moments
	Position eventstore.Position `json:"position" doc:"The log's end when the first page was asked for: nothing behind it counts"`
}

// PurposeChanges is a page of the people for whom something changed.
type PurposeChanges struct {
	PurposeMoments
	Items []PersonChanges `json:"items" doc:"People with a change or an event, in the order of tokens"`
	Next  string          `json:"next,omitzero" doc:"Send it as after for the page after this, also when this one has no items; absent on the last"`
}

func (s *API) changeRoutes() {
	handle(s, route{
		method: http.MethodGet, path: "/subjects/{token}/changes", tag: tagReading, summary: "Compare moments", action: auth.ReadFacts,
		about: "What changed for a person between two moments, by recorded or effective time: each consent, basis and objection that stood " +
			"otherwise, before and after, and the events between. Facts only: nothing is opened.",
	}, s.subjectChanges)
	handle(s, route{
		method: http.MethodGet, path: "/purposes/{purpose}/changes", tag: tagConsents, summary: "Compare purpose moments", action: auth.ReadEvents,
		about: "For whom something about a purpose changed between two moments, by recorded or effective time, before and after, with the " +
			"events between, in the order of tokens: what the comparisons of its people say, of everybody who is among them at either moment. A page looks at up to 10,000 people. Facts only: nothing is opened.",
	}, s.purposeChanges)
}

func (s *API) subjectChanges(ctx context.Context, _ *call, in *struct {
	Token domain.Token `path:"token" doc:"The person's pseudonym"`
	Between
	About domain.Name `query:"about" doc:"Only what is about this purpose" example:"marketing.sms"`
},
) (*bare[SubjectChanges], error) {
	if _, err := s.known(ctx, in.Token); err != nil {
		return nil, err
	}
	m, _, err := s.moments("", in.From, in.To)
	if err != nil {
		return nil, err
	}
	moments, err := m.between(in.By)
	if err != nil {
		return nil, err
	}
	from, to := m.cut(in.By, 0), m.cut(in.By, 1)
	state, err := s.past(ctx, in.Token, to)
	if err != nil {
		return nil, err
	}
	d, err := s.difference(state, in.By, from, to, in.About)
	return &bare[SubjectChanges]{Body: SubjectChanges{
		Moments: moments, PersonChanges: PersonChanges{Token: in.Token, Revision: state.Revision(), Difference: d},
	}}, err
}

func (s *API) purposeChanges(ctx context.Context, _ *call, in *struct {
	OfPurpose
	Between
	Peopled
},
) (*bare[PurposeChanges], error) {
	m, after, err := s.moments(in.After, in.From, in.To)
	if err != nil {
		return nil, err
	}
	moments, err := m.between(in.By)
	if err != nil {
		return nil, err
	}
	from, to := m.cut(in.By, 0), m.cut(in.By, 1)
	page := PurposeChanges{PurposeMoments: PurposeMoments{in.Purpose, moments, m.position}, Items: []PersonChanges{}}
	last, err := s.people(ctx, in.Purpose, to, after, s.Limits.MaxFolded, func(token domain.Token, state *subject.State) (bool, error) {
		// Also somebody who was not among them at the first moment stood somehow.
		d, err := s.difference(state, in.By, from, to, in.Purpose)
		if err == nil && !d.empty() {
			page.Items = append(page.Items, PersonChanges{Token: token, Revision: state.Revision(), Difference: d})
		}
		return len(page.Items) == in.Limit, err
	})
	page.Next = m.next(last)
	return &bare[PurposeChanges]{Body: page}, err
}

var errOrder = domain.Invalid("request.order", "from", "from is after to: the earlier moment comes first")

// between is the two moments, in their order.
func (m moments) between(by string) (Moments, error) {
	if m.asked[0].After(m.asked[1]) {
		return Moments{}, errOrder
	}
	return Moments{From: m.asked[0], To: m.asked[1], By: by}, nil
}

// difference compares how a person stood at two cuts, the first within the
// second. State is folded up to the second.
func (s *API) difference(state *subject.State, by string, from, to history.Cut, of domain.Name) (d Difference, err error) {
	before, after := standOf(state, from, of, nil), standOf(state, to, of, nil)
	d.Consents = changed(s, before.Consents, after.Consents, func(a, b *Consent) bool { return a.Purpose == b.Purpose })
	d.Bases = changed(s, before.Bases, after.Bases, func(a, b *PastBasis) bool { return a.Purpose == b.Purpose && a.Basis == b.Basis })
	d.Objections = changed(s, before.Objections, after.Objections, func(a, b *PastObjection) bool { return a.Event == b.Event })
	d.Events, err = s.pastEvents(state, of, by, func(r *domain.Recorded) bool {
		return seenAt(r, by, to) && !seenAt(r, by, from)
	}, nil)
	return d, err
}

func (d *Difference) empty() bool {
	return len(d.Consents)+len(d.Bases)+len(d.Objections)+len(d.Events) == 0
}

// changed pairs what is not the same any more, in the order of after, and
// links it to its proofs: only then, since events are sealed meanwhile.
func changed[T any, P interface {
	*T
	prove(*API)
}](s *API, before, after []T, same func(a, b *T) bool) []Changed[T] {
	list := []Changed[T]{}
	for i := range after {
		c := Changed[T]{After: after[i]}
		for j := range before {
			if same(&before[j], &after[i]) {
				c.Before = &before[j]
			}
		}
		if c.Before != nil && reflect.DeepEqual(*c.Before, c.After) {
			continue
		}
		P(&c.After).prove(s)
		if c.Before != nil {
			P(c.Before).prove(s)
		}
		list = append(list, c)
	}
	return list
}
