package seal

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"lethe/eventstore"
	"lethe/internal/leaf"
)

// maxPending bounds the leaves that wait to be written, and their bytes.
const (
	maxPending      = 1 << 16
	maxPendingBytes = 32 << 20
)

// batch is leaves in their order.
type batch struct {
	entries  []byte // one behind the other
	ends     []int  // of each entry
	hashes   [][hashSize]byte
	ids      []eventstore.EventID
	position eventstore.Position // of the last event
	oldest   time.Time           // recorded time of the first
}

func (b *batch) entry(i int) []byte {
	start := 0
	if i > 0 {
		start = b.ends[i-1]
	}
	return b.entries[start:b.ends[i]]
}

func (b *batch) full() bool { return len(b.ends) >= maxPending || len(b.entries) >= maxPendingBytes }

// pending is what the collector has made and the sealer has not taken.
type pending struct {
	mu    sync.Mutex
	next  *batch
	seen  eventstore.Position // of the last event collected
	wake  chan struct{}       // something is there
	whole chan struct{}       // as much as may wait is there
	room  chan struct{}       // it was taken
}

func (p *pending) init() {
	p.next = &batch{}
	p.wake, p.whole, p.room = make(chan struct{}, 1), make(chan struct{}, 1), make(chan struct{}, 1)
}

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

func drained(c chan struct{}) {
	select {
	case <-c:
	default:
	}
}

// put adds a leaf, and waits while there is no room.
func (p *pending) put(ctx context.Context, entry []byte, rec *eventstore.Recorded) error {
	hash := leaf.Hash(entry)
	p.mu.Lock()
	for p.next.full() {
		p.mu.Unlock()
		signal(p.whole)
		select {
		case <-p.room:
		case <-ctx.Done():
			return ctx.Err()
		}
		p.mu.Lock()
	}
	b := p.next
	if len(b.ends) == 0 {
		b.oldest = rec.Recorded
		signal(p.wake)
	}
	b.entries = append(b.entries, entry...)
	b.ends = append(b.ends, len(b.entries))
	b.hashes = append(b.hashes, hash)
	b.ids = append(b.ids, rec.ID)
	b.position, p.seen = rec.Position, rec.Position
	p.mu.Unlock()
	return nil
}

// take gives what waits; nil when there is nothing.
func (p *pending) take() *batch {
	p.mu.Lock()
	defer p.mu.Unlock()
	b := p.next
	if len(b.ends) == 0 {
		return nil
	}
	p.next = &batch{}
	drained(p.whole)
	signal(p.room)
	return b
}

// waiting counts what was collected and not taken, and how long the first of
// it waits.
func (p *pending) waiting() (leaves int, oldest time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.next.ends), p.next.oldest
}

// Run begins to seal in the background. Close ends it.
func (l *Log) Run(ctx context.Context) {
	ctx, l.stop = context.WithCancel(context.WithoutCancel(ctx))
	l.pending.seen = l.state.Position
	l.running.Go(func() {
		if err := l.collect(ctx); err != nil && ctx.Err() == nil {
			l.fail(fmt.Errorf("following the log: %w", err))
		}
	})
	l.running.Go(func() { l.seal(ctx) })
	if l.opts.Policy != nil {
		l.running.Go(func() { l.cosign(ctx) })
	}
}

// collect turns events into leaves.
func (l *Log) collect(ctx context.Context) error {
	n := l.state.Size
	var of leaf.Leaf
	var entry []byte
	for msg, err := range l.opts.Store.Subscribe(ctx, l.state.Position) {
		if errors.Is(err, eventstore.ErrClosed) {
			return nil
		}
		if err != nil {
			return err
		}
		if msg.Event == nil {
			continue
		}
		leaf.Of(n, msg.Event, &of)
		entry = of.Append(entry[:0])
		if err := l.pending.put(ctx, entry, msg.Event); err != nil {
			return err
		}
		n++
	}
	return nil
}

// seal writes what was collected, at most once an interval unless there is
// much of it.
func (l *Log) seal(ctx context.Context) {
	if err := l.askWitnesses(ctx); err != nil {
		l.fail(err)
		return
	}
	l.resume(ctx)
	for {
		select {
		case <-l.pending.wake:
		case <-ctx.Done():
			return
		}
		l.pace(ctx)
		if b := l.pending.take(); b != nil && !l.sealBatch(ctx, b) {
			return
		}
	}
}

// pace waits until the next checkpoint may be signed.
func (l *Log) pace(ctx context.Context) {
	wait := min(l.opts.Interval-l.opts.Now().Sub(l.signed), l.opts.Interval)
	if wait <= 0 {
		return
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-l.pending.whole:
	case <-ctx.Done():
	}
}

// sealBatch tries until it is done; false means that the seal stopped. A batch
// is sealed also while stopping, so that what was collected is not left over.
func (l *Log) sealBatch(ctx context.Context, b *batch) bool {
	l.setWriting(b.oldest)
	defer l.setWriting(time.Time{})
	steps := []func(context.Context) error{
		func(context.Context) error { return l.extend(b) },
		l.sign,
	}
	for _, step := range steps {
		for try := 1; ; try++ {
			err := step(context.WithoutCancel(ctx))
			if err == nil {
				break
			}
			if final(err) {
				l.fail(err)
				return false
			}
			l.log.ErrorContext(ctx, "sealing failed and is tried again", "error", err, "try", try)
			select {
			case <-time.After(min(time.Duration(try)*200*time.Millisecond, 5*time.Second)):
			case <-ctx.Done():
				return false
			}
		}
	}
	l.warnOverdue(b.oldest)
	return l.failure() == nil
}

// final reports whether an error means that history is in doubt.
func final(err error) bool {
	var differs *DifferError
	return errors.As(err, &differs) || errors.Is(err, ErrInconsistent)
}

// extend makes a batch durable. Nothing of the log changes when it fails, so
// that it can be tried again.
func (l *Log) extend(b *batch) error {
	next := l.edge.clone()
	var files []file
	for i := range b.hashes {
		files = next.add(b.entry(i), b.hashes[i], files)
	}
	full := len(files)
	files = next.partials(files)
	if err := l.tiles.write(files); err != nil {
		return err
	}
	root := next.root()
	s := *l.state
	s.Size, s.Position, s.Root = next.size, b.position, root[:]
	if err := s.write(l.fs, l.opts.Dir); err != nil {
		return err
	}
	if err := l.index.add(b.ids); err != nil { // made again from the entries at the next start
		return err
	}
	l.edge, l.state = next, &s
	l.tiles.dropPartials(files[:full])
	return nil
}

func (l *Log) setWriting(oldest time.Time) {
	l.mu.Lock()
	l.writing = oldest
	l.mu.Unlock()
}

// warnOverdue tells, once until it is better, that events waited too long.
func (l *Log) warnOverdue(oldest time.Time) {
	late := l.opts.Now().Sub(oldest) > l.opts.Bound
	if late && !l.late {
		l.log.Warn("events waited longer than the bound for their checkpoint", "bound", l.opts.Bound, "oldest", l.opts.Now().Sub(oldest))
	}
	l.late = late
}

// Close seals what the log holds, as far as ctx allows, and closes the files.
func (l *Log) Close(ctx context.Context) (err error) {
	l.closing.Do(func() { err = l.close(ctx) })
	return err
}

func (l *Log) close(ctx context.Context) error {
	if l.stop != nil {
		l.drain(ctx)
		l.stop()
		l.running.Wait()
		if b := l.pending.take(); b != nil && l.failure() == nil {
			l.sealBatch(ctx, b)
		}
	}
	return nil
}

// drain waits until the collector has seen what the log holds now.
func (l *Log) drain(ctx context.Context) {
	s, ok := l.opts.Store.(eventstore.Statser)
	if !ok {
		return
	}
	head := s.Stats().Head
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for l.failure() == nil {
		l.pending.mu.Lock()
		seen := l.pending.seen
		l.pending.mu.Unlock()
		if seen >= head {
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

func (l *Log) failure() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.failed
}
