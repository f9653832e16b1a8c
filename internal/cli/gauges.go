package cli

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"lethe/internal/app"
	"lethe/projections"
)

// gauges are what an operator watches besides requests: read when asked for,
// labelled by the names of views alone.
type gauges struct {
	app     *app.App
	events  *prometheus.Desc
	streams *prometheus.Desc
	bytes   *prometheus.Desc
	lag     *prometheus.Desc
	serving *prometheus.Desc
	failed  *prometheus.Desc
	alarms  *prometheus.Desc

	sealed    *prometheus.Desc
	published *prometheus.Desc
	unsealed  *prometheus.Desc
	waiting   *prometheus.Desc
	bound     *prometheus.Desc
	stopped   *prometheus.Desc
	restarts  *prometheus.Desc
	witness   *prometheus.Desc

	erasures   *prometheus.Desc
	incomplete *prometheus.Desc
	kept       *prometheus.Desc
}

var _ prometheus.Collector = (*gauges)(nil)

func newGauges(a *app.App) *gauges {
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc("lethe_"+name, help, labels, nil)
	}
	return &gauges{
		app:     a,
		events:  desc("log_events", "Events in the log."),
		streams: desc("log_streams", "Streams in the log."),
		bytes:   desc("log_bytes", "Bytes of the log."),
		lag:     desc("view_lag_events", "Events that a view has not seen yet.", "view"),
		serving: desc("view_serving", "1 while a view answers.", "view"),
		failed:  desc("view_failed", "1 while a view has failed.", "view"),
		alarms: desc("keyring_alarms_total",
			"Sealed values without a key that were not erased, that were changed, or met a damaged row. Each should stay 0.", "kind"),

		sealed:    desc("seal_events", "Events under a signed checkpoint."),
		published: desc("seal_published_events", "Events under a published checkpoint."),
		unsealed:  desc("seal_lag_events", "Events that are not under a signed checkpoint yet."),
		waiting:   desc("seal_waiting_seconds", "How long the oldest of them waits; should stay below the bound."),
		bound:     desc("seal_bound_seconds", "How long an event should wait at most (--seal-bound)."),
		stopped:   desc("seal_stopped", "1 when sealing stopped: history is recorded and not proven. Should stay 0."),
		restarts:  desc("seal_restarts", "Times that the log came back shorter than a checkpoint of it."),
		witness:   desc("witness_events", "Events under the newest checkpoint that a witness cosigned.", "witness"),

		erasures:   desc("erasures", "Erasures by how far they have come.", "state"),
		incomplete: desc("erasures_incomplete", "Erasures that do not get on. Should go back to 0."),
		kept:       desc("erasures_waiting_groups", "Retention groups that wait for a hold's release or a duty's end."),
	}
}

// Describe implements prometheus.Collector.
func (g *gauges) Describe(to chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{
		g.events, g.streams, g.bytes, g.lag, g.serving, g.failed, g.alarms,
		g.sealed, g.published, g.unsealed, g.waiting, g.bound, g.stopped, g.restarts, g.witness,
		g.erasures, g.incomplete, g.kept,
	} {
		to <- d
	}
}

// Collect implements prometheus.Collector.
func (g *gauges) Collect(to chan<- prometheus.Metric) {
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		to <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	stats := g.app.Store.Stats()
	gauge(g.events, float64(stats.Events))
	gauge(g.streams, float64(stats.Streams))
	gauge(g.bytes, float64(stats.Bytes))
	for _, v := range g.app.Views.Status() {
		if v.Lag != nil {
			gauge(g.lag, float64(*v.Lag), v.Name)
		}
		gauge(g.serving, one(v.Serving), v.Name)
		gauge(g.failed, one(v.State == projections.Failed), v.Name)
	}
	st := g.app.Seal.Status()
	gauge(g.sealed, float64(st.Size))
	gauge(g.published, float64(st.Published))
	gauge(g.unsealed, float64(st.Lag))
	gauge(g.waiting, st.Waiting)
	gauge(g.bound, st.Bound)
	gauge(g.stopped, one(st.Failed != ""))
	gauge(g.restarts, float64(st.Restarts))
	for _, w := range st.Witnesses {
		gauge(g.witness, float64(w.Size), w.Name)
	}
	gauge(g.incomplete, float64(g.app.Erasures.Incomplete()))
	if counts, err := g.app.Views.Erasures.Counts(context.Background(), time.Time{}); err == nil {
		for state, n := range counts.States {
			gauge(g.erasures, float64(n), string(state))
		}
		gauge(g.kept, float64(counts.Waiting))
	}
	alarms := g.app.Keys.Alarms()
	for kind, n := range map[string]uint64{
		"key_missing": alarms.KeyMissing, "tampered": alarms.Tampered, "integrity": alarms.Integrity,
	} {
		to <- prometheus.MustNewConstMetric(g.alarms, prometheus.CounterValue, float64(n), kind)
	}
}

func one(yes bool) float64 {
	if yes {
		return 1
	}
	return 0
}
