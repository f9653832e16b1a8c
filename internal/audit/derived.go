package audit

import (
	"context"
	"fmt"

	"lethe/eventstore"
	"lethe/internal/keyring"
	"lethe/projections"
)

// store reports what the log step found of the store's index and small files:
// it reads the log once for both.
func (r *run) store(_ context.Context, s *Step) error {
	report := r.reporter(StepStore)
	for _, f := range r.faults {
		report(ofStore(f))
	}
	s.Checked, s.Seconds = r.Store.Stats().Streams, r.indexing.Seconds()
	return nil
}

// keys checks the key store, the lookup and the signing keys.
func (r *run) keys(ctx context.Context, s *Step) error {
	report := r.reporter(StepKeys)
	err := r.Keys.Check(ctx, func(f keyring.Finding) {
		report(Finding{Where: f.File + ", " + f.Where, What: f.What, Means: f.Means})
	}, func(done, total uint64) {
		s.Checked = done
		r.progress(StepKeys, done, total)
	})
	if err != nil {
		return err
	}
	if err := r.Seal.CheckKeys(); err != nil {
		report(Finding{
			Where: "keys/log-keys", What: err.Error(),
			Means: "the next start cannot sign: put the file back from the key store's backup while the program is stopped",
		})
	}
	return nil
}

// views compares every view with a fold of the log, one after the other.
func (r *run) views(ctx context.Context, s *Step) error {
	report := r.reporter(StepViews)
	all := r.Views.Status()
	for i, v := range all {
		at := r.positionOf(v.Name)
		unit, comparable, err := r.viewUnit(ctx, v)
		if err != nil {
			return err
		}
		s.Checked++
		if comparable && r.unchanged(unit) {
			s.Skipped++
			r.line(Line{Clean: &unit})
			continue
		}
		differs := false
		err = r.Views.Compare(ctx, v.Name, func(p projections.Progress) {
			r.progress(StepViews, uint64(i)*p.Total+p.Done, uint64(len(all))*p.Total)
		}, func(d projections.Difference) {
			differs = true
			report(ofView(d))
		})
		if err != nil {
			if ctx.Err() != nil {
				return err
			}
			report(Finding{
				Where: "views/" + v.Name, What: "it cannot be compared: " + err.Error(),
				Means: "if the log was found damaged, see to that first; else rebuild the view (`lethe projections rebuild " + v.Name + "`)",
			})
			continue
		}
		if comparable && !differs && r.positionOf(v.Name) == at { // nothing was written in between
			r.line(Line{Clean: &unit})
		}
	}
	return nil
}

func ofView(d projections.Difference) Finding {
	where := "views/" + d.View
	if d.Table != "" {
		where += ", " + d.Table
	}
	if d.Key != "" {
		where += " " + d.Key
	}
	return Finding{
		Where: where, What: d.What,
		Means: fmt.Sprintf("answers from this view can be wrong, decisions are not: nothing is decided by a view. Rebuild it (`lethe projections rebuild %s`)", d.View),
	}
}

func (r *run) positionOf(view string) (at eventstore.Position) {
	for _, v := range r.Views.Status() {
		if v.Name == view {
			at = v.Position
		}
	}
	return at
}

// viewUnit names what makes a view be what it is: its rows, and the sealed
// events that they follow from. It is false when nobody keeps units, or when
// the view has seen events that are not sealed.
func (r *run) viewUnit(ctx context.Context, v projections.Status) (u Unit, ok bool, err error) {
	if r.req.Known == nil || r.found.of(StepLog)+r.found.of(StepCheckpoints) > 0 || !v.Serving || v.Position == 0 {
		return u, false, nil
	}
	of, err := r.Views.Fingerprint(ctx, v.Name)
	if err != nil {
		return u, false, ctx.Err() // what is wrong with it is found when it is compared
	}
	if after := r.Store.CountAfter(of.Position); r.Store.Stats().Events-after > r.tree.size {
		return u, false, nil
	}
	u = Unit{View: v.Name, Position: of.Position, Digest: of.Digest[:], Sealed: r.tree.size}
	root, err := r.tree.rootAt(u.Sealed)
	u.Root = root[:]
	return u, err == nil, nil
}
