package segment_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/require"

	"lethe/eventstore"
	"lethe/eventstore/segment"
	"lethe/eventstore/storetest"
	"lethe/internal/testenv"
)

// everything is what a full check looks at.
func everything() segment.CheckOptions {
	return segment.CheckOptions{Sections: true, Streams: true, Files: true, Workers: 2}
}

// faultsOf checks a store and gives what was found.
func faultsOf(t *testing.T, s *segment.Store, o segment.CheckOptions) []eventstore.Fault {
	t.Helper()
	found := []eventstore.Fault{}
	require.NoError(t, s.Check(t.Context(), o, func(f eventstore.Fault) { found = append(found, f) }))
	for _, f := range found {
		require.NotEmpty(t, f.File)
		require.NotEmpty(t, f.What)
		require.NotEmpty(t, f.Means)
	}
	return found
}

// flipStore is a closed log of several segments, streams and eras, with its
// index on the disk.
func flipStore(t *testing.T) (*vfs.MemFS, []*eventstore.Recorded) {
	t.Helper()
	fs := vfs.NewMem()
	small := func(o *segment.Options) { o.SegmentBytes, o.IdleMarker = 4<<10, time.Millisecond }
	s, _, err := openAt(t, fs, small)
	require.NoError(t, err)
	appendN(t, s, 1, 60)
	require.NoError(t, s.RaiseEra())
	appendN(t, s, 61, 10)
	_, err = s.Drop(t.Context(), s.Sections()[1], eventstore.DropOrder{
		ID: eventstore.DropID{1}, Pick: storetest.Every(2), Record: func(context.Context, eventstore.Drop) error { return nil },
	})
	require.NoError(t, err)
	require.NoError(t, s.Close())
	s, _, err = openAt(t, fs, small)
	require.NoError(t, err)
	all := storetest.CheckLog(t, s)
	require.Len(t, all, 70)
	require.Greater(t, len(s.Sections()), 3)
	require.NoError(t, s.Close())
	return fs, all
}

// filesOf lists every file of the log with bytes in it.
func filesOf(t *testing.T, fs *vfs.MemFS) (names []string) {
	t.Helper()
	for _, dir := range []string{"data", "data/index"} {
		list, err := fs.List(dir)
		require.NoError(t, err)
		for _, n := range list {
			info, err := fs.Stat(dir + "/" + n)
			require.NoError(t, err)
			if !info.IsDir() && info.Size() > 0 {
				names = append(names, dir+"/"+n)
			}
		}
	}
	return names
}

// outcome is what became of a flipped bit.
type outcome struct {
	refused  error              // Open refused
	reported []error            // Open made something good
	faults   []eventstore.Fault // Check found something
	answers  error              // a read gave something else, or failed
}

func (o *outcome) found() bool { return o.refused != nil || len(o.reported) > 0 || len(o.faults) > 0 }

// tryFlip opens a copy in which one bit is another.
func tryFlip(fs *vfs.MemFS, file string, bit int, readOnly bool, want []*eventstore.Recorded) (o outcome, err error) {
	clone := vfs.NewMem()
	if _, err := vfs.Clone(fs, clone, "data", "data"); err != nil {
		return o, err
	}
	data, err := clone.UnsafeGetFileDataBuffer(file)
	if err != nil {
		return o, err
	}
	data[bit/8] ^= 1 << (bit % 8)
	s, err := segment.Open("data", segment.Options{
		FS: clone, SegmentBytes: 4 << 10, IdleMarker: -1, RecentIDs: 1, ReadOnly: readOnly,
		Report: func(err error) { o.reported = append(o.reported, err) },
	})
	if err != nil {
		o.refused = err
		return o, nil
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	o.answers = sameAnswers(s, want)
	before := len(o.reported)
	err = s.Check(context.Background(), everything(), func(f eventstore.Fault) { o.faults = append(o.faults, f) })
	if err == nil && len(o.reported) > before {
		err = errors.New("Check itself reports to the operator")
	}
	return o, err
}

// sameAnswers compares all that can be read with what was written.
func sameAnswers(s *segment.Store, want []*eventstore.Recorded) error {
	n := 0
	streams := map[string]uint64{}
	for rec, err := range s.ReadAll(context.Background(), 0) {
		if err != nil {
			return err
		}
		if n >= len(want) || !same(rec, want[n]) {
			return fmt.Errorf("event %d is another", n+1)
		}
		streams[rec.Stream]++
		n++
	}
	if n != len(want) {
		return fmt.Errorf("%d events", n)
	}
	for stream, count := range streams {
		for _, dir := range []eventstore.Direction{eventstore.Forward, eventstore.Backward} {
			from := uint64(0)
			if dir == eventstore.Backward {
				from = eventstore.NoRevision
			}
			got := uint64(0)
			for rec, err := range s.ReadStream(context.Background(), stream, eventstore.StreamRange{From: from, Direction: dir}) {
				if err != nil {
					return err
				}
				at := rec.Position & (1<<40 - 1)
				if rec.Stream != stream || at == 0 || int(at) > len(want) || !same(rec, want[at-1]) {
					return fmt.Errorf("stream %s has another event", stream)
				}
				got++
			}
			if got != count {
				return fmt.Errorf("stream %s has %d events", stream, got)
			}
		}
	}
	if st := s.Stats(); st.Events != uint64(len(want)) || st.Streams != 3 || st.Head != want[len(want)-1].Position {
		return fmt.Errorf("statistics %+v", st)
	}
	return nil
}

func same(a, b *eventstore.Recorded) bool {
	return a.Position == b.Position && a.ID == b.ID && a.Stream == b.Stream && a.Revision == b.Revision && a.Type == b.Type &&
		a.Version == b.Version && string(a.Facts) == string(b.Facts) && string(a.Metadata) == string(b.Metadata) &&
		slices.EqualFunc(a.Sealed, b.Sealed, bytes.Equal) &&
		a.Recorded.Equal(b.Recorded) && a.Effective.Equal(b.Effective) && sameDropped(a.Dropped, b.Dropped)
}

func sameDropped(a, b []eventstore.Dropped) bool {
	return slices.EqualFunc(a, b, func(a, b eventstore.Dropped) bool {
		return a.Index == b.Index && a.By == b.By && a.Hash == b.Hash && a.Size == b.Size && bytes.Equal(a.Head, b.Head)
	})
}

// Every bit of the log's own files is found, whatever it is. A bit of the
// index's files is found, or changes no answer.
func TestEveryFlippedBitIsFound(t *testing.T) {
	testenv.Sequential(t)
	fs, want := flipStore(t)
	stride := testenv.Cases(263, 89)
	type flip struct {
		file string
		bit  int
	}
	var flips []flip
	for _, name := range filesOf(t, fs) {
		info, err := fs.Stat(name)
		require.NoError(t, err)
		step := stride
		if !strings.HasSuffix(name, ".seg") && !strings.Contains(name, "OPTIONS") {
			step = min(step, 13)
		}
		for bit := 0; bit < int(info.Size())*8; bit += step {
			flips = append(flips, flip{name, bit})
		}
	}
	var mu sync.Mutex
	var wg sync.WaitGroup
	var next int
	counts := map[string]int{}
	for range 2 {
		wg.Go(func() {
			for {
				mu.Lock()
				n := next
				next++
				mu.Unlock()
				if n >= len(flips) {
					return
				}
				f := flips[n]
				o, err := tryFlip(fs, f.file, f.bit, n%7 == 3, want)
				mu.Lock()
				switch at := fmt.Sprintf("%s bit %d", f.file, f.bit); {
				case err != nil:
					t.Errorf("%s: %v", at, err)
				case o.found():
					counts["found"]++
				case o.answers != nil:
					t.Errorf("%s: another answer, and nothing was found: %v", at, o.answers)
				case !strings.Contains(f.file, "/index/"):
					t.Errorf("%s: was not found", at)
				default:
					counts["without meaning"]++
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	t.Logf("%d flipped bits: %v", len(flips), counts)
}
