package audit_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"lethe/eventstore"
	"lethe/internal/audit"
	"lethe/internal/keyring"
)

// What keeps a damaged directory from opening is a finding that says which
// part it is; what says nothing of the ledger is none.
func TestWhatKeepsALedgerFromOpening(t *testing.T) {
	for where, err := range map[string]error{
		"log/index":          &eventstore.CorruptError{File: "index", What: "a block"},
		"log/0001, offset 7": &eventstore.CorruptError{File: "0001", Offset: 7},
		"log/FORMAT":         fmt.Errorf("reading: %w", eventstore.ErrFormat),
		"the key store":      keyring.ErrStoreMissing,
	} {
		res, ok := audit.Refused(t.TempDir(), fmt.Errorf("opening: %w", err))
		require.True(t, ok, where)
		require.Len(t, res.Findings, 1)
		require.Equal(t, where, res.Findings[0].Where)
		require.NotEmpty(t, res.Findings[0].Means)
		require.False(t, res.Clean)
	}
	for _, err := range []error{errors.New("no space"), eventstore.ErrLocked, keyring.ErrRootMissing} {
		_, ok := audit.Refused(t.TempDir(), err)
		require.False(t, ok, "%v", err)
	}
}
