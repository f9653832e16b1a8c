package projections_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"lethe/domain"
	"lethe/domain/subject"
	"lethe/eventstore"
	"lethe/projections/erasures"
)

// ids of a list's erasures.
func idsOf(list []erasures.Erasure) (ids []domain.ID) {
	for _, e := range list {
		ids = append(ids, e.ID)
	}
	return ids
}

func TestErasuresThatAreDueStartedOrWaiting(t *testing.T) {
	store := newMemory()
	g := newGenerator(t, store, 3)
	r := open(t, t.TempDir(), store, g.codec, erasures.View{})
	t.Cleanup(func() { require.NoError(t, r.Close()) })
	a, b, c := g.tokens[0], g.tokens[1], g.tokens[2]
	hold, until := domain.ID{0xF}, g.when.Add(48*time.Hour)
	kept := []subject.Weighed{
		{Group: "contact", Outcome: subject.Erase, Ground: subject.NotNecessary},
		{Group: "billing", Outcome: subject.Keep, Rule: subject.KeptByLaw, Purpose: "invoice", Until: until},
		{Group: "claims", Outcome: subject.Keep, Rule: subject.KeptByHold, Hold: hold},
		{Group: "profile", Outcome: subject.Refuse, Rule: subject.ContractRuns},
	}
	order := func(token domain.Token, id domain.ID, due time.Time) eventstore.Position {
		e := &subject.ErasureOrdered{Erasure: id, Cause: subject.OnRequest, Groups: kept, Due: due, By: subject.Self, Linked: []domain.Token{c}}
		return g.append(token.Stream(), g.encode(token.Stream(), e, g.when))
	}
	at := order(a, domain.ID{1}, g.when)
	order(b, domain.ID{2}, g.when.Add(time.Hour))
	last := order(c, domain.ID{3}, g.when)
	waitAll(t, r, last)
	q, ctx := erasures.Queries{Source: r}, t.Context()

	due, err := q.Due(ctx, g.when, 0, 10)
	require.NoError(t, err)
	require.Equal(t, []domain.ID{{1}, {3}}, idsOf(due))
	require.Equal(t, []any{a, at, subject.IsOrdered, subject.OnRequest, []domain.Token{c}, 1, 2, 1, g.when},
		[]any{due[0].Token, due[0].Position, due[0].State, due[0].Cause, due[0].Linked, due[0].Erased, due[0].Kept, due[0].Refused, due[0].Due})
	due, err = q.Due(ctx, g.when, at, 10)
	require.NoError(t, err)
	require.Equal(t, []domain.ID{{3}}, idsOf(due), "behind the first")
	counts, err := q.Counts(ctx, g.when.Add(time.Minute))
	require.NoError(t, err)
	require.Equal(t, erasures.Counts{States: map[subject.ErasureState]int{subject.IsOrdered: 3}, Overdue: 2}, counts)

	step := func(token domain.Token, e domain.Event) {
		last = g.append(token.Stream(), g.encode(token.Stream(), e, g.when))
	}
	keys := []subject.KeyRef{{Group: "contact", Generation: 1, Key: domain.ID{9}}}
	step(a, &subject.ErasureStarted{Erasure: domain.ID{1}, Groups: kept, Keys: keys})
	step(b, &subject.ErasureCancelled{Erasure: domain.ID{2}, By: subject.Self})
	waitAll(t, r, last)
	started, err := q.Started(ctx, 0, 10)
	require.NoError(t, err)
	require.Equal(t, []domain.ID{{1}}, idsOf(started))
	require.Equal(t, 1, started[0].Keys)
	waiting, err := q.Waiting(ctx, until, erasures.Cursor{}, 10)
	require.NoError(t, err)
	require.Empty(t, waiting, "it is not done")

	step(a, &subject.ErasureCompleted{
		Erasure: domain.ID{1}, Keys: []subject.KeyDestroyed{{KeyRef: keys[0], At: g.when}}, Marks: 2,
		Sinks: []subject.SinkConfirmed{{Sink: "views", Guarantee: subject.Destroyed, At: g.when}},
	})
	waitAll(t, r, last)
	for now, want := range map[time.Time]int{until.Add(-time.Microsecond): 0, until: 1} {
		waiting, err = q.Waiting(ctx, now, erasures.Cursor{}, 10)
		require.NoError(t, err)
		require.Len(t, waiting, want)
	}
	waiting, err = q.Waiting(ctx, until, erasures.Cursor{}, 10)
	require.NoError(t, err)
	require.Equal(t, []erasures.Wait{{Token: a, Group: "billing", Erasure: domain.ID{1}, Rule: subject.KeptByLaw, Purpose: "invoice", Until: until}}, waiting)
	waiting, err = q.Waiting(ctx, until, waiting[0].At(), 10)
	require.NoError(t, err)
	require.Empty(t, waiting, "behind it")
	waiting, err = q.ByHold(ctx, hold, erasures.Cursor{}, 10)
	require.NoError(t, err)
	require.Equal(t, []erasures.Wait{{Token: a, Group: "claims", Erasure: domain.ID{1}, Rule: subject.KeptByHold, Hold: hold}}, waiting)

	list, err := q.List(ctx, "", 0, 2)
	require.NoError(t, err)
	require.Equal(t, []domain.ID{{3}, {2}}, idsOf(list))
	list, err = q.List(ctx, "", list[1].Position, 2)
	require.NoError(t, err)
	require.Equal(t, []domain.ID{{1}}, idsOf(list))
	require.EqualValues(t, 2, list[0].Marks)
	list, err = q.List(ctx, subject.IsCancelled, 0, 2)
	require.NoError(t, err)
	require.Equal(t, []domain.ID{{2}}, idsOf(list))
	counts, err = q.Counts(ctx, g.when)
	require.NoError(t, err)
	require.Equal(t, 2, counts.Waiting)

	step(a, &subject.ErasureOrdered{Erasure: domain.ID{4}, Cause: subject.OnRelease, Groups: kept[2:3], Due: g.when, By: subject.Self})
	waitAll(t, r, last)
	waiting, err = q.WaitsOf(ctx, a)
	require.NoError(t, err)
	require.Len(t, waiting, 1, "a group that a later order names waits no more")
	require.EqualValues(t, "billing", waiting[0].Group)
	list, err = q.OfToken(ctx, a)
	require.NoError(t, err)
	require.Equal(t, []domain.ID{{1}, {4}}, idsOf(list))
}
