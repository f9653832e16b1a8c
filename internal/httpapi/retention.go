package httpapi

import (
	"context"
	"net/http"

	"lethe/domain"
	"lethe/domain/subject"
	"lethe/internal/auth"
	"lethe/internal/retention"
)

// Overdue is a page of what retention has ended for.
type Overdue struct {
	Items  []OverduePerson `json:"items" doc:"People of whom something is overdue, in the order of tokens"`
	Looked int             `json:"looked" doc:"At so many people"`
	Next   domain.Token    `json:"next,omitzero" doc:"Send it as after for the page after this, also when this one has no items; absent on the last"`
}

// OverduePerson is what of one person is to go, and why.
type OverduePerson struct {
	Token    domain.Token      `json:"token"`
	Overdue  []subject.Expired `json:"overdue" doc:"Values, and groups of which only what was replaced or removed is left; with the purpose that kept it longest, its retention and since when that is over. stays: what keeps it all the same"`
	Underway domain.ID         `json:"underway,omitzero" doc:"Another erasure of the record, which comes first"`
}

// RetentionBody runs retention.
type RetentionBody struct {
	After  domain.Token     `json:"after,omitzero" doc:"Only the people behind this one: where an earlier run was cut off"`
	Grace  *domain.Duration `json:"grace,omitempty" nullable:"false" doc:"How long the erasures can be cancelled, ISO 8601, at most 30 days. The server's setting when left out" example:"P7D"`
	DryRun bool             `json:"dry_run,omitzero" doc:"Only count"`
}

// RetentionLine is one line of the answer to a run: how far it is, and at last
// what was done or a problem.
type RetentionLine struct {
	Progress *retention.Tally `json:"progress,omitempty"`
	Report   *retention.Tally `json:"report,omitempty"`
	Problem  *Problem         `json:"problem,omitempty"`
}

func (s *API) retentionRoutes() {
	if s.Retention == nil {
		return
	}
	handle(s, route{
		method: http.MethodGet, path: "/retention/due", tag: tagRights, summary: "List overdue data", action: auth.ReadRetention, long: true,
		about: "What is to go since its retention has ended, person by person, and why; and what would but is kept by a hold or because the " +
			"person asked to restrict it. Nothing is changed, and nothing is opened. A page looks at up to 10,000 people.",
	}, func(ctx context.Context, _ *call, in *struct {
		After domain.Token `query:"after" doc:"next of the page before"`
	},
	) (*bare[Overdue], error) {
		found, looked, last, err := s.Retention.Look(ctx, in.After, s.Limits.MaxFolded)
		page := Overdue{Looked: looked, Next: last, Items: each(found, func(p retention.Person) OverduePerson {
			return OverduePerson{Token: p.Token, Overdue: p.Overdue, Underway: p.Underway}
		})}
		return &bare[Overdue]{Body: page}, err
	})
	handle(s, route{
		method: http.MethodPost, path: "/retention/run", tag: tagRights, summary: "Run retention", action: auth.RunRetention, long: true, bodyOptional: true,
		about: "Orders the erasure of all that is overdue, single values of a group that stays among it. Each order is weighed by itself: holds, " +
			"and restrictions by the person's wish, keep what they keep. The answer is a line of JSON every 500 people; the last has the report, " +
			"or a problem with how far it came. A run ends with its caller; one that was cut off goes on behind the last `after`, or from the start.",
	}, s.runRetention)
	documentLines[RetentionLine](s, "/retention/run")
}

func (s *API) runRetention(_ context.Context, c *call, in *struct{ Body body[RetentionBody] }) (*streamed, error) {
	b := in.Body.Value
	grace, err := (&ErasureBody{Grace: b.Grace}).grace(s.Ledger.Now(), s.Grace)
	if err != nil {
		return nil, err
	}
	req := retention.Request{By: c.caller.Principal, After: b.After, Grace: grace, DryRun: b.DryRun}
	same := func(err error) error { return err }
	return s.late(c, same, func(ctx context.Context, send func(line any)) (func(*Problem) any, error) {
		req.Progress = func(r retention.Tally) { send(RetentionLine{Progress: &r}) }
		report, err := s.Retention.Run(ctx, req)
		return func(p *Problem) any { return RetentionLine{Report: &report, Problem: p} }, err
	}), nil
}
