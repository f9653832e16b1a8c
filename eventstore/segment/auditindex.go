package segment

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/cockroachdb/pebble/v2"

	"lethe/eventstore"
)

// maxDetails bounds how many single faults of the index are listed.
const maxDetails = 100

const meansIndex = "reads of streams fail, miss events or end with an error; the log itself is not concerned: remove the index directory while the store is closed, and the next opening builds it anew"

// indexView is one state of the index, with the runs that it has not got yet.
type indexView struct {
	r       pebble.Reader
	db      *pebble.DB // of r
	pending []pendingRun
	at      checkpoint
	close   func()
}

type pendingRun struct {
	stream string
	run    run
}

// liveIndex takes a state of the index that the store works with. While it is
// open, Close waits.
func (s *Store) liveIndex() (*indexView, error) {
	v := &indexView{db: s.index.db}
	s.tails.mu.RLock() // before the snapshot: a run that moves meanwhile is found in both
	for stream, t := range s.tails.m {
		for _, r := range t.runs {
			v.pending = append(v.pending, pendingRun{stream, r})
		}
	}
	s.tails.mu.RUnlock()
	s.reading.RLock()
	if s.isClosed() {
		s.reading.RUnlock()
		return nil, eventstore.ErrClosed
	}
	snapshot := s.index.db.NewSnapshot()
	v.r = snapshot
	v.close = func() {
		_ = snapshot.Close() // was only read
		s.reading.RUnlock()
	}
	return v, nil
}

// diskIndex opens the index on the disk beside a read-only store, which has one
// of its own in memory. It gives nil when there is none or it cannot be opened.
func (a *audit) diskIndex() *indexView {
	dir := a.st.fs.PathJoin(a.st.dir, indexName)
	if _, err := a.st.fs.Stat(dir); isNotExist(err) {
		return nil
	}
	x, err := openIndexReadOnly(a.st.fs, dir, a.st.log)
	if err != nil {
		a.fault(faultOf(err, indexName, 0, meansIndex))
		return nil
	}
	v := &indexView{r: x.db, db: x.db, close: func() { _ = x.close() }}
	v.at, err = readCheckpoint(x.db)
	switch {
	case err != nil:
		a.fault(faultOf(err, indexName, 0, meansIndex))
	case v.at.ordinal > 0 && v.at.log != a.st.id:
		a.fault(eventstore.Fault{File: indexName, What: "the index is of another log", Means: "the next opening builds it anew"})
	case v.at.ordinal > a.limit:
		a.fault(eventstore.Fault{File: indexName, What: "the log ends before events that the index has", Means: "events were lost; the next opening refuses the log"})
	default:
		if mark := a.st.manifest.Clean; mark != nil && v.at.ordinal < ordinalOf(mark.Position) {
			a.fault(eventstore.Fault{File: indexName, What: whatBehind, Means: meansBehind})
		}
		a.limit = v.at.ordinal // what it lacks, the next opening enters
		return v
	}
	v.close()
	return nil
}

// streams compares the index with the log. x is nil for that of a store that
// writes.
func (a *audit) streams(ctx context.Context, x *indexView) error {
	if x == nil {
		if a.st.opts.ReadOnly {
			return nil // there is none on the disk, or it was reported
		}
		var err error
		if x, err = a.st.liveIndex(); err != nil {
			return err
		}
		defer x.close()
	}
	if err := a.tables(ctx, x); err != nil {
		return err
	}
	w := indexWalk{audit: a, view: x, ctx: ctx, hash: hasher{seed: a.seed}}
	err := w.run()
	if err == nil && w.differs() {
		err = w.details()
	}
	if err == nil || errors.Is(err, errReported) {
		return nil
	}
	return err
}

// errReported ends the look at an index that cannot be read on.
var errReported = errors.New("the fault was reported")

// indexWalk reads every entry of a state of the index.
type indexWalk struct {
	*audit
	view *indexView
	ctx  context.Context
	hash hasher
	n    uint64 // entries read

	stream  []byte // whose runs are being read
	begun   bool
	next    uint64 // the revision that its next run begins with
	streams uint64

	events  multiset // by the runs, up to limit
	lengths multiset // of the streams, by the runs
	heads   multiset // of the streams, by the entries that say so
	faults  int
}

func (w *indexWalk) fault(what string, args ...any) {
	w.faults++
	if w.faults <= maxDetails {
		w.audit.fault(eventstore.Fault{File: indexName, What: fmt.Sprintf(what, args...), Means: meansIndex})
	}
}

// each calls f for every entry between two prefixes; f may keep nothing.
func (w *indexWalk) each(lower, upper byte, f func(key, value []byte) error) error {
	it, err := w.view.r.NewIter(&pebble.IterOptions{LowerBound: []byte{lower}, UpperBound: []byte{upper}})
	if err != nil {
		return fmt.Errorf("reading the index: %w", err)
	}
	defer func() { _ = it.Close() }() // its error is read below
	for ok := it.First(); ok; ok = it.Next() {
		if w.n++; w.n%1024 == 0 {
			if err := w.st.readable(w.ctx, true); err != nil {
				return err
			}
		}
		v, err := it.ValueAndErr()
		if err != nil {
			break
		}
		if err := f(it.Key(), v); err != nil {
			return err
		}
	}
	if err := it.Error(); err != nil {
		w.fault("it cannot be read on: %v", err)
		return errReported
	}
	return nil
}

// run reads all entries and compares them with each other.
func (w *indexWalk) run() error {
	if err := w.each(0, 0xFF, w.entry); err != nil {
		return err
	}
	w.endStream()
	for _, p := range w.view.pending {
		if _, ord := splitPosition(p.run.position); ord > w.view.at.ordinal {
			addRun(w, p.stream, p.run)
		}
	}
	if w.heads.count != w.streams || w.view.at.streams != w.streams {
		w.fault("it has %d streams, lengths of %d, and says %d", w.streams, w.heads.count, w.view.at.streams)
	}
	return nil
}

func (w *indexWalk) entry(key, value []byte) error {
	switch key[0] {
	case checkpointPrefix:
		at, err := parseCheckpoint(value)
		if err != nil || len(key) != 1 {
			w.fault("its checkpoint cannot be read")
		}
		w.view.at = at
	case headPrefix:
		n, used := binary.Uvarint(value)
		if used <= 0 || used != len(value) {
			w.fault("the length of stream %s cannot be read", key[1:])
			return nil
		}
		w.heads.add(one(&w.hash, key[1:], n, 0))
	case runPrefix:
		w.runEntry(key, value)
	default:
		w.fault("an entry %x is of no kind", key[:1])
	}
	return nil
}

func (w *indexWalk) runEntry(key, value []byte) {
	if len(key) < 11 || int(binary.BigEndian.Uint16(key[1:]))+11 != len(key) {
		w.fault("an entry's key cannot be read")
		return
	}
	stream := key[3 : len(key)-8]
	r, err := parseRun(key, value)
	if err != nil {
		w.fault("an entry of stream %s cannot be read", stream)
		return
	}
	if !w.begun || string(stream) != string(w.stream) {
		w.endStream()
		w.stream, w.next, w.begun = append(w.stream[:0], stream...), 0, true
	}
	if r.revision != w.next {
		w.fault("stream %s goes on with revision %d after %d", stream, r.revision, w.next)
	}
	if last := ordinalOf(r.position) + uint64(r.count) - 1; last > w.view.at.ordinal {
		w.fault("stream %s revision %d: it leads behind the last event that the index has", stream, r.revision)
	}
	w.next = r.revision + uint64(r.count)
	addRun(w, stream, r)
}

func (w *indexWalk) endStream() {
	if w.begun {
		w.streams++
		w.lengths.add(one(&w.hash, w.stream, w.next, 0))
	}
}

// addRun counts a run's events as far as the log was read.
func addRun[S string | []byte](w *indexWalk, stream S, r run) {
	_, ord := splitPosition(r.position)
	for i := range uint64(r.count) {
		if ord+i > w.limit {
			return
		}
		w.events.add(one(&w.hash, stream, r.revision+i, uint64(r.position)+i))
	}
}

// differs says whether the index leads elsewhere than the log has its events.
func (w *indexWalk) differs() bool { return w.events != w.log || w.lengths != w.heads }
