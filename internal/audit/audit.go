package audit

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"time"

	"lethe/domain"
	"lethe/eventstore"
	"lethe/eventstore/segment"
	"lethe/internal/keyring"
	"lethe/internal/seal"
	"lethe/projections"
)

// Store is the store that is verified.
type Store interface {
	eventstore.Store
	eventstore.Statser
	eventstore.Sectioned
	Check(ctx context.Context, o segment.CheckOptions, report func(eventstore.Fault)) error
}

// Decoder decodes events, their values sealed.
type Decoder interface {
	Decode(stored *eventstore.Recorded) (domain.Recorded, error)
}

// Views are the read models.
type Views interface {
	Status() []projections.Status
	Compare(ctx context.Context, view string, progress func(projections.Progress), report func(projections.Difference)) error
	Fingerprint(ctx context.Context, view string) (projections.Fingerprint, error)
}

var (
	_ Store = (*segment.Store)(nil)
	_ Views = (*projections.Runner)(nil)
)

// Options are the parts of an open ledger.
type Options struct {
	Store   Store
	Seal    *seal.Log
	Keys    *keyring.Keyring
	Decoder Decoder
	Views   Views
	// Reports tells what opening the ledger survived; may be nil.
	Reports func() []string
	// Version is the program's: what one version found clean, another checks again.
	Version string
	Workers int // goroutines; as many as there are processors when 0
	Now     func() time.Time
}

// Auditor verifies an open ledger.
type Auditor struct {
	opts Options
	busy chan struct{} // held by the one run under way
}

// New makes an auditor.
func New(o Options) *Auditor {
	if o.Workers <= 0 {
		o.Workers = runtime.GOMAXPROCS(0)
	}
	if o.Reports == nil {
		o.Reports = func() []string { return nil }
	}
	return &Auditor{opts: o, busy: make(chan struct{}, 1)}
}

// Names of the steps, in their order.
const (
	StepOpening     = "opening"
	StepLog         = "log"
	StepCheckpoints = "checkpoints"
	StepStore       = "store"
	StepEvents      = "events"
	StepKeys        = "keys"
	StepViews       = "views"
)

var stepNames = []string{StepOpening, StepLog, StepCheckpoints, StepStore, StepEvents, StepKeys, StepViews}

// Request says what to verify.
type Request struct {
	LogOnly bool   // opening, log and checkpoints only
	Known   *State // what earlier runs found clean; may be nil
}

// Line is one thing that is told while an audit runs. One member is set.
type Line struct {
	Begun    *Begun    `json:"begun,omitempty"`
	Progress *Progress `json:"progress,omitempty"`
	Clean    *Unit     `json:"clean,omitempty" doc:"A unit that a later run need not check in full"`
	Finding  *Finding  `json:"finding,omitempty"`
}

// Begun says what is verified.
type Begun struct {
	Origin  string `json:"origin" doc:"The log's name"`
	Version string `json:"version" doc:"Of the program that verifies"`
}

// Progress is how far a step is.
type Progress struct {
	Step  string `json:"step"`
	Done  uint64 `json:"done"`
	Total uint64 `json:"total"`
}

// Step is what became of one step.
type Step struct {
	Name     string   `json:"step"`
	Checked  uint64   `json:"checked"`
	Of       string   `json:"of" doc:"What was counted"`
	Skipped  uint64   `json:"skipped,omitzero" doc:"Of them, what an earlier run found clean and was seen to be unchanged"`
	Findings int      `json:"findings"`
	Seconds  float64  `json:"seconds"`
	Notes    []string `json:"notes,omitempty" doc:"What is no finding and worth knowing"`
}

// Checkpoint is the newest checkpoint that the log was found to agree with.
type Checkpoint struct {
	Origin    string   `json:"origin"`
	Size      uint64   `json:"size" doc:"Events that it covers"`
	Root      string   `json:"root" doc:"In base64"`
	Signers   []string `json:"signers" doc:"Who signed it: name+key ID"`
	Published bool     `json:"published"`
}

// Result is what an audit found.
type Result struct {
	Clean      bool        `json:"clean" doc:"Nothing was found"`
	LogOnly    bool        `json:"log_only,omitzero" doc:"Index, events, keys and views were not looked at"`
	Events     uint64      `json:"events" doc:"Events that the log has"`
	Sealed     uint64      `json:"sealed" doc:"Of them, those that were compared with the sealed tree"`
	Checkpoint *Checkpoint `json:"checkpoint,omitempty"`
	Steps      []Step      `json:"steps"`
	Findings   []Finding   `json:"findings"`
	More       int         `json:"more_findings,omitzero" doc:"That are not listed"`
}

// ErrBusy: another audit of this ledger is under way.
var ErrBusy = errors.New("an audit is under way already")

// Run verifies. tell, which may be nil, is called from one goroutine at a
// time. The error says that verifying itself was not possible, or not to the
// end, such as ctx's; what is wrong with the ledger is in the result. A result
// comes with an error too, of what was done.
func (a *Auditor) Run(ctx context.Context, req Request, tell func(Line)) (Result, error) {
	select {
	case a.busy <- struct{}{}:
		defer func() { <-a.busy }()
	default:
		return Result{}, ErrBusy
	}
	r := newRun(a.opts, req, tell)
	if err := req.Known.matches(r.begun); err != nil {
		return Result{}, err
	}
	r.line(Line{Begun: &r.begun})
	err := r.steps(ctx)
	res := r.result()
	if err != nil {
		return res, fmt.Errorf("verifying the ledger: %w", err)
	}
	return res, nil
}

func (r *run) steps(ctx context.Context) error {
	do := []struct {
		name string
		of   string
		run  func(context.Context, *Step) error
	}{
		{StepOpening, "reports", r.opening},
		{StepLog, "events", r.log},
		{StepCheckpoints, "checkpoints", r.checkpoints},
		{StepStore, "streams", r.store},
		{StepEvents, "events", r.events},
		{StepKeys, "rows", r.keys},
		{StepViews, "views", r.views},
	}
	for _, s := range do {
		if r.req.LogOnly && s.name == StepStore {
			break
		}
		if err := r.step(ctx, s.name, s.of, s.run); err != nil {
			return err
		}
	}
	return nil
}
