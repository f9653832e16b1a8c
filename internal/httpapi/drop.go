package httpapi

import (
	"context"
	"errors"
	"net/http"

	"lethe/domain"
	"lethe/eventstore"
	"lethe/internal/auth"
	"lethe/internal/dropping"
)

// Dropper takes values that were erased long ago out of the log's files; a
// *dropping.Job is one.
type Dropper interface {
	Run(ctx context.Context, req dropping.Request) (dropping.Report, error)
}

var _ Dropper = (*dropping.Job)(nil)

// DropBody says which values go.
type DropBody struct {
	OlderThan domain.Duration `json:"older_than,omitzero" doc:"How long ago their keys were destroyed, ISO 8601, P1D at least; the server's setting when left out" example:"P90D"`
	DryRun    bool            `json:"dry_run,omitzero" doc:"Only count"`
}

// DropLine is one line of the answer: how far it is, and at last what was done
// or a problem.
type DropLine struct {
	Progress *dropping.Progress `json:"progress,omitempty"`
	Report   *dropping.Report   `json:"report,omitempty"`
	Problem  *Problem           `json:"problem,omitempty"`
}

func (s *API) dropRoutes() {
	if s.Drops == nil {
		return
	}
	handle(s, route{
		method: http.MethodPost, path: "/retention/drop", tag: tagOperations, summary: "Drop payloads", action: auth.DropPayloads,
		long: true, bodyOptional: true,
		about: "Takes the ciphertext of values that were erased long ago out of the log's files. Events, their order, facts and proofs stay, " +
			"and an event in the log names what was taken, file by file. What is gone cannot be brought back. " +
			"The answer is a line of JSON for each file; the last has the report, or a problem. Stopped, it goes on with the next request. One runs at a time.",
	}, s.drop)
	documentLines[DropLine](s, "/retention/drop")
}

func (s *API) drop(_ context.Context, c *call, in *struct{ Body body[DropBody] }) (*streamed, error) {
	b := in.Body.Value
	req := dropping.Request{By: c.caller.Principal, DryRun: b.DryRun}
	if b.OlderThan != "" {
		now := s.Now()
		if req.After = b.OlderThan.After(now).Sub(now); req.After <= 0 { // nothing is said where the server's own setting is meant
			return nil, dropProblem(dropping.ErrTooSoon)
		}
	}
	return s.late(c, dropProblem, func(ctx context.Context, send func(line any)) (func(*Problem) any, error) {
		req.Progress = func(p dropping.Progress) { send(DropLine{Progress: &p}) }
		report, err := s.Drops.Run(ctx, req)
		return func(p *Problem) any { return DropLine{Report: &report, Problem: p} }, err
	}), nil
}

func dropProblem(err error) error {
	switch {
	case errors.Is(err, dropping.ErrBusy):
		return domain.Conflict("drop.busy", "", "values are being dropped already: wait for it, or stop it")
	case errors.Is(err, dropping.ErrOff):
		return domain.Invalid("drop.off", "older_than", "the server drops nothing by itself: say how long ago the keys must have been destroyed, such as P90D")
	case errors.Is(err, dropping.ErrTooSoon):
		return domain.Invalid("drop.too_soon", "older_than", "%v: P1D", dropping.ErrTooSoon)
	case errors.Is(err, eventstore.ErrNoSpace):
		return &domain.Error{
			Kind: domain.KindUnavailable, Code: "drop.no_space", Err: err,
			Message: "there is no room for a second copy of one of the log's files: what was done until then stays done; make room and ask again",
		}
	case errors.Is(err, context.Canceled), errors.Is(err, eventstore.ErrClosed):
		return &domain.Error{Kind: domain.KindUnavailable, Code: "drop.interrupted", Message: "it was stopped before its end: ask again, and it goes on", Err: err}
	}
	return domain.Internal("dropping erased values", err)
}
