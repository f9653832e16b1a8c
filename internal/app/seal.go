package app

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"golang.org/x/mod/sumdb/note"

	"lethe/domain"
	"lethe/domain/operations"
	"lethe/internal/durable"
	"lethe/internal/ledger"
	"lethe/internal/seal"
	"lethe/internal/tlog"
	"lethe/internal/witness"
)

// openSeal opens the seal. It comes before anything is appended: when the log
// came back shorter than a known checkpoint, its positions go on in a new era,
// so that none is ever given twice.
func (a *App) openSeal(ctx context.Context) error {
	c, s := a.Config.Seal, a.Config.Storage.Resolved()
	policy, witnesses, err := a.policy(c.Policy)
	if err != nil {
		return err
	}
	a.Seal, err = seal.Open(ctx, seal.Options{
		Dir: filepath.Join(s.Data, "seal"), PinDir: s.Pins, KeyDir: s.Keys, Store: a.Store, Vault: a.Keys,
		Origin: c.Origin, Interval: c.Interval, Bound: c.Bound, Policy: policy, Witnesses: witnesses,
		Report: a.report, Now: time.Now, Rand: rand.Reader, Logger: a.Log,
	})
	if err != nil {
		return err
	}
	r := a.Seal.Restart()
	if r == nil {
		return nil
	}
	if err := a.Store.RaiseEraAbove(max(r.Position, a.Store.Stats().Head)); err != nil {
		return fmt.Errorf("beginning a new era of positions: %w", err)
	}
	return a.Keys.ForgetLookup(ctx, "the log lost events, so that what is known of people may be of them")
}

// recordRestart appends the event that a restarted log begins with, and then
// what else it does not know. A log that was put back from before an earlier
// restart records that one, too.
func (a *App) recordRestart(ctx context.Context) error {
	r := a.Seal.Restart()
	if r == nil {
		return a.reconcile(ctx, false)
	}
	known, err := a.Ledger.Operations(ctx)
	if err != nil {
		return err
	}
	for n := known.LastRestart() + 1; n < r.Number; n++ {
		left := min(r.Earlier[n-1], r.Common)
		if err := a.recordOneRestart(ctx, operations.LogRestarted{Number: n, Size: left, Common: left}); err != nil {
			return err
		}
	}
	e := operations.LogRestarted{Number: r.Number, Size: r.Size, Common: r.Common}
	if len(r.Checkpoint) > 0 {
		old, err := tlog.CheckpointOf(r.Checkpoint)
		if err != nil {
			return fmt.Errorf("reading the checkpoint that the log fell short of: %w", err)
		}
		e.Root = domain.Digest(old.Root)
	}
	if err := a.recordOneRestart(ctx, e); err != nil {
		return err
	}
	a.report(fmt.Sprintf("the log came back with %d events of at least %d that a checkpoint covers: "+
		"it goes on as %s; what is lost is lost also for consents, withdrawals and legal holds. Purposes based on consent are off, and no erasure starts, until an officer "+
		"accepts that: lethe restore accept %d", r.Common, r.Size, a.Seal.Origin(), r.Number))
	if err := a.reconcile(ctx, true); err != nil {
		return err
	}
	return a.Seal.RestartRecorded()
}

func (a *App) recordOneRestart(ctx context.Context, e operations.LogRestarted) error {
	req := ledger.Request{Principal: System, Command: a.Keys.CommandID(System, "log-restart/"+strconv.FormatUint(e.Number, 10))}
	if _, err := a.Ledger.Operate(ctx, req, operations.RestartLog{LogRestarted: e}); err != nil {
		return fmt.Errorf("recording the restart: %w", err)
	}
	return nil
}

// sealTime bounds how long closing waits for what is not sealed yet; the next
// start goes on with it.
const sealTime = 10 * time.Second

func (a *App) closeSeal() error {
	ctx, cancel := context.WithTimeout(context.Background(), sealTime)
	defer cancel()
	return a.Seal.Close(ctx)
}

// noPolicy, as the policy's file, forgets the one that is remembered.
const noPolicy = "none"

// policy reads the witness policy and makes a client of each witness that has
// an address. The ledger remembers the policy beside the seal, so that a
// command that is not told of it does not publish what nobody cosigned.
func (a *App) policy(file string) (*tlog.Policy, []seal.Witness, error) {
	remembered := filepath.Join(a.Config.Storage.Data, "seal", "policy")
	switch file {
	case noPolicy:
		if err := os.Remove(remembered); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, nil, fmt.Errorf("forgetting the witness policy: %w", err)
		}
		return nil, nil, nil
	case "":
		b, err := os.ReadFile(remembered)
		if errors.Is(err, fs.ErrNotExist) {
			return nil, nil, nil
		}
		if err != nil {
			return nil, nil, fmt.Errorf("reading the witness policy: %w", err)
		}
		return parsePolicy(remembered, b)
	}
	b, err := os.ReadFile(file) //nolint:gosec // the operator names it
	if err != nil {
		return nil, nil, fmt.Errorf("reading the witness policy: %w", err)
	}
	p, witnesses, err := parsePolicy(file, b)
	if err != nil {
		return nil, nil, err
	}
	if known, err := os.ReadFile(remembered); err == nil && bytes.Equal(known, b) {
		return p, witnesses, nil
	}
	if err := durable.MakeDirs(vfs.Default, filepath.Dir(remembered)); err != nil {
		return nil, nil, fmt.Errorf("remembering the witness policy: %w", err)
	}
	if err := durable.ReplaceFile(vfs.Default, filepath.Dir(remembered), filepath.Base(remembered), b); err != nil {
		return nil, nil, fmt.Errorf("remembering the witness policy: %w", err)
	}
	return p, witnesses, nil
}

func parsePolicy(name string, b []byte) (*tlog.Policy, []seal.Witness, error) {
	p, err := tlog.ParsePolicy(b)
	if err != nil {
		return nil, nil, fmt.Errorf("reading the witness policy %s: %w", name, err)
	}
	var witnesses []seal.Witness
	for _, w := range p.Witnesses {
		if w.URL == "" {
			continue
		}
		witnesses = append(witnesses, &witness.Client{
			Label: w.Name, URL: w.URL, HTTP: &http.Client{Timeout: 30 * time.Second}, Verifiers: []note.Verifier{w.Verifier()},
		})
	}
	return p, witnesses, nil
}
