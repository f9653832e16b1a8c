package operations_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"lethe/domain"
	"lethe/domain/operations"
	"lethe/domain/principal"
)

var now = time.Date(2024, 5, 1, 0, 0, 0, 0, time.UTC)

func create(id byte, change ...func(*operations.CreateToken)) operations.CreateToken {
	c := operations.CreateToken{
		Token: domain.ID{id}, Principal: domain.ID{9}, Hash: domain.Digest{id}, Expires: now.AddDate(0, 1, 0),
		Roles: []principal.Role{principal.Operator, principal.Auditor, principal.Operator}, Purposes: []domain.Name{"b", "a"},
	}
	for _, f := range change {
		f(&c)
	}
	return c
}

func fold(t *testing.T, s *operations.State, at time.Time, commands ...operations.Command) *operations.State {
	t.Helper()
	for _, c := range commands {
		events, err := operations.Decide(s, at, c)
		require.NoError(t, err)
		for _, e := range events {
			s = operations.Evolve(s, domain.Recorded{Recorded: at, Event: e})
		}
	}
	return s
}

func refuses(t *testing.T, code string, s *operations.State, c operations.Command) {
	t.Helper()
	events, err := operations.Decide(s, now, c)
	require.Empty(t, events)
	e, ok := domain.AsError(err)
	require.True(t, ok)
	require.Equal(t, code, e.Code)
}

func TestLifeOfAToken(t *testing.T) {
	s := fold(t, nil, now, create(1), create(2))
	first, ok := s.ByHash(domain.Digest{1})
	require.True(t, ok)
	require.Equal(t, []principal.Role{principal.Auditor, principal.Operator}, first.Roles)
	require.Equal(t, []domain.Name{"a", "b"}, first.Purposes)
	require.True(t, first.Valid(now))
	require.True(t, first.Valid(first.Expires.Add(-1)))
	require.False(t, first.Valid(first.Expires), "the end is half-open")
	require.Len(t, s.Tokens(), 2)

	old := s
	s = fold(t, s, now, operations.RevokeToken{Token: domain.ID{1}}, operations.RevokeToken{Token: domain.ID{1}})
	gone, _ := s.ByHash(domain.Digest{1})
	require.False(t, gone.Valid(now))
	still, _ := old.ByHash(domain.Digest{1})
	require.True(t, still.Valid(now), "who holds the old state sees the old state")

	s = fold(t, s, now.AddDate(1, 0, 0), operations.ExpireToken{Token: domain.ID{2}}, operations.ExpireToken{Token: domain.ID{2}})
	noted, _ := s.Token(domain.ID{2})
	require.True(t, noted.Noted)
}

func TestRefusals(t *testing.T) {
	s := fold(t, nil, now, create(1))
	refuses(t, "token.exists", s, create(1))
	refuses(t, "token.unknown", s, operations.RevokeToken{})
	refuses(t, "token.unknown", s, operations.ExpireToken{})
	refuses(t, "token.not_expired", s, operations.ExpireToken{Token: domain.ID{1}})
	type of = *operations.CreateToken
	for code, change := range map[string]func(of){
		"token.malformed": func(c of) { c.Hash = domain.Digest{1} },
		"token.roles":     func(c of) { c.Roles = []principal.Role{"king"} },
		"token.purposes":  func(c of) { c.Purposes = []domain.Name{"A B"} },
		"token.expires":   func(c of) { c.Expires = now },
	} {
		refuses(t, code, s, create(2, change))
	}
	refuses(t, "token.expires", s, create(2, func(c of) { c.Expires = now.AddDate(6, 0, 0) }))
	refuses(t, "token.roles", s, create(2, func(c of) { c.Roles = nil }))
	refuses(t, "token.malformed", s, create(2, func(c of) { c.Principal = domain.ID{} }))
}

func TestEvolveTakesAnything(t *testing.T) {
	require.Nil(t, operations.Evolve(nil, domain.Recorded{}))
	s := operations.Evolve(nil, domain.Recorded{Event: &operations.TokenRevoked{Token: domain.ID{1}}})
	require.Empty(t, s.Tokens())
	var none *operations.State
	_, ok := none.ByHash(domain.Digest{})
	require.False(t, ok)
	require.Empty(t, none.Tokens())
	_, ok = s.ByHash(domain.Digest{})
	require.False(t, ok)
}

func TestALostRangeIsOpenUntilItIsAccepted(t *testing.T) {
	restart := func(n uint64) operations.RestartLog {
		return operations.RestartLog{LogRestarted: operations.LogRestarted{Number: n, Size: 10, Common: 4}}
	}
	day := func(n int) time.Time { return now.AddDate(0, 0, n) }
	var s *operations.State
	require.Zero(t, s.LostRange(now))
	refuses(t, "log_restart.unknown", s, operations.AcceptLostRange{Number: 1})
	s = fold(t, s, day(1), restart(1), restart(1))
	s = fold(t, s, day(2), restart(2))
	require.Len(t, s.Restarts(), 2)
	require.EqualValues(t, 2, s.LastRestart())
	refuses(t, "log_restart.unknown", s, operations.AcceptLostRange{Number: 3})
	s = fold(t, s, day(3), operations.AcceptLostRange{Number: 1}, create(1))
	require.EqualValues(t, 2, s.LostRange(day(4)))
	s = fold(t, s, day(5), restart(3))
	s = fold(t, s, day(6), operations.AcceptLostRange{Number: 3}, operations.AcceptLostRange{Number: 3})
	for at, want := range map[int]uint64{0: 0, 1: 1, 2: 2, 4: 2, 5: 3, 6: 0, 7: 0} {
		require.EqualValues(t, want, s.LostRange(day(at)), "on day %d", at)
	}
	require.True(t, s.Restarts()[0].Accepted.Equal(day(3)))
	require.True(t, s.Restarts()[1].Accepted.Equal(day(6)), "with the one after it")
	require.Len(t, s.Tokens(), 1)
}

func TestWhatIsDroppedIsNamed(t *testing.T) {
	whole := operations.PayloadsDropped{
		Drop: domain.ID{1}, First: 3, Last: 9, Parts: 2, Bytes: 200, List: domain.Digest{1}, Before: now,
	}
	events, err := operations.Decide(nil, now, operations.DropPayloads{PayloadsDropped: whole})
	require.NoError(t, err)
	require.Equal(t, []domain.Event{&whole}, events)
	require.Empty(t, operations.Evolve(nil, domain.Recorded{Event: events[0]}).Tokens())
	for _, lacks := range []func(*operations.PayloadsDropped){
		func(e *operations.PayloadsDropped) { e.Drop = domain.ID{} },
		func(e *operations.PayloadsDropped) { e.First = 0 },
		func(e *operations.PayloadsDropped) { e.Last = 2 },
		func(e *operations.PayloadsDropped) { e.Parts = 0 },
		func(e *operations.PayloadsDropped) { e.List = domain.Digest{} },
		func(e *operations.PayloadsDropped) { e.Before = time.Time{} },
	} {
		part := whole
		lacks(&part)
		refuses(t, "drop.malformed", nil, operations.DropPayloads{PayloadsDropped: part})
	}
}
