package erasure

import (
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"lethe/domain"
	"lethe/domain/catalogue"
	"lethe/domain/operations"
	"lethe/domain/personal"
	"lethe/domain/subject"
	"lethe/internal/ledger"
)

func (w *world) holdAll(id domain.ID, group domain.Name) {
	w.t.Helper()
	_, err := w.Ledger.Operate(ctx, ledger.Request{Principal: me}, operations.PlaceGroupHold{
		Officer: true, GroupHoldPlaced: operations.GroupHoldPlaced{
			Hold: id, Group: group, Purpose: "invoicing", Review: time.Now().AddDate(1, 0, 0), People: operations.WithPurpose,
			For: "service", Authority: personal.Of("court"),
		},
	})
	require.NoError(w.t, err)
}

// A hold for a whole group of people keeps the data of each, also when it is
// placed after the order, and the release lets it go.
func TestPitfall19AHoldForManyPeopleIsHonouredAndReleased(t *testing.T) {
	w := newWorld(t)
	a, b := w.register("ada@example.org"), w.register("ada@work.example")
	first := w.order(a, subject.OrderErasure{Scope: all, Linked: []domain.Token{b}})
	hold := domain.ID{9}
	w.holdAll(hold, "identity")
	w.settleAll()
	for _, token := range []domain.Token{a, b} {
		require.Equal(t, subject.IsCompleted, w.erasure(Item{Token: token, Erasure: first.Erasure}).State)
		require.True(t, w.read(token)["name=Ada Lovelace"], "held")
		require.True(t, w.read(token)["email=<erased>"])
		holds := w.state(token).At(time.Time{}, time.Time{}).Holds
		require.Len(t, holds, 1)
		require.True(t, holds[0].Mirror)
	}
	ordered, err := w.Requeue(ctx, a)
	require.NoError(t, err)
	require.False(t, ordered, "still held")

	_, err = w.Ledger.Operate(ctx, ledger.Request{Principal: me}, operations.ReleaseGroupHold{Hold: hold, Officer: true})
	require.NoError(t, err)
	require.NoError(t, w.Ledger.ReleaseCopies(ctx, me, hold, domain.ID{}))
	for _, token := range []domain.Token{a, b} {
		_, err = w.Requeue(ctx, token)
		require.NoError(t, err)
	}
	w.settleAll()
	for _, token := range []domain.Token{a, b} {
		require.True(t, w.read(token)["name=<erased>"])
	}
}

// Whose address is held is found by it, until it goes too.
func TestWhatIsHeldIsFound(t *testing.T) {
	w := newWorld(t)
	a := w.register("ada@example.org")
	found := func() int {
		hits, err := w.Keys.Find(ctx, catalogue.LookupEmail, "ada@example.org")
		require.NoError(t, err)
		return len(hits)
	}
	hold := domain.ID{9}
	w.holdAll(hold, "contact")
	w.order(a, subject.OrderErasure{Scope: all})
	w.settleAll()
	require.True(t, w.read(a)["name=<erased>"])
	require.True(t, w.read(a)["email=ada@example.org"], "held")
	require.Equal(t, 1, found())

	_, err := w.Ledger.Operate(ctx, ledger.Request{Principal: me}, operations.ReleaseGroupHold{Hold: hold, Officer: true})
	require.NoError(t, err)
	require.NoError(t, w.Ledger.ReleaseCopies(ctx, me, hold, domain.ID{}))
	_, err = w.Requeue(ctx, a)
	require.NoError(t, err)
	w.settleAll()
	require.True(t, w.read(a)["email=<erased>"])
	require.Zero(t, found())
}

// A hold on one record of a person is copied to the others that go along.
func TestAHoldForManyPeopleBindsLinkedRecords(t *testing.T) {
	w := newWorld(t)
	a := w.register("ada@example.org")
	b, _, err := w.Ledger.Register(ctx, w.req(), subject.Env{},
		subject.Register{Acquired: subject.FromPerson, Jurisdiction: "DE"},
		subject.RecordFields{Purpose: "invoicing", Items: []subject.Entry{{Field: "invoice", Text: personal.Of("invoice 8")}}})
	require.NoError(t, err)
	w.people = append(w.people, b)
	w.holdAll(domain.ID{9}, "identity")
	it := w.order(a, subject.OrderErasure{Scope: subject.Scope{Groups: []domain.Name{"contact"}}, Linked: []domain.Token{b}})
	w.settleAll()
	require.Equal(t, subject.IsCompleted, w.erasure(it).State)
	require.Empty(t, w.state(a).At(time.Time{}, time.Time{}).Holds, "the order is not about this group")

	c := w.order(b, subject.OrderErasure{Erasure: domain.ID{0xe, 0xff}, Scope: all, Linked: []domain.Token{a}})
	w.settleAll()
	require.Equal(t, subject.IsCompleted, w.erasure(c).State)
	require.Len(t, w.state(a).At(time.Time{}, time.Time{}).Holds, 1)
	require.True(t, w.read(a)["name=Ada Lovelace"])
}

// Holds are placed while erasures start. Whichever comes first in the log wins:
// nobody whose erasure started behind a hold loses what it keeps.
func TestHoldsRaceWithStarts(t *testing.T) {
	w := newWorld(t)
	const people = 40
	var items []Item
	for range people {
		token := w.register("ada@example.org")
		items = append(items, w.order(token, subject.OrderErasure{Erasure: domain.ID{0xe}, Scope: all}))
	}
	w.init()
	var both sync.WaitGroup
	both.Go(func() {
		for _, it := range items[:people/2] {
			_, err := w.start(ctx, it, nil)
			require.NoError(t, err)
		}
	})
	both.Go(func() {
		for _, it := range items[people/2:] {
			_, err := w.start(ctx, it, nil)
			require.NoError(t, err)
		}
	})
	both.Go(func() { w.holdAll(domain.ID{9}, "identity") })
	both.Wait()
	state, err := w.Ledger.Operations(ctx)
	require.NoError(t, err)
	placed, ok := state.GroupHold(domain.ID{9})
	require.True(t, ok)
	for _, it := range items {
		e := w.erasure(it)
		require.Equal(t, subject.IsStarted, e.State)
		held := false
		for _, g := range e.Started.Groups {
			held = held || g.Group == "identity" && g.Rule == subject.KeptByHold
		}
		require.Equal(t, placed.Position < e.StartedAt.Position, held, "hold at %d, start at %d", placed.Position, e.StartedAt.Position)
	}
}

// A ledger that came back from an older copy may have lost holds: nothing starts
// until an officer has accepted that. What had started is carried out.
func TestPitfall19NothingStartsWhileHoldsMayBeLost(t *testing.T) {
	w := newWorld(t)
	a, b := w.register("ada@example.org"), w.register("bob@example.org")
	begun := w.order(a, subject.OrderErasure{Scope: all})
	w.crash = func(point string) error {
		if point == "started" {
			return errCrash
		}
		return nil
	}
	_, err := w.Round(ctx)
	require.ErrorIs(t, err, errCrash)
	w.again()
	operate := func(c operations.Command) {
		_, err := w.Ledger.Operate(ctx, w.req(), c)
		require.NoError(t, err)
	}
	operate(operations.RestartLog{LogRestarted: operations.LogRestarted{Number: 1, Size: 100, Common: 50}})
	waits := w.order(b, subject.OrderErasure{Scope: all})
	w.settleAll()
	require.Equal(t, subject.IsCompleted, w.erasure(begun).State)
	require.Equal(t, subject.IsOrdered, w.erasure(waits).State)
	require.Contains(t, w.Trouble(b, waits.Erasure), "lethe restore accept 1")
	_, err = w.Ledger.StartErasure(ctx, w.req(), b, waits.Erasure)
	var refused *domain.Error
	require.ErrorAs(t, err, &refused)
	require.Equal(t, "erasure.lost_range", refused.Code)

	w.hold(b, domain.ID{9}, "contact") // what was lost is placed again
	operate(operations.AcceptLostRange{Number: 1})
	w.settleAll()
	require.Equal(t, subject.IsCompleted, w.erasure(waits).State)
	require.Empty(t, w.Trouble(b, waits.Erasure))
	require.True(t, w.read(b)["email=bob@example.org"], "held")
	require.True(t, w.read(b)["name=<erased>"])
}
