package httpapi

import (
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// metrics count by route and status. Labels are names from the API's own
// description and HTTP statuses, never anything of a request.
type metrics struct {
	requests     *prometheus.CounterVec
	seconds      *prometheus.HistogramVec
	inFlight     prometheus.Gauge
	unauthorized prometheus.Counter
	feeds        prometheus.Gauge
}

func newMetrics(r prometheus.Registerer) *metrics {
	m := &metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "lethe_http_requests_total", Help: "Requests answered, by route and status.",
		}, []string{"route", "status"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "lethe_http_request_seconds", Help: "Time to answer a request, by route.",
			Buckets: []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10},
		}, []string{"route"}),
		inFlight: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "lethe_http_requests_in_flight", Help: "Requests being answered.",
		}),
		unauthorized: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "lethe_http_unauthorized_total", Help: "Requests without a valid token.",
		}),
		feeds: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "lethe_http_event_feeds", Help: "Event feeds open.",
		}),
	}
	if r != nil {
		r.MustRegister(m.requests, m.seconds, m.inFlight, m.unauthorized, m.feeds)
	}
	return m
}

func (m *metrics) begun() { m.inFlight.Inc() }

func (m *metrics) ended(route string, status int, took time.Duration) {
	m.inFlight.Dec()
	m.requests.WithLabelValues(route, strconv.Itoa(status)).Inc()
	m.seconds.WithLabelValues(route).Observe(took.Seconds())
}

// Metrics serves the registry in Prometheus' text format. It asks for no
// token: it belongs on a listener of its own.
func Metrics(g prometheus.Gatherer) http.Handler {
	return promhttp.HandlerFor(g, promhttp.HandlerOpts{MaxRequestsInFlight: 4, Timeout: 10 * time.Second})
}
