package projections

import (
	"context"
	"iter"
	"sync"
	"time"

	"lethe/domain"
	"lethe/eventstore"
)

// chunk is a run of the log, decoded once for all views that take it.
type chunk struct {
	items []item
	last  checkpoint // the run's last event, wanted or not
	seen  int        // events in the run, wanted or not
	ready chan struct{}
}

// item is an event that some view wants.
type item struct {
	raw   *eventstore.Recorded
	event domain.Recorded
	err   error // of decoding
}

// step is one event of a feed; raw is nil when no view wants it.
type step struct {
	at  checkpoint
	raw *eventstore.Recorded
}

func (c *chunk) add(s step) {
	c.last = s.at
	c.seen++
	if s.raw != nil {
		c.items = append(c.items, item{raw: s.raw})
	}
}

func newChunk(size int) *chunk {
	return &chunk{items: make([]item, 0, size), ready: make(chan struct{})}
}

// feed reads the log for some views.
type feed struct {
	store   eventstore.Store
	decoder Decoder
	wants   map[string]bool
	until   eventstore.Position // nothing behind it is read; 0 for the end
	size    int                 // events in a chunk, at most
	workers int
}

// stepOf keeps what is wanted of an event that is the store's until the next.
func (f *feed) stepOf(r *eventstore.Recorded) step {
	s := step{at: checkpoint{position: r.Position, event: r.ID}}
	if f.wants[r.Type] {
		s.raw = r.Clone()
	}
	return s
}

func (f *feed) decode(c *chunk) {
	for i := range c.items {
		it := &c.items[i]
		it.event, it.err = f.decoder.Decode(it.raw)
	}
	close(c.ready)
}

// decoded passes chunks on in their order, decoded by several goroutines. It
// ends when in is closed or ctx is done, and then closes what it returned.
func (f *feed) decoded(ctx context.Context, in <-chan *chunk) <-chan *chunk {
	work := make(chan *chunk, f.workers)
	order := make(chan *chunk, 2*f.workers)
	out := make(chan *chunk)
	for range f.workers {
		go func() {
			for c := range work {
				f.decode(c)
			}
		}()
	}
	go func() {
		defer close(work)
		defer close(order)
		for c := range in {
			if !send(ctx, order, c) || !send(ctx, work, c) {
				return
			}
		}
	}()
	go func() {
		defer close(out)
		for c := range order {
			select {
			case <-c.ready:
			case <-ctx.Done():
				return
			}
			if !send(ctx, out, c) {
				return
			}
		}
	}()
	return out
}

func send[T any](ctx context.Context, to chan<- T, v T) bool {
	select {
	case to <- v:
		return true
	case <-ctx.Done():
		return false
	}
}

// readAll sends the log after a position, up to its end as of now, in chunks.
func (f *feed) readAll(ctx context.Context, after eventstore.Position, to chan<- *chunk) error {
	c := newChunk(f.size)
	for r, err := range f.store.ReadAll(ctx, after) {
		if err != nil {
			return err
		}
		if f.until > 0 && r.Position > f.until {
			break
		}
		c.add(f.stepOf(r))
		if len(c.items) >= f.size || c.seen >= 8*f.size {
			if !send(ctx, to, c) {
				return ctx.Err()
			}
			c = newChunk(f.size)
		}
	}
	if c.seen > 0 && !send(ctx, to, c) {
		return ctx.Err()
	}
	return ctx.Err()
}

// run reads once from after to the end as of now and gives each chunk, in
// order, to take.
func (f *feed) run(ctx context.Context, after eventstore.Position, take func(*chunk) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	raw := make(chan *chunk)
	read := make(chan error, 1)
	out := f.decoded(ctx, raw)
	go func() {
		defer close(raw)
		read <- f.readAll(ctx, after, raw)
	}()
	var failed error
	for c := range out {
		if failed == nil {
			if failed = take(c); failed != nil {
				cancel()
			}
		}
	}
	if err := <-read; failed == nil {
		failed = err
	}
	return failed
}

// lingerer decides how long a batch waits for more events.
type lingerer struct {
	delay   time.Duration
	waiting func() bool     // somebody waits for what is in the batch
	hurry   <-chan struct{} // somebody began to
}

// subscribe follows the log from after until ctx ends or the store stops, and
// sends chunks. A batch waits a little for more events, unless somebody waits
// for it.
func (f *feed) subscribe(ctx context.Context, after eventstore.Position, l lingerer, to chan<- *chunk) error {
	ctx, cancel := context.WithCancel(ctx)
	steps := make(chan step, f.size)
	var wg sync.WaitGroup
	wg.Add(1)
	go func() {
		defer wg.Done()
		f.batch(ctx, steps, l, to)
	}()
	defer wg.Wait()
	defer cancel()
	defer close(steps)
	return f.pump(ctx, f.store.Subscribe(ctx, after), steps)
}

func (f *feed) pump(ctx context.Context, log iter.Seq2[eventstore.Message, error], to chan<- step) error {
	for m, err := range log {
		if err != nil {
			return err
		}
		if m.Event != nil && !send(ctx, to, f.stepOf(m.Event)) {
			return ctx.Err()
		}
	}
	return eventstore.ErrClosed
}

func (f *feed) batch(ctx context.Context, steps <-chan step, l lingerer, to chan<- *chunk) {
	timer := time.NewTimer(l.delay)
	defer timer.Stop()
	for s := range steps {
		c := newChunk(8)
		c.add(s)
		timer.Reset(l.delay)
		f.fill(c, steps, l, timer.C)
		if !send(ctx, to, c) {
			return
		}
	}
}

// fill adds events until the chunk is full, the delay is over, or somebody
// waits and no more events are there.
func (f *feed) fill(c *chunk, steps <-chan step, l lingerer, over <-chan time.Time) {
	hurried := l.waiting()
	for c.seen < f.size {
		if hurried {
			select {
			case s, ok := <-steps:
				if !ok {
					return
				}
				c.add(s)
			default:
				return
			}
			continue
		}
		select {
		case s, ok := <-steps:
			if !ok {
				return
			}
			c.add(s)
		case <-over:
			return
		case <-l.hurry:
			hurried = true
		}
	}
}
