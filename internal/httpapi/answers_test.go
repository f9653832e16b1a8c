package httpapi_test

import (
	"net/url"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func purposeBody(fields ...string) m {
	return m{
		"controllers": []string{"acme"}, "basis": "consent", "fields": fields, "recipients": []string{"mailer"},
		"retention": "P3Y", "retention_start": "consent_end", "marketing": true, "dpv": "dpv:DirectMarketing",
	}
}

func TestDeclaringAPurposeSaysWhichVersionItMade(t *testing.T) {
	w := newWorld(t)
	w.declare()
	const at = "/v1/catalogue/purposes/newsletter"
	wider := w.do("PUT", at, purposeBody("email", "name"), key("wider")).is(200)
	require.Equal(t, 2.0, wider.get("version"))
	require.Equal(t, true, wider.get("material"))
	longer := purposeBody("email", "name")
	longer["retention"] = "P4Y"
	kept := w.do("PUT", at, longer).is(200)
	require.Equal(t, 3.0, kept.get("version"))
	require.Equal(t, false, kept.get("material"))
	same := w.do("PUT", at, longer).is(200)
	require.Equal(t, 0.0, same.get("events"))
	require.Equal(t, 3.0, same.get("version"))
	require.Equal(t, false, same.get("material"))
	again := w.do("PUT", at, purposeBody("email", "name"), key("wider")).is(200)
	require.Equal(t, 2.0, again.get("version"), "a repeat is answered as the first was")
	require.Equal(t, true, again.get("material"))
}

func TestLoadingACatalogueListsTheVersionsItMade(t *testing.T) {
	w := newWorld(t)
	file := `{format: lethe-catalogue/1, controllers: [{id: c, country: DE, name: C, address: A, contact: P, email: p@c.example}],
fields: [{id: email, type: email, group: g, category: "pd:EmailAddress"}, {id: name, type: text, group: g, category: "pd:Name"}],
purposes: [{id: letters, controllers: [c], basis: consent, fields: [email], retention: P1Y, retention_start: consent_end, dpv: "dpv:DirectMarketing"}]}`
	yaml := header("Content-Type", "application/yaml")
	first := w.do("POST", "/v1/catalogue", file, yaml).is(200)
	require.Equal(t, []any{m{"id": "letters", "version": 1.0, "material": false}}, first.get("purposes"))
	require.Equal(t, []any{}, w.do("POST", "/v1/catalogue", file, yaml).is(200).get("purposes"))
}

func TestAPastMomentMayBeADate(t *testing.T) {
	w := newWorld(t)
	w.declare()
	token := w.person("ada@example.com")
	history := "/v1/subjects/" + token + "/history?as_of="
	old := w.do("GET", history+"2026-01-31", nil).is(200)
	require.Equal(t, "2026-01-31T23:59:59.999999Z", old.text("as_of"))
	before := time.Now().UTC()
	today := w.do("GET", history+before.Format(time.DateOnly), nil).is(200)
	require.Len(t, today.get("events"), 2, "today is as of now")
	asOf, err := time.Parse(time.RFC3339, today.text("as_of"))
	require.NoError(t, err)
	require.False(t, asOf.After(time.Now()), "the day that lasts is not looked at from its end")

	ask := "/v1/subjects/" + token + "/may-process?purpose=service&"
	w.do("GET", ask+"at=2026-01-31&known_at=2026-01-31T09:00:00%2B01:00", nil).is(200)
	for member, at := range map[string]string{"as_of": history, "at": ask + "at=", "known_at": ask + "known_at="} {
		for _, wrong := range []string{"yesterday", "2026-02-30", "31.01.2026", "2026-01-31T09:00:00"} {
			p := w.do("GET", at+url.QueryEscape(wrong), nil).problem(422, "request.parameter")
			require.Equal(t, member, p.get("field"))
			require.Contains(t, p.text("detail"), "2026-01-31T09:00:00Z")
			require.Contains(t, p.text("detail"), "or a date")
		}
	}
}

func TestANoticeIsNamedByIDOrDigest(t *testing.T) {
	w := newWorld(t)
	w.declare()
	token := w.person("ada@example.com")
	at := "/v1/subjects/" + token + "/consents/newsletter/"
	said := func(notice, language string) m {
		b := m{"notice": notice, "medium": "web", "method": "checkbox"}
		if language != "" {
			b["language"] = language
		}
		return b
	}
	publish := func(version int, language, text string) {
		w.do("PUT", "/v1/catalogue/notices/newsletter-text", m{
			"version": version, "language": language, "text": text, "purposes": []m{{"purpose": "newsletter", "version": 1}},
		}).is(200)
	}
	shown := func() any {
		return w.do("GET", "/v1/subjects/"+token+"/consents", nil).is(200).get("consents.0.notice")
	}
	w.do("POST", at+"give", said("newsletter-text", "")).is(200)
	require.Equal(t, w.notice("newsletter-text"), shown())

	publish(2, "en", "We write to you twice a month.")
	publish(2, "de", "Wir schreiben zweimal im Monat.")
	w.do("POST", at+"renew", said("newsletter-text", "de")).is(200)
	published := w.do("GET", "/v1/catalogue/notices/newsletter-text", nil)
	require.Equal(t, "de", published.get("publications.1.language"))
	require.Equal(t, published.get("publications.1.digest"), shown(), "the newest version in the language")
	w.do("POST", at+"request", said(published.text("publications.2.digest"), "en")).is(200)

	require.Equal(t, "language", w.do("POST", at+"give", said("newsletter-text", "")).problem(422, "consent.language").get("field"))
	unknown := "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
	for _, wrong := range []m{said("nothing", "en"), said("newsletter-text", "fr"), said(unknown, "en")} {
		for _, act := range []string{"give", "renew", "request"} {
			p := w.do("POST", at+act, wrong).problem(422, "consent.notice_unknown")
			require.Equal(t, "notice", p.get("field"))
			require.Contains(t, p.text("detail"), "GET /v1/catalogue/notices/{id}")
		}
	}
	p := w.do("POST", at+"give", said("Not A Name", "en")).problem(422, "request.value")
	require.Equal(t, "notice", p.get("field"))
	require.Contains(t, p.text("detail"), "GET /v1/catalogue/notices/{id}")
	w.do("POST", at+"withdraw", said("nothing", "en")).is(200) // never refused for what is beside the point
}

func TestAWrongRequestNamesItsMember(t *testing.T) {
	w := newWorld(t)
	w.declare()
	token := w.person("ada@example.com")
	at := "/v1/subjects/" + token + "/consents/club/"
	request := m{"notice": "club-text", "medium": "web", "method": "form_submit", "contact": "email"}
	asked := w.do("POST", at+"request", request).is(200)
	confirm := func(b m) *answer { return w.do("POST", at+"confirm", b) }
	require.Equal(t, "request", confirm(m{"request": "nonsense", "nonce": "x"}).problem(422, "id.malformed").get("field"))
	require.Equal(t, "request", confirm(m{"nonce": "x"}).problem(403, "consent.nonce").get("field"))
	other := "01234567-89ab-8def-8123-456789abcdef"
	require.Equal(t, "request", confirm(m{"request": other, "nonce": "x"}).problem(403, "consent.nonce").get("field"))
	require.Equal(t, "nonce", confirm(m{"request": asked.text("event"), "nonce": "x"}).problem(403, "consent.nonce").get("field"))
}

func TestATokenIsForDeclaredPurposes(t *testing.T) {
	w := newWorld(t)
	w.declare()
	before := w.app.Store.Stats().Events
	p := w.do("POST", "/v1/tokens", m{"roles": []string{"service"}, "purposes": []string{"service", "nothing"}}).problem(422, "token.purpose")
	require.Equal(t, "purposes", p.get("field"))
	require.Equal(t, before, w.app.Store.Stats().Events, "nobody is registered for it")
	w.tokenFor("service", "service")
}

func TestTheYearOneIsNotNow(t *testing.T) {
	w := newWorld(t)
	w.declare()
	at := "/v1/subjects/" + w.person("ada@example.com") + "/consents/newsletter/withdraw"
	p := w.do("POST", at, m{"effective": "0001-01-01T00:00:00Z"}).problem(422, "request.time")
	require.Equal(t, "effective", p.get("field"))
	p = w.do("POST", at, m{"effective": "yesterday"}).is(400)
	require.Equal(t, "effective", p.get("field"))
	w.do("POST", at, m{"effective": "2026-01-31T09:00:00Z"}).is(200)
	w.do("POST", at, nil).is(200)
}
