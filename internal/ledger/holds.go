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

// HoldsOn lists the holds for groups of people that bind a record now.
func (l *Ledger) HoldsOn(ctx context.Context, token domain.Token) ([]subject.OutsideHold, error) {
	return l.groupHolds(ctx, token, nil)
}

// groupHolds lists the holds for groups of people that bind a person now, in
// any of the person's records: denials of linked records unite.
func (l *Ledger) groupHolds(ctx context.Context, token domain.Token, linked []domain.Token) ([]subject.OutsideHold, error) {
	state, err := l.Operations(ctx)
	if err != nil || len(state.GroupHolds()) == 0 {
		return nil, err
	}
	var binding []subject.OutsideHold
	for _, of := range append([]domain.Token{token}, linked...) {
		record, err := l.Subject(ctx, of)
		if err != nil {
			return nil, err
		}
		for _, h := range state.HoldsOn(record) {
			if !slices.Contains(binding, h) {
				binding = append(binding, h)
			}
		}
	}
	return binding, nil
}

// FanOutHolds copies the holds for groups of people that bind a person, by this
// record or a linked one, to this record, for the retention groups named (none:
// for all). It comes before anything of the person is destroyed: what the
// copies keep is then kept by the record itself, and releasing the hold is an
// event on it. A copy that is there is not written again. It returns how many
// were written.
//
// A hold that is released meanwhile is released here too: who released it may
// have looked before the copy was there.
func (l *Ledger) FanOutHolds(
	ctx context.Context, by domain.ID, token domain.Token, linked []domain.Token, groups ...domain.Name,
) (int, error) {
	binding, err := l.groupHolds(ctx, token, linked)
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

// operate decides a command on operations. A hold for a group of people is
// placed while no erasure starts: it is before a start, which then has seen it,
// or behind it. One process writes a ledger, so that a lock is enough.
func (l *Ledger) operate(ctx context.Context, req Request, c operations.Command) (Outcome, error) {
	if _, places := c.(operations.PlaceGroupHold); places {
		l.holding.Lock()
		defer l.holding.Unlock()
	}
	return Execute(ctx, l, ops, operations.Stream, req, func(s *operations.State) ([]Draft, error) {
		events, err := operations.Decide(s, l.Now(), c)
		return plain(events), err
	})
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
