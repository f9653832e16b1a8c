package projections

import (
	"context"
	"errors"
	"fmt"

	"lethe/eventstore"
)

// Difference is something in a view's file that does not follow from the log.
// It names tables, columns and keys (tokens, positions, catalogue names), and
// repeats no other value of a row.
type Difference struct {
	View  string `json:"view"`
	Table string `json:"table,omitempty"` // empty: the file as a whole
	Key   string `json:"key,omitempty"`   // the row's key, its columns joined by a space; bytes in hex
	What  string `json:"what"`
}

// Compare folds the whole log anew, into a file beside the live one, and
// compares every row of one consistent state of the live file with it, and
// its schema, checkpoint, pages and indexes with what they must be. The live
// view serves and follows on meanwhile. report gets each difference, from one
// goroutine; memory does not grow with the view. progress, which may be nil,
// tells of the fold.
//
// Damage of the file itself, pages or schema, is mended by a rebuild
// afterwards, as Check does;
// rows that are wrong stay until somebody rebuilds the view. An error says
// that the comparison is not complete. The fold waits for a rebuild under way,
// and the next one waits for it. The file beside is removed; what a killed
// process leaves is removed by the next Open.
func (r *Runner) Compare(ctx context.Context, name string, progress func(Progress), report func(Difference)) error {
	v, err := r.view(name)
	if err != nil {
		return err
	}
	ctx, leave, err := r.within(ctx)
	if err != nil {
		return err
	}
	defer leave()
	b, err := r.foldAside(ctx, v, progress)
	if err != nil {
		return err
	}
	defer r.forget(b)
	b.fail(r.compareWith(ctx, b, report))
	return errors.Join(b.err, b.discard())
}

// foldAside folds the log, as it is now, into a file that does not become the
// view. It does not wait for the view, which may itself wait for a rebuild.
func (r *Runner) foldAside(ctx context.Context, v *view, progress func(Progress)) (*build, error) {
	if !send(ctx, r.building, struct{}{}) {
		return nil, ctx.Err()
	}
	defer func() { <-r.building }()
	b := r.newBuild(v, "comparing")
	b.create(ctx)
	r.load(ctx, []*build{b}, r.teller(progress))
	if b.err != nil {
		r.forget(b)
	}
	return b, b.err
}

// teller tells of a fold that does not become the view.
func (r *Runner) teller(progress func(Progress)) func(*build) {
	if progress == nil {
		return func(*build) {}
	}
	total := r.total()
	return func(b *build) {
		progress(Progress{View: b.view.projection.Name(), Done: b.done, Total: total})
	}
}

// discard takes away a file that was folded to compare with.
func (b *build) discard() error {
	if b.file == nil {
		return nil
	}
	f := b.file
	b.file = nil
	return errors.Join(f.close(), removeFile(f.path))
}

// compareWith compares the view with a file that is folded up to about now.
func (r *Runner) compareWith(ctx context.Context, b *build, report func(Difference)) error {
	v, f := b.view, b.file
	if err := f.commit(); err != nil {
		return err
	}
	if err := f.finish(); err != nil {
		return err
	}
	if err := r.WaitFor(ctx, v.projection.Name(), f.at.position); err != nil {
		return err
	}
	handle, err := v.lend()
	if err != nil {
		return err
	}
	fresh, err := openReader(handle.path) // without pages that were read earlier
	if err != nil {
		return errors.Join(err, handle.leave())
	}
	c := &comparison{runner: r, view: v.projection, fold: f, report: report}
	err = fresh.read(ctx, func(q Querier) error { return c.run(ctx, q) })
	var unread *unreadable
	if damaged(err) || errors.As(err, &unread) && ctx.Err() == nil {
		c.damage("", "the file cannot be read on: "+err.Error())
		err = nil
	}
	err = errors.Join(err, fresh.db.Close(), handle.leave())
	if c.broken {
		v.fail(fmt.Errorf("comparing the view: %w", errDamaged))
	}
	return err
}

// comparison of one state of a live file with a fold.
type comparison struct {
	runner *Runner
	view   Projection
	live   Querier
	fold   *file
	report func(Difference)
	broken bool // the file itself is not sound
}

func (c *comparison) tell(table, key, what string) {
	c.report(Difference{View: c.view.Name(), Table: table, Key: key, What: what})
}

func (c *comparison) run(ctx context.Context, live Querier) error {
	c.live = live
	for _, look := range []func(context.Context) error{c.pages, c.schema} {
		if err := look(ctx); err != nil {
			return &unreadable{err}
		}
	}
	if err := c.checkpoint(ctx); err != nil {
		return err
	}
	for _, t := range c.view.Schema().Tables {
		var unread *unreadable
		switch err := c.rows(ctx, t); {
		case errors.As(err, &unread) && ctx.Err() == nil:
			c.damage(t.Name, "the table cannot be read on: "+unread.Error())
		case err != nil:
			return fmt.Errorf("comparing table %s: %w", t.Name, err)
		}
	}
	return nil
}

// unreadable is an error of the live file, as opposed to one of the fold.
type unreadable struct{ err error }

func (e *unreadable) Error() string { return e.err.Error() }

func (e *unreadable) Unwrap() error { return e.err }

// checkpoint compares the view's checkpoint with the log and brings the fold to
// the same place. Events of no concern may lie between them; others may not.
func (c *comparison) checkpoint(ctx context.Context) error {
	at, schema, err := readCheckpoint(ctx, c.live, c.view.Name())
	if err != nil {
		return err
	}
	if schema != c.view.Schema().Version {
		c.tell(checkpointTable.Name, "1", fmt.Sprintf("it is of schema version %d instead of %d", schema, c.view.Schema().Version))
	}
	switch err := c.runner.onLog(ctx, at); {
	case errors.Is(err, errNotOnLog):
		c.tell(checkpointTable.Name, "1", "its event is not on the log at position "+at.position.String())
	case err != nil:
		return err
	}
	if at.position > c.fold.at.position {
		return c.foldUpTo(ctx, at.position)
	}
	return c.requireNothingBetween(ctx, at.position)
}

func (c *comparison) foldUpTo(ctx context.Context, position eventstore.Position) error {
	feed := c.runner.feed([]*view{c.runner.byName[c.view.Name()]})
	feed.until = position
	if err := feed.run(ctx, c.fold.at.position, c.fold.take); err != nil {
		return err
	}
	return errors.Join(c.fold.commit(), c.fold.finish())
}

// requireNothingBetween looks for events that the view has folded, by its own
// word to those who wait for it, and that its checkpoint does not cover.
func (c *comparison) requireNothingBetween(ctx context.Context, position eventstore.Position) error {
	for e, err := range c.runner.opts.Store.ReadAll(ctx, position) {
		if err != nil {
			return err
		}
		if e.Position > c.fold.at.position {
			return nil
		}
		if c.fold.wants[e.Type] {
			c.tell(checkpointTable.Name, "1", "it lies at position "+position.String()+", before events that the view has folded")
			return nil
		}
	}
	return nil
}
