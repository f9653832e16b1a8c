package projections_test

import (
	"context"
	"flag"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"lethe/domain"
	"lethe/domain/importing"
	"lethe/domain/personal"
	"lethe/domain/subject"
	"lethe/eventstore"
	"lethe/projections"
	"lethe/projections/accesses"
	"lethe/projections/consents"
	"lethe/projections/customers"
	"lethe/projections/erasures"
	"lethe/projections/history"
	"lethe/projections/imports"
)

func allViews() []projections.Projection {
	return []projections.Projection{customers.View{}, consents.View{}, history.View{}, accesses.View{}, imports.View{}, erasures.View{}}
}

type drawn struct{ *rapid.T }

func (d drawn) pick(n int) int { return rapid.IntRange(0, n-1).Draw(d.T, "n") }

func open(t testing.TB, dir string, store eventstore.Store, decoder projections.Decoder, views ...projections.Projection) *projections.Runner {
	r, err := projections.Open(context.Background(), projections.Options{
		Dir: dir, Store: store, Decoder: decoder, Projections: views, Logger: slog.New(slog.DiscardHandler), BatchEvents: 32,
	})
	require.NoError(t, err)
	return r
}

func waitAll(t require.TestingT, r *projections.Runner, position eventstore.Position) {
	for _, s := range r.Status() {
		require.NoError(t, r.WaitFor(context.Background(), s.Name, position))
	}
}

// dumpAll gives every row of every table of a view, in the order of keys.
func dumpAll(t require.TestingT, r projections.Source, view projections.Projection) (rows []string) {
	ctx := context.Background()
	err := r.Read(ctx, view.Name(), func(db projections.Querier) error {
		for _, table := range view.Schema().Tables {
			keys := make([]string, table.KeyColumns)
			for i := range keys {
				keys[i] = fmt.Sprint(i + 1)
			}
			found, err := db.QueryContext(ctx, "SELECT * FROM "+table.Name+" ORDER BY "+strings.Join(keys, ","))
			if err != nil {
				return err
			}
			for found.Next() {
				row, into := make([]any, len(table.Columns)), make([]any, len(table.Columns))
				for i := range row {
					into[i] = &row[i]
				}
				if err := found.Scan(into...); err != nil {
					return err
				}
				rows = append(rows, table.Name+" "+fmt.Sprint(row...))
			}
			if err := found.Close(); err != nil {
				return err
			}
		}
		return nil
	})
	require.NoError(t, err)
	return rows
}

// TestRebuiltEqualsLive follows random histories in batches as they come, and
// compares every row with what a rebuild makes, and every answer with the
// domain's own fold of the streams.
func TestRebuiltEqualsLive(t *testing.T) {
	fewer(t)
	rapid.Check(t, func(rt *rapid.T) {
		store := newMemory()
		g := newGenerator(t, store, 4)
		r := open(t, t.TempDir(), store, g.codec, allViews()...)
		defer func() { require.NoError(rt, r.Close()) }()
		for range rapid.IntRange(1, 6).Draw(rt, "batches") {
			var last eventstore.Position
			for range rapid.IntRange(1, 30).Draw(rt, "events") {
				last = g.step(drawn{rt})
			}
			waitAll(rt, r, last)
		}
		live := map[string][]string{}
		for _, v := range allViews() {
			live[v.Name()] = dumpAll(rt, r, v)
		}
		require.NoError(rt, r.Rebuild(context.Background(), nil))
		for _, v := range allViews() {
			require.Equal(rt, live[v.Name()], dumpAll(rt, r, v), v.Name())
		}
		for _, token := range g.tokens {
			state := fold(rt, g, token)
			for _, now := range []time.Time{g.when.Add(-3 * time.Hour), g.when, g.when.Add(24 * time.Hour)} {
				requireCustomer(rt, r, token, state, now)
				requireConsents(rt, r, token, state, now)
			}
			requireHistory(rt, r, token, state)
			requireErasures(rt, r, token, state)
		}
	})
}

// fewer takes 25 histories instead of rapid's usual 100, each of which makes
// ten database files; -rapid.checks asks for another number.
func fewer(t *testing.T) {
	if f := flag.Lookup("rapid.checks"); f != nil && f.Value.String() == f.DefValue {
		require.NoError(t, f.Value.Set("25"))
		t.Cleanup(func() { _ = f.Value.Set(f.DefValue) })
	}
}

func fold(t require.TestingT, g *generator, token domain.Token) (state *subject.State) {
	for e, err := range g.store.ReadStream(context.Background(), token.Stream(), eventstore.StreamRange{}) {
		require.NoError(t, err)
		decoded, err := g.codec.Decode(e.Clone())
		require.NoError(t, err)
		state = subject.Evolve(state, decoded)
	}
	return state
}

func requireCustomer(t require.TestingT, r projections.Source, token domain.Token, state *subject.State, now time.Time) {
	got, err := customers.Queries{Source: r}.Get(context.Background(), token, now)
	if state == nil {
		e, ok := domain.AsError(err)
		require.True(t, ok)
		require.Equal(t, domain.KindNotFound, e.Kind)
		return
	}
	require.NoError(t, err)
	want := state.At(time.Time{}, now)
	require.Equal(t, state.Revision(), got.Revision)
	require.Equal(t, want.Registration.Jurisdiction, got.Jurisdiction)
	require.Equal(t, want.Registration.Source, got.Source)
	require.Equal(t, want.Registered.ID, got.Event)
	require.Equal(t, left(state, want.Registered.Revision, want.Registration.Row), got.Row)
	require.Equal(t, standsOf(state), []any{got.Status, got.Closed})
	require.Equal(t, want.Restricted(), got.Restricted)
	require.Len(t, got.Fields, len(want.Fields))
	for i, f := range want.Fields {
		h := got.Fields[i]
		require.Equal(t, []any{f.Field, f.Slot, f.Earlier, f.Group, f.Class, f.Purposes, f.EventID, f.Revision, f.Source},
			[]any{h.Field, h.Slot, h.Earlier, h.Group, h.Class, h.Purposes, h.Event, h.Revision, h.Source})
		require.Equal(t, left(state, f.Revision, f.Value), h.Value, "what opening needs is all there, or a marker")
	}
	require.Equal(t, brief(want), brief(&subject.Snapshot{
		Objections: got.Objected, Restrictions: got.Restrictions, Holds: got.Holds, Links: got.Links,
	}))
}

// brief says what stands, by the events that it rests on.
func brief(s *subject.Snapshot) (list []string) {
	for _, o := range s.Objections {
		list = append(list, fmt.Sprint("objection ", o.ID, o.State, o.Scope, o.Channel, o.Rest.Effective))
	}
	for _, x := range s.Restrictions {
		list = append(list, fmt.Sprint("restriction ", x.Ground, x.Since, x.Rest.ID))
	}
	for _, l := range s.Links {
		list = append(list, fmt.Sprint("link ", l.Other, l.Ground, l.State, l.Rest.ID))
	}
	return list
}

func consent(c *subject.Consent) string {
	s := fmt.Sprint(c.Purpose, c.Status, c.Version, c.Since, c.Until)
	for _, e := range []*domain.Recorded{c.Granted, c.Origin, c.Pending, c.Denied, c.Rest} {
		if e != nil {
			s += fmt.Sprint(" ", e.ID, e.Position)
		}
	}
	return s
}

func requireConsents(t require.TestingT, r projections.Source, token domain.Token, state *subject.State, now time.Time) {
	q := consents.Queries{Source: r}
	got, err := q.Current(context.Background(), token, now)
	require.NoError(t, err)
	want := state.At(time.Time{}, now)
	require.Len(t, got.Consents, len(want.Consents))
	for i := range want.Consents {
		require.Equal(t, consent(&want.Consents[i]), consent(&got.Consents[i]))
	}
	require.Len(t, got.Bases, len(want.Bases))
	for i, b := range want.Bases {
		require.Equal(t, []any{b.Purpose, b.Basis, b.Rest.ID}, []any{got.Bases[i].Purpose, got.Bases[i].Basis, got.Bases[i].Rest.ID})
	}
	for _, purpose := range purposes {
		listed, err := q.OfPurpose(context.Background(), purpose, "", 500, now)
		require.NoError(t, err)
		for _, l := range listed {
			if l.Token == token {
				c := state.Consent(time.Time{}, now, purpose)
				require.Equal(t, []any{c.Status, c.Version, c.Since, c.Until}, []any{l.Status, l.Version, l.Since, l.Until}, "listed")
			}
		}
	}
}

func requireHistory(t require.TestingT, r projections.Source, token domain.Token, state *subject.State) {
	var got []history.Entry
	for {
		page := history.Page{Limit: 3}
		if len(got) > 0 {
			page.After = got[len(got)-1].Position
		}
		next, err := history.Queries{Source: r}.List(context.Background(), token, page)
		require.NoError(t, err)
		if len(next) == 0 {
			break
		}
		got = append(got, next...)
	}
	wanted := map[string]bool{}
	for _, name := range (history.View{}).Events() {
		wanted[name] = true
	}
	n := 0
	for _, e := range state.Entries() {
		if !wanted[e.Event.EventType().Name] {
			continue
		}
		h := got[n]
		n++
		require.Equal(t, []any{e.ID, e.Revision, e.Recorded, e.Effective, e.Event.EventType().Name, e.Metadata.Principal},
			[]any{h.Event, h.Revision, h.Recorded, h.Effective, h.Type, h.Principal})
		var values []personal.Value
		for _, s := range e.Event.Personal(nil) {
			if !s.Value.IsZero() {
				values = append(values, left(state, e.Revision, *s.Value))
			}
		}
		require.Len(t, h.Values, len(values))
		for i := range values {
			require.Equal(t, values[i], h.Values[i].Value)
		}
		require.Equal(t, facts(t, e.Event, h.Erasure != nil), facts(t, h.Erasure, h.Erasure != nil))
	}
	require.Len(t, got, n)
}

// facts is what an event says in clear.
func facts(t require.TestingT, e domain.Event, wanted bool) string {
	if !wanted {
		return ""
	}
	b, err := json.Marshal(e)
	require.NoError(t, err)
	return string(b)
}

// standsOf says by the domain's fold how far a record is erased.
func standsOf(state *subject.State) []any {
	status := customers.Active
	for _, r := range state.Entries() {
		switch e := r.Event.(type) {
		case *subject.ErasureCompleted:
			for _, x := range state.Erasures() {
				if x.ID == e.Erasure && x.Ordered != nil && x.Ordered.Everything {
					status = customers.Erased
				}
			}
		case *subject.LifecycleOpened:
			status = customers.Active
		}
	}
	for _, x := range state.Erasures() {
		if x.State == subject.IsOrdered || x.State == subject.IsStarted {
			status = customers.Erasing
		}
	}
	var closed []domain.Name
	for g := range state.Closed(time.Time{}) {
		closed = append(closed, g)
	}
	slices.Sort(closed)
	return []any{status, closed}
}

// requireErasures compares the view of erasures with the domain's fold.
func requireErasures(t require.TestingT, r projections.Source, token domain.Token, state *subject.State) {
	q := erasures.Queries{Source: r}
	got, err := q.OfToken(context.Background(), token)
	require.NoError(t, err)
	brief := map[domain.ID]string{}
	for _, e := range got {
		brief[e.ID] = fmt.Sprint(e.State, e.Everything, e.Due, e.Linked, e.Ordered, e.Cancelled, e.Started, e.Stopped, e.Completed,
			e.Erased+e.Trimmed+e.Kept+e.Refused, e.Keys)
	}
	want := map[domain.ID]string{}
	for _, e := range state.Erasures() {
		ordered, keys := &subject.ErasureOrdered{}, 0
		if e.Ordered != nil {
			ordered = e.Ordered
		}
		if e.Started != nil {
			keys = len(e.Started.Keys)
		}
		at := func(r *domain.Recorded) (t time.Time) {
			if r != nil {
				t = r.Recorded
			}
			return t
		}
		want[e.ID] = fmt.Sprint(e.State, ordered.Everything, ordered.Due, ordered.Linked, at(e.OrderedAt), at(e.CancelledAt), at(e.StartedAt),
			at(e.StoppedAt), at(e.CompletedAt), len(e.Groups()), keys)
	}
	require.Equal(t, want, brief)
	waits, err := q.WaitsOf(context.Background(), token)
	require.NoError(t, err)
	var listed, waiting []string
	for _, w := range waits {
		listed = append(listed, fmt.Sprint(w.Erasure, w.Group, w.Rule, w.Hold, w.Until))
	}
	for _, w := range state.Waiting() {
		waiting = append(waiting, fmt.Sprint(w.Erasure, w.Group, w.Rule, w.Hold, w.Until))
	}
	require.ElementsMatch(t, waiting, listed)
}

func TestQueries(t *testing.T) {
	store := newMemory()
	g := newGenerator(t, store, 3)
	r := open(t, t.TempDir(), store, g.codec, allViews()...)
	t.Cleanup(func() { require.NoError(t, r.Close()) })
	c := &lcg{state: 5}
	for _, token := range g.tokens {
		e := g.encode(token.Stream(), g.registered(c), g.when)
		g.events[token] = []domain.ID{domain.ID(e.ID)}
		g.append(token.Stream(), e)
	}
	id := domain.ID{1, 9}
	stream := importing.Stream(id)
	for _, pick := range []int{0, 1, 1, 2, 3} {
		g.append(stream, g.encode(stream, g.importing(fixed(pick), id), g.when))
	}
	var last eventstore.Position
	for range 40 {
		last = g.append("access-x", g.encode("access-x", g.access(c), g.when))
	}
	waitAll(t, r, last)
	t.Run("imports", func(t *testing.T) { requireImports(t, imports.Queries{Source: r}, id) })
	t.Run("accesses", func(t *testing.T) { requireAccesses(t, accesses.Queries{Source: r}, g.tokens[0]) })
	t.Run("customers", func(t *testing.T) { requirePages(t, customers.Queries{Source: r}) })
}

func requireImports(t *testing.T, q imports.Queries, id domain.ID) {
	ctx := t.Context()
	report, err := q.Get(ctx, id)
	require.NoError(t, err)
	require.Equal(t, imports.Completed, report.Status)
	require.EqualValues(t, []uint64{2, 2, 1}, []uint64{report.Refused, report.Conflicts, report.Links})
	require.Equal(t, []importing.Table{{
		Name: "people", Read: 9, Created: 4, Refused: 1, LeftOut: []importing.RuleCount{{Rule: "empty", Count: 2}},
		Findings: []importing.RuleCount{{Rule: "odd", Count: 1}},
	}}, report.Tables)
	require.Equal(t, personal.Sealed, report.FileName.State())
	require.Equal(t, "ImportStarted", report.FileName.Ref().Type)

	all, err := q.Refusals(ctx, id, imports.Cursor{}, 0)
	require.NoError(t, err)
	require.Len(t, all, 4)
	rest, err := q.Refusals(ctx, id, all[1].At, 1)
	require.NoError(t, err)
	require.Equal(t, all[2:3], rest)
	links, err := q.Links(ctx, id, imports.Cursor{}, 0)
	require.NoError(t, err)
	require.Len(t, links, 1)
	list, err := q.List(ctx, 0, 10)
	require.NoError(t, err)
	require.Equal(t, []imports.Import{report.Import}, list)
	_, err = q.Get(ctx, domain.ID{99})
	e, ok := domain.AsError(err)
	require.True(t, ok)
	require.Equal(t, domain.KindNotFound, e.Kind)
}

func requireAccesses(t *testing.T, q accesses.Queries, token domain.Token) {
	ctx := t.Context()
	all, err := q.OfToken(ctx, token, accesses.Page{Limit: 500})
	require.NoError(t, err)
	require.Greater(t, len(all), 20)
	var paged []accesses.Access
	for at := (accesses.Cursor{}); ; at = paged[len(paged)-1].At() {
		page, err := q.OfToken(ctx, token, accesses.Page{After: at, Newest: true, Limit: 7})
		require.NoError(t, err)
		if len(page) == 0 {
			break
		}
		paged = append(paged, page...)
	}
	require.Len(t, paged, len(all))
	require.Equal(t, all[0], paged[len(paged)-1])
	mine, err := q.OfPrincipal(ctx, domain.ID{7}, accesses.Page{Limit: 500})
	require.NoError(t, err)
	require.Greater(t, len(mine), len(all))
	nobody, err := q.OfPrincipal(ctx, domain.ID{8}, accesses.Page{})
	require.NoError(t, err)
	require.Empty(t, nobody)
}

func requirePages(t *testing.T, q customers.Queries) {
	ctx := t.Context()
	all, err := q.List(ctx, "", 0, customers.Filter{})
	require.NoError(t, err)
	require.Len(t, all, 3)
	rest, err := q.List(ctx, all[0].Token, 1, customers.Filter{System: "crm"})
	require.NoError(t, err)
	require.Equal(t, all[1:2], rest)
	none, err := q.List(ctx, "", 0, customers.Filter{Restricted: true})
	require.NoError(t, err)
	require.Empty(t, none)
	var byImport int
	for i := range 2 {
		found, err := q.List(ctx, "", 0, customers.Filter{Import: domain.ID{byte(i), 9}})
		require.NoError(t, err)
		byImport += len(found)
	}
	require.Equal(t, 3, byImport)
}

// lcg is a cheap chooser for fixed histories.
type lcg struct{ state uint64 }

func (l *lcg) pick(n int) int {
	l.state = l.state*6364136223846793005 + 1442695040888963407
	return int(l.state>>33) % n
}

type fixed int

func (f fixed) pick(int) int { return int(f) }
