package app_test

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"lethe/domain"
	"lethe/domain/catalogue"
	"lethe/domain/personal"
	"lethe/domain/subject"
	"lethe/eventstore"
	"lethe/internal/app"
	"lethe/internal/audit"
	"lethe/internal/ledger"
	"lethe/internal/testenv"
	"lethe/projections"
)

// declareService makes a catalogue with one purpose, two groups.
func declareService(t *testing.T, a *app.App) {
	t.Helper()
	field := func(id, group domain.Name, typ catalogue.FieldType, lookup catalogue.LookupKind) catalogue.Command {
		return catalogue.DeclareField{FieldDeclared: catalogue.FieldDeclared{ID: id, Group: group, Type: typ, Category: "Data", Lookup: lookup}}
	}
	_, err := a.Ledger.Declare(context.Background(), ledger.Request{Principal: app.Local},
		catalogue.DeclareController{ControllerDeclared: catalogue.ControllerDeclared{
			ID: "acme", Country: "DE", Name: personal.Of("Acme"), Address: personal.Of("Weg 1"), Contact: personal.Of("DP"),
			Email: personal.Of("p@acme.example"), Phone: personal.Of("+4930123456"), PolicyURL: personal.Of("https://acme.example/p"),
			Withdrawal: personal.Of("https://acme.example/w"),
		}},
		field("name", "identity", catalogue.Text, ""), field("email", "contact", catalogue.Email, catalogue.LookupEmail),
		catalogue.DeclarePurpose{PurposeDeclared: catalogue.PurposeDeclared{
			ID: "service", Controllers: []domain.Name{"acme"}, Basis: domain.LegitimateInterests, Fields: []domain.Name{"name", "email"},
			Retention: "P3Y", RetentionStart: catalogue.FromLastActivity, DPV: "dpv:CustomerCare",
		}})
	require.NoError(t, err)
}

func number(what, n int) domain.Digest {
	return domain.Digest{byte(what), byte(n >> 16), byte(n >> 8), byte(n)}
}

func registerPerson(a *app.App, n int) (domain.Token, error) {
	token, _, err := a.Ledger.Register(context.Background(), ledger.Request{Principal: app.Local, Command: number(1, n), Body: number(2, n)}, subject.Env{},
		subject.Register{Acquired: subject.FromPerson, Jurisdiction: "DE"},
		subject.RecordFields{Purpose: "service", Items: []subject.Entry{
			{Field: "name", Text: personal.Of(fmt.Sprintf("Person %d", n))}, {Field: "email", Text: personal.Of(fmt.Sprintf("p%d@example.org", n))},
		}})
	return token, err
}

// eventually asks every so often until it is so.
func eventually(t *testing.T, atMost time.Duration, is func() bool) {
	t.Helper()
	require.Eventually(t, is, atMost, 20*time.Millisecond)
}

// A hold keeps its group, and whoever releases it needs to do nothing more: what
// it had kept of an erasure is erased.
func TestPitfall19AReleaseOrdersWhatWasKept(t *testing.T) {
	s := newSite(t)
	_, err := s.app.Ledger.Declare(t.Context(), ledger.Request{Principal: app.Local}, catalogue.DeclarePurpose{PurposeDeclared: catalogue.PurposeDeclared{
		ID: "claims", Controllers: []domain.Name{"acme"}, Basis: domain.LegalObligation, Fields: []domain.Name{"name"}, Keeps: true,
		Retention: "P3Y", RetentionStart: catalogue.FromCollection, DPV: "dpv:LegalCompliance",
	}})
	require.NoError(t, err)
	token, hold := s.person(1), domain.ID{9}
	officer := func(c subject.Command) {
		_, err := s.app.Ledger.On(t.Context(), ledger.Request{Principal: app.Local}, token, subject.Env{Officer: true}, c)
		require.NoError(t, err)
	}
	erased := func(group domain.Name) bool {
		groups, err := s.app.Keys.Fenced(context.Background(), token.Stream())
		require.NoError(t, err)
		return groups[group]
	}
	officer(subject.PlaceHold{Hold: hold, Group: "identity", Purpose: "claims", Review: time.Now().AddDate(1, 0, 0), Authority: personal.Of("court")})
	s.erase(token)
	require.True(t, erased("contact"))
	require.False(t, erased("identity"), "held")
	officer(subject.ReleaseHold{Hold: hold})
	eventually(t, 20*time.Second, func() bool { return erased("identity") })
}

// Who is not the person any more whose record a hold is on does not wait for it.
func TestUnlinkingOrdersWhatAHoldOfTheOtherRecordKept(t *testing.T) {
	s := newSite(t)
	_, err := s.app.Ledger.Declare(t.Context(), ledger.Request{Principal: app.Local}, catalogue.DeclarePurpose{PurposeDeclared: catalogue.PurposeDeclared{
		ID: "claims", Controllers: []domain.Name{"acme"}, Basis: domain.LegalObligation, Fields: []domain.Name{"name"}, Keeps: true,
		Retention: "P3Y", RetentionStart: catalogue.FromCollection, DPV: "dpv:LegalCompliance",
	}})
	require.NoError(t, err)
	held, goes := s.person(1), s.person(2)
	officer := func(token domain.Token, c subject.Command) {
		_, err := s.app.Ledger.On(t.Context(), ledger.Request{Principal: app.Local}, token, subject.Env{Officer: true}, c)
		require.NoError(t, err)
	}
	erased := func(token domain.Token) bool {
		groups, err := s.app.Keys.Fenced(context.Background(), token.Stream())
		require.NoError(t, err)
		return groups["identity"]
	}
	officer(held, subject.ProposeLink{Other: goes, Ground: subject.ByOfficer})
	officer(held, subject.AcceptLink{Other: goes})
	eventually(t, 20*time.Second, func() bool {
		linked, err := s.app.Door.Linked(context.Background(), goes)
		return err == nil && len(linked) == 1
	})
	officer(held, subject.PlaceHold{Hold: domain.ID{9}, Group: "identity", Purpose: "claims", Review: time.Now().AddDate(1, 0, 0), Authority: personal.Of("court")})
	s.order(goes, held)
	s.await(goes)
	require.False(t, erased(goes), "held by the other record")
	officer(held, subject.UndoLink{Other: goes})
	eventually(t, 20*time.Second, func() bool { return erased(goes) })
	require.False(t, erased(held))
}

// Thousands are erased while others are written to and read: nothing of the
// ones opens afterwards, everything of the others does, and the ledger is
// clean; views rebuilt afterwards are the same.
func TestThousandsOfErasuresUnderLoad(t *testing.T) {
	people, clients := testenv.Cases(1000, 10_000), 64
	if testing.Short() { // under the race detector everything takes ten times as long
		people, clients = 200, 8
	}
	a, err := app.Open(context.Background(), conf(t.TempDir()), slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	defer func() { require.NoError(t, a.Close()) }()
	declareService(t, a)
	gone, stay := make([]domain.Token, people), make([]domain.Token, people/10)
	g := errgroup.Group{}
	g.SetLimit(clients)
	for i := range people + len(stay) {
		g.Go(func() (err error) {
			if i < people {
				gone[i], err = registerPerson(a, i)
			} else {
				stay[i-people], err = registerPerson(a, i)
			}
			return err
		})
	}
	require.NoError(t, g.Wait())

	var stop atomic.Bool
	others := errgroup.Group{}
	for c := range clients {
		others.Go(func() error { return work(a, stay, c, &stop) })
	}
	for i, token := range gone {
		g.Go(func() error {
			_, err := a.Ledger.OrderErasure(context.Background(), ledger.Request{Principal: app.Local, Command: number(3, i)}, token,
				subject.OrderErasure{Erasure: domain.ID{4, byte(i >> 16), byte(i >> 8), byte(i)}, Scope: subject.Scope{Everything: true}})
			return err
		})
	}
	require.NoError(t, g.Wait())
	a.Erasures.Wake()
	eventually(t, 5*time.Minute, func() bool {
		counts, err := a.Views.Erasures.Counts(context.Background(), time.Time{})
		return err == nil && counts.States[subject.IsCompleted] == people
	})
	stop.Store(true)
	require.NoError(t, others.Wait())
	require.Zero(t, a.Erasures.Incomplete())

	erased := map[string]bool{}
	for _, token := range gone {
		erased[token.Stream()] = true
	}
	opened := openAll(t, a, erased)
	require.Zero(t, opened[true][personal.Present], "something of an erased person opens")
	require.GreaterOrEqual(t, opened[true][personal.Erased], 2*people)
	require.Equal(t, 2*len(stay), opened[false][personal.Present], "something of the others is lost")
	require.Len(t, opened[false], 1)
	verifyClean(t, a)
	require.NoError(t, a.Views.Rebuild(context.Background(), nil))
	for _, v := range a.Views.Status() {
		require.NoError(t, a.Views.Compare(context.Background(), v.Name, nil, func(d projections.Difference) { require.Fail(t, d.What) }))
	}
}

// work writes to and reads the people who stay.
func work(a *app.App, people []domain.Token, client int, stop *atomic.Bool) error {
	r := rand.New(rand.NewPCG(uint64(client), 1))
	for n := 0; !stop.Load(); n++ {
		token := people[r.IntN(len(people))]
		_, err := a.Ledger.On(context.Background(), ledger.Request{Principal: app.Local, Command: domain.Digest{9, byte(client), byte(n >> 16), byte(n >> 8), byte(n)}},
			token, subject.Env{}, subject.Object{Scope: subject.ToMarketing})
		if err != nil {
			return err
		}
		if _, err := a.Door.People(context.Background(), token); err != nil {
			return err
		}
		runtime.Gosched()
	}
	return nil
}

// openAll opens every sealed value of people in the log and counts how that
// went, for those who were erased (true) and the others.
func openAll(t *testing.T, a *app.App, erased map[string]bool) map[bool]map[personal.State]int {
	t.Helper()
	counts := map[bool]map[personal.State]int{true: {}, false: {}}
	for rec, err := range a.Store.ReadAll(context.Background(), eventstore.Position(0)) {
		require.NoError(t, err)
		if rec.Type != "FieldsRecorded" && rec.Type != "FieldsRectified" && rec.Type != "ValuesResealed" {
			continue
		}
		d, err := a.Codec.Decode(rec)
		require.NoError(t, err)
		for _, slot := range d.Event.Personal(nil) {
			if slot.Value.IsZero() {
				continue
			}
			v, err := a.Codec.OpenValue(context.Background(), a.Keys, *slot.Value)
			require.NoError(t, err)
			counts[erased[rec.Stream]][v.State()]++
		}
	}
	return counts
}

func verifyClean(t *testing.T, a *app.App) {
	t.Helper()
	require.NoError(t, a.Seal.WaitFor(context.Background(), a.Store.Stats().Head))
	auditor := audit.New(audit.Options{
		Store: a.Store, Seal: a.Seal, Keys: a.Keys, Decoder: a.Codec, Views: a.Views.Runner, Reports: a.Reports, Now: time.Now,
	})
	_, err := auditor.Run(context.Background(), audit.Request{}, func(l audit.Line) {
		if l.Finding != nil {
			require.Fail(t, "a finding", "%+v", *l.Finding)
		}
	})
	require.NoError(t, err)
}
