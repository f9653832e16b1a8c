package erasure

import (
	"database/sql"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"lethe/domain"
	"lethe/domain/operations"
	"lethe/domain/personal"
	"lethe/domain/subject"
	"lethe/internal/keyring"
)

var all = subject.Scope{Everything: true}

func TestErasingEverything(t *testing.T) {
	w := newWorld(t)
	a, b := w.register("ada@example.org"), w.register("bob@example.org")
	before := w.read(b)
	it := w.order(a, subject.OrderErasure{Scope: all})
	w.settleAll()
	e := w.erasure(it)
	require.Equal(t, subject.IsCompleted, e.State)
	require.Equal(t, map[string]bool{
		"name=<erased>": true, "email=<erased>": true, "source.row=<erased>": true, "invoice=invoice 7": true,
	}, w.read(a))
	require.Len(t, e.Completed.Keys, len(e.Started.Keys))
	for _, k := range e.Completed.Keys {
		require.False(t, k.Fingerprint.IsZero())
	}
	require.Len(t, e.Completed.Sinks, 3)
	require.Equal(t, before, w.read(b), "nobody else is touched")
	hits, err := w.Keys.Find(ctx, "email", "ada@example.org")
	require.NoError(t, err)
	require.Empty(t, hits)
	hits, err = w.Keys.Find(ctx, "email", "bob@example.org")
	require.NoError(t, err)
	require.Len(t, hits, 1)
	w.again()
	w.settleAll()
	require.Equal(t, 1, w.count(a, "ErasureCompleted"))
}

// Whatever step it is cut off at, the erasure comes to the same one end.
func TestPitfall05KilledAtEveryStep(t *testing.T) {
	var names []string
	for n := 1; ; n++ {
		w := newWorld(t)
		a, b := w.register("ada@example.org"), w.register("ada@work.example")
		it := w.order(a, subject.OrderErasure{Scope: all, Linked: []domain.Token{b}})
		i, crashed := 0, false
		w.crash = func(point string) error {
			if i++; i == n {
				crashed = true
				names = append(names, point)
				return errCrash
			}
			return nil
		}
		for range 6 { // until it is cut off, or comes to its end
			if more, err := w.Round(ctx); err != nil || crashed || !more {
				break
			}
		}
		w.again()
		w.settleAll()
		for _, token := range []domain.Token{a, b} {
			e, ok := w.state(token).Erasure(it.Erasure)
			require.True(t, ok, "cut off at %v", names)
			require.Equal(t, subject.IsCompleted, e.State, "cut off at %v", names)
			require.Equal(t, 1, w.count(token, "ErasureStarted"))
			require.Equal(t, 1, w.count(token, "ErasureCompleted"))
			require.Len(t, e.Completed.Keys, len(e.Started.Keys))
			for _, k := range e.Completed.Keys {
				require.False(t, k.Fingerprint.IsZero(), "cut off at %v: it is still known which key was destroyed", names)
			}
			require.NotContains(t, w.read(token), "email=ada@example.org")
			require.True(t, w.read(token)["email=<erased>"])
			require.True(t, w.read(token)["invoice=invoice 7"])
		}
		mine, linked := w.erasure(it), w.erasure(Item{Token: b, Erasure: it.Erasure})
		require.Greater(t, mine.CompletedAt.Position, linked.CompletedAt.Position, "linked records first")
		if !crashed {
			break
		}
	}
	require.Subset(t, names, []string{"linked", "started", "destroyed", "confirmed", "completed"})
}

// One place that does not confirm: no completion, whatever is tried, and the
// reason is told.
func TestPitfall18PartialSuccessIsNotReportedAsDone(t *testing.T) {
	w := newWorld(t)
	down := &downSink{}
	w.Sinks = append(w.Sinks, down)
	a := w.register("ada@example.org")
	it := w.order(a, subject.OrderErasure{Scope: all})
	for range 3 {
		_, err := w.Round(ctx)
		require.NoError(t, err)
		require.Equal(t, subject.IsStarted, w.erasure(it).State)
		require.Zero(t, w.count(a, "ErasureCompleted"))
		require.Contains(t, w.Trouble(a, it.Erasure), "does not answer")
		require.Equal(t, 1, w.Incomplete())
	}
	down.up = true
	w.settleAll()
	require.Equal(t, subject.IsCompleted, w.erasure(it).State)
	require.Empty(t, w.Trouble(a, it.Erasure))
}

// Somebody still reads the key store as it was, so that the bytes of a key are
// in a file: that is no completion either.
func TestPitfall18BytesLeftInAFileAreNotDestroyed(t *testing.T) {
	t.Parallel() // it takes SQLite's patience of ten seconds
	w := newWorld(t)
	a := w.register("ada@example.org")
	it := w.order(a, subject.OrderErasure{Scope: all})
	db, err := sql.Open("sqlite", filepath.Join(w.dir, "keys", "keys.db"))
	require.NoError(t, err)
	defer func() { require.NoError(t, db.Close()) }()
	reader, err := db.BeginTx(ctx, nil)
	require.NoError(t, err)
	var n int
	require.NoError(t, reader.QueryRow("SELECT count(*) FROM keys").Scan(&n))
	_, err = w.Round(ctx)
	require.NoError(t, err)
	require.NotContains(t, w.read(a), "email=ada@example.org", "the key is destroyed all the same")
	require.Equal(t, subject.IsStarted, w.erasure(it).State)
	require.Contains(t, w.Trouble(a, it.Erasure), "incomplete")
	require.NoError(t, reader.Rollback())
	w.settleAll()
	require.Equal(t, subject.IsCompleted, w.erasure(it).State)
}

// A hold keeps its group through an erasure, and its release lets it go.
func TestPitfall19AHoldIsHonouredAndReleased(t *testing.T) {
	w := newWorld(t)
	a := w.register("ada@example.org")
	hold := domain.ID{9}
	w.do(a, subject.PlaceHold{Hold: hold, Group: "identity", Purpose: "invoicing", Review: time.Now().AddDate(1, 0, 0), Authority: personal.Of("court")})
	first := w.order(a, subject.OrderErasure{Scope: all})
	w.settleAll()
	require.Equal(t, subject.IsCompleted, w.erasure(first).State)
	require.True(t, w.read(a)["name=Ada Lovelace"], "held")
	require.True(t, w.read(a)["email=<erased>"])

	ordered, err := w.Requeue(ctx, a)
	require.NoError(t, err)
	require.False(t, ordered)
	w.settleAll()
	require.True(t, w.read(a)["name=Ada Lovelace"], "still held")

	w.do(a, subject.ReleaseHold{Hold: hold})
	for _, first := range []bool{true, false} {
		ordered, err = w.Requeue(ctx, a)
		require.NoError(t, err)
		require.Equal(t, first, ordered)
	}
	w.settleAll()
	require.True(t, w.read(a)["name=<erased>"])
	list := w.state(a).Erasures()
	require.Len(t, list, 2)
	require.Equal(t, first.Erasure, list[1].Ordered.Follows)
	require.Equal(t, subject.OnRelease, list[1].Ordered.Cause)
}

// Who comes back is recorded under keys of a new lifecycle, when an officer
// opened it, and what was erased stays so.
func TestPitfall20TheReturningCustomer(t *testing.T) {
	w := newWorld(t)
	a := w.register("ada@example.org")
	w.order(a, subject.OrderErasure{Scope: all})
	w.settleAll()
	again := subject.RecordFields{Purpose: "service", Items: []subject.Entry{{Field: "email", Text: personal.Of("new@example.org")}}}
	basis := subject.AssertBasis{Purpose: "service", Basis: domain.LegitimateInterests, Reference: personal.Of("test 7")}
	for _, c := range []subject.Command{again, basis} {
		_, err := w.Ledger.On(ctx, w.req(), a, subject.Env{}, c)
		refused, ok := domain.AsError(err)
		require.True(t, ok)
		require.Equal(t, domain.KindGone, refused.Kind)
	}

	_, err := w.Ledger.OpenLifecycle(ctx, w.req(), a, subject.OpenLifecycle{})
	require.NoError(t, err)
	require.NoError(t, w.Ledger.Reopen(ctx, a))
	w.do(a, again)
	read := w.read(a)
	require.True(t, read["email=<erased>"])
	require.True(t, read["email=new@example.org"])
	require.False(t, read["email=ada@example.org"])
	require.EqualValues(t, 2, w.state(a).Lifecycle())
	w.again()
	require.Equal(t, read, w.read(a))
	hits, err := w.Keys.Find(ctx, "email", "new@example.org")
	require.NoError(t, err)
	require.Len(t, hits, 1)

	w.order(a, subject.OrderErasure{Scope: all}) // and may go again
	w.settleAll()
	require.False(t, w.read(a)["email=new@example.org"])
}

// Another program that has the keys in memory cannot read with them once the
// erasure is said to be complete.
func TestPitfall04CachesOfOtherPrograms(t *testing.T) {
	w := newWorld(t)
	w.Settle = 2 * time.Second // as it is outside tests
	a := w.register("ada@example.org")
	other, err := keyring.Open(ctx, w.keyOptions())
	require.NoError(t, err)
	defer func() { require.NoError(t, other.Close()) }()
	field := w.state(a).At(time.Time{}, time.Time{}).Fields[0]
	open := func(k *keyring.Keyring) personal.State {
		v, err := w.codec.OpenValue(ctx, k, field.Value)
		require.NoError(t, err)
		return v.State()
	}
	for _, k := range []*keyring.Keyring{w.Keys, other} {
		require.Equal(t, personal.Present, open(k))
	}
	w.order(a, subject.OrderErasure{Scope: all})
	w.settleAll()
	require.Equal(t, 1, w.count(a, "ErasureCompleted"))
	require.Equal(t, personal.Erased, open(w.Keys))
	require.Equal(t, personal.Erased, open(other), "a key lives on in another program's memory")
}

func TestPartialErasure(t *testing.T) {
	w := newWorld(t)
	a := w.register("ada@example.org")
	it := w.order(a, subject.OrderErasure{Scope: subject.Scope{Groups: []domain.Name{"contact"}}})
	w.settleAll()
	require.Equal(t, subject.IsCompleted, w.erasure(it).State)
	read := w.read(a)
	require.True(t, read["email=<erased>"])
	require.True(t, read["name=Ada Lovelace"])
	require.True(t, read["source.row=row of ada@example.org"])
	hits, err := w.Keys.Find(ctx, "email", "ada@example.org")
	require.NoError(t, err)
	require.Empty(t, hits)
}

// What was rectified goes, what stands stays, also when it is cut off.
func TestSupersededValuesGoAndCurrentOnesStay(t *testing.T) {
	for n := 0; n <= 5; n++ {
		w := newWorld(t)
		a := w.register("old@example.org")
		w.do(a, subject.RectifyFields{Items: []subject.Entry{{Field: "email", Text: personal.Of("new@example.org")}}})
		it := w.order(a, subject.OrderErasure{
			Scope: subject.Scope{Superseded: []domain.Name{"contact"}}, Cause: subject.OnRectification,
		})
		i := 0
		w.crash = func(string) error {
			if i++; i == n {
				return errCrash
			}
			return nil
		}
		_, _ = w.Round(ctx)
		w.again()
		w.settleAll()
		require.Equal(t, subject.IsCompleted, w.erasure(it).State)
		read := w.read(a)
		require.False(t, read["email=old@example.org"])
		require.True(t, read["email=<erased>"])
		require.True(t, read["email=new@example.org"])
		require.True(t, read["name=Ada Lovelace"])
		require.Equal(t, 1, w.count(a, "ValuesResealed"))
		hits, err := w.Keys.Find(ctx, "email", "new@example.org")
		require.NoError(t, err)
		require.NotEmpty(t, hits)
		w.do(a, subject.RectifyFields{Items: []subject.Entry{{Field: "email", Text: personal.Of("third@example.org")}}})
	}
}

// Invoices of years ago go, this year's stay, under the one key that they had.
func TestSingleValuesWhoseRetentionHasEnded(t *testing.T) {
	w := newWorld(t)
	a := w.register("ada@example.org")
	w.do(a, subject.RecordFields{
		When: subject.When{At: time.Now().AddDate(-4, 0, 0)}, Purpose: "invoicing",
		Items: []subject.Entry{{Field: "invoice", Text: personal.Of("invoice of long ago")}},
	})
	value := subject.Scope{Values: []subject.ValueRef{{Field: "invoice", Slot: 1}}}
	it := w.order(a, subject.OrderErasure{Scope: value, Cause: subject.OnRetention, Ground: subject.NotNecessary})
	w.settleAll()
	require.Equal(t, subject.IsCompleted, w.erasure(it).State)
	read := w.read(a)
	require.False(t, read["invoice=invoice of long ago"])
	require.True(t, read["invoice=invoice 7"])
	require.Len(t, w.state(a).At(time.Time{}, time.Time{}).Fields, 3)
	_, err := w.Ledger.OrderErasure(ctx, w.req(), a, subject.OrderErasure{
		Erasure: domain.ID{3}, Scope: subject.Scope{Values: []subject.ValueRef{{Field: "invoice"}}},
	})
	refused, ok := domain.AsError(err)
	require.True(t, ok)
	require.Equal(t, "erasure.kept", refused.Code)
}

// A record that goes along is closed with the other, follows its cancelling,
// and a hold on either binds both.
func TestLinkedRecords(t *testing.T) {
	w := newWorld(t)
	a, b := w.register("ada@example.org"), w.register("ada@work.example")
	w.do(b, subject.PlaceHold{Hold: domain.ID{9}, Group: "identity", Purpose: "invoicing", Review: time.Now().AddDate(1, 0, 0), Authority: personal.Of("court")})
	it := w.order(a, subject.OrderErasure{Scope: all, Grace: time.Hour, Linked: []domain.Token{b}})
	require.NoError(t, w.TakeAlong(ctx, a, it.Erasure))
	require.True(t, w.state(b).Closed(time.Time{})["contact"])
	w.do(a, subject.CancelErasure{Erasure: it.Erasure})
	require.NoError(t, w.TakeAlong(ctx, a, it.Erasure))
	require.Empty(t, w.state(b).Closed(time.Time{}))

	it = w.order(a, subject.OrderErasure{Scope: all, Linked: []domain.Token{b}, Erasure: domain.ID{4}})
	w.settleAll()
	require.Equal(t, subject.IsCompleted, w.erasure(it).State)
	for _, token := range w.people {
		require.True(t, w.read(token)["name=Ada Lovelace"], "a hold of one record binds both")
		require.True(t, w.read(token)["email=<erased>"])
	}
}

// Writers meet an erasure: whatever they do, no key of the
// groups that went is left.
func TestPitfall06WritersRaceAnErasure(t *testing.T) {
	w := newWorld(t)
	a := w.register("ada@example.org")
	writers := 200
	if testing.Short() {
		writers = 40
	}
	done := make(chan error, writers)
	for i := range writers {
		go func() {
			_, err := w.Ledger.On(ctx, w.reqOf(i), a, subject.Env{}, subject.RectifyFields{
				Items: []subject.Entry{{Field: "email", Text: personal.Of(fmt.Sprintf("ada%d@example.org", i))}},
			})
			done <- err
		}()
		if i == writers/2 {
			w.order(a, subject.OrderErasure{Scope: all})
		}
	}
	refused := 0
	for range writers {
		if err := <-done; err != nil {
			refused++
		}
	}
	w.settleAll()
	require.Positive(t, refused)
	keys, err := w.Keys.Keys(ctx, a.Stream())
	require.NoError(t, err)
	for _, k := range keys {
		if k.Compartment.Group == "contact" || k.Compartment.Group == "identity" {
			require.True(t, k.Fenced)
		}
	}
	for value := range w.read(a) {
		require.NotContains(t, value, "@")
	}
}

// A write that lost its race has made a key after the start had named those
// that go: it goes with them.
func TestPitfall06AKeyFromAfterTheStartGoesToo(t *testing.T) {
	w := newWorld(t)
	a := w.register("ada@example.org")
	w.order(a, subject.OrderErasure{Scope: all})
	w.crash = func(point string) error {
		if point == "started" {
			return errCrash
		}
		return nil
	}
	_, err := w.Round(ctx)
	require.ErrorIs(t, err, errCrash)
	late := keyring.Compartment{Owner: a.Stream(), Group: "contact"}
	_, err = w.Keys.ProvisionNext(ctx, []keyring.Compartment{late})
	require.NoError(t, err)
	w.again()
	w.settleAll()
	keys, err := w.Keys.Keys(ctx, a.Stream())
	require.NoError(t, err)
	of := 0
	for _, k := range keys {
		if k.Compartment == late {
			of++
			require.True(t, k.Fenced, "generation %d", k.Generation)
		}
	}
	require.Equal(t, 2, of)
}

// A hold for a group of people that was placed just before the start, in its
// own stream, and was not seen by it: nothing is destroyed.
func TestAGroupHoldFromBeforeTheStart(t *testing.T) {
	w := newWorld(t)
	a := w.register("ada@example.org")
	it := w.order(a, subject.OrderErasure{Scope: all})
	place := func() {
		_, err := w.Ledger.Operate(ctx, w.req(), operations.PlaceGroupHold{Officer: true, GroupHoldPlaced: operations.GroupHoldPlaced{
			Hold: domain.ID{7}, Group: "identity", Purpose: "invoicing", People: operations.Everyone,
			Review: time.Now().AddDate(1, 0, 0), Authority: personal.Of("court"),
		}})
		require.NoError(t, err)
	}
	w.crash = func(point string) error {
		if point == "started" {
			return errCrash
		}
		return nil
	}
	place()
	_, err := w.Round(ctx)
	require.ErrorIs(t, err, errCrash)
	w.again()
	w.settleAll()
	e := w.erasure(it)
	require.Equal(t, subject.IsCompleted, e.State, "the rest goes")
	require.True(t, w.read(a)["name=Ada Lovelace"], "held")
	require.Equal(t, 1, w.count(a, "HoldPlaced"), "the hold is on the record itself")
}
