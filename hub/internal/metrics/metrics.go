// Package metrics turns what the parts of the hub count into Prometheus text. It is the only package that knows the Prometheus library.
//
// The parts know nothing of it: they offer numbers, and whoever wires the hub registers a function per number here. Names begin with
// telltale_, end in their unit, and counters in _total. Labels have few values: never a device.
//
// Start with [Registry].
package metrics

import (
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Registry holds the metrics of one hub. Make it with [New].
type Registry struct {
	reg      *prometheus.Registry
	commits  prometheus.Histogram
	problems *prometheus.CounterVec
}

// New returns a registry with the process's and Go's own numbers.
func New() *Registry {
	r := &Registry{
		reg: prometheus.NewRegistry(),
		commits: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "telltale_store_commit_seconds", Help: "Time of a group commit from begin to durable.",
			Buckets: []float64{.001, .002, .005, .01, .02, .05, .1, .2, .5, 1, 2, 5, 10},
		}),
		problems: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "telltale_refused_total", Help: "Frames and requests refused, by the code of the problem.",
		}, []string{"code"}),
	}
	r.reg.MustRegister(r.commits, r.problems, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return r
}

// Counter adds a number that only rises; read is called at every scrape and must not block. Panics when the name is taken.
func (r *Registry) Counter(name, help string, read func() float64) {
	r.reg.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{Name: name, Help: help}, read))
}

// Gauge adds a number that goes up and down; read is called at every scrape and must not block. Panics when the name is taken.
func (r *Registry) Gauge(name, help string, read func() float64) {
	r.reg.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, read))
}

// Commit notes how long a group commit took.
func (r *Registry) Commit(took time.Duration) { r.commits.Observe(took.Seconds()) }

// Refused counts a refusal by the code of its problem.
func (r *Registry) Refused(code string) { r.problems.WithLabelValues(code).Inc() }

// Handler serves the metrics as Prometheus text.
func (r *Registry) Handler() http.Handler {
	return promhttp.HandlerFor(r.reg, promhttp.HandlerOpts{MaxRequestsInFlight: 4})
}
