package pack

// A column is a list of integers whose number the reader knows. There are two ways to write one: as lines (see lines.go), which for a steady step or a
// value that seldom changes is a few bytes for all, and as remainders of a predictor.

// curve is a column written as remainders: first, then the others as multiples of unit above it.
type curve struct {
	first int64
	unit  uint64
	with  predictor
	from  line
	coding
	res []int64
}

// column writes x.
func (w *writer) column(x []int64) {
	if len(x) == 0 {
		return
	}
	p := w.plan(x)
	if p.lines != nil {
		w.bits(1, 1)
		w.lines(p.lines)
		return
	}
	w.bits(0, 1)
	w.curve(p.curve)
}

// plan is how a column will be written.
type plan struct {
	lines *lines
	curve *curve
	size  float64 // about how many bits
}

// plan finds the shorter way to write x. Lines may be a little longer, for they are read twenty times as fast.
func (w *writer) plan(x []int64) plan {
	if len(x) == 0 {
		return plan{}
	}
	l, ok := findLines(x, &w.ints)
	if ok && len(l.starts) == 1 {
		return plan{lines: l, size: l.size()}
	}
	c, size := w.planCurve(x)
	if ok {
		lsize := l.size() + w.plan(l.lengths).size + w.plan(l.jumps).size
		if lsize <= size+float64(len(x))/16 {
			return plan{lines: l, size: lsize}
		}
	}
	return plan{curve: c, size: size}
}

func (w *writer) planCurve(x []int64) (*curve, float64) {
	c := &curve{first: x[0], unit: unitOf(x)}
	y := w.ints.take(len(x))
	for i, v := range x {
		y[i] = v - c.first
	}
	if c.unit > 1 {
		for i, v := range y {
			y[i] = int64(magnitude(v) / c.unit)
			if v < 0 {
				y[i] = -y[i]
			}
		}
	}
	c.with, c.from, c.res = best(y, &w.ints)
	var size float64
	c.coding, size = w.choose(c.res)
	return c, size + c.size()
}

// size is how many bits writer.curve writes beside the remainders.
func (c *curve) size() float64 {
	n := numberSize(zigzag(c.first)) + numberSize(c.unit) + 4 + 6 + 2
	if c.with >= firstSmooth {
		n += numberSize(zigzag(c.from.level)) + numberSize(zigzag(c.from.slope)) + jumpBits
	}
	return n
}

// curve writes c.
func (w *writer) curve(c *curve) {
	w.signed(c.first)
	w.number(c.unit)
	w.bits(uint64(c.with), 4)
	if c.with >= firstSmooth {
		w.signed(c.from.level)
		w.signed(c.from.slope)
		w.bits(uint64(c.from.jump), jumpBits)
	}
	w.bits(uint64(c.shift), 6)
	w.bits(uint64(c.memory), 2)
	w.remainders(c.res, c.coding, &w.model)
}

// unitOf returns the greatest common divisor of the differences of x to its first, at least 1. Differences wrap around at 2^64.
func unitOf(x []int64) uint64 {
	var unit uint64
	for _, v := range x {
		for d := magnitude(v - x[0]); d != 0; {
			unit, d = d, unit%d
		}
		if unit == 1 {
			return 1
		}
	}
	return max(1, unit)
}

// magnitude returns |v|.
func magnitude(v int64) uint64 {
	if v < 0 {
		return -uint64(v)
	}
	return uint64(v)
}

// column reads into x what writer.column wrote.
func (r *reader) column(x []int64) {
	if len(x) == 0 {
		return
	}
	if r.bits(1) == 1 {
		r.lines(x)
		return
	}
	first, unit, with := r.signed(), r.number(), predictor(r.bits(4))
	var from line
	if with >= firstSmooth {
		from = line{r.signed(), r.signed(), uint(r.bits(jumpBits))}
	}
	c := coding{uint(r.bits(6)), uint(r.bits(2))}
	if int(with) >= predictors || c.memory > 2 {
		r.bad = true
		return
	}
	r.remainders(x[1:], c, &r.model)
	x[0] = 0
	with.restore(x, from)
	for i, v := range x {
		x[i] = first + v*int64(unit)
	}
}
