package subject_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"lethe/domain"
	"lethe/domain/access"
	"lethe/domain/subject"
)

func use(purpose domain.Name, channel subject.Channel) subject.Question {
	return subject.Question{Purpose: purpose, Operation: access.Use, Channel: channel}
}

// ask puts a question about w, now unless it says otherwise.
func (w *world) ask(q subject.Question, others ...subject.Record) subject.Answer {
	if q.At.IsZero() {
		q.At = w.now
	}
	return subject.MayProcess(w.cat, append([]subject.Record{{State: w.s}}, others...), q)
}

// rowCase is a situation, a question and the row that answers it.
type rowCase struct {
	given  []subject.Command
	ask    subject.Question
	row    subject.Rule
	yes    bool
	reason access.Reason
	fenced string
}

func marketing(channel subject.Channel) subject.Object {
	return subject.Object{Scope: subject.ToMarketing, Channel: channel}
}

func sharing() subject.Object { return subject.Object{Scope: subject.ToDisclosure} }

func atTime(q subject.Question, at time.Time) subject.Question { q.At = at; return q }
func storing(q subject.Question) subject.Question              { q.Operation = access.Store; return q }

func disclosing(q subject.Question, to domain.Name) subject.Question {
	q.Operation, q.Recipient = access.Disclose, to
	return q
}

func of(q subject.Question, fields ...domain.Name) subject.Question { q.Fields = fields; return q }

func rows() map[string]rowCase {
	contract := assertBasis("service", domain.Contract)
	ads := assertBasis("ads", domain.LegitimateInterests)
	analytics := assertBasis("analytics", domain.LegitimateInterests)
	limited := give("newsletter", func(c *subject.GiveConsent) { c.Channels = []subject.Channel{subject.Post} })
	onVersion := use("club", "")
	onVersion.Version = 3
	british := use("uk-crime", "")
	british.Regime = "uk"
	return map[string]rowCase{
		"a: purpose undeclared":            {nil, use("nothing", ""), "a", false, access.NoSuchPurpose, ""},
		"a: purpose ended":                 {given(give("gone")), atTime(use("gone", ""), day(301)), "a", false, access.NoSuchPurpose, ""},
		"a: purpose not begun":             {nil, use("fresh", ""), "a", false, access.NoSuchPurpose, ""},
		"a: version not in force":          {given(give("club")), onVersion, "a", false, access.NoSuchPurpose, ""},
		"a: group erased":                  {given(contract), use("service", ""), "a", false, access.RuleErased, "identity"},
		"b: held for another purpose":      {given(contract, hold("identity")), use("service", ""), "b", false, access.RuleKept, ""},
		"b: held for this purpose":         {given(hold("identity")), of(use("claims", ""), "name"), "b", true, "", ""},
		"b: kept by a duty":                {given(contract, record("invoicing", "name", "Jo")), use("service", ""), "b", false, access.RuleKept, ""},
		"b: kept for this duty":            {given(record("invoicing", "name", "Jo")), of(use("invoicing", ""), "name"), "b", true, "", ""},
		"b: also held by another":          {given(contract, record("invoicing", "name", "Jo"), record("service", "name", "Jo")), use("service", ""), "h", true, "", ""},
		"c: no explicit consent":           {nil, use("health", ""), "c", false, access.RuleSpecial, ""},
		"c: the consent was withdrawn":     {given(give("health", explicit), withdraw("health")), use("health", ""), "c", false, access.RuleSpecial, ""},
		"c: explicit consent":              {given(give("health", explicit)), use("health", ""), "h", true, "", ""},
		"c: another condition":             {given(assertBasis("care", domain.Contract)), use("care", ""), "h", true, "", ""},
		"c: criminal data with authority":  {given(assertBasis("court-work", domain.LegalObligation)), use("court-work", ""), "h", true, "", ""},
		"d: restricted":                    {given(contract, restrict()), use("service", ""), "d", false, access.RuleRestricted, ""},
		"d: storing":                       {given(restrict()), storing(use("service", "")), "d", true, "", ""},
		"d: claims":                        {given(restrict()), use("claims", ""), "d", true, "", ""},
		"d: consent before":                {given(give("newsletter"), restrict()), use("newsletter", ""), "d", false, access.RuleRestricted, ""},
		"d: consent since":                 {given(restrict(), give("newsletter")), use("newsletter", ""), "d", true, "", ""},
		"d: consent since, then objected":  {given(restrict(), give("newsletter"), marketing("")), use("newsletter", ""), "e", false, access.RuleObjected, ""},
		"d: lifted":                        {given(contract, restrict(), subject.LiftRestriction{Ground: subject.AccuracyContested, Informed: day(0)}), use("service", ""), "h", true, "", ""},
		"e: objected to marketing":         {given(ads, marketing("")), use("ads", ""), "e", false, access.RuleObjected, ""},
		"e: not about other processing":    {given(contract, marketing("")), use("service", subject.Email), "h", true, "", ""},
		"e: opted out of the channel":      {given(ads, marketing(subject.Email)), use("ads", subject.Email), "e", false, access.RuleObjected, ""},
		"e: another channel":               {given(assertBasis("post-ads", domain.LegitimateInterests), marketing(subject.Email)), use("post-ads", subject.Post), "h", true, "", ""},
		"e: channel closed to all":         {given(contract, subject.Object{Scope: subject.ToProcessing, Channel: subject.Email}), use("service", subject.Email), "e", false, access.RuleObjected, ""},
		"e: channel closed, another used":  {given(contract, subject.Object{Scope: subject.ToProcessing, Channel: subject.Email}), use("service", subject.Post), "h", true, "", ""},
		"e: opted in since":                {given(marketing(subject.Email), give("newsletter")), use("newsletter", subject.Email), "h", true, "", ""},
		"e: opted in before":               {given(give("newsletter"), marketing(subject.Email)), use("newsletter", subject.Email), "e", false, access.RuleObjected, ""},
		"e: opted in for another channel":  {given(marketing(""), limited), use("newsletter", subject.Email), "e", false, access.RuleObjected, ""},
		"e: opted in for another purpose":  {given(marketing(""), give("newsletter")), use("ads", ""), "e", false, access.RuleObjected, ""},
		"e: objected to disclosure":        {given(contract, sharing()), disclosing(use("service", ""), "court"), "e", false, access.RuleObjected, ""},
		"e: disclosure to a processor":     {given(contract, sharing()), disclosing(use("service", ""), "mailer"), "h", true, "", ""},
		"e: disclosure, own use":           {given(contract, sharing()), use("service", ""), "h", true, "", ""},
		"e: of another purpose":            {given(give("newsletter"), subject.Object{Scope: subject.ToMarketing, Purpose: "ads"}), use("newsletter", ""), "h", true, "", ""},
		"f: pending":                       {given(analytics, subject.Object{Scope: subject.ToProcessing}), use("analytics", ""), "f", false, access.RuleContested, ""},
		"f: public task":                   {given(assertBasis("census", domain.PublicTask), subject.Object{Scope: subject.ToProcessing}), use("census", ""), "f", false, access.RuleContested, ""},
		"f: of another purpose":            {given(analytics, subject.Object{Scope: subject.ToProcessing, Purpose: "census"}), use("analytics", ""), "h", true, "", ""},
		"f: not against a contract":        {given(contract, subject.Object{Scope: subject.ToProcessing}), use("service", ""), "h", true, "", ""},
		"g: e-mail without opt-in":         {given(assertBasis("post-ads", domain.LegitimateInterests)), use("post-ads", subject.Email), "g", false, access.RuleElectronic, ""},
		"g: consent missing":               {nil, use("newsletter", subject.SMS), "g", false, access.RuleElectronic, ""},
		"g: soft opt-in":                   {given(ads), use("ads", subject.Email), "h", true, "", ""},
		"g: by post":                       {given(assertBasis("post-ads", domain.LegitimateInterests)), use("post-ads", subject.Post), "h", true, "", ""},
		"g: not marketing":                 {given(contract), use("service", subject.Email), "h", true, "", ""},
		"h: consent":                       {given(give("newsletter")), use("newsletter", subject.Email), "h", true, "", ""},
		"h: renewed":                       {given(give("newsletter"), renew("newsletter")), use("newsletter", subject.Email), "h", true, "", ""},
		"h: contract":                      {given(contract), use("service", ""), "h", true, "", ""},
		"h: same material version":         {given(give("club")), atTime(use("club", ""), day(150)), "h", true, "", ""},
		"i: British, unasserted":           {nil, british, "i", false, access.RuleNoBasis, ""},
		"i: nothing":                       {nil, use("club", ""), "i", false, access.RuleNoBasis, ""},
		"i: another version, material":     {given(give("club")), atTime(use("club", ""), day(250)), "i", false, access.RuleNoBasis, ""},
		"i: expired":                       {given(give("club", func(c *subject.GiveConsent) { c.Until = day(20) })), atTime(use("club", ""), day(20)), "i", false, access.RuleNoBasis, ""},
		"i: requested only":                {given(subject.RequestConsent{Said: said("club", 1)}), use("club", ""), "i", false, access.RuleNoBasis, ""},
		"i: basis ended":                   {given(contract, subject.EndBasis{Purpose: "service", Basis: domain.Contract}), use("service", ""), "i", false, access.RuleNoBasis, ""},
		"i: field not needed":              {given(contract), of(use("service", ""), "vat"), "i", false, access.RuleNoBasis, ""},
		"i: consent of another channel":    {given(limited), use("newsletter", subject.Phone), "i", false, access.RuleNoBasis, ""},
		"i: no such operation":             {given(contract), subject.Question{Purpose: "service", Operation: "sell"}, "i", false, access.RuleNoBasis, ""},
		"i: disclosing to nobody":          {given(contract), disclosing(use("service", ""), ""), "i", false, access.BadRecipient, ""},
		"i: disclosing to the undeclared":  {given(contract), disclosing(use("service", ""), "printer"), "i", false, access.BadRecipient, ""},
		"i: kept, to the undeclared":       {given(hold("identity")), disclosing(of(use("claims", ""), "name"), "printer"), "i", false, access.BadRecipient, ""},
		"h: disclosing to who is declared": {given(contract), disclosing(use("service", ""), "mailer"), "h", true, "", ""},
	}
}

// pairs are situations in which a row and the next one both match: the
// earlier answers.
func pairs() map[string]rowCase {
	contract := assertBasis("service", domain.Contract)
	objected := subject.Object{Scope: subject.ToProcessing}
	return map[string]rowCase{
		"a before b": {given(contract, hold("identity")), use("service", ""), "a", false, access.RuleErased, "identity"},
		"b before c": {given(subject.PlaceHold{Hold: domain.ID{1}, Group: "health", Purpose: "claims", Review: day(2000), Authority: text("x")}), use("health", ""), "b", false, access.RuleKept, ""},
		"c before d": {given(restrict()), use("health", ""), "c", false, access.RuleSpecial, ""},
		"d before e": {given(give("newsletter"), restrict(), marketing("")), use("newsletter", ""), "d", false, access.RuleRestricted, ""},
		"e before f": {given(assertBasis("ads", domain.LegitimateInterests), marketing(""), objected), use("ads", ""), "e", false, access.RuleObjected, ""},
		"f before g": {given(assertBasis("post-ads", domain.LegitimateInterests), objected), use("post-ads", subject.Email), "f", false, access.RuleContested, ""},
		"g before h": {given(assertBasis("post-ads", domain.LegitimateInterests)), use("post-ads", subject.Email), "g", false, access.RuleElectronic, ""},
		"h before i": {given(give("newsletter")), use("newsletter", ""), "h", true, "", ""},
		// The yes of an earlier row stands against the no of the next.
		"b's yes before c": {given(subject.PlaceHold{Hold: domain.ID{1}, Group: "identity", Purpose: "claims", Review: day(2000), Authority: text("x")}, restrict()), of(use("claims", ""), "name"), "b", true, "", ""},
		"d's yes before e": {given(restrict(), marketing("")), storing(use("newsletter", "")), "d", true, "", ""},
		"d's yes before f": {given(restrict(), objected), use("claims", ""), "d", true, "", ""},
	}
}

func TestRowsAndNeighbours(t *testing.T) {
	cat := testCatalogue(t)
	for kind, cases := range map[string]map[string]rowCase{"row": rows(), "pair": pairs()} {
		for name, c := range cases {
			t.Run(kind+"/"+name, func(t *testing.T) {
				w := newNamedWorld(t, cat, "a")
				for i, g := range c.given {
					w.on(i + 1).do(g)
				}
				w.on(len(c.given) + 1)
				if c.ask.At.IsZero() {
					c.ask.At = w.now
				}
				first := subject.Record{State: w.s}
				if c.fenced != "" {
					first.Fenced = map[domain.Name]bool{domain.Name(c.fenced): true}
				}
				a := subject.MayProcess(cat, []subject.Record{first}, c.ask)
				require.Equal(t, c.row, a.Row, a.Message)
				require.Equal(t, c.yes, a.Allowed)
				require.Equal(t, c.reason, a.Reason)
				require.NotEmpty(t, a.Message)
				for _, r := range a.RestsOn {
					require.Equal(t, w.token, r.Token)
					require.Equal(t, r.EventID, w.s.Entries()[r.Revision].ID)
				}
				if a.Allowed {
					require.NotEmpty(t, a.RestsOn, "a yes rests on something")
				} else {
					require.Empty(t, a.Fields)
				}
			})
		}
	}
}

func TestNobodyIsUnknown(t *testing.T) {
	cat := testCatalogue(t)
	for _, people := range [][]subject.Record{nil, {{}}} {
		a := subject.MayProcess(cat, people, atTime(use("newsletter", ""), day(1)))
		require.Equal(t, subject.RuleUnknown, a.Row)
		require.Equal(t, access.UnknownSubject, a.Reason)
	}
	w := newNamedWorld(t, cat, "a").on(5)
	q := atTime(use("newsletter", ""), day(5))
	q.KnownAt = day(-1)
	require.Equal(t, access.NoSuchPurpose, w.ask(atTime(use("x", ""), day(5))).Reason)
	require.Equal(t, access.UnknownSubject, w.ask(q).Reason, "the record was opened later")
	require.Equal(t, access.UnknownSubject, subject.MayProcess(cat, []subject.Record{{State: w.s}}, use("newsletter", "")).Reason, "a question is about a moment")
}

func TestOverriddenObjectionsGoOn(t *testing.T) {
	w := newWorld(t).on(1).do(assertBasis("analytics", domain.LegitimateInterests), subject.Object{Scope: subject.ToProcessing})
	objection := w.last
	w.on(2).do(subject.OverrideObjection{Objection: objection, Grounds: text("fraud")})
	require.Equal(t, subject.RuleBasis, w.ask(use("analytics", "")).Row)
	require.Equal(t, subject.RuleContested, w.ask(atTime(use("analytics", ""), day(1))).Row, "then it was pending")
	w.on(3).do(subject.UpholdObjection{Objection: objection})
	a := w.ask(use("analytics", ""))
	require.Equal(t, subject.RuleContested, a.Row)
	require.Len(t, a.RestsOn, 2)
	w.on(4).do(subject.WithdrawObjection{Objection: objection})
	require.Equal(t, subject.RuleBasis, w.ask(use("analytics", "")).Row)
}

func TestOptionalFieldsAreWithheld(t *testing.T) {
	w := newWorld(t).on(1).do(assertBasis("diets", domain.Contract))
	a := w.ask(use("diets", ""))
	require.True(t, a.Allowed)
	require.Equal(t, []domain.Name{"name"}, a.Fields)
	require.Equal(t, []domain.Name{"diet"}, a.Withheld)
	require.Equal(t, subject.RuleSpecial, w.ask(of(use("diets", ""), "diet")).Row, "nothing is left")

	w.on(2).do(give("diets", explicit))
	require.Equal(t, []domain.Name{"name", "diet"}, w.ask(use("diets", "")).Fields)

	a = subject.MayProcess(w.cat, []subject.Record{{State: w.s, Fenced: map[domain.Name]bool{"health": true}}}, atTime(use("diets", ""), w.now))
	require.True(t, a.Allowed)
	require.Equal(t, []domain.Name{"diet"}, a.Withheld)
}

func TestDoubleOptInEndsWithItsContactPoint(t *testing.T) {
	w := newWorld(t).do(record("doi", "email", "a@b.de"), record("service", "email", "a@b.de")).on(1).do(requestDOI())
	request := w.last
	w.on(2).do(confirm(request))
	require.True(t, w.ask(use("doi", subject.Email)).Allowed)
	w.on(3).do(subject.RemoveField{Purpose: "service", Field: "email"})
	require.True(t, w.ask(use("doi", subject.Email)).Allowed, "the purpose still holds it")
	kept := w.s
	w.on(4).do(subject.RectifyFields{Items: record("", "email", "c@d.de").Items})
	require.Equal(t, subject.RuleElectronic, w.ask(use("doi", subject.Email)).Row)
	require.Equal(t, subject.RuleElse, w.ask(use("doi", "")).Row)
	require.True(t, w.ask(atTime(use("doi", subject.Email), day(3))).Allowed, "then it was the same")
	w.s = kept
	w.do(subject.RemoveField{Purpose: "doi", Field: "email"})
	require.False(t, w.ask(use("doi", subject.Email)).Allowed)
}

func TestSoftOptInIsForThePersonsOwnAddress(t *testing.T) {
	cat := testCatalogue(t)
	for acquired, row := range map[subject.Acquisition]subject.Rule{
		subject.FromPerson: "h", subject.FromThirdParty: "g", subject.FromPublicSource: "g", subject.FromMigration: "g",
	} {
		w := &world{t: t, cat: cat, token: tokenOf("a"), now: day(0)}
		w.do(subject.Register{Acquired: acquired, Jurisdiction: "DE"}, assertBasis("ads", domain.LegitimateInterests))
		require.Equal(t, row, w.ask(use("ads", subject.Email)).Row, acquired)
	}
}

func TestRecognisedInterestsAreBritish(t *testing.T) {
	w := &world{t: t, cat: testCatalogue(t), token: tokenOf("a"), now: day(0)}
	w.do(subject.Register{Acquired: subject.FromPerson, Jurisdiction: "GB-SCT"}, assertBasis("uk-crime", domain.RecognisedInterestUK))
	require.True(t, w.ask(use("uk-crime", "")).Allowed)
	q := use("uk-crime", "")
	q.Regime = "eu"
	require.Equal(t, subject.RuleElse, w.ask(q).Row)
}

func TestLinkedRecords(t *testing.T) {
	cat := testCatalogue(t)
	person := func(name string, n int, commands ...subject.Command) *world {
		return newNamedWorld(t, cat, name).on(n).do(commands...)
	}
	mine := func() *world {
		return person("a", 5, give("newsletter"), assertBasis("service", domain.Contract)).on(9)
	}
	linked := func(w *world) subject.Record { return subject.Record{State: w.s, Linked: true} }
	optOut := subject.Object{Scope: subject.ToMarketing, Channel: subject.Email, ContactPoint: true}
	byEmail := func(w *world) subject.Record {
		return subject.Record{State: w.s, SharesContact: []subject.Channel{subject.Email}}
	}
	news, mail, service := use("newsletter", ""), use("newsletter", subject.Email), use("service", "")
	cases := map[string]struct {
		ask   subject.Question
		other subject.Record
		row   subject.Rule
		yes   bool
	}{
		"nothing said":                      {news, linked(person("b", 6)), "h", true},
		"unknown record":                    {news, subject.Record{Linked: true}, "h", true},
		"objection binds":                   {news, linked(person("b", 6, marketing(""))), "e", false},
		"earlier objection is answered":     {news, linked(person("b", 4, marketing(""))), "h", true},
		"restriction binds":                 {service, linked(person("b", 1, restrict())), "d", false},
		"hold binds":                        {service, linked(person("b", 1, hold("identity"))), "b", false},
		"hold grants nothing":               {of(use("claims", ""), "name"), linked(person("b", 1, hold("identity"))), "i", false},
		"later withdrawal binds":            {news, linked(person("b", 6, withdraw("newsletter"))), "i", false},
		"simultaneous withdrawal binds":     {news, linked(person("b", 5, withdraw("newsletter"))), "i", false},
		"earlier withdrawal does not":       {news, linked(person("b", 4, withdraw("newsletter"))), "h", true},
		"later withdrawal, then given anew": {news, linked(person("b", 6, withdraw("newsletter")).on(7).do(give("newsletter"))), "i", false},
		"consent does not cross":            {use("app", ""), linked(person("b", 6, give("app"))), "i", false},
		"basis does not cross":              {use("analytics", ""), linked(person("b", 6, assertBasis("analytics", domain.LegitimateInterests))), "i", false},
		"erasure binds":                     {service, subject.Record{State: person("b", 1).s, Linked: true, Fenced: map[domain.Name]bool{"identity": true}}, "a", false},
		"unlinked erasure does not":         {service, subject.Record{State: person("b", 1).s, Fenced: map[domain.Name]bool{"identity": true}}, "h", true},
		"opt-out of the shared address":     {mail, byEmail(person("b", 6, optOut)), "e", false},
		"of another channel":                {use("newsletter", subject.Phone), byEmail(person("b", 6, optOut)), "h", true},
		"of the person, not the address":    {mail, byEmail(person("b", 6, marketing(subject.Email))), "h", true},
		"an objection of who shares it":     {mail, byEmail(person("b", 6, marketing(""))), "h", true},
		"a restriction of who shares it":    {service, byEmail(person("b", 6, restrict())), "h", true},
		"a withdrawal of who shares it":     {news, byEmail(person("b", 6, withdraw("newsletter"))), "h", true},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			w := mine()
			a := w.ask(c.ask, c.other)
			require.Equal(t, c.row, a.Row, a.Message)
			require.Equal(t, c.yes, a.Allowed)
		})
	}
}

// What the own record keeps by a duty stays kept when a linked record holds
// the same group for somebody else.
func TestALinkedHoldDoesNotOpenWhatADutyKeeps(t *testing.T) {
	cat := testCatalogue(t)
	w := newNamedWorld(t, cat, "a").on(1).do(record("invoicing", "name", "Jo"), restrict())
	held := subject.Record{State: newNamedWorld(t, cat, "b").on(1).do(hold("identity")).s, Linked: true}
	claims := of(use("claims", ""), "name")
	for _, a := range []subject.Answer{w.ask(claims), w.ask(claims, held)} {
		require.Equal(t, subject.RuleKept, a.Row)
		require.False(t, a.Allowed)
	}
}

func TestABasisEndsHalfOpen(t *testing.T) {
	c := assertBasis("service", domain.Contract)
	c.Until = day(9)
	w := newWorld(t).on(1).do(c)
	require.Equal(t, subject.RuleBasis, w.ask(atTime(use("service", ""), day(9).Add(-1))).Row)
	require.Equal(t, subject.RuleElse, w.ask(atTime(use("service", ""), day(9))).Row)
}

func TestAnOptInAtTheMomentOfTheObjectionIsNotLater(t *testing.T) {
	w := newWorld(t).on(1).do(marketing(""), give("newsletter"))
	require.Equal(t, subject.RuleObjected, w.ask(use("newsletter", "")).Row)
}
