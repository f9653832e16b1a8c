package app

import (
	"context"
	"errors"
	"fmt"
	"time"

	"lethe/internal/keyring"
	"lethe/internal/ledger"
)

const (
	epochCheck = time.Minute      // between two looks after the epoch keys
	epochRetry = 10 * time.Minute // after a scheduled rotation that failed
)

// KeepEpochs looks after the epoch keys from now on, until Close: it mends
// their places, follows other processes, records what became of retired ones,
// and rotates when it is time. A server does; a command that ends soon does
// not.
func (a *App) KeepEpochs(ctx context.Context) {
	ctx, a.keeping = context.WithCancel(context.WithoutCancel(ctx))
	a.Keys.KeepSchedule()
	a.running.Go(func() {
		every := time.NewTicker(epochCheck)
		defer every.Stop()
		var retry time.Time
		told := ""
		for ctx.Err() == nil {
			what := ""
			if err := a.keepEpochs(ctx, &retry); err != nil {
				what = err.Error()
			}
			if what != "" && what != told && ctx.Err() == nil {
				a.Log.ErrorContext(ctx, "the epoch keys need attention", "error", what)
				a.report(what)
			}
			told = what
			select {
			case <-ctx.Done():
			case <-every.C:
			}
		}
	})
}

// keepEpochs is one look; a rotation is not tried before retry.
func (a *App) keepEpochs(ctx context.Context, retry *time.Time) error {
	if err := a.Keys.SyncEpochs(ctx); err != nil {
		return err
	}
	now := a.Ledger.Now()
	var failed error
	if due, scheduled := a.Keys.RotationDue(); scheduled && !now.Before(due) && !now.Before(*retry) {
		r, err := a.Keys.Rotate(ctx, keyring.RotateOptions{})
		if err != nil {
			*retry = now.Add(epochRetry)
			failed = fmt.Errorf("rotating as scheduled: %w", err)
		} else {
			a.Log.WarnContext(ctx, "rotated the epoch keys as scheduled: backups of the keys from before do not open any more, make one now",
				"epoch", r.Epoch, "rewrapped", r.Rewrapped, "pending places", len(r.Pending))
		}
	}
	return errors.Join(failed, a.Ledger.RecordEpochs(ctx, ledger.Request{Principal: System}))
}
