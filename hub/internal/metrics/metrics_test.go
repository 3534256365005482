package metrics_test

import (
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/telltale-iot/telltale/hub/internal/metrics"
)

func TestScrapeShowsWhatIsThereNow(t *testing.T) {
	r := metrics.New()
	n := 1.0
	r.Counter("telltale_things_total", "Things.", func() float64 { return n })
	r.Gauge("telltale_waiting", "Waiting.", func() float64 { return -n })
	r.Commit(30 * time.Millisecond)
	r.Refused("bad_frame")
	r.Refused("bad_frame")
	n = 7
	w := httptest.NewRecorder()
	r.Handler().ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	for _, want := range []string{"telltale_things_total 7\n", "telltale_waiting -7\n", `telltale_refused_total{code="bad_frame"} 2`,
		`telltale_store_commit_seconds_bucket{le="0.05"} 1`, `telltale_store_commit_seconds_bucket{le="0.02"} 0`, "go_goroutines "} {
		if !strings.Contains(w.Body.String(), want) {
			t.Errorf("no %q", want)
		}
	}
}
