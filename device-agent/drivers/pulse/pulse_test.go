package pulse

import (
	"math"
	"testing"
	"time"
)

func TestABouncingContactCountsOnce(t *testing.T) {
	begin := time.Now()
	for _, tc := range []struct {
		name  string
		edges []int // ms; the level changes at each, first to active
		until int   // ms, when it is read
		want  uint64
	}{
		{"clean", []int{100, 130, 200, 230}, 400, 2},
		{"bounces when it closes", []int{100, 101, 102, 103, 104, 130}, 200, 1},
		{"bounces when it opens", []int{100, 130, 131, 132}, 200, 1},
		{"bounces both times", []int{100, 102, 103, 150, 151, 152}, 300, 1},
		{"a spike", []int{100, 101}, 300, 0},
		{"still closed when it is read", []int{100}, 300, 1},
		{"closed too short to be sure", []int{100}, 103, 0},
		{"a short break is no second pulse", []int{100, 130, 132, 160}, 300, 1},
	} {
		c := counter{debounce: 5 * time.Millisecond}
		c.begin(false, begin)
		active := false
		for _, ms := range tc.edges {
			active = !active
			at := time.Duration(ms) * time.Millisecond
			c.edge(active, time.Hour+at, begin.Add(at))
		}
		read := begin.Add(time.Duration(tc.until) * time.Millisecond)
		c.settle(read)
		c.settle(read) // reading twice counts nothing
		if c.count != tc.want {
			t.Errorf("%s: %d pulses, want %d", tc.name, c.count, tc.want)
		}
	}
}

func TestEdgesThatAreHeardOfLateCountByTheKernelsClock(t *testing.T) {
	c := counter{debounce: 5 * time.Millisecond}
	late := time.Now()
	c.begin(false, late)
	for i := range 10 { // all at once, though they happened 100 ms apart
		at := time.Duration(1+i) * 100 * time.Millisecond
		c.edge(true, at, late)
		c.edge(false, at+30*time.Millisecond, late)
	}
	c.settle(late.Add(time.Second))
	if got := c.perHour(late); c.count != 9 && c.count != 10 || math.Abs(got-36000) > 1 {
		t.Errorf("%d pulses at %g an hour, want 10 at 36,000", c.count, got)
	}
	if got := c.perHour(late.Add(time.Hour)); got > 1.01 {
		t.Errorf("an hour after the last pulse the rate is %g an hour", got)
	}
}
