package audit

import (
	"context"
	"fmt"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"lethe/eventstore"
)

// run is one audit under way.
type run struct {
	Options
	req   Request
	begun Begun
	found findings
	done  []Step

	tellMu sync.Mutex
	tell   func(Line)

	// What the log step hands to the others.
	tree     *tree
	pins     pinned
	total    uint64              // events that the log was seen to have
	digests  map[string]Unit     // of full, sealed sections that fit
	faults   []eventstore.Fault  // of the store's own files
	indexing time.Duration       // that comparing the store's index took
	verified *Checkpoint         // the newest that fits
	damaged  map[string]struct{} // sections with faults
}

func newRun(o Options, req Request, tell func(Line)) *run {
	if tell == nil {
		tell = func(Line) {}
	}
	return &run{
		Options: o, req: req, tell: tell, begun: Begun{Origin: o.Seal.Origin(), Version: o.Version},
		digests: map[string]Unit{}, damaged: map[string]struct{}{},
	}
}

func (r *run) line(l Line) {
	r.tellMu.Lock()
	defer r.tellMu.Unlock()
	r.tell(l)
}

func (r *run) progress(step string, done, total uint64) {
	r.line(Line{Progress: &Progress{Step: step, Done: done, Total: total}})
}

// reporter gives what takes the findings of a step.
func (r *run) reporter(step string) func(Finding) {
	return func(f Finding) {
		f.Step = step
		r.found.add(f)
	}
}

// step runs one step and notes what became of it.
func (r *run) step(ctx context.Context, name, of string, do func(context.Context, *Step) error) error {
	s := Step{Name: name, Of: of}
	begun := r.Now()
	err := do(ctx, &s)
	s.Seconds += r.Now().Sub(begun).Seconds()
	s.Findings = r.found.of(name)
	r.done = append(r.done, s)
	kept, _ := r.found.all()
	for i := range kept {
		if kept[i].Step == name {
			r.line(Line{Finding: &kept[i]})
		}
	}
	if err != nil {
		return fmt.Errorf("step %s: %w", name, err)
	}
	return ctx.Err()
}

func (r *run) result() Result {
	res := Result{LogOnly: r.req.LogOnly, Events: r.total, Checkpoint: r.verified, Steps: r.done}
	if r.tree != nil {
		res.Sealed = min(r.tree.size, r.total)
	}
	res.Findings, res.More = r.found.all()
	for i, s := range res.Steps { // later steps may find for earlier ones
		res.Steps[i].Findings = r.found.of(s.Name)
	}
	res.Clean = len(res.Findings) == 0
	return res
}

// each runs f for 0 to n with the workers.
func (r *run) each(ctx context.Context, n uint64, f func(context.Context, uint64) error) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(r.Workers)
	for i := range n {
		if ctx.Err() != nil {
			break
		}
		g.Go(func() error {
			if err := ctx.Err(); err != nil {
				return err
			}
			return f(ctx, i)
		})
	}
	return g.Wait()
}

const meansOpening = "what could be made good was, when the directory was opened; the message says what is left to do, the program's own log of that time more. " +
	"If nobody stopped the machine hard, find out who changed the files"

// opening repeats what opening the directory survived.
func (r *run) opening(_ context.Context, s *Step) error {
	report := r.reporter(StepOpening)
	for _, what := range r.Reports() {
		s.Checked++
		report(Finding{Where: "the data directory", What: what, Means: meansOpening, Mended: true, at: s.Checked})
	}
	return nil
}
