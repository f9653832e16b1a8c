package segment_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/require"

	"lethe/eventstore"
	"lethe/eventstore/segment"
	"lethe/eventstore/storetest"
)

// reports collects what a store reports.
type reports []error

func (r *reports) add(err error) { *r = append(*r, err) }

func openAt(t *testing.T, fs vfs.FS, change func(*segment.Options)) (*segment.Store, *reports, error) {
	t.Helper()
	var got reports
	o := segment.Options{FS: fs, SegmentBytes: 16 << 10, IdleMarker: -1, Report: got.add}
	if change != nil {
		change(&o)
	}
	s, err := segment.Open("data", o)
	return s, &got, err
}

// written makes a log of n one-event appends and leaves it killed or closed.
func written(t *testing.T, n int, closed bool, change func(*segment.Options)) *vfs.MemFS {
	t.Helper()
	fs := vfs.NewMem()
	s, _, err := openAt(t, fs, change)
	require.NoError(t, err)
	appendN(t, s, 1, n)
	if closed {
		require.NoError(t, s.Close())
	} else {
		s.Kill()
	}
	return fs
}

func appendN(t *testing.T, s eventstore.Store, from, n int) {
	t.Helper()
	for i := from; i < from+n; i++ {
		_, err := s.Append(t.Context(), crashStream(i), eventstore.Any(), []eventstore.Event{storetest.NewEvent(uint64(i))})
		require.NoError(t, err)
	}
}

// file gives the bytes of the last (or first) segment file; changing them
// changes the file.
func file(t *testing.T, fs *vfs.MemFS, last bool) (name string, data []byte) {
	t.Helper()
	names, err := fs.List("data")
	require.NoError(t, err)
	for _, n := range names {
		if strings.HasSuffix(n, ".seg") && (name == "" || (n > name) == last) {
			name = n
		}
	}
	data, err = fs.UnsafeGetFileDataBuffer("data/" + name)
	require.NoError(t, err)
	return name, data
}

// lastGroup is where the last group of a segment begins: found by its salt.
func lastGroup(data []byte) int {
	salt := string(data[24:32])
	return strings.LastIndex(string(data), salt)
}

func requireCorrupt(t *testing.T, err error, what string) {
	t.Helper()
	var c *eventstore.CorruptError
	require.ErrorAs(t, err, &c)
	require.Contains(t, c.Error(), what)
}

// requireFault wants a report of something that was made good.
func requireFault(t *testing.T, err error, what, means string) {
	t.Helper()
	var f *eventstore.Fault
	require.ErrorAs(t, err, &f)
	require.Contains(t, f.What, what)
	require.Contains(t, f.Means, means)
	require.True(t, f.Mended)
	require.NotEmpty(t, f.File)
}

func TestTornTailIsCutAndReported(t *testing.T) {
	fs := written(t, 20, false, nil)
	name, data := file(t, fs, true)
	at := lastGroup(data)
	data[at+60] ^= 1 // the last append was under way when the power went
	s, got, err := openAt(t, fs, nil)
	require.NoError(t, err)
	require.Len(t, storetest.CheckLog(t, s), 19)
	rec := s.Recovery()
	require.True(t, rec.Unclean)
	require.Equal(t, name, rec.CutFile)
	require.Equal(t, int64(at), rec.CutOffset)
	require.Positive(t, rec.CutBytes)
	require.Len(t, *got, 1)
	requireFault(t, (*got)[0], "checksum", "never acknowledged")
	appendN(t, s, 20, 5)
	require.NoError(t, s.Close())
	s, got, err = openAt(t, fs, nil)
	require.NoError(t, err)
	require.Empty(t, *got)
	require.Len(t, storetest.CheckLog(t, s), 24)
	require.NoError(t, s.Close())
}

func TestDamageBelowADurableReferenceIsRefused(t *testing.T) {
	flipLast := func(data []byte) { data[lastGroup(data)+60] ^= 1 }
	zeroLast := func(data []byte) { clear(data[lastGroup(data):]) }
	flipMiddle := func(data []byte) { data[segmentMiddle(data)] ^= 1 }
	tests := []struct {
		name    string
		closed  bool
		harm    func([]byte)
		options func(*segment.Options)
		what    string
	}{
		{"middle, killed", false, flipMiddle, nil, "an intact group behind it"},
		{"middle, closed", true, flipMiddle, nil, "an intact group behind it"},
		{"last group, a view carries it", false, flipLast, func(o *segment.Options) { o.DurableMark = 20 }, "durable position 20"},
		{"last group gone, a view carries it", false, zeroLast, func(o *segment.Options) { o.DurableMark = 20 }, "durable position 20"},
		{"last group, closed", true, flipLast, nil, "closed in good order"},
		{"last group gone, closed", true, zeroLast, nil, "closed in good order"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			fs := written(t, 20, test.closed, nil)
			_, data := file(t, fs, true)
			test.harm(data)
			before := string(data)
			_, _, err := openAt(t, fs, test.options)
			requireCorrupt(t, err, test.what)
			_, data = file(t, fs, true)
			require.Equal(t, before, string(data), "a refusal changes nothing")
		})
	}
}

// segmentMiddle is a byte of the log's second group.
func segmentMiddle(data []byte) int {
	salt := string(data[24:32])
	return 64 + 48 + strings.Index(string(data[64+48:]), salt) + 100
}

// The index knows what was durable: it is only told afterwards.
func TestLogShorterThanItsIndexIsRefused(t *testing.T) {
	fs := written(t, 20, true, nil) // Close makes the index durable
	s, _, err := openAt(t, fs, nil) // takes the mark of the orderly stop away
	require.NoError(t, err)
	s.Kill()
	_, data := file(t, fs, true)
	clear(data[lastGroup(data):])
	_, _, err = openAt(t, fs, nil)
	requireCorrupt(t, err, "the index has")
}

// With the marker, damage to the last acknowledged group is not a torn tail.
func TestIdleMarkerProtectsTheLastGroup(t *testing.T) {
	fs := vfs.NewMem()
	s, _, err := openAt(t, fs, func(o *segment.Options) { o.IdleMarker = time.Millisecond })
	require.NoError(t, err)
	appendN(t, s, 1, 5)
	bytes := s.Stats().Bytes
	require.Eventually(t, func() bool { return s.Stats().Bytes == bytes+48 }, 5*time.Second, time.Millisecond)
	s.Kill()
	_, data := file(t, fs, true)
	data[lastGroup(data)-10] ^= 1 // the byte belongs to the group before the marker
	_, _, err = openAt(t, fs, nil)
	requireCorrupt(t, err, "an intact group behind it")
}

func TestDamageInAFullSegmentIsFoundByReaders(t *testing.T) {
	fs := written(t, 200, true, nil)
	name, data := file(t, fs, false)
	data[segmentMiddle(data)] ^= 1
	_, _, err := openAt(t, fs, nil)
	requireCorrupt(t, err, name) // Open reads the last 65,536 events
	s, _, err := openAt(t, fs, func(o *segment.Options) { o.RecentIDs = 1 })
	require.NoError(t, err)
	defer func() { require.NoError(t, s.Close()) }()
	var last error
	for _, err := range s.ReadAll(t.Context(), 0) {
		last = err
	}
	requireCorrupt(t, last, name)
	last = nil
	for i := range 3 {
		for _, err := range s.ReadStream(t.Context(), crashStream(i), eventstore.StreamRange{}) {
			last = errors.Join(last, err)
		}
	}
	requireCorrupt(t, last, name)
	appendN(t, s, 201, 1)
}

func TestDamagedFooterIsRebuilt(t *testing.T) {
	fs := written(t, 200, true, nil)
	_, data := file(t, fs, false)
	at := strings.LastIndex(string(data), "LFTR")
	data[at-20] ^= 1
	s, got, err := openAt(t, fs, nil)
	require.NoError(t, err)
	require.Len(t, storetest.CheckLog(t, s), 200)
	require.Len(t, *got, 1)
	requireFault(t, (*got)[0], "footer", "rebuilt from the groups")
	require.NoError(t, s.Close())
}

func TestLostIndexIsRebuilt(t *testing.T) {
	fs := written(t, 200, true, nil)
	require.NoError(t, fs.RemoveAll("data/index"))
	s, got, err := openAt(t, fs, nil)
	require.NoError(t, err)
	require.Empty(t, *got)
	require.True(t, s.Recovery().IndexRebuilt)
	require.Equal(t, uint64(200), s.Recovery().Replayed)
	require.Len(t, storetest.CheckLog(t, s), 200)
	require.Equal(t, uint64(3), s.Stats().Streams)
	require.NoError(t, s.Close())
}

func TestDamagedOrForeignIndexIsRebuilt(t *testing.T) {
	t.Run("damaged", func(t *testing.T) {
		fs := written(t, 50, true, nil)
		names, err := fs.List("data/index")
		require.NoError(t, err)
		for _, n := range names {
			if strings.HasPrefix(n, "MANIFEST") {
				data, err := fs.UnsafeGetFileDataBuffer("data/index/" + n)
				require.NoError(t, err)
				data[10] ^= 0xFF
			}
		}
		s, got, err := openAt(t, fs, nil)
		require.NoError(t, err)
		require.Len(t, *got, 1)
		requireFault(t, (*got)[0], "cannot be used", "rebuilt from the log")
		require.Len(t, storetest.CheckLog(t, s), 50)
		require.NoError(t, s.Close())
	})
	t.Run("foreign", func(t *testing.T) {
		fs, other := written(t, 50, true, nil), written(t, 70, true, nil)
		require.NoError(t, fs.RemoveAll("data/index"))
		_, err := vfs.Clone(other, fs, "data/index", "data/index")
		require.NoError(t, err)
		s, got, err := openAt(t, fs, nil)
		require.NoError(t, err)
		require.Len(t, *got, 1)
		requireFault(t, (*got)[0], "another log", "rebuilt from the log")
		require.Len(t, storetest.CheckLog(t, s), 50)
		require.NoError(t, s.Close())
	})
}

func TestReplayOfWhatTheIndexLacks(t *testing.T) {
	fs := written(t, 30, true, nil)
	s, _, err := openAt(t, fs, nil)
	require.NoError(t, err)
	appendN(t, s, 31, 30)
	s.Kill()
	s, _, err = openAt(t, fs, nil)
	require.NoError(t, err)
	require.Equal(t, uint64(30), s.Recovery().Replayed)
	require.False(t, s.Recovery().IndexRebuilt)
	require.Len(t, storetest.CheckLog(t, s), 60)
	require.Equal(t, uint64(3), s.Stats().Streams)
	// Recent IDs are recognised across the restart.
	res, err := s.Append(t.Context(), crashStream(60), eventstore.Any(), []eventstore.Event{storetest.NewEvent(60)})
	require.NoError(t, err)
	require.True(t, res.Duplicate)
	require.NoError(t, s.Close())
}

func TestLeftoversAndLostFiles(t *testing.T) {
	fs := written(t, 200, true, nil)
	put := func(name, content string) {
		f, err := fs.Create(name, vfs.WriteCategoryUnspecified)
		require.NoError(t, err)
		_, err = f.Write([]byte(content))
		require.NoError(t, err)
		require.NoError(t, f.Close())
	}
	put("data/MANIFEST.tmp", "half a mani")
	put("data/00000099.000.seg", "prepared and never used")
	s, got, err := openAt(t, fs, nil)
	require.NoError(t, err)
	require.Empty(t, *got)
	require.Len(t, storetest.CheckLog(t, s), 200)
	require.NoError(t, s.Close())
	names, err := fs.List("data")
	require.NoError(t, err)
	require.NotContains(t, names, "MANIFEST.tmp")
	require.NotContains(t, names, "00000099.000.seg")

	first, _ := file(t, fs, false)
	require.NoError(t, fs.Rename("data/"+first, "elsewhere"))
	_, _, err = openAt(t, fs, nil)
	requireCorrupt(t, err, first)
	require.NoError(t, fs.Rename("elsewhere", "data/"+first))

	require.NoError(t, fs.Rename("data/MANIFEST", "elsewhere"))
	_, _, err = openAt(t, fs, nil)
	requireCorrupt(t, err, "MANIFEST")
	put("data/MANIFEST", "lethe-manifest 1 00000000\n{}")
	_, _, err = openAt(t, fs, nil)
	requireCorrupt(t, err, "MANIFEST")
	require.NoError(t, fs.Rename("elsewhere", "data/MANIFEST"))

	put("data/FORMAT", `{"segment":2,"manifest":1,"index":1}`)
	_, _, err = openAt(t, fs, nil)
	require.ErrorContains(t, err, "use a newer program")
	put("data/FORMAT", `{"segment":1,"manifest":1,"index":1,"compression":1}`)
	_, _, err = openAt(t, fs, nil)
	require.ErrorContains(t, err, "newer")
	put("data/FORMAT", `{"segment":1,"manifest":1,"index":1}`)
	s, _, err = openAt(t, fs, nil)
	require.NoError(t, err)
	require.NoError(t, s.Close())
}

func TestLostManifestOfASmallLogIsNoEmptyLog(t *testing.T) {
	fs := written(t, 3, true, nil)
	require.NoError(t, fs.Remove("data/MANIFEST"))
	require.NoError(t, fs.RemoveAll("data/index"))
	_, _, err := openAt(t, fs, nil)
	requireCorrupt(t, err, "holds events")
}

func TestLock(t *testing.T) {
	dir := t.TempDir()
	s, err := segment.Open(dir, segment.Options{SegmentBytes: 64 << 10})
	require.NoError(t, err)
	_, err = segment.Open(filepath.Join(dir, "..", filepath.Base(dir)), segment.Options{})
	require.ErrorIs(t, err, eventstore.ErrLocked)
	require.ErrorContains(t, err, "stop that process")
	_, err = segment.Open(dir, segment.Options{ReadOnly: true})
	require.ErrorIs(t, err, eventstore.ErrLocked)
	require.NoError(t, s.Close())
	s, err = segment.Open(dir, segment.Options{})
	require.NoError(t, err)
	require.NoError(t, s.Close())
}

func TestReadOnly(t *testing.T) {
	fs := written(t, 200, false, nil)
	before := fs.String()
	ro := func(o *segment.Options) { o.ReadOnly = true }
	s, _, err := openAt(t, refusing(fs, syscall.EROFS), ro)
	require.NoError(t, err)
	require.Len(t, storetest.CheckLog(t, s), 200)
	_, err = s.Append(t.Context(), "a", eventstore.Any(), []eventstore.Event{storetest.NewEvent(1)})
	require.ErrorIs(t, err, eventstore.ErrReadOnly)
	require.Equal(t, uint64(200), s.Stats().Events)
	require.NoError(t, s.Close())
	require.Equal(t, before, fs.String(), "nothing was changed")
	_, _, err = openAt(t, vfs.NewMem(), ro)
	require.Error(t, err, "there is nothing to read")
	_, _, err = openAt(t, refusing(fs, syscall.EROFS), nil)
	require.ErrorIs(t, err, eventstore.ErrReadOnly)
}

// refusing is a file system on which nothing can be changed.
func refusing(fs vfs.FS, cause error) vfs.FS {
	return &hookFS{FS: fs, before: func(_, name string) error {
		return &os.PathError{Op: "change", Path: name, Err: cause}
	}}
}

func TestFailedSyncIsUnknownForAllAndStopsTheStore(t *testing.T) {
	mem := vfs.NewMem()
	armed := make(chan struct{})
	hook := &hookFS{FS: mem, before: func(op, name string) error {
		select {
		case <-armed:
			if op == "sync" {
				return errors.New("the disk failed")
			}
		default:
		}
		return nil
	}}
	s, _, err := openAt(t, hook, nil)
	require.NoError(t, err)
	appendN(t, s, 1, 5)
	close(armed)
	_, err = s.Append(t.Context(), "x", eventstore.Any(), []eventstore.Event{storetest.NewEvent(6)})
	require.ErrorIs(t, err, eventstore.ErrOutcomeUnknown)
	_, err = s.Append(t.Context(), "x", eventstore.Any(), []eventstore.Event{storetest.NewEvent(7)})
	require.ErrorIs(t, err, eventstore.ErrFatal)
	require.Len(t, storetest.CheckLog(t, s), 5, "what is durable stays readable")
	var last error
	for _, err := range s.Subscribe(t.Context(), 0) {
		last = err
	}
	require.ErrorIs(t, last, eventstore.ErrFatal)
	require.NoError(t, s.Close())
	s, _, err = openAt(t, mem, nil)
	require.NoError(t, err)
	require.True(t, s.Recovery().Unclean)
	res, err := s.Append(t.Context(), "x", eventstore.Any(), []eventstore.Event{storetest.NewEvent(6)})
	require.NoError(t, err)
	require.True(t, res.Duplicate, "the group had reached the file; the repeat is recognised")
	require.Len(t, storetest.CheckLog(t, s), 6)
	require.NoError(t, s.Close())
}

func TestEndedContextOfAQueuedAppend(t *testing.T) {
	hold, held := make(chan struct{}), make(chan struct{}, 100)
	hook := &hookFS{FS: vfs.NewMem(), before: func(op, name string) error {
		if op == "sync" && strings.HasSuffix(name, ".seg") {
			held <- struct{}{}
			<-hold
		}
		return nil
	}}
	close(hold)
	s, _, err := openAt(t, hook, nil)
	require.NoError(t, err)
	for len(held) > 0 {
		<-held
	}
	hold = make(chan struct{})
	first := make(chan error, 1)
	go func() {
		_, err := s.Append(t.Context(), "a", eventstore.Any(), []eventstore.Event{storetest.NewEvent(1)})
		first <- err
	}()
	<-held // the first group is being synced
	ctx, cancel := context.WithCancel(t.Context())
	second := make(chan error, 1)
	go func() {
		_, err := s.Append(ctx, "a", eventstore.Any(), []eventstore.Event{storetest.NewEvent(2)})
		second <- err
	}()
	cancel()
	require.ErrorIs(t, <-second, context.Canceled)
	close(hold)
	require.NoError(t, <-first)
	require.Len(t, storetest.CheckLog(t, s), 1)
	require.NoError(t, s.Close())
}

func TestVerify(t *testing.T) {
	fs := written(t, 300, true, nil)
	check := func() error {
		s, _, err := openAt(t, fs, func(o *segment.Options) { o.RecentIDs = 1 })
		require.NoError(t, err)
		defer func() { require.NoError(t, s.Close()) }()
		return s.Verify(t.Context())
	}
	require.NoError(t, check())
	_, data := file(t, fs, false)
	for _, at := range []int{segmentMiddle(data), strings.LastIndex(string(data), "LFTR") - 20} {
		data[at] ^= 1
		var c *eventstore.CorruptError
		require.ErrorAs(t, check(), &c)
		data[at] ^= 1
	}
	require.NoError(t, check())
}
