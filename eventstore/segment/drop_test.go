package segment_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/require"

	"lethe/eventstore"
	"lethe/eventstore/segment"
	"lethe/eventstore/storetest"
)

// dropAll removes every part of a section.
func dropAll(s *segment.Store, sec eventstore.Section, id byte, record func() error) error {
	_, err := s.Drop(context.Background(), sec, eventstore.DropOrder{
		ID: eventstore.DropID{id}, Pick: storetest.Every(1),
		Record: func(context.Context, eventstore.Drop) error { return record() },
	})
	return err
}

func recorded() error { return nil }

// secretsIn lists the files of the log that have bytes of a removed part of the
// first event, which has one.
func secretsIn(t *testing.T, fs vfs.FS) (names []string) {
	t.Helper()
	list, err := fs.List("data")
	require.NoError(t, err)
	_, secret, _ := bytes.Cut(storetest.PartOf(1, 0), []byte("|"))
	for _, name := range list {
		if strings.HasSuffix(name, ".seg") && bytes.Contains(contentOf(t, fs, name), secret) {
			names = append(names, name)
		}
	}
	return names
}

func contentOf(t *testing.T, fs vfs.FS, name string) []byte {
	t.Helper()
	f, err := fs.Open("data/" + name)
	require.NoError(t, err)
	info, err := f.Stat()
	require.NoError(t, err)
	b := make([]byte, info.Size())
	_, err = f.ReadAt(b, 0)
	require.NoError(t, err)
	require.NoError(t, f.Close())
	return b
}

// filled is a log with two full segments.
func filled(t *testing.T, fs vfs.FS) *segment.Store {
	t.Helper()
	s, _, err := openAt(t, fs, func(o *segment.Options) { o.SegmentBytes = 8 << 10 })
	require.NoError(t, err)
	storetest.Fill(t, s, 2)
	return s
}

func TestDropSurvivesAReopening(t *testing.T) {
	fs := vfs.NewMem()
	s := filled(t, fs)
	require.Equal(t, []string{"00000001.000.seg"}, secretsIn(t, fs))
	require.NoError(t, dropAll(s, s.Sections()[0], 1, recorded))
	require.Empty(t, secretsIn(t, fs))
	want := storetest.CheckLog(t, s)
	require.Empty(t, faultsOf(t, s, everything()))
	require.Equal(t, "00000001.001.seg", s.Sections()[0].Name)
	require.NoError(t, s.Close())
	for _, readOnly := range []bool{true, false} {
		s, got, err := openAt(t, fs, func(o *segment.Options) { o.ReadOnly = readOnly })
		require.NoError(t, err)
		require.Empty(t, *got)
		require.Equal(t, want, storetest.CheckLog(t, s))
		require.Empty(t, faultsOf(t, s, everything()))
		if readOnly {
			require.ErrorIs(t, dropAll(s, s.Sections()[1], 2, recorded), eventstore.ErrReadOnly)
		}
		require.NoError(t, s.Close())
		require.ErrorIs(t, dropAll(s, s.Sections()[1], 2, recorded), map[bool]error{true: eventstore.ErrReadOnly, false: eventstore.ErrClosed}[readOnly])
	}
	require.NoError(t, fs.RemoveAll("data/index")) // it follows from the log, also from this one
	s, _, err := openAt(t, fs, nil)
	require.NoError(t, err)
	require.Equal(t, want, storetest.CheckLog(t, s))
	require.NoError(t, s.Close())
}

// A reader keeps the version that it reads; the old bytes go with the last one.
func TestReadersPinWhatTheyRead(t *testing.T) {
	mem := vfs.NewMem()
	var mu sync.Mutex
	var watching atomic.Bool
	zero := map[string]bool{} // whether a removed segment was overwritten
	hook := &hookFS{FS: mem, before: func(op, name string) error {
		if op == "remove" && strings.HasSuffix(name, "1.000.seg") && watching.Load() {
			b := contentOf(t, mem, "00000001.000.seg")
			mu.Lock()
			zero[name] = isZero(b)
			mu.Unlock()
		}
		return nil
	}}
	s := filled(t, hook)
	watching.Store(true)
	before := storetest.CheckLog(t, s)
	n := 0
	for rec, err := range s.ReadAll(t.Context(), 0) {
		require.NoError(t, err)
		if n == 2 {
			require.NoError(t, dropAll(s, s.Sections()[0], 1, recorded))
		}
		if rec.Position <= before[10].Position { // the segment is not at its end
			require.Equal(t, before[n], rec.Clone(), "the version that was begun")
			require.Equal(t, []string{"00000001.000.seg"}, secretsIn(t, mem))
			require.Empty(t, faultsOf(t, s, everything()), "a file on its way out is no stranger")
		}
		n++
	}
	require.Equal(t, len(before), n)
	s.AwaitErased()
	require.Empty(t, secretsIn(t, mem))
	require.Equal(t, map[string]bool{"data/00000001.000.seg": true}, zero)
	require.NoError(t, s.Close())
}

// Who still reads when the store closes leaves the old file to the next opening.
func TestAPinnedVersionIsErasedByTheNextOpening(t *testing.T) {
	mem := vfs.NewMem()
	var left []byte
	hook := &hookFS{FS: mem, before: func(op, name string) error {
		if op == "remove" && strings.HasSuffix(name, "1.000.seg") {
			left = contentOf(t, mem, "00000001.000.seg")
		}
		return nil
	}}
	s := filled(t, mem)
	for _, err := range s.ReadAll(t.Context(), 0) {
		require.NoError(t, err)
		require.NoError(t, dropAll(s, s.Sections()[0], 1, recorded))
		require.NoError(t, s.Close())
		break
	}
	require.Equal(t, []string{"00000001.000.seg"}, secretsIn(t, mem))
	s, _, err := openAt(t, hook, nil)
	require.NoError(t, err)
	require.Empty(t, secretsIn(t, mem))
	require.True(t, len(left) > 0 && isZero(left), "it was overwritten before it was removed")
	require.NoError(t, s.Close())
}

// The replacement is no stranger while it waits to be recorded, nor does an
// audit under way lose the section that it reads.
func TestCheckWhileDropping(t *testing.T) {
	mem := vfs.NewMem()
	s := filled(t, mem)
	require.NoError(t, dropAll(s, s.Sections()[0], 1, func() error {
		require.Empty(t, faultsOf(t, s, everything()))
		return nil
	}))
	dropped := false
	o := everything()
	o.Workers = 1
	o.Visit = func(sec eventstore.Section) func(*eventstore.Recorded) error {
		if !dropped {
			dropped = true
			require.NoError(t, dropAll(s, s.Sections()[1], 2, recorded))
		}
		if sec.First > 1 && sec.Full {
			require.Equal(t, "00000002.000.seg", sec.Name, "as it was when the check began")
		}
		return nil
	}
	require.Empty(t, faultsOf(t, s, o))
	s.AwaitErased()
	require.Equal(t, "00000002.001.seg", s.Sections()[1].Name)
	list, err := mem.List("data")
	require.NoError(t, err)
	require.NotContains(t, list, "00000002.000.seg")
	require.Empty(t, faultsOf(t, s, everything()))
	require.NoError(t, s.Close())
}

// dropFailing drops with the n-th change to the disk failing; false when there
// are fewer.
func dropFailing(t *testing.T, n int, fault error) bool {
	t.Helper()
	mem := vfs.NewMem()
	var mu sync.Mutex
	count, at := -1<<30, ""
	hook := &hookFS{FS: mem, before: func(op, name string) error {
		mu.Lock()
		defer mu.Unlock()
		if count++; count != n {
			return nil
		}
		at = op + " " + name
		return &os.PathError{Op: op, Path: name, Err: fault}
	}}
	s := filled(t, hook)
	before := storetest.CheckLog(t, s)
	set := func(n int) { mu.Lock(); count = n; mu.Unlock() }
	wasRecorded := false
	set(0)
	err := dropAll(s, s.Sections()[0], 1, func() error { wasRecorded = true; return nil })
	mu.Lock()
	reached := count >= n
	mu.Unlock()
	set(-1 << 30)
	what := fmt.Sprintf("change %d, %s: %v gives %v", n, at, fault, err)
	if err != nil {
		require.True(t, errors.Is(err, fault) || errors.Is(err, eventstore.ErrFatal), what)
	}
	dropped := func(s *segment.Store) bool {
		got := storetest.CheckLog(t, s)
		require.Len(t, got, len(before), what)
		is := len(got[0].Dropped) > 0
		if !is {
			require.Equal(t, before, got, what)
		}
		verr := s.Verify(t.Context())
		if _, serr := mem.Stat("data/00000001.000.seg"); serr == nil && is { // the old file could not be erased: it was reported, and is found
			requireCorrupt(t, verr, "MANIFEST does not name")
			verr = nil
		}
		require.NoError(t, verr, what)
		return is
	}
	if err == nil || !errors.Is(err, eventstore.ErrFatal) {
		require.Equal(t, err == nil, dropped(s), what)
		if err != nil { // the next one is not hindered by what this one left
			require.NoError(t, dropAll(s, s.Sections()[1], 2, recorded), what)
		}
		_, aerr := s.Append(t.Context(), "after", eventstore.Any(), []eventstore.Event{storetest.NewEvent(900_000)})
		require.NoError(t, aerr, what)
		before = storetest.CheckLog(t, s)
	}
	_ = s.Close()
	s, _, operr := openAt(t, mem, nil)
	require.NoError(t, operr, what)
	if dropped(s) {
		require.True(t, wasRecorded, what)
		require.Empty(t, secretsIn(t, mem), what)
	} else {
		require.Error(t, err, what)
	}
	require.NoError(t, s.Close())
	return reached
}

func TestEveryStepOfADropFails(t *testing.T) {
	for _, fault := range []error{syscall.EIO, syscall.ENOSPC} {
		n := 1
		for dropFailing(t, n, fault) {
			n++
		}
		require.Greater(t, n, 10)
		t.Logf("%v: %d changes, each failed once", fault, n-1)
	}
}

// usageFS tells of little free space.
type usageFS struct {
	vfs.FS
	free uint64
}

func (u *usageFS) GetDiskUsage(string) (vfs.DiskUsage, error) {
	return vfs.DiskUsage{AvailBytes: u.free, TotalBytes: 1 << 30}, nil
}

func (u *usageFS) Unwrap() vfs.FS { return u.FS }

func TestDropLeavesRoomForTheLog(t *testing.T) {
	fs := &usageFS{FS: vfs.NewMem(), free: 1 << 30}
	s, _, err := openAt(t, fs, func(o *segment.Options) { o.SegmentBytes, o.IndexReserve = 8<<10, 1<<20 })
	require.NoError(t, err)
	storetest.Fill(t, s, 1)
	fs.free = 1<<20 + 1000
	err = dropAll(s, s.Sections()[0], 1, func() error { t.Error("recorded"); return nil })
	require.ErrorIs(t, err, eventstore.ErrNoSpace)
	fs.free = 1<<20 + 8<<10
	require.NoError(t, dropAll(s, s.Sections()[0], 1, recorded))
	require.NoError(t, s.Close())
}

// A section that is damaged is not replaced: what it lost would look removed.
func TestADamagedSectionIsNotReplaced(t *testing.T) {
	fs := vfs.NewMem()
	s := filled(t, fs)
	sec := s.Sections()[0]
	data, err := fs.UnsafeGetFileDataBuffer("data/" + sec.Name)
	require.NoError(t, err)
	for at := 70; at < int(sec.Bytes); at += 501 {
		data[at] ^= 4
		requireCorrupt(t, dropAll(s, sec, 1, func() error { t.Error("recorded"); return nil }), sec.Name)
		data[at] ^= 4
	}
	require.Equal(t, sec, s.Sections()[0])
	require.NoError(t, dropAll(s, sec, 1, recorded))
	require.NoError(t, s.Close())
}

// Closing waits for a removal under way, which then changes nothing.
func TestCloseWhileDropping(t *testing.T) {
	fs := vfs.NewMem()
	s := filled(t, fs)
	before := storetest.CheckLog(t, s)
	closed := make(chan error, 1)
	err := dropAll(s, s.Sections()[0], 1, func() error {
		go func() { closed <- s.Close() }()
		for range s.Subscribe(context.Background(), before[len(before)-1].Position) {
			continue // until the store is closed
		}
		return nil
	})
	require.ErrorIs(t, err, eventstore.ErrClosed)
	require.NoError(t, <-closed)
	s, got, err := openAt(t, fs, nil)
	require.NoError(t, err)
	require.Empty(t, *got)
	require.Equal(t, before, storetest.CheckLog(t, s))
	require.NoError(t, s.Close())
}

// What is being copied is not overwritten meanwhile.
func TestASnapshotKeepsWhatIsReplaced(t *testing.T) {
	fs := vfs.NewMem()
	s := filled(t, fs)
	before := storetest.CheckLog(t, s)
	snap, err := s.Snapshot()
	require.NoError(t, err)
	require.NoError(t, dropAll(s, s.Sections()[0], 1, recorded))
	after := storetest.CheckLog(t, s)
	require.NotEqual(t, before, after)
	earlier := copyOf(t, fs, snap)
	require.Equal(t, []string{"00000001.000.seg"}, secretsIn(t, fs))
	snap.Release()
	s.AwaitErased()
	require.Empty(t, secretsIn(t, fs))
	snap, err = s.Snapshot()
	require.NoError(t, err)
	later := copyOf(t, fs, snap)
	snap.Release()
	require.NoError(t, s.Close())
	for _, c := range []struct {
		fs   *vfs.MemFS
		want []*eventstore.Recorded
	}{{earlier, before}, {later, after}} {
		s, got, err := openAt(t, c.fs, nil)
		require.NoError(t, err)
		require.Empty(t, *got)
		require.Equal(t, c.want, storetest.CheckLog(t, s))
		require.Empty(t, faultsOf(t, s, everything()))
		require.NoError(t, s.Close())
	}
}

// flipFS changes one byte of what is written to replacements.
type flipFS struct {
	vfs.FS
	at int64 // in the file; < 0: none
}

type flipFile struct {
	vfs.File
	at int64
}

func (f *flipFS) OpenReadWrite(name string, c vfs.DiskWriteCategory, o ...vfs.OpenOption) (vfs.File, error) {
	file, err := f.FS.OpenReadWrite(name, c, o...)
	if err != nil || f.at < 0 || !strings.HasSuffix(name, ".001.seg") {
		return file, err
	}
	return &flipFile{file, f.at}, nil
}

func (f *flipFile) WriteAt(b []byte, off int64) (int, error) {
	if i := f.at - off; i >= 0 && i < int64(len(b)) {
		b = bytes.Clone(b)
		b[i] ^= 8
	}
	return f.File.WriteAt(b, off)
}

// What was not written as it should be never counts, whichever byte it is.
func TestAReplacementIsReadAgainBeforeItCounts(t *testing.T) {
	fs := &flipFS{FS: vfs.NewMem(), at: -1}
	s := filled(t, fs)
	before, sec := storetest.CheckLog(t, s), s.Sections()[0]
	for at := int64(0); at < 9500; at += 97 {
		fs.at = at
		err := dropAll(s, sec, 1, func() error { t.Errorf("byte %d: recorded", at); return nil })
		require.Error(t, err, "byte %d", at)
	}
	fs.at = -1
	require.Equal(t, before, storetest.CheckLog(t, s))
	require.Empty(t, faultsOf(t, s, everything()))
	require.NoError(t, dropAll(s, sec, 1, recorded))
	require.NoError(t, s.Close())
}
