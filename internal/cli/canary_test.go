package cli_test

import (
	"bytes"
	"context"
	"fmt"
	"mime/multipart"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"lethe/internal/canary"
	"lethe/internal/starter"
)

// canaries hands out values that occur nowhere by themselves.
type canaries struct {
	made   []string
	named  map[string]bool // may be in an error, see name
	digest string          // may be there as SHA-256, see public
}

// name is a canary in the place of a declared name and in the form of one: an
// error that says which field is not declared has to name it. It may be
// nowhere else.
func (c *canaries) name(what string) string {
	s := c.next(what)
	if c.named == nil {
		c.named = map[string]bool{}
	}
	c.named[s] = true
	return s
}

func (c *canaries) next(what string) string {
	s := fmt.Sprintf("kanarie%02dx%s", len(c.made), strings.ReplaceAll(what, " ", ""))
	c.made = append(c.made, s)
	return s
}

// public is a canary in a text whose digest is a fact: a notice's, which is the
// controller's own and no personal data.
func (c *canaries) public(what string) string {
	c.digest = c.next(what)
	return c.digest
}

const inError = "an error"

// values are what must be nowhere, ready to be looked for.
func (c *canaries) values(t testing.TB) *canary.Values {
	t.Helper()
	v, err := canary.Compile(c.made, canary.Options{Hashes: true})
	require.NoError(t, err)
	return v
}

// search reports where any canary lies.
func (c *canaries) search(t testing.TB, where, content string) (found []string) {
	t.Helper()
	for _, f := range c.values(t).Search([]byte(content)) {
		if s := c.made[f.Line-1]; where != inError || !c.named[s] {
			found = append(found, fmt.Sprintf("%s as %s at %d of %s", s, f.Encoding, f.Offset, where))
		}
	}
	return found
}

// scan searches what is at rest.
func (c *canaries) scan(t testing.TB, places ...string) (found []canary.Finding, files int) {
	t.Helper()
	r, err := canary.Scan(context.Background(), places, c.values(t), nil)
	require.NoError(t, err)
	require.Empty(t, r.Unread)
	for _, f := range r.Findings {
		if c.made[f.Line-1] != c.digest || !strings.HasSuffix(f.Encoding, "SHA-256") {
			found = append(found, f)
		}
	}
	return found, r.Files
}

// populate fills a ledger through its API, with a canary in every place that
// takes a text. The token is of a person, the name one of theirs.
func (c *canaries) populate(l *live) (name, token string) {
	c.catalogue(l)
	name, token = c.person(l)
	c.consents(l, token)
	c.rights(l, token)
	c.upkeep(l)
	c.requests(l, token)
	c.imports(l)
	c.principals(l)
	c.links(l, token)
	c.erasures(l)
	c.operations(l, token)
	return name, token
}

// catalogue: the texts of controllers, recipients and notices are sealed, and
// a file that is not understood does not come back in its error.
func (c *canaries) catalogue(l *live) {
	l.do("POST", "/v1/catalogue", starter.Text(), "Content-Type", "application/yaml").ok()
	l.do("PUT", "/v1/catalogue/controllers/other", fmt.Sprintf(
		`{"country": "DE", "name": %q, "address": %q, "contact": %q, "email": "%s@leak.example", "phone": "+4930%s", "officer": %q, "policy_url": %q, "withdrawal": %q}`,
		c.next("controller name"), c.next("address"), c.next("contact"), c.next("mail"), c.next("phone"),
		c.next("officer"), c.next("policy"), c.next("withdrawal"))).ok()
	l.do("PUT", "/v1/catalogue/recipients/other", fmt.Sprintf(`{"kind": "processor", "country": "DE", "name": %q, "contact": %q}`,
		c.next("recipient"), c.next("recipient contact"))).ok()
	l.do("PUT", "/v1/catalogue/notices/other", fmt.Sprintf(
		`{"version": 1, "language": "en", "purposes": [{"purpose": "marketing.sms", "version": 1}], "text": %q}`, c.public("notice text"))).ok()
	l.do("PUT", "/v1/catalogue/fields/extra", fmt.Sprintf(`{"type": "text", "group": "contact", "category": %q}`, c.next("category")+"!")).refused()
	l.do("PUT", "/v1/catalogue/purposes/extra", fmt.Sprintf(`{"basis": "consent", "dpv": %q}`, c.next("dpv")+"!")).refused()
	for _, text := range []string{
		"format: lethe-catalogue/1\nfields:\n  - id: " + c.next("bad id") + "!\n",
		"format: lethe-catalogue/1\n" + c.next("key") + ": x\n",
		"format: lethe-catalogue/1\npurposes:\n  - id: a\n    basis: " + c.next("basis") + "\n",
		"format: " + c.next("format") + "\n", c.next("not yaml") + ": [",
	} {
		l.do("POST", "/v1/catalogue", text, "Content-Type", "application/yaml").refused()
	}
}

// person registers somebody with a canary in every member that takes text.
func (c *canaries) person(l *live) (name, token string) {
	name = c.next("name")
	a := l.do("POST", "/v1/subjects", fmt.Sprintf(`{"acquired": "from_person", "jurisdiction": "DE", "source": {"system": "shop", "row": %q},
		"records": [{"purpose": "customer.service", "values": [{"field": "name.full", "value": %q},
			{"field": "email", "value": "%s@leak.example"}, {"field": "external.id", "value": %q}, {"field": "note", "value": %q}]}]}`,
		c.next("source row"), name, c.next("email"), c.next("external id"), c.next("note")),
		"Idempotency-Key", c.next("idempotency key")).ok()
	token = a.get("token")
	at := "/v1/subjects/" + token
	l.do("PATCH", at, fmt.Sprintf(`{"purpose": "customer.service", "rectify": [{"field": "note", "slot": 0, "value": %q}], "reason": %q}`,
		c.next("corrected"), c.next("reason"))).ok()
	l.do("DELETE", at+"/fields/note?purpose=customer.service", fmt.Sprintf(`{"reason": %q}`, c.next("removal reason"))).ok()
	l.do("POST", at+"/basis", fmt.Sprintf(`{"purpose": "customer.service", "basis": "legitimate_interests", "reference": %q}`, c.next("reference"))).ok()
	// Refused values.
	l.do("PATCH", at, fmt.Sprintf(`{"purpose": "customer.service", "record": [{"field": "birth.date", "value": %q}]}`, c.next("wrong date"))).refused()
	l.do("PATCH", at, fmt.Sprintf(`{"purpose": "customer.service", "record": [{"field": "gender", "value": %q}]}`, c.next("wrong enum"))).refused()
	l.do("PATCH", at, fmt.Sprintf(`{"purpose": "customer.service", "record": [{"field": %q, "value": "x"}]}`, c.name("field"))).refused()
	l.do("PATCH", at, fmt.Sprintf(`{"purpose": "customer.service", "record": [{"field": "email", "value": "%s"}]}`, c.next("no address"))).refused()
	l.do("PATCH", at, fmt.Sprintf(`{"purpose": "customer.service", "record": [{"field": "phone", "value": "%s"}]}`, c.next("no number"))).refused()
	return name, token
}

func (c *canaries) consents(l *live, token string) {
	at := "/v1/subjects/" + token
	notice := l.notice("notice.marketing.sms")
	review := "2087-11-29"
	c.made = append(c.made, review)
	l.do("POST", at+"/age", fmt.Sprintf(`{"outcome": "below_digital_age", "rule": "DE", "review": %q}`, review)).ok()
	l.do("POST", at+"/consents/marketing.sms/give", fmt.Sprintf(
		`{"notice": %q, "medium": "web", "method": "checkbox", "by": "guardian", "guardian": %q, "evidence": %q}`,
		notice, c.next("guardian"), c.next("evidence"))).ok()
	l.do("POST", at+"/consents/marketing.sms/withdraw", fmt.Sprintf(`{"evidence": %q}`, c.next("withdrawal evidence"))).ok()
	l.do("POST", at+"/consents/marketing.email/request", fmt.Sprintf(
		`{"notice": %q, "medium": "web", "method": "form_submit", "contact": "email", "evidence": %q}`,
		l.notice("notice.marketing.email"), c.next("request evidence"))).ok()
	l.do("POST", at+"/consents/marketing.email/confirm", fmt.Sprintf(
		`{"request": "00000000-0000-4000-8000-000000000000", "nonce": %q, "evidence": %q}`, c.next("nonce"), c.next("confirm evidence"))).refused()
	for _, act := range []string{"refuse", "defer", "renew", "revoke", "invalidate"} { // some are taken, some refused
		l.do("POST", at+"/consents/marketing.sms/"+act, fmt.Sprintf(`{"evidence": %q, "notice": %q, "medium": "web", "method": "checkbox"}`, c.next(act+" evidence"), notice))
		l.do("POST", at+"/consents/"+c.next(act)+"/"+act, `{}`).refused()
	}
}

func (c *canaries) rights(l *live, token string) {
	at := "/v1/subjects/" + token
	objection := l.do("POST", at+"/objection", fmt.Sprintf(`{"scope": "processing", "reason": %q}`, c.next("objection reason"))).ok()
	l.do("POST", at+"/objection/"+objection.get("event")+"/override", fmt.Sprintf(`{"grounds": %q}`, c.next("grounds"))).ok()
	hold := l.do("POST", at+"/holds", fmt.Sprintf(
		`{"group": "contact", "purpose": "accounting", "review": "2030-01-01T00:00:00Z", "authority": %q}`, c.next("authority"))).ok()
	l.do("POST", at+"/holds/"+hold.get("hold")+"/release", "").ok()
	group := l.do("POST", "/v1/holds", fmt.Sprintf(
		`{"group": "contact", "purpose": "accounting", "review": "2030-01-01T00:00:00Z", "people": "everyone", "authority": %q}`, c.next("group authority"))).ok()
	l.do("POST", "/v1/holds/"+group.get("hold")+"/release", "").ok()
	l.do("POST", "/v1/holds", fmt.Sprintf(`{"group": "contact", "people": %q}`, c.next("whom"))).refused()
	other := l.do("POST", "/v1/subjects", `{"acquired": "from_person", "jurisdiction": "DE"}`).ok().get("token")
	l.do("POST", "/v1/subjects/"+other+"/restriction", fmt.Sprintf(`{"ground": "claims", "reason": %q}`, c.next("restriction reason"))).ok()
	l.do("DELETE", "/v1/subjects/"+other+"/restriction?ground=claims&informed=2026-01-31T00:00:00Z", "").ok()
	for _, act := range []string{"uphold", "withdraw"} {
		objected := "/v1/subjects/" + other + "/objection"
		again := l.do("POST", objected, fmt.Sprintf(`{"scope": "processing", "reason": %q}`, c.next("objection"))).ok().get("event")
		l.do("POST", objected+"/"+again+"/"+act, fmt.Sprintf(`{%q: 1}`, c.next(act))).refused()
		l.do("POST", objected+"/"+again+"/"+act, "").ok()
	}
	l.do("DELETE", at+"/basis/customer.service", fmt.Sprintf(`{"reason": %q}`, c.next("basis ends")))
	l.do("POST", at+"/basis", fmt.Sprintf(`{"purpose": "customer.service", "basis": "legitimate_interests", "reference": %q}`, c.next("reference2"))).ok()
	l.do("POST", "/v1/subjects/lookup", fmt.Sprintf(`{"kind": "email", "value": "%s@leak.example", "purpose": "customer.service"}`, c.next("looked up"))).ok()
	l.do("POST", "/v1/subjects/lookup", fmt.Sprintf(`{"kind": "phone", "value": "%s", "purpose": "customer.service"}`, c.next("no phone")))
	l.do("POST", "/v1/subjects/lookup", fmt.Sprintf(`{"kind": %q, "value": "x", "purpose": "customer.service"}`, c.next("kind"))).refused()
}

// upkeep tries what is done to the ledger itself, of which little takes a text,
// and the marks that erasures leave.
func (c *canaries) upkeep(l *live) {
	for _, path := range []string{
		"/v1/retention/drop", "/v1/retention/run", "/v1/keys/epochs/rotate", "/v1/backups", "/v1/log/restarts/1/accept",
		"/v1/keys/places/00000000-0000-4000-8000-000000000000/forget",
	} {
		l.do("POST", path, fmt.Sprintf(`{%q: 1}`, c.next("upkeep"))).refused()
	}
	l.do("POST", "/v1/suppression/search", fmt.Sprintf(`{"email": "%s@leak.example"}`, c.next("searched"))).ok()
	l.do("POST", "/v1/suppression/search", fmt.Sprintf(`{"source": {"system": "crm", "table": "people", "row": %q}}`, c.next("searched row"))).ok()
	l.do("POST", "/v1/suppression/search", fmt.Sprintf(`{%q: 1}`, c.next("search"))).refused()
	l.do("POST", "/v1/suppression/lift", fmt.Sprintf(`{"email": "%s@leak.example", "reason": %q}`, c.next("lifted"), c.next("lift reason")))
	l.do("POST", "/v1/suppression/lift", fmt.Sprintf(`{"phone": %q, "reason": %q}`, c.next("lifted phone"), c.next("lift reason")))
	for _, path := range []string{"/v1/keys/epochs", "/v1/backups", "/v1/log/restarts", "/v1/retention/due"} {
		l.do("GET", path+"?"+c.next("upkeep")+"=1", "").refused()
		l.do("GET", path, "")
	}
}

func (l *live) notice(id string) string {
	l.t.Helper()
	a := l.do("GET", "/v1/catalogue/notices/"+id, "").ok()
	_, digest, found := strings.Cut(a.body, `"digest":"`)
	require.True(l.t, found, a.body)
	digest, _, _ = strings.Cut(digest, `"`)
	return digest
}

// requests are malformed in every part that a caller controls.
func (c *canaries) requests(l *live, person string) {
	at := "/v1/subjects/" + person
	for _, path := range []string{
		"/v1/subjects/" + c.next("token"), "/v1/subjects/" + c.next("token2") + "/history", "/" + c.next("path"), "/v1/" + c.next("path2"),
		at + "?purpose=" + c.next("purpose"), at + "?purpose=customer.service&" + c.next("parameter") + "=1",
		at + "/history?as_of=" + c.next("time"), at + "/history?by=" + c.next("by"), at + "?purpose=customer.service&channel=" + c.next("channel"),
		at + "?purpose=customer.service&fields=" + c.next("fields"), at + "/accesses?before=" + c.next("cursor"),
		at + "/consents/" + c.next("consent purpose") + "/receipt", "/v1/events?after=" + c.next("position"), "/v1/imports/" + c.next("import"),
		"/v1/catalogue/purposes/" + c.next("catalogue"), at + "?purpose=" + url.QueryEscape(c.next("mail")+"@leak.example"),
		"/v1/tokens?names=" + c.next("names"),
	} {
		l.do("GET", path, "").refused()
	}
	l.do("GET", at+"/may-process?purpose="+c.next("asked"), "").ok() // an answer: no
	body := `{"acquired": "from_person", "jurisdiction": "DE"}`
	l.do("POST", "/v1/subjects", `{"`+c.next("member")+`": 1}`).refused()
	l.do("POST", "/v1/subjects", `{"acquired": "`+c.next("acquired")+`", "jurisdiction": "DE"}`).refused()
	l.do("POST", "/v1/subjects", `{"acquired": "from_person", "jurisdiction": "`+c.next("place")+`"}`).refused()
	l.do("POST", "/v1/subjects", `{"acquired": `+c.next("not json")).refused()
	l.do("POST", "/v1/subjects", c.next("no json")).refused()
	l.do("POST", "/v1/subjects", `{"acquired": 1, "x": "`+c.next("type")+`"}`).refused()
	l.do("POST", "/v1/subjects", body, "Content-Type", "application/"+c.next("media")).refused()
	l.do("POST", "/v1/subjects", body, "Idempotency-Key", c.next("long key")+strings.Repeat("x", 300)).refused()
	l.do("PATCH", at, `{"purpose": "customer.service"}`, "If-Match", c.next("if match")).refused()
	l.do("GET", "/v1/catalogue/fields", "", "If-None-Match", `"`+c.next("if none match")+`"`, "User-Agent", c.next("agent"),
		"X-Forwarded-For", c.next("forwarded"), "Accept", c.next("accept"), "Referer", "http://"+c.next("referer"), "Cookie", "a="+c.next("cookie")).ok()
	l.do("GET", "/v1/events?limit=1", "", "Last-Event-ID", c.next("last event")).refused()
	for _, authorization := range []string{
		"Bearer " + c.next("bearer"), "Bearer lethe_" + c.next("bearer2"), "Basic " + c.next("basic"), c.next("scheme"),
	} {
		l.do("GET", "/v1/status", "", "Authorization", authorization).refused()
	}
	l.do(strings.ToUpper("kanarie"), "/v1/status", "").refused()
}

// mapping is of the files of imports.
const mapping = "version: 1\nsystem: shop\ntable: people\nkey: [no]\npurpose: customer.service\nacquired: from_person\nfields:\n" +
	"  - {column: name, field: name.full, class: provided}\n  - {column: born, field: birth.date, class: provided, date: YYYY-MM-DD}\n" +
	"  - {column: mail, field: email, class: provided}\n"

// imports: the file, its name, its rows good and bad, and the mapping.
func (c *canaries) imports(l *live) {
	file := "no,name,born,mail\n" +
		c.next("row key") + "," + c.next("imported") + ",1970-01-01," + c.next("imported mail") + "@leak.example\n" +
		"2," + c.next("refused name") + "," + c.next("refused date") + ",x\n" +
		"," + c.next("without key") + ",,\n" +
		"3," + c.next("too") + "," + c.next("many") + "," + c.next("columns") + "," + c.next("here") + "\n"
	l.upload(mapping, c.next("file name")+".csv", file)
	l.upload(mapping+c.next("mapping key")+": 1\n", "x.csv", file)
	l.upload(strings.Replace(mapping, "customer.service", c.next("mapping purpose"), 1), "x.csv", file)
	l.upload(strings.Replace(mapping, "YYYY-MM-DD", c.next("mapping date"), 1), "x.csv", file)
	l.upload(strings.Replace(mapping, "column: mail", "column: "+c.next("mapping column"), 1), "x.csv", file)
	l.upload(mapping, "x.csv", c.next("header")+"\n\"unclosed")
	l.do("POST", "/v1/imports", c.next("not multipart"), "Content-Type", "multipart/form-data; boundary="+c.next("boundary")).refused()
}

// upload imports a file. What comes back is an answer, or an error in the
// stream; both are looked at.
func (l *live) upload(mapping, name, content string) { l.imported("csv", mapping, name, content) }

func (l *live) imported(format, mapping, name, content string) reply {
	l.t.Helper()
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	require.NoError(l.t, w.WriteField("options", fmt.Sprintf(`{"format": %q}`, format)))
	if mapping != "" {
		require.NoError(l.t, w.WriteField("mapping", mapping))
	}
	part, err := w.CreateFormFile("file", name)
	require.NoError(l.t, err)
	_, err = part.Write([]byte(content))
	require.NoError(l.t, err)
	require.NoError(l.t, w.Close())
	req, err := http.NewRequestWithContext(context.Background(), http.MethodPost, l.url+"/v1/imports", &b)
	require.NoError(l.t, err)
	req.Header.Set("Authorization", "Bearer "+l.token)
	req.Header.Set("Content-Type", w.FormDataContentType())
	return l.send(req)
}

// principals have names, and those are personal, too.
func (c *canaries) principals(l *live) {
	answered := l.seen
	l.seen = func(int, string) {} // the secret of a token is an answer's to give
	l.do("POST", "/v1/tokens", fmt.Sprintf(`{"name": %q, "kind": "user", "roles": ["auditor"]}`, c.next("principal"))).ok()
	l.seen = answered
	l.do("POST", "/v1/tokens", fmt.Sprintf(`{"name": "x", "roles": [%q]}`, c.next("role"))).refused()
	l.do("POST", "/v1/tokens", fmt.Sprintf(`{"name": %q, "kind": %q, "roles": ["auditor"]}`, c.next("name"), c.next("kind of"))).refused()
	l.do("DELETE", "/v1/tokens/"+c.next("token id"), "").refused()
}

// links are between two records of a person, who is read through the door.
func (c *canaries) links(l *live, token string) {
	other := l.do("POST", "/v1/subjects", fmt.Sprintf(`{"acquired": "from_person", "jurisdiction": "DE",
		"records": [{"purpose": "customer.service", "values": [{"field": "name.full", "value": %q}]}]}`, c.next("other name"))).ok().get("token")
	at := "/v1/subjects/" + token + "/links"
	l.do("POST", at, fmt.Sprintf(`{"other": %q, "ground": "officer"}`, other)).ok()
	l.do("POST", at+"/"+other+"/accept", fmt.Sprintf(`{"reason": %q}`, c.next("same person"))).ok()
	l.do("POST", at+"/"+other+"/undo", fmt.Sprintf(`{"reason": %q}`, c.next("another person"))).ok()
	l.do("POST", at, fmt.Sprintf(`{"other": %q}`, c.next("other token"))).refused()
}

// erasures: one that is called off, one that is done, and what follows it.
func (c *canaries) erasures(l *live) {
	_, token := c.person(l)
	at := "/v1/subjects/" + token
	first := l.do("POST", at+"/erasure", fmt.Sprintf(`{"groups": ["contact"], "grace": "P7D", "reason": %q}`, c.next("erasure reason"))).ok()
	l.do("POST", at+"/erasure/"+first.get("erasure")+"/cancel", fmt.Sprintf(`{"reason": %q}`, c.next("cancel reason"))).ok()
	l.do("POST", at+"/erasure", fmt.Sprintf(`{"groups": [%q]}`, c.next("no group"))).refused()
	row, mail := c.next("erased row"), c.next("erased mail")+"@leak.example"
	l.upload(mapping, "x.csv", "no,name,born,mail\n"+row+","+c.next("erased name")+",1970-01-01,"+mail+"\n")
	answered := l.seen
	l.seen = func(int, string) {} // the door opens values
	imported := l.lookup(mail)
	l.seen = answered
	require.Len(l.t, imported, 1)
	l.erase(fmt.Sprintf(`{"everything": true, "reason": %q}`, c.next("everything")), token, imported[0])
	l.do("PATCH", at, fmt.Sprintf(`{"purpose": "customer.service", "record": [{"field": "note", "value": %q}]}`, c.next("too late"))).refused()
	l.documents(token)
	source := fmt.Sprintf(`"source": {"system": "shop", "table": "people", "row": %q}`, row)
	marks := l.do("POST", "/v1/suppression/search", fmt.Sprintf(`{%s, "email": %q, "phone": %q}`, source, mail, c.next("marked"))).ok()
	require.Contains(l.t, marks.body, `"by":"source"`)
	l.do("POST", "/v1/suppression/search", fmt.Sprintf(`{"source": {"system": %q}}`, c.next("no system"))).refused()
	l.do("POST", "/v1/suppression/lift", fmt.Sprintf(`{%s, "reason": %q}`, source, c.next("lifted"))).ok()
	l.do("POST", at+"/lifecycle", fmt.Sprintf(`{"reason": %q}`, c.next("back again"))).ok()
	l.do("PATCH", at, fmt.Sprintf(`{"purpose": "customer.service", "record": [{"field": "note", "value": %q}]}`, c.next("new note"))).ok()
}

// erase orders an erasure of each, and waits for their end.
func (l *live) erase(body string, tokens ...string) {
	l.t.Helper()
	at := func(token string) string { return "/v1/subjects/" + token + "/erasure" }
	for _, token := range tokens {
		l.do("POST", at(token), body).ok()
	}
	for _, token := range tokens {
		require.Eventually(l.t, func() bool {
			return strings.Contains(l.do("GET", at(token), "").ok().body, `"state":"completed"`)
		}, time.Minute, 50*time.Millisecond, "the erasure is not completed")
	}
}

// documents are what is written of a person's erasures, for the person and for
// others.
func (l *live) documents(token string) string {
	l.t.Helper()
	at := "/v1/subjects/" + token + "/erasure"
	var all strings.Builder
	for _, id := range regexp.MustCompile(`"erasure":"([^"]+)"`).FindAllStringSubmatch(l.do("GET", at, "").ok().body, -1) {
		for _, kind := range []string{"letter", "certificate"} {
			all.WriteString(l.do("GET", at+"/"+id[1]+"/"+kind, "").body)
		}
	}
	return all.String()
}

// operations take little text, if any.
func (c *canaries) operations(l *live, token string) {
	l.do("POST", "/v1/audit/verify", fmt.Sprintf(`{"known": {%q: 1}}`, c.next("known"))).refused()
	l.do("POST", "/v1/audit/verify", `{}`).ok()
	l.do("POST", "/v1/projections/rebuild", fmt.Sprintf(`{"views": [%q]}`, c.next("view"))).refused()
	l.do("POST", "/v1/projections/rebuild", `{}`).ok()
	l.do("POST", "/v1/log/checkpoints", c.next("checkpoint"), "Content-Type", "text/plain").refused()
	l.do("POST", "/v1/log/keys", "").ok()
	for _, act := range []string{"retire", "distrust"} {
		l.do("POST", "/v1/log/keys/"+c.next("log key")+"/"+act, `{"from": 1}`).refused()
	}
	l.do("GET", "/v1/backups", "")
	l.do("POST", "/v1/backups", fmt.Sprintf(`{"of": [%q]}`, c.next("backup of"))).refused()
	l.do("POST", "/v1/backups", "")
	l.do("POST", "/v1/retention/drop", fmt.Sprintf(`{"older_than": %q}`, c.next("older"))).refused()
	l.do("POST", "/v1/retention/drop", `{"older_than": "P1D"}`).ok()
	l.do("GET", "/v1/log/restarts", "").ok()
	l.do("POST", "/v1/log/restarts/7/accept", "").refused()
	l.do("GET", "/v1/keys/epochs", "").ok()
	l.do("POST", "/v1/keys/epochs/rotate", fmt.Sprintf(`{"tokens": [%q]}`, c.next("epoch of"))).refused()
	l.do("POST", "/v1/keys/epochs/rotate", "").ok()
	l.do("POST", "/v1/keys/places/"+c.next("epoch place")+"/forget", "").refused()
	l.do("POST", "/v1/subjects/"+token+"/bundle", fmt.Sprintf(`{"checkpoint": %q}`, c.next("pinned"))).refused()
	l.do("DELETE", "/v1/catalogue/purposes/marketing.phone", fmt.Sprintf(`{"reason": %q}`, c.next("purpose ends")))
}
