package app_test

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"lethe/eventstore/segment"
	"lethe/internal/app"
	"lethe/internal/keyring"
)

// A part that is not there, as when its disk is not mounted, is not made anew
// beside the others: the start is refused, nothing is made, and the ledger is
// what it was when the part is back.
func TestAPartThatIsMissingIsNotMadeAnew(t *testing.T) {
	for _, test := range []struct {
		name  string
		parts []string // that are missing
		err   error
	}{
		{"the data directory", []string{"data"}, app.ErrLogMissing},
		{"all but the keys", []string{"data", "pins", "lookup", "journal"}, app.ErrLogMissing},
		{"all but the known checkpoints", []string{"data", "keys", "epochs", "lookup", "journal"}, app.ErrLogMissing},
		{"the keys", []string{"keys"}, keyring.ErrStoreMissing},
		{"the keys and their epochs", []string{"keys", "epochs", "root.key"}, keyring.ErrStoreMissing},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := newSite(t)
			token := s.person(1)
			require.NoError(t, s.app.Seal.WaitFor(t.Context(), s.app.Store.Stats().Head))
			s.close()
			away := t.TempDir()
			for _, part := range test.parts {
				require.NoError(t, os.Rename(filepath.Join(s.dir, part), filepath.Join(away, part)))
			}
			_, err := app.Open(context.Background(), apart(s.dir), slog.New(slog.DiscardHandler))
			require.ErrorIs(t, err, test.err)
			require.ErrorContains(t, err, s.dir)
			for _, part := range test.parts {
				require.NoFileExists(t, filepath.Join(s.dir, part))
				require.NoDirExists(t, filepath.Join(s.dir, part))
				require.NoError(t, os.Rename(filepath.Join(away, part), filepath.Join(s.dir, part)))
			}
			s.open()
			require.Empty(t, s.app.Reports())
			s.requireReadable(token)
		})
	}
}

// What a first start left that was killed is no such part.
func TestAFirstStartThatWasKilledIsBegunAgain(t *testing.T) {
	dir := t.TempDir()
	log, err := segment.Open(filepath.Join(dir, "data", "log"), segment.Options{Now: time.Now})
	require.NoError(t, err)
	require.NoError(t, log.Close())
	s := &site{t: t, dir: dir}
	s.open()
	declareService(t, s.app)
	s.requireReadable(s.person(1))
}
