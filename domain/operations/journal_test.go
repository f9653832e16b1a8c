package operations_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"lethe/domain"
	"lethe/domain/operations"
)

func TestThatAJournalWasLostIsRecordedOnce(t *testing.T) {
	lost := operations.LoseErasureJournal{ErasureJournalLost: operations.ErasureJournalLost{Declaration: domain.ID{1}, Current: operations.CurrentLog, Keys: 3, Again: 2, Marks: 1}}
	var none *operations.State
	require.False(t, none.JournalLost(domain.ID{1}))
	s := fold(t, nil, now, lost)
	require.True(t, s.JournalLost(domain.ID{1}))
	require.False(t, s.JournalLost(domain.ID{2}))
	events, err := operations.Decide(s, now, lost)
	require.NoError(t, err)
	require.Empty(t, events)
	old := s
	lost.Declaration = domain.ID{2}
	s = fold(t, s, now, lost)
	require.True(t, s.JournalLost(domain.ID{1}) && s.JournalLost(domain.ID{2}))
	require.False(t, old.JournalLost(domain.ID{2}), "who holds the old state sees the old state")
	refuses(t, "erasure_journal.malformed", s, operations.LoseErasureJournal{})
	lost.Declaration, lost.Current = domain.ID{3}, "backup"
	refuses(t, "erasure_journal.malformed", s, lost)
}
