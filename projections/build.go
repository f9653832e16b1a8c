package projections

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"

	"lethe/eventstore"
	"lethe/internal/room"
	"lethe/internal/slack"
)

// bulkEvents is how many events a build folds into one transaction.
const bulkEvents = 50_000

// nearEvents is how close a build comes to the log's end by itself. The rest
// it folds while the live view waits.
const nearEvents = 2_000

// maxPasses bounds how often it tries to come close to a log that grows as
// fast as a view can be written.
const maxPasses = 8

// build is a view's new file in the making.
type build struct {
	view   *view
	number int
	doing  string // "rebuilding", for its errors
	file   *file  // nil once it failed and was removed
	in     chan *chunk
	feed   *feed // of its own, to catch up with
	done   uint64
	keep   bool // CURRENT may name the file: it is not ours to remove
	err    error

	over chan struct{} // closed once the file is removed, or live
}

// adoption hands a build to its view's goroutine.
type adoption struct {
	build *build
	done  chan error
}

// Rebuild folds the named views (all when none is named) anew from the whole
// log, into new files beside the live ones, which serve and follow on
// meanwhile; then it exchanges them. The log is read and decoded once for all
// of them. progress, which may be nil, is called from one goroutine at a
// time. One rebuild runs at a time; another call waits. A cancelled or failed
// rebuild leaves the live file as it was and removes its own; one view's
// failure does not stop the others.
func (r *Runner) Rebuild(ctx context.Context, progress func(Progress), names ...string) error {
	views, err := r.named(names)
	if err != nil {
		return err
	}
	ctx, leave, err := r.within(ctx)
	if err != nil {
		return err
	}
	defer leave()
	if !send(ctx, r.building, struct{}{}) {
		return ctx.Err()
	}
	defer func() { <-r.building }()
	if progress == nil {
		progress = func(Progress) {}
	}
	return r.rebuildAll(ctx, views, r.reporter(progress))
}

// within gives a context that ends with the runner. Close waits for leave.
func (r *Runner) within(ctx context.Context) (_ context.Context, leave func(), err error) {
	if err := r.enter(); err != nil {
		return nil, nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	forget := context.AfterFunc(r.ctx, cancel)
	return ctx, func() {
		forget()
		cancel()
		r.wg.Done()
	}, nil
}

func (r *Runner) named(names []string) ([]*view, error) {
	if len(names) == 0 {
		return r.views, nil
	}
	var views []*view
	taken := map[string]bool{}
	for _, name := range names {
		v, err := r.view(name)
		if err != nil {
			return nil, err
		}
		if !taken[name] {
			views = append(views, v)
		}
		taken[name] = true
	}
	return views, nil
}

// reporter notes how far a build is, and tells.
func (r *Runner) reporter(tell func(Progress)) func(*build) {
	total := r.total()
	var mu sync.Mutex
	return func(b *build) {
		p := Progress{View: b.view.projection.Name(), Done: b.done, Total: total}
		b.view.mu.Lock()
		b.view.rebuild = &p
		b.view.announce()
		b.view.mu.Unlock()
		mu.Lock()
		defer mu.Unlock()
		tell(p)
	}
}

// total is how many events the log has; 0 when the store does not count.
func (r *Runner) total() uint64 {
	if s, ok := r.opts.Store.(eventstore.Statser); ok {
		return s.Stats().Events
	}
	return 0
}

func (r *Runner) rebuildAll(ctx context.Context, views []*view, report func(*build)) error {
	builds := make([]*build, len(views))
	for i, v := range views {
		builds[i] = r.newBuild(v, "rebuilding")
		builds[i].create(ctx)
		report(builds[i])
	}
	r.load(ctx, builds, report)
	var wg sync.WaitGroup
	for _, b := range builds {
		wg.Go(func() { b.fail(r.finish(ctx, b)) })
	}
	wg.Wait()
	var errs []error
	for _, b := range builds {
		b.end()
		r.forget(b)
		errs = append(errs, b.err)
	}
	return errors.Join(errs...)
}

// newBuild begins a build of a view. The caller holds building.
func (r *Runner) newBuild(v *view, doing string) *build {
	b := &build{view: v, number: v.next, doing: doing, in: make(chan *chunk, 4), over: make(chan struct{})}
	v.next++
	r.mu.Lock()
	defer r.mu.Unlock()
	r.builds = append(r.builds, b)
	return b
}

// forget ends a build: its file is removed, or live.
func (r *Runner) forget(b *build) {
	r.mu.Lock()
	r.builds = slices.DeleteFunc(r.builds, func(o *build) bool { return o == b })
	r.mu.Unlock()
	close(b.over)
}

// buildsOf lists a view's builds under way.
func (r *Runner) buildsOf(v *view) []*build {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(r.builds), func(b *build) bool { return b.view != v })
}

func (b *build) create(ctx context.Context) {
	path := b.view.dir.file(b.number)
	f, err := createFile(ctx, b.view.projection, b.view.from, path, b.view.dir.hook)
	b.file = f
	if err != nil {
		b.fail(errors.Join(err, removeFile(path)))
		return
	}
	b.fail(b.view.dir.hook("build.created"))
}

// fail notes the first error and takes the unfinished file away.
func (b *build) fail(err error) {
	if err == nil || b.err != nil {
		return
	}
	b.err = fmt.Errorf("%s view %s: %w", b.doing, b.view.projection.Name(), err)
	if b.file != nil {
		b.err = errors.Join(room.Explain(b.file.path, b.err), b.file.close())
		if !b.keep {
			b.err = errors.Join(b.err, removeFile(b.file.path))
		}
		b.file = nil
	}
}

// end tells the view that the rebuild is over.
func (b *build) end() {
	v := b.view
	v.mu.Lock()
	v.rebuild = nil
	if b.err != nil && v.reader == nil {
		v.err = b.err // nothing to serve: the view has failed
	}
	v.announce()
	v.mu.Unlock()
	if b.err != nil && !errors.Is(b.err, context.Canceled) {
		v.log.Error("the rebuild has failed", slog.Any("error", b.err))
	}
}

// load folds the whole log, as it is now, into all builds at once: each in a
// goroutine of its own, every event decoded once.
func (r *Runner) load(ctx context.Context, builds []*build, report func(*build)) {
	var wg sync.WaitGroup
	views := make([]*view, len(builds))
	for i, b := range builds {
		views[i] = b.view
		wg.Go(func() { b.drain(report) })
	}
	err := r.feed(views).run(ctx, 0, func(c *chunk) error {
		for _, b := range builds {
			if !send(ctx, b.in, c) {
				return ctx.Err()
			}
		}
		return nil
	})
	for _, b := range builds {
		close(b.in)
	}
	wg.Wait()
	for _, b := range builds {
		b.fail(err)
	}
}

// drain takes chunks until there are no more, also after a failure, since
// other builds wait for the same ones.
func (b *build) drain(report func(*build)) {
	pending := 0
	for c := range b.in {
		if b.err != nil {
			continue
		}
		b.done += uint64(c.seen)
		pending += c.seen
		err := b.file.take(c)
		if err == nil && pending >= bulkEvents {
			err, pending = b.file.commit(), 0
			report(b)
		}
		b.fail(err)
	}
	if b.err == nil {
		report(b)
	}
}

// finish indexes a loaded build, lets it catch up, and hands it over.
func (r *Runner) finish(ctx context.Context, b *build) error {
	if b.err != nil {
		return b.err
	}
	if err := b.seal(ctx); err != nil {
		return err
	}
	b.feed = r.feed([]*view{b.view})
	for seen, pass := nearEvents, 0; seen >= nearEvents && pass < maxPasses; pass++ {
		var err error
		if seen, err = catchUp(ctx, b.feed, b.file); err != nil {
			return err
		}
	}
	// The view's goroutine may take the file over or give it back; either
	// way it answers.
	a := adoption{build: b, done: make(chan error, 1)}
	if !send(ctx, b.view.adopt, a) {
		return ctx.Err()
	}
	return <-a.done
}

// seal ends bulk mode: indexes, everything on disk, then as a live file is.
func (b *build) seal(ctx context.Context) error {
	f := b.file
	if err := f.commit(); err != nil {
		return err
	}
	if err := b.view.dir.hook("build.loaded"); err != nil {
		return err
	}
	if err := errors.Join(f.index(), f.finish()); err != nil {
		return err
	}
	path := f.path
	b.file = nil
	// Once SQLite has the file open, opening it beside would cost its locks.
	if err := errors.Join(f.close(), syncFile(path)); err != nil {
		return errors.Join(err, removeFile(path))
	}
	pages, err := slack.InFile(path)
	if err != nil {
		return errors.Join(err, removeFile(path))
	}
	next, err := openFile(ctx, b.view.projection, b.view.from, path, b.view.dir.hook)
	if err != nil {
		return errors.Join(err, removeFile(path))
	}
	b.file = next
	if err := next.wipe(pages); err != nil {
		return err
	}
	return b.view.dir.hook("build.indexed")
}

// catchUp folds what the log has beyond the file, as of now.
func catchUp(ctx context.Context, feed *feed, f *file) (seen int, err error) {
	err = feed.run(ctx, f.at.position, func(c *chunk) error {
		seen += c.seen
		if err := f.take(c); err != nil {
			return err
		}
		return f.settle()
	})
	return seen, err
}

// exchange makes the build the view's live file. It runs in the view's
// goroutine, so that no batch comes between; afterwards the file has seen at
// least what the feed has delivered.
func (v *view) exchange(ctx context.Context, b *build) error {
	if _, err := catchUp(ctx, b.feed, b.file); err != nil {
		return err
	}
	f := b.file
	if err := errors.Join(f.commit(), f.checkpoint(1000), syncDir(v.dir.path)); err != nil {
		return err
	}
	if err := v.dir.hook("build.synced"); err != nil {
		return err
	}
	reader, err := openReader(f.path)
	if err != nil {
		return err
	}
	b.keep = true
	if err := v.dir.point(b.number); err != nil {
		return errors.Join(err, reader.retire(false))
	}
	b.file = nil
	v.replace(ctx, f, b.number, reader)
	_ = v.dir.hook("swap.retired") // it is done: nothing can fail any more
	return nil
}

// replace puts the new file in the old one's place. The exchange is done and
// durable by then, so what goes wrong with the old file is only reported.
func (v *view) replace(ctx context.Context, f *file, number int, fresh *reader) {
	oldFile, oldNumber := v.file, v.number
	v.file, v.number, v.cleaned, v.swept = f, number, f.at.position, true
	v.mu.Lock()
	old := v.reader
	if old != nil {
		v.former = append(slices.DeleteFunc(v.former, (*reader).isGone), old)
	}
	v.reader, v.position, v.err = fresh, f.at.position, nil
	v.announce()
	v.mu.Unlock()
	var errs []error
	if oldFile != nil {
		errs = append(errs, oldFile.close())
	}
	switch {
	case old != nil:
		errs = append(errs, old.retire(true))
	case oldNumber > 0:
		errs = append(errs, removeFile(v.dir.file(oldNumber)))
	}
	if err := errors.Join(errs...); err != nil {
		v.log.WarnContext(ctx, "removing the view's old file", slog.Any("error", err))
	}
}
