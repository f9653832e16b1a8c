package importer

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"lethe/domain/catalogue"
	"lethe/domain/importing"
	"lethe/domain/personal"
	"lethe/domain/subject"
)

// forget closes the world, loses its claims and index, and makes them anew.
func (p *place) forget(w *world) *world {
	p.t.Helper()
	w.close()
	require.NoError(p.t, os.RemoveAll(filepath.Join(p.dir, "lookup")))
	require.NoError(p.t, os.MkdirAll(filepath.Join(p.dir, "lookup"), 0o700))
	w = p.open()
	require.NoError(p.t, w.ledger.RebuildLookup(context.Background(), nil))
	return w
}

// corrected imports a file, and then the person's e-mail address is corrected
// and their city taken out.
func corrected(t *testing.T, file string) (*place, *world) {
	t.Helper()
	p := newPlace(t)
	w := p.open()
	w.declare()
	w.csv(people, file)
	s := w.who(catalogue.LookupEmail, "ada@example.org")
	w.on(s, subject.RectifyFields{Items: []subject.Entry{{Field: "email", Text: personal.Of("ada@home.example")}}})
	w.on(s, subject.RemoveField{Purpose: "customer.service", Field: "address.city"})
	return p, p.forget(w)
}

func TestAfterTheClaimsWereLostACorrectionIsStillAConflict(t *testing.T) {
	p, w := corrected(t, ada)
	defer func() { w.close() }()
	changed := strings.NewReplacer("London", "Turin", "ada@example.org", "ada@new.example", "Ada Lovelace", "Ada King").Replace(ada)
	for range 2 { // with a claim made anew, and then with one that has a memory
		rep := w.csv(people, changed)
		tab := table(t, rep)
		require.EqualValues(t, 2, tab.Conflicts)
		require.ElementsMatch(t, []importing.Refusal{
			{Table: "people", Row: 1, Field: "email", Rule: ruleChanged, Conflict: true},
			{Table: "people", Row: 1, Field: "address.city", Rule: ruleRemoved, Conflict: true},
		}, rep.Conflicts)
		changed += "9,Eve,,Rome,\n"
	}
	w = p.forget(w)
	rep := w.csv(people, changed+"8,Mallory,,Rome,\n")
	require.EqualValues(t, 2, table(t, rep).Conflicts)
	s := w.who(catalogue.LookupExternalID, "1")
	require.True(t, w.holds(s, "email", "ada@home.example"))
	require.True(t, w.holds(s, "name.full", "Ada King"), "what nobody else touched follows the source")
	emails := 0
	for _, f := range w.snap(s).Fields {
		require.NotEqual(t, "address.city", string(f.Field))
		if f.Field == "email" {
			emails++
		}
	}
	require.Equal(t, 1, emails, "nothing stands beside the correction")
}

func TestAfterTheClaimsWereLostARowThatSaysTheSameWritesNothing(t *testing.T) {
	_, w := corrected(t, ada)
	defer w.close()
	before, _ := w.events()
	rep := w.csv(people+"secret: []\n", ada) // another mapping: not the same import
	require.False(t, rep.Earlier)
	tab := table(t, rep)
	require.EqualValues(t, 1, tab.Unchanged)
	require.Zero(t, tab.Conflicts)
	after, _ := w.events()
	require.Equal(t, before+2, after, "the start and the end of the import")
}

// A row that found its value in the record brought none: without a claim its
// own history says nothing, so what its siblings brought counts.
func TestAfterTheClaimsWereLostASiblingBringsNothingBack(t *testing.T) {
	p := newPlace(t)
	w := p.open()
	defer func() { w.close() }()
	w.declare()
	w.csv(people, ada)
	w.csv(addresses, "id,person,email\n7,1,ada@example.org\n")
	w.on(w.who(catalogue.LookupEmail, "ada@example.org"),
		subject.RectifyFields{Items: []subject.Entry{{Field: "email", Text: personal.Of("ada@home.example")}}})
	w = p.forget(w)
	rep := w.csv(addresses, "id,person,email\n7,1,ada@example.org\n8,1,ada@work.example\n")
	require.Equal(t, []importing.Refusal{{Table: "addresses", Row: 1, Field: "email", Rule: ruleChanged, Conflict: true}}, rep.Conflicts)
	s := w.who(catalogue.LookupExternalID, "1")
	require.False(t, w.holds(s, "email", "ada@example.org"))
	require.True(t, w.holds(s, "email", "ada@work.example"), "a new address is one")
}

func TestAfterTheClaimsWereLostANoThatWasTakenBackStaysSo(t *testing.T) {
	p := newPlace(t)
	w := p.open()
	defer func() { w.close() }()
	w.declare()
	// Undated, so that it counts from when its row was last changed.
	const dated = people + "modified: {column: seen, date: YYYY-MM-DD}\n"
	yesterday, today := time.Now().UTC().AddDate(0, 0, -1).Format(time.DateOnly), time.Now().UTC().Format(time.DateOnly)
	stop := "id,name,email,city,stop,seen\n1,Ada Lovelace,ada@example.org,London,yes," + yesterday + "\n"
	w.csv(dated, stop)
	s := w.who(catalogue.LookupEmail, "ada@example.org")
	w.on(s, subject.WithdrawObjection{When: subject.When{At: w.snap(s).Objections[0].Rest.Effective.Add(time.Minute)}, Objection: w.snap(s).Objections[0].Rest.ID})
	w = p.forget(w)
	w.csv(dated, strings.NewReplacer("London", "Turin", yesterday, today).Replace(stop))
	s = w.who(catalogue.LookupEmail, "ada@example.org")
	require.True(t, w.holds(s, "address.city", "Turin"))
	require.Len(t, w.snap(s).Objections, 1)
	require.Equal(t, subject.TakenBack, w.snap(s).Objections[0].State)
}

func TestAfterTheClaimsWereLostAFileGivesItsEarlierReport(t *testing.T) {
	p := newPlace(t)
	w := p.open()
	defer func() { w.close() }()
	w.declare()
	first := w.csv(people, ada)
	w = p.forget(w)
	before, _ := w.events()
	again := w.csv(people, ada)
	require.True(t, again.Earlier)
	require.Equal(t, first.Import, again.Import)
	require.Equal(t, counts(first), counts(again))
	after, _ := w.events()
	require.Equal(t, before, after)
}

func TestAfterTheClaimsWereLostAnImportThatWasCutOffGoesOn(t *testing.T) {
	p := newPlace(t)
	w := p.open()
	defer func() { w.close() }()
	w.declare()
	w.crash = func(point string) error {
		if point == "row appended" {
			return errCrash
		}
		return nil
	}
	_, err := Run(context.Background(), w.deps(), w.job(CSV, []byte(ada), []byte(people)))
	require.ErrorIs(t, err, errCrash)
	w = p.forget(w)
	rep := w.csv(people, ada)
	require.False(t, rep.Earlier)
	require.EqualValues(t, 1, table(t, rep).Created)
	imports := 0
	for e, err := range w.store.ReadAll(context.Background(), 0) {
		require.NoError(t, err)
		if e.Type == "ImportStarted" {
			imports++
		}
	}
	require.Equal(t, 1, imports)
}
