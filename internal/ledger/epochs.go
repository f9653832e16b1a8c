package ledger

import (
	"context"
	"fmt"

	"lethe/domain/operations"
	"lethe/internal/keyring"
)

// RecordEpochs records what became of retired epoch keys, as far as it is not
// recorded yet. It may be repeated at any time.
func (l *Ledger) RecordEpochs(ctx context.Context, req Request) error {
	var list []operations.EpochRetired
	for _, e := range l.keys.Epochs() {
		if !e.Retired.IsZero() {
			list = append(list, retiredEpoch(&e))
		}
	}
	state, err := l.Operations(ctx)
	if err != nil || len(state.NewEpochs(list)) == 0 {
		return err
	}
	if _, err := l.Operate(ctx, req, operations.RetireEpochs{Epochs: list}); err != nil {
		return fmt.Errorf("recording retired epoch keys: %w", err)
	}
	return nil
}

func retiredEpoch(e *keyring.EpochInfo) operations.EpochRetired {
	r := operations.EpochRetired{
		Epoch: e.Number, Made: e.Made, Retired: e.Retired, Destroyed: e.Destroyed, Dead: e.Dead, Places: uint32(len(e.Copies)), //nolint:gosec // a few
	}
	for _, b := range e.Buckets { // in order
		if n := len(r.Buckets); n > 0 && r.Buckets[n-1].Last+1 == uint16(b) {
			r.Buckets[n-1].Last++
		} else {
			r.Buckets = append(r.Buckets, operations.BucketRange{First: uint16(b), Last: uint16(b)})
		}
	}
	for _, c := range e.Copies {
		if c.At.IsZero() {
			r.Pending++
		}
	}
	return r
}
