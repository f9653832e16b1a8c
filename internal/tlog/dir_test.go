package tlog_test

import (
	"context"
	"encoding/binary"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"lethe/internal/tlog"
)

// write lays out a file of a log.
func write(t *testing.T, root, name string, data []byte) {
	t.Helper()
	file := filepath.Join(root, filepath.FromSlash(name))
	require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o755))
	require.NoError(t, os.WriteFile(file, data, 0o600))
}

func bundle(from, width int) []byte {
	var b []byte
	for i := range width {
		b = binary.BigEndian.AppendUint16(b, 8)
		b = binary.BigEndian.AppendUint64(b, uint64(from+i))
	}
	return b
}

func TestDir(t *testing.T) {
	log := grow(t, 300)
	root := t.TempDir()
	full, err := log.ReadTile(t.Context(), 0, 0, 256)
	require.NoError(t, err)
	write(t, root, "tile/0/000", full)
	partial, err := log.ReadTile(t.Context(), 0, 1, 44)
	require.NoError(t, err)
	write(t, root, "tile/0/001.p/44", partial)
	top, err := log.ReadTile(t.Context(), 1, 0, 1)
	require.NoError(t, err)
	write(t, root, "tile/1/000.p/1", top)
	write(t, root, "tile/entries/000", bundle(0, 256))
	write(t, root, "tile/entries/001.p/44", bundle(256, 44))
	write(t, root, "checkpoint", []byte("a note\n"))

	d := tlog.Dir(root)
	got, err := d.Checkpoint(t.Context())
	require.NoError(t, err)
	require.Equal(t, "a note\n", string(got))

	// Every proof of every size can be made: wider tiles are cut.
	for _, size := range []int64{1, 2, 100, 255, 256, 257, 280, 300} {
		path, err := tlog.Inclusion(t.Context(), d, size, log.roots[size], size/2)
		require.NoError(t, err, size)
		require.NoError(t, tlog.VerifyInclusion(path, size, log.roots[size], size/2, leafHash(int(size/2))))
	}
	entries, err := d.ReadEntries(t.Context(), 0, 3)
	require.NoError(t, err)
	require.Equal(t, bundle(0, 3), entries)
	entries, err = d.ReadEntries(t.Context(), 1, 40)
	require.NoError(t, err)
	require.Equal(t, bundle(256, 40), entries)
	_, err = d.ReadEntries(t.Context(), 1, 45)
	require.ErrorIs(t, err, fs.ErrNotExist)
	require.ErrorContains(t, err, "tile/entries/001.p/45")
	_, err = d.ReadTile(t.Context(), 0, 7, 256)
	require.ErrorIs(t, err, fs.ErrNotExist)

	ended, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = d.ReadTile(ended, 0, 0, 256)
	require.ErrorIs(t, err, context.Canceled)
}

func TestDirRefuses(t *testing.T) {
	root, outside := t.TempDir(), t.TempDir()
	write(t, outside, "secret", make([]byte, 8192))
	require.NoError(t, os.MkdirAll(filepath.Join(root, "tile", "0"), 0o755))
	require.NoError(t, os.Symlink(filepath.Join(outside, "secret"), filepath.Join(root, "tile", "0", "000")))
	write(t, root, "tile/0/001", make([]byte, 8191))
	write(t, root, "tile/0/002", make([]byte, 8193))
	write(t, root, "tile/0/003.p/9", make([]byte, 8*32))
	require.NoError(t, os.Mkdir(filepath.Join(root, "tile", "0", "004"), 0o755))
	write(t, root, "tile/entries/000.p/2", bundle(0, 1))
	write(t, root, "tile/entries/001.p/2", bundle(0, 3))
	write(t, root, "tile/entries/002.p/2", bundle(0, 2)[:19])

	d := tlog.Dir(root)
	for n := range int64(5) {
		_, err := d.ReadTile(t.Context(), 0, n, 8)
		require.Error(t, err, n)
		require.NotErrorIs(t, err, fs.ErrNotExist, n)
	}
	for n := range int64(3) {
		_, err := d.ReadEntries(t.Context(), n, 1)
		require.Error(t, err, n)
		require.NotErrorIs(t, err, fs.ErrNotExist, n)
	}
	for _, bad := range [][3]int{{-1, 0, 1}, {64, 0, 1}, {0, -1, 1}, {0, 0, 0}, {0, 0, 257}} {
		_, err := d.ReadTile(t.Context(), bad[0], int64(bad[1]), bad[2])
		require.Error(t, err, bad)
	}
	_, err := d.ReadEntries(t.Context(), 0, 0)
	require.Error(t, err)
	_, err = tlog.Dir(filepath.Join(root, "nothing")).Checkpoint(t.Context())
	require.ErrorIs(t, err, fs.ErrNotExist)
}
