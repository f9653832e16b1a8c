package keyring

import (
	"bytes"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestAProtectedSecretIsBoundToItsNameAndStore(t *testing.T) {
	o := options(t)
	k := open(t, o)
	seed := bytes.Repeat([]byte{7}, 32)
	blob, err := k.Protect("log-signing-key/example.org/log", seed)
	require.NoError(t, err)
	require.NotContains(t, string(blob), string(seed[:16]))
	require.NoError(t, k.Close())

	k = open(t, o)
	got, err := k.Unprotect("log-signing-key/example.org/log", blob)
	require.NoError(t, err)
	require.Equal(t, seed, got)
	again, err := k.Protect("log-signing-key/example.org/log", seed)
	require.NoError(t, err)
	require.NotEqual(t, blob, again)

	_, err = k.Unprotect("log-signing-key/example.org/other", blob)
	require.ErrorIs(t, err, ErrProtected)
	_, err = open(t, options(t)).Unprotect("log-signing-key/example.org/log", blob)
	require.ErrorIs(t, err, ErrProtected)
	foreign := o // the same root key, another key store
	foreign.Dir, foreign.EpochDir, foreign.LookupDir = t.TempDir(), t.TempDir(), t.TempDir()
	_, err = open(t, foreign).Unprotect("log-signing-key/example.org/log", blob)
	require.ErrorIs(t, err, ErrProtected)
	for i := range blob {
		changed := bytes.Clone(blob)
		changed[i] ^= 1
		_, err = k.Unprotect("log-signing-key/example.org/log", changed)
		require.ErrorIs(t, err, ErrProtected)
	}
	for _, cut := range [][]byte{nil, blob[1:], append(bytes.Clone(blob), 0)} {
		_, err = k.Unprotect("log-signing-key/example.org/log", cut)
		require.ErrorIs(t, err, ErrProtected)
	}

	// Nor is a wrapped secret of the key store one, or the other way round.
	var stored []byte
	require.NoError(t, k.writer.row("SELECT value FROM meta WHERE name = 'key.rows'", nil, &stored))
	_, err = k.Unprotect("key.rows", stored)
	require.ErrorIs(t, err, ErrProtected)

	for _, wrong := range [][]byte{nil, seed[1:], append(bytes.Clone(seed), 1)} {
		_, err = k.Protect("x", wrong)
		require.Error(t, err)
	}
	_, err = k.Protect("", seed)
	require.Error(t, err)
	_, err = k.Protect(strings.Repeat("x", maxProtectName+1), seed)
	require.Error(t, err)
}
