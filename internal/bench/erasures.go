package bench

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"golang.org/x/sync/errgroup"

	"lethe/domain"
	"lethe/domain/subject"
)

// eraseAtMost bounds how long erasures may take that were ordered.
const eraseAtMost = 10 * time.Minute

// erasures measures forgetting people, from the orders to the last completion:
// keys destroyed, every view confirmed, two seconds of settling included.
func (b *bench) erasures(ctx context.Context) (err error) {
	whole := b.app
	defer func() { b.app = whole }()
	if b.app, err = b.open(ctx, "erased"); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.app.Close()) }()
	if err := b.everybody(ctx); err != nil {
		return err
	}
	b.tell("erasing %d people, %d clients", b.People, b.Clients)
	raw, err := b.rawAppends(ctx, b.Clients)
	if err != nil {
		return err
	}
	start := begin()
	group, gctx := errgroup.WithContext(ctx)
	group.SetLimit(b.Clients)
	for i, token := range b.people {
		group.Go(func() error {
			_, err := b.app.Ledger.OrderErasure(gctx, b.command("erase/"+strconv.Itoa(i)), token, subject.OrderErasure{
				Erasure: domain.ID{0xe, byte(i >> 24), byte(i >> 16), byte(i >> 8), byte(i)}, Scope: subject.Scope{Everything: true},
			})
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return fmt.Errorf("ordering erasures: %w", err)
	}
	b.app.Erasures.Wake()
	if err := b.erased(ctx); err != nil {
		return err
	}
	took := start.rate(b.People)
	const events = 3 // ordered, started, completed
	raw.each /= events
	b.add(Figure{
		Name: fmt.Sprintf("erasure of a person, %d clients", b.Clients), Unit: "people/s",
		Note: "weighed twice, journalled, destroyed, confirmed by every view, completed",
	}.of(took).against("raw appends, 3 an erasure", raw, 0))
	return nil
}

// erased waits for the last completion.
func (b *bench) erased(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, eraseAtMost)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		c, err := b.app.Views.Erasures.Counts(ctx, time.Time{})
		if err != nil {
			return err
		}
		if c.States[subject.IsCompleted] == b.People {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("waiting for %d erasures: %w", b.People, ctx.Err())
		case <-tick.C:
		}
	}
}
