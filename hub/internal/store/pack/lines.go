package pack

// lines is a column as stretches that each begin somewhere and go on with the same step: x[i] = start + ⌊(i−begin)·step/1000⌋. A step of 1000 is 1: times
// are ms, and a waveform's step is whole µs (schema.Series). A step of 0 is a value that stays.
type lines struct {
	step    int64
	starts  []int64 // one per line
	lengths []int64 // one per line but for the last, which goes to the end
	jumps   []int64 // one per line but for the first: how far it starts from where the one before would have gone
}

const (
	perStep = 1000
	// linesMost bounds the lines of a column; more save nothing. A column has at least minLine integers for each of them on average.
	linesMost = 256
	minLine   = 8
	// stepMost bounds a step, so that nothing overflows.
	stepMost = perStep << 36
	// lookBack is how far before its end a line may give way to one that goes further: what begins anew often still fits what went before
	// for a few integers.
	lookBack = 12
)

// linesIn returns how many lines a column of n integers may have.
func linesIn(n int) int { return min(linesMost, max(1, n/minLine)) }

// findLines finds the lines of x, if there are few. Most have the commonest step; if that is none, x may be a waveform.
func findLines(x []int64, ints *arena) (*lines, bool) {
	l := &lines{step: commonStep(x)}
	if l.find(x, ints) {
		return l, true
	}
	if step, ok := waveStep(x); ok {
		l.step = step
		return l, l.find(x, ints)
	}
	return nil, false
}

// find finds the lines of x with step l.step, and reports whether they are few.
func (l *lines) find(x []int64, ints *arena) bool {
	room := linesIn(len(x))
	l.starts, l.lengths, l.jumps = ints.take(room)[:0], ints.take(room)[:0], ints.take(room)[:0]
	for at := 0; at < len(x); {
		n := len(l.starts)
		if n == room {
			return false
		}
		if n > 0 {
			l.jumps = append(l.jumps, x[at]-goOn(l.starts[n-1], l.lengths[n-1], l.step))
		}
		l.starts = append(l.starts, x[at])
		end := at + l.reach(x[at:])
		if end < len(x) {
			end = l.better(x, at, end)
			l.lengths = append(l.lengths, int64(end-at))
		}
		at = end
	}
	return true
}

// reach returns how many of x are on the line from x[0].
func (l *lines) reach(x []int64) int {
	at, p := x[0], l.pen()
	for i, v := range x {
		if v != at {
			return i
		}
		at += p.next()
	}
	return len(x)
}

// better returns a place at or shortly before end where the next line should begin: the one from which it goes furthest.
func (l *lines) better(x []int64, at, end int) int {
	if l.step%perStep == 0 {
		return end
	}
	to, furthest := end, 0
	for i := end; i > max(at, end-lookBack); i-- {
		if e := i + l.reach(x[i:]); e > furthest {
			to, furthest = i, e
		}
	}
	return to
}

// commonStep returns the step that most neighbours in x have, if most have one (the majority vote of Boyer and Moore).
func commonStep(x []int64) int64 {
	var step int64
	votes := 0
	for i := 1; i < len(x); i++ {
		switch d := x[i] - x[i-1]; {
		case votes == 0:
			step, votes = d, 1
		case d == step:
			votes++
		default:
			votes--
		}
	}
	if step > stepMost/perStep || step < -stepMost/perStep {
		return 0
	}
	return step * perStep
}

// waveStep finds the step of a waveform, whose frames begin on a whole ms: that of the longest line that any step makes.
func waveStep(x []int64) (int64, bool) {
	const (
		look  = 1024 // integers to look at
		least = 16   // integers that are no accident
	)
	x = x[:min(look, len(x))]
	if !isEven(x) {
		return 0, false
	}
	longest, step := 0, int64(0)
	for at := 0; at < len(x); {
		next := at + 1
		for i := at; i > max(-1, at-lookBack); i-- {
			n, s := slope(x[i:])
			if n > longest {
				longest, step = n, s
			}
			next = max(next, i+n)
		}
		at = next
	}
	return step, longest >= least
}

// isEven reports whether nearly every difference in x is within 1 of the one before.
func isEven(x []int64) bool {
	even := 0
	for i := 2; i < len(x); i++ {
		if change := x[i] - 2*x[i-1] + x[i-2]; -1 <= change && change <= 1 {
			even++
		}
	}
	return even > len(x)*3/4
}

// slope returns how many of x are on a line from x[0] with some step, and the least such step.
func slope(x []int64) (int, int64) {
	low, high := int64(0), int64(stepMost)
	var atLow, atHigh int64 // i·low and i·high
	for i := int64(1); i < int64(len(x)); i++ {
		atLow, atHigh = atLow+low, atHigh+high
		up := (x[i] - x[0]) * perStep
		if x[i] < x[0] || up > stepMost || up > atHigh || up+perStep-1 < atLow {
			return int(i), low
		}
		least, most := low, high
		if up > atLow {
			least = (up + i - 1) / i
		}
		if up+perStep-1 < atHigh {
			most = (up + perStep - 1) / i
		}
		if least > most {
			return int(i), low
		}
		low, high, atLow, atHigh = least, most, least*i, most*i
	}
	return len(x), low
}

// goOn returns what is n places after start.
func goOn(start, n, step int64) int64 {
	up := n * step
	if up%perStep < 0 {
		return start + up/perStep - 1
	}
	return start + up/perStep
}

// pen draws a line place by place.
type pen struct{ whole, part, rest int64 }

func (l *lines) pen() pen {
	p := pen{whole: l.step / perStep, part: l.step % perStep}
	if p.part < 0 {
		p.whole, p.part = p.whole-1, p.part+perStep
	}
	return p
}

// next returns how far the next place is.
func (p *pen) next() int64 {
	if p.rest += p.part; p.rest >= perStep {
		p.rest -= perStep
		return p.whole + 1
	}
	return p.whole
}

// size is how many bits writer.lines writes beside the columns in it.
func (l *lines) size() float64 {
	return numberSize(zigzag(l.starts[0])) + numberSize(zigzag(l.step)) + numberSize(uint64(len(l.jumps)))
}

// lines writes l.
func (w *writer) lines(l *lines) {
	w.signed(l.starts[0])
	w.signed(l.step)
	w.number(uint64(len(l.jumps)))
	w.column(l.lengths)
	w.column(l.jumps)
}

// lines reads into x what writer.lines wrote.
func (r *reader) lines(x []int64) {
	start := r.signed()
	l := lines{step: r.signed()}
	more := r.number()
	if more >= uint64(linesIn(len(x))) || l.step > stepMost || l.step < -stepMost {
		r.bad = true
		return
	}
	l.lengths, l.jumps = r.ints.take(int(more)), r.ints.take(int(more))
	r.column(l.lengths)
	r.column(l.jumps)
	for i, n := range l.lengths {
		if n < 1 || n >= int64(len(x)) {
			r.bad = true
			return
		}
		l.draw(x[:n], start)
		x = x[n:]
		start = goOn(start, n, l.step) + l.jumps[i]
	}
	l.draw(x, start)
}

// draw fills x with a line.
func (l *lines) draw(x []int64, start int64) {
	p := l.pen()
	if p.part == 0 {
		for i := range x {
			x[i] = start
			start += p.whole
		}
		return
	}
	for i := range x {
		x[i] = start
		start += p.next()
	}
}
