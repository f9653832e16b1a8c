package subject_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"lethe/domain"
	"lethe/domain/personal"
	"lethe/domain/subject"
)

func choice(purpose domain.Name, notice bool) subject.Choice {
	c := subject.Choice{Purpose: purpose, Version: 1, By: subject.Self}
	if notice {
		c.Notice, c.Language, c.Medium, c.Method = noticeOf(purpose, 1), "en", subject.Web, subject.Checkbox
	}
	return c
}

func TestRecordingFields(t *testing.T) {
	w := newWorld(t)
	w.then(record("service", "email", "Jo@EXAMPLE.org", "phone", "+49 30 1", "phone", "030-22"), &subject.FieldsRecorded{
		Purpose: "service", Version: 1, Items: []subject.Item{
			{Field: "email", Group: "contact", Class: subject.Provided, Value: text("Jo@example.org")},
			{Field: "phone", Group: "contact", Class: subject.Provided, Value: text("+49301")},
			{Field: "phone", Group: "contact", Class: subject.Provided, Slot: 1, Value: text("03022")},
		},
	})
	w.do(record("service", "email", "a@b.de", "phone", "111", "phone", "222"))
	w.do(subject.RemoveField{Purpose: "service", Field: "phone"})
	w.then(record("service", "phone", "333"), &subject.FieldsRecorded{
		Purpose: "service", Version: 1, Items: []subject.Item{
			{Field: "phone", Group: "contact", Class: subject.Provided, Slot: 2, Value: text("333")}, // no slot is used twice
		},
	})
	w.do(record("newsletter", "email", "c@d.de"), restrict())
	w.do(subject.RectifyFields{Items: record("", "email", "e@f.de").Items}) // allowed under restriction

	held := w.s.At(w.now, w.now).Fields
	require.Len(t, held, 1)
	require.Equal(t, []domain.Name{"service", "newsletter"}, held[0].Purposes)
	value, _ := held[0].Value.Reveal()
	require.Equal(t, "e@f.de", value)

	w.do(subject.RemoveField{Purpose: "service", Field: "email"})
	require.Len(t, w.s.At(w.now, w.now).Fields, 1, "another purpose holds it")
	w.do(subject.RemoveField{Purpose: "newsletter", Field: "email"})
	require.Empty(t, w.s.At(w.now, w.now).Fields)
}

func TestSpecialDataAfterItsCondition(t *testing.T) {
	w := newWorld(t).do(record("care", "diet", "vegan"))
	w.do(give("health", explicit), record("health", "diet", "vegan"))
	require.Len(t, w.s.At(w.now, w.now).Fields, 1)
}

func TestGivingConsent(t *testing.T) {
	w := newWorld(t).on(1)
	full := subject.Grant{Choice: choice("newsletter", true), Class: subject.Proven, Until: day(1).AddDate(2, 0, 0)}
	w.then(give("newsletter"), &subject.ConsentGiven{Grant: full})

	own := full
	own.Until, own.Channels = day(9), []subject.Channel{subject.Email}
	w.then(give("newsletter", func(c *subject.GiveConsent) { c.Until, c.Channels = own.Until, own.Channels }), &subject.ConsentGiven{Grant: own})

	w.do(restrict())
	w.then(give("newsletter"), &subject.ConsentGiven{Grant: full}) // 18(2): consent is what may lift it
}

func TestEvidenceClass(t *testing.T) {
	w := newWorld(t).on(400)
	class := func(c subject.GiveConsent) subject.EvidenceClass {
		events, err := w.decide(c)
		require.NoError(t, err)
		return events[0].(*subject.ConsentGiven).Class
	}
	at := func(n int) func(*subject.GiveConsent) { return func(c *subject.GiveConsent) { c.At = day(n) } }
	require.Equal(t, subject.Proven, class(give("newsletter")))
	require.Equal(t, subject.Proven, class(give("newsletter", at(1))), "backdated, but the notice was recorded before")
	require.Equal(t, subject.Asserted, class(give("newsletter", at(-1))), "the notice was recorded after")
	require.Equal(t, subject.Asserted, class(give("newsletter", func(c *subject.GiveConsent) { c.Medium = subject.Imported })))
	require.Equal(t, subject.Asserted, class(give("newsletter", func(c *subject.GiveConsent) { c.Method = subject.SourceRecord })))
	w.then(give("newsletter", func(c *subject.GiveConsent) { c.Notice = digest(noticeText("newsletter", 1, "de")) }), &subject.ConsentGiven{
		Grant: subject.Grant{
			Choice: subject.Choice{
				Purpose: "newsletter", Version: 1, By: subject.Self, Medium: subject.Web, Method: subject.Checkbox,
				Notice: digest(noticeText("newsletter", 1, "de")), Language: "de",
			},
			Class: subject.Proven, Until: day(400).AddDate(2, 0, 0),
		},
	})
}

func TestConsentFromBeforeTheGDPR(t *testing.T) {
	old := time.Date(2017, 5, 1, 0, 0, 0, 0, time.UTC)
	at := func(c *subject.GiveConsent) { c.At, c.Until = old, day(3000) }
	w := newWorld(t).do(give("newsletter", at))
	require.Equal(t, subject.StatusUnknown, w.status("newsletter"))
	w.refuses("consent.not_renewable", renew("newsletter"))
	w = newWorld(t).do(give("newsletter", at, func(c *subject.GiveConsent) { c.MetConditions = true }))
	require.Equal(t, subject.StatusGiven, w.status("newsletter"))
}

func TestTransitions(t *testing.T) {
	give, renew := give("newsletter"), renew("newsletter")
	refuse, withdraw, revoke := refuse("newsletter"), withdraw("newsletter"), revoke("newsletter")
	request := subject.RequestConsent{Said: said("newsletter", 1)}
	deferred := subject.DeferConsent{Said: subject.Said{Purpose: "newsletter"}}
	invalid := subject.InvalidateConsent{Said: subject.Said{Purpose: "newsletter"}}
	short := give
	short.Until = day(2)
	cases := map[string]struct {
		given []subject.Command
		want  subject.Status
	}{
		"nothing":                   {nil, subject.StatusUnknown},
		"requested":                 {given(request), subject.StatusRequested},
		"deferred":                  {given(request, deferred), subject.StatusDeferred},
		"asked again":               {given(deferred, request), subject.StatusRequested},
		"given":                     {given(give), subject.StatusGiven},
		"given on request":          {given(request, give), subject.StatusGiven},
		"request does not suspend":  {given(give, request), subject.StatusGiven},
		"deferral does not suspend": {given(give, deferred), subject.StatusGiven},
		"renewed":                   {given(give, renew), subject.StatusRenewed},
		"renewed after expiry":      {given(short, request, renew), subject.StatusRenewed},
		"expired":                   {given(short, restrict()), subject.StatusExpired},
		"refused":                   {given(refuse), subject.StatusRefused},
		"refusing the given":        {given(give, refuse), subject.StatusWithdrawn},
		"withdrawn":                 {given(give, withdraw), subject.StatusWithdrawn},
		"withdrawn from nothing":    {given(withdraw), subject.StatusWithdrawn},
		"withdrawn when restricted": {given(give, restrict(), withdraw), subject.StatusWithdrawn},
		"revoked":                   {given(give, revoke), subject.StatusRevoked},
		"invalidated":               {given(give, invalid), subject.StatusInvalidated},
		"invalidated after renewal": {given(give, renew, invalid), subject.StatusInvalidated},
		"given again":               {given(give, withdraw, request, give), subject.StatusGiven},
		"asked after withdrawal":    {given(give, withdraw, request), subject.StatusRequested},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			for i, g := range c.given {
				w.on(i + 1).do(g)
			}
			require.Equal(t, c.want, w.status("newsletter"))
		})
	}
}

func TestExpiryIsHalfOpen(t *testing.T) {
	c := give("newsletter", func(c *subject.GiveConsent) { c.Until = day(9) })
	w := newWorld(t).on(1).do(c)
	status := func(at time.Time) subject.Status { return w.s.Consent(day(99), at, "newsletter").Status }
	require.Equal(t, subject.StatusUnknown, status(day(1).Add(-1)))
	require.Equal(t, subject.StatusGiven, status(day(1)))
	require.Equal(t, subject.StatusGiven, status(day(9).Add(-1)))
	require.Equal(t, subject.StatusExpired, status(day(9)))
	require.Equal(t, day(9), w.s.Consent(day(99), day(20), "newsletter").Since)

	w.on(10)
	w.then(subject.ExpireConsent{Purpose: "newsletter"}, &subject.ConsentExpired{Purpose: "newsletter", Version: 1, Grant: w.last})
	w.do(subject.ExpireConsent{Purpose: "newsletter"})
	w.then(subject.ExpireConsent{Purpose: "newsletter"})
	require.Equal(t, subject.StatusExpired, w.status("newsletter"))
}

func TestInvalidityReachesBackAndWithdrawalDoesNot(t *testing.T) {
	w := newWorld(t).on(1).do(give("newsletter")).on(5)
	consent := w.last
	before := w.s
	w.then(subject.InvalidateConsent{Said: subject.Said{Purpose: "newsletter"}}, &subject.ConsentInvalidated{
		Choice: subject.Choice{Purpose: "newsletter", Version: 1, By: subject.Controller}, Grant: consent,
	})
	w.do(subject.InvalidateConsent{Said: subject.Said{Purpose: "newsletter"}})
	require.Equal(t, subject.StatusInvalidated, w.s.Consent(day(9), day(2), "newsletter").Status)
	require.Equal(t, subject.StatusGiven, w.s.Consent(day(4), day(2), "newsletter").Status, "not known yet")
	w.then(subject.InvalidateConsent{Said: subject.Said{Purpose: "newsletter"}})

	w.s = before
	w.do(withdraw("newsletter"))
	require.Equal(t, subject.StatusGiven, w.s.Consent(day(9), day(2), "newsletter").Status)
	require.Equal(t, subject.StatusWithdrawn, w.s.Consent(day(9), day(5), "newsletter").Status)
}

func TestTiesGoToTheDenial(t *testing.T) {
	w := newWorld(t).on(1).do(withdraw("newsletter"), give("newsletter"))
	require.Equal(t, subject.StatusWithdrawn, w.status("newsletter"))
}

func TestRenewalAfterAWithdrawalFoundLaterMeansNothing(t *testing.T) {
	w := newWorld(t).on(1).do(give("newsletter")).on(5).do(renew("newsletter")).on(9)
	late := withdraw("newsletter")
	late.At = day(3)
	w.do(late)
	require.Equal(t, subject.StatusWithdrawn, w.status("newsletter"))
}

func TestRenewingAnotherVersionIsRefused(t *testing.T) {
	w := newWorld(t).on(1).do(give("club")).on(250)
	c := renew("club")
	c.Version, c.Notice = 3, noticeOf("club", 3)
	w.refuses("consent.superseded", c)
}

func TestDenialsNeedNoPurposeInForce(t *testing.T) {
	w := newWorld(t).on(1).do(give("gone"), give("club")).on(310)
	w.then(withdraw("gone"), &subject.ConsentWithdrawn{Choice: choice("gone", false)})
	w.then(withdraw("club"), &subject.ConsentWithdrawn{Choice: choice("club", false)})
	w.then(revoke("club"), &subject.ConsentRevoked{Choice: subject.Choice{Purpose: "club", Version: 1, By: subject.Controller}})
	byGuardian := withdraw("club")
	byGuardian.By = subject.Guardian
	w.do(byGuardian)
	require.Equal(t, subject.StatusWithdrawn, w.status("club"))
}

func TestDoubleOptIn(t *testing.T) {
	w := newWorld(t).do(record("doi", "email", "a@b.de")).on(1)
	w.then(requestDOI(), &subject.ConsentRequested{Choice: choice("doi", true), DoubleOptIn: true, Contact: "email", Expires: day(8)})
	w.do(requestDOI())
	request, asked := w.last, w.s
	require.Equal(t, subject.StatusRequested, w.status("doi"))
	w.on(2)
	confirmed := &subject.ConsentConfirmed{
		Grant: subject.Grant{Choice: choice("doi", true), Class: subject.Proven}, Request: request, Contact: "email",
	}
	confirmed.Medium, confirmed.Method = subject.ByEmail, subject.LinkClick
	w.then(confirm(request), confirmed)

	cases := map[string]struct {
		code string
		with func()
	}{
		"a newer request":     {"consent.request_superseded", func() { w.do(requestDOI()) }},
		"a refusal":           {"consent.request_superseded", func() { w.do(refuse("doi")) }},
		"a deferral":          {"consent.request_superseded", func() { w.do(subject.DeferConsent{Said: subject.Said{Purpose: "doi"}}) }},
		"its end":             {"consent.request_expired", func() { w.on(8) }},
		"another address":     {"consent.contact_changed", func() { w.do(subject.RectifyFields{Items: record("", "email", "c@d.de").Items}) }},
		"the address removed": {"consent.contact_changed", func() { w.do(subject.RemoveField{Purpose: "doi", Field: "email"}) }},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			w.t, w.s = t, asked
			w.on(2)
			c.with()
			w.refuses(c.code, confirm(request))
		})
	}
	w.t, w.s = t, asked
	w.on(2)
	early := confirm(request)
	early.At = day(0)
	w.refuses("consent.confirm_backdated", early)

	w.do(confirm(request))
	require.Equal(t, subject.StatusGiven, w.status("doi"))
	w.then(confirm(request)) // a second click says nothing new
	w.do(withdraw("doi"))
	w.refuses("consent.request_superseded", confirm(request))
}

func TestChildren(t *testing.T) {
	guardian := func(c *subject.GiveConsent) { c.By, c.Guardian = subject.Guardian, text("a parent") }
	w := newWorld(t).on(1).do(child("2020-02-01"), give("app", guardian))
	require.Equal(t, subject.StatusGiven, w.status("app"))
	w.do(give("newsletter")) // not an online service
	w.on(60)
	require.Equal(t, subject.StatusGiven, w.status("app"), "the guardian's consent stays")
	w.refuses("consent.guardian_power", give("app", guardian))
	w.do(give("app"))

	w.env = func(e *subject.Env) { e.Opened = nil }
	w.refuses("consent.child", give("app")) // unopened, the recorded outcome counts
	w.env = func(e *subject.Env) { e.Opened = func(personal.Value) (string, bool) { return "", false } }
	w.refuses("consent.child", give("app"))
	w.env = nil
	w.do(subject.AssessAge{Outcome: subject.Adult, Rule: "DE"})
	w.env = func(e *subject.Env) { e.Opened = nil }
	w.do(give("app"))
}

func TestObjectionsTakeTheirCourse(t *testing.T) {
	w := newWorld(t).on(1).do(subject.Object{Scope: subject.ToProcessing, Purpose: "analytics"})
	objection := w.last
	state := func() subject.ObjectionState { return w.s.At(w.now, w.now).Objections[0].State }
	require.Equal(t, subject.Pending, state())
	grounds := subject.OverrideObjection{Objection: objection, Grounds: text("fraud")}
	bare := grounds
	bare.Grounds = personal.Value{}
	w.on(2).refuses("objection.grounds", bare)
	early := grounds
	early.At = day(0)
	w.refuses("objection.order", early)
	w.refuses("objection.order", subject.UpholdObjection{When: subject.When{At: day(0)}, Objection: objection})
	w.refuses("objection.order", subject.WithdrawObjection{When: subject.When{At: day(0)}, Objection: objection})
	w.do(grounds)
	require.Equal(t, subject.Overridden, state())
	w.on(3).refuses("objection.settled", grounds)
	w.do(subject.UpholdObjection{Objection: objection})
	require.Equal(t, subject.Upheld, state())
	w.then(subject.UpholdObjection{Objection: objection})
	w.on(4).do(subject.WithdrawObjection{Objection: objection})
	require.Equal(t, subject.TakenBack, state())
	w.refuses("objection.unknown", subject.WithdrawObjection{Objection: objection})

	for _, absolute := range []subject.Object{{Scope: subject.ToMarketing}, {Scope: subject.ToDisclosure}, {Scope: subject.ToProcessing, Channel: subject.Email}} {
		w.on(5).do(absolute)
		w.refuses("objection.absolute", subject.OverrideObjection{Objection: w.last, Grounds: text("profit")})
	}
}

func TestRestrictionsAndHolds(t *testing.T) {
	w := newWorld(t).on(1).do(restrict())
	w.then(restrict())
	require.True(t, w.s.At(w.now, w.now).Restricted())
	w.do(subject.Object{Scope: subject.ToMarketing}, hold("identity"), give("newsletter"))
	w.on(2).do(subject.LiftRestriction{Ground: subject.AccuracyContested, Informed: day(2)})
	require.False(t, w.s.At(w.now, w.now).Restricted())
	require.True(t, w.s.At(w.now, day(1)).Restricted())
	require.Len(t, w.s.At(w.now, w.now).Holds, 1)
	w.do(subject.ReleaseHold{Hold: domain.ID{7}})
	require.Empty(t, w.s.At(w.now, w.now).Holds)
}

func TestBases(t *testing.T) {
	w := newWorld(t).on(1).do(assertBasis("service", domain.Contract))
	require.Len(t, w.s.At(w.now, w.now).Bases, 1)
	w.on(2).do(subject.EndBasis{Purpose: "service", Basis: domain.Contract})
	require.Empty(t, w.s.At(w.now, w.now).Bases)
	require.Len(t, w.s.At(w.now, day(1)).Bases, 1)

	w.on(150).do(assertBasis("turned", domain.LegitimateInterests)) // nobody was ever asked: no switch
}

func TestLinks(t *testing.T) {
	other := tokenOf("b")
	propose := subject.ProposeLink{Other: other, Ground: subject.SameEmail}
	w := newWorld(t).on(1).do(propose)
	w.then(propose)
	w.do(subject.AcceptLink{Other: other})
	w.then(subject.AcceptLink{Other: other})
	w.then(propose)
	require.Equal(t, subject.LinkStanding, w.s.At(w.now, w.now).Links[0].State)
	w.do(subject.UndoLink{Other: other})
	w.then(subject.UndoLink{Other: other})
	require.Equal(t, subject.LinkGone, w.s.At(w.now, w.now).Links[0].State)
	w.do(subject.ProposeLink{Other: other, Ground: subject.ByOfficer})

	w.env = noOfficer
	w.do(restrict(), subject.AcceptLink{Other: other, Mirror: true}) // half a link would not bind
	require.Equal(t, subject.LinkStanding, w.s.At(w.now, w.now).Links[0].State)
	w.do(subject.UndoLink{Other: other, Mirror: true})
}

// Who turns out to be two people is not erased along: the link is undone after
// the erasure of both is called off, and not beside it.
func TestALinkIsNotUndoneUnderAnErasure(t *testing.T) {
	other := tokenOf("b")
	for name, along := range map[string]func(*subject.OrderErasure){
		"of both":    func(c *subject.OrderErasure) { c.Linked = []domain.Token{other} },
		"along with": func(c *subject.OrderErasure) { c.Of = other },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t).on(1).do(record("service", "name", "Jo"), subject.ProposeLink{Other: other, Ground: subject.SameEmail}, subject.AcceptLink{Other: other})
			w.do(everything(along, func(c *subject.OrderErasure) { c.Grace = 24 * time.Hour }))
			w.refuses("link.erasure", subject.UndoLink{Other: other})
			w.do(subject.CancelErasure{Erasure: erasureID, Along: true}, subject.UndoLink{Other: other})
		})
	}
}

func TestDisclosures(t *testing.T) {
	w := newWorld(t).on(1)
	w.then(subject.NoteDisclosure{Purpose: "service", Recipient: "mailer", Fields: []domain.Name{"name"}, Access: domain.ID{1}},
		&subject.Disclosed{Recipient: "mailer", Purpose: "service", Version: 1, Fields: []domain.Name{"name"}, Access: domain.ID{1}})
}

func TestDecidingSeveralTogether(t *testing.T) {
	env := subject.Env{Now: epoch, Catalogue: testCatalogue(t)}
	all, err := subject.DecideAll(nil, env,
		subject.Register{Acquired: subject.FromMigration, Jurisdiction: "FR"},
		record("service", "phone", "111"), record("service", "phone", "222"),
		subject.Object{When: subject.When{At: day(-9)}, Scope: subject.ToMarketing},
	)
	require.NoError(t, err)
	require.Len(t, all, 4)
	require.EqualValues(t, 1, all[2].Event.(*subject.FieldsRecorded).Items[0].Slot, "it saw the first number")
	require.Equal(t, day(-9), all[3].Effective)
	_, err = subject.DecideAll(nil, env, subject.Register{Acquired: subject.FromMigration, Jurisdiction: "FR"}, record("service", "vat", "x"))
	require.Error(t, err)
}

func TestCommandsAreFound(t *testing.T) {
	w := newWorld(t)
	for i, c := range []string{"one", "one", "two", "one"} {
		r := domain.Recorded{Stream: w.token.Stream(), Revision: uint64(i) + 1, Metadata: domain.Metadata{Command: digest(c)}}
		w.s = subject.Evolve(w.s, r)
	}
	first, last, ok := w.s.Command(digest("two"))
	require.True(t, ok)
	require.Equal(t, [2]uint64{3, 3}, [2]uint64{first, last})
	_, _, ok = w.s.Command(domain.Digest{})
	require.False(t, ok)
	_, _, ok = w.s.Command(digest("three"))
	require.False(t, ok)
	require.Equal(t, w.token, w.s.Token())
	require.EqualValues(t, 4, w.s.Revision())
}
