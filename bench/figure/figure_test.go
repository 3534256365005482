package figure_test

import (
	"encoding/json"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/telltale-iot/telltale/bench/figure"
)

func TestSheetShowsMedianSpreadAndRatio(t *testing.T) {
	s := figure.Sheet{Name: "ingest", Note: "a test", Seed: 7}
	for _, v := range []float64{30, 10, 20} {
		s.Add("hub", figure.Value{Name: "cpu", Unit: "µs", V: v})
	}
	s.Add("naive", figure.Value{Name: "cpu", Unit: "µs", V: 50}, figure.Value{Name: "only here", Unit: "B", V: math.NaN()})
	var out strings.Builder
	if err := s.Print(&out); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"20 (10–30)", "2.5x", "seed 7", "only here"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in\n%s", want, out.String())
		}
	}
	_, line, _ := strings.Cut(out.String(), "JSON ")
	var back struct {
		Bench   string
		Figures []struct{ Runs map[string][]float64 }
	}
	if err := json.Unmarshal([]byte(line), &back); err != nil {
		t.Fatal(err)
	}
	if back.Bench != "ingest" || len(back.Figures) != 2 || len(back.Figures[0].Runs["hub"]) != 3 || len(back.Figures[1].Runs["naive"]) != 0 {
		t.Errorf("the JSON line says %+v", back)
	}
}

func TestQuantilesOfLatencies(t *testing.T) {
	var l figure.Latencies
	for ms := 100; ms > 0; ms-- {
		l.Note(time.Duration(ms) * time.Millisecond)
	}
	if p50, p99 := l.Quantile(0.5), l.Quantile(0.99); p50 != 51 || p99 != 100 {
		t.Errorf("p50 %v ms, p99 %v ms, want 51 and 100", p50, p99)
	}
	if !math.IsNaN(figure.Latencies(nil).Quantile(0.5)) {
		t.Error("a quantile of nothing is a number")
	}
}

func TestTargetsAreMetOrMissedOrUnknown(t *testing.T) {
	var out strings.Builder
	err := figure.PrintBars(&out, []figure.Bar{
		{Name: "more", Unit: "x", Target: 100, Reached: 150},
		{Name: "too few", Unit: "x", Target: 100, Reached: 99},
		{Name: "less", Unit: "ms", Target: 50, Reached: 50, AtMost: true},
		{Name: "too many", Unit: "ms", Target: 50, Reached: 50.1, AtMost: true},
		{Name: "unknown", Unit: "ms", Target: 50, Reached: math.NaN(), AtMost: true},
		{Name: "nothing", Unit: "x", Target: 50, Reached: math.Inf(1)},
	})
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"more": "met", "too few": "missed", "less": "met", "too many": "missed", "unknown": "not measured", "nothing": "not measured"} {
		for line := range strings.Lines(out.String()) {
			if strings.HasPrefix(line, name+" ") && !strings.HasSuffix(strings.TrimSpace(line), want) {
				t.Errorf("want %q: %s", want, line)
			}
		}
	}
	if n := strings.Count(out.String(), "JSON {"); n != 4 {
		t.Errorf("%d JSON lines of 4 known figures:\n%s", n, out.String())
	}
}
