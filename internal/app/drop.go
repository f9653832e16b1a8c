package app

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"lethe/domain"
	"lethe/domain/operations"
	"lethe/eventstore"
	"lethe/internal/dropping"
	"lethe/internal/ledger"
)

// openDrops makes the job that drops what was erased long ago.
func (a *App) openDrops() {
	a.Drops = dropping.New(dropping.Options{
		Store: a.Store, Keys: a.Keys, Record: a.recordDrop, After: a.Config.Erasure.DropAfter,
		Sealed: func() eventstore.Position { return a.Seal.Status().Position },
		Now:    a.Ledger.Now, Rand: rand.Reader, Log: a.Log,
	})
}

func (a *App) recordDrop(ctx context.Context, by domain.ID, e operations.PayloadsDropped) error {
	req := ledger.Request{Principal: by, Command: a.Keys.CommandID(by, "drop/"+hex.EncodeToString(e.Drop[:]))}
	if _, err := a.Ledger.Operate(ctx, req, operations.DropPayloads{PayloadsDropped: e}); err != nil {
		return fmt.Errorf("recording what is dropped: %w", err)
	}
	return nil
}

// When values are dropped: not in the first minutes, since short commands open
// the ledger too, and once a day from then on.
const (
	firstDrop = 10 * time.Minute
	dropEvery = 24 * time.Hour
)

func (a *App) dropDaily(ctx context.Context) {
	if a.Config.Erasure.DropAfter == 0 {
		return
	}
	daily(ctx, func() {
		_, err := a.Drops.Run(ctx, dropping.Request{By: System})
		if err != nil && ctx.Err() == nil && !errors.Is(err, dropping.ErrBusy) { // busy: somebody does it by hand
			a.Log.ErrorContext(ctx, "dropping erased values failed: it is tried again tomorrow", "error", err)
		}
	})
}

func daily(ctx context.Context, do func()) {
	timer := time.NewTimer(firstDrop)
	defer timer.Stop()
	for {
		select {
		case <-timer.C:
		case <-ctx.Done():
			return
		}
		do()
		timer.Reset(dropEvery)
	}
}
