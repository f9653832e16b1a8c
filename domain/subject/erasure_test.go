package subject_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"lethe/domain"
	"lethe/domain/subject"
)

var erasureID = domain.ID{5}

func order(scope subject.Scope, change ...func(*subject.OrderErasure)) subject.OrderErasure {
	c := subject.OrderErasure{Erasure: erasureID, Scope: scope}
	for _, f := range change {
		f(&c)
	}
	return c
}

func everything(change ...func(*subject.OrderErasure)) subject.OrderErasure {
	return order(subject.Scope{Everything: true}, change...)
}

func groups(names ...domain.Name) subject.Scope { return subject.Scope{Groups: names} }

func (w *world) weigh(scope subject.Scope, ground subject.ErasureGround) map[domain.Name]subject.Weighed {
	found := map[domain.Name]subject.Weighed{}
	for _, g := range subject.Weigh(w.s, w.environment(), scope, ground) {
		require.NotContains(w.t, found, g.Group)
		found[g.Group] = g
	}
	return found
}

func evidence(years domain.Duration) func(*subject.Env) {
	return func(e *subject.Env) { e.EvidenceRetention = years }
}

// Each rule of Article 17 by a record that it decides.
func TestWeighing(t *testing.T) {
	type row struct {
		given  []subject.Command
		scope  subject.Scope
		ground subject.ErasureGround
		env    func(*subject.Env)
		want   subject.Weighed
	}
	asserted := func(p domain.Name, b domain.Basis) subject.Command {
		return subject.AssertBasis{Purpose: p, Basis: b, Reference: text("ref")}
	}
	ended := func(p domain.Name, b domain.Basis) subject.Command {
		return subject.EndBasis{Purpose: p, Basis: b}
	}
	contact, identity, billing := groups("contact"), groups("identity"), groups("billing")
	for name, r := range map[string]row{
		"consent stands": {
			given(give("newsletter"), record("newsletter", "email", "a@b.de")), contact, "", nil,
			subject.Weighed{Group: "contact", Outcome: subject.Refuse, Rule: subject.ConsentStands, Purpose: "newsletter", Until: day(1).AddDate(3, 0, 0)},
		},
		"consent withdrawn": {
			given(give("newsletter"), record("newsletter", "email", "a@b.de"), withdraw("newsletter")), contact, "", nil,
			subject.Weighed{Group: "contact", Outcome: subject.Erase, Ground: subject.ConsentGone},
		},
		"everything withdraws consent": {
			given(give("newsletter"), record("newsletter", "email", "a@b.de")),
			subject.Scope{Everything: true},
			"", nil,
			subject.Weighed{Group: "contact", Outcome: subject.Erase, Ground: subject.ConsentGone},
		},
		"a running contract is no exception but there is no ground": {
			given(asserted("service", domain.Contract), record("service", "name", "Jo")), identity, "", nil,
			subject.Weighed{Group: "identity", Outcome: subject.Refuse, Rule: subject.ContractRuns, Purpose: "service"},
		},
		"the contract has ended": {
			given(asserted("service", domain.Contract), record("service", "name", "Jo"), ended("service", domain.Contract)), identity, "", nil,
			subject.Weighed{Group: "identity", Outcome: subject.Erase, Ground: subject.NotNecessary},
		},
		"no basis rescues what is unlawful": {
			given(asserted("service", domain.Contract), record("service", "name", "Jo")), identity, subject.Unlawful, nil,
			subject.Weighed{Group: "identity", Outcome: subject.Erase, Ground: subject.Unlawful},
		},
		"a child's service data goes": {
			given(give("app"), record("app", "name", "Jo")), identity, subject.ChildService, nil,
			subject.Weighed{Group: "identity", Outcome: subject.Erase, Ground: subject.ChildService},
		},
		"a duty keeps even what is unlawful": {
			given(asserted("invoicing", domain.LegalObligation), record("invoicing", "vat", "DE1")), billing, subject.Unlawful, nil,
			subject.Weighed{Group: "billing", Outcome: subject.Keep, Rule: subject.KeptByLaw, Purpose: "invoicing", Until: day(1).AddDate(3, 0, 0)},
		},
		"the duty has ended": {
			given(asserted("invoicing", domain.LegalObligation), record("invoicing", "vat", "DE1")), billing, "",
			func(e *subject.Env) { e.Now = day(1).AddDate(3, 0, 0) },
			subject.Weighed{Group: "billing", Outcome: subject.Erase, Ground: subject.NotNecessary},
		},
		"claims": {
			given(asserted("claims", domain.LegitimateInterests), record("claims", "vat", "DE1")), billing, "", nil,
			subject.Weighed{Group: "billing", Outcome: subject.Keep, Rule: subject.KeptForClaims, Purpose: "claims", Until: day(1).AddDate(3, 0, 0)},
		},
		"legitimate interests give way": {
			given(asserted("analytics", domain.LegitimateInterests), record("analytics", "name", "Jo")), identity, "", nil,
			subject.Weighed{Group: "identity", Outcome: subject.Erase, Ground: subject.ObjectedTo},
		},
		"public task": {
			given(asserted("census", domain.PublicTask), record("census", "name", "Jo")), identity, "", nil,
			subject.Weighed{Group: "identity", Outcome: subject.Keep, Rule: subject.KeptByTask, Purpose: "census", Until: day(1).AddDate(3, 0, 0)},
		},
		"a hold": {
			given(record("service", "name", "Jo"), hold("identity")), identity, subject.Unlawful, nil,
			subject.Weighed{Group: "identity", Outcome: subject.Keep, Rule: subject.KeptByHold, Purpose: "claims", Hold: domain.ID{7}},
		},
		"a restriction of a linked record": {
			given(record("service", "name", "Jo")), identity, subject.Unlawful,
			func(e *subject.Env) { e.Restricted = true },
			subject.Weighed{Group: "identity", Outcome: subject.Refuse, Rule: subject.RestrictedByWish},
		},
		"a hold of a linked record": {
			given(record("service", "name", "Jo")), identity, "",
			func(e *subject.Env) {
				e.Outside = []subject.OutsideHold{{Hold: domain.ID{8}, Group: "identity", Purpose: "claims"}}
			},
			subject.Weighed{Group: "identity", Outcome: subject.Keep, Rule: subject.KeptByHold, Purpose: "claims", Hold: domain.ID{8}},
		},
		"the person wants it kept": {
			given(record("service", "name", "Jo"), subject.PlaceRestriction{Ground: subject.NeededForClaims}), identity, "", nil,
			subject.Weighed{Group: "identity", Outcome: subject.Refuse, Rule: subject.RestrictedByWish},
		},
		"nobody holds it any more": {
			given(record("service", "name", "Jo"), subject.RemoveField{Purpose: "service", Field: "name"}), identity, "", nil,
			subject.Weighed{Group: "identity", Outcome: subject.Erase, Ground: subject.NotNecessary},
		},
		"evidence outlives the consent": {
			given(give("newsletter"), withdraw("newsletter")), groups(domain.EvidenceGroup), "", evidence("P3Y"),
			subject.Weighed{Group: "evidence", Outcome: subject.Keep, Rule: subject.KeptAsEvidence, Until: day(2).AddDate(3, 0, 0)},
		},
		"there is no consent to show": {
			given(record("service", "name", "Jo")), groups(domain.EvidenceGroup), "", evidence("P3Y"),
			subject.Weighed{Group: "evidence", Outcome: subject.Trim, Ground: subject.NotNecessary},
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			for i, c := range r.given {
				w.on(i + 1)
				if name == "a duty keeps even what is unlawful" || name == "the duty has ended" || name == "claims" ||
					name == "public task" { // the value is collected on day 1
					w.on(1)
				}
				if name == "consent stands" {
					w.on(1)
				}
				w.do(c)
			}
			w.env = r.env
			require.Equal(t, r.want, w.weigh(r.scope, r.ground)[r.want.Group])
		})
	}
}

// What keeps a group's new values is nothing to those that they replaced:
// these go when all of it is asked for, unless they were kept for it as well.
func TestWhatWasReplacedGoesThoughTheGroupStays(t *testing.T) {
	w := newWorld(t).do(
		record("service", "name", "Old Name"), subject.RectifyFields{Items: record("", "name", "New Name").Items},
		subject.AssertBasis{Purpose: "census", Basis: domain.PublicTask, Reference: text("the statute")},
		record("census", "name", "New Name"))
	for _, scope := range []subject.Scope{{Everything: true}, groups("identity")} {
		weighed := w.weigh(scope, "")["identity"]
		require.Equal(t, subject.Trim, weighed.Outcome, "%+v", weighed)
		require.Empty(t, weighed.Values)
		require.Equal(t, subject.KeptByTask, weighed.Rule, "what stays says why")
	}
	w.do(subject.RectifyFields{Items: record("", "name", "Newer Name").Items})
	require.Equal(t, subject.Keep, w.weigh(groups("identity"), "")["identity"].Outcome, "the new name was kept for the task, too")
	require.Equal(t, subject.Keep, w.weigh(subject.Scope{Values: []subject.ValueRef{{Field: "name"}}}, "")["identity"].Outcome)
}

// Everything takes the place of a smaller order whose values go with it, or are
// held as they would be held for that one; not of one that goes further.
func TestEverythingTakesThePlaceOfWhatItCovers(t *testing.T) {
	phone := func(slot uint16) subject.Scope {
		return subject.Scope{Values: []subject.ValueRef{{Field: "phone", Slot: slot}}}
	}
	later := func(c *subject.OrderErasure) { c.Erasure, c.Grace = domain.ID{1}, 24*time.Hour }
	unlawful := func(c *subject.OrderErasure) { c.Ground = subject.Unlawful }
	person := func() *world { // the first number has been kept for more than three years, the other is needed
		return newWorld(t).on(1).do(record("service", "phone", "111")).on(800).do(record("service", "phone", "222")).
			on(1200).do(assertBasis("service", domain.Contract))
	}
	for name, held := range map[string][]subject.Command{
		"trimmed by both": nil,
		"held":            {hold("contact")},
	} {
		t.Run(name, func(t *testing.T) {
			w := person().do(order(phone(0), later)).do(held...).do(everything())
			e, _ := w.s.Erasure(domain.ID{1})
			require.Equal(t, subject.IsCancelled, e.State)
			e, _ = w.s.Erasure(erasureID)
			require.Equal(t, subject.IsOrdered, e.State)
		})
	}
	w := person().do(order(phone(1), later, unlawful))
	w.refuses("erasure.underway", everything())
}

// A documented override of an objection keeps what rests on the controller's
// interests; taking the objection back does not bring the override back.
func TestOverridingGroundsKeep(t *testing.T) {
	w := newWorld(t).on(1).do(
		subject.AssertBasis{Purpose: "analytics", Basis: domain.LegitimateInterests, Reference: text("ref")},
		record("analytics", "name", "Jo"), subject.Object{Scope: subject.ToProcessing})
	objection := w.last
	w.do(subject.OverrideObjection{Objection: objection, Grounds: text("compelling")})
	require.Equal(t, subject.GroundsOverride, w.weigh(groups("identity"), "")["identity"].Rule)
	w.on(2).do(subject.WithdrawObjection{Objection: objection})
	require.Equal(t, subject.Erase, w.weigh(groups("identity"), "")["identity"].Outcome)
}

// Invoices of one year go while those of another stay under the same key.
func TestSingleValuesOfAGroupThatStays(t *testing.T) {
	w := newWorld(t).on(1).do(record("service", "phone", "111"))
	w.on(800).do(record("service", "phone", "222"))
	w.on(1200) // the first has been kept for more than three years
	w.env = func(e *subject.Env) {
		e.Keys = []subject.LiveKey{
			{KeyRef: subject.KeyRef{Group: "contact", Generation: 1, Key: domain.ID{1}}},
			{KeyRef: subject.KeyRef{Group: "contact", Generation: 2, Key: domain.ID{2}}, Newest: true},
		}
	}
	w.do(subject.AssertBasis{Purpose: "service", Basis: domain.Contract, Reference: text("ref")})
	scope := subject.Scope{Values: []subject.ValueRef{{Field: "phone"}}}
	weighed := w.weigh(scope, "")["contact"]
	require.Equal(t, subject.Trim, weighed.Outcome)
	require.Equal(t, []subject.ValueRef{{Field: "phone"}}, weighed.Values)

	w.do(order(scope), subject.StartErasure{Erasure: erasureID})
	e, _ := w.s.Erasure(erasureID)
	require.Equal(t, []subject.KeyRef{{Group: "contact", Generation: 1, Key: domain.ID{1}}}, e.Started.Keys)
	fields := w.s.At(w.now, w.now).Fields
	require.Len(t, fields, 1)
	require.EqualValues(t, 1, fields[0].Slot)
	kept, ok := fields[0].Value.Reveal()
	require.True(t, ok)
	require.Equal(t, "222", kept)
	require.Equal(t, []domain.Name{"service"}, fields[0].Purposes)
	require.Equal(t, day(800), fields[0].At.Effective, "it is as old as it was")
	require.Empty(t, w.s.Closed(time.Time{}), "the group stays in use")
	w.do(record("service", "phone", "333"))
}

func TestSupersededValuesGo(t *testing.T) {
	w := newWorld(t).do(record("service", "email", "old@b.de"), subject.RectifyFields{Items: record("", "email", "new@b.de").Items})
	w.do(order(subject.Scope{Superseded: []domain.Name{"contact"}}, func(c *subject.OrderErasure) { c.Cause = subject.OnRectification }))
	w.do(subject.StartErasure{Erasure: erasureID})
	fields := w.s.At(w.now, w.now).Fields
	require.Len(t, fields, 1)
	now, _ := fields[0].Value.Reveal()
	require.Equal(t, "new@b.de", now)
	resealed := w.s.Entries()[w.s.Next()-2].Event.(*subject.ValuesResealed)
	require.Len(t, resealed.Items, 1)
	require.Empty(t, resealed.Dropped)
}

func TestLifeOfAnErasure(t *testing.T) {
	w := newWorld(t).on(1).do(give("newsletter"), record("newsletter", "email", "a@b.de"), record("service", "name", "Jo"))
	w.env = func(e *subject.Env) {
		e.EvidenceRetention = "P3Y"
		e.Keys = []subject.LiveKey{
			{KeyRef: subject.KeyRef{Group: "contact", Generation: 1, Key: domain.ID{1}}, Newest: true},
			{KeyRef: subject.KeyRef{Group: "evidence", Generation: 1, Key: domain.ID{2}}, Newest: true},
			{KeyRef: subject.KeyRef{Group: "identity", Generation: 1, Key: domain.ID{3}}, Newest: true},
		}
	}
	w.do(everything(func(c *subject.OrderErasure) { c.Grace = 48 * time.Hour }))
	require.Equal(t, subject.StatusWithdrawn, w.status("newsletter"))
	require.Len(t, w.s.At(w.now, w.now).Objections, 1)
	require.Equal(t, map[domain.Name]bool{"contact": true, "identity": true, "record": true}, w.s.Closed(time.Time{}))
	require.Empty(t, w.s.Closed(day(0)), "as known before")

	w.refuses("group.erased", record("service", "email", "canary@b.de"))
	w.refuses("erasure.underway", order(groups("contact"), func(c *subject.OrderErasure) { c.Erasure = domain.ID{6} }))
	w.refuses("erasure.exists", everything())
	w.refuses("erasure.not_due", subject.StartErasure{Erasure: erasureID})
	w.refuses("erasure.unknown", subject.StartErasure{Erasure: domain.ID{9}})
	w.refuses("erasure.ordered", subject.CompleteErasure{Completed: subject.ErasureCompleted{Erasure: erasureID}})
	w.refuses("erasure.underway", subject.OpenLifecycle{})
	w.do(withdraw("newsletter")) // always taken

	w.on(2).do(hold("identity")) // before it has started a hold wins
	w.on(3).do(subject.StartErasure{Erasure: erasureID})
	e, ok := w.s.Erasure(erasureID)
	require.True(t, ok)
	require.Equal(t, subject.IsStarted, e.State)
	require.Equal(t, []subject.KeyRef{{Group: "contact", Generation: 1, Key: domain.ID{1}}}, e.Started.Keys)
	require.Equal(t, map[domain.Name]bool{"contact": true, "record": true}, w.s.Closed(time.Time{}))

	w.refuses("hold.forbids", subject.RemoveField{Purpose: "service", Field: "name"})
	w.refuses("erasure.started", subject.CancelErasure{Erasure: erasureID})
	w.refuses("erasure.underway", subject.ProposeLink{Other: tokenOf("b"), Ground: subject.ByOfficer})
	other := hold("contact")
	other.Hold = domain.ID{8}
	w.refuses("group.erased", other)

	done := subject.ErasureCompleted{Erasure: erasureID, Sinks: []subject.SinkConfirmed{{Sink: "keys", Guarantee: subject.Destroyed, At: w.now}}}
	_, err := w.decide(subject.CompleteErasure{Completed: done})
	require.Error(t, err, "a key is missing from it")
	done.Keys = []subject.KeyDestroyed{{KeyRef: e.Started.Keys[0], At: w.now}}
	w.do(subject.CompleteErasure{Completed: done})
	w.then(subject.CompleteErasure{Completed: done})

	waiting := w.s.Waiting()
	require.Len(t, waiting, 2)
	require.Equal(t, domain.Name("evidence"), waiting[0].Group)
	require.Equal(t, subject.KeptByHold, waiting[1].Rule)

	w.do(subject.ReleaseHold{Hold: domain.ID{7}})
	w.do(order(groups("identity"), func(c *subject.OrderErasure) {
		c.Erasure, c.Cause, c.Follows = domain.ID{6}, subject.OnRelease, erasureID
	}))
	require.Len(t, w.s.Waiting(), 1, "what is ordered waits no more")
	w.do(subject.StartErasure{Erasure: domain.ID{6}})
}

func TestANewLifecycle(t *testing.T) {
	w := newWorld(t).on(1).do(record("service", "email", "a@b.de"))
	w.refuses("lifecycle.open", subject.OpenLifecycle{})
	w.do(everything(), subject.StartErasure{Erasure: erasureID})
	w.do(subject.CompleteErasure{Completed: subject.ErasureCompleted{Erasure: erasureID, Sinks: []subject.SinkConfirmed{{Sink: "keys", Guarantee: subject.Destroyed}}}})
	w.refuses("group.erased", record("service", "email", "canary@b.de"))
	w.env = noOfficer
	w.refuses("officer.required", subject.OpenLifecycle{})
	w.env = nil
	require.EqualValues(t, 1, w.s.Lifecycle())
	w.do(subject.OpenLifecycle{Reason: text("came back")})
	require.EqualValues(t, 2, w.s.Lifecycle())
	require.Empty(t, w.s.Closed(time.Time{}))
	w.do(record("service", "email", "again@b.de"))
	w.refuses("lifecycle.open", subject.OpenLifecycle{})
}

func TestACancelledErasure(t *testing.T) {
	w := newWorld(t).do(record("service", "email", "a@b.de"), everything(func(c *subject.OrderErasure) { c.Grace = time.Hour }))
	w.do(subject.CancelErasure{Erasure: erasureID})
	w.then(subject.CancelErasure{Erasure: erasureID})
	require.Empty(t, w.s.Closed(time.Time{}))
	w.refuses("erasure.cancelled", subject.StartErasure{Erasure: erasureID})
	w.do(record("service", "email", "b@b.de"))
}

// An order of groups of which nothing may go when it is due stops.
func TestAStoppedErasure(t *testing.T) {
	w := newWorld(t).do(record("service", "name", "Jo"), order(groups("identity"), func(c *subject.OrderErasure) { c.Grace = time.Hour }), hold("identity"))
	w.on(1).do(subject.StartErasure{Erasure: erasureID})
	e, _ := w.s.Erasure(erasureID)
	require.Equal(t, subject.IsStopped, e.State)
	require.Empty(t, w.s.Closed(time.Time{}))
	require.Len(t, w.s.Waiting(), 1)
}

func TestRefusedOrders(t *testing.T) {
	kept := given(record("service", "name", "Jo"), hold("identity"))
	contract := given(subject.AssertBasis{Purpose: "service", Basis: domain.Contract, Reference: text("r")}, record("service", "name", "Jo"))
	for name, r := range map[string]refusal{
		"no scope":      {nil, order(subject.Scope{}), "erasure.scope", "GDPR 17", nil},
		"two scopes":    {nil, order(subject.Scope{Everything: true, Groups: []domain.Name{"contact"}}), "erasure.scope", "GDPR 17", nil},
		"unknown group": {nil, order(groups("nothing")), "erasure.group", "", nil},
		"unknown value": {nil, order(subject.Scope{Values: []subject.ValueRef{{Field: "name"}}}), "field.absent", "", nil},
		"ground":        {nil, everything(func(c *subject.OrderErasure) { c.Ground = "because" }), "erasure.ground", "GDPR 17(1)", nil},
		"cause":         {nil, everything(func(c *subject.OrderErasure) { c.Cause = "whim" }), "erasure.cause", "GDPR 17", nil},
		"grace":         {nil, everything(func(c *subject.OrderErasure) { c.Grace = 31 * 24 * time.Hour }), "erasure.grace", "GDPR 12(3)", nil},
		"no ID":         {nil, everything(func(c *subject.OrderErasure) { c.Erasure = domain.ID{} }), "erasure.id", "", nil},
		"kept":          {kept, order(groups("identity")), "erasure.kept", "GDPR 17(3)", nil},
		"no ground":     {contract, order(groups("identity")), "erasure.no_ground", "GDPR 17(1)", nil},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t).do(r.given...)
			require.Equal(t, r.source, w.refuses(r.code, r.when).Source)
		})
	}
}

// What an erasure closes no purpose may use, and what it does not close may
// still be used.
func TestMayProcessUnderAnErasure(t *testing.T) {
	w := newWorld(t).on(1).do(
		subject.AssertBasis{Purpose: "service", Basis: domain.Contract, Reference: text("r")},
		record("service", "name", "Jo", "email", "a@b.de"))
	ask := func() subject.Answer {
		return subject.MayProcess(w.cat, []subject.Record{{State: w.s}}, subject.Question{Purpose: "service", Operation: "use", At: w.now})
	}
	require.True(t, ask().Allowed)
	w.do(order(groups("contact"), func(c *subject.OrderErasure) { c.Ground = subject.Unlawful; c.Grace = time.Hour }))
	require.False(t, ask().Allowed)
	require.Equal(t, subject.RuleUnknown, ask().Row)
	w.do(subject.CancelErasure{Erasure: erasureID})
	require.True(t, ask().Allowed)
}

// A hold from before the start that is seen only after it takes the start
// back: nothing was destroyed, and nothing stays closed.
func TestAHoldThatIsSeenAfterTheStart(t *testing.T) {
	w := newWorld(t).do(record("service", "name", "Jo"), order(groups("identity")), subject.StartErasure{Erasure: erasureID})
	require.True(t, w.s.Closed(time.Time{})["identity"])
	w.env = func(e *subject.Env) {
		e.Outside = []subject.OutsideHold{{Hold: domain.ID{8}, Group: "identity", Purpose: "claims"}}
	}
	w.do(subject.StopErasure{Erasure: erasureID})
	e, _ := w.s.Erasure(erasureID)
	require.Equal(t, subject.IsStopped, e.State)
	require.Equal(t, subject.KeptByHold, e.Groups()[0].Rule)
	require.Empty(t, w.s.Closed(time.Time{}))
	w.do(record("service", "name", "Jo again"))
	w.refuses("erasure.stopped", subject.StopErasure{Erasure: erasureID})
}
