package projections_test

import (
	"context"
	"database/sql"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"lethe/domain"
	"lethe/domain/subject"
	"lethe/eventstore"
	"lethe/projections"
	"lethe/projections/history"
)

// The people of a purpose are those whose streams say so, at any cut.
func TestThePeopleOfAPurposeAreTheLogs(t *testing.T) {
	store := newMemory()
	g := newGenerator(t, store, 12)
	r := open(t, t.TempDir(), store, g.codec, history.View{})
	t.Cleanup(func() { require.NoError(t, r.Close()) })
	c := &lcg{state: 11}
	var cuts []history.Cut
	var last eventstore.Position
	for range 400 {
		last = g.step(c)
		cuts = append(cuts, history.Cut{Position: last, Recorded: recordedAt(t, store, last), Effective: g.when.Add(time.Duration(c.pick(7)-5) * time.Hour)})
	}
	waitAll(t, r, last)
	states := map[domain.Token]*subject.State{}
	for _, token := range g.tokens {
		states[token] = fold(t, g, token)
	}
	q := history.Queries{Source: r}
	for i := 0; i < len(cuts); i += 7 {
		cut := cuts[i]
		switch i % 3 {
		case 1:
			cut.Recorded = cuts[c.pick(i+1)].Recorded
		case 2:
			cut.Position = cuts[c.pick(i+1)].Position
		}
		for _, purpose := range purposes {
			var want []domain.Token
			for token, state := range states {
				if slices.ContainsFunc(state.Entries(), func(e domain.Recorded) bool { return names(&e, purpose, cut) }) {
					want = append(want, token)
				}
			}
			slices.Sort(want)
			var got []domain.Token
			for after := domain.Token(""); ; after = got[len(got)-1] {
				page, err := q.People(t.Context(), purpose, cut, after, 5)
				require.NoError(t, err)
				if len(page) == 0 {
					break
				}
				got = append(got, page...)
			}
			require.Equal(t, want, got, "%s at %v", purpose, cut)
		}
	}
}

// recordedAt is when the event at a position was recorded.
func recordedAt(t *testing.T, store eventstore.Store, at eventstore.Position) time.Time {
	for e, err := range store.ReadAll(t.Context(), at-1) {
		require.NoError(t, err)
		return e.Recorded
	}
	return time.Time{}
}

// names is the rule written a second time.
func names(e *domain.Recorded, purpose domain.Name, c history.Cut) bool {
	var of domain.Name
	switch x := e.Event.(type) {
	case *subject.ConsentRequested:
		of = x.Purpose
	case *subject.ConsentDeferred:
		of = x.Purpose
	case *subject.ConsentGiven:
		of = x.Purpose
	case *subject.ConsentRenewed:
		of = x.Purpose
	case *subject.ConsentRefused:
		of = x.Purpose
	case *subject.ConsentWithdrawn:
		of = x.Purpose
	case *subject.ConsentInvalidated:
		of = x.Purpose
	case *subject.BasisAsserted:
		of = x.Purpose
	case *subject.BasisEnded:
		of = x.Purpose
	case *subject.Objected:
		of = x.Purpose
	}
	return of == purpose && e.Position <= uint64(c.Position) && !e.Recorded.After(c.Recorded) && !e.Effective.After(c.Effective)
}

// Listing them reads one index, in its order, and no table.
func TestListingAPurposesPeopleReadsAnIndex(t *testing.T) {
	store := newMemory()
	g := newGenerator(t, store, 1)
	r := open(t, t.TempDir(), store, g.codec, history.View{})
	t.Cleanup(func() { require.NoError(t, r.Close()) })
	waitAll(t, r, g.step(&lcg{}))
	var plan []string
	_, err := history.Queries{Source: planned{r, &plan}}.People(t.Context(), "newsletter", history.Cut{}, "", 500)
	require.NoError(t, err)
	require.Contains(t, strings.Join(plan, "\n"), "USING COVERING INDEX history_purpose")
	require.NotContains(t, strings.Join(plan, "\n"), "TEMP B-TREE")
}

// planned notes how the engine answers each query.
type planned struct {
	projections.Source
	plan *[]string
}

func (p planned) Read(ctx context.Context, view string, with func(projections.Querier) error) error {
	return p.Source.Read(ctx, view, func(db projections.Querier) error { return with(explained{db, p.plan}) })
}

type explained struct {
	projections.Querier
	plan *[]string
}

func (e explained) QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	rows, err := e.Querier.QueryContext(ctx, "EXPLAIN QUERY PLAN "+query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var id, parent, unused int
		var detail string
		if err := rows.Scan(&id, &parent, &unused, &detail); err != nil {
			return nil, err
		}
		*e.plan = append(*e.plan, detail)
	}
	return e.Querier.QueryContext(ctx, query, args...)
}
