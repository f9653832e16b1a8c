package cli_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/stretchr/testify/require"

	"lethe/internal/starter"
)

// canaries hands out values that occur nowhere by themselves.
type canaries struct {
	made  []string
	named map[string]bool // may be in an error, see name
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

// forms are all the ways in which a value could lie somewhere.
func forms(s string) map[string][]byte {
	out := map[string][]byte{"as it is": []byte(s), "in hex": []byte(hex.EncodeToString([]byte(s)))}
	var le, be []byte
	for _, u := range utf16.Encode([]rune(s)) {
		le, be = binary.LittleEndian.AppendUint16(le, u), binary.BigEndian.AppendUint16(be, u)
	}
	out["in UTF-16LE"], out["in UTF-16BE"] = le, be
	for shift := range 3 { // Base64 of the value at each offset, without the digits that its neighbours decide
		padded := append(make([]byte, shift), s...)
		text := base64.RawStdEncoding.EncodeToString(padded)
		from := (shift*8 + 5) / 6
		out[fmt.Sprintf("in Base64 at %d", shift)] = []byte(text[from : len(padded)*8/6])
	}
	return out
}

const inError = "an error"

// search reports where any canary lies.
func (c *canaries) search(where string, content []byte) (found []string) {
	content = bytes.ToLower(content) // Base64 then finds too much rather than too little
	for _, s := range c.made {
		if c.named[s] && where == inError {
			continue
		}
		for form, b := range forms(s) {
			if bytes.Contains(content, bytes.ToLower(b)) {
				found = append(found, fmt.Sprintf("%s %s in %s", s, form, where))
			}
		}
	}
	return found
}

func (c *canaries) searchFiles(t *testing.T, dir string) (found []string, files int) {
	t.Helper()
	require.NoError(t, filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		files++
		found = append(found, c.search(path, content)...)
		found = append(found, c.search("the name of "+path, []byte(path))...)
		return nil
	}))
	return found, files
}

func TestSearchFindsEveryForm(t *testing.T) {
	c := &canaries{}
	s := c.next("control")
	for shift := range 5 {
		text := strings.Repeat("x", shift) + s + "yy"
		for name, content := range map[string][]byte{
			"plain": []byte(text), "upper": []byte(strings.ToUpper(text)), "hex": []byte(hex.EncodeToString([]byte(text))),
			"base64": []byte(base64.StdEncoding.EncodeToString([]byte(text))), "base64url": []byte(base64.URLEncoding.EncodeToString([]byte(text))),
		} {
			require.NotEmpty(t, c.search(name, content), "%s at %d", name, shift)
		}
	}
	require.Empty(t, c.search("other", []byte("nothing of it")))
}

// Personal values, whatever way they come in, are nowhere in clear: not in a
// file, a log line, an error, a metric. They come out through the door alone.
func TestNoPersonalValueInClear(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	c := &canaries{}
	l := start(t, dir, "--log-level", "debug", "--anonymous-rate", "0")
	var errorsSeen, answers strings.Builder
	l.seen = func(status int, body string) {
		if status >= 400 {
			errorsSeen.WriteString(body + "\n")
		} else {
			answers.WriteString(body + "\n")
		}
	}
	l.officer()
	c.catalogue(l)
	name, person := c.person(l)
	c.rights(l, person)
	c.requests(l, person)
	c.imports(l)
	c.principals(l)
	require.Empty(t, c.search("an answer to a write", []byte(answers.String())))
	require.NotEmpty(t, errorsSeen.String())

	answers.Reset()
	shown := l.do("GET", "/v1/subjects/"+person+"?purpose=customer.service", "").ok()
	require.Contains(t, shown.body, name, "the door opens it")
	metrics, err := http.Get(l.metrics) //nolint:noctx // a test's own server
	require.NoError(t, err)
	counted, err := io.ReadAll(metrics.Body)
	require.NoError(t, err)
	require.NoError(t, metrics.Body.Close())
	require.Contains(t, string(counted), "lethe_http_request_seconds")

	running, files := c.searchFiles(t, dir)
	require.Greater(t, files, 10)
	require.Zero(t, l.end())
	stopped, _ := c.searchFiles(t, dir)
	found := append(running, stopped...)
	found = append(found, c.search(inError, []byte(errorsSeen.String()))...)
	found = append(found, c.search("the log", []byte(l.log.String()))...)
	found = append(found, c.search("the metrics", counted)...)
	require.Empty(t, found)
	require.Greater(t, len(c.made), 50, "as many ways in were tried")
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
		`{"version": 1, "language": "en", "purposes": [{"purpose": "marketing.sms", "version": 1}], "text": %q}`, c.next("notice text"))).ok()
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

func (c *canaries) rights(l *live, token string) {
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
	objection := l.do("POST", at+"/objection", fmt.Sprintf(`{"scope": "processing", "reason": %q}`, c.next("objection reason"))).ok()
	l.do("POST", at+"/objection/"+objection.get("event")+"/override", fmt.Sprintf(`{"grounds": %q}`, c.next("grounds"))).ok()
	l.do("POST", at+"/hold", fmt.Sprintf(
		`{"group": "contact", "purpose": "accounting", "review": "2030-01-01T00:00:00Z", "authority": %q}`, c.next("authority")))
	other := l.do("POST", "/v1/subjects", `{"acquired": "from_person", "jurisdiction": "DE"}`).ok().get("token")
	l.do("POST", "/v1/subjects/"+other+"/restriction", fmt.Sprintf(`{"ground": "claims", "reason": %q}`, c.next("restriction reason"))).ok()
	l.do("POST", "/v1/subjects/lookup", fmt.Sprintf(`{"kind": "email", "value": "%s@leak.example", "purpose": "customer.service"}`, c.next("looked up"))).ok()
	l.do("POST", "/v1/subjects/lookup", fmt.Sprintf(`{"kind": "phone", "value": "%s", "purpose": "customer.service"}`, c.next("no phone")))
	l.do("POST", "/v1/subjects/lookup", fmt.Sprintf(`{"kind": %q, "value": "x", "purpose": "customer.service"}`, c.next("kind"))).refused()
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

// imports: the file, its name, its rows good and bad, and the mapping.
func (c *canaries) imports(l *live) {
	mapping := "version: 1\nsystem: shop\ntable: people\nkey: [no]\npurpose: customer.service\nacquired: from_person\nfields:\n" +
		"  - {column: name, field: name.full, class: provided}\n  - {column: born, field: birth.date, class: provided, date: YYYY-MM-DD}\n" +
		"  - {column: mail, field: email, class: provided}\n"
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
func (l *live) upload(mapping, name, content string) {
	l.t.Helper()
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	require.NoError(l.t, w.WriteField("options", `{"format": "csv"}`))
	require.NoError(l.t, w.WriteField("mapping", mapping))
	part, err := w.CreateFormFile("file", name)
	require.NoError(l.t, err)
	_, err = part.Write([]byte(content))
	require.NoError(l.t, err)
	require.NoError(l.t, w.Close())
	req, err := http.NewRequestWithContext(context.Background(), http.MethodPost, l.url+"/v1/imports", &b)
	require.NoError(l.t, err)
	req.Header.Set("Authorization", "Bearer "+l.token)
	req.Header.Set("Content-Type", w.FormDataContentType())
	l.send(req)
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
