package keyring

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

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
	seen.Epochs = c.Epochs
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

// A copy is dead once the epoch keys that wrap it are gone, and not before.
func TestACopyDiesWithItsEpoch(t *testing.T) {
	o := options(t)
	k := open(t, o)
	for i := range 600 { // every bucket
		one(t, k, compartment(i))
	}
	copies := t.TempDir()
	take := func(name string) Copy {
		c, err := k.CopyTo(t.Context(), filepath.Join(copies, name))
		require.NoError(t, err)
		return c
	}
	first := take("first")
	require.Equal(t, []CopyEpoch{{Epoch: 1, Buckets: "0-255"}}, first.Epochs)
	_, dead := CopyDead(first, 0, o.EpochDir)
	require.False(t, dead)

	_, err := k.Rotate(t.Context(), RotateOptions{Buckets: []uint8{3, 4}})
	require.NoError(t, err)
	second := take("second")
	require.Equal(t, []CopyEpoch{{Epoch: 1, Buckets: "0-2,5-255"}, {Epoch: 2, Buckets: "3-4"}}, second.Epochs)
	_, dead = CopyDead(first, 0, o.EpochDir)
	require.False(t, dead, "most of it can be opened")
	_, err = k.Rotate(t.Context(), RotateOptions{})
	require.NoError(t, err)
	for _, c := range []Copy{first, second} {
		since, dead := CopyDead(c, 0, o.EpochDir)
		require.True(t, dead)
		require.WithinDuration(t, time.Now(), since, time.Minute)
		later, dead := CopyDead(c, time.Hour, o.EpochDir, filepath.Join(copies, "nowhere"))
		require.True(t, dead)
		require.Equal(t, since.Add(time.Hour), later)
	}
	for _, unknown := range []Copy{take("third"), {Store: first.Store}, {Store: "00", Epochs: first.Epochs}} {
		_, dead = CopyDead(unknown, 0, o.EpochDir)
		require.False(t, dead)
	}
	_, dead = CopyDead(first, -1, o.EpochDir)
	require.False(t, dead, "nobody knows what the disks keep")
	require.NoError(t, k.Close())

	require.NoError(t, os.RemoveAll(o.Dir))
	require.NoError(t, os.MkdirAll(o.Dir, 0o700))
	require.NoError(t, os.Rename(filepath.Join(copies, "first"), filepath.Join(o.Dir, storeFile)))
	_, err = Open(t.Context(), o)
	var tooOld *DeadError
	require.ErrorAs(t, err, &tooOld, "a copy that is older than the epoch keys is refused")
}
