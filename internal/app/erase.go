package app

import (
	"context"
	"fmt"
	"time"

	"lethe/domain"
	"lethe/domain/subject"
	"lethe/eventstore"
	"lethe/internal/erasure"
	"lethe/internal/keyring"
	"lethe/projections/erasures"
)

// openErasures makes the process that carries out erasures.
func (a *App) openErasures() {
	marks := keyring.MarkSource
	if a.Config.Erasure.Contacts {
		marks |= keyring.MarkContact | keyring.MarkObjection // everything that goes objects to marketing too
	}
	a.Erasures = &erasure.Process{
		Ledger: a.Ledger, Keys: a.Keys, Todo: todo{a.Views.Erasures}, System: System, Log: a.Log, Marks: marks,
		Sinks: []erasure.Sink{viewSink{a.Views, a.Ledger.Now}, lookupSink{a}},
	}
}

// todo is what the erasures view tells.
type todo struct{ erasures.Queries }

func (t todo) Due(ctx context.Context, now time.Time, limit int) ([]erasure.Item, error) {
	return pages(limit, func(after eventstore.Position, n int) ([]erasures.Erasure, error) {
		return t.Queries.Due(ctx, now, after, n)
	})
}

func (t todo) Started(ctx context.Context, limit int) ([]erasure.Item, error) {
	return pages(limit, func(after eventstore.Position, n int) ([]erasures.Erasure, error) {
		return t.Queries.Started(ctx, after, n)
	})
}

// pages reads page after page until there are enough.
func pages(limit int, read func(after eventstore.Position, n int) ([]erasures.Erasure, error)) (items []erasure.Item, err error) {
	for after := eventstore.Position(0); len(items) < limit; {
		rows, err := read(after, limit-len(items))
		if err != nil || len(rows) == 0 {
			return items, err
		}
		for _, r := range rows {
			items = append(items, erasure.Item{Token: r.Token, Erasure: r.ID})
		}
		after = rows[len(rows)-1].Position
	}
	return items, nil
}

func (t todo) Waiting(ctx context.Context, now time.Time, limit int) ([]domain.Token, error) {
	rows, err := t.Queries.Waiting(ctx, now, erasures.Cursor{}, limit)
	var tokens []domain.Token
	for _, r := range rows {
		tokens = append(tokens, r.Token)
	}
	return tokens, err
}

// viewSink is the views: they have applied the start, and hold none of the
// sealed bytes any more.
type viewSink struct {
	views *Views
	now   func() time.Time
}

// Confirm implements erasure.Sink.
func (s viewSink) Confirm(ctx context.Context, upTo eventstore.Position, _ []erasure.Item) ([]subject.SinkConfirmed, error) {
	confirmed, err := s.views.Confirm(ctx, upTo)
	if err != nil {
		return nil, fmt.Errorf("confirming the views: %w", err)
	}
	var said []subject.SinkConfirmed
	for _, c := range confirmed {
		said = append(said, subject.SinkConfirmed{
			Sink: domain.Name("view." + c.View), Guarantee: subject.Destroyed, Position: uint64(c.Position), At: s.now(),
		})
	}
	return said, nil
}

// lookupSink is the blind index: no row of what was erased is left in it.
type lookupSink struct{ *App }

// Confirm implements erasure.Sink.
func (s lookupSink) Confirm(ctx context.Context, upTo eventstore.Position, of []erasure.Item) ([]subject.SinkConfirmed, error) {
	for _, it := range of {
		if err := s.pruneToken(ctx, it.Token); err != nil {
			return nil, fmt.Errorf("confirming the lookup: %w", err)
		}
	}
	if err := s.Keys.CutLookup(ctx); err != nil {
		return nil, fmt.Errorf("confirming the lookup: %w", err)
	}
	return []subject.SinkConfirmed{{Sink: "lookup", Guarantee: subject.Destroyed, Position: uint64(upTo), At: s.Ledger.Now()}}, nil
}

// requeue orders the erasure of what a hold or a restriction had kept, when it
// ends: it is lifted, or the link goes by which it bound a record. What had
// ended before the erasure itself did is seen at that erasure's end.
func (a *App) requeue(ctx context.Context, rec domain.Recorded) error {
	token, err := domain.ParseToken(tokenOf(rec.Stream))
	if err != nil {
		return err
	}
	people := []domain.Token{token}
	if e, ok := rec.Event.(*subject.LinkUndone); ok {
		people = append(people, e.Other)
	}
	for _, of := range people {
		linked, err := a.Door.Linked(ctx, of) // a hold binds all records of a person
		if err != nil {
			return err
		}
		for _, of := range append([]domain.Token{of}, linked...) {
			if _, err := a.Erasures.Requeue(ctx, of); err != nil {
				return err
			}
		}
	}
	return nil
}

// reopen makes the keys of a new lifecycle, in case that its command was cut
// off before it did.
func (a *App) reopen(ctx context.Context, rec domain.Recorded) error {
	token, err := domain.ParseToken(tokenOf(rec.Stream))
	if err != nil {
		return err
	}
	return a.Ledger.Reopen(ctx, token)
}
