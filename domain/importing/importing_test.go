package importing_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"lethe/domain"
	"lethe/domain/importing"
)

func start(change ...func(*importing.Start)) importing.Start {
	c := importing.Start{Started: importing.Started{
		Import: domain.ID{1}, System: "dolibarr", Format: "sql", File: domain.Digest{1}, Bytes: 10,
	}}
	for _, f := range change {
		f(&c)
	}
	return c
}

func fold(t *testing.T, s *importing.State, commands ...importing.Command) *importing.State {
	t.Helper()
	for _, c := range commands {
		events, err := importing.Decide(s, c)
		require.NoError(t, err)
		for _, e := range events {
			s = importing.Evolve(s, domain.Recorded{Event: e})
		}
	}
	return s
}

func refuses(t *testing.T, code string, s *importing.State, c importing.Command) {
	t.Helper()
	events, err := importing.Decide(s, c)
	require.Empty(t, events)
	e, ok := domain.AsError(err)
	require.True(t, ok)
	require.Equal(t, code, e.Code)
}

func refusals(n int) importing.RefuseRows {
	var c importing.RefuseRows
	for i := range n {
		c.Rows = append(c.Rows, importing.Refusal{Table: "contacts", Row: uint64(i), Rule: "field.type"})
	}
	return c
}

func token(t *testing.T, seed string) domain.Token {
	token, err := domain.NewToken(strings.NewReader(strings.Repeat(seed, 15)))
	require.NoError(t, err)
	return token
}

func TestLifeOfAnImport(t *testing.T) {
	a, b := token(t, "a"), token(t, "b")
	s := fold(t, nil, start(), start())
	events, err := importing.Decide(s, refusals(2500))
	require.NoError(t, err)
	require.Len(t, events, 3, "an event lists a bounded number")
	old := s
	s = fold(t, s, refusals(2500), importing.ProposeLinks{Links: []importing.Link{{A: a, B: b, Ground: "same_email"}}})
	require.Len(t, slices.Collect(s.Refused()), 2500)
	require.Len(t, slices.Collect(s.Links()), 1)
	require.Empty(t, slices.Collect(old.Refused()))

	done := importing.Complete{Tables: []importing.Table{{Name: "contacts", Read: 2500}}}
	s = fold(t, s, done, done)
	require.EqualValues(t, 2500, s.Completed.Tables[0].Read)
	refuses(t, "import.completed", s, refusals(1))
	refuses(t, "import.completed", s, importing.ProposeLinks{})
	fold(t, s, start())
}

func TestRefusals(t *testing.T) {
	a := token(t, "a")
	s := fold(t, nil, start())
	type of = *importing.Start
	refuses(t, "import.other", s, start(func(c of) { c.File = domain.Digest{2} }))
	refuses(t, "import.malformed", nil, start(func(c of) { c.System = "My CRM" }))
	refuses(t, "import.malformed", nil, start(func(c of) { c.File = domain.Digest{} }))
	refuses(t, "import.unknown", nil, importing.Complete{})
	refuses(t, "import.refusal", s, importing.RefuseRows{Rows: []importing.Refusal{{Table: "T T", Rule: "x"}}})
	refuses(t, "import.link", s, importing.ProposeLinks{Links: []importing.Link{{A: a, B: a, Ground: "same_email"}}})
	refuses(t, "import.table", s, importing.Complete{Tables: []importing.Table{{Name: "T T"}}})
}

func TestEvolveTakesAnything(t *testing.T) {
	require.Nil(t, importing.Evolve(nil, domain.Recorded{}))
	s := importing.Evolve(nil, domain.Recorded{Event: &importing.RowsRefused{}})
	require.Nil(t, s.Started)
	var none *importing.State
	require.Empty(t, slices.Collect(none.Refused()))
	require.Empty(t, slices.Collect(none.Links()))
}
