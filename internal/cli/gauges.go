package cli

import (
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
	}
}

// Describe implements prometheus.Collector.
func (g *gauges) Describe(to chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{g.events, g.streams, g.bytes, g.lag, g.serving, g.failed, g.alarms} {
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
