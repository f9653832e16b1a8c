package segment_test

import (
	"os"
	"os/exec"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/require"

	"lethe/eventstore"
	"lethe/eventstore/segment"
	"lethe/eventstore/storetest"
)

// spaceFS is a file system whose segment files write half of what they are given
// and then say that the disk is full.
type spaceFS struct {
	vfs.FS
	full *atomic.Bool
}

type spaceFile struct {
	vfs.File
	full *atomic.Bool
}

func (s *spaceFS) OpenReadWrite(name string, c vfs.DiskWriteCategory, o ...vfs.OpenOption) (vfs.File, error) {
	f, err := s.FS.OpenReadWrite(name, c, o...)
	if err != nil || inIndex(name) {
		return f, err
	}
	return &spaceFile{f, s.full}, nil
}

func (f *spaceFile) WriteAt(b []byte, off int64) (int, error) {
	if !f.full.Load() {
		return f.File.WriteAt(b, off)
	}
	if isZero(b) { // zeros over what the failed write left need no new block
		return f.File.WriteAt(b, off)
	}
	n, _ := f.File.WriteAt(b[:len(b)/2], off)
	return n, &os.PathError{Op: "write", Path: "segment", Err: syscall.ENOSPC}
}

func isZero(b []byte) bool {
	for _, c := range b {
		if c != 0 {
			return false
		}
	}
	return true
}

func TestFullDiskInAGroup(t *testing.T) {
	mem, full := vfs.NewMem(), new(atomic.Bool)
	s, _, err := openAt(t, &spaceFS{FS: mem, full: full}, nil)
	require.NoError(t, err)
	appendN(t, s, 1, 10)
	full.Store(true)
	for range 3 {
		_, err = s.Append(t.Context(), "x", eventstore.NoStream(), []eventstore.Event{storetest.NewEvent(11), storetest.NewEvent(12)})
		require.ErrorIs(t, err, eventstore.ErrNoSpace)
		require.NotErrorIs(t, err, eventstore.ErrOutcomeUnknown)
	}
	require.Len(t, storetest.CheckLog(t, s), 10)
	full.Store(false)
	res, err := s.Append(t.Context(), "x", eventstore.NoStream(), []eventstore.Event{storetest.NewEvent(11)})
	require.NoError(t, err)
	require.False(t, res.Duplicate)
	require.Equal(t, uint64(0), res.First)
	full.Store(true)
	_, err = s.Append(t.Context(), "x", eventstore.Any(), []eventstore.Event{storetest.NewEvent(13)})
	require.ErrorIs(t, err, eventstore.ErrNoSpace)
	s.Kill()
	s, got, err := openAt(t, mem, nil)
	require.NoError(t, err)
	require.Empty(t, *got, "nothing of the refused append is left")
	require.Len(t, storetest.CheckLog(t, s), 11)
	require.NoError(t, s.Close())
}

// fill appends until the store refuses, and returns how many were acknowledged.
func fill(t *testing.T, s *segment.Store, from, limit int) (acknowledged int, err error) {
	t.Helper()
	for i := from; i < from+limit; i++ {
		e := storetest.NewEvent(uint64(i))
		e.Facts = make([]byte, 900)
		if _, err = s.Append(t.Context(), crashStream(i), eventstore.Any(), []eventstore.Event{e}); err != nil {
			return i - from, err
		}
	}
	return limit, nil
}

func TestFullDiskForANewSegment(t *testing.T) {
	mem := vfs.NewMem()
	full := new(atomic.Bool)
	hook := &hookFS{FS: mem, before: func(op, name string) error {
		if full.Load() && op == "create" {
			return &os.PathError{Op: "open", Path: name, Err: syscall.ENOSPC}
		}
		return nil
	}}
	s, _, err := openAt(t, hook, nil)
	require.NoError(t, err)
	full.Store(true)
	n, err := fill(t, s, 1, 1000)
	require.ErrorIs(t, err, eventstore.ErrNoSpace)
	require.Less(t, n, 20)
	require.Len(t, storetest.CheckLog(t, s), n)
	full.Store(false)
	more, err := fill(t, s, n+1, 100)
	require.NoError(t, err)
	require.Len(t, storetest.CheckLog(t, s), n+more)
	require.NoError(t, s.Close())
	s, got, err := openAt(t, mem, nil)
	require.NoError(t, err)
	require.Empty(t, *got)
	require.Len(t, storetest.CheckLog(t, s), n+more)
	require.NoError(t, s.Close())
}

// TestReallyFullDisk fills a small file system of its own.
func TestReallyFullDisk(t *testing.T) {
	dir := t.TempDir()
	if out, err := exec.CommandContext(t.Context(), "mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", dir).CombinedOutput(); err != nil {
		t.Skipf("SKIPPED, NOT TESTED: a file system of limited size cannot be mounted here (%v: %s)", err, out)
	}
	t.Cleanup(func() { _ = exec.Command("umount", "-l", dir).Run() })
	o := segment.Options{SegmentBytes: 1 << 20, IndexReserve: 4 << 20}
	s, err := segment.Open(dir, o)
	require.NoError(t, err)
	n, err := fill(t, s, 1, 1_000_000)
	require.ErrorIs(t, err, eventstore.ErrNoSpace)
	require.Len(t, storetest.CheckLog(t, s), n)
	_, err = s.Append(t.Context(), "x", eventstore.Any(), []eventstore.Event{storetest.NewEvent(999_999)})
	if err == nil { // a small one may still fit
		n++
	}
	_ = s.Close() // the mark of the orderly stop may not fit any more

	ro, err := segment.Open(dir, segment.Options{ReadOnly: true})
	require.NoError(t, err, "a full disk can be read")
	require.Len(t, storetest.CheckLog(t, ro), n)
	require.NoError(t, ro.Close())

	require.NoError(t, exec.CommandContext(t.Context(), "mount", "-o", "remount,size=64m", dir).Run())
	s, err = segment.Open(dir, o)
	require.NoError(t, err, "with room again the log opens")
	more, err := fill(t, s, 2_000_000, 100)
	require.NoError(t, err)
	require.Len(t, storetest.CheckLog(t, s), n+more)
	require.NoError(t, s.Close())
	t.Logf("%d events fitted", n)
}
