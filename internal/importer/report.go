package importer

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"

	"lethe/domain"
	"lethe/domain/importing"
	"lethe/internal/keyring"
)

// finish records what became of the rows and closes the import. Each event is
// a command of its own that a repeat is answered for, so an import that is cut
// off here goes on here.
func (r *run) finish(ctx context.Context, b *book) error {
	for i := range b.tables {
		byRule := func(a, b importing.RuleCount) int { return cmp.Compare(a.Rule, b.Rule) }
		slices.SortFunc(b.tables[i].LeftOut, byRule)
		slices.SortFunc(b.tables[i].Findings, byRule)
	}
	if r.job.DryRun {
		return nil
	}
	n := 0
	for chunk := range slices.Chunk(b.refusals, importing.MaxRefusals) {
		if err := r.note(ctx, "refused "+strconv.Itoa(n), importing.RefuseRows{Rows: chunk}); err != nil {
			return err
		}
		n++
	}
	n = 0
	for chunk := range slices.Chunk(b.links, importing.MaxRefusals) {
		if err := r.note(ctx, "linked "+strconv.Itoa(n), importing.ProposeLinks{Links: chunk}); err != nil {
			return err
		}
		n++
	}
	if err := r.note(ctx, "completed", importing.Complete{Tables: b.tables}); err != nil {
		return err
	}
	return r.closeFile(ctx)
}

func (r *run) closeFile(ctx context.Context) error {
	if err := r.Keys.FinishFile(ctx, r.key); err != nil {
		return domain.Internal("closing the file's claim", err)
	}
	return r.crash("file closed")
}

func (r *run) report(b *book) Report {
	rep := Report{Import: r.id, DryRun: r.job.DryRun, System: r.src.System(), Format: r.job.Format, Tables: b.tables, Links: b.links}
	for _, x := range b.refusals {
		rep.list(x)
	}
	return rep.summed()
}

func (rep *Report) list(x importing.Refusal) {
	if x.Conflict {
		rep.Conflicts = append(rep.Conflicts, x)
	} else {
		rep.Refusals = append(rep.Refusals, x)
	}
}

func (rep Report) summed() Report {
	rep.Findings = nil
	for _, t := range rep.Tables {
		for _, f := range t.Findings {
			tally(&rep.Findings, f.Rule, f.Count)
		}
	}
	slices.SortFunc(rep.Findings, func(a, b importing.RuleCount) int { return cmp.Compare(a.Rule, b.Rule) })
	return rep
}

// earlier is the report of the import that a file had, nil when that one was
// cut off before its end.
func (r *run) earlier(ctx context.Context, claim keyring.FileClaim) (*Report, error) {
	rep, err := Recorded(ctx, r.Deps, claim.Import)
	if err != nil || rep == nil {
		return nil, err
	}
	rep.Earlier, rep.DryRun = true, r.job.DryRun
	if !claim.Done && !r.job.DryRun {
		return rep, r.closeFile(ctx)
	}
	return rep, nil
}

// Recorded is the report of an import as its stream has it, nil when there is
// no such import or it did not come to its end.
func Recorded(ctx context.Context, d Deps, id domain.ID) (*Report, error) {
	s, err := d.Ledger.Import(ctx, id)
	if err != nil {
		return nil, fmt.Errorf("reading an import: %w", err)
	}
	if s == nil || s.Started == nil || s.Completed == nil {
		return nil, nil //nolint:nilnil // there is none
	}
	rep := &Report{Import: id, System: s.Started.System, Format: s.Started.Format, Tables: s.Completed.Tables}
	for x := range s.Refused() {
		rep.list(x)
	}
	for l := range s.Links() {
		rep.Links = append(rep.Links, l)
	}
	var first, last time.Time
	err = d.Ledger.Replay(ctx, importing.Stream(id), func(e domain.Recorded) error {
		if first.IsZero() {
			first = e.Recorded
		}
		last = e.Recorded
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("reading an import: %w", err)
	}
	rep.Duration = last.Sub(first)
	*rep = rep.summed()
	return rep, nil
}
