package erasure

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"lethe/domain"
	"lethe/domain/personal"
	"lethe/domain/subject"
)

func (w *world) reopen(token domain.Token) {
	w.t.Helper()
	_, err := w.Ledger.OpenLifecycle(ctx, w.req(), token, subject.OpenLifecycle{})
	require.NoError(w.t, err)
}

func email(text string) subject.RecordFields {
	return subject.RecordFields{Purpose: "service", Items: []subject.Entry{{Field: "email", Text: personal.Of(text)}}}
}

// Who came back keeps what was recorded since when the hold is released that
// had outlasted the first erasure; only what it had kept goes.
func TestAReleaseLeavesTheNewLifecycleAlone(t *testing.T) {
	w := newWorld(t)
	a := w.register("old@example.org")
	hold := domain.ID{9}
	w.hold(a, hold, "contact")
	w.order(a, subject.OrderErasure{Scope: all})
	w.settleAll()
	w.reopen(a)
	w.do(a, email("new@example.org"))
	w.do(a, subject.ReleaseHold{Hold: hold})
	ordered, err := w.Requeue(ctx, a)
	require.NoError(t, err)
	require.True(t, ordered)
	w.settleAll()
	require.True(t, w.read(a)["email=new@example.org"])
	require.False(t, w.read(a)["email=old@example.org"])
	require.False(t, w.state(a).Closed(time.Time{})["contact"])
	w.do(a, email("newer@example.org"))
	hits, err := w.Keys.Find(ctx, "email", "newer@example.org")
	require.NoError(t, err)
	require.Len(t, hits, 1)
	for _, x := range w.state(a).Waiting() {
		require.NotEqual(t, domain.Name("contact"), x.Group)
	}
}

// What replaced a value of a new lifecycle lets the one that it replaced go,
// although what the first lifecycle had there does not open any more.
func TestSupersededValuesOfANewLifecycle(t *testing.T) {
	w := newWorld(t)
	a := w.register("old@example.org")
	w.order(a, subject.OrderErasure{Scope: all})
	w.settleAll()
	w.reopen(a)
	w.do(a, email("new@example.org"))
	w.do(a, subject.RectifyFields{Items: []subject.Entry{{Field: "email", Text: personal.Of("newer@example.org")}}})
	for _, scope := range []subject.Scope{
		{Superseded: []domain.Name{"contact"}}, {Values: []subject.ValueRef{{Field: "email"}}},
	} {
		it := w.order(a, subject.OrderErasure{Erasure: domain.ID{0xe, 0xf0, byte(len(scope.Values))}, Scope: scope, Ground: subject.Unlawful})
		w.settleAll()
		require.Equal(t, subject.IsCompleted, w.erasure(it).State)
		require.False(t, w.read(a)["email=new@example.org"])
		require.Equal(t, len(scope.Values) == 0, w.read(a)["email=newer@example.org"])
	}
}

// The person wanted it kept: nothing goes, which is said, and it goes when the
// restriction is lifted.
func TestARestrictedErasureIsTakenUpWhenItIsLifted(t *testing.T) {
	w := newWorld(t)
	a := w.register("ada@example.org")
	w.do(a, subject.PlaceRestriction{Ground: subject.NeededForClaims})
	first := w.order(a, subject.OrderErasure{Scope: all})
	w.settleAll()
	require.Equal(t, subject.IsStopped, w.erasure(first).State)
	require.True(t, w.read(a)["name=Ada Lovelace"])
	require.NotEmpty(t, w.state(a).At(time.Time{}, time.Time{}).Objections, "what else was asked for is done")
	ordered, err := w.Requeue(ctx, a)
	require.NoError(t, err)
	require.False(t, ordered)

	w.do(a, subject.LiftRestriction{Ground: subject.NeededForClaims, Informed: time.Now().Add(-time.Second)})
	ordered, err = w.Requeue(ctx, a)
	require.NoError(t, err)
	require.True(t, ordered)
	w.settleAll()
	require.True(t, w.read(a)["name=<erased>"])
	require.True(t, w.read(a)["invoice=invoice 7"], "a duty keeps it")
	list := w.state(a).Erasures()
	require.Len(t, list, 2)
	require.Equal(t, subject.IsCompleted, list[1].State)
	require.Equal(t, first.Erasure, list[1].Ordered.Follows)
}

// A dry run is refused for what the order is refused for, and changes nothing.
func TestADryRunIsRefusedAsTheOrderIs(t *testing.T) {
	w := newWorld(t)
	a := w.register("ada@example.org")
	w.hold(a, domain.ID{9}, "identity")
	busy := w.register("busy@example.org")
	w.order(busy, subject.OrderErasure{Scope: all, Grace: time.Hour})
	values := func(refs ...subject.ValueRef) subject.Scope { return subject.Scope{Values: refs} }
	for name, x := range map[string]struct {
		token domain.Token
		c     subject.OrderErasure
	}{
		"unknown group":    {a, subject.OrderErasure{Scope: subject.Scope{Groups: []domain.Name{"nonsense"}}}},
		"absent value":     {a, subject.OrderErasure{Scope: values(subject.ValueRef{})}},
		"nothing named":    {a, subject.OrderErasure{}},
		"held":             {a, subject.OrderErasure{Scope: subject.Scope{Groups: []domain.Name{"identity"}}}},
		"not superseded":   {a, subject.OrderErasure{Scope: subject.Scope{Superseded: []domain.Name{"contact"}}}},
		"too long a grace": {a, subject.OrderErasure{Scope: all, Grace: 31 * 24 * time.Hour}},
		"no such person":   {domain.Token("saeaqcaibaeaqcaaaaaaaaaaabsya"), subject.OrderErasure{Scope: all}},
		"under way":        {busy, subject.OrderErasure{Scope: all}},
		"possible":         {a, subject.OrderErasure{Scope: all}},
	} {
		t.Run(name, func(t *testing.T) {
			before := w.state(a).Next()
			weighed, dry := w.Try(ctx, x.token, x.c)
			require.Equal(t, before, w.state(a).Next())
			x.c.Erasure = domain.ID{0xe, 0xff, w.n}
			_, _, err := w.Order(ctx, w.req(), x.token, x.c)
			if name == "possible" {
				require.NoError(t, dry)
				require.NoError(t, err)
				e := w.erasure(Item{Token: a, Erasure: x.c.Erasure})
				require.Equal(t, e.Groups(), weighed)
				require.NoError(t, w.cancel(ctx, Item{Token: a, Erasure: x.c.Erasure}))
				return
			}
			require.Error(t, err)
			require.Equal(t, err, dry)
		})
	}
}

// On whose authority a hold stands, and what a duty rests on, opens as long as it
// keeps something; the rest of evidence goes at once.
func TestEvidenceOfWhatStandsOpens(t *testing.T) {
	w := newWorld(t)
	a, hold := w.register("ada@example.org"), domain.ID{9}
	w.do(a, subject.AssertBasis{Purpose: "invoicing", Basis: domain.LegalObligation, Reference: personal.Of("the statute")},
		subject.Object{Scope: subject.ToDisclosure, Reason: personal.Of("my reason")})
	w.hold(a, hold, "contact")
	w.hold(a, domain.ID{8}, "identity")
	it := w.order(a, subject.OrderErasure{Scope: all, Reason: personal.Of("asked by phone")})
	w.settleAll()
	e := w.erasure(it)
	require.Equal(t, subject.IsCompleted, e.State)
	opens := func(want map[string]bool) {
		t.Helper()
		read := w.read(a)
		for text, is := range want {
			require.Equal(t, is, read[text], text)
		}
	}
	opens(map[string]bool{
		"hold.authority=court": true, "basis.reference=the statute": true, "objection.reason=my reason": false, "erasure.reason=asked by phone": false,
	})
	for _, id := range []domain.ID{hold, {8}} {
		opens(map[string]bool{"hold.authority=court": true})
		w.do(a, subject.ReleaseHold{Hold: id})
		for more := true; more; {
			var err error
			more, err = w.Requeue(ctx, a)
			require.NoError(t, err)
			w.settleAll()
		}
	}
	opens(map[string]bool{"hold.authority=court": false, "basis.reference=the statute": true, "invoice=invoice 7": true, "name=<erased>": true})
	w.again()
	opens(map[string]bool{"basis.reference=the statute": true})
}
