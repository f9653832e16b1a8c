package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/go-json-experiment/json"

	"lethe/domain"
	"lethe/eventstore"
)

// problem is a refusal as the API answers it (RFC 9457).
type problem struct {
	Status  int    `json:"status,omitzero"`
	Code    string `json:"code,omitzero"`
	Detail  string `json:"detail"`
	Field   string `json:"field,omitzero"`
	Source  string `json:"source,omitzero"`
	Request string `json:"request,omitzero"`
}

func (p *problem) Error() string {
	var b strings.Builder
	b.WriteString(p.Detail)
	for _, part := range []struct{ name, text string }{
		{"field", p.Field}, {"rule", p.Code}, {"source", p.Source}, {"request", p.Request},
	} {
		if part.text != "" {
			fmt.Fprintf(&b, "\n  %-8s %s", part.name+":", part.text)
		}
	}
	return b.String()
}

// fail tells what went wrong and returns the exit code for it. With asJSON
// it is told as one JSON object.
func fail(w io.Writer, asJSON bool, err error) int {
	code := exitCode(err)
	if code == exitDone || errors.Is(err, errFound) {
		return code
	}
	p := asProblem(err)
	if asJSON {
		if text, err := json.Marshal(p); err == nil {
			fmt.Fprintf(w, "%s\n", text)
		}
		return code
	}
	fmt.Fprintln(w, "lethe: "+p.Error())
	var use *usageError
	if errors.As(err, &use) && use.command != "" {
		fmt.Fprintln(w, "Try `"+use.command+" --help`.")
	}
	return code
}

func exitCode(err error) int {
	var use *usageError
	switch {
	case err == nil:
		return exitDone
	case errors.Is(err, errFound):
		return exitFound
	case errors.As(err, &use):
		return exitUsage
	}
	return exitFailed
}

// asProblem gives every error the one form in which it is told. What the
// context of an error adds to a refusal stays in front of it.
func asProblem(err error) *problem {
	var p *problem
	if errors.As(err, &p) {
		return p
	}
	if errors.Is(err, eventstore.ErrLocked) {
		return &problem{
			Code: "data.locked", Detail: "the data directory is in use by another lethe process: stop that one, " +
				"or go through it with --server URL and a token (--token-file FILE or LETHE_TOKEN)",
		}
	}
	if e, ok := domain.AsError(err); ok {
		detail := e.Message
		if e.Err != nil {
			detail += ": " + e.Err.Error()
		}
		return &problem{Code: e.Code, Detail: detail, Field: e.Field, Source: e.Source}
	}
	if errors.Is(err, context.Canceled) {
		return &problem{Code: "interrupted", Detail: "interrupted: what was acknowledged is kept; see what is recorded before you repeat it"}
	}
	return &problem{Detail: err.Error()}
}
