package projections

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"lethe/domain"
	"lethe/eventstore"
)

// Options of a Runner. Dir, Store, Decoder and Projections must be given.
type Options struct {
	Dir         string // DATA/views
	Store       eventstore.Store
	Decoder     Decoder
	Projections []Projection
	Logger      *slog.Logger   // slog.Default when nil
	Progress    func(Progress) // of rebuilds that begin by themselves; may be nil

	// Report is told of a live file that is damaged, missing, or not of this
	// log, and is rebuilt therefore; not of one of an older schema version. It
	// may be called from several goroutines; may be nil.
	Report func(Difference)

	BatchEvents int           // events in a transaction, at most; 8192 when 0
	BatchDelay  time.Duration // how long a batch waits for more unless somebody waits for it; 250 ms when 0
	Decoders    int           // decoding goroutines; 2 when 0

	// hook is called at each step that a crash could follow; tests set it.
	hook func(view, point string) error
}

func (o *Options) fill() {
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	if o.Progress == nil {
		o.Progress = func(Progress) {}
	}
	if o.Report == nil {
		o.Report = func(Difference) {}
	}
	if o.BatchEvents <= 0 {
		o.BatchEvents = 8192
	}
	if o.BatchDelay <= 0 {
		o.BatchDelay = 250 * time.Millisecond
	}
	if o.Decoders <= 0 {
		o.Decoders = 2
	}
	if o.hook == nil {
		o.hook = func(string, string) error { return nil }
	}
}

// Runner keeps the views up with the log. Its methods may be called
// concurrently. Close it before the store.
type Runner struct {
	opts   Options
	views  []*view
	byName map[string]*view

	ctx     context.Context // ends with Close
	cancel  context.CancelFunc
	wg      sync.WaitGroup
	waiting atomic.Int64  // callers of WaitFor
	hurry   chan struct{} // a caller of WaitFor began
	repair  chan string   // a view whose file is damaged

	building chan struct{} // held by the one rebuild under way
	mu       sync.Mutex
	builds   []*build // under way, also those that become no live file
	closed   bool
}

// Open opens every view's live file and begins to follow the log. Views whose
// file is missing, damaged, of another schema version, or ahead of the log
// are rebuilt in the background: WaitFor waits for them.
func Open(ctx context.Context, o Options) (*Runner, error) {
	o.fill()
	r := &Runner{
		opts: o, byName: map[string]*view{}, hurry: make(chan struct{}, 1),
		repair: make(chan string, len(o.Projections)), building: make(chan struct{}, 1),
	}
	r.ctx, r.cancel = context.WithCancel(context.WithoutCancel(ctx))
	var stale []string
	for _, p := range o.Projections {
		v, err := r.openView(ctx, p)
		if err != nil {
			return nil, errors.Join(fmt.Errorf("opening view %s: %w", p.Name(), err), r.abandon())
		}
		r.views = append(r.views, v)
		r.byName[p.Name()] = v
		if v.file == nil {
			stale = append(stale, p.Name())
		}
	}
	r.start(stale)
	return r, nil
}

// abandon closes what Open had opened.
func (r *Runner) abandon() error {
	r.cancel()
	var errs []error
	for _, v := range r.views {
		errs = append(errs, v.closeFiles())
	}
	return errors.Join(errs...)
}

func (r *Runner) start(stale []string) {
	from := r.startPosition()
	for _, v := range r.views {
		v.seen = from
		r.wg.Go(func() { v.run(r.ctx) })
	}
	r.wg.Go(func() { r.follow(from) })
	r.wg.Go(func() { r.mend(stale) })
}

// startPosition is where following begins: at the view that is furthest behind.
func (r *Runner) startPosition() eventstore.Position {
	var from eventstore.Position
	found := false
	for _, v := range r.views {
		if v.file != nil && (!found || v.file.at.position < from) {
			from, found = v.file.at.position, true
		}
	}
	if s, ok := r.opts.Store.(eventstore.Statser); ok && !found {
		return s.Stats().Head
	}
	return from
}

// follow reads the log once for all views, from a position on, for ever.
func (r *Runner) follow(from eventstore.Position) {
	f := r.feed(r.views)
	raw := make(chan *chunk)
	var wg sync.WaitGroup
	wg.Go(func() {
		for c := range f.decoded(r.ctx, raw) {
			for _, v := range r.views {
				if !send(r.ctx, v.in, c) {
					return
				}
			}
		}
	})
	linger := lingerer{delay: r.opts.BatchDelay, hurry: r.hurry, waiting: func() bool { return r.waiting.Load() > 0 }}
	err := f.subscribe(r.ctx, from, linger, raw)
	close(raw)
	wg.Wait()
	if r.ctx.Err() != nil {
		return
	}
	for _, v := range r.views {
		v.fail(fmt.Errorf("following the log: %w", err))
	}
}

// feed reads for some views.
func (r *Runner) feed(views []*view) *feed {
	wants := map[string]bool{}
	for _, v := range views {
		for _, name := range v.projection.Events() {
			wants[name] = true
		}
	}
	return &feed{
		store: r.opts.Store, decoder: r.opts.Decoder, wants: wants,
		size: r.opts.BatchEvents, workers: r.opts.Decoders,
	}
}

// mend rebuilds what was found stale at the start, then what turns out damaged.
func (r *Runner) mend(stale []string) {
	for {
		if len(stale) > 0 {
			// A failure was logged and is in the view's status.
			_ = r.Rebuild(r.ctx, r.opts.Progress, stale...)
		}
		select {
		case name := <-r.repair:
			stale = []string{name}
		case <-r.ctx.Done():
			return
		}
	}
}

func (r *Runner) view(name string) (*view, error) {
	if v, ok := r.byName[name]; ok {
		return v, nil
	}
	return nil, domain.NotFound("view.unknown", "view", "there is no such view: see the projections' status for their names")
}

// Close stops following, writes the checkpoints, and waits for everything
// that was begun. A rebuild under way is cancelled.
func (r *Runner) Close() error {
	r.mu.Lock()
	again := r.closed
	r.closed = true
	r.mu.Unlock()
	if again {
		return nil
	}
	r.cancel()
	r.wg.Wait()
	var errs []error
	for _, v := range r.views {
		errs = append(errs, v.closeFiles())
	}
	return errors.Join(errs...)
}

// enter counts a caller that Close must wait for.
func (r *Runner) enter() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return errClosed
	}
	r.wg.Add(1)
	return nil
}

func (r *Runner) hookOf(name string) func(string) error {
	return func(point string) error { return r.opts.hook(name, point) }
}

func (r *Runner) viewDir(name string) string { return filepath.Join(r.opts.Dir, name) }
