package principal_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"lethe/domain"
	"lethe/domain/personal"
	"lethe/domain/principal"
)

func fold(t *testing.T, s *principal.State, commands ...principal.Command) *principal.State {
	t.Helper()
	for _, c := range commands {
		events, err := principal.Decide(s, c)
		require.NoError(t, err)
		for _, e := range events {
			s = principal.Evolve(s, domain.Recorded{Event: e})
		}
	}
	return s
}

func refuses(t *testing.T, code string, s *principal.State, c principal.Command) {
	t.Helper()
	events, err := principal.Decide(s, c)
	require.Empty(t, events)
	e, ok := domain.AsError(err)
	require.True(t, ok)
	require.Equal(t, code, e.Code)
}

func TestLifeOfAPrincipal(t *testing.T) {
	register := principal.Register{ID: domain.ID{1}, Kind: principal.User, Name: personal.Of("Jo")}
	s := fold(t, nil, register)
	before := *s
	same := fold(t, s, register)
	require.Same(t, s, same, "registering again changes nothing")
	s = fold(t, s, principal.Rename{Name: personal.Of("Joe")})
	name, _ := s.Name.Reveal()
	require.Equal(t, "Joe", name)
	old, _ := before.Name.Reveal()
	require.Equal(t, "Jo", old)
	s = fold(t, s, principal.Disable{}, principal.Disable{})
	require.True(t, s.Disabled)
	refuses(t, "principal.disabled", s, principal.Rename{Name: personal.Of("Jo")})
	refuses(t, "principal.exists", s, register)
	require.Same(t, s, principal.Evolve(s, domain.Recorded{}))
}

func TestRefusals(t *testing.T) {
	ok := principal.Register{ID: domain.ID{1}, Kind: principal.User, Name: personal.Of("Jo")}
	for code, change := range map[string]func(*principal.Register){
		"principal.id":   func(c *principal.Register) { c.ID = domain.ID{} },
		"principal.kind": func(c *principal.Register) { c.Kind = "robot" },
		"principal.name": func(c *principal.Register) { c.Name = personal.Of(strings.Repeat("x", 2000)) },
	} {
		c := ok
		change(&c)
		refuses(t, code, nil, c)
	}
	refuses(t, "principal.unknown", nil, principal.Disable{})
	refuses(t, "principal.unknown", nil, principal.Rename{})
	other := ok
	other.Kind = principal.Program
	refuses(t, "principal.exists", fold(t, nil, ok), other)
	_, err := principal.Decide(fold(t, nil, ok), nil)
	require.Error(t, err)
}
