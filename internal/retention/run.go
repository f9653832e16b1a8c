package retention

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"lethe/domain"
	"lethe/domain/subject"
	"lethe/internal/ledger"
)

// Request is one run.
type Request struct {
	By       domain.ID
	After    domain.Token  // only the people behind this one
	Grace    time.Duration // of the erasures
	DryRun   bool          // order nothing
	Progress func(Tally)   // so far; from one goroutine
}

// Tally is what a run has done.
type Tally struct {
	Total    uint64       `json:"total"`    // people there are
	Looked   uint64       `json:"looked"`   // people
	People   uint64       `json:"people"`   // of whom something was overdue
	Ordered  uint64       `json:"ordered"`  // erasures; of a dry run, those that would be
	Values   uint64       `json:"values"`   // single values that go
	Groups   uint64       `json:"groups"`   // groups of which only what was replaced or removed was left
	Kept     uint64       `json:"kept"`     // values and groups that a hold or the person's wish keeps
	Underway uint64       `json:"underway"` // people of whom another erasure is under way: run again
	After    domain.Token `json:"after,omitzero"`
	DryRun   bool         `json:"dry_run,omitzero"`
}

// Run orders the erasure of all that is overdue. It is cut off by ctx; Tally
// then says behind whom to go on. Running again from the start orders what is
// left, too.
func (j *Job) Run(ctx context.Context, req Request) (Tally, error) {
	r := Tally{After: req.After, DryRun: req.DryRun}
	total, err := j.Count(ctx)
	if err != nil {
		return r, fmt.Errorf("counting people: %w", err)
	}
	r.Total = total
	for {
		found, looked, last, err := j.Look(ctx, r.After, cmp.Or(j.page, pageSize))
		if err != nil {
			return r, err
		}
		done, err := j.order(ctx, req, found)
		if err != nil {
			return r, err
		}
		done.add(&r)
		r.Looked += uint64(looked) //nolint:gosec // a page
		r.After = last
		if req.Progress != nil {
			req.Progress(r)
		}
		if done.Ordered > 0 && !req.DryRun {
			j.Wake()
		}
		if last == "" {
			return r, nil
		}
	}
}

// add adds what one page did.
func (r *Tally) add(to *Tally) {
	to.People += r.People
	to.Ordered += r.Ordered
	to.Values += r.Values
	to.Groups += r.Groups
	to.Kept += r.Kept
	to.Underway += r.Underway
}

func (j *Job) order(ctx context.Context, req Request, found []Person) (r Tally, err error) {
	reports := make([]Tally, len(found))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(parallel)
	for i := range found {
		g.Go(func() (err error) {
			reports[i], err = j.one(ctx, req, &found[i])
			return err
		})
	}
	err = g.Wait()
	for i := range reports {
		reports[i].add(&r)
	}
	return r, err
}

// one orders what one person's record is rid of.
func (j *Job) one(ctx context.Context, req Request, p *Person) (Tally, error) {
	r := Tally{People: 1}
	for _, x := range p.Overdue {
		if x.Stays != "" {
			r.Kept++
		}
	}
	scope := subject.ScopeOf(p.Overdue)
	switch {
	case !p.Underway.IsZero():
		r.Underway++
		return r, nil
	case scope.Empty():
		return r, nil
	case !req.DryRun:
		ordered, err := j.send(ctx, req, p, scope)
		if err != nil || !ordered {
			return r, err
		}
	}
	r.Ordered++
	r.Values, r.Groups = uint64(len(scope.Values)), uint64(len(scope.Superseded))
	return r, nil
}

// send orders; false when the record changed meanwhile, so that nothing goes or
// another erasure comes first.
func (j *Job) send(ctx context.Context, req Request, p *Person, scope subject.Scope) (bool, error) {
	var id domain.ID
	if _, err := io.ReadFull(j.Rand, id[:]); err != nil {
		return false, domain.Internal("drawing an erasure's ID", err)
	}
	id[6], id[8] = id[6]&0x0f|0x40, id[8]&0x3f|0x80 // UUID version 4
	_, err := j.Ledger.OrderErasure(ctx, ledger.Request{Principal: req.By}, p.Token, subject.OrderErasure{
		Erasure: id, Cause: subject.OnRetention, Ground: subject.NotNecessary, By: subject.Controller,
		Scope: scope, Grace: req.Grace, Linked: slices.Clone(p.linked),
	})
	refused, ok := domain.AsError(err)
	switch {
	case ok && (refused.Kind == domain.KindConflict || refused.Kind == domain.KindNotFound):
		return false, nil
	case err != nil:
		return false, fmt.Errorf("ordering an erasure by retention: %w", err)
	}
	return true, nil
}
