package bench

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"golang.org/x/sync/errgroup"

	"lethe/internal/audit"
)

// audits measures the verification of the log, beside reading and hashing the
// same bytes, and the verification of everything.
func (b *bench) audits(ctx context.Context) error {
	b.tell("audit verify")
	if err := caughtUp(ctx, b.app); err != nil {
		return err
	}
	if err := b.app.Seal.WaitFor(ctx, b.app.Store.Stats().Head); err != nil {
		return err
	}
	a := audit.New(audit.Options{
		Store: b.app.Store, Seal: b.app.Seal, Keys: b.app.Keys, Decoder: b.app.Codec, Views: b.app.Views, Now: time.Now,
	})
	var ours, raw rate
	for range 3 {
		start := begin()
		events, err := b.hashRaw()
		if err != nil {
			return err
		}
		raw = faster(raw, start.rate(events))
		start = begin()
		res, err := clean(a.Run(ctx, audit.Request{LogOnly: true}, nil))
		if err != nil {
			return err
		}
		ours = faster(ours, start.rate(int(res.Events)))
	}
	b.add(Figure{
		Name: "audit verify --log", Unit: "events/s", Aim: "2M",
		Note: "checksums, leaves, tiles, entries, tree, checkpoints; from the page cache; best of three",
	}.of(ours).against(fmt.Sprintf("reading and hashing the log's bytes, %d workers", runtime.GOMAXPROCS(0)), raw, 0).reaching(2_000_000))
	start := begin()
	res, err := clean(a.Run(ctx, audit.Request{}, nil))
	if err != nil {
		return err
	}
	b.add(Figure{Name: "audit verify", Unit: "events/s", Note: "with index, events, keys and every view"}.
		of(start.rate(int(res.Events))).against("reading and hashing the log's bytes", raw, 0))
	for _, s := range res.Steps {
		b.fact("audit verify: "+s.Name, "%.2f s for %d %s", s.Seconds, s.Checked, s.Of)
	}
	return nil
}

func clean(res audit.Result, err error) (audit.Result, error) {
	if err == nil && !res.Clean {
		err = errors.New("the audit of a new ledger found something")
	}
	return res, err
}

// hashRaw reads the log's files and hashes them, as many at a time as there
// are processors.
func (b *bench) hashRaw() (events int, err error) {
	var g errgroup.Group
	g.SetLimit(runtime.GOMAXPROCS(0))
	for _, s := range b.app.Store.Sections() {
		events += int(s.Count)
		g.Go(func() error {
			f, err := os.Open(filepath.Join(b.Dir, "data", "log", s.Name)) //nolint:gosec // made by this run
			if err != nil {
				return fmt.Errorf("reading the log's files: %w", err)
			}
			defer f.Close() //nolint:errcheck // read only
			if _, err := io.CopyBuffer(sha256.New(), io.LimitReader(f, s.Bytes), make([]byte, 256<<10)); err != nil {
				return fmt.Errorf("reading the log's files: %w", err)
			}
			return nil
		})
	}
	return events, g.Wait()
}
