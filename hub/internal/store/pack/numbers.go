package pack

import (
	"math"
	"math/bits"
)

// Numbers of a sensor are whole multiples of something small, 1/100 mostly, and that is how they are written: v is the float64 nearest to k/divisor,
// and k is a column. What arithmetic left on top (an average, °F to °C) is a second column: how many representable numbers v is above k/divisor,
// mostly 0. A series without a divisor has the second column only, counted from 0.

const (
	// divisors of a block: 10^0 to 10^decimalsMost, a number, or none.
	decimalsMost  = 22
	otherDivisor  = 30
	noDivisor     = 31
	divisorBits   = 5
	largestWhole  = 1 << 53 // up to here every integer is a float64
	decimalsTried = 17      // 10^17 has more digits after the point than a float64 of a few thousandths can tell
)

// rank numbers the floats: neighbours differ by 1, and 0 is 0.
func rank(v float64) int64 {
	b := int64(math.Float64bits(v))
	return b ^ b>>63&math.MaxInt64
}

// unrank is the way back.
func unrank(n int64) float64 { return math.Float64frombits(uint64(n ^ n>>63&math.MaxInt64)) }

// split returns k so that k/divisor is nearest to v, and how far v is above that. A v for which there is no k takes the one before.
func split(v, divisor float64, before int64) (k, above int64) {
	k = before
	if scaled := v * divisor; math.Abs(scaled) <= largestWhole {
		k = int64(math.RoundToEven(scaled))
	}
	return k, rank(v) - rank(float64(k)/divisor)
}

// numbers writes v: finite, without −0.
func (w *writer) numbers(v []float64) {
	if len(v) == 0 {
		return
	}
	k, above := w.ints.take(len(v)), w.ints.take(len(v))
	divisor := divisorOf(v, max(1, len(v)/samplePairs))
	if odd := splitAll(k, above, v, divisor); odd > len(v)/samplePairs && len(v) > 2*samplePairs {
		divisor = divisorOf(v, 1)
		splitAll(k, above, v, divisor)
	}
	switch e := decimalsOf(divisor); {
	case divisor == 0:
		w.bits(noDivisor, divisorBits)
	case e >= 0:
		w.bits(uint64(e), divisorBits)
	default:
		w.bits(otherDivisor, divisorBits)
		w.number(uint64(divisor))
	}
	if divisor != 0 {
		w.column(k)
	}
	w.column(above)
}

// splitAll splits every v and returns for how many something is left above.
func splitAll(k, above []int64, v []float64, divisor float64) (odd int) {
	if divisor == 0 {
		for i, v := range v {
			above[i] = rank(v)
		}
		return 0
	}
	var before int64
	for i, v := range v {
		before, above[i] = split(v, divisor, before)
		k[i] = before
		if above[i] != 0 {
			odd++
		}
	}
	return odd
}

// samplePairs is how many pairs of neighbours are looked at to find a divisor.
const samplePairs = 64

// divisorOf returns the divisor that makes v shortest, by every stride-th pair of neighbours; 0 for none.
func divisorOf(v []float64, stride int) float64 {
	least, divisor := 0, 0.0
	for i := 1; i < len(v); i += stride {
		least += bits.Len64(zigzag(rank(v[i]) - rank(v[i-1])))
	}
	least += len(v) / stride / 2
	for e := range decimalsTried + 1 {
		size, exact := sizeWith(v, stride, powerOfTen(e))
		if size < least {
			least, divisor = size, powerOfTen(e)
		}
		if exact {
			break
		}
	}
	return divisor
}

// sizeWith is about how many bits every stride-th number of v has with a divisor, and whether nothing is left above any.
func sizeWith(v []float64, stride int, divisor float64) (size int, exact bool) {
	exact = true
	for i := 1; i < len(v); i += stride {
		k0, above0 := split(v[i-1], divisor, 0)
		k1, above1 := split(v[i], divisor, k0)
		size += bits.Len64(zigzag(k1-k0)) + bits.Len64(zigzag(above1))
		exact = exact && above0 == 0 && above1 == 0
	}
	return size, exact
}

// decimalsOf returns e if divisor is 10^e, otherwise −1.
func decimalsOf(divisor float64) int {
	for e := range decimalsMost + 1 {
		if powerOfTen(e) == divisor {
			return e
		}
	}
	return -1
}

// powerOfTen returns 10^e, exactly, for e up to decimalsMost.
func powerOfTen(e int) float64 { return powersOfTen[e] }

var powersOfTen = [decimalsMost + 1]float64{1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22}

// numbers reads into v what writer.numbers wrote.
func (r *reader) numbers(v []float64) {
	if len(v) == 0 {
		return
	}
	var divisor float64
	switch e := r.bits(divisorBits); {
	case e <= decimalsMost:
		divisor = powerOfTen(int(e))
	case e == otherDivisor:
		divisor = float64(r.number())
	case e != noDivisor:
		r.bad = true
		return
	}
	x := r.ints.take(len(v))
	if divisor != 0 {
		r.column(x)
		for i, k := range x {
			v[i] = float64(k) / divisor
		}
	} else {
		clear(v)
	}
	r.column(x)
	for i, above := range x {
		if above != 0 {
			v[i] = unrank(rank(v[i]) + above)
		}
		r.bad = r.bad || v[i]-v[i] != 0
	}
}
