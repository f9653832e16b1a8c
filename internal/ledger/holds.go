package ledger

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"lethe/domain"
	"lethe/domain/operations"
	"lethe/domain/subject"
	"lethe/eventstore"
)

// HoldsOn lists the holds for groups of people that bind a person now: what an
// erasure of theirs is weighed with from outside their record.
func (l *Ledger) HoldsOn(ctx context.Context, token domain.Token) ([]subject.OutsideHold, error) {
	person, err := l.Subject(ctx, token)
	if err != nil {
		return nil, err
	}
	state, err := l.Operations(ctx)
	return state.HoldsOn(person), err
}

// FanOutHolds copies the holds for groups of people that bind a person to the
// person's own record, for the retention groups named (none: for all). Call it
// for the groups that an erasure is about, before anything of the person is
// destroyed and before it is weighed for the last time: what the copies keep is
// then kept by the record itself, and releasing the hold is an event on it.
// A copy that is there is not written again. It returns how many were written.
//
// A hold that is released meanwhile is released here too: who released it may
// have looked before the copy was there.
func (l *Ledger) FanOutHolds(ctx context.Context, by domain.ID, token domain.Token, groups ...domain.Name) (int, error) {
	binding, err := l.HoldsOn(ctx, token)
	if err != nil {
		return 0, fmt.Errorf("copying holds: %w", err)
	}
	var copies []subject.Command
	for _, h := range binding {
		if len(groups) == 0 || slices.Contains(groups, h.Group) {
			copies = append(copies, subject.PlaceHold{
				Hold: h.Hold, Group: h.Group, Purpose: h.Purpose, Review: h.Review, Mirror: true,
			})
		}
	}
	if copies == nil {
		return 0, nil
	}
	out, err := l.On(ctx, Request{Principal: by}, token, subject.Env{Officer: true}, copies...)
	if err != nil {
		return 0, fmt.Errorf("copying holds: %w", err)
	}
	state, err := l.Operations(ctx)
	if err != nil {
		return 0, fmt.Errorf("copying holds: %w", err)
	}
	for _, h := range binding {
		if now, ok := state.GroupHold(h.Hold); ok && !now.Released.IsZero() {
			if err := l.releaseCopy(ctx, by, token, h.Hold, domain.ID{}); err != nil {
				return 0, err
			}
		}
	}
	return out.Events, nil
}

// ReleaseCopies releases a hold's copies on people's records after it was
// released itself. cause is the event that released it. It reads the log from
// where the hold was placed; copies that are released already stay so.
func (l *Ledger) ReleaseCopies(ctx context.Context, by domain.ID, hold, cause domain.ID) error {
	state, err := l.Operations(ctx)
	if err != nil {
		return fmt.Errorf("releasing copies of a hold: %w", err)
	}
	h, ok := state.GroupHold(hold)
	if !ok || h.Released.IsZero() {
		return nil
	}
	for rec, err := range l.store.ReadAll(ctx, eventstore.Position(h.Position)) {
		if err != nil {
			return fmt.Errorf("looking for copies of a hold: %w", err)
		}
		if rec.Type != "HoldPlaced" {
			continue
		}
		d, err := l.codec.Decode(rec)
		if err != nil {
			return fmt.Errorf("decoding stream %s: %w", rec.Stream, err)
		}
		if e, ok := d.Event.(*subject.HoldPlaced); ok && e.Mirror && e.Hold == hold {
			token := domain.Token(strings.TrimPrefix(d.Stream, "subject-"))
			if err := l.releaseCopy(ctx, by, token, hold, cause); err != nil {
				return err
			}
		}
	}
	return nil
}

func (l *Ledger) releaseCopy(ctx context.Context, by domain.ID, token domain.Token, hold, cause domain.ID) error {
	_, err := l.On(ctx, Request{Principal: by, Causation: cause}, token, subject.Env{Officer: true},
		subject.ReleaseHold{Hold: hold, Mirror: true})
	if err != nil {
		return fmt.Errorf("releasing the copy of a hold: %w", err)
	}
	return nil
}

// judged gives a command what it is judged by besides the stream.
func (l *Ledger) judged(ctx context.Context, c operations.Command) (operations.Command, error) {
	place, ok := c.(operations.PlaceGroupHold)
	if !ok {
		return c, nil
	}
	var err error
	if place.Catalogue, err = l.Catalogue(ctx); err != nil {
		return nil, unavailable(err)
	}
	if place.Import.IsZero() {
		return place, nil
	}
	imported, err := l.Import(ctx, place.Import)
	if err != nil {
		return nil, unavailable(err)
	}
	if imported == nil {
		return nil, domain.NotFound("import.unknown", "import", "there is no such import: list them to find its ID")
	}
	return place, nil
}
