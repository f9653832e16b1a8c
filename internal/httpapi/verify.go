package httpapi

import (
	"context"
	"errors"
	"net/http"
	"reflect"

	"github.com/danielgtaylor/huma/v2"

	"lethe/domain"
	"lethe/internal/audit"
	"lethe/internal/auth"
)

// Auditor verifies the whole ledger; an *audit.Auditor is one.
type Auditor interface {
	Run(ctx context.Context, req audit.Request, tell func(audit.Line)) (audit.Result, error)
}

var _ Auditor = (*audit.Auditor)(nil)

// VerifyBody says what to verify.
type VerifyBody struct {
	Log   bool         `json:"log,omitzero" doc:"Only the log: checksums, leaves, tree and checkpoints"`
	Known *audit.State `json:"known,omitempty" doc:"What earlier runs told to be clean: units that are seen to be unchanged are not done again in full. With it, an empty one too, clean units are told"`
}

// VerifyLine is one line of the answer to an audit: where it stands, what it
// found, and at last the result or a problem.
type VerifyLine struct {
	audit.Line
	Result  *audit.Result `json:"result,omitempty"`
	Problem *Problem      `json:"problem,omitempty"`
}

// schemaName names a schema for its type. Those of an audit have names that
// mean little by themselves.
func schemaName(t reflect.Type, hint string) string {
	name := huma.DefaultSchemaNamer(t, hint)
	for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice {
		t = t.Elem()
	}
	if t.PkgPath() == reflect.TypeFor[audit.Result]().PkgPath() {
		name = "Audit" + name
	}
	return name
}

func (s *API) verifyRoutes() {
	if s.Audit == nil {
		return
	}
	handle(s, route{
		method: http.MethodPost, path: "/audit/verify", tag: tagProofs, summary: "Verify ledger", action: auth.VerifyLedger,
		long: true, bodyOptional: true,
		about: "Reads everything that the ledger has and compares it: the log with its checksums, every event with its leaf, the tree with " +
			"every known checkpoint, the store's index, the key of every sealed value, the key store, and every view with the log. " +
			"Nothing is changed and no value is opened; the ledger goes on meanwhile. " +
			"The answer is a line of JSON for each step; the last has the result, also when something was found, or a problem. One runs at a time.",
	}, s.verify)
	documentLines[VerifyLine](s, "/audit/verify")
}

var errAuditBusy = domain.Conflict("audit.busy", "", "an audit is under way already: wait for it, or stop it")

func (s *API) verify(_ context.Context, c *call, in *struct{ Body body[VerifyBody] }) (*streamed, error) {
	req := audit.Request{LogOnly: in.Body.Value.Log, Known: in.Body.Value.Known}
	return s.late(c, verifyProblem, func(ctx context.Context, send func(line any)) (func(*Problem) any, error) {
		res, err := s.Audit.Run(ctx, req, func(l audit.Line) { send(VerifyLine{Line: l}) })
		return func(p *Problem) any {
			if p != nil {
				return VerifyLine{Problem: p}
			}
			return VerifyLine{Result: &res}
		}, err
	}), nil
}

func verifyProblem(err error) error {
	switch {
	case errors.Is(err, audit.ErrBusy):
		return errAuditBusy
	case errors.Is(err, audit.ErrOtherLedger):
		return domain.Invalid("audit.other_ledger", "known", "%v", audit.ErrOtherLedger)
	case errors.Is(err, audit.ErrOtherVersion):
		return domain.Invalid("audit.other_version", "known", "%v", audit.ErrOtherVersion)
	case errors.Is(err, context.Canceled):
		return &domain.Error{Kind: domain.KindUnavailable, Code: "audit.interrupted", Message: "the audit was stopped before its end", Err: err}
	}
	return domain.Internal("verifying the ledger", err)
}
