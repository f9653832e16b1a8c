package app_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"lethe/domain"
	"lethe/domain/operations"
	"lethe/domain/personal"
	"lethe/domain/subject"
	"lethe/internal/app"
	"lethe/internal/ledger"
)

// Keys of before three erasures are restored. What the log says is open takes
// new data: the group of which one value went, and the one that a new lifecycle
// had opened. What it says is erased stays closed, and can be opened anew.
func TestRestoredKeysAreAsOpenAsTheLogSays(t *testing.T) {
	for name, lost := range map[string][]string{"the journal is there": nil, "the journal is lost": {"journal", "pins"}} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t)
			part, back, gone := s.person(1), s.person(2), s.person(3)
			made := s.backup()
			record := func(token domain.Token, address string) error {
				_, err := s.app.Ledger.On(t.Context(), ledger.Request{Principal: app.Local}, token, subject.Env{}, subject.RecordFields{
					Purpose: "service", Items: []subject.Entry{{Field: "email", Text: personal.Of(address)}},
				})
				return err
			}
			reopen := func(token domain.Token) {
				_, err := s.app.Ledger.OpenLifecycle(t.Context(), ledger.Request{Principal: app.Local}, token, subject.OpenLifecycle{})
				require.NoError(t, err)
			}
			s.eraseValue(part, 1, "email")
			s.erase(back, gone)
			reopen(back)
			require.NoError(t, record(back, "back@example.org"))

			s.restore("", made[1].Dir)
			s.lose(lost...)
			if lost != nil {
				require.NotNil(t, s.declare(operations.CurrentLog))
			} else {
				s.open()
			}
			s.requireErased(gone)
			require.NoError(t, record(part, "new@example.org"))
			require.NoError(t, record(back, "newer@example.org"))
			require.Error(t, record(gone, "none@example.org"))
			reopen(gone)
			require.NoError(t, record(gone, "again@example.org"))
			s.close()
			s.open()
			require.NoError(t, record(part, "newest@example.org"))
			require.Contains(t, s.values(gone), personal.Erased)
			require.Contains(t, s.values(gone), personal.Present)
		})
	}
}
