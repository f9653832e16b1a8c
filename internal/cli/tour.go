package cli

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"os"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"lethe/domain"
	"lethe/domain/subject"
	"lethe/internal/bundle"
	"lethe/internal/httpapi"
	"lethe/internal/starter"
)

// tour is the demo's story, told step by step. Everything in it goes through
// the API like any other client's requests.
type tour struct {
	*shell
	demo    *demoCmd
	running *running
	page    *page
	ada     string        // the person that it is about
	notice  domain.Digest // of the text that she was shown
	given   domain.ID     // the event of her consent
	start   time.Time     // since when the catalogue counts
}

const day = 24 * time.Hour

func (c *demoCmd) tour(ctx context.Context, s *shell, r *running, begun time.Time) error {
	t := &tour{shell: s, demo: c, running: r, start: time.Now().UTC().Truncate(day).Add(-90 * day)}
	for _, step := range []func(context.Context) error{
		t.catalogue, t.people, t.register, t.consent, t.read, t.denied, t.replay, t.many, t.prove, t.forget,
	} {
		t.page = &page{}
		if err := step(ctx); err != nil {
			return err
		}
		t.page.line("")
		if err := t.page.writeTo(s.process.Stdout); err != nil {
			return err
		}
	}
	return t.goodbye(ctx, begun)
}

// ask sends a request and decodes the answer.
func (t *tour) get(ctx context.Context, q call, into any) error {
	a, err := t.ask(ctx, q)
	if err != nil || into == nil {
		return err
	}
	return a.into(into)
}

// catalogue loads the starter catalogue as if it had counted for 90 days, so
// that there is a past to look back to.
func (t *tour) catalogue(ctx context.Context) error {
	text, err := backdated(starter.Text(), t.start)
	if err != nil {
		return err
	}
	var out httpapi.Outcome
	if err := t.get(ctx, call{
		method: http.MethodPost, path: []string{"catalogue"}, raw: text, media: "application/yaml",
	}, &out); err != nil {
		return err
	}
	t.page.line("1. The catalogue says what is processed and why: %d declarations of a CRM.", out.Events)
	var notices items[httpapi.NoticeAnswer]
	if err := t.get(ctx, call{method: http.MethodGet, path: []string{"catalogue", "notices"}}, &notices); err != nil {
		return err
	}
	for _, n := range notices.Items {
		if n.ID == "notice.marketing.sms" && n.Language == "en" {
			t.notice = n.Digest
		}
	}
	return nil
}

// backdated adds a beginning to every purpose and notice of a catalogue file.
func backdated(text string, since time.Time) ([]byte, error) {
	var doc map[string]any
	if err := yaml.Unmarshal([]byte(text), &doc); err != nil {
		return nil, fmt.Errorf("reading the starter catalogue: %w", err)
	}
	for section, key := range map[string]string{"purposes": "in_force", "notices": "from"} {
		entries, _ := doc[section].([]any)
		for _, e := range entries {
			if entry, ok := e.(map[string]any); ok {
				entry[key] = since.Format(time.DateOnly)
			}
		}
	}
	out, err := yaml.Marshal(doc)
	if err != nil {
		return nil, fmt.Errorf("writing the demo's catalogue: %w", err)
	}
	return out, nil
}

// people imports the made-up CRM.
func (t *tour) people(ctx context.Context) error {
	dir, err := os.MkdirTemp("", "lethe-demo-import-")
	if err != nil {
		return fmt.Errorf("making a directory for the made-up customers: %w", err)
	}
	defer os.RemoveAll(dir) //nolint:errcheck // of no more use
	in, err := t.demo.customers(dir)
	if in.file != nil {
		defer in.file.Close() //nolint:errcheck // read only by now
	}
	if err != nil {
		return err
	}
	bars := newProgress(t.process.Stderr)
	start := time.Now()
	report, err := t.importHere(ctx, in, func(p httpapi.ImportProgress) { bars.set("importing", p.Read, p.Total) })
	bars.end(err == nil)
	if err != nil {
		return err
	}
	took := time.Since(start)
	t.page.line("2. A CRM's file is imported (made-up customers of several countries): %s.", took.Round(10*time.Millisecond))
	tableLines(t.page, report.Tables)
	return nil
}

// register makes the person that the tour is about.
func (t *tour) register(ctx context.Context) error {
	var out httpapi.Outcome
	err := t.get(ctx, call{method: http.MethodPost, path: []string{"subjects"}, body: httpapi.Registration{
		Acquired: subject.FromPerson, Jurisdiction: "DE", Effective: t.start.Add(30 * day),
		Records: []httpapi.PurposeValues{{Purpose: "customer.service", Values: []httpapi.FieldValue{
			{Field: "name.full", Value: "Ada Beispiel-Ünlü"},
			{Field: "email", Value: "ada.beispiel@example.com"},
			{Field: "phone.mobile", Value: "+4915550000001"},
			{Field: "address.city", Value: "Köln"},
		}}},
	}}, &out)
	if err != nil {
		return err
	}
	t.ada = string(out.Token)
	err = t.get(ctx, call{method: http.MethodPost, path: []string{"subjects", t.ada, "basis"}, body: httpapi.BasisBody{
		Purpose: "customer.service", Basis: domain.LegitimateInterests, Reference: "balancing test 7",
		Effective: t.start.Add(30 * day),
	}}, nil)
	t.page.line("3. Ada is registered. From here on she is a pseudonym: %s", t.ada)
	return err
}

// consent gives consent 45 days ago and withdraws it 10 days ago.
func (t *tour) consent(ctx context.Context) error {
	given, withdrawn := t.start.Add(45*day), t.start.Add(80*day)
	if err := t.choose(ctx, t.ada, true); err != nil {
		return err
	}
	t.page.line("4. She agreed to text messages on %s and withdrew on %s; both are recorded today.",
		given.Format(time.DateOnly), withdrawn.Format(time.DateOnly))
	return nil
}

// choose gives a person's consent and withdraws it later, if so wanted.
func (t *tour) choose(ctx context.Context, token string, withdraw bool) error {
	given, withdrawn := t.start.Add(45*day), t.start.Add(80*day)
	path := func(act string) []string { return []string{"subjects", token, "consents", "marketing.sms", act} }
	said := httpapi.SaidBody{
		Notice: httpapi.NoticeRef(t.notice.String()), Medium: subject.Web, Method: subject.Checkbox, Evidence: "sign-up form 17", Effective: given,
	}
	var out httpapi.Outcome
	if err := t.get(ctx, call{method: http.MethodPost, path: path("give"), body: httpapi.GrantBody{SaidBody: said}}, &out); err != nil {
		return err
	}
	if token == t.ada {
		t.given = out.Event
	}
	if !withdraw {
		return nil
	}
	return t.get(ctx, call{method: http.MethodPost, path: path("withdraw"), body: httpapi.SaidBody{
		Medium: subject.ByEmail, Method: subject.Unsubscribe, Effective: withdrawn,
	}}, nil)
}

func (t *tour) read(ctx context.Context) error {
	var v httpapi.PersonAnswer
	err := t.get(ctx, call{
		method: http.MethodGet, path: []string{"subjects", t.ada}, query: queryOf("purpose", "customer.service"),
	}, &v)
	if err != nil {
		return err
	}
	t.page.line("5. Her data is read through the one door, for a purpose; the access was recorded first (event %s):", v.Access)
	personLines(t.page, v.Person)
	return nil
}

func (t *tour) denied(ctx context.Context) error {
	_, err := t.ask(ctx, call{
		method: http.MethodGet, path: []string{"subjects", t.ada}, query: queryOf("purpose", "marketing.sms", "channel", "sms"),
	})
	p := asProblem(err)
	if err == nil || p.Status != http.StatusForbidden {
		return fmt.Errorf("reading after the withdrawal was not denied: %w", err)
	}
	t.page.line("6. For text messages the door stays shut, and that is recorded too:")
	t.page.line("   403 %s: %s", p.Code, p.Detail)
	return nil
}

// replay looks back to between the giving and the withdrawal, both ways.
func (t *tour) replay(ctx context.Context) error {
	when := t.start.Add(60 * day)
	t.page.line("7. Replayed as of %s, when the consent stood:", when.Format(time.DateOnly))
	for _, by := range []string{"effective", "recorded"} {
		var v httpapi.Consents
		if err := t.get(ctx, call{
			method: http.MethodGet, path: []string{"subjects", t.ada, "consents"},
			query: queryOf("as_of", when.Format(time.RFC3339), "by", by),
		}, &v); err != nil {
			return err
		}
		answer := "nothing: no consent was known of"
		for _, c := range v.Consents {
			answer = fmt.Sprintf("%s (%s), evidence %s", c.Status, c.Purpose, c.Class)
		}
		t.page.row("   by "+by+" time", answer)
	}
	return nil
}

// many gives consents of imported people and withdraws some.
func (t *tour) many(ctx context.Context) error {
	found, err := t.some(ctx)
	if err != nil {
		return err
	}
	given, withdrawn := 0, 0
	for i, token := range found {
		err := t.choose(ctx, string(token), i%2 == 0)
		switch {
		case err == nil && i%2 == 0:
			withdrawn++
		case err == nil:
			given++
		case asProblem(err).Code == "":
			return err
		} // else a child, or somebody who objected: a rule says no
	}
	t.page.line("8. Of %d imported people %d give the same consent, %d give and withdraw it, and %d may not by the rules.",
		len(found), given, withdrawn, len(found)-given-withdrawn)
	return nil
}

// prove shows that her consent is in history, as somebody who does not trust
// the server would: with the log's public key and the proof, nothing else. Then
// it alters one bit.
func (t *tour) prove(ctx context.Context) error {
	proof, err := t.ask(ctx, call{method: http.MethodGet, path: []string{"events", t.given.String(), "proof"}})
	if err != nil {
		return err
	}
	trust := bundle.Trust{Keys: []string{t.running.app.Seal.Keys()[0].VKey}}
	report, err := bundle.VerifyProof(ctx, proof.body, trust)
	if err != nil {
		return err
	}
	altered := alteredProof(proof.body)
	other, err := bundle.VerifyProof(ctx, altered, trust)
	if err != nil {
		return err
	}
	if report.Entry == nil || report.Outcome != bundle.Verified || other.Outcome != bundle.Found {
		return fmt.Errorf("the proof of event %s does not verify, or an altered one does", t.given)
	}
	t.page.line("9. Her consent is proven: leaf %s of a log of %s events, under a signed checkpoint, checked with the log's key alone.",
		count(report.Entry.Index), count(report.Size))
	t.page.line("   With one letter of the proof altered: %s", other.Findings[0].What)
	return nil
}

// alteredProof changes the first letter of the proof's first hash to another
// that base64 has too.
func alteredProof(proof []byte) []byte {
	b := bytes.Clone(proof)
	at := bytes.Index(b, []byte("\nindex "))
	at += 1 + bytes.IndexByte(b[at+1:], '\n') + 1
	if b[at] != 'A' {
		b[at] = 'A'
	} else {
		b[at] = 'B'
	}
	return b
}

func (t *tour) goodbye(ctx context.Context, begun time.Time) error {
	ada := t.ada
	secret, err := guest(ctx, t.client)
	if err != nil {
		return err
	}
	p := &page{}
	url := t.running.at.url()
	p.line("The cold start, from nothing to here, took %s.", time.Since(begun).Round(10*time.Millisecond))
	if !t.demo.Exit {
		p.line("")
		p.row("API", url+"/v1")
		p.row("documentation", url+"/docs")
		p.row("description", url+"/openapi.json")
		p.row("metrics", t.running.at.metricsURL())
		p.row("data", t.root.Storage.Data)
		p.line("")
		p.line("A token to try, for a day, for an administrator and officer:")
		p.line("")
		p.line("  export LETHE_SERVER=%s LETHE_TOKEN=%s", url, secret)
		p.line("  lethe status")
		p.line("  lethe subject show %s --purpose customer.service", ada)
		p.line("  lethe audit replay --subject %s --as-of %s --by effective", ada, t.start.Add(60*day).Format(time.DateOnly))
		p.line("  lethe audit replay --purpose marketing.sms --as-of %s --by effective --totals", t.start.Add(60*day).Format(time.DateOnly))
		p.line("  lethe audit bundle --subject %s -o ada.zip && lethe-verify ada.zip --key \"$(lethe keys log export)\"", ada)
		p.line("  curl -s %s/checkpoint", strings.TrimSuffix(url, "/"))
		p.line("  curl -s -H \"Authorization: Bearer $LETHE_TOKEN\" %s", strings.TrimSuffix(url, "/")+"/v1/status")
		p.line("")
		p.line("Ctrl-C ends it.")
	}
	return p.writeTo(t.process.Stdout)
}
