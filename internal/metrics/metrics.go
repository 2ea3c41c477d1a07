// Package metrics is the registry that the server's parts hang their instruments in,
// for Prometheus to read. It wraps the client library so thinly that a package needs
// no more than this one: each keeps a small struct of its own instruments, named
// headrace_<package>_<what>_<unit> in base units, with labels whose values are few
// and known (never a stream's or a client's name as anyone on the network chose it).
//
// A nil *Registry hands out instruments that count for nobody, so that packages and
// their tests need no special case.
package metrics

import (
	"net/http"
	"runtime/debug"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// A Counter only grows.
type Counter = prometheus.Counter

// A Gauge goes up and down.
type Gauge = prometheus.Gauge

// A Histogram counts observations in buckets.
type Histogram = prometheus.Observer

// Registry holds instruments. Safe for concurrent use; a nil Registry is valid.
type Registry struct{ reg *prometheus.Registry }

// New returns a registry with the Go runtime, the process and the build's version
// already in it.
func New() *Registry {
	r := &Registry{prometheus.NewRegistry()}
	r.reg.MustRegister(
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	)
	version, revision := Build()
	r.GaugeVec("headrace_build_info", "Always 1; the labels say which build runs.", "version", "revision").With(version, revision).Set(1)
	return r
}

// Build returns the version and the source revision this binary was built from.
func Build() (version, revision string) {
	version, revision = "devel", "unknown"
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return version, revision
	}
	if v := info.Main.Version; v != "" && v != "(devel)" {
		version = v
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			revision = s.Value
		}
	}
	return version, revision
}

// Handler answers GET with all that the registry holds.
func (r *Registry) Handler() http.Handler {
	if r == nil {
		return http.NotFoundHandler()
	}
	return promhttp.HandlerFor(r.reg, promhttp.HandlerOpts{MaxRequestsInFlight: 4})
}

// register adds c, or returns the one that is already there under that name and those
// labels: two listeners of one protocol share their instruments. It panics if the
// name is taken by something else, which is a mistake of ours that any test shows.
func register[C prometheus.Collector](r *Registry, c C) C {
	if r == nil {
		return c
	}
	if err := r.reg.Register(c); err != nil {
		if e, ok := err.(prometheus.AlreadyRegisteredError); ok {
			if old, ok := e.ExistingCollector.(C); ok {
				return old
			}
		}
		panic("metrics: " + err.Error())
	}
	return c
}

// Counter returns the counter of that name.
func (r *Registry) Counter(name, help string) Counter {
	return register(r, prometheus.NewCounter(prometheus.CounterOpts{Name: name, Help: help}))
}

// Gauge returns the gauge of that name.
func (r *Registry) Gauge(name, help string) Gauge {
	return register(r, prometheus.NewGauge(prometheus.GaugeOpts{Name: name, Help: help}))
}

// GaugeFunc makes a gauge that asks f at every reading. f is called from any
// goroutine, and must not block. Only the first f of a name is asked.
func (r *Registry) GaugeFunc(name, help string, f func() float64) {
	register(r, prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, f))
}

// CounterFunc makes a counter that asks f, like GaugeFunc. f never goes down.
func (r *Registry) CounterFunc(name, help string, f func() float64) {
	register(r, prometheus.NewCounterFunc(prometheus.CounterOpts{Name: name, Help: help}, f))
}

// Histogram returns the histogram of that name; bounds are the upper ends of its
// buckets, ascending, in the unit of the name.
func (r *Registry) Histogram(name, help string, bounds []float64) Histogram {
	return register(r, prometheus.NewHistogram(prometheus.HistogramOpts{Name: name, Help: help, Buckets: bounds}))
}

// A CounterVec is a family of counters, told apart by labels.
type CounterVec struct{ v *prometheus.CounterVec }

// With returns the counter for the values, in the order of the labels. Keep it: the
// lookup costs more than counting.
func (c CounterVec) With(values ...string) Counter { return c.v.WithLabelValues(values...) }

// CounterVec returns the counters of that name.
func (r *Registry) CounterVec(name, help string, labels ...string) CounterVec {
	return CounterVec{register(r, prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels))}
}

// A GaugeVec is a family of gauges, told apart by labels.
type GaugeVec struct{ v *prometheus.GaugeVec }

// With returns the gauge for the values, in the order of the labels.
func (g GaugeVec) With(values ...string) Gauge { return g.v.WithLabelValues(values...) }

// Delete forgets the gauge for the values.
func (g GaugeVec) Delete(values ...string) { g.v.DeleteLabelValues(values...) }

// GaugeVec returns the gauges of that name.
func (r *Registry) GaugeVec(name, help string, labels ...string) GaugeVec {
	return GaugeVec{register(r, prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: name, Help: help}, labels))}
}

// A HistogramVec is a family of histograms, told apart by labels.
type HistogramVec struct{ v *prometheus.HistogramVec }

// With returns the histogram for the values, in the order of the labels.
func (h HistogramVec) With(values ...string) Histogram { return h.v.WithLabelValues(values...) }

// HistogramVec returns the histograms of that name.
func (r *Registry) HistogramVec(name, help string, bounds []float64, labels ...string) HistogramVec {
	return HistogramVec{register(r, prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: name, Help: help, Buckets: bounds}, labels))}
}

// LatencySeconds are buckets for the time from a frame's arrival to what we make of
// it, from half a millisecond to five seconds.
var LatencySeconds = []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5}
