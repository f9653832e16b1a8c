package segment_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/require"

	"lethe/eventstore"
	"lethe/eventstore/segment"
	"lethe/eventstore/storetest"
)

func TestNothingIsFoundInAnIntactStore(t *testing.T) {
	fs, _ := flipStore(t)
	small := func(o *segment.Options) { o.SegmentBytes, o.IdleMarker = 4<<10, time.Millisecond }
	open := func(change func(*segment.Options)) *segment.Store {
		s, got, err := openAt(t, fs, change)
		require.NoError(t, err)
		require.Empty(t, *got)
		require.Empty(t, faultsOf(t, s, everything()))
		require.NoError(t, s.Verify(t.Context()))
		return s
	}
	t.Run("empty", func(t *testing.T) {
		s, _, err := openAt(t, vfs.NewMem(), nil)
		require.NoError(t, err)
		require.Empty(t, faultsOf(t, s, everything()))
		require.NoError(t, s.Close())
		require.ErrorIs(t, s.Check(t.Context(), everything(), nil), eventstore.ErrClosed)
	})
	t.Run("read only", func(t *testing.T) {
		before := fs.String()
		s := open(func(o *segment.Options) { o.ReadOnly = true })
		require.NoError(t, s.Close())
		require.Equal(t, before, fs.String(), "nothing was changed")
	})
	t.Run("reopened", func(t *testing.T) {
		s := open(small)
		appendN(t, s, 71, 30)
		require.Empty(t, faultsOf(t, s, everything()), "the index lags behind")
		s.Kill()
	})
	t.Run("killed", func(t *testing.T) {
		s := open(small)
		appendN(t, s, 101, 40)
		require.NoError(t, s.Close())
	})
	t.Run("index rebuilt", func(t *testing.T) {
		require.NoError(t, fs.RemoveAll("data/index"))
		require.NoError(t, open(small).Close())
	})
}

func TestCheckWhileTheLogGrows(t *testing.T) {
	s, _, err := openAt(t, vfs.NewMem(), func(o *segment.Options) { o.IdleMarker = time.Millisecond })
	require.NoError(t, err)
	var wg sync.WaitGroup
	stop := make(chan struct{})
	for w := range 4 {
		wg.Go(func() {
			for n := uint64(w) * 1_000_000; ; n++ {
				select {
				case <-stop:
					return
				default:
				}
				e := storetest.NewEvent(n + 1)
				if _, err := s.Append(t.Context(), fmt.Sprintf("stream-%d", n%50), eventstore.Any(), []eventstore.Event{e}); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	for range 30 {
		require.Empty(t, faultsOf(t, s, everything()))
	}
	close(stop)
	wg.Wait()
	require.NoError(t, s.Close())
}

func TestCheckVisitsTellsAndSkips(t *testing.T) {
	s, _, err := openAt(t, vfs.NewMem(), func(o *segment.Options) { o.SegmentBytes = 4 << 10 })
	require.NoError(t, err)
	defer func() { require.NoError(t, s.Close()) }()
	appendN(t, s, 1, 100)
	secs := s.Sections()
	var mu sync.Mutex
	seen := map[eventstore.Position]eventstore.EventID{}
	var last segment.CheckProgress
	clean := map[eventstore.Section]bool{}
	o := segment.CheckOptions{
		Sections: true, Workers: 3,
		Visit: func(sec eventstore.Section) func(*eventstore.Recorded) error {
			next := sec.First
			return func(rec *eventstore.Recorded) error {
				mu.Lock()
				defer mu.Unlock()
				require.Equal(t, eventstore.Position(next), rec.Position)
				next++
				seen[rec.Position] = rec.ID
				return nil
			}
		},
		Checked: func(sec eventstore.Section, faults int) { clean[sec] = faults == 0 },
		Progress: func(p segment.CheckProgress) {
			require.GreaterOrEqual(t, p.Done, last.Done)
			last = p
		},
	}
	require.Empty(t, faultsOf(t, s, o))
	require.Len(t, seen, 100)
	for _, rec := range storetest.All(t, s, 0) {
		require.Equal(t, rec.ID, seen[rec.Position])
	}
	require.Equal(t, segment.CheckProgress{Part: "sections", Done: 100, Total: 100}, last)
	require.Len(t, clean, len(secs))

	appendN(t, s, 101, 50) // the active section is another one now
	o.Skip = func(sec eventstore.Section) bool { return clean[sec] }
	clear(seen)
	last = segment.CheckProgress{}
	require.Empty(t, faultsOf(t, s, o))
	active := secs[len(secs)-1]
	require.Len(t, seen, 150-int(active.First)+1)

	want := errors.New("the visitor has enough")
	o.Visit = func(eventstore.Section) func(*eventstore.Recorded) error {
		return func(*eventstore.Recorded) error { return want }
	}
	o.Skip = nil
	last = segment.CheckProgress{}
	require.Equal(t, want, s.Check(t.Context(), o, nil))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, s.Check(ctx, o, nil), context.Canceled)
}

// Damage does not hide what lies behind it.
func TestCheckGoesOnBehindDamage(t *testing.T) {
	fs := vfs.NewMem()
	s, _, err := openAt(t, fs, func(o *segment.Options) { o.SegmentBytes = 8 << 10 })
	require.NoError(t, err)
	defer func() { require.NoError(t, s.Close()) }()
	appendN(t, s, 1, 100)
	secs := s.Sections()
	require.Greater(t, len(secs), 2)
	first, err := fs.UnsafeGetFileDataBuffer("data/" + secs[0].Name)
	require.NoError(t, err)
	second, err := fs.UnsafeGetFileDataBuffer("data/" + secs[1].Name)
	require.NoError(t, err)
	groups, more := groupsOf(first[:secs[0].Bytes]), groupsOf(second[:secs[1].Bytes])
	first[groups[2]+70] ^= 1             // event 3
	first[groups[5]] ^= 1                // event 6: its salt
	first[secs[0].Bytes+3] ^= 1          // the footer
	first[len(first)-1] ^= 1             // the unused end
	second[20] ^= 1                      // the header
	clear(second[more[4]:secs[1].Bytes]) // from its fifth event on
	second[len(second)-1] ^= 1           // the unused end
	visited := map[uint64]bool{}
	var mu sync.Mutex
	faults := faultsOf(t, s, segment.CheckOptions{Sections: true, Visit: func(eventstore.Section) func(*eventstore.Recorded) error {
		return func(rec *eventstore.Recorded) error {
			mu.Lock()
			defer mu.Unlock()
			visited[uint64(rec.Position)] = true
			return nil
		}
	}})
	type at struct {
		file   string
		offset int
	}
	want := map[at]string{
		{secs[0].Name, groups[2]}:          "events 3 to 3",
		{secs[0].Name, groups[5]}:          "events 6 to 6",
		{secs[0].Name, int(secs[0].Bytes)}: "walking its groups",
		{secs[0].Name, len(first) - 1}:     "no event is concerned",
		{secs[1].Name, 0}:                  "refuses to open",
		{secs[1].Name, more[4]}:            fmt.Sprintf("events %d to %d", secs[1].First+4, secs[1].First+secs[1].Count-1),
		{secs[1].Name, len(second) - 1}:    "no event is concerned",
	}
	require.Len(t, faults, len(want))
	for _, f := range faults {
		means, ok := want[at{f.File, int(f.Offset)}]
		require.True(t, ok, "%+v", f)
		require.Contains(t, f.Means, means)
	}
	lost := uint64(0)
	for n := uint64(1); n <= 100; n++ {
		switch inSecond := n >= secs[1].First+4 && n < secs[1].First+secs[1].Count; {
		case n == 3 || n == 6 || inSecond:
			require.NotContains(t, visited, n)
			lost++
		default:
			require.Contains(t, visited, n)
		}
	}
	require.Greater(t, lost, uint64(2))
}

// groupsOf finds where the groups of a segment begin.
func groupsOf(data []byte) (at []int) {
	salt := string(data[24:32])
	for i := 64; i+48 <= len(data); i += 8 {
		if string(data[i:i+8]) == salt {
			at = append(at, i)
		}
	}
	return at
}

// changeIndex edits the index of a closed log as nobody does: well.
func changeIndex(t *testing.T, fs vfs.FS, change func(b *pebble.Batch, db *pebble.DB)) {
	t.Helper()
	db, err := pebble.Open("data/index", &pebble.Options{FS: fs, DisableWAL: true, FormatMajorVersion: pebble.FormatNewest, Logger: quiet{}})
	require.NoError(t, err)
	b := db.NewBatch()
	change(b, db)
	require.NoError(t, b.Commit(pebble.NoSync))
	require.NoError(t, db.Flush())
	require.NoError(t, db.Close())
}

type quiet struct{}

func (quiet) Infof(string, ...any)  {}
func (quiet) Errorf(string, ...any) {}
func (quiet) Fatalf(string, ...any) {}

// An index whose checksums are right and whose entries are not.
func TestCheckComparesTheIndexWithTheLog(t *testing.T) {
	runKey := func(stream string, revision uint64) []byte {
		key := append([]byte{'r'}, byte(len(stream)>>8), byte(len(stream)))
		return binary.BigEndian.AppendUint64(append(key, stream...), revision)
	}
	value := func(numbers ...uint64) (b []byte) {
		for _, n := range numbers {
			b = binary.AppendUvarint(b, n)
		}
		return b
	}
	set := func(key, value []byte) func(*pebble.Batch, *pebble.DB) {
		return func(b *pebble.Batch, _ *pebble.DB) { _ = b.Set(key, value, nil) }
	}
	for _, test := range []struct {
		name   string
		change func(b *pebble.Batch, db *pebble.DB)
		what   string
	}{
		{"an event is missing", func(b *pebble.Batch, _ *pebble.DB) { _ = b.Delete(runKey("stream-1", 3), nil) }, "revision 4 after 3"},
		{"the last event is missing", func(b *pebble.Batch, _ *pebble.DB) { _ = b.Delete(runKey("stream-1", 33), nil) }, "does not lead to revision 33"},
		{"an event leads elsewhere", set(runKey("stream-1", 3), value(1, 11)), "the index leads to another event"},
		{"an event leads to another era", set(runKey("stream-1", 3), value(1, 1<<40|10)), "which no event has"},
		{"an event leads behind the end", set(runKey("stream-1", 34), value(1, 101)), "revision 34"},
		{"two events are one", set(runKey("stream-1", 3), value(2, 10)), "stream-1"},
		{"a stream too many", set(runKey("stream-7", 0), value(1, 10)), "4 streams"},
		{"a length is wrong", set([]byte("hstream-2"), value(20)), "length says 20"},
		{"a length is missing", func(b *pebble.Batch, _ *pebble.DB) { _ = b.Delete([]byte("hstream-2"), nil) }, "length of stream stream-2"},
		{"a length too many", set([]byte("hstream-7"), value(20)), "lengths of 4"},
		{"an entry of no kind", set([]byte("x"), value(20)), "of no kind"},
		{"an entry that cannot be read", set(runKey("stream-1", 3), value(1)), "cannot be read"},
		{"a length that cannot be read", set([]byte("hstream-2"), nil), "cannot be read"},
		{"the count of streams is wrong", func(b *pebble.Batch, db *pebble.DB) {
			v, closer, err := db.Get([]byte("c"))
			require.NoError(t, err)
			v = append([]byte{}, v...)
			require.NoError(t, closer.Close())
			v[24]++
			_ = b.Set([]byte("c"), v, nil)
		}, "and says 4"},
	} {
		t.Run(test.name, func(t *testing.T) {
			for _, readOnly := range []bool{false, true} {
				fs := written(t, 100, true, nil)
				changeIndex(t, fs, test.change)
				s, got, err := openAt(t, fs, func(o *segment.Options) { o.ReadOnly = readOnly })
				require.NoError(t, err)
				require.Empty(t, *got)
				faults := faultsOf(t, s, everything())
				var what []string
				for _, f := range faults {
					require.Equal(t, "index", f.File)
					what = append(what, f.What)
				}
				require.Contains(t, strings.Join(what, "\n"), test.what)
				requireCorrupt(t, s.Verify(t.Context()), "")
				require.NoError(t, s.Close())
			}
		})
	}
}

func TestManyFaultsAreSummedUp(t *testing.T) {
	fs := vfs.NewMem()
	s, _, err := openAt(t, fs, nil)
	require.NoError(t, err)
	for i := range 300 {
		_, err := s.Append(t.Context(), fmt.Sprintf("s-%d", i), eventstore.NoStream(), []eventstore.Event{storetest.NewEvent(uint64(i + 1))})
		require.NoError(t, err)
	}
	require.NoError(t, s.Close())
	changeIndex(t, fs, func(b *pebble.Batch, _ *pebble.DB) {
		for i := range 300 {
			_ = b.Set(fmt.Appendf(nil, "hs-%d", i), []byte{2}, nil)
		}
	})
	s, _, err = openAt(t, fs, nil)
	require.NoError(t, err)
	faults := faultsOf(t, s, everything())
	require.Len(t, faults, 101)
	require.Contains(t, faults[100].What, "200 more")
	require.NoError(t, s.Close())
}

func TestFilesThatDoNotBelong(t *testing.T) {
	fs := written(t, 200, true, nil)
	s, _, err := openAt(t, fs, nil)
	require.NoError(t, err)
	name, data := file(t, fs, false)
	put := func(name, content string) {
		f, err := fs.Create("data/"+name, vfs.WriteCategoryUnspecified)
		require.NoError(t, err)
		_, err = f.Write([]byte(content))
		require.NoError(t, err)
		require.NoError(t, f.Close())
	}
	manifest, err := fs.UnsafeGetFileDataBuffer("data/MANIFEST")
	require.NoError(t, err)
	put("MANIFEST.tmp", "half")
	put("notes.txt", "hello")
	put("00000001.001.seg", string(data))
	put("00000088.000.seg", "")
	put("FORMAT", `{"segment":1,"manifest":1,"index":2}`+"\n")
	put("MANIFEST", strings.Replace(string(manifest), "\"log\"", "\"lag\"", 1))
	want := map[string]string{
		"MANIFEST.tmp": "the next opening removes it", "notes.txt": "nobody reads it", "00000001.001.seg": "holds events that do not count",
		"00000088.000.seg": "never used", "FORMAT": "no event is concerned", "MANIFEST": "put this file back",
	}
	require.NotEqual(t, "00000001.001.seg", name)
	faults := faultsOf(t, s, segment.CheckOptions{Files: true})
	require.Len(t, faults, len(want))
	for _, f := range faults {
		require.Contains(t, f.Means, want[f.File], f.File)
	}
	require.NoError(t, s.Close())
}

// MANIFEST of before the last segment does not make that segment vanish.
func TestManifestOlderThanTheLastSegment(t *testing.T) {
	fs := vfs.NewMem()
	s, _, err := openAt(t, fs, nil)
	require.NoError(t, err)
	data, err := fs.UnsafeGetFileDataBuffer("data/MANIFEST")
	require.NoError(t, err)
	old := string(data)
	appendN(t, s, 1, 100)
	require.Len(t, s.Sections(), 2)
	s.Kill()
	require.NoError(t, fs.RemoveAll("data/index"))
	f, err := fs.Create("data/MANIFEST", vfs.WriteCategoryUnspecified)
	require.NoError(t, err)
	_, err = f.Write([]byte(old))
	require.NoError(t, err)
	require.NoError(t, f.Close())
	before := fs.String()
	_, _, err = openAt(t, fs, nil)
	requireCorrupt(t, err, "which follows its last segment and holds events")
	require.Equal(t, before, fs.String(), "a refusal changes nothing")
}

// Pebble takes damage at its manifest's end for a torn write, gives sequence
// numbers a second time, and would hide new entries behind older ones.
func TestIndexWhoseManifestLostItsEnd(t *testing.T) {
	fs := written(t, 30, true, nil)
	s, _, err := openAt(t, fs, nil)
	require.NoError(t, err)
	s.Kill()
	names, err := fs.List("data/index")
	require.NoError(t, err)
	newest := ""
	for _, n := range names {
		if strings.HasPrefix(n, "MANIFEST-") {
			newest = max(newest, n)
		}
	}
	data, err := fs.UnsafeGetFileDataBuffer("data/index/" + newest)
	require.NoError(t, err)
	data[len(data)-1] ^= 1
	s, got, err := openAt(t, fs, nil)
	require.NoError(t, err)
	require.Len(t, *got, 1)
	requireFault(t, (*got)[0], "lost its end", "rebuilt from the log")
	appendN(t, s, 31, 30)
	require.NoError(t, s.Close())
	s, got, err = openAt(t, fs, nil)
	require.NoError(t, err)
	require.Empty(t, *got)
	require.Len(t, storetest.CheckLog(t, s), 60)
	require.Empty(t, faultsOf(t, s, everything()))
	require.NoError(t, s.Close())
}

// What the index's cache holds does not hide what the disk holds.
func TestCheckReadsTheIndexFromTheDisk(t *testing.T) {
	fs := written(t, 200, true, nil)
	s, _, err := openAt(t, fs, nil)
	require.NoError(t, err)
	require.Empty(t, faultsOf(t, s, everything()))
	names, err := fs.List("data/index")
	require.NoError(t, err)
	tables := 0
	for _, n := range names {
		if strings.HasSuffix(n, ".sst") {
			data, err := fs.UnsafeGetFileDataBuffer("data/index/" + n)
			require.NoError(t, err)
			data[100] ^= 1
			faults := faultsOf(t, s, everything())
			require.Len(t, faults, 1)
			require.Equal(t, "index/"+n, faults[0].File)
			require.Contains(t, faults[0].What, "checksum")
			data[100] ^= 1
			tables++
		}
	}
	require.Positive(t, tables)
	require.NoError(t, s.Close())
}

// A bit behind the log's end, while the store writes.
func TestCheckOfTheActiveTail(t *testing.T) {
	fs := vfs.NewMem()
	s, _, err := openAt(t, fs, func(o *segment.Options) { o.SegmentBytes = 12 << 20 })
	require.NoError(t, err)
	appendN(t, s, 1, 10)
	_, data := file(t, fs, true)
	for _, at := range []int64{s.Sections()[0].Bytes, 100_000, 9 << 20, 12<<20 - 1} {
		data[at] ^= 4
		faults := faultsOf(t, s, everything())
		require.Len(t, faults, 1)
		require.Equal(t, at, faults[0].Offset)
		require.Contains(t, faults[0].What, "not zero")
		data[at] ^= 4
	}
	require.Empty(t, faultsOf(t, s, everything()))
	require.NoError(t, s.Close())
}

func TestIndexOfAnotherFormatIsReplaced(t *testing.T) {
	fs := written(t, 50, true, nil)
	f, err := fs.Create("data/FORMAT", vfs.WriteCategoryUnspecified)
	require.NoError(t, err)
	_, err = f.Write([]byte(`{"segment":1,"manifest":1,"index":7}`))
	require.NoError(t, err)
	require.NoError(t, f.Close())
	s, got, err := openAt(t, fs, nil)
	require.NoError(t, err)
	require.Len(t, *got, 1)
	requireFault(t, (*got)[0], "format 7", "rebuilt")
	require.Empty(t, faultsOf(t, s, everything()))
	require.Len(t, storetest.CheckLog(t, s), 50)
	require.NoError(t, s.Close())
}
