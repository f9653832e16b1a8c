package witness_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"

	"lethe/internal/witness"
)

func TestKeyFile(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "w")
	random := strings.NewReader(strings.Repeat("random bytes ", 20))
	_, _, err := witness.LoadKey(dir, iotest.ErrReader(errors.New("none")))
	require.ErrorContains(t, err, "none")
	key, made, err := witness.LoadKey(dir, random)
	require.NoError(t, err)
	require.True(t, made)
	file := filepath.Join(dir, witness.KeyFile)
	info, err := os.Stat(file)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
	again, made, err := witness.LoadKey(dir, random)
	require.NoError(t, err)
	require.False(t, made)
	require.Equal(t, key, again)

	require.NoError(t, os.Chmod(file, 0o640))
	_, _, err = witness.LoadKey(dir, random)
	require.ErrorIs(t, err, witness.ErrKeyExposed)
	require.NoError(t, os.Chmod(file, 0o600))
	require.NoError(t, os.WriteFile(file, []byte(key.Text()[:40]), 0o600))
	_, _, err = witness.LoadKey(dir, random)
	require.ErrorContains(t, err, "reading a witness key")

	// A lost key is not replaced unseen.
	require.NoError(t, os.Remove(file))
	require.NoError(t, os.WriteFile(filepath.Join(dir, strings.Repeat("0a", 32)), nil, 0o600))
	_, _, err = witness.LoadKey(dir, random)
	require.ErrorIs(t, err, witness.ErrKeyMissing)
	_, _, err = witness.LoadKey(file+"\x00", random)
	require.Error(t, err)
}
