package subject_test

import (
	"crypto/sha256"
	"encoding/binary"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"lethe/domain"
	"lethe/domain/catalogue"
	"lethe/domain/personal"
	"lethe/domain/subject"
)

// epoch is when the catalogue of the tests was declared.
var epoch = time.Date(2020, 1, 1, 12, 0, 0, 0, time.UTC)

func day(n int) time.Time { return epoch.AddDate(0, 0, n) }

func text(s string) personal.Value { return personal.Of(s) }

func digest(s string) domain.Digest { return sha256.Sum256([]byte(s)) }

func tokenOf(seed string) domain.Token {
	t, err := domain.NewToken(strings.NewReader(seed + strings.Repeat("-", 15)))
	if err != nil {
		panic(err)
	}
	return t
}

// purposes of the test catalogue; all are in force since 2010 but where said.
func testPurposes() []catalogue.PurposeDeclared {
	in := time.Date(2010, 1, 1, 0, 0, 0, 0, time.UTC)
	p := func(id domain.Name, basis domain.Basis, fields []domain.Name, change func(*catalogue.PurposeDeclared)) catalogue.PurposeDeclared {
		e := catalogue.PurposeDeclared{
			ID: id, Controllers: []domain.Name{"acme"}, Basis: basis, Fields: fields, Retention: "P3Y",
			RetentionStart: catalogue.FromCollection, DPV: "dpv:Purpose", InForce: in, Recipients: []domain.Name{"mailer", "court"},
		}
		if change != nil {
			change(&e)
		}
		return e
	}
	type of = *catalogue.PurposeDeclared
	n := func(names ...domain.Name) []domain.Name { return names }
	return []catalogue.PurposeDeclared{
		p("newsletter", domain.Consent, n("email"), func(e of) { e.Marketing, e.Validity, e.Optional = true, "P2Y", n("name") }),
		p("doi", domain.Consent, n("email"), func(e of) { e.Marketing, e.DoubleOptIn = true, true }),
		p("service", domain.Contract, n("email", "name"), func(e of) { e.Optional = n("phone") }),
		p("diets", domain.Contract, n("name"), func(e of) {
			e.Optional, e.Article9, e.Explicit = n("diet"), catalogue.ExplicitConsent, true
		}),
		p("health", domain.Consent, n("diet"), func(e of) { e.Article9, e.Explicit = catalogue.ExplicitConsent, true }),
		p("care", domain.Contract, n("diet", "name"), func(e of) { e.Article9 = catalogue.HealthCare }),
		p("ads", domain.LegitimateInterests, n("email"), func(e of) { e.Marketing, e.SoftOptIn = true, true }),
		p("post-ads", domain.LegitimateInterests, n("name"), func(e of) { e.Marketing = true }),
		p("analytics", domain.LegitimateInterests, n("name"), nil),
		p("census", domain.PublicTask, n("name"), nil),
		p("uk-crime", domain.RecognisedInterestUK, n("name"), nil),
		p("invoicing", domain.LegalObligation, n("name", "vat"), func(e of) { e.Keeps = true }),
		p("claims", domain.LegitimateInterests, n("name", "vat"), func(e of) { e.Exemption = catalogue.Claims }),
		p("app", domain.Consent, n("name"), func(e of) { e.Online = true }),
		p("court-work", domain.LegalObligation, n("record"), func(e of) { e.Article10 = true }),
		p("club", domain.Consent, n("email"), nil),
		p("club", domain.Consent, n("email"), func(e of) { e.Retention, e.InForce = "P5Y", day(100) }),
		p("club", domain.Consent, n("email", "name"), func(e of) { e.Retention, e.InForce = "P5Y", day(200) }),
		p("turned", domain.Consent, n("name"), nil),
		p("turned", domain.LegitimateInterests, n("name"), func(e of) { e.InForce = day(100) }),
		p("gone", domain.Consent, n("name"), nil),
		p("fresh", domain.Consent, n("name"), func(e of) { e.InForce = day(50) }),
	}
}

// testCatalogue is declared on one day; only the end of "gone" is later.
func testCatalogue(t testing.TB) *catalogue.State {
	var s *catalogue.State
	at := epoch
	declare := func(c catalogue.Command) {
		events, err := catalogue.Decide(s, at, c)
		require.NoError(t, err)
		for _, e := range events {
			s = catalogue.Evolve(s, domain.Recorded{Stream: catalogue.Stream, Revision: s.Next(), Recorded: at, Event: e})
		}
	}
	declare(catalogue.DeclareController{ControllerDeclared: catalogue.ControllerDeclared{ID: "acme", Country: "DE", Name: text("Acme")}})
	for _, f := range []catalogue.FieldDeclared{
		{ID: "email", Group: "contact", Type: catalogue.Email, Lookup: catalogue.LookupEmail},
		{ID: "phone", Group: "contact", Type: catalogue.Phone, Many: true},
		{ID: "name", Group: "identity", Type: catalogue.Text},
		{ID: "vat", Group: "billing", Type: catalogue.Text},
		{ID: "diet", Group: "health", Type: catalogue.Text, Special: true},
		{ID: "record", Group: "criminal", Type: catalogue.Text, Criminal: true},
	} {
		f.Category = "dpv-pd:Data"
		declare(catalogue.DeclareField{FieldDeclared: f})
	}
	for _, r := range []catalogue.RecipientDeclared{
		{ID: "mailer", Kind: catalogue.IsProcessor, Country: "DE", ContractReview: day(900)},
		{ID: "court", Kind: catalogue.IsAuthority, Country: "DE"},
		{ID: "printer", Kind: catalogue.IsProcessor, Country: "DE"},
	} {
		r.Name = text("somebody")
		declare(catalogue.DeclareRecipient{RecipientDeclared: r})
	}
	for _, p := range testPurposes() {
		declare(catalogue.DeclarePurpose{PurposeDeclared: p})
		last, _ := s.Purpose(p.ID, 0)
		declare(notice(last.ID, last.Version, "en", p.InForce))
	}
	declare(notice("newsletter", 1, "de", time.Date(2010, 1, 1, 0, 0, 0, 0, time.UTC)))
	declare(catalogue.PublishNotice{NoticePublished: catalogue.NoticePublished{
		ID: "late", Version: 1, Language: "en", From: day(60), Text: text("late"),
		Purposes: []catalogue.PurposeRef{{Purpose: "newsletter", Version: 1}},
	}})
	at = day(300)
	declare(catalogue.EndPurpose{ID: "gone"})
	return s
}

func notice(purpose domain.Name, version uint32, language domain.Language, from time.Time) catalogue.PublishNotice {
	return catalogue.PublishNotice{NoticePublished: catalogue.NoticePublished{
		ID: purpose, Version: version, Language: language, From: from, Text: text(noticeText(purpose, version, language)),
		Purposes: []catalogue.PurposeRef{{Purpose: purpose, Version: version}},
	}}
}

func noticeText(purpose domain.Name, version uint32, language domain.Language) string {
	return string(purpose) + string(rune('0'+version)) + string(language)
}

func noticeOf(purpose domain.Name, version uint32) domain.Digest {
	return digest(noticeText(purpose, version, "en"))
}

// world is one person's record that grows by decisions.
type world struct {
	t     testing.TB
	cat   *catalogue.State
	token domain.Token
	s     *subject.State
	now   time.Time
	env   func(*subject.Env)
	last  domain.ID
}

func newWorld(t testing.TB) *world {
	return newNamedWorld(t, testCatalogue(t), "a")
}

func newNamedWorld(t testing.TB, cat *catalogue.State, name string) *world {
	w := &world{t: t, cat: cat, token: tokenOf(name), now: day(0)}
	return w.do(subject.Register{Acquired: subject.FromPerson, Jurisdiction: "DE"})
}

func (w *world) on(n int) *world {
	w.now = day(n)
	return w
}

func (w *world) environment() subject.Env {
	env := subject.Env{Now: w.now, Catalogue: w.cat, Officer: true, Opened: personal.Value.Reveal}
	if w.env != nil {
		w.env(&env)
	}
	return env
}

// add folds an event as it would be stored.
func (w *world) add(e domain.Event, effective time.Time) domain.ID {
	var id domain.ID
	copy(id[:8], w.token[1:])
	binary.BigEndian.PutUint64(id[8:], w.s.Next()+1)
	w.s = subject.Evolve(w.s, domain.Recorded{
		ID: id, Stream: w.token.Stream(), Revision: w.s.Next(), Position: w.s.Next() + 1,
		Recorded: w.now, Effective: effective, Event: e,
	})
	w.last = id
	return id
}

func (w *world) decide(c subject.Command) ([]domain.Event, error) {
	return subject.Decide(w.s, w.environment(), c)
}

// do decides and folds; every command must be taken.
func (w *world) do(commands ...subject.Command) *world {
	w.t.Helper()
	for _, c := range commands {
		events, err := w.decide(c)
		require.NoError(w.t, err, "%T", c)
		at := c.EffectiveAt()
		if at.IsZero() {
			at = w.now
		}
		for _, e := range events {
			w.add(e, at)
		}
	}
	return w
}

// then requires what a command would make.
func (w *world) then(c subject.Command, want ...domain.Event) {
	w.t.Helper()
	events, err := w.decide(c)
	require.NoError(w.t, err)
	require.Equal(w.t, want, events)
}

func (w *world) refuses(code string, c subject.Command) *domain.Error {
	w.t.Helper()
	before := w.s.Next()
	events, err := w.decide(c)
	require.Empty(w.t, events)
	e, ok := domain.AsError(err)
	require.True(w.t, ok, "%T was not refused: %v", c, err)
	require.Equal(w.t, code, e.Code)
	require.NotEmpty(w.t, e.Message)
	require.NotContains(w.t, e.Error(), "canary", "an error never repeats a value")
	require.Equal(w.t, before, w.s.Next())
	return e
}

func (w *world) status(purpose domain.Name) subject.Status {
	return w.s.At(w.now, w.now).Consent(purpose).Status
}

// Commands that are right as they are.

func said(purpose domain.Name, version uint32) subject.Said {
	return subject.Said{
		Purpose: purpose, Version: version, Notice: noticeOf(purpose, version), Medium: subject.Web, Method: subject.Checkbox,
	}
}

func give(purpose domain.Name, change ...func(*subject.GiveConsent)) subject.GiveConsent {
	c := subject.GiveConsent{Granting: subject.Granting{Said: said(purpose, 1)}}
	for _, f := range change {
		f(&c)
	}
	return c
}

func explicit(c *subject.GiveConsent) { c.Explicit = true }

func renew(purpose domain.Name) subject.RenewConsent {
	return subject.RenewConsent{Granting: subject.Granting{Said: said(purpose, 1)}}
}

func withdraw(purpose domain.Name) subject.WithdrawConsent {
	return subject.WithdrawConsent{Said: subject.Said{Purpose: purpose}}
}

func refuse(purpose domain.Name) subject.RefuseConsent {
	return subject.RefuseConsent{Said: subject.Said{Purpose: purpose}}
}

func revoke(purpose domain.Name) subject.RevokeConsent {
	return subject.RevokeConsent{Said: subject.Said{Purpose: purpose}}
}

func record(purpose domain.Name, pairs ...string) subject.RecordFields {
	c := subject.RecordFields{Purpose: purpose}
	for i := 0; i < len(pairs); i += 2 {
		c.Items = append(c.Items, subject.Entry{Field: domain.Name(pairs[i]), Text: text(pairs[i+1])})
	}
	return c
}

func assertBasis(purpose domain.Name, basis domain.Basis) subject.AssertBasis {
	return subject.AssertBasis{Purpose: purpose, Basis: basis, Reference: text("file 7")}
}

func requestDOI() subject.RequestConsent {
	return subject.RequestConsent{Said: said("doi", 1), Contact: "email"}
}

func confirm(request domain.ID) subject.ConfirmConsent {
	return subject.ConfirmConsent{Request: request, Medium: subject.ByEmail, Method: subject.LinkClick}
}

func restrict() subject.PlaceRestriction {
	return subject.PlaceRestriction{Ground: subject.AccuracyContested}
}

func child(review string) subject.AssessAge {
	return subject.AssessAge{Outcome: subject.Child, Rule: "DE", Review: text(review)}
}
