package figure

import (
	"math"
	"slices"
	"time"
)

// Latencies are durations in µs, as many as were measured: nothing is thrown away before the quantile is taken.
type Latencies []uint32

// Note adds one.
func (l *Latencies) Note(d time.Duration) {
	*l = append(*l, uint32(min(max(d.Microseconds(), 0), math.MaxUint32)))
}

// Quantile returns the q-quantile (0 to 1) in ms; NaN when nothing was measured. It sorts l.
func (l Latencies) Quantile(q float64) float64 {
	if len(l) == 0 {
		return math.NaN()
	}
	slices.Sort(l)
	return float64(l[min(int(q*float64(len(l))), len(l)-1)]) / 1000
}
