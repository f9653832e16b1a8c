package segment

import (
	"sync"
	"sync/atomic"
	"time"

	"lethe/eventstore"
)

// request is one append on its way through the committer.
type request struct {
	stream   string
	expected eventstore.Expected
	events   []eventstore.Event
	size     int // of its records

	state atomic.Int32
	done  chan struct{} // capacity 1
	res   eventstore.Result
	err   error

	tail *tail  // once admitted
	next uint64 // revision of its first event
}

const (
	stateQueued = iota
	stateTaken
	stateWithdrawn
)

// take claims the request for the committer; false when its caller gave up.
func (r *request) take() bool { return r.state.CompareAndSwap(stateQueued, stateTaken) }

// withdraw claims it for the caller; false when the committer has it.
func (r *request) withdraw() bool { return r.state.CompareAndSwap(stateQueued, stateWithdrawn) }

func (r *request) finish(res eventstore.Result, err error) {
	r.res, r.err = res, err
	r.events = nil
	r.done <- struct{}{}
}

// queue hands requests to the committer.
type queue struct {
	mu      sync.Mutex
	items   []*request
	spare   []*request
	jobs    []func(*committer)
	closing bool
	wake    chan struct{}
	timer   *time.Timer // of await; one client's every append passes there
}

func newQueue() *queue { return &queue{wake: make(chan struct{}, 1)} }

func (q *queue) push(r *request) error {
	q.mu.Lock()
	if q.closing {
		q.mu.Unlock()
		return eventstore.ErrClosed
	}
	q.items = append(q.items, r)
	first := len(q.items) == 1
	q.mu.Unlock()
	if first {
		q.signal()
	}
	return nil
}

// do hands the committer something to do between two groups.
func (q *queue) do(job func(*committer)) error {
	q.mu.Lock()
	if q.closing {
		q.mu.Unlock()
		return eventstore.ErrClosed
	}
	q.jobs = append(q.jobs, job)
	q.mu.Unlock()
	q.signal()
	return nil
}

// takeJobs comes after drain, so that what was handed over before the closing
// is done.
func (q *queue) takeJobs() []func(*committer) {
	q.mu.Lock()
	defer q.mu.Unlock()
	jobs := q.jobs
	q.jobs = nil
	return jobs
}

func (q *queue) signal() {
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

func (q *queue) close() {
	q.mu.Lock()
	q.closing = true
	q.mu.Unlock()
	q.signal()
}

// drain takes all that is queued. The slice is the committer's until it gives
// it back with the next call.
func (q *queue) drain(used []*request) (items []*request, closing bool) {
	clear(used)
	q.mu.Lock()
	defer q.mu.Unlock()
	if used != nil {
		q.spare = used[:0]
	}
	items, q.items, q.spare = q.items, q.spare, nil
	return items, q.closing
}

// await blocks until there is something to drain or the time is over, and says
// whether it was the time. A duration of 0 waits for ever.
func (q *queue) await(d time.Duration) (idle bool) {
	if d <= 0 {
		<-q.wake
		return false
	}
	if q.timer == nil {
		q.timer = time.NewTimer(d)
	} else {
		q.timer.Reset(d)
	}
	select {
	case <-q.wake:
		q.timer.Stop() // since Go 1.23 nothing stale is left in its channel
		return false
	case <-q.timer.C:
		return true
	}
}
