package projections

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"

	"lethe/eventstore"
	"lethe/internal/room"
)

// view is one projection with its live file. Its goroutine alone writes to
// the file, takes batches, and exchanges the file for a rebuilt one.
type view struct {
	projection Projection
	from       logbook
	dir        directory
	log        *slog.Logger
	report     func(Difference)
	repair     chan<- string
	in         chan *chunk
	adopt      chan adoption
	scrub      chan scrub

	file    *file               // nil: there is none to write to; the goroutine's own
	number  int                 // of the live file, 0 for none
	next    int                 // number of the next build; under Runner.building
	seen    eventstore.Position // how far the feed has come
	cleaned eventstore.Position // up to where nothing deleted is left in the file; the goroutine's own
	swept   bool                // the file was clean once, and is kept so; the goroutine's own

	mu       sync.Mutex
	reader   *reader
	former   []*reader           // of exchanged files; some may have ended
	position eventstore.Position // of what readers see
	err      error               // why it stopped
	rebuild  *Progress
	changed  chan struct{} // closed when any of these changes
}

// openView opens the live file. A file that cannot be used leaves the view
// without one: err says why.
func (r *Runner) openView(ctx context.Context, p Projection) (*view, error) {
	if err := os.MkdirAll(r.opts.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("making the views' directory: %w", err)
	}
	dir, err := openDirectory(r.viewDir(p.Name()), r.hookOf(p.Name()))
	if err != nil {
		return nil, err
	}
	v := &view{
		projection: p, from: logbook{r.opts.Store, r.opts.Decoder}, dir: dir, report: r.opts.Report, repair: r.repair, in: make(chan *chunk, 2), adopt: make(chan adoption), scrub: make(chan scrub),
		log: r.opts.Logger.With(slog.String("view", p.Name())), changed: make(chan struct{}),
	}
	live, broken := dir.live()
	if v.next, err = dir.sweep(live); err != nil {
		return nil, err
	}
	v.number = live
	if live > 0 {
		broken = r.openLive(ctx, v, dir.file(live))
	}
	if v.file == nil {
		v.rebuild = &Progress{View: p.Name()}
	}
	if broken != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		v.err = broken
		v.log.WarnContext(ctx, "the view's file cannot be used and is rebuilt", slog.Any("error", broken))
		if !errors.Is(broken, errOtherSchema) {
			v.report(unusable(p.Name(), broken))
		}
	}
	return v, nil
}

func (r *Runner) openLive(ctx context.Context, v *view, path string) error {
	if _, err := os.Stat(path); err != nil {
		return fmt.Errorf("%w: it is not there", errDamaged)
	}
	f, err := openFile(ctx, v.projection, v.from, path, v.dir.hook)
	if err != nil {
		return err
	}
	if err := r.onLog(ctx, f.at); err != nil {
		return errors.Join(err, f.close())
	}
	reader, err := openReader(path)
	if err != nil {
		return errors.Join(err, f.close())
	}
	v.file, v.reader, v.position = f, reader, f.at.position
	return nil
}

func unusable(view string, why error) Difference {
	return Difference{View: view, What: "the file cannot be used and is rebuilt: " + why.Error()}
}

// errNotOnLog: the view has seen an event that the log does not have.
var errNotOnLog = errors.New("the view is not of this log: its last event is not there")

// onLog checks that the log still has the event that a file saw last. It is
// asked for by its place and ID, because a log that was restored to an
// earlier day may have grown beyond that place since.
func (r *Runner) onLog(ctx context.Context, at checkpoint) error {
	if at.position == 0 {
		return nil
	}
	for e, err := range r.opts.Store.ReadAll(ctx, at.position-1) {
		if err != nil {
			return fmt.Errorf("looking for the view's last event: %w", err)
		}
		if e.Position == at.position && e.ID == at.event {
			return nil
		}
		break
	}
	return errNotOnLog
}

func (v *view) run(ctx context.Context) {
	for {
		select {
		case c := <-v.in:
			v.take(c)
		case a := <-v.adopt:
			a.done <- v.exchange(ctx, a.build)
		case s := <-v.scrub:
			s.done <- v.clean(s)
		case <-ctx.Done():
			return
		}
	}
}

// take applies one batch in one transaction.
func (v *view) take(c *chunk) {
	v.seen = c.last.position
	if v.file == nil {
		return
	}
	err := v.file.hook("batch.begun")
	if err == nil {
		err = v.file.take(c)
	}
	if err == nil {
		err = v.file.settle()
	}
	if err == nil {
		v.mu.Lock()
		v.position = v.file.at.position
		v.announce()
		v.mu.Unlock()
		return
	}
	v.giveUp(err)
}

// giveUp closes the file after a failure.
func (v *view) giveUp(err error) {
	err = room.Explain(v.file.path, err)
	if closing := v.file.close(); closing != nil {
		v.log.Error("closing the failed view's file", slog.Any("error", closing))
	}
	v.file = nil
	v.fail(err)
}

// fail stops the view: readers and waiters are told. Damage is mended by a
// rebuild; anything else waits for somebody to look at it.
func (v *view) fail(err error) {
	v.mu.Lock()
	first := v.err == nil
	if first {
		v.err = err
		if v.rebuild == nil && damaged(err) {
			v.rebuild = &Progress{View: v.projection.Name()} // whoever waits goes on waiting
		}
		v.announce()
	}
	v.mu.Unlock()
	if !first {
		return
	}
	v.log.Error("the view has failed", slog.Any("error", err))
	if damaged(err) {
		v.report(unusable(v.projection.Name(), err))
		select {
		case v.repair <- v.projection.Name():
		default: // as many repairs as there are views are asked for already
		}
	}
}

// closeFiles ends the view, after its goroutine.
func (v *view) closeFiles() error {
	var errs []error
	if v.file != nil {
		if v.file.idle > 0 {
			errs = append(errs, v.file.commit())
		}
		errs = append(errs, v.file.close())
	}
	v.mu.Lock()
	reader := v.reader
	v.reader = nil
	v.mu.Unlock()
	if reader != nil {
		errs = append(errs, reader.retire(false))
	}
	return errors.Join(errs...)
}
