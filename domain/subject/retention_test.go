package subject_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"lethe/domain"
	"lethe/domain/catalogue"
	"lethe/domain/subject"
)

func (w *world) overdue() []subject.Expired { return subject.Overdue(w.s, w.environment()) }

// places are what is overdue, shortly; what stays has its rule behind it.
func (w *world) places() []string {
	list := []string{}
	for _, x := range w.overdue() {
		at := string(x.Group)
		if x.Field != "" {
			at += "/" + string(x.Field) + string(rune('0'+x.Slot))
		}
		if x.Stays != "" {
			at += " " + string(x.Stays)
		}
		list = append(list, at)
	}
	return list
}

// retain orders and starts what is overdue, as a run of retention does.
func (w *world) retain(id byte) {
	w.t.Helper()
	scope := subject.ScopeOf(w.overdue())
	require.False(w.t, scope.Empty())
	w.do(subject.OrderErasure{Erasure: domain.ID{id}, Cause: subject.OnRetention, By: subject.Controller, Scope: scope},
		subject.StartErasure{Erasure: domain.ID{id}})
	e, ok := w.s.Erasure(domain.ID{id})
	require.True(w.t, ok)
	require.Equal(w.t, subject.IsStarted, e.State)
	w.do(subject.CompleteErasure{Completed: subject.ErasureCompleted{
		Erasure: domain.ID{id}, Sinks: []subject.SinkConfirmed{{Sink: "x", Guarantee: subject.Destroyed}},
	}})
}

func years(n int) int { return n*366 + 1 }

func TestWhatIsOverdue(t *testing.T) {
	w := newWorld(t).on(1).do(record("service", "name", "Jo"), record("invoicing", "vat", "DE1"), record("analytics", "name", "Jo"))
	require.Empty(t, w.overdue())
	require.Empty(t, w.on(1000).overdue())
	w.on(1000).do(record("service", "email", "jo@example.org"))
	w.on(years(3))
	require.Equal(t, []string{"billing/vat0", "identity/name0"}, w.places())
	x := w.overdue()[0]
	require.Equal(t, subject.Expired{
		Group: "billing", Field: "vat", Purpose: "invoicing", Retention: "P3Y", From: catalogue.FromCollection, Since: day(1).AddDate(3, 0, 0),
	}, x)
	require.Equal(t, subject.Scope{Ended: true, Values: []subject.ValueRef{{Field: "vat"}, {Field: "name"}}}, subject.ScopeOf(w.overdue()))

	// One purpose that still needs it keeps a value, whatever it rests on.
	w.do(record("claims", "name", "Jo"))
	require.Equal(t, []string{"billing/vat0"}, w.places())
}

// Invoices of 2018, not of 2025: the group stays open, and nothing is overdue twice.
func TestRetentionInsideAGroup(t *testing.T) {
	w := newWorld(t).on(1).do(record("service", "phone", "+4930111111"))
	w.on(900).do(record("service", "phone", "+4930222222"))
	w.on(years(3)).retain(1)
	e, _ := w.s.Erasure(domain.ID{1})
	require.Equal(t, []subject.Weighed{{
		Group: "contact", Outcome: subject.Trim, Ground: subject.NotNecessary, Values: []subject.ValueRef{{Field: "phone"}},
	}}, stripped(e.Started.Groups))
	require.Empty(t, w.overdue())
	fields := w.s.At(w.now, w.now).Fields
	require.Len(t, fields, 1)
	require.EqualValues(t, 1, fields[0].Slot)

	// The last one goes too, and the group is open for the next.
	w.on(years(6)).retain(2)
	require.Empty(t, w.s.At(w.now, w.now).Fields)
	require.Empty(t, w.s.Closed(time.Time{}))
	require.Empty(t, w.overdue())
	w.do(record("service", "phone", "+4930333333"))
	require.Empty(t, w.overdue())
}

func stripped(groups []subject.Weighed) []subject.Weighed {
	var list []subject.Weighed
	for _, g := range groups {
		g.Rule, g.Purpose, g.Until = "", "", time.Time{}
		list = append(list, g)
	}
	return list
}

// When nothing is held or agreed any more, where the record came from and the
// evidence go as well, the latter at the end of limitation.
func TestRetentionOfTheRecordItself(t *testing.T) {
	w := &world{t: t, cat: testCatalogue(t), token: tokenOf("a"), now: day(0)}
	w.env = evidence("P5Y")
	w.do(subject.Register{Acquired: subject.FromPerson, Jurisdiction: "DE", Row: text("row 17"), Source: subject.Source{System: "shop"}})
	require.Empty(t, w.overdue(), "it was opened just now")
	w.on(1).do(record("service", "name", "Jo"), give("newsletter", func(c *subject.GiveConsent) { c.Evidence = text("form 7") }))
	w.on(years(4))
	require.Equal(t, []string{"identity/name0", "record"}, w.places(), "the consent has expired")
	w.retain(1)
	require.Empty(t, w.overdue())
	w.on(years(6))
	require.Equal(t, []string{"evidence"}, w.places())
	require.Equal(t, domain.Duration("P5Y"), w.overdue()[0].Retention)
	w.retain(2)
	require.Empty(t, w.overdue(), "once")
	require.Empty(t, w.on(years(20)).overdue())
}

func TestEvidenceOfWhatStandsStays(t *testing.T) {
	w := newWorld(t).on(1).do(give("club", func(c *subject.GiveConsent) { c.Evidence = text("form 7") }))
	w.env = evidence("P3Y")
	w.on(years(10))
	require.Empty(t, w.overdue())
	got := w.weigh(groups(domain.EvidenceGroup), "")[domain.EvidenceGroup]
	require.Equal(t, subject.Weighed{Group: domain.EvidenceGroup, Outcome: subject.Keep, Rule: subject.KeptAsEvidence}, got)
	w.do(withdraw("club"))
	require.Equal(t, w.now.AddDate(3, 0, 0), w.weigh(groups(domain.EvidenceGroup), "")[domain.EvidenceGroup].Until)
}

// What was removed is held by nobody and goes; what was replaced in a group
// that holds values goes with the group's next key.
func TestWhatIsLeftOfAGroup(t *testing.T) {
	w := newWorld(t).on(1).do(record("service", "name", "Jo"), record("service", "email", "a@b.de"))
	w.on(2).do(subject.RemoveField{Purpose: "service", Field: "email"})
	require.Equal(t, []string{"contact"}, w.places())
	require.Equal(t, day(2), w.overdue()[0].Since)
	w.retain(1)
	require.Empty(t, w.overdue())
	w.do(record("service", "email", "a@b.de"))
	require.Empty(t, w.overdue())
	w.do(subject.RemoveField{Purpose: "service", Field: "email"})
	require.Equal(t, []string{"contact"}, w.places(), "and again")
}

func TestRetentionGivesWay(t *testing.T) {
	w := newWorld(t).on(1).do(record("service", "name", "Jo", "email", "a@b.de"))
	w.on(years(3)).do(copied("identity"))
	require.Equal(t, []string{"contact/email0", "identity/name0 hold"}, w.places())
	require.Equal(t, domain.ID{8}, w.overdue()[1].Hold)
	w.env = func(e *subject.Env) { e.Outside = []subject.OutsideHold{{Hold: domain.ID{9}, Group: "contact"}} }
	require.Equal(t, []string{"contact/email0 hold", "identity/name0 hold"}, w.places())
	require.True(t, subject.ScopeOf(w.overdue()).Empty())
	w.env = nil
	w.do(hold("contact"))
	require.Equal(t, []string{"contact/email0 hold", "identity/name0 hold"}, w.places(), "why it is held stays with it")
	for _, ground := range []subject.RestrictionGround{subject.UnlawfulButKeep, subject.NeededForClaims} {
		v := newWorld(t).on(1).do(record("service", "name", "Jo"))
		v.on(years(3)).do(subject.PlaceRestriction{Ground: ground})
		require.Equal(t, []string{"identity/name0 restricted"}, v.places())
	}
	v := newWorld(t).on(1).do(record("service", "name", "Jo"), restrict())
	require.Equal(t, []string{"identity/name0"}, v.on(years(3)).places(), "of 18(1)(b) and (c) alone")
	v.do(order(groups("identity")))
	require.Empty(t, v.overdue(), "it is about to be erased")
}

// A contract or a consent that has not ended has not started its retention.
func TestRetentionWaitsForItsStart(t *testing.T) {
	cat := testCatalogue(t)
	for _, e := range []domain.Event{
		&catalogue.PurposeDeclared{ID: "rent", Version: 1, Basis: domain.Contract, Fields: []domain.Name{"name"}, Retention: "P1Y", RetentionStart: catalogue.FromContractEnd},
		&catalogue.PurposeDeclared{ID: "care", Version: 2, Basis: domain.LegitimateInterests, Fields: []domain.Name{"name"}, Retention: "P1Y", RetentionStart: catalogue.FromLastActivity},
	} {
		cat = catalogue.Evolve(cat, domain.Recorded{Stream: catalogue.Stream, Revision: cat.Next(), Recorded: epoch, Event: e})
	}
	w := newNamedWorld(t, cat, "a").on(1).do(assertBasis("rent", domain.Contract), record("rent", "name", "Jo"))
	require.Empty(t, w.on(years(9)).overdue())
	w.do(subject.EndBasis{Purpose: "rent", Basis: domain.Contract})
	require.Empty(t, w.on(years(9)+300).overdue())
	require.Equal(t, []string{"evidence", "identity/name0"}, w.on(years(10)+1).places(), "and what the contract was")

	w = newNamedWorld(t, cat, "a").on(1).do(record("care", "name", "Jo"))
	w.on(300).do(record("care", "diet", "none"))
	require.Empty(t, w.on(500).overdue(), "something was recorded for the purpose meanwhile: that is activity")
	require.Equal(t, []string{"health/diet0", "identity/name0"}, w.on(700).places())
}

// An order by retention is weighed again: what its purpose needs anew stays.
func TestRetentionIsWeighedAgain(t *testing.T) {
	w := newWorld(t).on(1).do(record("service", "name", "Jo"))
	w.on(years(3))
	scope := subject.ScopeOf(w.overdue())
	w.do(subject.OrderErasure{Erasure: erasureID, Cause: subject.OnRetention, Scope: scope, Grace: 24 * time.Hour})
	w.do(record("analytics", "name", "Jo"))
	w.on(years(3) + 2).do(subject.StartErasure{Erasure: erasureID})
	e, _ := w.s.Erasure(erasureID)
	require.Equal(t, subject.IsStopped, e.State)
	require.Equal(t, subject.RetentionRuns, e.Stopped.Groups[0].Rule)
	w.refuses("erasure.no_ground", subject.OrderErasure{Erasure: domain.ID{6}, Cause: subject.OnRetention, Scope: scope})
	w.refuses("erasure.scope", subject.OrderErasure{Erasure: domain.ID{6}, Cause: subject.OnRetention, Scope: subject.Scope{Everything: true}})
}

func TestAnOrderTakesSoMuch(t *testing.T) {
	var list []subject.Expired
	for i := range 450 {
		list = append(list, subject.Expired{Group: "contact", Field: "phone", Slot: uint16(i)})
	}
	require.Len(t, subject.ScopeOf(list).Values, 200)
}
