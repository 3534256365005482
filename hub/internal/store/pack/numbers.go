package pack

// Numbers of a sensor are whole multiples of something small, 1/100 mostly, and that is how they are written: a scale, and a column of k. What arithmetic
// left on top (an average, °F to °C) is a second column: how far v is above k/divisor, mostly nowhere at all, and then there is no such column. A series
// without a divisor has the second column only.

// A scale's first bits.
const (
	divisorBits  = 5
	decimalsMost = 22 // 0 to 22: the divisor is 10^0 to 10^22, all exact in a float64
	otherDivisor = 30 // it is written out
	noDivisor    = 31
)

// numbers writes v: finite, without −0.
func (w *writer) numbers(v []float64) {
	if len(v) == 0 {
		return
	}
	k, above := w.ints.take(len(v)), w.ints.take(len(v))
	s := scaleOf(v, max(1, len(v)/samplePairs))
	left := s.splitAll(k, above, v)
	if s.divisor != 0 && left > len(v)/2 && len(v) > 2*samplePairs { // the sample missed something
		s = scaleOf(v, max(1, len(v)/(8*samplePairs)))
		left = s.splitAll(k, above, v)
	}
	w.scale(s)
	if s.divisor != 0 {
		w.column(k)
		w.bits(uint64(min(1, left)), 1)
	}
	if left > 0 || s.divisor == 0 {
		w.column(above)
	}
}

func (w *writer) scale(s scale) {
	single := uint64(0)
	if s.single {
		single = 1
	}
	w.bits(single, 1)
	if s.divisor == 0 {
		w.bits(noDivisor, divisorBits)
		return
	}
	for e, p := range powersOfTen {
		if s.divisor == p {
			w.bits(uint64(e), divisorBits)
			return
		}
	}
	w.bits(otherDivisor, divisorBits)
	w.number(uint64(s.divisor))
}

// numbers reads into v what writer.numbers wrote.
func (r *reader) numbers(v []float64) {
	if len(v) == 0 {
		return
	}
	s := r.scale()
	x := r.ints.take(len(v))
	if s.divisor == 0 {
		clear(v)
	} else {
		r.column(x)
		for i, k := range x {
			v[i] = s.whole(k)
		}
		if r.bits(1) == 0 {
			return
		}
	}
	r.column(x)
	for i, above := range x {
		v[i] = s.unrank(s.rank(v[i]) + above)
		r.bad = r.bad || v[i]-v[i] != 0
	}
}

func (r *reader) scale() scale {
	s := scale{single: r.bits(1) == 1}
	switch e := r.bits(divisorBits); {
	case e <= decimalsMost:
		s.divisor = powersOfTen[e]
	case e == otherDivisor:
		s.divisor = max(1, float64(r.number()))
	case e != noDivisor:
		r.bad = true
	}
	return s
}
