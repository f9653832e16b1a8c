package httpapi_test

import (
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"lethe/internal/app"
	"lethe/internal/httpapi"
)

const canary = "Canary4711"

// Whatever is sent, and wherever: what comes back, the log and the metrics
// never repeat it.
func TestMalformedInputNeverComesBack(t *testing.T) {
	w := newWorld(t)
	w.declare()
	token := w.served("ada@example.com")
	s := "/v1/subjects/" + token
	esc := url.PathEscape(canary + "@example.com")
	yaml := header("Content-Type", "application/yaml")
	requests := []struct {
		method, path string
		body         any
		opts         []opt
	}{
		{"GET", "/v1/" + canary, nil, nil},
		{"GET", "/v1/subjects/" + esc + "?purpose=service", nil, nil},
		{"GET", "/v1/subjects/../" + esc, nil, nil},
		{"GET", "/v1//" + esc, nil, nil},
		{"GET", "/v1/subjects/" + esc + "/", nil, nil},
		{"DELETE", "/v1/subjects/" + esc, nil, nil},
		{"GET", s + "?purpose=" + esc, nil, nil},
		{"GET", s + "?purpose=service&fields=" + esc, nil, nil},
		{"GET", s + "?purpose=service&channel=" + esc, nil, nil},
		{"GET", s + "?purpose=service&recipient=" + esc, nil, nil},
		{"GET", s + "?" + canary + "=1", nil, nil},
		{"GET", s + "/history?as_of=" + canary, nil, nil},
		{"GET", s + "/history?by=" + canary, nil, nil},
		{"GET", s + "/accesses?limit=" + canary, nil, nil},
		{"GET", s + "/accesses?before=" + canary, nil, nil},
		{"GET", s + "/accesses?after_position=" + canary, nil, nil},
		{"GET", s + "/consents/" + canary + "/receipt", nil, nil},
		{"GET", s + "/consents/newsletter/receipt?format=" + canary, nil, nil},
		{"GET", s + "/erasure/" + canary + "/certificate", nil, nil},
		{"GET", s + "/erasure/latest/certificate?format=" + canary, nil, nil},
		{"GET", s + "/erasure/latest/certificate", nil, []opt{header("Accept", canary)}},
		{"GET", s + "/erasure/" + canary + "/letter", nil, nil},
		{"GET", s + "/erasure/latest/letter?language=" + canary, nil, nil},
		{"GET", "/v1/events?after=" + canary, nil, nil},
		{"GET", "/v1/events", nil, []opt{header("Last-Event-ID", canary)}},
		{"GET", "/v1/tokens?names=" + canary, nil, nil},
		{"DELETE", "/v1/tokens/" + canary, nil, nil},
		{"GET", "/v1/imports/" + canary, nil, nil},
		{"PATCH", s, `{"purpose":"service","` + canary + `":1}`, nil},
		{"PATCH", s, `{"purpose":"service","record":[{"` + canary + `":1}]}`, nil},
		{"PATCH", s, `{"purpose":"service","record":"` + canary + `"}`, nil},
		{"PATCH", s, `{"purpose":"service","record":[{"field":"email","value":{"` + canary + `":1}}]}`, nil},
		{"PATCH", s, `{"purpose":"` + canary + `"}`, nil},
		{"PATCH", s, `{"purpose":"service","purpose":"` + canary + `"}`, nil},
		{"PATCH", s, `{"` + canary, nil},
		{"PATCH", s, canary, nil},
		{"PATCH", s, `{"purpose":"service","effective":"` + canary + `"}`, nil},
		{"PATCH", s, m{"purpose": "service", "record": []m{{"field": "email", "value": canary}}}, nil},
		{"PATCH", s, m{"purpose": "service", "record": []m{{"field": "birth-date", "value": canary}}}, nil},
		{"PATCH", s, m{"purpose": "service", "record": []m{{"field": canary, "value": "x"}}}, nil},
		{"PATCH", s, m{"purpose": "service", "record": []m{{"field": "email", "value": "x@example.com", "class": canary}}}, nil},
		{"PATCH", s, m{"purpose": "service"}, []opt{header("If-Match", canary)}},
		{"PATCH", s, m{"purpose": "service"}, []opt{header("Content-Type", canary)}},
		{"PATCH", s, m{"purpose": "service"}, []opt{key(canary + "\x01")}},
		{"POST", "/v1/subjects", m{"acquired": canary, "jurisdiction": canary}, []opt{key(canary)}},
		{"POST", "/v1/subjects/lookup", m{"kind": canary, "value": canary, "purpose": "service"}, nil},
		{"POST", "/v1/subjects/lookup", m{"kind": "email", "value": canary, "purpose": canary}, nil},
		{"POST", s + "/consents/newsletter/give", m{"notice": canary}, nil},
		{"POST", s + "/consents/newsletter/give", m{"medium": canary, "evidence": canary}, nil},
		{"POST", s + "/consents/" + canary + "/give", m{}, nil},
		{"POST", s + "/consents/club/confirm", m{"request": "00000000-0000-4000-8000-000000000000", "nonce": canary}, nil},
		{"POST", s + "/links", m{"other": canary}, nil},
		{"POST", s + "/links/" + canary + "/accept", nil, nil},
		{"POST", "/v1/catalogue", "format: lethe-catalogue/1\n" + canary + ": x\n", []opt{yaml}},
		{"POST", "/v1/catalogue", "format: " + canary, []opt{yaml}},
		{"POST", "/v1/catalogue", "fields: [{id: " + canary + ", " + canary + ": x}]", []opt{yaml}},
		{"POST", "/v1/catalogue", "fields: " + canary, []opt{yaml}},
		{"POST", "/v1/catalogue", "format: lethe-catalogue/1\nfields: [{id: " + canary + "}]", []opt{yaml}},
		{"POST", "/v1/catalogue", canary + ": 1\n" + canary + ": 2\n", []opt{yaml}},
		{"PUT", "/v1/catalogue/fields/" + canary, m{}, nil},
		{"PUT", "/v1/catalogue/notices/text", m{"version": 1, "language": canary, "text": canary, "purposes": []m{}}, nil},
		{"POST", "/v1/projections/rebuild", m{"views": []string{canary}}, nil},
		{"POST", "/v1/projections/rebuild", m{"views": canary}, nil},
		{"POST", s + "/bundle", m{"purpose": canary, "disclose": []string{canary}}, nil},
		{"POST", s + "/bundle", m{"purpose": "service", "disclose": []string{canary}}, nil},
		{"POST", s + "/bundle", m{"purpose": "service", "recipient": canary}, nil},
		{"POST", s + "/bundle", m{"as_of": canary}, nil},
		{"POST", s + "/bundle", m{"checkpoint": canary}, nil},
		{"POST", s + "/bundle", m{"channel": canary}, nil},
		{"POST", "/v1/log/checkpoints", canary, []opt{header("Content-Type", "text/plain")}},
		{"POST", "/v1/log/keys/" + canary + "/retire", nil, nil},
		{"GET", "/v1/streams/" + canary + "/0/proof", nil, nil},
		{"GET", "/v1/streams/catalogue/" + canary + "/proof", nil, nil},
		{"GET", "/v1/events/" + canary + "/proof", nil, nil},
		{"GET", "/v1/proofs/consistency?from=" + canary, nil, nil},
		{"GET", "/tile/0/" + canary, nil, nil},
		{"GET", "/tile/entries/" + canary, nil, nil},
		{"GET", "/tile/" + canary, nil, nil},
		{"POST", "/v1/imports", canary, []opt{header("Content-Type", "multipart/form-data; boundary="+canary)}},
	}
	for _, q := range requests {
		r := httptest.NewRequest(q.method, "/", nil)
		full := request(q.method, "/", q.body)
		u, err := url.Parse(q.path)
		require.NoError(t, err)
		r.URL, r.Body, r.RequestURI = u, full.Body, q.path
		as(app.LocalCaller())(r)
		for _, o := range q.opts {
			o(r)
		}
		a := w.send(r)
		require.GreaterOrEqual(t, a.status, 400, "%s %s: %s", q.method, q.path, a.body)
		require.Less(t, a.status, 500, "%s %s: %s", q.method, q.path, a.body)
		require.NotContains(t, string(a.body), canary, "%s %s", q.method, q.path)
		for name, values := range a.header {
			for _, v := range values {
				require.NotContains(t, v, canary, "%s %s: %s", q.method, q.path, name)
			}
		}
	}
	require.NotContains(t, string(w.anyone("GET", s, nil, bearer(canary)).is(401).body), canary)
	// What was well-formed and refused, or taken, is not logged either.
	w.do("POST", "/v1/subjects/lookup", m{"kind": "email", "value": canary + "@example.com", "purpose": "service"}).is(200)
	w.do("POST", s+"/restriction", m{"ground": "claims", "reason": canary}, key(canary)).is(200)
	require.NotEmpty(t, w.logs.String())
	require.NotContains(t, w.logs.String(), canary)
	require.NotContains(t, w.logs.String(), token, "a path is not logged")

	require.NoError(t, filepath.WalkDir(w.dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		content, err := os.ReadFile(path)
		require.NotContains(t, string(content), canary, path)
		return err
	}))

	rec := httptest.NewRecorder()
	httpapi.Metrics(w.registry).ServeHTTP(rec, httptest.NewRequest("GET", "/metrics", nil))
	require.Equal(t, 200, rec.Code)
	require.Contains(t, rec.Body.String(), `lethe_http_requests_total{route="GET /v1/subjects/{token}",status="422"}`)
	require.NotContains(t, rec.Body.String(), canary)
	require.NotContains(t, rec.Body.String(), token)
}
