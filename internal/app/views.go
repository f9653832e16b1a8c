package app

import (
	"context"
	"log/slog"

	"lethe/eventstore"
	"lethe/projections"
	"lethe/projections/accesses"
	"lethe/projections/consents"
	"lethe/projections/customers"
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
}

func allViews() []projections.Projection {
	return []projections.Projection{customers.View{}, consents.View{}, history.View{}, accesses.View{}, imports.View{}}
}

func viewMark(ctx context.Context, dir string) eventstore.Position {
	return projections.Mark(ctx, dir, allViews()...)
}

func openViews(
	ctx context.Context, dir string, store eventstore.Store, decoder projections.Decoder, log *slog.Logger,
) (*Views, error) {
	runner, err := projections.Open(ctx, projections.Options{
		Dir: dir, Store: store, Decoder: decoder, Projections: allViews(), Logger: log,
	})
	if err != nil {
		return nil, err
	}
	return &Views{
		Runner:    runner,
		Customers: customers.Queries{Source: runner}, Consents: consents.Queries{Source: runner},
		History: history.Queries{Source: runner}, Accesses: accesses.Queries{Source: runner},
		Imports: imports.Queries{Source: runner},
	}, nil
}
