package segment_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/require"

	"lethe/eventstore"
	"lethe/eventstore/segment"
	"lethe/eventstore/storetest"
	"lethe/internal/testenv"
)

const crashDir = "volume/data"

// crashRun writes a log step by step on a file system that loses what was not
// synced, and at every change that the engine makes looks what a power cut at
// that moment would leave.
type crashRun struct {
	fs      *vfs.MemFS
	hook    *hookFS
	swallow string // the sync site to leave out
	sites   siteLog
	checks  int
	seeds   uint64

	mu        sync.Mutex
	attempted int
	seen      int // acknowledged, or read after an unclean stop
	raised    int // events before the second era, 0: it was not begun
	closed    bool
	drop      dropState
	failGroup bool // fail the next sync of a group
	failure   error
}

// dropState is how far the story's one removal of parts has come.
type dropState struct {
	last     int // event up to which all parts go
	begun    bool
	recorded bool // they may be gone
	done     bool // they must be, and in no file
}

func newCrashRun(swallow string) *crashRun {
	r := &crashRun{fs: vfs.NewCrashableMem(), swallow: swallow}
	r.hook = &hookFS{FS: r.fs, before: r.before}
	return r
}

var errPowerCut = errors.New("the test's check failed: no more writes")

// before is asked ahead of every change.
func (r *crashRun) before(op, name string) error {
	r.crash(fmt.Sprintf("before %s %s", op, name))
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.failure != nil {
		return errPowerCut
	}
	if op != "sync" {
		return nil
	}
	site := syncSite(name)
	if strings.Contains(site, "openIndex") {
		return nil // Pebble's own
	}
	r.sites.note(site)
	if r.failGroup && site == groupSync {
		r.failGroup = false
		return errors.New("the disk failed")
	}
	if site == r.swallow {
		return errSwallow
	}
	return nil
}

// crash checks what a power cut now would leave: nothing of what was not
// synced, and twice a random half of it.
func (r *crashRun) crash(at string) {
	r.mu.Lock()
	seen, raised, closed, drop, failed := r.seen, r.raised, r.closed, r.drop, r.failure != nil
	r.checks++
	n := uint64(r.checks)
	r.mu.Unlock()
	if failed {
		return
	}
	clones := 1 + r.seeds
	if drop.begun && !drop.done {
		clones++ // and a kill, which loses nothing
	}
	for seed := range clones {
		cfg := vfs.CrashCloneCfg{}
		switch {
		case seed > r.seeds:
			cfg = vfs.CrashCloneCfg{UnsyncedDataPercent: 100, RNG: rand.New(rand.NewPCG(seed, n))}
		case seed > 0:
			cfg = vfs.CrashCloneCfg{UnsyncedDataPercent: 50, RNG: rand.New(rand.NewPCG(seed, n))}
		}
		clone := r.fs.CrashClone(cfg)
		r.mu.Lock()
		attempted := r.attempted
		r.mu.Unlock()
		if err := checkCrash(clone, seen, attempted, raised, closed, drop); err != nil {
			r.mu.Lock()
			r.failure = fmt.Errorf("power cut %s, keeping %d %%: %w", at, cfg.UnsyncedDataPercent, err)
			r.mu.Unlock()
			return
		}
	}
}

// crashEvent makes the n-th event of a run; every seventh spans several blocks,
// one fills a segment of its own.
func crashEvent(n int) eventstore.Event {
	e := storetest.NewEvent(uint64(n))
	e.Sealed = [][]byte{storetest.PartOf(uint64(n), 0)}
	switch {
	case n == 17:
		e.Facts = bytes.Repeat([]byte("large"), 3000)
	case n%7 == 0:
		e.Facts = bytes.Repeat([]byte("block"), 200)
	}
	return e
}

func crashStream(n int) string { return fmt.Sprintf("stream-%d", n%3) }

// checkCrash opens what is left and requires the first events, in order, all
// that were seen among them, and no complaint.
func checkCrash(fs vfs.FS, seen, attempted, raised int, closed bool, drop dropState) (err error) {
	if drop.done {
		if err := drop.left(fs); err != nil {
			return err
		}
	}
	var report error
	s, err := segment.Open(crashDir, segment.Options{
		FS: fs, SegmentBytes: 4 << 10, IdleMarker: -1,
		Report: func(e error) { report = errors.Join(report, e) },
	})
	if err != nil {
		return fmt.Errorf("the log was refused: %w", err)
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	n, gone := 0, 0
	revisions := map[string]uint64{}
	for rec, err := range s.ReadAll(context.Background(), 0) {
		if err != nil {
			return fmt.Errorf("after %d events: %w", n, err)
		}
		n++
		want := crashEvent(n)
		if rec.ID != want.ID || !bytes.Equal(rec.Facts, want.Facts) || rec.Stream != crashStream(n) {
			return fmt.Errorf("event %d is not the one written", n)
		}
		if rec.Revision != revisions[rec.Stream] {
			return fmt.Errorf("event %d has revision %d", n, rec.Revision)
		}
		if era := rec.Position >> 40; (era == 1) != (raised > 0 && n > raised) {
			return fmt.Errorf("event %d is of era %d", n, era)
		}
		revisions[rec.Stream]++
		if len(rec.Dropped) > 0 {
			gone++
		} else if !bytes.Equal(rec.Sealed[0], want.Sealed[0]) {
			return fmt.Errorf("event %d has another part", n)
		}
	}
	if err := drop.judge(fs, gone); err != nil {
		return err
	}
	for stream, want := range revisions {
		have := uint64(0)
		for _, err := range s.ReadStream(context.Background(), stream, eventstore.StreamRange{}) {
			if err != nil {
				return fmt.Errorf("%s after %d events: %w", stream, have, err)
			}
			have++
		}
		if have != want {
			return fmt.Errorf("%s has %d events of %d", stream, have, want)
		}
	}
	if err := s.Verify(testContext); err != nil {
		return fmt.Errorf("verifying: %w", err)
	}
	switch {
	case n < seen:
		return fmt.Errorf("%d events are there, %d were acknowledged or read", n, seen)
	case n > attempted:
		return fmt.Errorf("%d events are there, %d were written", n, attempted)
	case report != nil && !isCutOfUnseen(s, report):
		return fmt.Errorf("a report: %w", report)
	case closed && s.Recovery().Unclean:
		return errors.New("the log was closed in good order and is taken for a crashed one")
	}
	return nil
}

// judge requires that the removal is there as a whole, or not at all.
func (d dropState) judge(fs vfs.FS, gone int) error {
	switch {
	case gone != 0 && gone != d.last:
		return fmt.Errorf("%d parts of %d are gone", gone, d.last)
	case gone > 0 && !d.recorded:
		return errors.New("parts are gone, and nothing recorded that")
	case gone == 0 && d.done:
		return errors.New("removed parts are back")
	case gone > 0:
		return d.left(fs)
	}
	return nil
}

// left looks for bytes of removed parts in the files that there are.
func (d dropState) left(fs vfs.FS) error {
	names, err := fs.List(crashDir)
	if err != nil {
		return err
	}
	for _, name := range names {
		if !strings.HasSuffix(name, ".seg") {
			continue
		}
		f, err := fs.Open(crashDir + "/" + name)
		if err != nil {
			return err
		}
		b, err := io.ReadAll(f)
		if err := errors.Join(err, f.Close()); err != nil {
			return err
		}
		for n := 1; n <= d.last; n++ {
			if _, secret, _ := bytes.Cut(storetest.PartOf(uint64(n), 0), []byte("|")); bytes.Contains(b, secret) {
				return fmt.Errorf("the bytes of a removed part are still in %s", name)
			}
		}
	}
	return nil
}

// isCutOfUnseen says whether the only report is of a torn tail: an append under
// way may leave one.
func isCutOfUnseen(s *segment.Store, report error) bool {
	return s.Recovery().CutFile != "" && !strings.Contains(report.Error(), "\n")
}

func (r *crashRun) open() (*segment.Store, error) {
	r.mu.Lock()
	r.closed = false
	r.mu.Unlock()
	return segment.Open(crashDir, segment.Options{FS: r.hook, SegmentBytes: 4 << 10, IdleMarker: -1})
}

func (r *crashRun) append(s *segment.Store, n int) error {
	for range n {
		r.mu.Lock()
		r.attempted++
		i := r.attempted
		r.mu.Unlock()
		if _, err := s.Append(context.Background(), crashStream(i), eventstore.Any(), []eventstore.Event{crashEvent(i)}); err != nil {
			return err
		}
		r.mu.Lock()
		r.seen = i
		r.mu.Unlock()
	}
	return nil
}

func (r *crashRun) raise(s *segment.Store) error {
	if err := s.RaiseEra(); err != nil {
		return err
	}
	r.mu.Lock()
	r.raised = r.seen
	r.mu.Unlock()
	return nil
}

// remove drops all parts of the first segment.
func (r *crashRun) remove(s *segment.Store) error {
	sec := s.Sections()[0]
	set := func(d dropState) {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.drop = d
	}
	d := dropState{last: int(sec.Count), begun: true}
	set(d)
	_, err := s.Drop(context.Background(), sec, eventstore.DropOrder{
		ID: eventstore.DropID{1}, Pick: storetest.Every(1),
		Record: func(context.Context, eventstore.Drop) error {
			r.crash("before the removal is recorded")
			d.recorded = true
			set(d)
			return nil
		},
	})
	if err != nil {
		return err
	}
	d.done = true
	set(d)
	r.crash("after the removal")
	return nil
}

func (r *crashRun) close(s *segment.Store) error {
	if err := s.Close(); err != nil {
		return err
	}
	r.mu.Lock()
	r.closed = true
	r.mu.Unlock()
	r.crash("after Close")
	return nil
}

// killed is an append whose sync fails, then a kill -9 and a new start: the
// group is in the page cache and not on the disk. What the new start then
// serves must be on the disk.
func (r *crashRun) killed(s *segment.Store) (*segment.Store, error) {
	r.mu.Lock()
	r.failGroup = true
	r.mu.Unlock()
	err := r.append(s, 1)
	s.Kill()
	if !errors.Is(err, eventstore.ErrOutcomeUnknown) {
		return nil, fmt.Errorf("a failed sync gives %v", err)
	}
	if s, err = r.open(); err != nil {
		return nil, err
	}
	n := 0
	for _, err := range s.ReadAll(context.Background(), 0) {
		if err != nil {
			return s, err
		}
		n++
	}
	r.mu.Lock()
	r.seen = n
	r.attempted = n
	r.mu.Unlock()
	return s, nil
}

// run is the whole story: a first start, full segments, an orderly stop, a new
// era, parts that are dropped, a kill, and an orderly stop again.
func (r *crashRun) run(prepare func(fs vfs.FS) error) error {
	if prepare != nil {
		if err := prepare(r.fs); err != nil {
			return err
		}
	}
	s, err := r.open()
	if err == nil {
		err = r.append(s, 30)
	}
	if err == nil {
		err = r.close(s)
	}
	if err == nil {
		if s, err = r.open(); err == nil {
			err = r.append(s, 4)
		}
	}
	if err == nil {
		if err = r.raise(s); err == nil {
			err = r.append(s, 2)
		}
	}
	if err == nil {
		err = r.remove(s)
	}
	if err == nil {
		if s, err = r.killed(s); err == nil {
			err = r.append(s, 4)
		}
	}
	if err == nil {
		err = r.close(s)
	} else if s != nil {
		_ = s.Close()
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.failure != nil {
		return r.failure
	}
	return err
}

// unsyncedDir is a data directory whose maker was stopped before it could sync
// the parent.
func unsyncedDir(fs vfs.FS) error {
	root, err := fs.OpenDir("/")
	if err == nil {
		err = errors.Join(fs.MkdirAll(crashDir, 0o700), root.Sync(), root.Close())
	}
	return err
}

func TestCrashTable(t *testing.T) {
	for name, prepare := range map[string]func(vfs.FS) error{"no directory": nil, "unsynced directory": unsyncedDir} {
		r := newCrashRun("")
		r.seeds = 2
		require.NoError(t, r.run(prepare), name)
		require.Greater(t, r.checks, 150, name)
		t.Logf("%s: %d points, each with 0 %% and twice 50 %% of the unsynced data", name, r.checks)
	}
}

const groupSync = "segment: write < commit < run"

// The engine's syncs. Each is left out in turn, and the table must fail.
var syncSites = []string{
	"FORMAT: writeFile < writeFormat < create < readManifest",
	"MANIFEST: writeFile < store < create < readManifest",
	"MANIFEST: writeFile < store < exchange < exchange",
	"MANIFEST: writeFile < store < markClean < close",
	"MANIFEST: writeFile < store < open < Open",
	"MANIFEST: writeFile < store < raiseEra < raiseEra",
	"MANIFEST: writeFile < store < rewrite < secure",
	"MANIFEST: writeFile < store < tryRoll < roll",
	"directory: syncDir < create < readManifest < open",
	"directory: syncDir < createSegment < newSegment < consider",
	"directory: syncDir < createSegment < newSegment < create",
	"directory: syncDir < createSegment < newSegment < take",
	"directory: syncDir < createSegment < rewrite < secure",
	"directory: syncDir < makeDurableDirs < makeDirs < prepareDir",
	"directory: syncDir < store < create < readManifest",
	"directory: syncDir < store < exchange < exchange",
	"directory: syncDir < store < markClean < close",
	"directory: syncDir < store < open < Open",
	"directory: syncDir < store < raiseEra < raiseEra",
	"directory: syncDir < store < rewrite < secure",
	"directory: syncDir < store < tryRoll < roll",
	"directory: syncDir < write < build < drop",
	"segment: eraseFile < retire",
	"segment: fillSegment < createSegment < newSegment < consider",
	"segment: fillSegment < createSegment < newSegment < create",
	"segment: fillSegment < createSegment < newSegment < take",
	"segment: fillSegment < createSegment < rewrite < secure",
	"segment: write < build < drop < Drop",
	"segment: write < commit < run",
	"segment: writeFooter < tryRoll < roll < admit",
}

func TestCrashTableNeedsEverySync(t *testing.T) {
	testenv.Sequential(t)
	found := map[string]int{}
	for _, prepare := range []func(vfs.FS) error{nil, unsyncedDir} {
		r := newCrashRun("")
		require.NoError(t, r.run(prepare))
		maps.Copy(found, r.sites.sites)
	}
	sites := slices.Sorted(maps.Keys(found))
	require.Equal(t, syncSites, sites, "a sync was added, moved or removed: name it here")
	for _, site := range sites {
		t.Run(site, func(t *testing.T) {
			t.Parallel()
			var failures []string
			for seed := uint64(0); len(failures) == 0 && seed < 3; seed++ {
				for _, prepare := range []func(vfs.FS) error{nil, unsyncedDir} {
					r := newCrashRun(site)
					r.seeds = seed * 4
					if err := r.run(prepare); err != nil {
						failures = append(failures, err.Error())
						break
					}
				}
			}
			require.NotEmpty(t, failures, "nothing goes wrong without this sync: it is of no use, or the table misses it")
			t.Log(failures[0])
		})
	}
}
