package cli

import (
	"context"
	"crypto/rand"
	"net/http"
	"path/filepath"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"lethe/internal/app"
	"lethe/internal/config"
	"lethe/internal/httpapi"
	"lethe/internal/starter"
)

// handlerOptions is how the API's handler differs between a server and a
// command in its own process.
type handlerOptions struct {
	Version string
	Limits  config.Limits // zero = none but the API's own bounds
	Ready   func() bool
	Stop    context.Context
	Backup  config.Backup
}

// handlers makes the API's handler over an open data directory, and that of
// its metrics.
func handlers(a *app.App, o handlerOptions) (api, metrics http.Handler) {
	registry := prometheus.NewRegistry()
	registry.MustRegister(
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), newGauges(a),
	)
	if o.Stop == nil {
		o.Stop = context.Background()
	}
	if o.Limits.MaxBody == 0 {
		o.Limits.MaxBody = starter.MaxBytes
	}
	api = httpapi.New(httpapi.Options{
		Ledger: a.Ledger, Door: a.Door, Keys: a.Keys, Views: a.Views.Runner, Store: a.Store, Leaves: a.Seal, Seal: a.Seal,
		Audit: auditorOf(a, o.Version), Drops: a.Drops, Retention: a.Retention, Backups: &app.Backups{App: a, To: o.Backup, Program: o.Version}, Imports: imports{a}, Spool: filepath.Join(a.Config.Storage.Data, "spool"),
		Status: func(ctx context.Context) (httpapi.Status, error) { return statusOf(ctx, a, o.Version) },
		Ready:  o.Ready, Stop: o.Stop, System: app.System, Erasures: a.Erasures, Grace: a.Config.Erasure.Grace,
		Version: o.Version, Now: time.Now, Rand: rand.Reader, Logger: a.Log, Metrics: registry,
		Limits: httpapi.Limits{
			MaxBody: int64(o.Limits.MaxBody), Rate: o.Limits.Rate, Burst: o.Limits.Burst,
			AnonymousRate: o.Limits.AnonymousRate, MaxFeeds: o.Limits.MaxFeeds,
		},
	})
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", httpapi.Metrics(registry))
	return api, mux
}
