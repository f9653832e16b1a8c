package projections_test

import (
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"lethe/domain"
	"lethe/domain/personal"
	"lethe/domain/subject"
	"lethe/eventstore"
	"lethe/internal/part"
	"lethe/projections"
	"lethe/projections/customers"
	"lethe/projections/history"
)

// erasedParts are the bytes of every part that an erasure destroyed, and how
// many values were sealed again, dropped, or recorded in a later lifecycle.
func erasedParts(t testing.TB, g *generator) (parts [][]byte, seen map[string]int) {
	seen = map[string]int{}
	for _, token := range g.tokens {
		state := fold(t, g, token)
		for _, r := range state.Entries() {
			seen[r.Event.EventType().Name]++
			if x, ok := r.Event.(*subject.ValuesResealed); ok {
				seen["resealed"] += len(x.Items)
				seen["dropped"] += len(x.Dropped)
			}
			for _, s := range r.Event.Personal(nil) {
				if s.Value.State() != personal.Sealed {
					continue
				}
				if gone(state, r.Revision, *s.Value) {
					parts = append(parts, s.Value.Ref().Part)
					seen["erased"]++
				} else {
					seen["kept"]++
				}
			}
		}
		seen["lifecycle"] += int(state.Lifecycle()) - 1
	}
	return parts, seen
}

// leftIn lists the files below dir that still have 16 bytes of the beginning,
// the middle or the end of some part, with how many such places.
func leftIn(t testing.TB, dir string, parts [][]byte) map[string]int {
	pieces := map[[16]byte]bool{}
	for _, p := range parts {
		h, err := part.Parse(p)
		require.NoError(t, err)
		for _, piece := range [][]byte{h.Commitment[:16], h.Commitment[16:], h.Body[:16], p[len(p)-16:]} {
			pieces[[16]byte(piece)] = true
		}
	}
	found := map[string]int{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		content, err := os.ReadFile(path)
		for i := 0; i+16 <= len(content); i++ {
			if pieces[[16]byte(content[i:i+16])] {
				found[strings.TrimPrefix(path, dir)]++
			}
		}
		return err
	})
	require.NoError(t, err)
	return found
}

func dumps(t testing.TB, r *projections.Runner) map[string][]string {
	all := map[string][]string{}
	for _, v := range allViews() {
		all[v.Name()] = dumpAll(t, r, v)
	}
	return all
}

// A view that followed an erasure, one that is rebuilt afterwards, and one that
// is built of a log whose sealed parts were dropped have the same rows, and no
// file has a byte of what is gone.
func TestPitfall10RebuildAfterErasureEqualsLive(t *testing.T) {
	people, events := 30, 3000
	if testing.Short() {
		people, events = 10, 800
	}
	enough := events / 150
	store := newMemory()
	g := newGenerator(t, store, people)
	dir := t.TempDir()
	r := open(t, dir, store, g.codec, allViews()...)
	defer func() { require.NoError(t, r.Close()) }()
	c := &lcg{state: 42}
	var last eventstore.Position
	for i := range events {
		last = g.step(c)
		if i%50 == 0 {
			waitAll(t, r, last)
		}
	}
	confirm := func(r *projections.Runner) {
		confirmed, err := r.Confirm(context.Background(), last)
		require.NoError(t, err)
		require.Len(t, confirmed, len(allViews()))
	}
	confirm(r)
	live := dumps(t, r)
	parts, seen := erasedParts(t, g)
	for _, what := range []string{"ErasureStarted", "ErasureReapplied", "resealed", "dropped", "lifecycle", "erased", "kept"} {
		require.GreaterOrEqual(t, seen[what], enough, "the history has enough of %s", what)
	}
	require.Empty(t, leftIn(t, dir, parts), "the live files")

	for _, token := range g.tokens {
		state := fold(t, g, token)
		requireCustomer(t, r, token, state, g.when)
		requireHistory(t, r, token, state)
		requireErasures(t, r, token, state)
	}
	for _, v := range allViews() {
		require.Empty(t, compare(t, r, v), v.Name())
	}
	require.NoError(t, r.Rebuild(t.Context(), nil))
	confirm(r)
	require.Equal(t, live, dumps(t, r), "rebuilt")
	require.Empty(t, leftIn(t, dir, parts), "the rebuilt files")

	dropped := open(t, t.TempDir(), store, newDropping(g), allViews()...)
	defer func() { require.NoError(t, dropped.Close()) }()
	confirm(dropped)
	require.Equal(t, live, dumps(t, dropped), "rebuilt of a log without what was erased")
}

// A view keeps NULL of what was erased, which is neither an empty part nor no
// value: it comes back as erased.
func TestPitfall21ErasedIsNoEmptyColumn(t *testing.T) {
	of := (&subject.FieldsRecorded{}).EventType()
	gone := personal.Unreadable(personal.Erased)
	p, ok := projections.PartOf(&gone, of)
	require.True(t, ok, "an erased value has a row like any other")
	require.Nil(t, p.Column())
	require.Equal(t, gone, p.Value("subject-saaaa", domain.ID{1}))
	absent := personal.Value{}
	_, ok = projections.PartOf(&absent, of)
	require.False(t, ok)
	empty := projections.Part{Type: of.Name, Version: of.Version, Bytes: []byte{}}
	require.Equal(t, personal.Sealed, empty.Value("subject-saaaa", domain.ID{1}).State(), "which does not open, and is tampered then")
}

// A hold that was placed before the start and seen after it stops the erasure:
// nothing is destroyed, and what the views had marked reads again.
func TestWhatAStoppedErasureMarkedComesBack(t *testing.T) {
	store := newMemory()
	g := newGenerator(t, store, 1)
	r := open(t, t.TempDir(), store, g.codec, allViews()...)
	defer func() { require.NoError(t, r.Close()) }()
	c, token := fixed(1), g.tokens[0]
	item := subject.Item{Field: "email", Group: "contact", Class: subject.Provided, Value: personal.Of("value")}
	g.add(c, token, g.registered(c))
	g.add(c, token, &subject.FieldsRecorded{Purpose: "newsletter", Version: 1, Items: []subject.Item{item}})
	g.add(c, token, &subject.ConsentGiven{Grant: g.grant(c)})
	whole := func(id byte, groups ...domain.Name) *subject.ErasureStarted {
		e := &subject.ErasureStarted{Erasure: domain.ID{id}}
		for _, group := range groups {
			e.Groups = append(e.Groups, subject.Weighed{Group: group, Outcome: subject.Erase, Ground: subject.NotNecessary})
		}
		return e
	}
	states := func(last eventstore.Position) []personal.State {
		waitAll(t, r, last)
		d, err := customers.Queries{Source: r}.Get(t.Context(), token, g.when)
		require.NoError(t, err)
		h, err := history.Queries{Source: r}.List(t.Context(), token, history.Page{})
		require.NoError(t, err)
		require.Equal(t, "ConsentGiven", h[0].Type)
		return []personal.State{d.Row.State(), d.Fields[0].Value.State(), h[0].Values[0].Value.State()}
	}
	const sealed, erased = personal.Sealed, personal.Erased
	require.Equal(t, []personal.State{erased, sealed, sealed}, states(g.add(c, token, whole(1, domain.RecordGroup))))
	require.Equal(t, []personal.State{erased, erased, erased}, states(g.add(c, token, whole(2, "contact", domain.EvidenceGroup, domain.RecordGroup))))
	last := g.add(c, token, &subject.ErasureStopped{Erasure: domain.ID{2}})
	require.Equal(t, []personal.State{erased, sealed, sealed}, states(last), "the first erasure stands")
	live := dumps(t, r)
	require.NoError(t, r.Rebuild(t.Context(), nil))
	require.Equal(t, live, dumps(t, r))
}
