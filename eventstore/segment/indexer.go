package segment

import (
	"cmp"
	"slices"
	"sync"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"lethe/eventstore"
)

const (
	// indexBatchRuns is how many runs enter the index at a time, and from how
	// many on the indexer does not wait any longer.
	indexBatchRuns = 16 << 10
	// indexDelay is how long runs gather: small batches would cost the
	// committer its processor.
	indexDelay = 200 * time.Millisecond
	// maxPendingRuns bounds what the index may lag behind, in memory.
	maxPendingRuns = 1 << 18
	// reserveEvery is after how many runs the free space is looked at.
	reserveEvery = 64 << 10
)

// indexEntry is one append on its way into the index.
type indexEntry struct {
	tail *tail
	run  run
}

// indexer writes the index behind the committer, off the acknowledgement path.
type indexer struct {
	index *index
	tails *tails
	fs    vfs.FS
	dir   string
	// reserve is the free space that the index leaves on the medium.
	reserve uint64
	fail    func(error)

	mu      sync.Mutex
	cond    *sync.Cond // room was made, or the state changed
	queue   []indexEntry
	spare   []indexEntry
	pending int
	stalled bool // the medium is nearly full
	dead    bool // the index failed
	wake    chan struct{}
	stop    chan struct{}
	done    chan struct{}

	at         checkpoint // the indexer's alone
	batches    uint64
	sinceCheck int
}

func newIndexer(x *index, t *tails, at checkpoint, fs vfs.FS, dir string, reserve uint64, fail func(error)) *indexer {
	ix := &indexer{
		index: x, tails: t, at: at, fs: fs, dir: dir, reserve: reserve, fail: fail,
		wake: make(chan struct{}, 1), stop: make(chan struct{}), done: make(chan struct{}),
		sinceCheck: reserveEvery,
	}
	ix.cond = sync.NewCond(&ix.mu)
	return ix
}

// add queues published entries.
func (ix *indexer) add(entries []indexEntry) {
	ix.mu.Lock()
	ix.queue = append(ix.queue, entries...)
	ix.pending += len(entries)
	n := len(ix.queue)
	ix.mu.Unlock()
	if n >= indexBatchRuns || n == len(entries) {
		select {
		case ix.wake <- struct{}{}:
		default:
		}
	}
}

// admit waits until the index has room for another group. It gives ErrNoSpace
// when the index waits for space itself, ErrFatal when it failed.
func (ix *indexer) admit() error {
	ix.mu.Lock()
	defer ix.mu.Unlock()
	for ix.pending > maxPendingRuns && !ix.stalled && !ix.dead {
		ix.cond.Wait()
	}
	switch {
	case ix.dead:
		return eventstore.ErrFatal
	case ix.pending > maxPendingRuns:
		return eventstore.ErrNoSpace
	default:
		return nil
	}
}

// kill says that the index is not to be touched any more.
func (ix *indexer) kill() {
	ix.mu.Lock()
	ix.dead = true
	ix.mu.Unlock()
	ix.cond.Broadcast()
}

func (ix *indexer) run() {
	defer close(ix.done)
	for ix.wait() {
		if err := ix.drain(); err != nil {
			ix.fail(err)
			ix.kill()
			return
		}
	}
	if err := ix.drain(); err != nil {
		ix.fail(err)
		ix.kill()
	}
}

// wait returns when there is something to do, and false when it is the last.
func (ix *indexer) wait() bool {
	select {
	case <-ix.wake:
	case <-ix.stop:
		return false
	}
	ix.mu.Lock()
	n := len(ix.queue)
	ix.mu.Unlock()
	if n >= indexBatchRuns {
		return true
	}
	timer := time.NewTimer(indexDelay)
	defer timer.Stop()
	select {
	case <-ix.wake:
		return true
	case <-timer.C:
		return true
	case <-ix.stop:
		return false
	}
}

// drain enters all that is queued.
func (ix *indexer) drain() error {
	for {
		ix.mu.Lock()
		entries := ix.queue
		ix.queue, ix.spare = ix.spare[:0], nil
		ix.mu.Unlock()
		if len(entries) == 0 {
			ix.recycle(entries)
			return nil
		}
		for rest := entries; len(rest) > 0; {
			n := min(len(rest), indexBatchRuns)
			if !ix.awaitSpace() {
				return nil // stopping: what is missing is replayed by the next open
			}
			if err := ix.enter(rest[:n]); err != nil {
				return err
			}
			rest = rest[n:]
		}
		ix.recycle(entries)
	}
}

func (ix *indexer) recycle(entries []indexEntry) {
	clear(entries)
	ix.mu.Lock()
	ix.spare = entries[:0]
	ix.mu.Unlock()
}

// enter writes one batch and takes its runs from memory.
func (ix *indexer) enter(entries []indexEntry) error {
	if err := ix.write(entries); err != nil {
		return err
	}
	ix.tails.indexed(entries)
	ix.mu.Lock()
	ix.pending -= len(entries)
	ix.mu.Unlock()
	ix.cond.Broadcast()
	ix.sinceCheck += len(entries)
	return nil
}

// write enters the entries in the order of their keys, which spares Pebble most
// of the search for each key's place.
func (ix *indexer) write(entries []indexEntry) error {
	ix.batches++
	last := entries[len(entries)-1].run
	_, ordinal := splitPosition(last.position)
	ix.at.ordinal = ordinal + uint64(last.count) - 1
	slices.SortFunc(entries, compareEntries)
	b := ix.index.batch()
	touched := make([]*tail, 0, len(entries))
	for i := range entries {
		e := &entries[i]
		if err := b.addRun(e.tail.stream, e.run); err != nil {
			return err
		}
		if e.tail.batch != ix.batches {
			e.tail.batch = ix.batches
			touched = append(touched, e.tail)
		}
		e.tail.length = e.run.revision + uint64(e.run.count)
		if e.run.revision == 0 {
			ix.at.streams++
		}
	}
	for _, t := range touched {
		if err := b.setLength(t.stream, t.length); err != nil {
			return err
		}
	}
	return b.commit(ix.at)
}

// compareEntries orders as the index's keys do: streams by length and name.
func compareEntries(a, b indexEntry) int {
	if a.tail == b.tail {
		return cmp.Compare(a.run.revision, b.run.revision)
	}
	if d := cmp.Compare(len(a.tail.stream), len(b.tail.stream)); d != 0 {
		return d
	}
	return cmp.Compare(a.tail.stream, b.tail.stream)
}

// awaitSpace waits while the medium has less free space than the reserve:
// Pebble does not survive a full one. It returns false when stopped meanwhile.
func (ix *indexer) awaitSpace() bool {
	if ix.sinceCheck < reserveEvery {
		return true
	}
	for {
		usage, err := ix.fs.GetDiskUsage(ix.dir)
		full := err == nil && usage.AvailBytes < ix.reserve
		ix.mu.Lock()
		ix.stalled = full
		ix.mu.Unlock()
		ix.cond.Broadcast()
		if !full {
			ix.sinceCheck = 0
			return true
		}
		timer := time.NewTimer(time.Second)
		select {
		case <-timer.C:
		case <-ix.stop:
			timer.Stop()
			return false
		}
	}
}

// close stops the indexer, makes what it entered durable and closes the index.
// After a failure it leaves Pebble alone.
func (ix *indexer) close() error {
	close(ix.stop)
	for {
		ix.mu.Lock()
		dead, stalled := ix.dead, ix.stalled
		ix.mu.Unlock()
		if dead {
			return nil
		}
		select {
		case <-ix.done:
			if ix.isDead() {
				return nil
			}
			if !stalled {
				if err := ix.index.flush(); err != nil {
					return err
				}
			}
			return ix.index.close()
		case <-ix.wakeOnDeath():
		}
	}
}

func (ix *indexer) isDead() bool {
	ix.mu.Lock()
	defer ix.mu.Unlock()
	return ix.dead
}

// wakeOnDeath lets close look again now and then: a parked index never says so.
func (ix *indexer) wakeOnDeath() <-chan time.Time { return time.After(10 * time.Millisecond) }
