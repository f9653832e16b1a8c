package httpapi_test

import (
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"lethe/internal/httpapi"
)

func TestRegisteringNeedsAKeyAndHappensOnce(t *testing.T) {
	w := newWorld(t)
	w.declare()
	w.do("POST", "/v1/subjects", registration("ada@example.com")).problem(400, "idempotency.missing")
	w.do("POST", "/v1/subjects", registration("ada@example.com"), key(strings.Repeat("k", 256))).problem(400, "idempotency.malformed")
	w.do("POST", "/v1/subjects", registration("ada@example.com"), key("ünique")).problem(400, "idempotency.malformed")

	first := w.do("POST", "/v1/subjects", registration("ada@example.com"), key("one")).is(201)
	require.Equal(t, "/v1/subjects/"+first.text("token"), first.header.Get("Location"))
	require.Equal(t, first.text("position"), first.header.Get("Lethe-Position"))
	again := w.do("POST", "/v1/subjects", registration("ada@example.com"), key("one")).is(201)
	require.Equal(t, true, again.get("repeated"))
	for _, same := range []string{"token", "revision", "position", "recorded", "events", "event"} {
		require.Equal(t, first.get(same), again.get(same), same)
	}
	w.do("POST", "/v1/subjects", registration("eve@example.com"), key("one")).problem(422, "idempotency.other_body")
	require.NotEqual(t, first.get("token"), w.do("POST", "/v1/subjects", registration("ada@example.com"), key("two")).is(201).get("token"))
}

func TestParallelRegistrationsWithOneKeyMakeOnePerson(t *testing.T) {
	w := newWorld(t)
	w.declare()
	var group sync.WaitGroup
	answers := make([]*answer, 8)
	for i := range answers {
		group.Go(func() { answers[i] = w.do("POST", "/v1/subjects", registration("ada@example.com"), key("same")) })
	}
	group.Wait()
	for _, a := range answers {
		require.Equal(t, answers[0].is(201).get("token"), a.is(201).get("token"))
	}
	lookup := m{"kind": "email", "value": "ADA@example.com", "purpose": "service"}
	require.Empty(t, w.do("POST", "/v1/subjects/lookup", lookup).is(200).get("items"), "nobody may be opened without a basis")
	w.do("POST", "/v1/subjects/"+answers[0].get("token").(string)+"/basis", m{"purpose": "service", "basis": "contract", "reference": "K-1"}).is(200)
	require.Len(t, w.do("POST", "/v1/subjects/lookup", lookup).is(200).get("items"), 1)
}

func TestAWriteIsAnsweredFromItsEvents(t *testing.T) {
	w := newWorld(t)
	w.declare()
	token := w.person("ada@example.com")
	change := m{"purpose": "service", "record": []m{{"field": "birth-date", "value": "1815-12-10"}}}
	first := w.do("PATCH", "/v1/subjects/"+token, change, key("c")).is(200)
	again := w.do("PATCH", "/v1/subjects/"+token, change, key("c")).is(200)
	require.Equal(t, first.get("revision"), again.get("revision"))
	require.Equal(t, true, again.get("repeated"))
	// The digest covers method, path and query: the key of one command cannot name another.
	w.do("POST", "/v1/subjects/"+token+"/consents/newsletter/withdraw", nil, key("c")).problem(422, "idempotency.other_body")
	w.do("DELETE", "/v1/subjects/"+token+"/fields/email?purpose=service", nil, key("c")).problem(422, "idempotency.other_body")
}

func TestIfMatchRefusesAChangedRecord(t *testing.T) {
	w := newWorld(t)
	w.declare()
	token := w.person("ada@example.com")
	w.do("POST", "/v1/subjects/"+token+"/basis", m{"purpose": "service", "basis": "contract", "reference": "K-1"}).is(200)
	read := w.do("GET", "/v1/subjects/"+token+"?purpose=service", nil).is(200)
	tag := read.header.Get("ETag")
	require.NotEmpty(t, tag)
	change := func(name, tag string, o ...opt) *answer {
		return w.do("PATCH", "/v1/subjects/"+token, m{"purpose": "service", "rectify": []m{{"field": "name", "value": name}}},
			append(o, header("If-Match", tag))...)
	}
	first := change("Ada King", tag, key("k")).is(200)
	require.NotEqual(t, tag, first.header.Get("ETag"))
	change("Ada Byron", tag).problem(412, "precondition.revision")
	change("Ada King", tag, key("k")).is(200) // a repeat is answered before If-Match is looked at
	change("Ada Byron", first.header.Get("ETag")).is(200)
	change("Ada", "12").problem(400, "request.precondition")
	w.do("POST", "/v1/subjects", registration("x@example.com"), w.fresh(), header("If-Match", `"1"`)).problem(400, "request.malformed")
	require.Equal(t, "Ada Byron", w.do("GET", "/v1/subjects/"+token+"?purpose=service", nil).get("fields.1.value.text"))
}

func TestRefusalsNameFieldRuleAndSource(t *testing.T) {
	w := newWorld(t)
	w.declare()
	token := w.person("ada@example.com")
	a := w.do("PATCH", "/v1/subjects/"+token, m{"purpose": "newsletter", "record": []m{{"field": "name", "value": "Ada"}}}).problem(422, "field.not_needed")
	require.Equal(t, "name", a.get("field"))
	require.Equal(t, "GDPR 5(1)(c)", a.get("source"))
	require.Equal(t, a.header.Get("Lethe-Request"), a.get("request"))
	w.do("PATCH", "/v1/subjects/"+token, m{"purpose": "service", "record": []m{{"field": "shoe-size", "value": "41"}}}).problem(422, "field.undeclared")
	w.do("POST", "/v1/subjects/"+token+"/consents/newsletter/give", m{"medium": "web", "method": "checkbox"}).is(422)
	w.do("GET", "/v1/subjects/"+token+"?purpose=unknown", nil).problem(404, "access.purpose_unknown")
	w.do("GET", "/v1/subjects/"+token, nil).problem(422, "access.purpose_missing")
	w.do("GET", "/v1/catalogue/purposes/none", nil).problem(404, "catalogue.undeclared")
	w.do("GET", "/v1/nothing", nil).problem(404, "request.route")
	require.Equal(t, "GET, HEAD, PATCH", w.do("DELETE", "/v1/subjects/"+token, nil).problem(405, "request.method").header.Get("Allow"))
	w.do("POST", "/v1/subjects/lookup", "kind=email", header("Content-Type", "application/x-www-form-urlencoded")).problem(415, "request.media_type")
	w.do("POST", "/v1/subjects/lookup", nil).problem(400, "request.body_missing")
	w.do("GET", "/v1/subjects/"+token+"/history?by=colour", nil).problem(422, "request.parameter")
}

func TestBigAndFastRequestsAreRefused(t *testing.T) {
	w := newWorld(t, func(o *httpapi.Options) {
		o.Limits = httpapi.Limits{MaxBody: 1000, Rate: 0.001, Burst: 3, AnonymousRate: 0.1}
	})
	w.do("POST", "/v1/subjects/lookup", strings.Repeat("x", 1001)).problem(413, "request.too_large")
	secret := w.tokenFor("auditor")
	for range 3 {
		w.anyone("GET", "/v1/status", nil, bearer(secret)).is(200)
	}
	require.Equal(t, "1", w.anyone("GET", "/v1/status", nil, bearer(secret)).problem(429, "request.rate").header.Get("Retry-After"))
	w.do("GET", "/v1/status", nil).is(200) // another caller
	w.anyone("GET", "/v1/status", nil).problem(401, "auth.token")
	w.anyone("GET", "/v1/status", nil).problem(401, "auth.token")
	w.anyone("GET", "/v1/status", nil).problem(429, "request.rate")
}

func TestCatalogueIsReadAsDeclared(t *testing.T) {
	w := newWorld(t)
	w.declare()
	before := w.app.Store.Stats().Events
	w.declare()
	require.Equal(t, before, w.app.Store.Stats().Events, "loading the same file again makes no event")
	list := w.do("GET", "/v1/catalogue/purposes", nil).is(200)
	tag := list.header.Get("ETag")
	require.Len(t, list.get("items"), 4)
	require.Empty(t, w.do("GET", "/v1/catalogue/purposes", nil, header("If-None-Match", tag)).is(304).body)
	controller := w.do("GET", "/v1/catalogue/controllers/acme", nil).is(200)
	require.Equal(t, "Acme GmbH", controller.get("texts.name.text"))

	body := m{
		"controllers": []string{"acme"}, "basis": "consent", "fields": []string{"email", "name"}, "recipients": []string{"mailer"},
		"retention": "P3Y", "retention_start": "consent_end", "marketing": true, "dpv": "dpv:DirectMarketing",
	}
	body["material"] = false
	w.do("PUT", "/v1/catalogue/purposes/newsletter", body).problem(422, "purpose.material")
	delete(body, "material")
	w.do("PUT", "/v1/catalogue/purposes/newsletter", body, header("If-Match", `"0"`)).problem(412, "precondition.revision")
	w.do("PUT", "/v1/catalogue/purposes/newsletter", body, header("If-Match", tag)).is(200)
	require.Equal(t, true, w.do("GET", "/v1/catalogue/purposes/newsletter", nil).get("versions.1.material"))
	w.do("GET", "/v1/catalogue/purposes", nil, header("If-None-Match", tag)).is(200)
	w.do("DELETE", "/v1/catalogue/purposes/newsletter", nil).is(200)
	require.Equal(t, false, w.do("GET", "/v1/catalogue/purposes/newsletter", nil).get("versions.1.current"))
}
