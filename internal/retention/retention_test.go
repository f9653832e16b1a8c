package retention

import (
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"lethe/domain"
	"lethe/domain/catalogue"
	"lethe/domain/operations"
	"lethe/domain/personal"
	"lethe/domain/subject"
	"lethe/eventstore"
	"lethe/eventstore/segment"
	"lethe/internal/codec"
	"lethe/internal/erasure"
	"lethe/internal/keyring"
	"lethe/internal/ledger"
)

var me = domain.ID{1}

// world is a ledger with people, and the process that carries erasures out.
type world struct {
	*Job
	t       testing.TB
	store   *segment.Store
	keys    *keyring.Keyring
	process *erasure.Process
	people  []domain.Token
	woken   int
}

func newWorld(t testing.TB) *world {
	dir := t.TempDir()
	in := func(name string) string { return filepath.Join(dir, name) }
	store, err := segment.Open(in("log"), segment.Options{SegmentBytes: 1 << 20})
	require.NoError(t, err)
	keys, err := keyring.Open(t.Context(), keyring.Options{
		Dir: in("keys"), EpochDir: in("epochs"), LookupDir: in("lookup"), JournalDir: in("journal"), HeadDir: in("pins"),
		RootKeyFile: in("root.key"), CreateRoot: true, Now: time.Now, Rand: rand.Reader,
	})
	require.NoError(t, err)
	c, err := codec.New()
	require.NoError(t, err)
	l, err := ledger.New(ledger.Options{
		Store: store, Keys: keys, Codec: c, Now: time.Now, Rand: rand.Reader, Logger: slog.New(slog.DiscardHandler), EvidenceRetention: "P3Y",
	})
	require.NoError(t, err)
	t.Cleanup(func() {
		require.NoError(t, store.Close())
		require.NoError(t, keys.Close())
	})
	w := &world{t: t, store: store, keys: keys}
	w.Job = &Job{
		Ledger: l, People: w.list, Count: func(context.Context) (uint64, error) { return uint64(len(w.people)), nil },
		Linked: func(_ context.Context, token domain.Token) ([]domain.Token, error) {
			return slices.DeleteFunc(slices.Clone(w.people[:2]), func(other domain.Token) bool { return other == token }), nil
		},
		Rand: rand.Reader, Wake: func() { w.woken++ }, page: 3,
	}
	w.process = &erasure.Process{
		Ledger: l, Keys: keys, Todo: w, Sinks: []erasure.Sink{w}, System: domain.ID{2}, Log: slog.New(slog.DiscardHandler), Settle: time.Nanosecond,
	}
	w.declare()
	return w
}

func (w *world) list(_ context.Context, after domain.Token, limit int) ([]domain.Token, error) {
	people := slices.Sorted(slices.Values(w.people))
	i := 0
	for i < len(people) && people[i] <= after {
		i++
	}
	return people[i:min(i+limit, len(people))], nil
}

// Due implements erasure.Todo by folding everybody.
func (w *world) Due(ctx context.Context, _ time.Time, _ int) (items []erasure.Item, err error) {
	for _, token := range w.people {
		for _, e := range w.state(token).Erasures() {
			if e.State == subject.IsOrdered {
				items = append(items, erasure.Item{Token: token, Erasure: e.ID})
			}
		}
	}
	return items, ctx.Err()
}

func (w *world) Started(context.Context, int) ([]erasure.Item, error)            { return nil, nil }
func (w *world) Waiting(context.Context, time.Time, int) ([]domain.Token, error) { return nil, nil }
func (w *world) Confirm(_ context.Context, upTo eventstore.Position, _ []erasure.Item) ([]subject.SinkConfirmed, error) {
	return []subject.SinkConfirmed{{Sink: "test", Guarantee: subject.Destroyed, Position: uint64(upTo), At: time.Now().UTC()}}, nil
}

func (w *world) state(token domain.Token) *subject.State {
	s, err := w.Ledger.Subject(context.Background(), token)
	require.NoError(w.t, err)
	return s
}

func (w *world) declare() {
	purpose := func(id domain.Name, basis domain.Basis, change func(*catalogue.PurposeDeclared)) catalogue.Command {
		p := catalogue.PurposeDeclared{
			ID: id, Controllers: []domain.Name{"acme"}, Basis: basis, Fields: []domain.Name{"name", "invoice"}, Retention: "P3Y",
			RetentionStart: catalogue.FromCollection, DPV: "dpv:CustomerCare", InForce: time.Now().UTC().AddDate(-20, 0, 0),
		}
		change(&p)
		return catalogue.DeclarePurpose{PurposeDeclared: p}
	}
	_, err := w.Ledger.Declare(context.Background(), ledger.Request{Principal: me},
		catalogue.DeclareController{ControllerDeclared: catalogue.ControllerDeclared{
			ID: "acme", Country: "DE", Name: personal.Of("Acme"), Address: personal.Of("Weg 1"), Contact: personal.Of("DP"),
			Email: personal.Of("p@acme.example"), Phone: personal.Of("+4930123456"), PolicyURL: personal.Of("https://acme.example/p"),
			Withdrawal: personal.Of("https://acme.example/w"),
		}},
		catalogue.DeclareField{FieldDeclared: catalogue.FieldDeclared{ID: "name", Group: "identity", Type: catalogue.Text, Category: "Data"}},
		catalogue.DeclareField{FieldDeclared: catalogue.FieldDeclared{ID: "invoice", Group: "billing", Type: catalogue.Text, Category: "Data", Many: true}},
		purpose("service", domain.LegitimateInterests, func(*catalogue.PurposeDeclared) {}),
		purpose("invoicing", domain.LegalObligation, func(p *catalogue.PurposeDeclared) { p.Keeps, p.Retention = true, "P10Y" }),
	)
	require.NoError(w.t, err)
}

// person has a name of three years ago and more, an invoice of eleven years ago
// and one of five.
func (w *world) person(nameYears int) domain.Token {
	w.t.Helper()
	ago := func(years int) subject.When { return subject.When{At: time.Now().UTC().AddDate(-years, 0, -1)} }
	var command domain.Digest
	_, err := rand.Read(command[:])
	require.NoError(w.t, err)
	token, _, err := w.Ledger.Register(context.Background(), ledger.Request{Principal: me, Command: command, Body: command}, subject.Env{},
		subject.Register{When: ago(12), Acquired: subject.FromPerson, Jurisdiction: "DE"},
		subject.RecordFields{When: ago(nameYears), Purpose: "service", Items: []subject.Entry{{Field: "name", Text: personal.Of("Ada Lovelace")}}},
		subject.RecordFields{When: ago(11), Purpose: "invoicing", Items: []subject.Entry{{Field: "invoice", Text: personal.Of("invoice of old")}}},
		subject.RecordFields{When: ago(5), Purpose: "invoicing", Items: []subject.Entry{{Field: "invoice", Text: personal.Of("invoice of late")}}},
	)
	require.NoError(w.t, err)
	w.people = append(w.people, token)
	return token
}

func (w *world) do(token domain.Token, commands ...subject.Command) {
	w.t.Helper()
	_, err := w.Ledger.On(context.Background(), ledger.Request{Principal: me}, token, subject.Env{Officer: true}, commands...)
	require.NoError(w.t, err)
}

func (w *world) run(req Request) Tally {
	w.t.Helper()
	req.By = me
	r, err := w.Run(context.Background(), req)
	require.NoError(w.t, err)
	require.Empty(w.t, r.After)
	return r
}

func (w *world) erase() {
	w.t.Helper()
	for range 3 {
		_, err := w.process.Round(context.Background())
		require.NoError(w.t, err)
	}
}

// held are the texts of a person's values that can be read.
func (w *world) held(token domain.Token) (texts []string) {
	for _, f := range w.state(token).At(time.Time{}, time.Time{}).Fields {
		for _, text := range []string{"Ada Lovelace", "invoice of old", "invoice of late"} {
			same, err := w.Ledger.Matches(context.Background(), f.Value, text)
			require.NoError(w.t, err)
			if same {
				texts = append(texts, text)
			}
		}
	}
	slices.Sort(texts)
	return texts
}

func (w *world) head() (n int) {
	for _, err := range w.store.ReadAll(context.Background(), 0) {
		require.NoError(w.t, err)
		n++
	}
	return n
}

// Values whose retention has ended go, others of their group stay, and a second
// run has nothing to do.
func TestRetentionEndsValueByValue(t *testing.T) {
	w := newWorld(t)
	old, young := w.person(4), w.person(1)
	before := w.head()
	dry := w.run(Request{DryRun: true})
	require.Equal(t, Tally{Total: 2, Looked: 2, People: 2, Ordered: 2, Values: 3, DryRun: true}, dry)
	require.Equal(t, before, w.head(), "a dry run writes nothing")

	r := w.run(Request{})
	dry.DryRun = false
	require.Equal(t, dry, r)
	require.Positive(t, w.woken)
	require.Equal(t, Tally{Total: 2, Looked: 2, People: 2, Underway: 2}, w.run(Request{}), "their erasures are under way")
	w.erase()
	require.Equal(t, []string{"invoice of late"}, w.held(old))
	require.Equal(t, []string{"Ada Lovelace", "invoice of late"}, w.held(young))
	require.Empty(t, w.state(old).Closed(time.Time{}), "what comes anew can be recorded")
	for _, token := range w.people {
		e := w.state(token).Erasures()
		require.Len(t, e, 1)
		require.Equal(t, subject.IsCompleted, e[0].State)
		require.Equal(t, subject.OnRetention, e[0].Ordered.Cause)
		require.Equal(t, subject.Controller, e[0].Ordered.By)
	}
	require.Equal(t, Tally{Total: 2, Looked: 2}, w.run(Request{}))
	w.do(old, subject.RecordFields{Purpose: "service", Items: []subject.Entry{{Field: "name", Text: personal.Of("Ada Lovelace")}}})
	require.Equal(t, Tally{Total: 2, Looked: 2}, w.run(Request{}))
}

// Whatever a run is cut off at, it goes on there or from the start, and every
// person's erasure is ordered once.
func TestACutOffRunGoesOn(t *testing.T) {
	for _, after := range []bool{true, false} {
		w := newWorld(t)
		for range 10 {
			w.person(4)
		}
		slices.Sort(w.people)
		ctx, cancel := context.WithCancel(t.Context())
		pages := 0
		first, err := w.Run(ctx, Request{By: me, Progress: func(Tally) {
			if pages++; pages == 2 {
				cancel()
			}
		}})
		require.True(t, errors.Is(err, context.Canceled))
		require.EqualValues(t, 6, first.Ordered)
		require.Equal(t, w.people[5], first.After)
		again := Request{}
		if after {
			again.After = first.After
		}
		second := w.run(again)
		require.EqualValues(t, 4, second.Ordered)
		for _, token := range w.people {
			require.Len(t, w.state(token).Erasures(), 1)
		}
	}
}

func TestTwoRunsAtOnceOrderOnce(t *testing.T) {
	w := newWorld(t)
	for range 12 {
		w.person(4)
	}
	slices.Sort(w.people)
	var both sync.WaitGroup
	var reports [2]Tally
	w.Wake = func() {}
	for i := range reports {
		both.Go(func() {
			var err error
			reports[i], err = w.Run(t.Context(), Request{By: me})
			require.NoError(t, err)
		})
	}
	both.Wait()
	require.EqualValues(t, 12, reports[0].Ordered+reports[1].Ordered)
	for _, token := range w.people {
		require.Len(t, w.state(token).Erasures(), 1)
	}
}

// Holds, of the record, of a linked one and for everybody, and the person's
// wish to restrict keep what is overdue.
func TestRetentionLeavesWhatIsKept(t *testing.T) {
	w := newWorld(t)
	for range 4 {
		w.person(4)
	}
	slices.Sort(w.people)
	held, linked, restricted, free := w.people[0], w.people[1], w.people[2], w.people[3]
	w.do(held, subject.PlaceHold{Hold: domain.ID{7}, Group: "identity", Purpose: "invoicing", Review: time.Now().AddDate(1, 0, 0), Authority: personal.Of("court")})
	for _, pair := range [][2]domain.Token{{held, linked}, {linked, held}} {
		w.do(pair[0], subject.ProposeLink{Other: pair[1], Ground: subject.ByOfficer}, subject.AcceptLink{Other: pair[1]})
	}
	w.do(restricted, subject.PlaceRestriction{Ground: subject.NeededForClaims})
	_, err := w.Ledger.Operate(t.Context(), ledger.Request{Principal: me}, operations.PlaceGroupHold{
		Officer: true, GroupHoldPlaced: operations.GroupHoldPlaced{
			Hold: domain.ID{9}, Group: "billing", Purpose: "invoicing", Review: time.Now().AddDate(1, 0, 0), People: operations.Everyone,
			Authority: personal.Of("court"),
		},
	})
	require.NoError(t, err)
	found, looked, last, err := w.Look(t.Context(), "", 100)
	require.NoError(t, err)
	require.Equal(t, 4, looked)
	require.Empty(t, last)
	stays := map[domain.Token][]subject.KeepRule{}
	for _, p := range found {
		for _, x := range p.Overdue {
			stays[p.Token] = append(stays[p.Token], x.Stays)
		}
	}
	require.Equal(t, map[domain.Token][]subject.KeepRule{
		held: {"hold", "hold"}, linked: {"hold", "hold"}, restricted: {"hold", "restricted"}, free: {"hold", ""},
	}, stays)
	r := w.run(Request{})
	require.EqualValues(t, 1, r.Ordered)
	require.EqualValues(t, 7, r.Kept)
	w.erase()
	require.Equal(t, []string{"invoice of late", "invoice of old"}, w.held(free))
	require.Len(t, w.held(linked), 3)
}

// A linked record's hold that is placed after the order still keeps.
func TestALateHoldOfALinkedRecordKeeps(t *testing.T) {
	w := newWorld(t)
	w.person(4)
	w.person(4)
	slices.Sort(w.people)
	a, b := w.people[0], w.people[1]
	for _, pair := range [][2]domain.Token{{a, b}, {b, a}} {
		w.do(pair[0], subject.ProposeLink{Other: pair[1], Ground: subject.ByOfficer}, subject.AcceptLink{Other: pair[1]})
	}
	require.EqualValues(t, 2, w.run(Request{}).Ordered)
	w.do(b, subject.PlaceHold{Hold: domain.ID{7}, Group: "identity", Purpose: "invoicing", Review: time.Now().AddDate(1, 0, 0), Authority: personal.Of("court")})
	w.erase()
	require.Equal(t, []string{"Ada Lovelace", "invoice of late"}, w.held(a))
	require.Equal(t, []string{"Ada Lovelace", "invoice of late"}, w.held(b))
	require.Len(t, w.state(b).Erasures(), 1, "single values take nothing along")
}

func BenchmarkLook(b *testing.B) {
	w := newWorld(b)
	w.page = 0
	for range 2000 {
		w.person(1)
	}
	b.ResetTimer()
	for b.Loop() {
		_, n, _, err := w.Look(b.Context(), "", 1<<30)
		require.NoError(b, err)
		require.Equal(b, 2000, n)
	}
	b.ReportMetric(float64(2000*b.N)/b.Elapsed().Seconds(), "people/s")
}
