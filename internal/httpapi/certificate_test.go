package httpapi_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"lethe/domain"
	"lethe/domain/personal"
	"lethe/domain/principal"
	"lethe/domain/subject"
	"lethe/internal/app"
	"lethe/internal/bundle"
	"lethe/internal/certificate"
	"lethe/internal/ledger"
)

// on decides commands of an erasure on a record.
func (w *world) on(token string, env subject.Env, commands ...subject.Command) {
	w.t.Helper()
	env.EvidenceRetention = "P3Y"
	env.Officer = true
	_, err := w.app.Ledger.On(w.t.Context(), ledger.Request{Principal: app.LocalCaller().Principal}, domain.Token(token), env, commands...)
	require.NoError(w.t, err)
}

var erasureID = domain.ID{0x7f, 0x2d, 6: 0x8d, 8: 0x9f, 15: 0x9c}

// keysOf are a record's live keys.
func (w *world) keysOf(token string) (env subject.Env) {
	w.t.Helper()
	keys, err := w.app.Keys.Keys(w.t.Context(), "subject-"+token)
	require.NoError(w.t, err)
	for _, k := range keys {
		ref := subject.KeyRef{Group: domain.Name(k.Compartment.Group), Generation: k.Generation, Key: domain.ID(k.ID)}
		env.Keys = append(env.Keys, subject.LiveKey{KeyRef: ref, Newest: true})
	}
	return env
}

// erase orders, starts and completes the erasure of everything of records of
// one person; the others go along with the first.
func (w *world) erase(tokens ...string) {
	w.t.Helper()
	for _, token := range tokens {
		w.on(token, subject.Env{}, subject.EndBasis{Purpose: "service", Basis: domain.Contract})
	}
	w.eraseAs(erasureID, tokens...)
}

func (w *world) eraseAs(id domain.ID, tokens ...string) {
	w.t.Helper()
	for i, token := range tokens {
		order := subject.OrderErasure{Erasure: id, Scope: subject.Scope{Everything: true}}
		for _, other := range tokens[1:] {
			if i == 0 {
				order.Linked = append(order.Linked, domain.Token(other))
			} else {
				order.Of = domain.Token(tokens[0])
			}
		}
		w.on(token, subject.Env{}, order)
	}
	for _, token := range tokens {
		w.start(token, id)
	}
	for _, token := range tokens {
		w.complete(token, subject.ErasureCompleted{
			Erasure: id, Sinks: []subject.SinkConfirmed{{Sink: "keys", Guarantee: subject.Destroyed, Position: 7, At: time.Now()}},
			DeadFrom: time.Date(2030, 1, 31, 0, 0, 0, 0, time.UTC), Marks: 1,
		})
	}
}

// start starts an erasure, unless the ledger's own process has come first.
func (w *world) start(token string, id domain.ID) {
	w.t.Helper()
	env := w.keysOf(token)
	env.EvidenceRetention = "P3Y"
	_, err := w.app.Ledger.On(w.t.Context(), ledger.Request{Principal: app.LocalCaller().Principal}, domain.Token(token), env, subject.StartErasure{Erasure: id})
	state, rerr := w.app.Ledger.Subject(w.t.Context(), domain.Token(token))
	require.NoError(w.t, rerr)
	if e, _ := state.Erasure(id); e.State != subject.IsStarted {
		require.NoError(w.t, err)
	}
}

// complete notes that the keys that the erasure named are destroyed.
func (w *world) complete(token string, c subject.ErasureCompleted) {
	w.t.Helper()
	state, err := w.app.Ledger.Subject(w.t.Context(), domain.Token(token))
	require.NoError(w.t, err)
	e, ok := state.Erasure(c.Erasure)
	require.True(w.t, ok)
	for _, k := range e.Started.Keys {
		c.Keys = append(c.Keys, subject.KeyDestroyed{KeyRef: k, Fingerprint: domain.Digest{1}, At: time.Now()})
	}
	w.on(token, subject.Env{}, subject.CompleteErasure{Completed: c})
}

func (w *world) certificate(token, id string, opts ...opt) *answer {
	w.t.Helper()
	return w.do("GET", "/v1/subjects/"+token+"/erasure/"+id+"/certificate", nil, opts...)
}

// A person with two records had data handed over, and asks for everything to
// be erased. The certificate says so, and is checked without the ledger.
func TestACertificateIsVerifiedWithoutTheLedger(t *testing.T) {
	w := newWorld(t)
	w.declare()
	token, other := w.served("ada@example.com"), w.served("ada@other.example")
	w.newsletter(token, "give", "2024-05-01T10:00:00Z")
	s := "/v1/subjects/" + token
	w.do("GET", s+"?purpose=service", nil).is(200)
	w.do("GET", s+"?purpose=service", nil).is(200)
	w.do("GET", s+"?purpose=newsletter&channel=email&recipient=mailer", nil).is(200)
	handed := w.bundle(token, m{"purpose": "service", "disclose": []string{"name"}}).is(200).header.Get("Lethe-Access")
	w.certificate(token, "latest").problem(404, "erasure.unknown")
	w.erase(token, other)

	a := w.certificate(token, "latest").is(200)
	require.Equal(t, "application/json", a.header.Get("Content-Type"))
	require.Contains(t, a.header.Get("Content-Disposition"), "erasure.json")
	seen := w.accesses(token)
	require.Equal(t, "erasure", seen.text("items.0.door"))
	require.Equal(t, "rights.erasure", seen.text("items.0.purpose"))
	require.Equal(t, seen.text("items.0.event"), a.header.Get("Lethe-Access"))
	require.Equal(t, "erasure", w.accesses(other).text("items.0.door"))

	page := w.certificate(token, erasureID.String(), header("Accept", "text/html,application/xhtml+xml")).is(200)
	require.Equal(t, "text/html; charset=utf-8", page.header.Get("Content-Type"))
	require.Contains(t, page.header.Get("Content-Security-Policy"), "style-src 'unsafe-inline'")
	a = w.certificate(token, erasureID.String(), header("Accept", "*/*")).is(200)
	r, err := bundle.VerifyCertificate(t.Context(), a.body, nil, bundle.Trust{Keys: w.vkeys()})
	require.NoError(t, err)
	require.Empty(t, r.Findings)
	require.Equal(t, bundle.Verified, r.Outcome)
	require.Equal(t, []string{token, other}, r.Erasure.Tokens)
	require.Equal(t, []string{"contact", "record"}, r.Erasure.Erased)
	require.Equal(t, []string{"evidence"}, r.Erasure.InPart)
	require.Equal(t, []string{"evidence"}, r.Erasure.Kept)
	require.Equal(t, "destroyed", r.Erasure.Guarantee)
	require.Equal(t, "2030-01-31T00:00:00.000000Z", r.Erasure.DeadFrom)

	var c certificate.Certificate
	unmarshalled(t, a.body, &c)
	main := &c.Records[0]
	require.Len(t, main.Disclosures, 2)
	require.Equal(t, certificate.Disclosure{
		Event: main.Disclosures[0].Event, At: main.Disclosures[0].At, Purpose: "newsletter", Door: "read", Recipient: "mailer", Fields: []string{"email"},
	}, main.Disclosures[0])
	require.Equal(t, handed, main.Disclosures[1].Event)
	require.Equal(t, []string{"name"}, main.Disclosures[1].Fields)
	require.Empty(t, main.Disclosures[1].Recipient)
	require.Len(t, main.Openings, 1)
	require.Equal(t, 2, main.Openings[0].Count)
	require.Equal(t, []string{"email", "name"}, main.Openings[0].Fields)
	require.Equal(t, token, c.Records[1].Of)
	require.Empty(t, c.Records[1].Disclosures)
	require.EqualValues(t, 1, main.Marks)
	require.NotEmpty(t, main.Keys)

	// Of the linked record, it is the same; a page of it is the certificate's.
	w.sealed()
	of := w.certificate(other, "latest").is(200)
	html := w.do("GET", "/v1/subjects/"+other+"/erasure/latest/certificate?format=html", nil).is(200)
	var twin certificate.Certificate
	unmarshalled(t, of.body, &twin)
	require.Equal(t, token, twin.Records[0].Token)
	for _, page := range [][]byte{html.body} {
		require.Contains(t, string(page), "GDPR 17(1)")
		require.Contains(t, string(page), "mailer")
	}
	for _, text := range [][]byte{a.body, page.body, html.body} {
		for _, hidden := range []string{"ada@", "Ada Lovelace", "Mailer GmbH", "privacy@acme"} {
			require.NotContains(t, string(text), hidden)
		}
	}
}

// An erasure that is not complete has no certificate, and says what it waits for.
func TestNoCertificateOfWhatIsNotComplete(t *testing.T) {
	w := newWorld(t)
	w.declare()
	token, other := w.served("ada@example.com"), w.served("ada@other.example")
	id := erasureID.String()
	letter := func() *answer { return w.do("GET", "/v1/subjects/"+token+"/erasure/"+id+"/letter", nil) }
	before := w.app.Store.Stats().Events
	w.certificate(token, id).problem(404, "erasure.unknown")
	w.certificate(token, "newest").problem(422, "request.value")
	w.certificate("snothing", id).problem(422, "subject.token")
	require.Equal(t, before, w.app.Store.Stats().Events)

	everything := subject.Scope{Everything: true}
	w.on(token, subject.Env{}, subject.OrderErasure{Erasure: erasureID, Scope: everything, Grace: time.Hour, Linked: []domain.Token{domain.Token(other)}})
	w.certificate(token, "latest").problem(409, "erasure.ordered")
	letter().problem(409, "erasure.ordered")
	w.on(token, subject.Env{}, subject.CancelErasure{Erasure: erasureID})
	w.certificate(token, id).problem(409, "erasure.cancelled")

	second := domain.ID{0x7f, 6: 0x8d, 8: 0x9f, 15: 2}
	id = second.String()
	w.on(token, subject.Env{}, subject.OrderErasure{Erasure: second, Scope: everything, Linked: []domain.Token{domain.Token(other)}})
	w.on(other, subject.Env{}, subject.OrderErasure{Erasure: second, Scope: everything, Of: domain.Token(token)})
	w.start(token, second)
	w.certificate(token, id).problem(409, "erasure.incomplete")
	letter().problem(409, "erasure.incomplete")
	sinks := []subject.SinkConfirmed{{Sink: "keys", Guarantee: subject.PurgePending, At: time.Now()}}
	w.complete(token, subject.ErasureCompleted{Erasure: second, Sinks: sinks})
	w.certificate(token, id).problem(409, "erasure.ordered")
	w.start(other, second)
	w.certificate(token, id).problem(409, "erasure.incomplete")
	w.certificate(other, id).problem(409, "erasure.incomplete")
	w.complete(other, subject.ErasureCompleted{Erasure: second, Sinks: sinks})
	a := w.certificate(token, id).is(200)
	require.Equal(t, "purge_scheduled", a.text("guarantee"))
	require.NotContains(t, a.text("statement"), "were destroyed")
	require.Nil(t, a.get("records.0.dead_from"))
}

// What a hold keeps stops an erasure: no certificate, and a letter that says why.
func TestAStoppedErasureHasALetterOnly(t *testing.T) {
	w := newWorld(t)
	w.declare()
	token := w.served("ada@example.com")
	w.on(token, subject.Env{}, subject.OrderErasure{Erasure: erasureID, Scope: subject.Scope{Groups: []domain.Name{"contact"}}, Ground: subject.Unlawful})
	w.on(token, subject.Env{}, subject.PlaceHold{Hold: domain.ID{5}, Group: "contact", Purpose: "claims", Review: time.Now().AddDate(1, 0, 0), Authority: personal.Of("court")})
	w.on(token, subject.Env{}, subject.StartErasure{Erasure: erasureID})
	w.certificate(token, "latest").problem(409, "erasure.stopped")
	text := string(w.do("GET", "/v1/subjects/"+token+"/erasure/latest/letter", nil).is(200).body)
	require.Contains(t, text, "Nothing of it may be erased now")
	require.Contains(t, text, "legal claims\n  (Article 17(3)(e) GDPR)")
	require.NotContains(t, text, "What was erased")
}

// A letter about a part says so, and what else of the person's data stays.
func TestALetterAboutAPartSaysWhatStays(t *testing.T) {
	w := newWorld(t)
	w.declare()
	token := w.served("ada@example.com")
	w.do("PATCH", "/v1/subjects/"+token, m{"purpose": "service", "record": []m{{"field": "birth-date", "value": "1990-01-31"}}}).is(200)
	letter := func() string {
		a := w.do("GET", "/v1/subjects/"+token+"/erasure/latest/letter", nil)
		return strings.Join(strings.Fields(string(a.body)), " ")
	}
	w.on(token, subject.Env{}, subject.OrderErasure{Erasure: erasureID, Ground: subject.Unlawful, Scope: subject.Scope{Values: []subject.ValueRef{{Field: "name"}}}})
	w.app.Erasures.Wake()
	require.Eventually(t, func() bool { return strings.Contains(letter(), "What was erased") }, 20*time.Second, 50*time.Millisecond)
	require.Contains(t, letter(), "single values of contact (name)")
	require.Contains(t, letter(), "Other values of it stay (email).")
	require.Contains(t, letter(), "not about is not touched by it")

	// Of what a hold had kept, one group goes and another one stays.
	hold := func(n byte, group domain.Name) {
		w.on(token, subject.Env{}, subject.PlaceHold{Hold: domain.ID{n}, Group: group, Purpose: "claims", Review: time.Now().AddDate(1, 0, 0), Authority: personal.Of("court")})
	}
	second := domain.ID{0x7f, 6: 0x8d, 8: 0x9f, 15: 2}
	w.on(token, subject.Env{}, subject.EndBasis{Purpose: "service", Basis: domain.Contract})
	hold(5, "contact")
	hold(6, "identity")
	w.eraseAs(second, token)
	w.on(token, subject.Env{}, subject.ReleaseHold{Hold: domain.ID{5}})
	require.Eventually(t, func() bool {
		return strings.Contains(letter(), "the reason for it has ended") && strings.Contains(letter(), "What was erased")
	}, 20*time.Second, 50*time.Millisecond)
	require.Contains(t, letter(), "- contact (email")
	require.Contains(t, letter(), "- identity: it is needed to establish, exercise or defend legal claims")
	require.NotContains(t, letter(), "nothing stays")
}

// What a new lifecycle holds is not what was erased before.
func TestDisclosuresAreThoseOfWhatWasErased(t *testing.T) {
	w := newWorld(t)
	w.declare()
	token := w.served("ada@example.com")
	w.do("GET", "/v1/subjects/"+token+"?purpose=service&recipient=mailer", nil)
	w.on(token, subject.Env{}, subject.NoteDisclosure{Recipient: "mailer", Purpose: "newsletter", Version: 1, Fields: []domain.Name{"email"}, Access: domain.ID{9}})
	w.erase(token)
	first := w.certificate(token, "latest").is(200)
	require.Len(t, first.get("records.0.disclosures"), 1)
	require.Equal(t, "noted", first.text("records.0.disclosures.0.door"))
	require.Equal(t, []any{"email"}, first.get("records.0.disclosures.0.fields"))
	w.on(token, subject.Env{}, subject.OpenLifecycle{})
	again := w.certificate(token, "latest").is(200)
	var a, b certificate.Certificate
	unmarshalled(t, first.body, &a)
	unmarshalled(t, again.body, &b)
	require.Equal(t, a.Records[0].Disclosures, b.Records[0].Disclosures)

	// What the second erasure destroys was handed over after the first.
	w.on(token, subject.Env{}, subject.NoteDisclosure{Recipient: "mailer", Purpose: "newsletter", Version: 1, Fields: []domain.Name{"email"}, Access: domain.ID{10}})
	second := domain.ID{0x7f, 6: 0x8d, 8: 0x9f, 15: 2}
	w.eraseAs(second, token)
	w.on(token, subject.Env{}, subject.NoteDisclosure{Recipient: "mailer", Purpose: "newsletter", Version: 1, Fields: []domain.Name{"email"}, Access: domain.ID{11}})
	unmarshalled(t, w.certificate(token, "latest").is(200).body, &b)
	require.Equal(t, second.String(), b.Erasure)
	require.Len(t, b.Records[0].Disclosures, 1)
	require.NotEqual(t, a.Records[0].Disclosures[0].Event, b.Records[0].Disclosures[0].Event)
	var c certificate.Certificate
	unmarshalled(t, w.certificate(token, erasureID.String()).is(200).body, &c)
	require.Equal(t, a.Records[0].Disclosures, c.Records[0].Disclosures)
}

// Of a group that goes on, what is handed over after the erasure is of what stays.
func TestDisclosuresEndWithTheErasure(t *testing.T) {
	w := newWorld(t)
	w.declare()
	token := w.served("ada@example.com")
	w.newsletter(token, "give", "2024-05-01T10:00:00Z")
	disclose := func() string {
		t.Helper()
		return w.do("GET", "/v1/subjects/"+token+"?purpose=newsletter&channel=email&recipient=mailer", nil).is(200).text("access")
	}
	before := disclose()
	w.do("PATCH", "/v1/subjects/"+token, m{"rectify": []m{{"field": "email", "value": "ada@new.example"}}}).is(200)
	w.on(token, subject.Env{}, subject.OrderErasure{Erasure: erasureID, Cause: subject.OnRectification, Scope: subject.Scope{Superseded: []domain.Name{"contact"}}})
	w.start(token, erasureID)
	w.complete(token, subject.ErasureCompleted{Erasure: erasureID, Sinks: []subject.SinkConfirmed{{Sink: "keys", Guarantee: subject.Destroyed, At: time.Now()}}})
	disclose()
	var c certificate.Certificate
	unmarshalled(t, w.certificate(token, "latest").is(200).body, &c)
	require.Equal(t, certificate.Superseded, c.Records[0].Erased[0].Extent)
	require.Len(t, c.Records[0].Disclosures, 1)
	require.Equal(t, before, c.Records[0].Disclosures[0].Event)
}

// The letter says what stays and how to complain, and nothing that would tie
// what stays to a name again.
func TestTheLetterNamesNeitherPersonNorRecord(t *testing.T) {
	w := newWorld(t)
	w.declare()
	token, other := w.served("ada@example.com"), w.served("ada@other.example")
	w.newsletter(token, "give", "2024-05-01T10:00:00Z")
	w.do("GET", "/v1/subjects/"+token+"?purpose=newsletter&channel=email&recipient=mailer", nil).is(200)
	w.erase(token, other)
	at := "/v1/subjects/" + token + "/erasure/latest/letter"
	english := w.do("GET", at, nil).is(200)
	require.Equal(t, "text/plain; charset=utf-8", english.header.Get("Content-Type"))
	german := w.do("GET", at+"?language=de&format=html", nil).is(200)
	require.Equal(t, "text/html; charset=utf-8", german.header.Get("Content-Type"))
	require.Equal(t, w.accesses(token).text("items.0.event"), german.header.Get("Lethe-Access"))
	for _, shown := range []string{
		"Acme GmbH", "Weg 1, Berlin", "privacy@acme.example", "you asked us to erase", "contact (email, name)", "GDPR)", "31 January 2030",
		"All consents that you had given us are withdrawn", "Mailer GmbH: email, last on", "supervisory authority", "Article 79 GDPR",
	} {
		require.Contains(t, strings.Join(strings.Fields(string(english.body)), " "), shown)
	}
	for _, shown := range []string{`lang="de"`, "Acme GmbH", "DSGVO", "31. Januar 2030", "Einwilligungen", "Aufsichtsbehörde", "Mailer GmbH"} {
		require.Contains(t, string(german.body), shown)
	}
	for _, text := range [][]byte{english.body, german.body} {
		for _, hidden := range []string{"ada@", "Lovelace", token, other, erasureID.String(), "://", "<script"} {
			require.NotContains(t, strings.ReplaceAll(string(text), "https://acme.example/privacy", ""), hidden)
		}
	}
	w.do("GET", at+"?language=fr", nil).problem(422, "request.parameter")
}

func TestWhoMayReadCertificatesAndLetters(t *testing.T) {
	w := newWorld(t)
	w.declare()
	token := w.served("ada@example.com")
	w.erase(token)
	at := "/v1/subjects/" + token + "/erasure/latest/"
	for role, may := range map[principal.Role][2]int{
		principal.Officer: {200, 200}, principal.Auditor: {200, 403}, principal.Operator: {403, 200}, principal.Service: {403, 200}, principal.Admin: {403, 403},
	} {
		as := bearer(w.tokenFor(role))
		require.Equal(t, may[0], w.anyone("GET", at+"certificate", nil, as).status, role)
		require.Equal(t, may[1], w.anyone("GET", at+"letter", nil, as).status, role)
	}
}

// After keys were rotated and retired, a new certificate is by the new ones.
func TestACertificateAfterKeysWereRotated(t *testing.T) {
	w := newWorld(t)
	w.declare()
	token := w.served("ada@example.com")
	w.erase(token)
	old := w.vkeys()
	require.Equal(t, 1, strings.Count(w.certificate(token, "latest").is(200).text("signature"), "\n— "))
	id := w.do("GET", "/v1/log/keys", nil).is(200).text("items.0.id")
	w.do("POST", "/v1/log/keys", nil).is(200)
	w.person("eve@example.com")
	w.sealed()
	both := w.certificate(token, "latest").is(200)
	require.Contains(t, both.text("signature"), "\n— ")
	for _, keys := range [][]string{old, w.vkeys()} {
		r, err := bundle.VerifyCertificate(t.Context(), both.body, nil, bundle.Trust{Keys: keys})
		require.NoError(t, err)
		require.Equal(t, bundle.Verified, r.Outcome, "%v", r.Findings)
	}
	w.do("POST", "/v1/log/keys/"+id+"/retire", nil).is(200)
	w.person("fay@example.com")
	w.sealed()
	last := w.certificate(token, "latest").is(200)
	keys := slices.DeleteFunc(w.vkeys(), func(k string) bool { return slices.Contains(old, k) })
	r, err := bundle.VerifyCertificate(t.Context(), last.body, nil, bundle.Trust{Keys: keys})
	require.NoError(t, err)
	require.Equal(t, bundle.Verified, r.Outcome, "%v", r.Findings)
	var c certificate.Certificate
	require.NoError(t, json.Unmarshal(last.body, &c))
}
