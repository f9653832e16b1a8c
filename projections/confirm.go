package projections

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"lethe/eventstore"
)

// Confirmed says that no file of a view holds anything that the log erased at
// or before Position.
type Confirmed struct {
	View     string
	Position eventstore.Position // at least the one that was asked about
}

// confirmAgain is how long Confirm waits for readers before it tries again.
const confirmAgain = 50 * time.Millisecond

// Confirm returns once every view has applied the log up to the position and
// none of its files holds what was erased there, not even in bytes that are
// no row's any more: freed space is overwritten, the write-ahead log is moved
// into the file and cut to nothing, and that is on disk. It waits for every
// rebuild and comparison under way, whose files count too, and for the readers
// of a file that was exchanged; ctx bounds it.
//
// It gives the views that confirmed, also when it fails. The error then names
// each of the others: one lags, is broken, or has a file that cannot be
// removed. A broken view is mended by a rebuild, after which asking again
// succeeds.
func (r *Runner) Confirm(ctx context.Context, position eventstore.Position) ([]Confirmed, error) {
	ctx, leave, err := r.within(ctx)
	if err != nil {
		return nil, err
	}
	defer leave()
	found, errs := make([]Confirmed, len(r.views)), make([]error, len(r.views))
	var wg sync.WaitGroup
	for i, v := range r.views {
		wg.Go(func() {
			name := v.projection.Name()
			found[i].View = name
			if found[i].Position, errs[i] = r.confirm(ctx, v, position); errs[i] != nil {
				errs[i] = fmt.Errorf("view %s has not confirmed: %w", name, errs[i])
			}
		})
	}
	wg.Wait()
	err = errors.Join(errs...)
	return slices.DeleteFunc(found, func(c Confirmed) bool { return c.Position < position }), err
}

func (r *Runner) confirm(ctx context.Context, v *view, position eventstore.Position) (at eventstore.Position, err error) {
	builds := r.buildsOf(v) // those that begin later are told of nothing erased but by the log itself
	for {
		if err := r.WaitFor(ctx, v.projection.Name(), position); err != nil {
			return 0, err
		}
		s := scrub{position: position, done: make(chan scrubbed, 1)}
		if !send(ctx, v.scrub, s) {
			return 0, ctx.Err()
		}
		done := <-s.done
		at, err = done.at, done.err
		if err == nil {
			break
		}
		if errors.Is(err, errNoFile) {
			continue // it failed meanwhile: its status says how it goes on
		}
		if !errors.Is(err, errBusy) || !pause(ctx, confirmAgain) {
			return 0, err
		}
	}
	for _, b := range builds {
		select {
		case <-b.over:
		case <-ctx.Done():
			return 0, fmt.Errorf("waiting for a file that is being built (%s): %w", b.doing, ctx.Err())
		}
	}
	for _, old := range v.lingering() {
		select {
		case <-old.gone:
		case <-ctx.Done():
			return 0, fmt.Errorf("waiting for the readers of its former file: %w", ctx.Err())
		}
	}
	return at, v.leftovers(r)
}

func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// scrub asks a view's goroutine to leave nothing behind of what it has
// deleted, if it has not done so since the position.
type scrub struct {
	position eventstore.Position
	done     chan scrubbed
}

type scrubbed struct {
	at  eventstore.Position
	err error
}

// errNoFile: the view has failed and has no file to write to.
var errNoFile = errors.New("the view has no file")

// clean answers a scrub. It runs in the view's goroutine.
func (v *view) clean(position eventstore.Position) scrubbed {
	if v.file == nil {
		return scrubbed{err: errNoFile}
	}
	if v.cleaned < position {
		if err := v.file.scrub(); err != nil {
			if damaged(err) {
				v.giveUp(err)
			}
			return scrubbed{err: err}
		}
		v.cleaned = v.file.at.position
	}
	return scrubbed{at: v.cleaned}
}

// lingering are the readers of exchanged files that somebody still reads.
func (v *view) lingering() []*reader {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.former = slices.DeleteFunc(v.former, (*reader).isGone)
	return slices.Clone(v.former)
}

// leftovers removes files that should be gone and are not.
func (v *view) leftovers(r *Runner) error {
	found, err := v.dir.numbers()
	if err != nil {
		return err
	}
	var errs []error
	for _, n := range found {
		path := v.dir.file(n)
		if !v.uses(r, path) {
			errs = append(errs, removeFile(path))
		}
	}
	return errors.Join(errs...)
}

// uses reports whether a file is in use or about to be. The builds are asked
// first: one that ends in between is the live file by then.
func (v *view) uses(r *Runner, path string) bool {
	if slices.ContainsFunc(r.buildsOf(v), func(b *build) bool { return v.dir.file(b.number) == path }) {
		return true
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.reader == nil || v.reader.path == path ||
		slices.ContainsFunc(v.former, func(old *reader) bool { return old.path == path && !old.isGone() })
}
