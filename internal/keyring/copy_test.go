package keyring

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// A copy that is taken while keys are made and destroyed is one state of the
// store: it opens, every key of before it is in it, and no destroyed one is.
func TestACopyIsAStateOfTheStore(t *testing.T) {
	o := options(t)
	k := open(t, o)
	provision := func(from, n int) (keys []*Key) {
		for i := from; i < from+n; i++ {
			keys = append(keys, one(t, k, compartment(i)))
		}
		return keys
	}
	before := provision(0, 50)
	var wg sync.WaitGroup
	wg.Go(func() { provision(1000, 100) })
	path := filepath.Join(t.TempDir(), "copied", "keys.db")
	require.NoError(t, os.Mkdir(filepath.Dir(path), 0o700))
	c, err := k.CopyTo(t.Context(), path)
	require.NoError(t, err)
	wg.Wait()
	info, err := os.Stat(path)
	require.NoError(t, err)
	require.EqualValues(t, 0o600, info.Mode().Perm())
	left, err := os.ReadDir(filepath.Dir(path))
	require.NoError(t, err)
	require.Len(t, left, 1)
	seen, err := InspectCopy(t.Context(), path)
	require.NoError(t, err)
	require.Equal(t, c, seen)
	require.GreaterOrEqual(t, c.Keys, uint64(50))
	_, err = k.CopyTo(t.Context(), path)
	require.Error(t, err, "it is never written over")
	require.NoError(t, k.Close())

	root, err := os.ReadFile(strings.TrimPrefix(o.RootKeyFile, "file:"))
	require.NoError(t, err)
	epochs, err := readEpochFile(filepath.Join(o.EpochDir, epochFile))
	require.NoError(t, err)
	copied, err := os.ReadFile(path)
	require.NoError(t, err)
	require.False(t, bytes.Contains(copied, bytes.TrimSpace(root)))
	for _, key := range epochs.Keys {
		require.False(t, bytes.Contains(copied, key.Wrapped))
	}

	o.Dir = filepath.Dir(path)
	k = open(t, o)
	for _, key := range before {
		require.Equal(t, key.ID(), one(t, k, key.Compartment()).ID())
	}
}

func TestADamagedCopyIsTold(t *testing.T) {
	o := options(t)
	k := open(t, o)
	path := filepath.Join(t.TempDir(), "keys.db")
	_, err := k.CopyTo(t.Context(), path)
	require.NoError(t, err)
	b, err := os.ReadFile(path)
	require.NoError(t, err)
	for _, damaged := range [][]byte{nil, b[:100], b[:len(b)/2], append(bytes.Repeat([]byte{7}, 2000), b[2000:]...)} {
		require.NoError(t, os.WriteFile(path, damaged, 0o600))
		_, err = InspectCopy(t.Context(), path)
		require.Error(t, err)
	}
	_, err = InspectCopy(t.Context(), filepath.Join(t.TempDir(), "none"))
	require.Error(t, err)
}

// What was done in the part of the log that is lost is not taken for done.
func TestAForgottenLookupIsRebuilt(t *testing.T) {
	o := options(t)
	k := open(t, o)
	tok := token(t, k)
	require.NoError(t, k.PutLookups(t.Context(), []LookupRow{{Kind: "email", Text: "a@example.org", Token: tok, Field: "email"}}))
	require.NoError(t, k.ForgetLookup(t.Context(), "the log was cut"))
	hits, err := k.Find(t.Context(), "email", "a@example.org")
	require.NoError(t, err)
	require.Empty(t, hits)
	require.NoError(t, k.Close())
	k = open(t, o)
	_, lost := k.LookupLost()
	require.True(t, lost, "also after a restart in between")
	require.NoError(t, k.Rebuild(t.Context(), func(func(Rebuilt, error) bool) {}))
	_, lost = k.LookupLost()
	require.False(t, lost)
}
