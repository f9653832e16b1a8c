package httpapi

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strconv"

	"github.com/go-json-experiment/json"

	"lethe/domain"
)

// Problem is an error as the caller sees it (RFC 9457). It never holds what
// the caller sent.
type Problem struct {
	Type    string `json:"type" doc:"urn:lethe:problem: and the code" example:"urn:lethe:problem:consent.notice_unpublished"`
	Title   string `json:"title" doc:"The HTTP status in words"`
	Status  int    `json:"status" example:"422"`
	Code    string `json:"code" doc:"Machine-readable and stable" example:"consent.notice_unpublished"`
	Detail  string `json:"detail,omitzero" doc:"What was wrong and what to do"`
	Field   string `json:"field,omitzero" doc:"The member, parameter or header it is about"`
	Source  string `json:"source,omitzero" doc:"Where the rule comes from" example:"GDPR 7(1)"`
	Request string `json:"request,omitzero" doc:"Names the request in the server's log"`

	wait int // seconds, for Retry-After
}

// Error, GetStatus, GetHeaders and ContentType let a Problem be answered.
func (p *Problem) Error() string { return p.Code }

// GetStatus is the HTTP status.
func (p *Problem) GetStatus() int { return p.Status }

// GetHeaders says when to try again, where that helps.
func (p *Problem) GetHeaders() http.Header {
	if p.wait == 0 {
		return nil
	}
	return http.Header{"Retry-After": {strconv.Itoa(p.wait)}}
}

// ContentType is RFC 9457's.
func (p *Problem) ContentType(string) string { return problemType }

const problemType = "application/problem+json"

// statuses is the one table from a refusal's kind to a status.
var statuses = map[domain.Kind]int{
	domain.KindInvalid:      http.StatusUnprocessableEntity,
	domain.KindNotFound:     http.StatusNotFound,
	domain.KindConflict:     http.StatusConflict,
	domain.KindPrecondition: http.StatusPreconditionFailed,
	domain.KindForbidden:    http.StatusForbidden,
	domain.KindGone:         http.StatusGone,
	domain.KindUnauthorized: http.StatusUnauthorized,
	domain.KindUnavailable:  http.StatusServiceUnavailable,
	domain.KindInternal:     http.StatusInternalServerError,
}

// codes are refusals whose status is not their kind's: what is wrong with
// the HTTP request rather than with what it asks for.
var codes = map[string]int{
	"idempotency.missing":   http.StatusBadRequest,
	"idempotency.malformed": http.StatusBadRequest,
	"request.malformed":     http.StatusBadRequest,
	"request.body_missing":  http.StatusBadRequest,
	"request.precondition":  http.StatusBadRequest,
	"request.too_large":     http.StatusRequestEntityTooLarge,
	"request.media_type":    http.StatusUnsupportedMediaType,
	"request.method":        http.StatusMethodNotAllowed,
	"request.timeout":       http.StatusRequestTimeout,
	"request.rate":          http.StatusTooManyRequests,
	"events.too_many":       http.StatusTooManyRequests,
}

// problem turns any error into what the caller may see. An error that is no
// refusal is a 500 without text: its text goes to the log only.
func problem(c *call, err error) *Problem {
	e, ok := domain.AsError(err)
	if internal := !ok || e.Kind == domain.KindInternal; internal && ended(err) {
		e = errEnded
	} else if internal {
		e = &domain.Error{
			Kind: domain.KindInternal, Code: "internal",
			Message: "something failed here; nothing is known to be wrong with the request. The operator finds it in the log by the request's ID",
		}
		if c != nil {
			c.failure = err
		}
	}
	status, special := codes[e.Code]
	if !special {
		status = statuses[e.Kind]
	}
	if status == 0 {
		status = http.StatusInternalServerError
	}
	p := &Problem{
		Type: "urn:lethe:problem:" + e.Code, Title: http.StatusText(status), Status: status,
		Code: e.Code, Detail: e.Message, Field: e.Field, Source: e.Source,
	}
	if status == http.StatusTooManyRequests {
		p.wait = 1
	}
	if status == http.StatusServiceUnavailable {
		p.wait = 1
		if c != nil && e.Err != nil {
			c.failure = e.Err
		}
	}
	if c != nil {
		p.Request = c.id.String()
	}
	return p
}

// ended reports whether there was no more time, or nobody to answer to.
func ended(err error) bool {
	return errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled)
}

var errEnded = &domain.Error{
	Kind: domain.KindUnavailable, Code: "request.unfinished",
	Message: "there was not enough time to answer: repeat the request with the same key",
}

// refuse answers with a problem outside of an operation.
func refuse(w http.ResponseWriter, c *call, err error) {
	write(w, problem(c, err))
}

func write(w http.ResponseWriter, p *Problem) {
	for k, v := range p.GetHeaders() {
		w.Header()[k] = v
	}
	if p.Status == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", `Bearer realm="lethe"`)
	}
	w.Header().Set("Content-Type", problemType)
	var buf bytes.Buffer
	if err := json.MarshalWrite(&buf, p); err != nil {
		w.WriteHeader(http.StatusInternalServerError)
		return
	}
	w.WriteHeader(p.Status)
	_, _ = w.Write(buf.Bytes()) // the caller is gone: nobody is left to tell
}

// logFailure writes what a 500 or 503 was about, once, under the request's ID.
func logFailure(ctx context.Context, log *slog.Logger, c *call) {
	if c.failure != nil {
		log.ErrorContext(ctx, "request failed", "request", c.id.String(), "route", c.route, "error", c.failure)
	}
}

func malformed(field, message string) *domain.Error {
	return &domain.Error{Kind: domain.KindInvalid, Code: "request.malformed", Field: field, Message: message}
}
