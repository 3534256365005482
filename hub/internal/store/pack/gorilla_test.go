package pack_test

import (
	"encoding/binary"
	"math"
	"math/bits"

	"github.com/telltale-iot/telltale/hub/internal/store/pack"
)

// gorillaSize returns how many bytes Gorilla makes of a block of numbers without marks: the usual way to keep series, to measure against.
//
// Source: T. Pelkonen et al., Gorilla: A Fast, Scalable, In-Memory Time Series Database, VLDB 2015, sections 4.1.1 and 4.1.2. Times in ms have
// Prometheus' classes of differences (14, 17, 20 and 64 bits).
func gorillaSize(b *pack.Block) int {
	n := binary.MaxVarintLen64 + 64 // the block's start and first value
	var step, leading, length int
	for i := 1; i < b.Len(); i++ {
		d := int(b.TMS[i] - b.TMS[i-1])
		n += gorillaTimeBits(d - step)
		step = d
		x := math.Float64bits(b.Num[i]) ^ math.Float64bits(b.Num[i-1])
		if x == 0 {
			n++
			continue
		}
		lead := min(bits.LeadingZeros64(x), 31)
		trail := bits.TrailingZeros64(x)
		if length > 0 && lead >= leading && 64-trail <= leading+length {
			n += 2 + length
			continue
		}
		leading, length = lead, 64-lead-trail
		n += 2 + 5 + 6 + length
	}
	return (n + 7) / 8
}

func gorillaTimeBits(d int) int {
	for _, class := range []struct{ value, all int }{{0, 1}, {14, 16}, {17, 20}, {20, 24}} {
		if lim := 1 << class.value / 2; d == 0 || class.value > 0 && -lim < d && d <= lim {
			return class.all
		}
	}
	return 4 + 64
}
