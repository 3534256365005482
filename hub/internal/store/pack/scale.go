package pack

import (
	"math"
	"math/bits"
)

// scale is how numbers become integers: v is the float nearest to k/divisor, and some representable numbers above it. A divisor of 0 is none: all of v is
// above 0.
type scale struct {
	divisor float64
	single  bool // the floats are those of 32 bits
}

const (
	// wholeMost bounds k: up to here every integer is a float64.
	wholeMost = 1 << 53
	// decimalsTried is after how many digits v is taken to have none.
	decimalsTried = 17
	// decimalsPlain is how many are taken for what the sensor says; 20.333333333333 has more, and may be something else.
	decimalsPlain = 6
	// denominatorMost bounds the denominators of the fractions that are looked for, commonMost what they have in common.
	denominatorMost = 1 << 20
	commonMost      = 1 << 40
	// samplePairs is how many pairs of neighbours are looked at to find a scale.
	samplePairs = 64
)

// rank numbers the floats: neighbours differ by 1, and 0 is 0.
func (s scale) rank(v float64) int64 {
	if s.single {
		b := int32(math.Float32bits(float32(v)))
		return int64(b ^ b>>31&math.MaxInt32)
	}
	b := int64(math.Float64bits(v))
	return b ^ b>>63&math.MaxInt64
}

// unrank is the way back.
func (s scale) unrank(n int64) float64 {
	if s.single {
		b := int32(n)
		return float64(math.Float32frombits(uint32(b ^ b>>31&math.MaxInt32)))
	}
	return math.Float64frombits(uint64(n ^ n>>63&math.MaxInt64))
}

// whole returns the float nearest to k/divisor.
func (s scale) whole(k int64) float64 {
	v := float64(k) / s.divisor
	if s.single {
		v = float64(float32(v))
	}
	return v
}

// split returns k so that k/divisor is nearest to v, and how far v is above that. A v for which there is no k takes the one before.
func (s scale) split(v float64, before int64) (k, above int64) {
	if s.divisor == 0 {
		return 0, s.rank(v)
	}
	k = before
	if scaled := v * s.divisor; math.Abs(scaled) <= wholeMost {
		k = int64(math.RoundToEven(scaled))
	}
	back := s.whole(k)
	if back == v {
		return k, 0
	}
	return k, s.rank(v) - s.rank(back)
}

// splitAll splits every v and returns about how many bits are left above.
func (s scale) splitAll(k, above []int64, v []float64) (left int) {
	var before int64
	for i, v := range v {
		before, above[i] = s.split(v, before)
		k[i] = before
		left += bits.Len64(zigzag(above[i]))
	}
	return left
}

// scaleOf returns the scale that makes v shortest, by every stride-th pair of neighbours.
func scaleOf(v []float64, stride int) scale {
	best := scale{}
	least, _ := best.size(v, stride)
	try := func(s scale) (exact bool) {
		size, exact := s.size(v, stride)
		if size < least {
			least, best = size, s
		}
		return exact
	}
	decimals := func(single bool) (exact bool) {
		e := 0
		for ; e <= decimalsTried && !exact; e++ {
			exact = try(scale{powersOfTen[e], single})
		}
		return exact && e <= decimalsPlain
	}
	if decimals(false) {
		return best
	}
	single := areSingle(v)
	if try(scale{single: single}); single && decimals(true) {
		return best
	}
	if d := commonDenominator(v, stride); d > 1 {
		try(scale{float64(d), single})
	}
	return best
}

var powersOfTen = [decimalsMost + 1]float64{1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22}

// size is about how many bits every stride-th number of v takes, and whether nothing is left above any.
func (s scale) size(v []float64, stride int) (size float64, exact bool) {
	exact = true
	var unit uint64 // of all k
	var steps int
	for i := 1; i < len(v); i += stride {
		k0, above0 := s.split(v[i-1], 0)
		k1, above1 := s.split(v[i], k0)
		size += float64(bits.Len64(zigzag(k1-k0)) + bits.Len64(zigzag(above1)))
		if s.divisor == 0 {
			size += float64(bits.Len64(zigzag(above1-above0)) - bits.Len64(zigzag(above1)))
		}
		exact = exact && above0 == 0 && above1 == 0
		if k1 != k0 {
			steps++
			unit = common(unit, magnitude(k1-k0))
		}
	}
	if unit > 1 {
		size -= float64(steps) * math.Log2(float64(unit))
	}
	return size, exact
}

// areSingle reports whether all v are floats of 32 bits.
func areSingle(v []float64) bool {
	for _, v := range v {
		if v != float64(float32(v)) {
			return false
		}
	}
	return true
}

// commonDenominator returns the least common denominator of every stride-th number that is nearly a fraction with a small one.
func commonDenominator(v []float64, stride int) uint64 {
	all := uint64(1)
	for i := 0; i < len(v); i += stride {
		q := denominator(v[i])
		if q == 0 {
			continue
		}
		if next := all / common(all, q) * q; next <= commonMost {
			all = next
		}
	}
	return all
}

// denominator returns that of the simplest fraction that is v but for rounding (by its continued fraction); 0 if there is none that is no accident.
func denominator(v float64) uint64 {
	const (
		near     = 32        // representable numbers that rounding may be off: to 15 digits, as a spreadsheet does
		accident = 1.0 / 256 // a number has a fraction that is so near with this chance
	)
	v = math.Abs(v)
	tolerance := near * (math.Nextafter(v, math.Inf(1)) - v)
	x := v - math.Floor(v)
	before, q, rest := 0.0, 1.0, x
	for q <= denominatorMost && q*q*tolerance < accident {
		if math.Abs(x-math.Round(x*q)/q) <= tolerance {
			return uint64(q)
		}
		rest = 1 / rest
		whole := math.Floor(rest)
		rest -= whole
		before, q = q, whole*q+before
	}
	return 0
}

// common returns the greatest common divisor.
func common(a, b uint64) uint64 {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}
