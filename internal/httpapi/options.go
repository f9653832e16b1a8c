package httpapi

import (
	"context"
	"io"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"lethe/domain"
	"lethe/domain/subject"
	"lethe/eventstore"
	"lethe/internal/disclose"
	"lethe/internal/keyring"
	"lethe/internal/ledger"
	"lethe/internal/retention"
	"lethe/internal/seal"
	"lethe/projections"
)

// Options are the parts that the API serves.
type Options struct {
	Ledger  *ledger.Ledger
	Door    *disclose.Door
	Keys    *keyring.Keyring
	Views   Views
	Store   eventstore.Store // of the events feed
	Imports Importer
	Leaves  Leaves    // nil = where events lie in the tree is not known
	Seal    *seal.Log // nil = history is not sealed, and nothing is proven
	Audit   Auditor   // nil = the ledger is not verified here
	Drops   Dropper   // nil = nothing is dropped here
	// Retention finds and orders what is overdue; nil = not here.
	Retention *retention.Job
	// Erasures carries out what is ordered.
	Erasures Eraser
	// Grace is how long an erasure can be cancelled unless its order says otherwise.
	Grace   time.Duration
	Backups Backups // nil = no backups are made here
	Spool   string  // directory for uploads under way, encrypted; "" = the system's
	// Status answers GET /status; what it returns is the answer's JSON.
	Status func(ctx context.Context) (Status, error)
	// Ready reports whether requests can be served; nil = always.
	Ready func() bool
	// System is the principal of the ledger's own followers.
	System domain.ID
	// Stop ends event feeds, which else would hold up a shutdown.
	Stop context.Context

	Version string
	Now     func() time.Time
	Rand    io.Reader
	Logger  *slog.Logger
	Metrics prometheus.Registerer // nil = counted nowhere
	Limits  Limits
}

// Limits bound what a caller can ask. Zero members take the defaults named.
type Limits struct {
	MaxBody       int64         // bytes of a request's body; 1 MiB
	MaxImport     int64         // bytes of an import's file; 0 = 64 GiB
	Rate          float64       // requests a second of one token; 0 = no limit
	Burst         int           // requests of one token at once; 2000
	AnonymousRate float64       // failed authentications a second of one address; 0 = no limit
	MaxFeeds      int           // open event feeds; 64
	MaxFolded     int           // people folded for one answer about a purpose; 10,000, a few seconds' work
	Timeout       time.Duration // of a request that is not a feed or an import; 30 s
	Wait          time.Duration // for a view to reach after_position; 5 s
	Heartbeat     time.Duration // between signs of life in a feed; 15 s
}

func (l *Limits) setDefaults() {
	set(&l.MaxBody, 1<<20)
	set(&l.MaxImport, 64<<30)
	set(&l.Burst, 2000)
	set(&l.MaxFeeds, 64)
	set(&l.MaxFolded, 10_000)
	set(&l.Timeout, 30*time.Second)
	set(&l.Wait, 5*time.Second)
	set(&l.Heartbeat, 15*time.Second)
}

func set[T int | int64 | time.Duration](v *T, to T) {
	if *v <= 0 {
		*v = to
	}
}

// Views are the read models and how they are kept. A *projections.Runner is one.
type Views interface {
	projections.Source
	// WaitFor returns when a view has reached a position, or with ctx's error.
	WaitFor(ctx context.Context, view string, at eventstore.Position) error
	Status() []projections.Status
	Rebuild(ctx context.Context, progress func(projections.Progress), views ...string) error
}

// Eraser is the process that carries out erasures.
type Eraser interface {
	// Order orders an erasure, and has the records follow that go along. along
	// tells of one that could not yet: nothing is complete before it has.
	Order(ctx context.Context, req ledger.Request, token domain.Token, c subject.OrderErasure) (out ledger.Outcome, along, err error)
	// Try says what an order would do now, and fails as the order would.
	Try(ctx context.Context, token domain.Token, c subject.OrderErasure) ([]subject.Weighed, error)
	// TakeAlong lets the records that go along follow: ordered, or called off.
	TakeAlong(ctx context.Context, token domain.Token, id domain.ID) error
	// Trouble is why an erasure does not get on, "" when nothing is wrong.
	Trouble(token domain.Token, id domain.ID) string
}

// Status is what an operator first wants to know.
type Status struct {
	Version  string              `json:"version"`
	Events   uint64              `json:"events"`
	Streams  uint64              `json:"streams"`
	Subjects uint64              `json:"subjects"`
	Position eventstore.Position `json:"position"`
	Bytes    int64               `json:"bytes" doc:"Of the event log"`
	Views    []ViewStatus        `json:"views"`
	Log      *LogStatus          `json:"log,omitempty" nullable:"false" doc:"How far history is sealed"`
	Lost     uint64              `json:"lost_range,omitzero" doc:"Number of the restart whose lost range nobody has accepted: purposes based on consent are off"`
	Stuck    int                 `json:"incomplete_erasures,omitzero" doc:"Erasures that do not get on at present: GET /erasures?state=started says why"`
	Reports  []string            `json:"reports,omitzero" doc:"What opening the data directory survived"`
}
