package app

import (
	"context"

	"lethe/eventstore"
	"lethe/projections"
	"lethe/projections/accesses"
	"lethe/projections/consents"
	"lethe/projections/customers"
	"lethe/projections/erasures"
	"lethe/projections/history"
	"lethe/projections/imports"
)

// Views is the read side: the runner and each view's queries.
type Views struct {
	*projections.Runner
	Customers customers.Queries
	Consents  consents.Queries
	History   history.Queries
	Accesses  accesses.Queries
	Imports   imports.Queries
	Erasures  erasures.Queries
}

func allViews() []projections.Projection {
	return []projections.Projection{customers.View{}, consents.View{}, history.View{}, accesses.View{}, imports.View{}, erasures.View{}}
}

func viewMark(ctx context.Context, dir string) eventstore.Position {
	return projections.Mark(ctx, dir, allViews()...)
}

func (a *App) openViews(ctx context.Context, dir string) (*Views, error) {
	runner, err := projections.Open(ctx, projections.Options{
		Dir: dir, Store: a.Store, Decoder: a.Codec, Projections: allViews(), Logger: a.Log,
		Report: func(d projections.Difference) { a.report("view " + d.View + ": " + d.What) },
	})
	if err != nil {
		return nil, err
	}
	return &Views{
		Runner:    runner,
		Customers: customers.Queries{Source: runner}, Consents: consents.Queries{Source: runner},
		History: history.Queries{Source: runner}, Accesses: accesses.Queries{Source: runner},
		Imports: imports.Queries{Source: runner}, Erasures: erasures.Queries{Source: runner},
	}, nil
}
