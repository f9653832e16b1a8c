package httpapi

import (
	"context"
	"net/http"
	"regexp"
	"time"

	"lethe/domain"
	"lethe/domain/subject"
	"lethe/internal/auth"
	"lethe/projections/erasures"
)

// ErasureLine is one erasure in a list.
type ErasureLine struct {
	Erasure    domain.ID            `json:"erasure"`
	Token      domain.Token         `json:"token"`
	State      subject.ErasureState `json:"state" enum:"ordered,started,completed,cancelled,stopped"`
	Cause      subject.ErasureCause `json:"cause"`
	Everything bool                 `json:"everything,omitzero"`
	Of         domain.Token         `json:"of,omitzero" doc:"The record that it goes along with"`
	Due        time.Time            `json:"due,omitzero"`
	Ordered    time.Time            `json:"ordered,omitzero"`
	Started    time.Time            `json:"started,omitzero"`
	Completed  time.Time            `json:"completed,omitzero"`
	Kept       int                  `json:"kept" doc:"Retention groups that stay"`
	Incomplete string               `json:"incomplete,omitzero" doc:"Why it does not get on"`
}

// ErasureLines is a page of erasures, newest first.
type ErasureLines struct {
	Items []ErasureLine `json:"items"`
	Next  string        `json:"next,omitzero" doc:"Send it as before for the page after this; absent on the last"`
}

func (s *API) erasureListRoutes() {
	handle(s, route{
		method: http.MethodGet, path: "/erasures", tag: tagRights, summary: "List all erasures", action: auth.ReadFacts,
		about: "The erasures of all people, newest order first, by state: what is ordered and waits, what has started and does not get on, what is done.",
	}, s.allErasures)
}

func (s *API) allErasures(ctx context.Context, _ *call, in *struct {
	Page
	State subject.ErasureState `query:"state" enum:"ordered,started,completed,cancelled,stopped" doc:"All states when left out"`
},
) (*struct{ Body ErasureLines }, error) {
	if err := s.waitFor(ctx, erasures.Name, in.AfterPosition); err != nil {
		return nil, err
	}
	before, _ := in.before()
	found, err := erasures.Queries{Source: s.Views}.List(ctx, in.State, before, in.Limit)
	if err != nil {
		return nil, err
	}
	page := ErasureLines{Items: []ErasureLine{}}
	for _, e := range found {
		page.Items = append(page.Items, ErasureLine{
			Erasure: e.ID, Token: e.Token, State: e.State, Cause: e.Cause, Everything: e.Everything, Of: e.Of, Due: e.Due,
			Ordered: e.Ordered, Started: e.Started, Completed: e.Completed, Kept: e.Kept,
			Incomplete: s.trouble(e.Token, e.ID),
		})
	}
	if len(found) == in.Limit {
		page.Next = found[len(found)-1].Position.String()
	}
	return &struct{ Body ErasureLines }{page}, nil
}

// directories are those of a path in a text.
var directories = regexp.MustCompile(`(^|[\s"'(])/(?:[^\s:;,"'()/]+/)*`)

// trouble is why an erasure does not get on, for callers: of files it has the
// names, and where they lie is in the program's log.
func (s *API) trouble(token domain.Token, id domain.ID) string {
	return directories.ReplaceAllString(s.Erasures.Trouble(token, id), "$1")
}
