package httpapi_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"lethe/internal/httpapi"
)

func TestAFailureTellsTheLogAndNobodyElse(t *testing.T) {
	var fail func(context.Context) (httpapi.Status, error)
	w := newWorld(t, func(o *httpapi.Options) {
		o.Status = func(ctx context.Context) (httpapi.Status, error) { return fail(ctx) }
		o.Limits.Timeout = 50 * time.Millisecond
	})
	fail = func(context.Context) (httpapi.Status, error) { return httpapi.Status{}, errors.New("disk on fire") }
	a := w.do("GET", "/v1/status", nil).problem(500, "internal")
	require.NotContains(t, string(a.body), "fire")
	require.Equal(t, 1, strings.Count(w.logs.String(), "disk on fire"), "logged once")
	require.Contains(t, w.logs.String(), a.text("request"))

	fail = func(context.Context) (httpapi.Status, error) { panic("personal detail") }
	w.do("GET", "/v1/status", nil).problem(500, "internal")
	require.NotContains(t, w.logs.String(), "personal detail")
	require.Contains(t, w.logs.String(), "a handler panicked")

	fail = func(ctx context.Context) (httpapi.Status, error) {
		<-ctx.Done()
		return httpapi.Status{}, ctx.Err()
	}
	late := w.do("GET", "/v1/status", nil).problem(503, "request.unfinished")
	require.Equal(t, "1", late.header.Get("Retry-After"))
}
