package httpapi_test

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"lethe/domain/principal"
)

// lines are the JSON values of a stream.
func (a *answer) lines() (list []map[string]any) {
	a.t.Helper()
	for line := range bytes.Lines(a.body) {
		if len(bytes.TrimSpace(line)) == 0 {
			continue
		}
		var l map[string]any
		require.NoError(a.t, json.Unmarshal(line, &l))
		list = append(list, l)
	}
	return list
}

func TestRetentionOverHTTP(t *testing.T) {
	w := newWorld(t)
	w.declare()
	w.do("PUT", "/v1/catalogue/purposes/raffle", m{
		"controllers": []string{"acme"}, "basis": "legitimate_interests", "fields": []string{"email"}, "optional": []string{"name"},
		"retention": "P1Y", "retention_start": "collection", "dpv": "dpv:PromotionOfGoods", "in_force": "2000-01-01T00:00:00Z",
	}).is(200)
	young := w.person("young@example.com")
	aged := w.do("POST", "/v1/subjects", m{
		"acquired": "from_person", "jurisdiction": "DE", "effective": "2001-01-01T00:00:00Z",
		"records": []m{{"purpose": "raffle", "values": []m{{"field": "email", "value": "canary@example.com"}}}},
	}, w.fresh()).is(201).text("token")
	w.do("PATCH", "/v1/subjects/"+aged, m{"purpose": "raffle", "record": []m{{"field": "name", "value": "Canary"}}}).is(200)
	w.seen("customers")

	due := w.do("GET", "/v1/retention/due", nil).is(200)
	require.Equal(t, 2.0, due.get("looked"))
	require.Len(t, due.get("items"), 1)
	require.Equal(t, aged, due.text("items.0.token"))
	require.Len(t, due.get("items.0.overdue"), 1, "the name is of today")
	require.Equal(t, m{
		"group": "contact", "field": "email", "purpose": "raffle", "retention": "P1Y", "from": "collection", "since": "2002-01-01T00:00:00Z",
	}, due.get("items.0.overdue.0"))

	before := w.app.Store.Stats().Events
	dry := w.do("POST", "/v1/retention/run", m{"dry_run": true}).is(200).lines()
	require.EqualValues(t, 1, dry[len(dry)-1]["report"].(map[string]any)["ordered"])
	require.Equal(t, before, w.app.Store.Stats().Events)
	w.do("POST", "/v1/retention/run", m{"grace": "P60D"}).problem(422, "erasure.grace")
	w.do("POST", "/v1/retention/run", m{"grace": "soon"}).problem(422, "request.value")

	run := w.do("POST", "/v1/retention/run", m{"grace": "P7D"}).is(200).lines()
	report := run[len(run)-1]["report"].(map[string]any)
	require.EqualValues(t, 1, report["ordered"])
	require.EqualValues(t, 1, report["values"])
	require.Contains(t, run[0], "progress")
	erasures := w.do("GET", "/v1/subjects/"+aged+"/erasure", nil).is(200)
	require.Equal(t, "retention", erasures.text("items.0.cause"))
	require.Empty(t, w.do("GET", "/v1/subjects/"+young+"/erasure", nil).is(200).get("items"))
	require.Equal(t, erasures.text("items.0.erasure"), w.do("GET", "/v1/retention/due", nil).is(200).text("items.0.underway"))
	require.NotContains(t, string(due.body)+w.logs.String(), "anary")

	for role, code := range map[principal.Role][2]int{
		principal.Officer: {200, 200}, principal.Auditor: {200, 403}, principal.Admin: {403, 403}, principal.Operator: {403, 403}, principal.Service: {403, 403},
	} {
		token := bearer(w.tokenFor(role))
		w.anyone("GET", "/v1/retention/due", nil, token).is(code[0])
		w.anyone("POST", "/v1/retention/run", nil, token).is(code[1])
	}
}
