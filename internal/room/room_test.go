package room

import (
	"errors"
	"fmt"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// coded is an error as the SQLite driver gives it.
type coded int

func (c coded) Error() string { return fmt.Sprintf("sqlite (%d)", int(c)) }
func (c coded) Code() int     { return int(c) }

func TestExplain(t *testing.T) {
	no := func(string) (uint64, bool) { return 4096, true }
	much := func(string) (uint64, bool) { return 1 << 30, true }
	untold := func(string) (uint64, bool) { return 0, false }
	for _, c := range []struct {
		code     coded
		left     func(string) (uint64, bool)
		full     bool
		contains string
	}{
		{13, much, true, "no space left on device"},
		{4874, no, true, "no space left on device"}, // SQLITE_IOERR_SHMSIZE
		{14, no, true, "no space left on device"},
		{4874, much, false, "its disk failed"},
		{778, untold, false, "its disk failed"}, // SQLITE_IOERR_WRITE
		{14, much, false, ""},
		{5, no, false, ""}, // SQLITE_BUSY
	} {
		given := fmt.Errorf("committing: %w", c.code)
		err := explain("/keys/keys.db", given, c.left)
		require.Equal(t, c.full, None(err), "%v", err)
		require.ErrorIs(t, err, c.code)
		if c.contains == "" {
			require.Equal(t, given, err)
			continue
		}
		require.ErrorContains(t, err, c.contains)
		require.ErrorContains(t, err, "/keys/keys.db")
		again := explain("/other", fmt.Errorf("once more: %w", err), c.left)
		require.NotContains(t, again.Error(), "/other", "a file is named once")
	}
}

func TestExplainLeavesOthers(t *testing.T) {
	require.NoError(t, Explain("x", nil))
	err := errors.New("no")
	require.Equal(t, err, Explain("x", err))
	require.True(t, None(fmt.Errorf("writing: %w", syscall.EDQUOT)))
}

func TestLeft(t *testing.T) {
	bytes, known := left(t.TempDir())
	require.True(t, known)
	require.NotZero(t, bytes)
	_, known = left(filepath.Join(t.TempDir(), "nowhere"))
	require.False(t, known)
}
