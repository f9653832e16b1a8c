// Package dropping takes sealed values out of the log whose keys were
// destroyed long ago: retention of the ciphertext itself.
//
// # Model
//
// A value is dropped when a fence says that its key was destroyed at least so
// long ago as is asked for, the key store agrees that the key is fenced, and
// the event lies in a full section of the log that is under a signed
// checkpoint as a whole. What stays of it is what its leaf needs, so that every
// proof stays valid, and the head that says whose value of which field it was.
//
// Section by section, the replacement is made, an event of the operations
// stream names it with a digest of all that goes, and then it counts. So every
// value that is gone is named by an event, whenever the process is stopped: an
// audit checks that. What a crash leaves undone, the next run finds again.
//
// # Limits
//
// Erasing is done by destroying keys, and complete without this. Dropping is
// the second line, for what is left of a value should its cipher fall one day.
// Copies of the log, such as backups and what subscribers keep, are not
// touched: they go by their own retention. The fences that are old enough are
// held in memory, about 40 bytes each.
package dropping

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"time"

	"lethe/domain"
	"lethe/domain/operations"
	"lethe/eventstore"
	"lethe/internal/keyring"
	"lethe/internal/part"
)

// Keys says which keys were destroyed, and when. A *keyring.Keyring does.
type Keys interface {
	Fences(ctx context.Context) iter.Seq2[keyring.Fence, error]
	KeyStates(ctx context.Context, of []keyring.KeyInfo) ([]keyring.KeyState, error)
}

// Options of a Job. All but Log must be given.
type Options struct {
	Store eventstore.Dropper
	Keys  Keys
	// Sealed is the position up to which the log is under a signed checkpoint.
	Sealed func() eventstore.Position
	// Record appends the event that names what goes. It is durable when
	// Record returns nil.
	Record func(ctx context.Context, by domain.ID, e operations.PayloadsDropped) error
	After  time.Duration // since the key was destroyed, unless a request says otherwise; 0 = off
	Now    func() time.Time
	Rand   io.Reader
	Log    *slog.Logger
}

// Job drops values. One run is under way at a time.
type Job struct {
	opts Options
	busy chan struct{}
}

// New makes a job.
func New(o Options) *Job {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return &Job{opts: o, busy: make(chan struct{}, 1)}
}

// Errors of a run.
var (
	// ErrBusy: another run is under way.
	ErrBusy = errors.New("values are being dropped already")
	// ErrOff: neither the request nor the configuration says how long ago a
	// key must have been destroyed.
	ErrOff = errors.New("dropping is off")
	// ErrTooSoon: less than MinAfter is asked for.
	ErrTooSoon = errors.New("values are dropped a day after their erasure at the soonest")
)

// MinAfter is the shortest time between the destruction of a key and the
// dropping of what it sealed: what was begun before should have ended.
const MinAfter = 24 * time.Hour

// Request is one run.
type Request struct {
	By     domain.ID     // who asks for it
	After  time.Duration // instead of the configured one; 0 = that one
	DryRun bool          // only count
	// Progress is told of each section, one call at a time; may be nil.
	Progress func(Progress)
}

// Progress is how far a run is.
type Progress struct {
	Done   uint64 `json:"done" doc:"Events of full sections that were looked at"`
	Total  uint64 `json:"total"`
	Values uint64 `json:"values" doc:"That were dropped so far, or would be"`
}

// Report is what a run did.
type Report struct {
	DryRun   bool      `json:"dry_run,omitzero" doc:"Nothing was dropped: this is what would be"`
	Before   time.Time `json:"before" doc:"Values go whose keys were destroyed before it"`
	Keys     uint64    `json:"keys" doc:"Destroyed that long ago"`
	Sections int       `json:"sections" doc:"Full files of the log that were looked at"`
	Replaced int       `json:"replaced" doc:"Of them, those that had such values"`
	Values   uint64    `json:"values" doc:"That were dropped"`
	Bytes    uint64    `json:"bytes" doc:"Of ciphertext that those had"`
	Unsealed int       `json:"unsealed,omitzero" doc:"Files left for later, because no signed checkpoint covers them yet"`
	Damaged  []string  `json:"damaged,omitempty" doc:"Files that were left as they are: verify the ledger"`
}

// Run drops what is due, and says what it did, also with an error. Errors:
// ErrBusy, ErrOff, ErrTooSoon, ctx's; the store's, such as
// eventstore.ErrNoSpace: what was done until then stays done.
func (j *Job) Run(ctx context.Context, req Request) (Report, error) {
	if req.After == 0 {
		req.After = j.opts.After
	}
	switch {
	case req.After <= 0:
		return Report{}, ErrOff
	case req.After < MinAfter && !req.DryRun:
		return Report{}, ErrTooSoon
	}
	select {
	case j.busy <- struct{}{}:
		defer func() { <-j.busy }()
	default:
		return Report{}, ErrBusy
	}
	if req.Progress == nil {
		req.Progress = func(Progress) {}
	}
	r := &run{Job: j, req: req, report: Report{DryRun: req.DryRun, Before: j.opts.Now().Add(-req.After)}}
	if err := r.run(ctx); err != nil {
		return r.report, fmt.Errorf("dropping erased values: %w", err)
	}
	return r.report, nil
}

// run is one run under way.
type run struct {
	*Job
	req    Request
	report Report
	due    map[part.KeyID]struct{}
}

func (r *run) run(ctx context.Context) error {
	if err := r.fences(ctx); err != nil || len(r.due) == 0 {
		return err
	}
	var todo []eventstore.Section
	at := Progress{}
	for _, sec := range r.opts.Store.Sections() {
		if sec.Full && sec.Count > 0 {
			todo = append(todo, sec)
			at.Total += sec.Count
		}
	}
	for _, sec := range todo {
		at.Values = r.report.Values
		r.req.Progress(at)
		err := r.section(ctx, sec)
		var corrupt *eventstore.CorruptError
		if errors.As(err, &corrupt) {
			r.report.Damaged = append(r.report.Damaged, corrupt.File)
			r.opts.Log.ErrorContext(ctx, "values cannot be dropped from a damaged section: verify the ledger", "error", err)
			err = nil
		}
		if err != nil {
			return err
		}
		at.Done += sec.Count
	}
	at.Values = r.report.Values
	r.req.Progress(at)
	return nil
}

// fences collects the keys that were destroyed long enough ago.
func (r *run) fences(ctx context.Context) error {
	r.due = map[part.KeyID]struct{}{}
	for f, err := range r.opts.Keys.Fences(ctx) {
		if err != nil {
			return err
		}
		if f.At.Before(r.report.Before) {
			r.due[f.Key.ID] = struct{}{}
		}
	}
	r.report.Keys = uint64(len(r.due))
	return nil
}
