package httpapi_test

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"lethe/domain/principal"
	"lethe/internal/app"
	"lethe/internal/audit"
	"lethe/internal/httpapi"
)

// audited verifies through the API and gives the lines of the answer.
func (w *world) audited(body any, opts ...opt) []httpapi.VerifyLine {
	w.t.Helper()
	a := w.do("POST", "/v1/audit/verify", body, opts...).is(200)
	require.Equal(w.t, "application/x-ndjson", a.header.Get("Content-Type"))
	return linesOf(w.t, a.body)
}

func linesOf(t testing.TB, body []byte) (lines []httpapi.VerifyLine) {
	t.Helper()
	for text := range bytes.Lines(body) {
		var l httpapi.VerifyLine
		require.NoError(t, json.Unmarshal(text, &l), "%s", text)
		lines = append(lines, l)
	}
	require.NotEmpty(t, lines)
	return lines
}

func TestVerifying(t *testing.T) {
	w := newWorld(t)
	w.declare()
	w.person("ada@example.com")
	lines := w.audited(nil)
	require.Equal(t, w.app.Seal.Origin(), lines[0].Begun.Origin)
	res := lines[len(lines)-1].Result
	require.NotNil(t, res)
	require.True(t, res.Clean)
	require.Empty(t, res.Findings)
	require.Len(t, res.Steps, 7)
	require.EqualValues(t, w.app.Store.Stats().Events, res.Events)
	seen := map[string]bool{}
	for _, l := range lines {
		require.Nil(t, l.Clean, "nobody keeps units")
		if l.Progress != nil {
			seen[l.Progress.Step] = true
		}
	}
	for _, step := range []string{audit.StepLog, audit.StepEvents, audit.StepKeys, audit.StepViews} {
		require.True(t, seen[step], step)
	}

	lines = w.audited(m{"log": true})
	require.True(t, lines[len(lines)-1].Result.LogOnly)
	lines = w.audited(m{"known": m{"origin": "", "version": "", "units": []m{}}})
	state := audit.State{Origin: lines[0].Begun.Origin, Version: lines[0].Begun.Version}
	for _, l := range lines {
		if l.Clean != nil {
			state.Units = append(state.Units, *l.Clean)
		}
	}
	require.Len(t, state.Units, 6)
	lines = w.audited(m{"known": state})
	require.EqualValues(t, 6, lines[len(lines)-1].Result.Steps[6].Skipped)
	state.Origin = "other"
	w.do("POST", "/v1/audit/verify", m{"known": state}).problem(422, "audit.other_ledger")
	state.Origin, state.Version = lines[0].Begun.Origin, "other"
	w.do("POST", "/v1/audit/verify", m{"known": state}).problem(422, "audit.other_version")
	w.do("POST", "/v1/audit/verify", m{"log": 7}).problem(400, "request.malformed")
}

func TestVerifyingTellsFindings(t *testing.T) {
	w := newWorld(t)
	w.declare()
	w.audited(m{"log": true})
	file := filepath.Join(w.dir, "seal/log-0/checkpoint")
	b, err := os.ReadFile(file)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(file, b[:len(b)-9], 0o600))
	lines := w.audited(m{"log": true})
	res := lines[len(lines)-1].Result
	require.False(t, res.Clean)
	require.Len(t, res.Findings, 1)
	var told []audit.Finding
	for _, l := range lines {
		if l.Finding != nil {
			told = append(told, *l.Finding)
		}
	}
	require.Equal(t, res.Findings, told)
}

func TestWhoMayVerify(t *testing.T) {
	w := newWorld(t)
	w.declare()
	for role, status := range map[principal.Role]int{
		principal.Admin: 200, principal.Officer: 200, principal.Auditor: 200, principal.Operator: 403, principal.Service: 403,
	} {
		w.anyone("POST", "/v1/audit/verify", m{"log": true}, bearer(w.tokenFor(role))).is(status)
	}
	w.anyone("POST", "/v1/audit/verify", nil).is(401)
}

// One runs at a time; one whose caller left, or that a shutdown ends, stops.
func TestVerifyingEnds(t *testing.T) {
	waiting := &patientAuditor{begun: make(chan struct{}, 1)}
	stop, end := context.WithCancel(t.Context())
	w := newWorld(t, func(o *httpapi.Options) { o.Audit, o.Stop = waiting, stop })
	ctx, leave := context.WithCancel(t.Context())
	run := func(ctx context.Context) chan []httpapi.VerifyLine {
		done := make(chan []httpapi.VerifyLine, 1)
		r := request("POST", "/v1/audit/verify", nil, as(app.LocalCaller()))
		rec := httptest.NewRecorder()
		go func() {
			w.api.ServeHTTP(rec, r.WithContext(mergeCancel(r.Context(), ctx)))
			done <- linesOf(t, rec.Body.Bytes())
		}()
		<-waiting.begun
		return done
	}
	done := run(ctx)
	waiting.busy.Store(true)
	w.do("POST", "/v1/audit/verify", nil).problem(409, "audit.busy")
	waiting.busy.Store(false)
	leave()
	lines := <-done
	require.Equal(t, "audit.interrupted", lines[len(lines)-1].Problem.Code)
	done = run(t.Context())
	end()
	lines = <-done
	require.Equal(t, "audit.interrupted", lines[len(lines)-1].Problem.Code)
}

// mergeCancel ends a context with another one too.
func mergeCancel(ctx, other context.Context) context.Context {
	ctx, cancel := context.WithCancel(ctx)
	context.AfterFunc(other, cancel)
	return ctx
}

// patientAuditor runs until it is stopped.
type patientAuditor struct {
	begun chan struct{}
	busy  atomic.Bool
}

func (p *patientAuditor) Run(ctx context.Context, _ audit.Request, tell func(audit.Line)) (audit.Result, error) {
	if p.busy.Load() {
		return audit.Result{}, audit.ErrBusy
	}
	tell(audit.Line{Begun: &audit.Begun{Origin: "example.com"}})
	p.begun <- struct{}{}
	<-ctx.Done()
	return audit.Result{}, ctx.Err()
}
