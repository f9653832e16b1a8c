package subject_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"lethe/domain"
	"lethe/domain/personal"
	"lethe/domain/subject"
)

// refusal is a situation (commands that were taken, one a day), the command
// that is refused there, its code and, where a law says so, its source.
type refusal struct {
	given  []subject.Command
	when   subject.Command
	code   string
	source string
	env    func(*subject.Env)
}

func noOfficer(e *subject.Env) { e.Officer = false }

func given(c ...subject.Command) []subject.Command { return c }

func fieldRefusals() map[string]refusal {
	slot := uint16(1)
	many := make([]subject.Entry, 201)
	for i := range many {
		many[i] = subject.Entry{Field: "phone", Text: text("12345")}
	}
	return map[string]refusal{
		"undeclared field":          {nil, record("service", "shoe-size", "canary"), "field.undeclared", "GDPR 5(1)(b)", nil},
		"undeclared purpose":        {nil, record("nothing", "name", "canary"), "purpose.undeclared", "GDPR 5(1)(b)", nil},
		"unknown version":           {nil, subject.RecordFields{Purpose: "service", Version: 9, Items: record("", "name", "canary").Items}, "purpose.version_unknown", "GDPR 5(1)(b), 7(1)", nil},
		"wrong type":                {nil, record("service", "email", "canary"), "field.type", "GDPR 5(1)(d)", nil},
		"field not needed":          {nil, record("service", "vat", "canary"), "field.not_needed", "GDPR 5(1)(c)", nil},
		"empty value":               {nil, record("service", "name", " "), "field.empty", "", nil},
		"absent value":              {nil, subject.RecordFields{Purpose: "service", Items: []subject.Entry{{Field: "name"}}}, "field.empty", "", nil},
		"no field":                  {nil, record("service"), "field.none", "", nil},
		"too many values":           {nil, subject.RecordFields{Purpose: "service", Items: many}, "field.many", "", nil},
		"twice":                     {nil, record("service", "name", "a", "name", "b"), "field.twice", "", nil},
		"slot of a single value":    {nil, subject.RecordFields{Purpose: "service", Items: []subject.Entry{{Field: "name", Text: text("a"), Slot: &slot}}}, "field.slot", "", nil},
		"provenance class":          {nil, subject.RecordFields{Purpose: "service", Items: []subject.Entry{{Field: "name", Text: text("a"), Class: "rumour"}}}, "field.class", "GDPR 15(1)(g)", nil},
		"special without consent":   {nil, record("health", "diet", "canary"), "field.special", "GDPR 9(2)", nil},
		"special after withdrawal":  {given(give("health", explicit), withdraw("health")), record("health", "diet", "canary"), "field.special", "GDPR 9(2)", nil},
		"purpose ended":             {nil, subject.RecordFields{When: subject.When{At: day(301)}, Purpose: "gone", Items: record("", "name", "x").Items}, "purpose.not_in_force", "GDPR 5(1)(b)", func(e *subject.Env) { e.Now = day(301) }},
		"erased group":              {nil, record("service", "name", "canary"), "group.erased", "GDPR 17", func(e *subject.Env) { e.Fenced = map[domain.Name]bool{"identity": true} }},
		"long row":                  {nil, subject.RecordFields{Purpose: "service", Items: record("", "name", "x").Items, Row: text(strings.Repeat("x", 70_000))}, "text.malformed", "", nil},
		"malformed source":          {nil, subject.RecordFields{Purpose: "service", Items: record("", "name", "x").Items, Source: subject.Source{System: "My CRM"}}, "source.malformed", "", nil},
		"enriching the restricted":  {given(restrict()), record("service", "name", "x"), "restriction.forbids", "GDPR 18(2)", nil},
		"importing the restricted":  {given(record("service", "name", "x"), restrict()), subject.RectifyFields{Items: record("", "name", "y").Items, Source: subject.Source{Import: domain.ID{1}}}, "restriction.forbids", "GDPR 18(2)", nil},
		"rectifying what is not":    {nil, subject.RectifyFields{Items: record("", "name", "x").Items}, "field.absent", "GDPR 16", nil},
		"removing what is not":      {nil, subject.RemoveField{Purpose: "service", Field: "name"}, "field.absent", "", nil},
		"removing for no holder":    {given(record("service", "name", "x")), subject.RemoveField{Purpose: "analytics", Field: "name"}, "field.absent", "", nil},
		"deleting what is to stay":  {given(record("service", "name", "x"), subject.PlaceRestriction{Ground: subject.NeededForClaims}), subject.RemoveField{Purpose: "service", Field: "name"}, "restriction.forbids", "GDPR 18(1)(b), (c)", nil},
		"deleting what is unlawful": {given(record("service", "name", "x"), subject.PlaceRestriction{Ground: subject.UnlawfulButKeep}), subject.RemoveField{Purpose: "service", Field: "name"}, "restriction.forbids", "GDPR 18(1)(b), (c)", nil},
		"deleting what is held":     {given(record("service", "name", "x"), hold("identity")), subject.RemoveField{Purpose: "service", Field: "name"}, "hold.forbids", "GDPR 17(3)", nil},
		"effective ahead":           {nil, subject.RecordFields{When: subject.When{At: day(10).Add(6 * time.Minute)}, Purpose: "service"}, "effective.future", "", func(e *subject.Env) { e.Now = day(10) }},
		"opened twice":              {nil, subject.Register{Acquired: subject.FromPerson, Jurisdiction: "DE"}, "subject.exists", "", nil},
	}
}

func hold(group domain.Name) subject.PlaceHold {
	return subject.PlaceHold{Hold: domain.ID{7}, Group: group, Purpose: "claims", Review: day(2000), Authority: text("court order")}
}

func consentRefusals() map[string]refusal {
	g := func(change func(*subject.GiveConsent)) subject.GiveConsent { return give("newsletter", change) }
	type of = *subject.GiveConsent
	notice := func(d domain.Digest) subject.GiveConsent { return g(func(c of) { c.Notice = d }) }
	kids := child("2030-01-01")
	at := func(n int) func(of) { return func(c of) { c.At = day(n) } }
	return map[string]refusal{
		"unknown purpose":              {nil, give("nothing"), "consent.undeclared", "GDPR 5(1)(b)", nil},
		"unknown version":              {nil, g(func(c of) { c.Version = 7 }), "consent.version_unknown", "GDPR 5(1)(b), 7(1)", nil},
		"superseded version":           {nil, give("club", at(250)), "consent.superseded", "GDPR 5(1)(b), 7(1)", func(e *subject.Env) { e.Now = day(250) }},
		"purpose not begun":            {nil, give("fresh"), "consent.not_in_force", "GDPR 5(1)(b)", nil},
		"purpose ended":                {nil, give("gone", at(301)), "consent.not_in_force", "GDPR 5(1)(b)", func(e *subject.Env) { e.Now = day(301) }},
		"no notice":                    {nil, notice(domain.Digest{}), "consent.notice_missing", "GDPR 4(11), 7(1)", nil},
		"unpublished notice":           {nil, notice(digest("never")), "consent.notice_unknown", "GDPR 7(1)", nil},
		"notice of another purpose":    {nil, notice(noticeOf("app", 1)), "consent.notice_other", "GDPR 6(1)(a), 7(2)", nil},
		"notice published later":       {nil, notice(digest("late")), "consent.notice_unpublished", "GDPR 7(1)", nil},
		"notice in another language":   {nil, g(func(c of) { c.Language = "fr" }), "consent.language", "GDPR 7(2)", nil},
		"basis is a contract":          {nil, give("service"), "consent.not_the_basis", "GDPR 6(1); EDPB 05/2020, 121", nil},
		"double opt-in":                {nil, give("doi"), "consent.double_opt_in", "GDPR 7(1)", nil},
		"not explicit":                 {nil, give("health"), "consent.not_explicit", "GDPR 9(2)(a)", nil},
		"by the controller":            {nil, g(func(c of) { c.By = subject.Controller }), "consent.by", "GDPR 4(11)", nil},
		"by nobody known":              {nil, g(func(c of) { c.By = "neighbour" }), "consent.by", "GDPR 7(1)", nil},
		"no medium":                    {nil, g(func(c of) { c.Medium = "" }), "consent.medium", "GDPR 7(1)", nil},
		"no method":                    {nil, g(func(c of) { c.Method = "" }), "consent.method", "GDPR 7(1)", nil},
		"unknown method":               {nil, g(func(c of) { c.Method = "pre_ticked" }), "consent.method", "GDPR 7(1)", nil},
		"a signal":                     {nil, g(func(c of) { c.Method = subject.Signal }), "consent.method", "GDPR 4(11)", nil},
		"ends before it begins":        {nil, g(func(c of) { c.Until = day(-9) }), "consent.until", "GDPR 5(1)(e)", nil},
		"unknown channel":              {nil, g(func(c of) { c.Channels = []subject.Channel{"pigeon"} }), "consent.channels", "", nil},
		"evidence with NUL":            {nil, g(func(c of) { c.Evidence = text("canary\x00") }), "text.malformed", "", nil},
		"effective ahead":              {nil, give("newsletter", at(99)), "effective.future", "", nil},
		"imported when restricted":     {given(restrict()), g(func(c of) { c.Medium = subject.Imported }), "restriction.forbids", "GDPR 18(2)", nil},
		"a child by itself":            {given(kids), give("app"), "consent.child", "GDPR 8(1)", nil},
		"a guardian without a child":   {nil, g(func(c of) { c.By = subject.Guardian; c.Guardian = text("g") }), "consent.guardian_power", "GDPR 8(1)", nil},
		"a guardian too late":          {given(child("2020-01-01")), give("app", func(c of) { c.By = subject.Guardian; c.Guardian = text("g") }), "consent.guardian_power", "GDPR 8(1)", nil},
		"an unnamed guardian":          {given(kids), give("app", func(c of) { c.By = subject.Guardian }), "consent.guardian", "GDPR 8(2)", nil},
		"renewing nothing":             {nil, renew("newsletter"), "consent.not_renewable", "GDPR 4(11); EDPB 05/2020, 110", nil},
		"renewing the withdrawn":       {given(give("newsletter"), withdraw("newsletter")), renew("newsletter"), "consent.not_renewable", "GDPR 4(11); EDPB 05/2020, 110", nil},
		"renewing the refused":         {given(refuse("newsletter")), renew("newsletter"), "consent.not_renewable", "GDPR 4(11); EDPB 05/2020, 110", nil},
		"renewing the revoked":         {given(give("newsletter"), revoke("newsletter")), renew("newsletter"), "consent.not_renewable", "GDPR 4(11); EDPB 05/2020, 110", nil},
		"renewing the invalid":         {given(give("newsletter"), subject.InvalidateConsent{Said: subject.Said{Purpose: "newsletter"}}), renew("newsletter"), "consent.not_renewable", "GDPR 4(11); EDPB 05/2020, 110", nil},
		"renewing by the controller":   {given(give("newsletter")), func() subject.Command { c := renew("newsletter"); c.By = subject.Controller; return c }(), "consent.by", "GDPR 4(11)", nil},
		"withdrawing by the processor": {given(give("newsletter")), subject.WithdrawConsent{Said: subject.Said{Purpose: "newsletter", By: subject.Processor}}, "consent.by", "GDPR 4(11)", nil},
		"withdrawing from nothing":     {nil, withdraw("nothing"), "consent.undeclared", "GDPR 7(3)", nil},
		"refusing by the controller":   {nil, subject.RefuseConsent{Said: subject.Said{Purpose: "newsletter", By: subject.Controller}}, "consent.by", "GDPR 4(11)", nil},
		"revoking by the person":       {given(give("newsletter")), subject.RevokeConsent{Said: subject.Said{Purpose: "newsletter", By: subject.Self}}, "consent.by", "GDPR 7(3)", nil},
		"revoking nothing":             {nil, revoke("newsletter"), "consent.none", "", nil},
		"invalidating nothing":         {nil, subject.InvalidateConsent{Said: subject.Said{Purpose: "newsletter"}}, "consent.none", "GDPR 7", nil},
		"expiring what stands":         {given(give("newsletter")), subject.ExpireConsent{Purpose: "newsletter"}, "consent.not_expired", "", nil},
		"deferring by the controller":  {nil, subject.DeferConsent{Said: subject.Said{Purpose: "newsletter", By: subject.Controller}}, "consent.by", "GDPR 4(11)", nil},
		"requesting for a contract":    {nil, subject.RequestConsent{Said: said("service", 1)}, "consent.not_the_basis", "GDPR 6(1); EDPB 05/2020, 121", nil},
		"requesting without notice":    {nil, subject.RequestConsent{Said: subject.Said{Purpose: "newsletter"}}, "consent.notice_missing", "GDPR 4(11), 7(1)", nil},
		"requesting for too long":      {nil, subject.RequestConsent{Said: said("newsletter", 1), Expires: day(60)}, "consent.request_expires", "", nil},
		"requesting without an end":    {nil, subject.RequestConsent{Said: said("newsletter", 1), Until: day(-1)}, "consent.until", "GDPR 5(1)(e)", nil},
		"double opt-in to nowhere":     {nil, requestDOI(), "consent.contact", "GDPR 7(1)", nil},
		"confirming nothing":           {nil, confirm(domain.ID{9}), "consent.request_unknown", "GDPR 7(1)", nil},
	}
}

func rightRefusals() map[string]refusal {
	other := tokenOf("b")
	propose := subject.ProposeLink{Other: other, Ground: subject.SameEmail}
	li := domain.LegitimateInterests
	atTurn := func(e *subject.Env) { e.Now = day(150) }
	h := func(change func(*subject.PlaceHold)) subject.PlaceHold { c := hold("identity"); change(&c); return c }
	return map[string]refusal{
		"asserting consent":             {nil, assertBasis("newsletter", domain.Consent), "basis.is_consent", "GDPR 6(1)(a)", nil},
		"asserting nonsense":            {nil, assertBasis("service", "habit"), "basis.unknown", "GDPR 6(1)", nil},
		"asserting another basis":       {nil, assertBasis("service", li), "basis.not_declared", "GDPR 13(1)(c)", nil},
		"a basis that is over":          {nil, subject.AssertBasis{Purpose: "service", Basis: domain.Contract, Until: day(-1), Reference: text("x")}, "basis.until", "", nil},
		"a basis without reference":     {nil, subject.AssertBasis{Purpose: "service", Basis: domain.Contract}, "basis.reference", "GDPR 5(2)", nil},
		"a British basis elsewhere":     {nil, assertBasis("uk-crime", domain.RecognisedInterestUK), "basis.elsewhere", "UK GDPR 6(1)(ea)", nil},
		"switching after a withdrawal":  {given(give("turned"), withdraw("turned")), assertBasis("turned", li), "basis.switch", "GDPR 6(1), 7(3); EDPB 05/2020, 121-123", atTurn},
		"switching after a refusal":     {given(refuse("turned")), assertBasis("turned", li), "basis.switch", "GDPR 6(1), 7(3); EDPB 05/2020, 121-123", atTurn},
		"switching after a revocation":  {given(give("turned"), revoke("turned")), assertBasis("turned", li), "basis.switch", "GDPR 6(1), 7(3); EDPB 05/2020, 121-123", atTurn},
		"switching after invalidity":    {given(give("turned"), subject.InvalidateConsent{Said: subject.Said{Purpose: "turned"}}), assertBasis("turned", li), "basis.switch", "GDPR 6(1), 7(3); EDPB 05/2020, 121-123", atTurn},
		"switching after expiry":        {given(give("turned", func(c *subject.GiveConsent) { c.Until = day(40) })), assertBasis("turned", li), "basis.switch", "GDPR 6(1), 7(3); EDPB 05/2020, 121-123", atTurn},
		"switching in the past":         {given(give("turned"), withdraw("turned")), subject.AssertBasis{When: subject.When{At: day(100)}, Purpose: "turned", Basis: li, Reference: text("x")}, "basis.switch", "GDPR 6(1), 7(3); EDPB 05/2020, 121-123", atTurn},
		"ending no basis":               {nil, subject.EndBasis{Purpose: "service", Basis: domain.Contract}, "basis.none", "", nil},
		"objecting to nonsense":         {nil, subject.Object{Scope: "life"}, "objection.scope", "GDPR 21", nil},
		"objecting to the undeclared":   {nil, subject.Object{Scope: subject.ToMarketing, Purpose: "nothing"}, "purpose.undeclared", "GDPR 21", nil},
		"objecting to pigeons":          {nil, subject.Object{Scope: subject.ToMarketing, Channel: "pigeon"}, "objection.channel", "GDPR 21", nil},
		"a contact point of no channel": {nil, subject.Object{Scope: subject.ToMarketing, ContactPoint: true}, "objection.contact_point", "ePrivacy 13", nil},
		"objecting by nobody known":     {nil, subject.Object{Scope: subject.ToMarketing, By: "neighbour"}, "objection.by", "GDPR 21", nil},
		"upholding nothing":             {nil, subject.UpholdObjection{Objection: domain.ID{3}}, "objection.unknown", "", nil},
		"taking nothing back":           {nil, subject.WithdrawObjection{Objection: domain.ID{3}}, "objection.unknown", "", nil},
		"an operator upholds":           {nil, subject.UpholdObjection{}, "officer.required", "GDPR 38, 39", noOfficer},
		"an operator overrides":         {nil, subject.OverrideObjection{}, "officer.required", "GDPR 38, 39", noOfficer},
		"an operator lifts":             {given(restrict()), subject.LiftRestriction{Ground: subject.AccuracyContested, Informed: day(0)}, "officer.required", "GDPR 38, 39", noOfficer},
		"an operator holds":             {nil, hold("identity"), "officer.required", "GDPR 38, 39", noOfficer},
		"an operator releases":          {nil, subject.ReleaseHold{}, "officer.required", "GDPR 38, 39", noOfficer},
		"an operator links":             {given(propose), subject.AcceptLink{Other: other}, "officer.required", "GDPR 38, 39", noOfficer},
		"an operator unlinks":           {given(propose), subject.UndoLink{Other: other}, "officer.required", "GDPR 38, 39", noOfficer},
		"restricting on no ground":      {nil, subject.PlaceRestriction{Ground: "mood"}, "restriction.ground", "GDPR 18(1)", nil},
		"lifting nothing":               {nil, subject.LiftRestriction{Ground: subject.AccuracyContested, Informed: day(0)}, "restriction.none", "", nil},
		"lifting untold":                {given(restrict()), subject.LiftRestriction{Ground: subject.AccuracyContested}, "restriction.uninformed", "GDPR 18(3)", nil},
		"lifting before telling":        {given(restrict()), subject.LiftRestriction{Ground: subject.AccuracyContested, Informed: day(90)}, "restriction.uninformed", "GDPR 18(3)", nil},
		"lifting before placing":        {given(restrict()), subject.LiftRestriction{When: subject.When{At: day(0)}, Ground: subject.AccuracyContested, Informed: day(-1)}, "restriction.order", "GDPR 18", nil},
		"a hold without an ID":          {nil, h(func(c *subject.PlaceHold) { c.Hold = domain.ID{} }), "hold.id", "", nil},
		"a hold on no group":            {nil, h(func(c *subject.PlaceHold) { c.Group = "shoes" }), "hold.group", "GDPR 17(3)", nil},
		"a hold for no duty":            {nil, h(func(c *subject.PlaceHold) { c.Purpose = "newsletter" }), "hold.purpose", "GDPR 17(3)", nil},
		"a hold for ever":               {nil, h(func(c *subject.PlaceHold) { c.Review = time.Time{} }), "hold.review", "GDPR 5(1)(e)", nil},
		"a hold on nobody's authority":  {nil, h(func(c *subject.PlaceHold) { c.Authority = personal.Value{} }), "hold.authority", "GDPR 17(3)", nil},
		"a hold placed twice":           {given(hold("identity")), hold("identity"), "hold.exists", "", nil},
		"a hold on what is erased":      {nil, hold("identity"), "group.erased", "GDPR 17", func(e *subject.Env) { e.Fenced = map[domain.Name]bool{"identity": true} }},
		"releasing nothing":             {nil, subject.ReleaseHold{Hold: domain.ID{7}}, "hold.unknown", "", nil},
		"linking to nonsense":           {nil, subject.ProposeLink{Other: "canary@example.org", Ground: subject.SameEmail}, "link.token", "", nil},
		"linking to itself":             {nil, subject.ProposeLink{Other: tokenOf("a"), Ground: subject.SameEmail}, "link.self", "", nil},
		"linking on no ground":          {nil, subject.ProposeLink{Other: other, Ground: "looks"}, "link.ground", "GDPR 5(1)(d)", nil},
		"linking what was not proposed": {nil, subject.AcceptLink{Other: other}, "link.not_proposed", "GDPR 5(1)(d)", nil},
		"merging the restricted":        {given(propose, restrict()), subject.AcceptLink{Other: other}, "restriction.forbids", "GDPR 18(2)", nil},
		"unlinking what is not":         {nil, subject.UndoLink{Other: other}, "link.unknown", "", nil},
		"proposing what was undone":     {given(propose, subject.UndoLink{Other: other}), propose, "link.undone", "GDPR 5(1)(d)", nil},
		"disclosing to nobody declared": {nil, subject.NoteDisclosure{Purpose: "service", Recipient: "nobody", Fields: []domain.Name{"name"}, Access: domain.ID{1}}, "recipient.undeclared", "GDPR 13(1)(e), 30(1)(d)", nil},
		"disclosing nothing":            {nil, subject.NoteDisclosure{Purpose: "service", Recipient: "mailer", Access: domain.ID{1}}, "disclosure.fields", "GDPR 15(1)(c)", nil},
		"disclosing what is not needed": {nil, subject.NoteDisclosure{Purpose: "service", Recipient: "mailer", Fields: []domain.Name{"vat"}, Access: domain.ID{1}}, "field.not_needed", "GDPR 5(1)(c)", nil},
		"disclosing for no purpose":     {nil, subject.NoteDisclosure{Purpose: "nothing", Recipient: "mailer"}, "purpose.undeclared", "GDPR 5(1)(b)", nil},
		"an age without outcome":        {nil, subject.AssessAge{Rule: "DE"}, "age.outcome", "GDPR 8(1)", nil},
		"an age without rule":           {nil, subject.AssessAge{Outcome: subject.Adult}, "age.rule", "GDPR 8(1)", nil},
		"a child without a review":      {nil, subject.AssessAge{Outcome: subject.Child, Rule: "DE"}, "age.review", "GDPR 8(1)", nil},
	}
}

func TestRefusals(t *testing.T) {
	cat := testCatalogue(t)
	for area, cases := range map[string]map[string]refusal{
		"fields": fieldRefusals(), "consents": consentRefusals(), "rights": rightRefusals(),
	} {
		for name, c := range cases {
			t.Run(area+"/"+name, func(t *testing.T) {
				w := newNamedWorld(t, cat, "a")
				for i, g := range c.given {
					w.on(i + 1).do(g)
				}
				w.on(len(c.given) + 1)
				w.env = c.env
				e := w.refuses(c.code, c.when)
				require.Equal(t, c.source, e.Source)
			})
		}
	}
}

func TestUnknownPeopleAndCommands(t *testing.T) {
	env := subject.Env{Now: epoch}
	_, err := subject.Decide(nil, env, withdraw("newsletter"))
	e, ok := domain.AsError(err)
	require.True(t, ok)
	require.Equal(t, "subject.unknown", e.Code)
	require.Equal(t, domain.KindNotFound, e.Kind)
	_, err = subject.Decide(nil, env, nil)
	require.Error(t, err)
	for code, c := range map[string]subject.Register{
		"subject.acquired":     {Jurisdiction: "DE"},
		"subject.jurisdiction": {Acquired: subject.FromPerson, Jurisdiction: "Germany"},
		"source.malformed":     {Acquired: subject.FromPerson, Jurisdiction: "DE", Source: subject.Source{Table: "A B"}},
		"text.malformed":       {Acquired: subject.FromPerson, Jurisdiction: "DE", Row: text("\xff")},
	} {
		_, err := subject.Decide(nil, env, c)
		e, ok := domain.AsError(err)
		require.True(t, ok)
		require.Equal(t, code, e.Code)
	}
}
