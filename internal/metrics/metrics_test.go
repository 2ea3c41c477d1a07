package metrics

import (
	"io"
	"net/http/httptest"
	"strings"
	"testing"
)

func scrape(t *testing.T, r *Registry) string {
	t.Helper()
	w := httptest.NewRecorder()
	r.Handler().ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	b, err := io.ReadAll(w.Result().Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestScrape(t *testing.T) {
	r := New()
	r.Counter("headrace_test_a_total", "A.").Inc()
	r.Gauge("headrace_test_b_bytes", "B.").Set(2)
	r.GaugeFunc("headrace_test_c_streams", "C.", func() float64 { return 3 })
	r.Histogram("headrace_test_d_seconds", "D.", LatencySeconds).Observe(.004)
	r.CounterVec("headrace_test_e_total", "E.", "proto").With("rtmp").Add(5)
	r.GaugeVec("headrace_test_f_sessions", "F.", "proto").With("hls").Set(6)
	r.HistogramVec("headrace_test_g_seconds", "G.", LatencySeconds, "kind").With("part").Observe(7)
	got := scrape(t, r)
	for _, want := range []string{
		"headrace_test_a_total 1\n", "headrace_test_b_bytes 2\n", "headrace_test_c_streams 3\n",
		`headrace_test_d_seconds_bucket{le="0.005"} 1`, `headrace_test_e_total{proto="rtmp"} 5`,
		`headrace_test_f_sessions{proto="hls"} 6`, `headrace_test_g_seconds_count{kind="part"} 1`,
		"go_goroutines ", "process_open_fds ", `headrace_build_info{revision=`,
	} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q", want)
		}
	}
}

func TestSameNameIsSameInstrument(t *testing.T) {
	r := New()
	r.Counter("headrace_test_a_total", "A.").Inc()
	r.Counter("headrace_test_a_total", "A.").Inc()
	r.CounterVec("headrace_test_b_total", "B.", "x").With("1").Inc()
	r.CounterVec("headrace_test_b_total", "B.", "x").With("1").Inc()
	got := scrape(t, r)
	for _, want := range []string{"headrace_test_a_total 2\n", `headrace_test_b_total{x="1"} 2`} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
}

func TestOneNameForTwoThingsPanics(t *testing.T) {
	r := New()
	r.Counter("headrace_test_a_total", "A.")
	defer func() {
		if recover() == nil {
			t.Error("no panic")
		}
	}()
	r.Gauge("headrace_test_a_total", "A.")
}

func TestNilRegistryCounts(t *testing.T) {
	var r *Registry
	r.Counter("a", "").Inc()
	r.Gauge("a", "").Set(1) // the same name twice harms nobody
	r.GaugeFunc("a", "", func() float64 { return 1 })
	r.Histogram("a", "", LatencySeconds).Observe(1)
	r.CounterVec("a", "", "x").With("1").Inc()
	g := r.GaugeVec("a", "", "x")
	g.With("1").Inc()
	g.Delete("1")
	r.HistogramVec("a", "", LatencySeconds, "x").With("1").Observe(1)
	w := httptest.NewRecorder()
	r.Handler().ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	if w.Code != 404 {
		t.Errorf("a nil registry answers %d", w.Code)
	}
}
