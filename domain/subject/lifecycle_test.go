package subject_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"lethe/domain"
	"lethe/domain/access"
	"lethe/domain/personal"
	"lethe/domain/subject"
)

// erased carries an order of everything through to its end.
func (w *world) erased(id byte, change ...func(*subject.OrderErasure)) *world {
	w.t.Helper()
	w.do(everything(append(change, func(c *subject.OrderErasure) { c.Erasure = domain.ID{id} })...))
	return w.carriedOut(domain.ID{id})
}

func (w *world) carriedOut(id domain.ID) *world {
	w.t.Helper()
	w.do(subject.StartErasure{Erasure: id})
	e, _ := w.s.Erasure(id)
	if e.State == subject.IsStopped {
		return w
	}
	done := subject.ErasureCompleted{Erasure: id, Sinks: []subject.SinkConfirmed{{Sink: "keys", Guarantee: subject.Destroyed, At: w.now}}}
	for _, k := range e.Started.Keys {
		done.Keys = append(done.Keys, subject.KeyDestroyed{KeyRef: k, At: w.now})
	}
	return w.do(subject.CompleteErasure{Completed: done})
}

// requeued orders what waits as far as it may go, as the process does.
func (w *world) requeued(of, id domain.ID) *world {
	w.t.Helper()
	var groups []domain.Name
	for _, x := range w.s.Waiting() {
		if x.Erasure == of {
			groups = append(groups, x.Group)
		}
	}
	var free []domain.Name
	for _, g := range w.weigh(w.s.ScopeOfWaiting(of, groups), "") {
		if g.Outcome == subject.Erase || g.Outcome == subject.Trim {
			free = append(free, g.Group)
		}
	}
	w.do(order(w.s.ScopeOfWaiting(of, free), func(c *subject.OrderErasure) {
		c.Erasure, c.Cause, c.Follows = id, subject.OnRelease, of
	}))
	return w.carriedOut(id)
}

// values are the live ones by field, slot and lifecycle.
func (w *world) values() map[subject.ValueRef]string {
	all := map[subject.ValueRef]string{}
	for _, f := range w.s.At(time.Time{}, time.Time{}).Fields {
		all[f.Ref()], _ = f.Value.Reveal()
	}
	return all
}

type places map[subject.ValueRef]string

func (w *world) mayUse(purpose domain.Name, fields ...domain.Name) bool {
	return subject.MayProcess(w.cat, []subject.Record{{State: w.s}}, subject.Question{
		Purpose: purpose, Operation: "use", At: w.now, Fields: fields,
	}).Allowed
}

func contract(purpose domain.Name) subject.Command {
	return subject.AssertBasis{Purpose: purpose, Basis: domain.Contract, Reference: text("contract 7")}
}

func endContract(purpose domain.Name) subject.Command {
	return subject.EndBasis{Purpose: purpose, Basis: domain.Contract}
}

// What was erased is no value of the lifecycle that came after it: it is not
// listed, not weighed and not sealed again.
func TestErasedValuesAreNotOfTheNewLifecycle(t *testing.T) {
	w := newWorld(t).on(1).do(record("service", "email", "old@b.de", "phone", "111")).erased(1)
	w.do(subject.OpenLifecycle{})
	require.Empty(t, w.values())
	w.do(record("service", "email", "new@b.de", "phone", "222"))
	require.Equal(t, places{{Field: "email"}: "new@b.de", {Field: "phone", Slot: 1}: "222"}, places(w.values()))
	require.Equal(t, []domain.Name{"service"}, w.s.At(w.now, w.now).Fields[0].Purposes)

	w.do(subject.RectifyFields{Items: record("", "email", "newer@b.de").Items})
	w.env = func(e *subject.Env) { // what was erased does not open
		open := e.Opened
		e.Opened = func(v personal.Value) (string, bool) {
			if s, _ := v.Reveal(); s == "old@b.de" || s == "111" {
				return "", false
			}
			return open(v)
		}
	}
	w.do(order(subject.Scope{Superseded: []domain.Name{"contact"}}, func(c *subject.OrderErasure) { c.Erasure = domain.ID{2} })).carriedOut(domain.ID{2})
	require.Len(t, w.values(), 2)
}

// A hold outlasts a lifecycle. What came since is used as ever, and stays when
// the hold is released: what it had kept goes alone.
func TestAHoldOverANewLifecycle(t *testing.T) {
	w := newWorld(t).on(1).do(record("service", "email", "old@b.de", "phone", "111"), hold("contact")).erased(1)
	w.do(subject.OpenLifecycle{}, contract("service"))
	require.False(t, w.mayUse("service", "email"), "there is only what is held")
	w.on(2).do(record("service", "email", "new@b.de"))
	require.Equal(t, places{
		{Field: "email", Lifecycle: 1}: "old@b.de", {Field: "email"}: "new@b.de", {Field: "phone", Lifecycle: 1}: "111",
	}, places(w.values()))
	require.True(t, w.mayUse("service", "email"))
	require.False(t, w.mayUse("service", "phone"))
	snap := w.s.At(w.now, w.now)
	for _, f := range snap.Fields {
		require.Equal(t, f.Earlier == 0 || f.Field == "phone", snap.Opens(w.cat, &f, "service"))
		require.True(t, snap.Opens(w.cat, &f, "claims"), "whom it is held for")
	}
	waiting := w.s.Waiting()
	require.Len(t, waiting, 2, "the group, and on whose authority")
	require.True(t, waiting[0].Earlier)

	w.do(subject.ReleaseHold{Hold: domain.ID{7}}, endContract("service")).requeued(domain.ID{1}, domain.ID{2})
	require.Equal(t, places{{Field: "email"}: "new@b.de"}, places(w.values()))
	require.Empty(t, w.s.Closed(time.Time{}), "the group stays open")
	require.Empty(t, w.s.Waiting())
	e, _ := w.s.Erasure(domain.ID{2})
	require.Equal(t, subject.Trim, e.Started.Groups[0].Outcome)
	w.do(record("service", "email", "newer@b.de"))
}

// A duty outlasts a lifecycle too: a value that took another one's place does
// not let that go before its day.
func TestADutyOverANewLifecycle(t *testing.T) {
	w := newWorld(t).on(1).do(record("invoicing", "vat", "DE1")).erased(1)
	w.do(subject.OpenLifecycle{})
	w.on(100).do(record("invoicing", "vat", "DE2"))
	require.Equal(t, subject.Keep, w.weigh(w.s.ScopeOfWaiting(domain.ID{1}, []domain.Name{"billing"}), "")["billing"].Outcome)
	w.now = day(1).AddDate(3, 0, 0)
	w.requeued(domain.ID{1}, domain.ID{2})
	require.Equal(t, places{{Field: "vat"}: "DE2"}, places(w.values()))
}

// What is erased a second time under the same hold goes whole when it ends.
func TestTwoLifecyclesUnderOneHold(t *testing.T) {
	w := newWorld(t).on(1).do(record("service", "email", "one@b.de"), hold("contact")).erased(1)
	w.do(subject.OpenLifecycle{}, record("service", "email", "two@b.de")).erased(2)
	require.False(t, w.s.Waiting()[0].Earlier)
	w.do(subject.OpenLifecycle{}, record("service", "email", "three@b.de"))
	require.Equal(t, places{
		{Field: "email", Lifecycle: 1}: "one@b.de", {Field: "email", Lifecycle: 2}: "two@b.de", {Field: "email"}: "three@b.de",
	}, places(w.values()))
	w.do(subject.ReleaseHold{Hold: domain.ID{7}}).requeued(domain.ID{2}, domain.ID{3})
	require.Equal(t, places{{Field: "email"}: "three@b.de"}, places(w.values()))
}

// A hold that is placed while the rest of an earlier lifecycle is about to go
// keeps that, and no more of what is new than any hold.
func TestAHoldThatStopsTheRestOfAnEarlierLifecycle(t *testing.T) {
	w := newWorld(t).on(1).do(record("service", "email", "one@b.de"), hold("contact")).erased(1)
	w.do(subject.OpenLifecycle{}, record("service", "email", "two@b.de"), subject.ReleaseHold{Hold: domain.ID{7}})
	w.do(order(w.s.ScopeOfWaiting(domain.ID{1}, []domain.Name{"contact"}), func(c *subject.OrderErasure) {
		c.Erasure, c.Cause, c.Follows = domain.ID{2}, subject.OnRelease, domain.ID{1}
	}))
	again := hold("contact")
	again.Hold = domain.ID{8}
	w.do(again, subject.StartErasure{Erasure: domain.ID{2}})
	require.True(t, w.s.Waiting()[0].Earlier)
	w.do(subject.ReleaseHold{Hold: domain.ID{8}}).requeued(domain.ID{2}, domain.ID{3})
	require.Equal(t, places{{Field: "email"}: "two@b.de"}, places(w.values()))
}

// What the person asked to be kept waits for the lifting. An erasure of which
// nothing goes has stopped, also one of everything, and the withdrawal stands.
func TestARestrictionKeepsUntilItIsLifted(t *testing.T) {
	w := newWorld(t).on(1).do(give("newsletter"), record("newsletter", "email", "a@b.de"),
		subject.PlaceRestriction{Ground: subject.NeededForClaims})
	w.env = evidence("P3Y")
	w.erased(1)
	e, _ := w.s.Erasure(domain.ID{1})
	require.Equal(t, subject.IsStopped, e.State)
	require.Equal(t, subject.StatusWithdrawn, w.status("newsletter"))
	require.Empty(t, w.s.Closed(time.Time{}))
	require.Len(t, w.s.Waiting(), len(e.Groups()))
	scope := w.s.ScopeOfWaiting(domain.ID{1}, []domain.Name{"contact"})
	require.Equal(t, subject.Scope{Everything: true}, scope, "it is ordered as it was")
	require.Equal(t, subject.RestrictedByWish, w.weigh(scope, "")["contact"].Rule)

	w.on(2).do(subject.LiftRestriction{Ground: subject.NeededForClaims, Informed: w.now}).requeued(domain.ID{1}, domain.ID{2})
	e, _ = w.s.Erasure(domain.ID{2})
	require.Equal(t, subject.IsCompleted, e.State)
	require.True(t, e.Ordered.Everything)
	require.True(t, w.s.Closed(time.Time{})["contact"])
}

// What was agreed since is not withdrawn by what was ordered before.
func TestConsentSinceAStoppedErasureStands(t *testing.T) {
	w := newWorld(t).on(1).do(record("service", "name", "Jo", "email", "a@b.de"), subject.PlaceRestriction{Ground: subject.NeededForClaims}).erased(1)
	w.on(2).do(give("newsletter"))
	w.on(3).do(subject.LiftRestriction{Ground: subject.NeededForClaims, Informed: w.now}).requeued(domain.ID{1}, domain.ID{2})
	require.Equal(t, subject.StatusGiven, w.status("newsletter"))
	require.True(t, w.s.Closed(time.Time{})["identity"])
}

// An order of superseded values of a group that has none is refused.
func TestNothingIsSuperseded(t *testing.T) {
	superseded := func(id byte) subject.OrderErasure {
		return order(subject.Scope{Superseded: []domain.Name{"contact"}}, func(c *subject.OrderErasure) { c.Erasure = domain.ID{id} })
	}
	w := newWorld(t)
	w.refuses("erasure.nothing", superseded(1))
	w.do(record("service", "email", "old@b.de"))
	w.refuses("erasure.nothing", superseded(1))
	w.do(subject.RectifyFields{Items: record("", "email", "new@b.de").Items}, superseded(1)).carriedOut(domain.ID{1})
	w.refuses("erasure.nothing", superseded(2))
	w.do(subject.RemoveField{Purpose: "service", Field: "email"}, superseded(2)).carriedOut(domain.ID{2})
	w.refuses("erasure.nothing", superseded(3))
}

// Of a record of which everything went nothing is recorded, asked or asserted
// before an officer opens a new lifecycle, also where a group had to stay. Saying
// no is always taken, and so is what a contract or a duty that stands goes on with.
func TestAnErasedRecordTakesNothingNew(t *testing.T) {
	w := newWorld(t).on(1).do(give("newsletter"), record("newsletter", "email", "a@b.de"), record("analytics", "name", "Jo"),
		contract("service"), record("service", "phone", "111"), hold("identity"))
	w.do(everything(func(c *subject.OrderErasure) { c.Grace = time.Hour }))
	news := []subject.Command{
		record("analytics", "name", "Joe"), give("newsletter"), give("club"),
		subject.RequestConsent{Said: said("newsletter", 1)},
		subject.DeferConsent{Said: said("newsletter", 1)},
		subject.AssertBasis{Purpose: "analytics", Basis: domain.LegitimateInterests, Reference: text("test")},
		subject.RenewConsent{Granting: subject.Granting{Said: said("newsletter", 1)}},
		subject.AssessAge{Outcome: subject.Adult, Rule: "DE"},
	}
	refused := func() {
		for _, c := range news {
			e := w.refuses("group.erased", c)
			require.Equal(t, domain.KindGone, e.Kind)
			require.Contains(t, e.Message, "new lifecycle", "%T", c)
		}
		w.do(withdraw("newsletter"), subject.RefuseConsent{Said: said("club", 1)}, subject.Object{Scope: subject.ToProcessing})
		w.do(record("service", "phone", "222"))
	}
	refused()
	w.on(2).carriedOut(erasureID)
	e, _ := w.s.Erasure(erasureID)
	require.Equal(t, subject.IsCompleted, e.State)
	refused()
	w.do(endContract("service")).refuses("group.erased", record("service", "phone", "333"))
	w.do(subject.OpenLifecycle{}, record("service", "phone", "333"), give("newsletter"), record("analytics", "name", "Joe"))
}

// What is refused for a field that only an earlier lifecycle has, or that a
// linked record closed, names the field, the record, and what is given.
func TestARefusalNamesWhatIsShut(t *testing.T) {
	w := newWorld(t).on(1).do(record("service", "name", "Old", "email", "old@b.de"), hold("identity")).erased(1)
	w.do(subject.OpenLifecycle{}, contract("service")).on(2).do(record("service", "email", "new@b.de"))
	a := w.ask(subject.Question{Purpose: "service", Operation: "use", Fields: []domain.Name{"email", "name"}})
	require.False(t, a.Allowed)
	require.Equal(t, access.RuleKept, a.Reason)
	require.Equal(t, []domain.Name{"name"}, a.Closed)
	require.Equal(t, "name: kept for another purpose alone; other fields are given when they are named (--fields, fields=): email", a.Message)
	snap := w.s.At(w.now, w.now)
	for _, f := range snap.Fields {
		require.Equal(t, f.Earlier == 0, snap.Finds(w.cat, &f, "service"), "by %s", f.Field)
		require.True(t, snap.Finds(w.cat, &f, "claims"))
	}

	other := newWorld(t).on(1).do(record("service", "email", "x@b.de")).erased(1)
	a = w.ask(subject.Question{Purpose: "service", Operation: "use", Fields: []domain.Name{"email"}}, subject.Record{State: other.s, Linked: true})
	require.Equal(t, access.RuleErased, a.Reason)
	require.Contains(t, a.Message, "email: erased, or about to be; the linked record "+string(other.s.Token())+" is closed and binds this one")
}
