package catalogue_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"lethe/domain"
	"lethe/domain/catalogue"
	"lethe/domain/personal"
)

var t0 = time.Date(2020, 1, 1, 12, 0, 0, 0, time.UTC)

// book is a catalogue that grows by decisions, one a day.
type book struct {
	t   testing.TB
	s   *catalogue.State
	now time.Time
}

func newBook(t testing.TB) *book { return &book{t: t, now: t0} }

func (b *book) declare(commands ...catalogue.Command) *book {
	b.t.Helper()
	for _, c := range commands {
		events, err := catalogue.Decide(b.s, b.now, c)
		require.NoError(b.t, err)
		for _, e := range events {
			b.s = catalogue.Evolve(b.s, domain.Recorded{
				Stream: catalogue.Stream, Revision: b.s.Next(), Recorded: b.now, Effective: b.now, Event: e,
			})
		}
		b.now = b.now.AddDate(0, 0, 1)
	}
	return b
}

func (b *book) refuses(code string, c catalogue.Command) {
	b.t.Helper()
	events, err := catalogue.Decide(b.s, b.now, c)
	require.Empty(b.t, events)
	e, ok := domain.AsError(err)
	require.True(b.t, ok, "%v", err)
	require.Equal(b.t, code, e.Code)
	require.NotEmpty(b.t, e.Message)
}

func (b *book) same(c catalogue.Command) {
	b.t.Helper()
	events, err := catalogue.Decide(b.s, b.now, c)
	require.NoError(b.t, err)
	require.Empty(b.t, events)
}

func controller() catalogue.DeclareController {
	return catalogue.DeclareController{ControllerDeclared: catalogue.ControllerDeclared{
		ID: "acme", Country: "DE", Name: personal.Of("Acme GmbH"),
	}}
}

func field(id, group domain.Name, kind catalogue.FieldType, change ...func(*catalogue.FieldDeclared)) catalogue.DeclareField {
	c := catalogue.DeclareField{FieldDeclared: catalogue.FieldDeclared{ID: id, Group: group, Type: kind, Category: "dpv-pd:Contact"}}
	for _, f := range change {
		f(&c.FieldDeclared)
	}
	return c
}

func recipient(id domain.Name, kind catalogue.RecipientKind, country domain.Place, change ...func(*catalogue.RecipientDeclared)) catalogue.DeclareRecipient {
	c := catalogue.DeclareRecipient{RecipientDeclared: catalogue.RecipientDeclared{
		ID: id, Kind: kind, Country: country, Name: personal.Of("somebody"),
	}}
	for _, f := range change {
		f(&c.RecipientDeclared)
	}
	return c
}

func purpose(change ...func(*catalogue.PurposeDeclared)) catalogue.DeclarePurpose {
	c := catalogue.DeclarePurpose{PurposeDeclared: catalogue.PurposeDeclared{
		ID: "newsletter", Controllers: []domain.Name{"acme"}, Basis: domain.Consent, Fields: []domain.Name{"email"},
		Retention: "P3Y", RetentionStart: catalogue.FromConsentEnd, DPV: "dpv:DirectMarketing",
	}}
	for _, f := range change {
		f(&c.PurposeDeclared)
	}
	return c
}

func reviewed(r *catalogue.RecipientDeclared) { r.ContractReview = t0.AddDate(1, 0, 0) }
func special(f *catalogue.FieldDeclared)      { f.Special = true }
func criminal(f *catalogue.FieldDeclared)     { f.Criminal = true }

func stocked(t testing.TB) *book {
	return newBook(t).declare(
		controller(), field("email", "contact", catalogue.Email), field("name", "identity", catalogue.Text),
		field("diet", "health", catalogue.Text, special), field("record", "criminal", catalogue.Text, criminal),
		recipient("mailer", catalogue.IsProcessor, "DE", reviewed), recipient("printer", catalogue.IsProcessor, "DE"),
		recipient("cloud", catalogue.IsProcessor, "US", reviewed),
		recipient("court", catalogue.IsAuthority, "DE"),
	)
}

type (
	fieldOf   = catalogue.FieldDeclared
	purposeOf = catalogue.PurposeDeclared
)

func TestRefusals(t *testing.T) {
	b := stocked(t).declare(purpose())
	v1 := domain.Name("newsletter")
	cases := map[string]struct {
		code string
		c    catalogue.Command
	}{
		"controller without a name":    {"controller.name", catalogue.DeclareController{ControllerDeclared: catalogue.ControllerDeclared{ID: "x", Country: "DE"}}},
		"controller without a country": {"controller.country", catalogue.DeclareController{ControllerDeclared: catalogue.ControllerDeclared{ID: "x", Name: personal.Of("x")}}},
		"its own joint controller":     {"controller.joint", catalogue.DeclareController{ControllerDeclared: catalogue.ControllerDeclared{ID: "x", Country: "DE", Name: personal.Of("x"), JointControllers: []domain.Name{"x"}}}},
		"undeclared processor":         {"controller.processor_undeclared", catalogue.DeclareController{ControllerDeclared: catalogue.ControllerDeclared{ID: "x", Country: "DE", Name: personal.Of("x"), Processors: []domain.Name{"court"}}}},
		"malformed name":               {"name.malformed", field("E mail", "contact", catalogue.Email)},
		"unknown type":                 {"field.type", field("x", "contact", "float")},
		"reserved name":                {"field.reserved", field("consent.evidence", "contact", catalogue.Text)},
		"reserved group":               {"field.group_reserved", field("x", domain.EvidenceGroup, catalogue.Text)},
		"no category":                  {"field.category", field("x", "g", catalogue.Text, func(f *fieldOf) { f.Category = "" })},
		"empty enumeration":            {"field.enumeration", field("x", "g", catalogue.Enumeration)},
		"currency of a text":           {"field.currency", field("x", "g", catalogue.Text, func(f *fieldOf) { f.Currency = "EUR" })},
		"look-up of the wrong type":    {"field.lookup", field("x", "g", catalogue.Text, func(f *fieldOf) { f.Lookup = catalogue.LookupEmail })},
		"type changed":                 {"field.frozen", field("email", "contact", catalogue.Text)},
		"group changed":                {"field.frozen", field("email", "other", catalogue.Email)},
		"special no more":              {"field.special_lifted", field("diet", "health", catalogue.Text)},
		"criminal no more":             {"field.criminal_lifted", field("record", "criminal", catalogue.Text)},
		"special in a mixed group":     {"field.group_mixed", field("x", "contact", catalogue.Text, special)},
		"recipient of no kind":         {"recipient.kind", recipient("x", "friend", "DE")},
		"recipient without a country":  {"recipient.country", recipient("x", catalogue.IsAuthority, "")},
		"recipient's safeguard":        {"recipient.safeguard", recipient("x", catalogue.IsAuthority, "US", func(r *catalogue.RecipientDeclared) { r.Safeguard = "hope" })},
		"nameless recipient":           {"recipient.name", recipient("x", catalogue.IsAuthority, "DE", func(r *catalogue.RecipientDeclared) { r.Name = personal.Value{} })},
		"undeclared field":             {"field.undeclared", purpose(func(p *purposeOf) { p.Fields = []domain.Name{"shoe-size"} })},
		"undeclared recipient":         {"recipient.undeclared", purpose(func(p *purposeOf) { p.Recipients = []domain.Name{"nobody"} })},
		"undeclared controller":        {"controller.undeclared", purpose(func(p *purposeOf) { p.Controllers = []domain.Name{"nobody"} })},
		"no controller":                {"purpose.controllers", purpose(func(p *purposeOf) { p.Controllers = nil })},
		"no basis":                     {"purpose.basis", purpose(func(p *purposeOf) { p.Basis = "" })},
		"special without a condition":  {"purpose.special", purpose(func(p *purposeOf) { p.Optional = []domain.Name{"diet"} })},
		"not an Article 9 condition":   {"purpose.article_9", purpose(func(p *purposeOf) { p.Article9 = "curiosity" })},
		"9(2)(a) not explicit":         {"purpose.explicit", purpose(func(p *purposeOf) { p.Article9 = catalogue.ExplicitConsent })},
		"criminal without authority":   {"purpose.criminal", purpose(func(p *purposeOf) { p.Optional = []domain.Name{"record"} })},
		"needed and optional":          {"purpose.optional", purpose(func(p *purposeOf) { p.Optional = []domain.Name{"email"} })},
		"retention":                    {"purpose.retention", purpose(func(p *purposeOf) { p.Retention = "30 days" })},
		"retention start":              {"purpose.retention_start", purpose(func(p *purposeOf) { p.RetentionStart = "" })},
		"review":                       {"purpose.review", purpose(func(p *purposeOf) { p.Review = "PT1H" })},
		"validity":                     {"purpose.validity", purpose(func(p *purposeOf) { p.Validity = "forever" })},
		"no DPV term":                  {"purpose.dpv", purpose(func(p *purposeOf) { p.DPV = "" })},
		"fideslang term":               {"purpose.fideslang", purpose(func(p *purposeOf) { p.Fideslang = "a b" })},
		"exemption":                    {"purpose.exemption", purpose(func(p *purposeOf) { p.Exemption = "because" })},
		"soft opt-in on consent":       {"purpose.soft_opt_in", purpose(func(p *purposeOf) { p.Marketing, p.SoftOptIn = true, true })},
		"double opt-in to a contract":  {"purpose.double_opt_in", purpose(func(p *purposeOf) { p.Basis, p.DoubleOptIn = domain.Contract, true })},
		"keeping without a duty":       {"purpose.keeps", purpose(func(p *purposeOf) { p.Keeps = true })},
		"processor without contract":   {"recipient.contract", purpose(func(p *purposeOf) { p.Recipients = []domain.Name{"printer"} })},
		"transfer without safeguard":   {"recipient.safeguard", purpose(func(p *purposeOf) { p.Recipients = []domain.Name{"cloud"} })},
		"third country malformed":      {"purpose.third_country", purpose(func(p *purposeOf) { p.ThirdCountries = []domain.Place{"Mars"} })},
		"older than the last version":  {"purpose.in_force_order", purpose(func(p *purposeOf) { p.Retention, p.InForce = "P1Y", t0 })},
		"ending what is not declared":  {"purpose.undeclared", catalogue.EndPurpose{ID: "x"}},
		"ending ahead":                 {"effective.future", catalogue.EndPurpose{ID: v1, At: t0.AddDate(9, 0, 0)}},
		"notice without text":          {"notice.text", notice("", 1, "en", v1)},
		"notice of another encoding":   {"notice.text", notice("\xff", 1, "en", v1)},
		"notice too long":              {"notice.text", notice(strings.Repeat("a", 300<<10), 1, "en", v1)},
		"notice without version":       {"notice.version", notice("text", 0, "en", v1)},
		"notice without language":      {"notice.language", notice("text", 1, "", v1)},
		"notice of nothing":            {"notice.purposes", notice("text", 1, "en")},
		"notice of the undeclared":     {"notice.purpose_unknown", notice("text", 1, "en", "x")},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			b.t = t
			b.refuses(c.code, c.c)
		})
	}
}

func notice(text string, version uint32, language domain.Language, purposes ...domain.Name) catalogue.PublishNotice {
	c := catalogue.PublishNotice{NoticePublished: catalogue.NoticePublished{
		ID: "privacy", Version: version, Language: language, Text: personal.Of(text),
	}}
	for _, p := range purposes {
		c.Purposes = append(c.Purposes, catalogue.PurposeRef{Purpose: p, Version: 1})
	}
	return c
}

func TestDeclaringTwiceChangesNothing(t *testing.T) {
	b := stocked(t).declare(purpose(), notice("what we do", 1, "en", "newsletter"))
	b.same(controller())
	b.same(field("diet", "health", catalogue.Text, special))
	b.same(recipient("mailer", catalogue.IsProcessor, "DE", reviewed))
	b.same(purpose())
	b.same(purpose(func(p *purposeOf) { p.Controllers = []domain.Name{"acme", "acme"} }))
	b.same(notice("what we do", 1, "en", "newsletter"))
	b.refuses("notice.frozen", notice("something else", 1, "en", "newsletter"))
	b.declare(catalogue.EndPurpose{ID: "newsletter"})
	b.same(catalogue.EndPurpose{ID: "newsletter"})
}

func TestSealedTextsAreComparedWhenTheyCanBeOpened(t *testing.T) {
	b := newBook(t).declare(controller())
	sealed := *mustController(t, b.s)
	sealed.Name = personal.SealedAs(&personal.Ref{})
	s := catalogue.Evolve(b.s, domain.Recorded{Revision: 1, Recorded: b.now, Event: &sealed})

	again := controller()
	events, err := catalogue.Decide(s, b.now, again)
	require.NoError(t, err)
	require.Len(t, events, 1, "an unopened text cannot be compared")

	again.Opened = func(v personal.Value) (string, bool) { return "Acme GmbH", v.State() == personal.Sealed }
	events, err = catalogue.Decide(s, b.now, again)
	require.NoError(t, err)
	require.Empty(t, events)

	again.Opened = func(personal.Value) (string, bool) { return "Other", true }
	events, err = catalogue.Decide(s, b.now, again)
	require.NoError(t, err)
	require.Len(t, events, 1)
}

func mustController(t testing.TB, s *catalogue.State) *catalogue.ControllerDeclared {
	c, ok := s.Controller("acme")
	require.True(t, ok)
	return c
}

func TestMaterialityIsComputed(t *testing.T) {
	cases := map[string]struct {
		material bool
		change   func(*purposeOf)
	}{
		"wider data":             {true, func(p *purposeOf) { p.Optional = []domain.Name{"name"} }},
		"a new controller":       {true, func(p *purposeOf) { p.Controllers = []domain.Name{"acme", "beta"} }},
		"another purpose term":   {true, func(p *purposeOf) { p.DPV = "dpv:Personalisation" }},
		"another fideslang term": {true, func(p *purposeOf) { p.Fideslang = "marketing.advertising" }},
		"another basis":          {true, func(p *purposeOf) { p.Basis = domain.LegitimateInterests }},
		"a third country":        {true, func(p *purposeOf) { p.ThirdCountries = []domain.Place{"US"} }},
		"a longer retention":     {false, func(p *purposeOf) { p.Retention = "P5Y" }},
		"a recipient nearby":     {false, func(p *purposeOf) { p.Recipients = []domain.Name{"mailer"} }},
		"less data":              {false, func(p *purposeOf) { p.Fields = nil }},
	}
	first := purpose(func(p *purposeOf) { p.Fideslang = "marketing.email" })
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			beta := controller()
			beta.ID = "beta"
			b := stocked(t).declare(beta, first)
			next := first
			c.change(&next.PurposeDeclared)
			if denied := next; c.material {
				denied.Change = catalogue.NotMaterial
				b.refuses("purpose.material", denied)
			}
			b.declare(next)
			p, ok := b.s.Purpose("newsletter", 2)
			require.True(t, ok)
			require.Equal(t, c.material, p.Material)
			require.Equal(t, !c.material, b.s.SameMaterial("newsletter", 1, 2))
			require.False(t, b.s.SameMaterial("newsletter", 2, 1))
		})
	}
}

func TestVersionsAndTime(t *testing.T) {
	b := stocked(t).declare(purpose(func(p *purposeOf) { p.InForce = t0.AddDate(-1, 0, 0) }))
	b.declare(purpose(func(p *purposeOf) { p.Retention, p.InForce = "P1Y", t0.AddDate(1, 0, 0) }))
	declared := b.now
	b.now = t0.AddDate(2, 0, 0)
	b.declare(catalogue.EndPurpose{ID: "newsletter"})

	version := func(s *catalogue.State, at time.Time) uint32 {
		p, ok := s.InForce("newsletter", at)
		if !ok {
			return 0
		}
		return p.Version
	}
	require.Zero(t, version(b.s, t0.AddDate(-2, 0, 0)))
	require.EqualValues(t, 1, version(b.s, t0.AddDate(-1, 0, 0)))
	require.EqualValues(t, 1, version(b.s, t0.AddDate(1, 0, -1)))
	require.EqualValues(t, 2, version(b.s, t0.AddDate(1, 0, 0)))
	require.EqualValues(t, 2, version(b.s, t0.AddDate(2, 0, -1)))
	require.Zero(t, version(b.s, t0.AddDate(2, 0, 0)))
	require.EqualValues(t, 2, version(b.s.KnownAt(declared), t0.AddDate(3, 0, 0)), "the end was not known then")
	require.Nil(t, b.s.Before(0).Purposes())
	require.Same(t, b.s, b.s.KnownAt(time.Time{}))

	b.declare(purpose())
	require.EqualValues(t, 3, version(b.s, b.now), "declared anew it begins again")
}

func TestEnumerationsGrowOnly(t *testing.T) {
	values := func(v ...domain.Name) catalogue.DeclareField {
		return field("tier", "identity", catalogue.Enumeration, func(f *fieldOf) { f.Enumeration = v })
	}
	b := newBook(t).declare(values("gold", "silver"), values("gold", "silver", "bronze"))
	b.same(values("bronze", "silver", "gold"))
	b.refuses("field.enumeration_narrowed", values("gold"))
}

func TestCanonical(t *testing.T) {
	of := func(kind catalogue.FieldType) fieldOf {
		return fieldOf{ID: "f", Type: kind, Enumeration: []domain.Name{"gold"}}
	}
	good := map[catalogue.FieldType]map[string]string{
		catalogue.Text:        {"Zoë\r\n\tO'Neil ": "Zoë\n\tO'Neil "},
		catalogue.Email:       {" Jo.Doe+x@EXAMPLE.org ": "Jo.Doe+x@example.org", "ü@bücher.example": "ü@bücher.example"},
		catalogue.Phone:       {"+49 (30) 123-456": "+4930123456", "030/123": "030123"},
		catalogue.Date:        {"2024-02-29": "2024-02-29"},
		catalogue.Boolean:     {"TRUE": "true", "false": "false"},
		catalogue.Enumeration: {"gold": "gold"},
		catalogue.Integer:     {"+007": "7", "-0": "0"},
		catalogue.Decimal:     {"012.50": "12.50", "-0.0": "0.0", "-3": "-3"},
		catalogue.Money:       {"012.50 EUR": "12.50 EUR"},
	}
	bad := map[catalogue.FieldType][]string{
		catalogue.Text:        {"", "  ", "a\x00b", "a\x07b", "\xff", strings.Repeat("x", 70_000), "a\u0085b"},
		catalogue.Email:       {"", "@", "a@", "@b", "a b@c", "a@b@c", "a@b..c", ".a@b", "a@-\n", "a@b/c", strings.Repeat("l", 65) + "@b.c"},
		catalogue.Phone:       {"", "12", "call me", "+", "1+2345", "123456789012345678901"},
		catalogue.Date:        {"", "2023-02-29", "2024-13-01", "24-01-01", "2024-1-1", "0000-00-00", "2024-01-01T00:00:00Z"},
		catalogue.Boolean:     {"", "yes", "1"},
		catalogue.Enumeration: {"", "Gold", "lead"},
		catalogue.Integer:     {"", "1.0", "1e3", "0x1", strings.Repeat("9", 39)},
		catalogue.Decimal:     {"", ".5", "1.", "1e3", "NaN", "Infinity", "1,5", "--1"},
		catalogue.Money:       {"", "12.50", "12.50EUR", "12.50 eur", "12.50  EUR", "EUR 12", "NaN EUR"},
	}
	for kind, cases := range good {
		for in, want := range cases {
			f := of(kind)
			got, err := f.Canonical(in)
			require.NoError(t, err, "%s %q", kind, in)
			require.Equal(t, want, got)
			again, err := f.Canonical(got)
			require.NoError(t, err)
			require.Equal(t, got, again, "the canonical form is its own")
		}
	}
	for kind, cases := range bad {
		for _, in := range cases {
			f := of(kind)
			_, err := f.Canonical(in)
			e, ok := domain.AsError(err)
			require.True(t, ok, "%s took %q", kind, in)
			require.Equal(t, "f", e.Field)
		}
	}
	euros := fieldOf{ID: "f", Type: catalogue.Money, Currency: "EUR"}
	got, err := euros.Canonical("3.10")
	require.NoError(t, err)
	require.Equal(t, "3.10 EUR", got)
	_, err = euros.Canonical("3.10 USD")
	require.Error(t, err)
}

func TestCanonicalNeverRepeatsTheValue(t *testing.T) {
	kinds := []catalogue.FieldType{
		catalogue.Email, catalogue.Phone, catalogue.Date, catalogue.Boolean, catalogue.Integer, catalogue.Decimal, catalogue.Money, catalogue.Text,
	}
	rapid.Check(t, func(t *rapid.T) {
		f := fieldOf{ID: "f", Type: rapid.SampledFrom(kinds).Draw(t, "kind")}
		value := "canary-" + rapid.String().Draw(t, "value") + "\x00"
		_, err := f.Canonical(value)
		require.Error(t, err)
		require.NotContains(t, err.Error(), "canary")
	})
}

func TestOldStatesStayAsTheyWere(t *testing.T) {
	b := stocked(t)
	old, fields, next := b.s, len(b.s.Fields()), b.s.Next()
	b.declare(field("phone", "contact", catalogue.Phone), purpose(), catalogue.EndPurpose{ID: "newsletter"})
	require.Len(t, old.Fields(), fields)
	require.Equal(t, next, old.Next())
	require.Empty(t, old.Purposes())
	require.Len(t, b.s.Fields(), fields+1)
	require.Equal(t, b.s.Before(old.Next()).Fields(), old.Fields())
}

func TestTransfer(t *testing.T) {
	require.False(t, catalogue.Transfer("DE", "NO"))
	require.False(t, catalogue.Transfer("GB", "GB-SCT"))
	require.True(t, catalogue.Transfer("DE", "GB"))
	require.True(t, catalogue.Transfer("GB", "DE"))
}

func TestForeignEventsChangeNothing(t *testing.T) {
	s := catalogue.Evolve(nil, domain.Recorded{Revision: 0})
	require.EqualValues(t, 1, s.Next())
	require.Empty(t, s.Fields())
	_, err := catalogue.Decide(nil, t0, nil)
	require.Error(t, err)
}
