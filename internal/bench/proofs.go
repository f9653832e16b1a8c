package bench

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	mathrand "math/rand/v2"
	"path/filepath"
	"time"

	"lethe/eventstore"
	"lethe/internal/leaf"
	"lethe/internal/seal"
)

// proofs measures sealing a log that is there already and proving single
// events, beside the hashing that sealing cannot do without and random reads.
func (b *bench) proofs(ctx context.Context) error {
	b.tell("sealing what is there, proofs")
	if err := b.resealed(ctx); err != nil {
		return err
	}
	return b.prove(ctx)
}

// resealed seals the whole log once more, in a directory of its own.
func (b *bench) resealed(ctx context.Context) error {
	start := begin()
	n := uint64(0)
	var of leaf.Leaf
	var entry []byte
	for rec, err := range b.app.Store.ReadAll(ctx, 0) {
		if err != nil {
			return fmt.Errorf("reading the log: %w", err)
		}
		leaf.Of(n, rec, &of)
		entry = of.Append(entry[:0])
		_ = leaf.Hash(entry)
		n++
	}
	raw := start.rate(int(n))
	dir := filepath.Join(b.Dir, "resealed")
	start = begin()
	l, err := seal.Open(ctx, seal.Options{
		Dir: filepath.Join(dir, "seal"), PinDir: filepath.Join(dir, "pins"), KeyDir: filepath.Join(dir, "keys"),
		Store: b.app.Store, Vault: b.app.Keys, Now: time.Now, Rand: rand.Reader,
	})
	if err != nil {
		return err
	}
	l.Run(ctx)
	err = l.WaitFor(ctx, b.app.Store.Stats().Head)
	ours := start.rate(int(n))
	if err := errors.Join(err, l.Close(ctx)); err != nil {
		return err
	}
	b.add(Figure{
		Name: "sealing a log that is there", Unit: "events/s", Aim: "100k",
		Note: "leaves, tiles, entries, index; every file synced",
	}.of(ours).against("reading it and hashing its leaves", raw, 0).reaching(100_000))
	return nil
}

// reaching says whether an aim in numbers is met.
func (f Figure) reaching(least float64) Figure {
	met := f.Value >= least
	f.Met = &met
	return f
}

// sampled bounds the events that are proven, so that they fit in memory.
const sampled = 20_000

func (b *bench) prove(ctx context.Context) error {
	if err := b.app.Seal.WaitFor(ctx, b.app.Store.Stats().Head); err != nil {
		return err
	}
	c, err := b.copyRaw(ctx)
	if err != nil {
		return err
	}
	every := c.records/sampled + 1
	var ids []eventstore.EventID
	n := 0
	for rec, err := range b.app.Store.ReadAll(ctx, 0) {
		if err != nil {
			return fmt.Errorf("reading the log: %w", err)
		}
		if n%every == 0 {
			ids = append(ids, rec.ID)
		}
		n++
	}
	raw, err := b.rawStreams(ctx, c, c.names)
	if err != nil {
		return err
	}
	ours, err := b.timed(ctx, 1, func(ctx context.Context, _, _ int) func() error {
		r := mathrand.New(mathrand.NewPCG(1, 2)) //nolint:gosec // which event to prove is no secret
		return func() error {
			_, err := b.app.Seal.Prove(ctx, ids[r.IntN(len(ids))], nil)
			return err
		}
	})
	if err != nil {
		return err
	}
	b.add(Figure{
		Name: "proof of an event by its ID", Unit: "proofs/s", Note: "1 client; an event at random: leaf, path, checkpoint",
	}.of(ours).against("raw reads of a stream's records", raw, 0))
	return nil
}
