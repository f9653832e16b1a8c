package durable_test

import (
	"math/rand/v2"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/require"

	"lethe/internal/durable"
)

func TestReplacedFilesSurviveAPowerCut(t *testing.T) {
	fs := vfs.NewCrashableMem()
	require.NoError(t, durable.MakeDirs(fs, "a/b/c"))
	for _, text := range []string{"old", "new"} {
		require.NoError(t, durable.ReplaceFile(fs, "a/b/c", "f", []byte(text)))
		after := fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: 0})
		b, err := durable.ReadFile(after, "a/b/c/f", 10)
		require.NoError(t, err)
		require.Equal(t, text, string(b))
	}
	require.NoError(t, durable.WriteFile(fs, "a/b/c", "f", []byte("torn?")))
	for seed := range uint64(32) {
		after := fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: 50, RNG: rand.New(rand.NewPCG(seed, 1))})
		b, err := durable.ReadFile(after, "a/b/c/f", 10)
		require.NoError(t, err)
		require.Contains(t, []string{"new", "torn?"}, string(b))
	}
	_, err := durable.ReadFile(fs, "a/b/c/f", 2)
	require.ErrorContains(t, err, "larger than 2")
	_, err = durable.ReadFile(fs, "a/b/none", 2)
	require.True(t, durable.IsNotExist(err))
}

func TestEveryChangedByteOfARecordIsFound(t *testing.T) {
	type record struct{ Size uint64 }
	b, err := durable.EncodeJSON("test 1", record{7})
	require.NoError(t, err)
	var back record
	require.NoError(t, durable.DecodeJSON("test 1", b, &back))
	require.Equal(t, record{7}, back)
	require.ErrorIs(t, durable.DecodeJSON("test 2", b, &back), durable.ErrDamaged)
	for i := range b {
		for bit := range 8 {
			c := append([]byte(nil), b...)
			c[i] ^= 1 << bit
			require.ErrorIs(t, durable.DecodeJSON("test 1", c, &back), durable.ErrDamaged, i)
		}
	}
}
