package httpapi

import (
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"lethe/domain"
)

// replaceErrors turns what the framework says about a malformed request into
// a Problem. The framework repeats values and unknown names in its errors;
// nothing of that passes: only messages that are made of the description
// alone, and names that the description has.
func replaceErrors(ctx huma.Context, _ string, v any) (any, error) {
	m, ok := v.(*huma.ErrorModel)
	if !ok {
		return v, nil
	}
	c := callIn(ctx.Context())
	p := problem(c, fromFramework(ctx.Operation(), m))
	p.Status, p.Title = m.Status, http.StatusText(m.Status)
	if m.Status >= http.StatusInternalServerError && c != nil {
		c.failure = m
	}
	return p, nil
}

func fromFramework(op *huma.Operation, m *huma.ErrorModel) *domain.Error {
	if m.Status == http.StatusBadRequest {
		return &domain.Error{
			Kind: domain.KindInvalid, Code: "request.body_missing", Field: "body",
			Message: "this operation needs a JSON body; /openapi.json describes it",
		}
	}
	if m.Status >= http.StatusInternalServerError {
		return &domain.Error{Kind: domain.KindInternal, Code: "internal", Message: "something failed here"}
	}
	e := domain.Invalid("request.parameter", "", "a parameter is not as /openapi.json describes it")
	for _, d := range m.Errors {
		where, name, _ := strings.Cut(d.Location, ".")
		if d.Message == "unknown query parameter" {
			e.Field, e.Message = where, "the query has a parameter that this operation does not know"
			return e
		}
		if !declared(op, where, name) {
			continue
		}
		e.Field = name
		if plain(d.Message) {
			e.Message = name + ": " + d.Message
		} else {
			e.Message = name + " is not of the form that /openapi.json gives for it"
		}
		return e
	}
	return e
}

func declared(op *huma.Operation, where, name string) bool {
	for _, p := range op.Parameters {
		if p.In == where && p.Name == name {
			return true
		}
	}
	return false
}

// plain reports whether a message is made of the description alone.
func plain(message string) bool {
	for _, prefix := range []string{
		"required ", "expected value to be one of", "expected number", "expected length", "expected integer",
		"expected boolean", "expected string to match pattern", "expected string to be RFC 3339",
	} {
		if strings.HasPrefix(message, prefix) {
			return true
		}
	}
	return false
}
