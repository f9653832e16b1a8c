package app_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A server rotates when it is time and records it; a command does not. What
// becomes of a place of epoch keys is told.
func TestAServerKeepsTheEpochKeys(t *testing.T) {
	dir := t.TempDir()
	cfg := conf(dir)
	cfg.Storage.EpochReplicas = []string{filepath.Join(dir, "replica")}
	cfg.Storage.RotateEvery = time.Nanosecond
	a := openConf(t, cfg)
	require.Len(t, a.Keys.Epochs(), 1)
	require.NoError(t, a.Close())

	require.NoError(t, os.RemoveAll(cfg.Storage.EpochReplicas[0]))
	a = openConf(t, cfg)
	require.NotEmpty(t, a.Report)
	a.KeepEpochs(t.Context())
	require.Eventually(t, func() bool {
		s, err := a.Ledger.Operations(t.Context())
		require.NoError(t, err)
		return len(s.Epochs()) == 1
	}, waitAtMost, tick)
	require.NoFileExists(t, filepath.Join(cfg.Storage.EpochReplicas[0], "epochs"), "its disk may not be mounted")
	s, err := a.Ledger.Operations(t.Context())
	require.NoError(t, err)
	require.EqualValues(t, 1, s.Epochs()[0].Pending, "the disk that was there")
	require.NoError(t, a.Close())
}
