package subject_test

import (
	"fmt"
	"reflect"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"lethe/domain"
	"lethe/domain/personal"
	"lethe/domain/subject"
)

// drawCommand draws any command, sensible or not.
func drawCommand(t *rapid.T, w *world) subject.Command {
	when := subject.When{}
	if rapid.IntRange(0, 3).Draw(t, "dated") == 0 {
		when.At = moment(t, -2, 14, "at")
	}
	purpose := pick(t, append([]domain.Name{"nothing", "app", "turned"}, somePurposes...), "purpose")
	id := earlier(t, w.s, "a")
	if entries := w.s.Entries(); len(entries) > 0 {
		id = entries[rapid.IntRange(0, len(entries)-1).Draw(t, "about")].ID
	}
	s := said(purpose, pick(t, []uint32{1, 1, 1, 2}, "version"))
	s.When, s.By = when, pick(t, []subject.Party{"", "", "", subject.Guardian, subject.Controller}, "by")
	g := subject.Granting{Said: s, Explicit: rapid.Bool().Draw(t, "explicit")}
	other := pick(t, []domain.Token{tokenOf("b"), tokenOf("c"), "nonsense"}, "other")
	var entries []subject.Entry
	for range rapid.IntRange(0, 2).Draw(t, "items") {
		entries = append(entries, subject.Entry{
			Field: pick(t, someFields, "field"), Text: text(pick(t, []string{"a@b.de", "12345", "Zoë", ""}, "text")),
		})
	}
	return pick(t, []subject.Command{
		subject.Register{When: when, Acquired: subject.FromPerson, Jurisdiction: "DE"},
		subject.RecordFields{When: when, Purpose: purpose, Items: entries},
		subject.RecordFields{Purpose: "service", Items: entries},
		subject.RectifyFields{When: when, Items: entries},
		subject.RemoveField{When: when, Purpose: purpose, Field: pick(t, someFields, "field")},
		subject.RequestConsent{Said: s, Contact: "email"},
		subject.DeferConsent{Said: s},
		subject.ConfirmConsent{When: when, Request: id, Medium: subject.Web, Method: subject.LinkClick},
		subject.GiveConsent{Granting: g},
		subject.RenewConsent{Granting: g},
		subject.RefuseConsent{Said: s},
		subject.WithdrawConsent{Said: s},
		subject.RevokeConsent{Said: s},
		subject.InvalidateConsent{Said: s},
		subject.ExpireConsent{When: when, Purpose: purpose},
		subject.AssertBasis{When: when, Purpose: purpose, Basis: pick(t, someBases, "basis"), Reference: text("x")},
		subject.EndBasis{When: when, Purpose: purpose, Basis: pick(t, someBases, "basis")},
		subject.Object{When: when, Scope: pick(t, []subject.ObjectionScope{subject.ToMarketing, subject.ToProcessing, subject.ToDisclosure}, "scope")},
		subject.OverrideObjection{When: when, Objection: id, Grounds: text("x")},
		subject.UpholdObjection{When: when, Objection: id},
		subject.WithdrawObjection{When: when, Objection: id},
		subject.PlaceRestriction{When: when, Ground: pick(t, someGrounds, "ground")},
		subject.LiftRestriction{When: when, Ground: pick(t, someGrounds, "ground"), Informed: day(0)},
		hold(pick(t, someGroups, "group")),
		subject.ReleaseHold{When: when, Hold: domain.ID{7}},
		subject.NoteDisclosure{When: when, Purpose: purpose, Recipient: "mailer", Fields: []domain.Name{"name"}, Access: domain.ID{1}},
		subject.ProposeLink{When: when, Other: other, Ground: subject.SameEmail},
		subject.AcceptLink{When: when, Other: other},
		subject.UndoLink{When: when, Other: other},
		child("2021-01-01"),
	}, "command")
}

// Whatever is asked, a decision is a domain error or events that fold; asking
// does not change what was asked, and asking twice gives the same answer.
func TestDecidedEventsFold(t *testing.T) {
	cat := testCatalogue(t)
	taken := map[string]int{}
	common := []string{
		"SubjectRegistered", "FieldsRecorded", "FieldsRectified", "FieldRemoved", "ConsentRequested", "ConsentDeferred", "ConsentGiven",
		"ConsentRefused", "ConsentWithdrawn", "BasisAsserted", "Objected", "ObjectionUpheld", "RestrictionPlaced", "RestrictionLifted",
		"HoldPlaced", "HoldReleased", "Disclosed", "LinkProposed", "LinkAccepted", "LinkUndone", "AgeAssessed",
	}
	untilMet(t, common, taken, func(t *rapid.T) {
		w := &world{t: nil, cat: cat, token: tokenOf("a"), now: day(0)}
		for n := range rapid.IntRange(40, 60).Draw(t, "commands") {
			w.on(n * 3)
			c := drawCommand(t, w)
			if w.s == nil {
				c = subject.Register{Acquired: subject.FromPerson, Jurisdiction: "DE"}
			}
			events, err := w.decide(c)
			again, errAgain := w.decide(c)
			require.Equal(t, events, again)
			require.Equal(t, err, errAgain)
			if err != nil {
				e, ok := domain.AsError(err)
				require.True(t, ok)
				require.NotEqual(t, domain.KindInternal, e.Kind, "%v", err)
				continue
			}
			at := c.EffectiveAt()
			if at.IsZero() {
				at = w.now
			}
			for _, e := range events {
				requireStorable(t, reflect.ValueOf(e).Elem(), fmt.Sprintf("%T", e))
				w.add(e, at)
				taken[e.EventType().Name]++
			}
		}
		var replayed *subject.State
		for _, r := range w.s.Entries() {
			replayed = subject.Evolve(replayed, r)
		}
		require.Equal(t, w.s.At(w.now, w.now), replayed.At(w.now, w.now))
	})
}

// requireStorable: every fact that is there is valid by its own type, as the
// codec will ask, and every personal value is present or absent.
func requireStorable(t *rapid.T, v reflect.Value, path string) {
	if checked, ok := v.Interface().(domain.Checked); ok && !v.IsZero() {
		require.True(t, checked.Valid(), path)
	}
	if value, ok := v.Interface().(personal.Value); ok {
		require.Contains(t, []personal.State{personal.Absent, personal.Present}, value.State(), path)
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			if f := v.Type().Field(i); f.IsExported() {
				requireStorable(t, v.Field(i), path+"."+f.Name)
			}
		}
	case reflect.Slice:
		for i := range v.Len() {
			requireStorable(t, v.Index(i), path)
		}
	}
}

// A command that was done is found by its ID and not done again: running a
// list of commands a second time changes nothing.
func TestReplayingCommandsChangesNothing(t *testing.T) {
	cat := testCatalogue(t)
	rapid.Check(t, func(t *rapid.T) {
		w := &world{cat: cat, token: tokenOf("a"), now: day(0)}
		commands := []subject.Command{subject.Register{Acquired: subject.FromPerson, Jurisdiction: "DE"}}
		run := func(i int) {
			id := digest(fmt.Sprint(i))
			if _, _, done := w.s.Command(id); done {
				return
			}
			all, err := subject.DecideAll(w.s, w.environment(), commands[i])
			if err != nil {
				return
			}
			for n, d := range all {
				w.s = subject.Evolve(w.s, domain.Recorded{
					ID: domain.ID{byte(i), byte(n + 1)}, Stream: w.token.Stream(), Revision: w.s.Next(), Recorded: w.now,
					Effective: d.Effective, Event: d.Event, Metadata: domain.Metadata{Command: id},
				})
			}
		}
		run(0)
		for i := 1; i < 12; i++ {
			w.on(i)
			commands = append(commands, drawCommand(t, w))
			run(i)
		}
		before := w.s.Next()
		refused := map[int]bool{}
		for i := range commands {
			if _, _, done := w.s.Command(digest(fmt.Sprint(i))); !done {
				refused[i] = true
			}
		}
		for i := range commands {
			if !refused[i] {
				run(i)
			}
		}
		require.Equal(t, before, w.s.Next())
	})
}

func TestEvolveTakesAnything(t *testing.T) {
	s := subject.Evolve(nil, domain.Recorded{Stream: "subject-x"})
	s = subject.Evolve(s, domain.Recorded{Revision: 7, Recorded: day(1), Event: &subject.ConsentRenewed{}})
	s = subject.Evolve(s, domain.Recorded{Revision: 9, Recorded: day(1), Event: &subject.FieldsRectified{Items: []subject.Item{{}}}})
	require.EqualValues(t, 10, s.Next())
	snap := s.At(day(2), day(2))
	require.Nil(t, snap.Registered)
	require.Empty(t, snap.Fields)

	var none *subject.State
	require.Zero(t, none.Next())
	require.Empty(t, none.Token())
	require.Empty(t, none.At(day(1), day(1)).Consents)
	_, _, ok := none.Command(digest("x"))
	require.False(t, ok)
}

func BenchmarkConsentCommand(b *testing.B) {
	w := newWorld(b).do(record("service", "email", "a@b.de", "name", "Jo"), assertBasis("service", domain.Contract))
	for range 8 {
		w.do(give("newsletter"), withdraw("newsletter"))
	}
	env := w.environment()
	c := give("newsletter")
	b.ReportAllocs()
	s := w.s
	for b.Loop() {
		events, err := subject.Decide(s, env, c)
		if err != nil {
			b.Fatal(err)
		}
		if s = subject.Evolve(s, domain.Recorded{Revision: s.Next(), Recorded: w.now, Event: events[0]}); s.Next() > 30 {
			s = w.s // a stream of about twenty events
		}
	}
}

func BenchmarkMayProcess(b *testing.B) {
	w := newWorld(b).do(record("service", "email", "a@b.de", "name", "Jo"))
	for range 8 {
		w.do(give("newsletter"), withdraw("newsletter"))
	}
	people, q := []subject.Record{{State: w.s}}, atTime(use("newsletter", subject.Email), w.now)
	b.ReportAllocs()
	for b.Loop() {
		subject.MayProcess(w.cat, people, q)
	}
}
