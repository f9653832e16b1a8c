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

const (
	confirmAgain  = 50 * time.Millisecond // between two tries while a view is read
	scrubPatience = 50                    // milliseconds that a view stands still for its readers
)

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
	if at, err = r.cleaned(ctx, v, position); err != nil {
		return 0, err
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

// cleaned waits until the live file holds nothing of what was erased.
func (r *Runner) cleaned(ctx context.Context, v *view, position eventstore.Position) (eventstore.Position, error) {
	ask := scrub{position: position, done: make(chan scrubbed, 1)}
	for {
		if err := r.WaitFor(ctx, v.projection.Name(), position); err != nil {
			return 0, err
		}
		if !send(ctx, v.scrub, ask) {
			return 0, ctx.Err()
		}
		switch done := <-ask.done; {
		case done.err == nil:
			return done.at, nil
		case errors.Is(done.err, errNoFile): // it failed meanwhile: its status says how it goes on
		case errors.Is(done.err, errUnswept):
			var err error
			if ask.pages, err = v.sweep(ctx); err != nil {
				return 0, err
			}
			ask.swept = true
		case !errors.Is(done.err, errBusy) || !pause(ctx, confirmAgain):
			return 0, done.err
		}
	}
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
	swept    bool     // the whole file was looked at:
	pages    []uint32 // these have something to wipe
	done     chan scrubbed
}

type scrubbed struct {
	at  eventstore.Position
	err error
}

var (
	// errNoFile: the view has failed and has no file to write to.
	errNoFile = errors.New("the view has no file")
	// errUnswept: the file was written by an earlier process, which may have
	// left anything in it.
	errUnswept = errors.New("the view's file was not swept yet")
)

// clean answers a scrub. It runs in the view's goroutine.
func (v *view) clean(s scrub) scrubbed {
	switch {
	case v.file == nil:
		return scrubbed{err: errNoFile}
	case !v.swept && !s.swept:
		return scrubbed{err: errUnswept}
	case v.cleaned < s.position:
		var err error
		if !v.swept {
			err = v.file.wipe(s.pages)
			v.swept = err == nil
		}
		if err == nil {
			err = v.file.checkpoint(scrubPatience)
		}
		if damaged(err) {
			v.giveUp(err)
		}
		if err != nil {
			return scrubbed{err: err}
		}
		v.cleaned = v.file.at.position
	}
	return scrubbed{at: v.cleaned}
}

// sweep lists the pages that have something to wipe, beside the view's
// goroutine: it takes as long as reading the whole file does. What is written
// meanwhile goes through the write-ahead log, which is looked at anyway.
func (v *view) sweep(ctx context.Context) (pages []uint32, err error) {
	handle, err := v.lend()
	if err != nil {
		return nil, err
	}
	err = handle.read(ctx, func(q Querier) error {
		pages, err = slackPages(ctx, q)
		return err
	})
	return pages, errors.Join(err, handle.leave())
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
