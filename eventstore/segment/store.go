package segment

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sort"
	"sync"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2/vfs"

	"lethe/eventstore"
)

// Store is an open event store. All methods may be called concurrently.
type Store struct {
	opts Options
	fs   vfs.FS
	dir  string
	log  *slog.Logger
	lock io.Closer // nil when reading a medium that cannot be locked
	id   [16]byte
	eras atomic.Pointer[[]eraEntry] // those of manifest, for readers

	index   *index
	indexer *indexer
	tails   *tails
	pool    *filePool
	queue   *queue
	comm    *committer // nil when read-only

	format   formatFile
	manifest *manifest // the committer's, after Open
	segs     atomic.Pointer[[]*segmentFile]
	ordinal  atomic.Uint64 // of the last durable event
	position atomic.Uint64 // of the last durable event
	streams  atomic.Uint64
	fatal    atomic.Pointer[error]
	recovery Recovery
	fresh    bool // created by this Open

	requests      sync.Pool // of *request
	readers       sync.Pool // of *streamReader
	walks         sync.Pool // of *sectionWalk
	news          broadcast
	committerDone chan struct{}
	closeOnce     sync.Once
	closeErr      error
	closed        chan struct{}
	dropping      sync.Mutex // held by the one Drop under way
	passing       nameSet    // segment files that come or go
	erasing       background
	reading       sync.RWMutex // held for reading while the index is read
}

var (
	_ eventstore.Store   = (*Store)(nil)
	_ eventstore.Statser = (*Store)(nil)
)

// Recovery says what Open found.
type Recovery struct {
	Unclean      bool   // the store was not closed in good order
	CutFile      string // where a torn tail was cut; empty when none was
	CutOffset    int64
	CutBytes     int64  // from the first to the last byte that was not zero
	IndexRebuilt bool   // the index was missing, damaged or of another log
	Replayed     uint64 // events entered into the index
}

// Recovery says what Open found and did.
func (s *Store) Recovery() Recovery { return s.recovery }

// active is the segment being written.
func (s *Store) active() *segmentFile {
	segs := *s.segs.Load()
	return segs[len(segs)-1]
}

func (s *segmentFile) offsetsSoFar() []uint32 {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.offsets
}

// find gives the segment that holds the ordinal, or would hold it next.
func (s *Store) find(ordinal uint64) *segmentFile {
	segs := *s.segs.Load()
	i := sort.Search(len(segs), func(i int) bool { return segs[i].entry.First > ordinal })
	return segs[max(i-1, 0)]
}

// acquire is find, and keeps what it finds until release.
func (s *Store) acquire(ordinal uint64) (*segmentFile, vfs.File, error) {
	for {
		seg := s.find(ordinal)
		f, err := seg.acquire()
		if errors.Is(err, errReplaced) { // between the two
			continue
		}
		return seg, f, err
	}
}

// holdAll gives all segments as they are, and keeps them until each is
// released.
func (s *Store) holdAll() []*segmentFile {
	for {
		segs, n := *s.segs.Load(), 0
		for n < len(segs) && segs[n].hold() == nil {
			n++
		}
		if n == len(segs) {
			return segs
		}
		for _, seg := range segs[:n] { // one was replaced just now
			seg.release()
		}
	}
}

func (s *Store) segmentFor(e segmentEntry, h segmentHeader) *segmentFile {
	name := segmentName(e.Number, e.Version)
	return &segmentFile{
		fs: s.fs, path: s.fs.PathJoin(s.dir, name), name: name, header: h,
		pool: s.pool, report: s.report, entry: e, end: e.End,
	}
}

// rolled swaps in a manifest with a new last segment.
func (s *Store) rolled(m *manifest, w *writer) {
	s.manifest = m
	segs := *s.segs.Load()
	full := segs[len(segs)-1]
	entry := m.Segments[len(m.Segments)-2]
	full.mu.Lock()
	full.entry.End, full.entry.Count = entry.End, entry.Count
	full.mu.Unlock()
	next := s.segmentFor(*m.last(), w.header)
	next.end = w.end
	grown := append(segs[:len(segs):len(segs)], next)
	s.segs.Store(&grown)
	s.pool.keep(full, int(entry.Count))
}

// publish makes the committer's durable group visible.
func (s *Store) publish(c *committer) {
	s.active().publish(c.offsets, c.w.end)
	s.tails.publish(c.entries)
	for i := range c.entries {
		if c.entries[i].run.revision == 0 {
			s.streams.Add(1)
		}
	}
	s.position.Store(uint64(c.position(c.ordinal)))
	s.ordinal.Store(c.ordinal)
	s.indexer.add(c.entries)
	s.news.tell()
}

// markWritten makes a marker group part of what readers pass over.
func (s *Store) markWritten(c *committer) { s.active().publish(nil, c.w.end) }

// fail stops the store: its state is not known any more.
func (s *Store) fail(err error) {
	if !errors.Is(err, eventstore.ErrFatal) {
		err = fmt.Errorf("%w: %w", eventstore.ErrFatal, err)
	}
	if s.fatal.CompareAndSwap(nil, &err) {
		s.log.Error("the event store stopped", slog.Any("error", err))
		s.news.tell()
	}
}

func (s *Store) failed() error {
	if p := s.fatal.Load(); p != nil {
		return *p
	}
	return nil
}

// report tells of something that was survived.
func (s *Store) report(err error) {
	s.log.Warn("the event store reports", slog.Any("error", err))
	if s.opts.Report != nil {
		s.opts.Report(err)
	}
}

// Stats counts. It is exact and cheap.
func (s *Store) Stats() eventstore.Stats {
	st := eventstore.Stats{Streams: s.streams.Load(), Head: eventstore.Position(s.position.Load()), Events: s.ordinal.Load()}
	for _, seg := range *s.segs.Load() {
		st.Bytes += seg.durableEnd()
	}
	return st
}

// CountAfter counts the events after a position.
func (s *Store) CountAfter(p eventstore.Position) uint64 {
	head := s.ordinal.Load()
	upTo := s.ordinalUpTo(p)
	return head - min(upTo, head)
}

// ordinalUpTo is the highest ordinal that an event at or before the position
// can have. In the present era that may lie beyond the end of the log.
func (s *Store) ordinalUpTo(p eventstore.Position) uint64 {
	era, ordinal := splitPosition(p)
	eras := *s.eras.Load()
	for i := len(eras) - 1; i >= 0; i-- {
		e := eras[i]
		if e.Era > era {
			continue
		}
		if e.Era < era { // an era without events of its own
			ordinal = 1<<eraBits - 1
		}
		ordinal = max(ordinal, e.First-1)
		if i+1 < len(eras) {
			ordinal = min(ordinal, eras[i+1].First-1)
		}
		return ordinal
	}
	return 0
}

// Close answers the appends under way, makes the index durable and marks the
// log as closed in good order. Readers end with ErrClosed.
func (s *Store) Close() error {
	s.closeOnce.Do(func() { s.closeErr = s.close() })
	return s.closeErr
}

func (s *Store) close() error {
	var errs []error
	if s.comm != nil {
		s.queue.close()
		<-s.committerDone
		s.comm.prep.discard(s)
	}
	close(s.closed)
	s.news.tell()
	s.dropping.Lock() // the Drop under way has ended
	s.erasing.close()
	s.dropping.Unlock()
	s.reading.Lock() // the last reader of the index is through
	if s.indexer != nil {
		errs = append(errs, s.indexer.close())
	} else if s.index != nil {
		errs = append(errs, s.index.close())
	}
	s.reading.Unlock()
	if s.comm != nil {
		errs = append(errs, s.markClean(), s.comm.w.file.Close())
	}
	s.closeFiles()
	if s.lock != nil {
		errs = append(errs, s.lock.Close())
	}
	return errors.Join(errs...)
}

// markClean lets the next Open trust the tail.
func (s *Store) markClean() error {
	if s.failed() != nil {
		return nil
	}
	m := s.manifest.clone()
	m.Clean = &cleanMark{Position: eventstore.Position(s.position.Load()), Group: s.comm.w.group, End: s.comm.w.end}
	if err := m.store(s.fs, s.dir); err != nil {
		return fmt.Errorf("marking the log as closed: %w", err)
	}
	return nil
}

func (s *Store) closeFiles() {
	s.pool.mu.Lock()
	s.pool.maxFiles = -1 // whoever still reads closes the file when done
	s.pool.mu.Unlock()
	for _, seg := range *s.segs.Load() {
		seg.closeIdle()
	}
}

func (s *Store) isClosed() bool {
	select {
	case <-s.closed:
		return true
	default:
		return false
	}
}

func decodeLogID(m *manifest) (id [16]byte) {
	b, _ := hex.DecodeString(m.Log) // parseManifest checked it
	copy(id[:], b)
	return id
}

// broadcast wakes all who wait for something new.
type broadcast struct {
	mu sync.Mutex
	ch chan struct{} // nil: nobody waits
}

// wait returns a channel that the next tell closes.
func (b *broadcast) wait() <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.ch == nil {
		b.ch = make(chan struct{})
	}
	return b.ch
}

func (b *broadcast) tell() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.ch != nil {
		close(b.ch)
		b.ch = nil
	}
}
