package keyring

import (
	"fmt"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"lethe/internal/room"
)

// A full disk is told as one, with the file's name, and what was there before
// is there after it.
func TestFullDisk(t *testing.T) {
	path := filepath.Join(t.TempDir(), storeFile)
	w, err := newWriter(t.Context(), path)
	require.NoError(t, err)
	defer func() { require.NoError(t, w.close()) }()
	_, err = w.conn.ExecContext(t.Context(), "CREATE TABLE filler (x BLOB)")
	require.NoError(t, err)
	var pages int
	require.NoError(t, w.row("PRAGMA page_count", nil, &pages))
	_, err = w.conn.ExecContext(t.Context(), fmt.Sprintf("PRAGMA max_page_count = %d", pages+1))
	require.NoError(t, err)

	err = w.tx(func() error {
		_, err := w.exec("INSERT INTO filler VALUES (zeroblob(100000))")
		return err
	})
	require.True(t, room.None(err), "%v", err)
	require.ErrorContains(t, err, path)
	var rows int
	require.NoError(t, w.row("SELECT count(*) FROM filler", nil, &rows))
	require.Zero(t, rows)
}
