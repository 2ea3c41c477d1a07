package delivery

import (
	"net/http"
	"strconv"

	"github.com/headrace/headrace/internal/metrics"
)

// codes are all we answer with; any other counts as the last.
var codes = [...]int{
	http.StatusOK, http.StatusNoContent, http.StatusPartialContent, http.StatusNotModified,
	http.StatusBadRequest, http.StatusNotFound, http.StatusMethodNotAllowed,
	http.StatusRequestedRangeNotSatisfiable, http.StatusServiceUnavailable, 0,
}

// instruments is what delivery counts. No label has a value that a client chose.
type instruments struct {
	requests [kinds][len(codes)]metrics.Counter
	bytes    [kinds]metrics.Counter
	waiting  metrics.Gauge
	held     metrics.Histogram
}

func newInstruments(r *metrics.Registry) *instruments {
	m := &instruments{
		waiting: r.Gauge("headrace_delivery_waiting_requests", "Requests held until the stream has what they ask for."),
		held:    r.Histogram("headrace_delivery_held_seconds", "How long requests were held.", metrics.LatencySeconds),
	}
	requests := r.CounterVec("headrace_delivery_requests_total", "Requests answered, by what they were for and the status code; 0 is none.", "kind", "code")
	bytes := r.CounterVec("headrace_delivery_sent_bytes_total", "Bytes of response bodies.", "kind")
	for k := range kinds {
		m.bytes[k] = bytes.With(k.String())
		for i, code := range codes {
			m.requests[k][i] = requests.With(k.String(), strconv.Itoa(code))
		}
	}
	return m
}

func (m *instruments) count(k kind, code int, bytes int64) {
	i := 0
	for i < len(codes)-1 && codes[i] != code {
		i++
	}
	m.requests[k][i].Inc()
	m.bytes[k].Add(float64(bytes))
}
