package keyring

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"lethe/domain"
	"lethe/domain/personal"
)

func next(t testing.TB, k *Keyring, c Compartment) *Key {
	keys, err := k.ProvisionNext(t.Context(), []Compartment{c})
	require.NoError(t, err)
	require.Len(t, keys, 1)
	return keys[0]
}

func infoOf(key *Key) KeyInfo {
	return KeyInfo{Compartment: key.compartment, Generation: key.generation, ID: key.id}
}

// A new generation stands above keys that were lost, so that a fence of them does
// not close the compartment, and nothing is ever made below it.
func TestANewGenerationStandsAboveLostKeys(t *testing.T) {
	k := open(t, options(t))
	of := compartment(1)
	lost := KeyInfo{Compartment: of, Generation: 3, ID: KeyID{9}}
	keys, err := k.ProvisionNext(t.Context(), []Compartment{of}, lost)
	require.NoError(t, err)
	require.Equal(t, uint32(4), keys[0].Generation())
	gone := end(t, k, lost)
	require.True(t, gone[0].Lost)
	require.False(t, fenced(t, k, of))
	require.Equal(t, keys[0].ID(), one(t, k, of).ID())
	end(t, k, infoOf(keys[0]))
	_, err = k.Provision(t.Context(), []Compartment{of})
	var refused *FencedError
	require.ErrorAs(t, err, &refused)
	requireWhole(t, k)
}

func fenced(t testing.TB, k *Keyring, c Compartment) bool {
	groups, err := k.Fenced(t.Context(), c.Owner)
	require.NoError(t, err)
	return groups[c.Group]
}

// TestOldValuesGoAndCurrentOnesStay: a new generation, then the old one is
// destroyed, with a second program that had the old key.
func TestOldValuesGoAndCurrentOnesStay(t *testing.T) {
	o := options(t)
	c := &clock{t: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)}
	o.Now = c.now
	k, other := open(t, o), open(t, o)
	of := compartment(1)
	first := one(t, k, of)
	require.Equal(t, first.ID(), one(t, other, of).ID())
	old := sealed(t, k, first, 1, "old")

	second := next(t, k, of)
	require.Equal(t, uint32(2), second.Generation())
	require.Equal(t, c.now(), k.FencedAt())
	require.Equal(t, second.ID(), one(t, k, of).ID(), "here at once")
	c.advance(freshness)
	require.Equal(t, second.ID(), one(t, other, of).ID(), "elsewhere within a second")
	requireText(t, k, old, "old")
	requireText(t, other, old, "old")
	current := sealed(t, other, one(t, other, of), 2, "current")

	end(t, k, infoOf(first))
	c.advance(freshness)
	for _, k := range []*Keyring{k, other} {
		require.Equal(t, personal.Erased, stateOf(t, k, old))
		requireText(t, k, current, "current")
		require.False(t, fenced(t, k, of), "the newest generation tells")
		require.Equal(t, second.ID(), one(t, k, of).ID())
		requireWhole(t, k)
	}
	require.Equal(t, second.ID(), one(t, open(t, o), of).ID())

	end(t, k, infoOf(second))
	require.True(t, fenced(t, k, of))
	_, err := k.ProvisionNext(t.Context(), []Compartment{compartment(2), of})
	var refused *FencedError
	require.ErrorAs(t, err, &refused)
	require.Equal(t, []Compartment{of}, refused.Compartments)
	infos, err := k.Keys(t.Context(), compartment(2).Owner)
	require.NoError(t, err)
	require.Empty(t, infos, "no key was made at all")
	require.Equal(t, uint32(1), next(t, k, compartment(2)).Generation())
}

func TestReopeningStartsALifecycle(t *testing.T) {
	o := options(t)
	k := open(t, o)
	erased, kept, unused := compartment(1), Compartment{Owner: "subject-s1", Group: "evidence"}, Compartment{Owner: "subject-s1", Group: "orders"}
	all := []Compartment{erased, kept, unused}
	before := sealed(t, k, one(t, k, erased), 1, "before")
	evidence := one(t, k, kept)
	destroy(t, k, erased)
	require.True(t, fenced(t, k, erased))

	for range 2 { // again changes nothing
		require.NoError(t, k.Reopen(t.Context(), all, 2))
		require.False(t, fenced(t, k, erased))
		require.Equal(t, uint32(2), one(t, k, erased).Generation(), "above the fence")
		require.Equal(t, evidence.ID(), one(t, k, kept).ID())
		require.Equal(t, uint32(1), one(t, k, unused).Generation())
		requireWhole(t, k)
	}
	after := sealed(t, k, one(t, k, erased), 2, "after")
	require.Equal(t, personal.Erased, stateOf(t, k, before))
	requireText(t, k, after, "after")

	// A repeat of the order to reopen does not undo a later erasure.
	destroy(t, k, erased)
	end(t, k, infoOf(evidence))
	var refused *FencedError
	require.ErrorAs(t, k.Reopen(t.Context(), all, 2), &refused)
	require.Equal(t, []Compartment{erased, kept}, refused.Compartments)
	require.True(t, fenced(t, k, erased))
	require.NoError(t, k.Close())
	k = open(t, o)
	require.NoError(t, k.Reopen(t.Context(), all, 3))
	require.Equal(t, uint32(3), one(t, k, erased).Generation())
	require.Equal(t, personal.Erased, stateOf(t, k, after))
	require.Error(t, k.Reopen(t.Context(), all, 0))
}

func TestDestructionIsAnsweredAlsoWhenRepeated(t *testing.T) {
	o := options(t)
	at := time.Date(2026, 1, 1, 10, 0, 0, 1000, time.UTC)
	o.Now = func() time.Time { return at }
	k := open(t, o)
	a, b := one(t, k, compartment(1)), one(t, k, compartment(2))
	lost := KeyInfo{Compartment: compartment(3), Generation: 2, ID: KeyID{3}}
	elsewhere := KeyInfo{Compartment: compartment(4), Generation: 1, ID: KeyID{4}}
	one(t, k, compartment(4)) // the place of elsewhere has another key
	of := []Destruction{{Erasure: domain.ID{1}, Keys: []KeyInfo{infoOf(a), lost}}, {Erasure: domain.ID{2}, Keys: []KeyInfo{infoOf(b), infoOf(a), elsewhere}}}
	first, err := k.Destroy(t.Context(), "erasure", of...)
	require.NoError(t, err)
	require.Len(t, first, 5)
	for i, d := range first {
		require.Equal(t, []domain.ID{{1}, {1}, {2}, {1}, {2}}[i], d.Erasure)
		require.Equal(t, at, d.At)
		require.True(t, d.Key.Fenced)
		require.Equal(t, i == 1 || i == 4, d.Lost)
		require.Equal(t, d.Lost, d.Fingerprint == [32]byte{})
	}
	require.Equal(t, first[0], first[3])
	seq := k.known.Load()
	at = at.Add(time.Hour)
	again, err := k.Destroy(t.Context(), "erasure", of...)
	require.NoError(t, err)
	require.Equal(t, first, again)
	require.Equal(t, seq, k.known.Load(), "nothing was written")
	_, err = k.Provision(t.Context(), []Compartment{compartment(3)})
	require.ErrorAs(t, err, new(*FencedError), "a lost later generation fences too")
	require.Equal(t, uint32(1), one(t, k, compartment(4)).Generation())
	requireWhole(t, k)
	_, err = k.Destroy(t.Context(), "erasure", Destruction{Token: "nobody"})
	require.Error(t, err)
	_, err = k.Destroy(t.Context(), "erasure", Destruction{Fields: []domain.Name{"No"}})
	require.Error(t, err)
	_, err = k.Destroy(t.Context(), "erasure", Destruction{Keys: make([]KeyInfo, 1)})
	require.Error(t, err)
	many := make([]KeyInfo, MaxDestroy+1)
	for i := range many {
		many[i] = lost
	}
	_, err = k.Destroy(t.Context(), "erasure", Destruction{Keys: many})
	require.Error(t, err)
}
