package httpapi_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"lethe/domain/principal"
	"lethe/internal/httpapi"
	"lethe/internal/keyring"
)

// served is a person whose data may be used for service.
func (w *world) served(email string) string {
	w.t.Helper()
	token := w.person(email)
	w.do("POST", "/v1/subjects/"+token+"/basis", m{"purpose": "service", "basis": "contract", "reference": "K-1"}).is(200)
	return token
}

// accesses reads the view once it has seen everything.
func (w *world) accesses(token string) *answer {
	w.t.Helper()
	head := w.app.Store.Stats().Head.String()
	return w.do("GET", "/v1/subjects/"+token+"/accesses?after_position="+head, nil).is(200)
}

func TestOpeningIsRecordedAlsoWhenNothingChanged(t *testing.T) {
	w := newWorld(t)
	w.declare()
	token := w.served("ada@example.com")
	a := w.do("GET", "/v1/subjects/"+token+"?purpose=service", nil).is(200)
	require.Equal(t, "no-store", a.header.Get("Cache-Control"))
	require.Equal(t, m{"state": "present", "text": "ada@example.com"}, a.get("fields.0.value"))
	require.Equal(t, "contract", a.get("basis"))
	require.Len(t, w.accesses(token).get("items"), 1)

	same := w.do("GET", "/v1/subjects/"+token+"?purpose=service", nil, header("If-None-Match", a.header.Get("ETag"))).is(304)
	require.Empty(t, same.body)
	seen := w.accesses(token)
	require.Len(t, seen.get("items"), 2)
	require.Equal(t, true, seen.get("items.0.granted"))
	require.Equal(t, []any{"email", "name"}, seen.get("items.1.fields"))

	only := w.do("GET", "/v1/subjects/"+token+"?purpose=service&fields=name", nil).is(200)
	require.Len(t, only.get("fields"), 1)
	w.do("GET", "/v1/subjects/"+token+"?purpose=newsletter&channel=email", nil).problem(403, "access.electronic_marketing")
	seen = w.accesses(token)
	require.Equal(t, false, seen.get("items.0.granted"))
	require.Equal(t, "electronic_marketing", seen.get("items.0.reason"))
}

func TestAccessesComeInPages(t *testing.T) {
	w := newWorld(t)
	w.declare()
	token := w.served("ada@example.com")
	for range 5 {
		w.do("GET", "/v1/subjects/"+token+"?purpose=service", nil).is(200)
	}
	require.Len(t, w.accesses(token).get("items"), 5)
	seen, next := map[string]bool{}, ""
	for range 3 {
		p := w.do("GET", "/v1/subjects/"+token+"/accesses?limit=2"+next, nil).is(200)
		for _, item := range p.get("items").([]any) {
			seen[item.(m)["event"].(string)] = true
		}
		if p.get("next") == nil {
			break
		}
		next = "&before=" + p.text("next")
	}
	require.Len(t, seen, 5)
}

func TestWaitingForAPositionIsBounded(t *testing.T) {
	w := newWorld(t, func(o *httpapi.Options) { o.Limits.Wait = time.Millisecond })
	w.declare()
	token := w.person("ada@example.com")
	w.do("GET", "/v1/subjects/"+token+"/accesses?after_position=9007199254740993", nil).problem(503, "view.behind")
}

func TestLookingUpIsOneAccess(t *testing.T) {
	w := newWorld(t)
	w.declare()
	token := w.served("ada@example.com")
	before := w.app.Store.Stats().Events
	ask := m{"kind": "email", "value": "ADA@example.com", "purpose": "service"}
	found := w.do("POST", "/v1/subjects/lookup", ask).is(200)
	require.Equal(t, token, found.get("items.0.token"))
	require.Equal(t, before+1, w.app.Store.Stats().Events)
	ask["value"] = "nobody@example.com"
	require.Equal(t, []any{}, w.do("POST", "/v1/subjects/lookup", ask).is(200).get("items"))
	require.Equal(t, before+2, w.app.Store.Stats().Events)
}

func TestHistoryOpensOnlyForAPurpose(t *testing.T) {
	w := newWorld(t)
	w.declare()
	token := w.served("ada@example.com")
	auditor := bearer(w.tokenFor(principal.Auditor))
	facts := w.anyone("GET", "/v1/subjects/"+token+"/history", nil, auditor).is(200)
	require.Len(t, facts.get("events"), 3)
	require.Equal(t, "FieldsRecorded", facts.get("events.1.type"))
	require.Equal(t, m{"field": "email", "value": m{"state": "sealed"}}, facts.get("events.1.values.0"))
	require.Equal(t, "service", facts.get("events.1.facts.purpose"))
	require.NotContains(t, string(facts.body), "ada@example.com")
	w.anyone("GET", "/v1/subjects/"+token+"/history?purpose=service", nil, auditor).problem(403, "auth.role")

	operator := bearer(w.tokenFor(principal.Operator))
	opened := w.anyone("GET", "/v1/subjects/"+token+"/history?purpose=service", nil, operator).is(200)
	require.Equal(t, "ada@example.com", opened.get("events.1.values.0.value.text"))
	require.Equal(t, m{"state": "sealed"}, opened.get("events.2.values.0.value"), "evidence is for officers")
	require.Equal(t, "K-1", w.do("GET", "/v1/subjects/"+token+"/history?purpose=service", nil).get("events.2.values.0.value.text"))
	w.do("GET", "/v1/subjects/s"+token[1:28]+"/history", nil).problem(422, "subject.token")
	past := w.do("GET", "/v1/subjects/"+token+"/history?as_of=2020-01-01T00:00:00Z", nil).is(200)
	require.Equal(t, []any{}, past.get("events"))
}

func TestConsentsAreAsOfEitherTime(t *testing.T) {
	w := newWorld(t)
	w.declare()
	token := w.person("ada@example.com")
	consents := "/v1/subjects/" + token + "/consents"
	give := m{
		"notice": w.notice("newsletter-text"), "medium": "web", "method": "checkbox", "evidence": "form 7",
		"effective": "2024-05-01T10:00:00Z",
	}
	w.do("POST", consents+"/newsletter/give", give).is(200)
	w.do("POST", consents+"/newsletter/withdraw", m{"medium": "email", "method": "unsubscribe"}).is(200)
	require.Equal(t, "ConsentWithdrawn", w.do("GET", consents, nil).is(200).get("consents.0.status"))
	back := w.do("GET", consents+"?as_of=2024-06-01T00:00:00Z&by=effective", nil).is(200)
	require.Equal(t, "ConsentGiven", back.get("consents.0.status"))
	require.Equal(t, []any{m{"field": "consent.evidence", "value": m{"state": "sealed"}}}, back.get("consents.0.values"))
	require.Equal(t, []any{}, w.do("GET", consents+"?as_of=2024-06-01T00:00:00Z&by=recorded", nil).get("consents"))

	may := w.do("GET", "/v1/subjects/"+token+"/may-process?purpose=newsletter&channel=email&at=2024-06-01T00:00:00Z", nil).is(200)
	require.Equal(t, true, may.get("allowed"))
	require.Equal(t, "h", may.get("rule"))
	now := w.do("GET", "/v1/subjects/"+token+"/may-process?purpose=newsletter&channel=email", nil).is(200)
	require.Equal(t, false, now.get("allowed"))
}

func TestReceiptsComeInBothForms(t *testing.T) {
	w := newWorld(t)
	w.declare()
	token := w.person("ada@example.com")
	at := "/v1/subjects/" + token + "/consents/newsletter"
	w.do("GET", at+"/receipt", nil).problem(404, "receipt.no_consent")
	w.do("POST", at+"/give", m{"notice": w.notice("newsletter-text"), "medium": "web", "method": "checkbox"}).is(200)
	record := w.do("GET", at+"/receipt", nil).is(200)
	require.Equal(t, token, record.get("pii_principal_id"))
	require.Equal(t, "application/json", record.header.Get("Content-Type"))
	kantara := w.do("GET", at+"/receipt?format=kantara", nil).is(200)
	require.Equal(t, token, kantara.get("piiPrincipalId"))
	w.do("GET", at+"/receipt", nil, header("If-None-Match", record.header.Get("ETag"))).is(304)
}

func TestDoubleOptInIsConfirmedByItsNonce(t *testing.T) {
	w := newWorld(t)
	w.declare()
	token, other := w.person("ada@example.com"), w.person("eve@example.com")
	at := "/v1/subjects/" + token + "/consents/club"
	said := m{"notice": w.notice("club-text"), "medium": "web", "method": "form_submit"}
	w.do("POST", at+"/give", said).problem(409, "consent.double_opt_in")
	request := m{"notice": said["notice"], "medium": "web", "method": "form_submit", "contact": "email"}
	asked := w.do("POST", at+"/request", request, key("r")).is(200)
	nonce, event := asked.text("nonce"), asked.text("event")
	require.Equal(t, nonce, w.do("POST", at+"/request", request, key("r")).is(200).text("nonce"), "a repeat gives it again")

	confirm := func(path, event, nonce string) *answer {
		return w.do("POST", path+"/confirm", m{"request": event, "nonce": nonce, "medium": "email", "method": "link_click"})
	}
	wrong := "A" + nonce[1:]
	if wrong == nonce {
		wrong = "B" + nonce[1:]
	}
	confirm(at, event, wrong).problem(403, "consent.nonce")
	confirm(at, event, "").problem(403, "consent.nonce")
	confirm("/v1/subjects/"+other+"/consents/club", event, nonce).problem(403, "consent.nonce")
	confirm("/v1/subjects/"+token+"/consents/newsletter", event, nonce).problem(403, "consent.nonce")
	confirm(at, event, nonce).is(200)
	require.Equal(t, "ConsentGiven", w.do("GET", "/v1/subjects/"+token+"/consents", nil).get("consents.0.status"))

	second := w.do("POST", at+"/request", request, key("r2")).is(200)
	w.do("POST", at+"/withdraw", nil).is(200)
	confirm(at, second.text("event"), second.text("nonce")).problem(409, "consent.request_superseded")
	// Asking without a double opt-in gives no nonce.
	plain := w.do("POST", "/v1/subjects/"+token+"/consents/newsletter/request", m{"notice": w.notice("newsletter-text")}).is(200)
	require.Nil(t, plain.get("nonce"))
}

func TestALinkStandsOnBothRecords(t *testing.T) {
	w := newWorld(t)
	w.declare()
	a, b := w.person("ada@example.com"), w.person("countess@example.com")
	w.do("POST", "/v1/subjects/"+a+"/links", m{"other": b}).is(200)
	w.do("POST", "/v1/subjects/"+a+"/links/"+b+"/accept", nil, key("accept")).is(200)
	types := func(token string) (all []string) {
		for _, e := range w.do("GET", "/v1/subjects/"+token+"/history", nil).get("events").([]any) {
			all = append(all, e.(m)["type"].(string))
		}
		return all[2:]
	}
	require.Equal(t, []string{"LinkProposed", "LinkAccepted"}, types(a))
	require.Equal(t, []string{"LinkAccepted"}, types(b))
	w.do("POST", "/v1/subjects/"+a+"/links/"+b+"/undo", m{"reason": "two people"}).is(200)
	require.Equal(t, []string{"LinkAccepted", "LinkUndone"}, types(b))
	w.do("POST", "/v1/subjects/"+a+"/links/"+b+"/accept", nil, key("accept")).is(200)
	require.Len(t, types(b), 2, "a repeat of a command that was done does nothing")
}

func TestRightsAreExercisedAndDecided(t *testing.T) {
	w := newWorld(t)
	w.declare()
	token := w.served("ada@example.com")
	at := "/v1/subjects/" + token
	service := bearer(w.tokenFor(principal.Service))
	w.anyone("POST", at+"/restriction", m{"ground": "accuracy_contested", "reason": "the address"}, service).is(200)
	w.do("GET", at+"?purpose=service", nil).problem(403, "access.restricted")
	w.anyone("DELETE", at+"/restriction?ground=accuracy_contested&informed=2026-01-01T00:00:00Z", nil, service).problem(403, "auth.role")
	told := time.Now().UTC().Format(time.RFC3339)
	w.do("DELETE", at+"/restriction?ground=accuracy_contested&informed="+told, nil).is(200)
	w.do("GET", at+"?purpose=service", nil).is(200)

	objected := w.anyone("POST", at+"/objection", m{"scope": "processing", "purpose": "service", "reason": "mine"}, service).is(200)
	w.do("POST", at+"/objection/"+objected.text("event")+"/uphold", nil).is(200)
	w.do("POST", at+"/objection/"+objected.text("event")+"/withdraw", m{}).is(200)
	hold := w.do("POST", at+"/holds", m{
		"group": "contact", "purpose": "claims", "review": "2030-01-01T00:00:00Z", "authority": "court",
	}, key("hold")).is(200)
	w.do("POST", at+"/holds/"+hold.text("hold")+"/release", nil).is(200)
	w.do("POST", at+"/age", m{"outcome": "of_digital_age", "rule": "DE"}).is(200)
	w.do("DELETE", at+"/basis/service", m{"reason": "ended"}).is(200)
	w.do("DELETE", at+"/fields/name?purpose=service", m{"reason": "not needed"}).is(200)
	w.do("GET", at+"?purpose=service", nil).problem(403, "access.no_valid_basis")
}

// What was erased is told as such, and is no empty text; what it belonged to
// stays.
func TestErasedIsAMarker(t *testing.T) {
	w := newWorld(t)
	w.declare()
	token := w.served("ada@example.com")
	destroy := func(owner string) {
		keys, err := w.app.Keys.Keys(t.Context(), owner)
		require.NoError(t, err)
		require.NotEmpty(t, keys)
		_, err = w.app.Keys.Destroy(t.Context(), "erasure", keyring.Destruction{Keys: keys})
		require.NoError(t, err)
	}
	destroy("controller-acme")
	controller := w.do("GET", "/v1/catalogue/controllers/acme", nil).is(200)
	require.Equal(t, m{"state": "erased"}, controller.get("texts.name"))
	require.Equal(t, "DE", controller.get("country"))

	destroy("subject-" + token)
	w.do("GET", "/v1/subjects/"+token+"?purpose=service", nil).problem(403, "access.erased")
	w.do("GET", "/v1/subjects/"+token+"/history", nil).is(200)
	w.do("PATCH", "/v1/subjects/"+token, m{"purpose": "service", "record": []m{{"field": "email", "value": "a@example.com"}}}).is(410)
}
