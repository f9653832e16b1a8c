package erasure

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"lethe/domain"
	"lethe/domain/personal"
	"lethe/domain/subject"
)

func (w *world) hold(token domain.Token, id domain.ID, group domain.Name) {
	w.t.Helper()
	w.do(token, subject.PlaceHold{Hold: id, Group: group, Purpose: "invoicing", Review: time.Now().AddDate(1, 0, 0), Authority: personal.Of("court")})
}

// A hold on one record of a person binds all the others, however many they are
// and whichever of them the erasure was asked for.
func TestAHoldOnOneRecordBindsAllThatGoAlong(t *testing.T) {
	w := newWorld(t)
	a, b, c := w.register("ada@example.org"), w.register("ada@work.example"), w.register("ada@home.example")
	w.hold(c, domain.ID{9}, "contact")
	it := w.order(a, subject.OrderErasure{Scope: all, Linked: []domain.Token{b, c}})
	w.settleAll()
	for token, email := range map[domain.Token]string{a: "ada@example.org", b: "ada@work.example", c: "ada@home.example"} {
		require.Equal(t, subject.IsCompleted, w.erasure(Item{Token: token, Erasure: it.Erasure}).State)
		require.True(t, w.read(token)["name=<erased>"])
		require.True(t, w.read(token)["email="+email], "held")
	}

	// Its release lets all of them go, each by itself.
	w.do(c, subject.ReleaseHold{Hold: domain.ID{9}})
	for _, token := range []domain.Token{c, a, b} {
		ordered, err := w.Requeue(ctx, token)
		require.NoError(t, err)
		require.True(t, ordered)
	}
	w.settleAll()
	for _, token := range w.people {
		require.True(t, w.read(token)["email=<erased>"])
		for _, e := range w.state(token).Erasures() {
			require.Equal(t, subject.IsCompleted, e.State)
		}
	}
}

// What waits on one record alone is bound by a hold that is placed on another
// one meanwhile.
func TestWhatWaitedIsBoundByAHoldOnAnotherRecord(t *testing.T) {
	w := newWorld(t)
	a, b := w.register("ada@example.org"), w.register("ada@work.example")
	w.hold(a, domain.ID{9}, "contact")
	w.order(a, subject.OrderErasure{Scope: all, Linked: []domain.Token{b}})
	w.settleAll()
	w.hold(b, domain.ID{8}, "contact")
	w.do(a, subject.ReleaseHold{Hold: domain.ID{9}})
	for _, token := range []domain.Token{a, b} {
		ordered, err := w.Requeue(ctx, token)
		require.NoError(t, err)
		require.Equal(t, token == a, ordered, "held by the other record: on whose authority the first hold stood goes alone")
	}
	w.settleAll()
	require.True(t, w.read(a)["email=ada@example.org"])
	require.True(t, w.read(b)["email=ada@work.example"])
}

// A hold on another record does not bind when an officer has said since that it
// is another person's.
func TestAHoldDoesNotBindWhenTheLinkIsGone(t *testing.T) {
	w := newWorld(t)
	a, b := w.register("ada@example.org"), w.register("ada@work.example")
	w.hold(a, domain.ID{9}, "contact")
	it := w.order(b, subject.OrderErasure{Scope: all, Linked: []domain.Token{a}})
	w.settleAll()
	require.Equal(t, subject.IsCompleted, w.erasure(it).State)
	require.True(t, w.read(b)["email=ada@work.example"], "held")
	w.unlink(a, b)
	ordered, err := w.Requeue(ctx, b)
	require.NoError(t, err)
	require.True(t, ordered, "nothing holds it")
	ordered, err = w.Requeue(ctx, a)
	require.NoError(t, err)
	require.False(t, ordered, "its own hold stands")
	w.settleAll()
	require.True(t, w.read(b)["email=<erased>"])
	require.True(t, w.read(a)["email=ada@example.org"])
}

// Who asked by one record that the data be kept asked it of all.
func TestPitfall19AWishToKeepBindsAllRecords(t *testing.T) {
	w := newWorld(t)
	a, b, c := w.register("ada@example.org"), w.register("ada@work.example"), w.register("ada@home.example")
	w.do(b, subject.PlaceRestriction{Ground: subject.NeededForClaims})
	w.link(a, b)
	w.link(b, c)
	it := w.order(a, subject.OrderErasure{Scope: all, Linked: []domain.Token{b, c}})
	w.settleAll()
	for token, email := range map[domain.Token]string{a: "ada@example.org", b: "ada@work.example", c: "ada@home.example"} {
		require.Equal(t, subject.IsStopped, w.erasure(Item{Token: token, Erasure: it.Erasure}).State)
		require.True(t, w.read(token)["email="+email], "kept as was asked")
	}
	value := subject.OrderErasure{Erasure: domain.ID{6}, Scope: subject.Scope{Values: []subject.ValueRef{{Field: "email"}}}, Linked: []domain.Token{b, c}}
	_, err := w.Ledger.OrderErasure(ctx, w.req(), a, value)
	var refused *domain.Error
	require.ErrorAs(t, err, &refused)
	require.Equal(t, "erasure.no_ground", refused.Code)

	w.do(b, subject.LiftRestriction{Ground: subject.NeededForClaims, Informed: time.Now()})
	for _, token := range w.people {
		ordered, err := w.Requeue(ctx, token)
		require.NoError(t, err)
		require.True(t, ordered)
	}
	w.settleAll()
	for _, token := range w.people {
		require.True(t, w.read(token)["email=<erased>"])
	}
}

// Everything takes the place of what was ordered before and has not started,
// on the record and on those that go along; what is smaller waits for nobody.
func TestOrdersOfLinkedRecords(t *testing.T) {
	w := newWorld(t)
	a, b := w.register("ada@example.org"), w.register("ada@work.example")
	contact := subject.Scope{Groups: []domain.Name{"contact"}}
	w.link(a, b)
	order := func(token, other domain.Token, n byte, scope subject.Scope, grace time.Duration) error {
		_, along, err := w.Order(ctx, w.req(), token, subject.OrderErasure{
			Erasure: domain.ID{0xf, n}, Scope: scope, Grace: grace, Linked: []domain.Token{other}, Ground: subject.Unlawful,
		})
		require.NoError(t, along)
		return err
	}
	require.NoError(t, order(b, a, 1, contact, time.Hour))
	var refused *domain.Error
	require.ErrorAs(t, order(a, b, 2, contact, 0), &refused)
	require.Equal(t, "erasure.underway", refused.Code)

	// A record that goes along is called off where the order was given.
	_, err := w.Ledger.On(ctx, w.req(), a, subject.Env{}, subject.CancelErasure{Erasure: domain.ID{0xf, 1}})
	require.ErrorAs(t, err, &refused)
	require.Equal(t, "erasure.linked", refused.Code)

	require.NoError(t, order(a, b, 3, all, 0))
	require.ErrorAs(t, order(b, a, 4, all, 0), &refused)
	require.Equal(t, "erasure.underway", refused.Code)
	w.settleAll()
	for _, token := range []domain.Token{a, b} {
		require.Equal(t, subject.IsCancelled, w.erasure(Item{Token: token, Erasure: domain.ID{0xf, 1}}).State)
		require.Equal(t, subject.IsCompleted, w.erasure(Item{Token: token, Erasure: domain.ID{0xf, 3}}).State)
		require.True(t, w.read(token)["email=<erased>"])
	}
	require.Zero(t, w.Incomplete())
}

// Two records whose erasures were ordered before they were linked do not wait
// for each other.
func TestRecordsThatGoByThemselvesAreNotWaitedFor(t *testing.T) {
	w := newWorld(t)
	a, b := w.register("ada@example.org"), w.register("ada@work.example")
	first := w.order(a, subject.OrderErasure{Scope: all, Linked: []domain.Token{b}})
	second := w.order(b, subject.OrderErasure{Erasure: domain.ID{0xe, 0xff}, Scope: all, Linked: []domain.Token{a}})
	w.settleAll()
	require.Equal(t, subject.IsCompleted, w.erasure(first).State)
	require.Equal(t, subject.IsCompleted, w.erasure(second).State)
	require.True(t, w.read(a)["email=<erased>"])
	require.True(t, w.read(b)["email=<erased>"])
}
