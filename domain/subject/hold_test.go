package subject_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"lethe/domain"
	"lethe/domain/subject"
)

func copied(group domain.Name) subject.PlaceHold {
	return subject.PlaceHold{Hold: domain.ID{8}, Group: group, Purpose: "claims", Review: day(1), Mirror: true}
}

// The copy of a hold for many people is taken as it comes, also when its
// review is overdue; it is released with the hold that it is a copy of.
func TestACopyOfAHoldForManyPeople(t *testing.T) {
	w := newWorld(t).on(400).do(record("service", "name", "x"))
	w.then(copied("identity"), &subject.HoldPlaced{Hold: domain.ID{8}, Group: "identity", Purpose: "claims", Review: day(1), Mirror: true})
	w.do(copied("identity"))
	w.then(copied("identity"))
	require.Len(t, w.s.At(time.Time{}, w.now).Holds, 1)
	e := w.refuses("hold.of_people", subject.ReleaseHold{Hold: domain.ID{8}})
	require.Contains(t, e.Message, "group of people")

	groups := subject.Weigh(w.s, w.environment(), subject.Scope{Groups: []domain.Name{"identity"}}, "")
	require.Equal(t, subject.KeptByHold, groups[0].Rule)
	require.Equal(t, domain.ID{8}, groups[0].Hold)

	w.do(subject.ReleaseHold{Hold: domain.ID{8}, Mirror: true})
	w.then(subject.ReleaseHold{Hold: domain.ID{8}, Mirror: true})
	require.Empty(t, w.s.At(time.Time{}, w.now).Holds)
	w.then(copied("identity")) // not placed again: what released it looks once
}

func TestNothingIsCopiedForWhatIsGone(t *testing.T) {
	w := newWorld(t)
	w.env = func(e *subject.Env) { e.Fenced = map[domain.Name]bool{"identity": true} }
	w.then(copied("identity"))
	w.env = func(e *subject.Env) { e.Officer = false }
	w.refuses("officer.required", copied("contact"))
}

func TestWhomARecordIsAbout(t *testing.T) {
	shop := subject.Source{System: "shop", Import: domain.ID{4}}
	w := newWorld(t).on(1).do(
		record("service", "name", "x"), give("newsletter"), assertBasis("analytics", domain.LegitimateInterests),
		subject.Object{Scope: subject.ToMarketing, Purpose: "post-ads", Source: shop},
	)
	for _, p := range []domain.Name{"service", "newsletter", "analytics"} {
		require.True(t, w.s.RecordedFor(p), p)
	}
	require.False(t, w.s.RecordedFor("post-ads"), "an objection is nothing that was recorded for a purpose")
	require.False(t, w.s.RecordedFor("claims"))
	w.do(subject.RemoveField{Purpose: "service", Field: "name"})
	require.True(t, w.s.RecordedFor("service"), "history is still there to keep")

	require.True(t, w.s.CameFrom("shop", domain.ID{}))
	require.True(t, w.s.CameFrom("", domain.ID{4}))
	require.True(t, w.s.CameFrom("shop", domain.ID{4}))
	require.False(t, w.s.CameFrom("crm", domain.ID{}))
	require.False(t, w.s.CameFrom("", domain.ID{5}))
	require.False(t, newWorld(t).s.CameFrom("", domain.ID{}), "it came from no system")
	var nobody *subject.State
	require.False(t, nobody.CameFrom("shop", domain.ID{}))
	require.False(t, nobody.RecordedFor("service"))
}
