package pack

import (
	"math"
	"math/bits"
	"slices"
)

// A predictor says from the integers before what the next one will be; a column keeps the remainders. The first ones repeat the last value, its
// last step, or the change of its steps. The others follow a line that leans towards what comes: level and slope each move by a part of the
// surprise (Holt's double exponential smoothing), which is right for a value under noise and for times that jitter about a schedule.
type predictor uint8

const (
	repeatValue predictor = iota
	repeatStep
	repeatChange
	firstSmooth
)

// smoothing says how far the level moves, in 1/16, and the slope, in 1/128, of a surprise.
type smoothing struct{ level, slope int64 }

// smoothings were chosen one after the other from a grid of 180, each the one that saved most on real and made-up series.
var smoothings = [...]smoothing{{0, 0}, {1, 0}, {2, 0}, {3, 2}, {6, 4}, {14, 0}, {20, 0}}

const predictors = int(firstSmooth) + len(smoothings)

// Levels and slopes are in 1/65536.
const (
	fine = 16
	half = 1 << (fine - 1)
	// smoothMost bounds the integers that are smoothed, so that nothing overflows.
	smoothMost = 1 << 40
	// smoothFrom is how many integers are worth a line.
	smoothFrom = 16
)

// line is where smoothing begins: the level before the first integer, a whole number, and the slope in 1/65536. What lies 2^jump or more above the
// guess begins anew: times go on with the same step after a device was away.
type line struct {
	level, slope int64
	jump         uint
}

const (
	jumpBits = 6
	noJump   = 1<<jumpBits - 1
)

// fit returns the line nearest to y (least squares), its jumps taken out. flat is memory for as many.
func fit(y, flat []int64) line {
	l := line{jump: noJump}
	if step, jump, ok := jumpsOf(y); ok {
		l.jump = jump
		var away int64
		for i := 1; i < len(y); i++ {
			if d := y[i] - y[i-1] - step; d>>jump > 0 {
				away += d
			}
			flat[i] = y[i] - away
		}
		flat[0] = y[0]
		y = flat
	}
	n := float64(len(y))
	var sy, sxy float64
	for i, v := range y {
		sy += float64(v)
		sxy += float64(v) * float64(i)
	}
	slope := (sxy - sy*(n-1)/2) / (n * (n*n - 1) / 12)
	l.level = int64(math.Round(sy/n - slope*(n-1)/2))
	l.slope = int64(math.Round(slope * (1 << fine)))
	return l
}

// jumpsOf returns the usual step of y and what counts as a jump above it, if y only goes up and has jumps.
func jumpsOf(y []int64) (step int64, jump uint, ok bool) {
	var sample [63]int64
	var most int64
	for i := 1; i < len(y); i++ {
		d := y[i] - y[i-1]
		if d < 0 {
			return 0, 0, false
		}
		most = max(most, d)
		sample[i*len(sample)/len(y)] = d
	}
	slices.Sort(sample[:])
	step = sample[len(sample)/2]
	jump = uint(bits.Len64(uint64(2 * step)))
	return step, jump, (most-step)>>jump > 0
}

// remain puts into res what p leaves of y[1:], and returns how many bits that has. y[0] is 0.
func (p predictor) remain(res, y []int64, l line) (size int) {
	res = res[:len(y)-1]
	switch p {
	case repeatValue:
		for i := range res {
			v := y[i+1] - y[i]
			res[i] = v
			size += bits.Len64(zigzag(v))
		}
	case repeatStep:
		var step int64
		for i := range res {
			d := y[i+1] - y[i]
			v := d - step
			res[i] = v
			size += bits.Len64(zigzag(v))
			step = d
		}
	case repeatChange:
		var step, change int64
		for i := range res {
			d := y[i+1] - y[i]
			v := d - step - change
			res[i] = v
			size += bits.Len64(zigzag(v))
			change = d - step
			step = d
		}
	default:
		s := smoothings[p-firstSmooth]
		level, slope := l.level<<fine, l.slope
		for i := range res {
			guess := level + slope
			v := y[i+1] - (guess+half)>>fine
			res[i] = v
			size += bits.Len64(zigzag(v))
			if v>>l.jump > 0 {
				level = y[i+1] << fine
				continue
			}
			surprise := y[i+1]<<fine - guess
			level = guess + surprise*s.level>>4
			slope += surprise * s.slope >> 7
		}
	}
	return size
}

// restore turns remainders in y[1:] back into integers. y[0] is 0.
func (p predictor) restore(y []int64, l line) {
	y = y[1:]
	var at, step, change int64
	switch p {
	case repeatValue:
		for i := range y {
			at += y[i]
			y[i] = at
		}
	case repeatStep:
		for i := range y {
			step += y[i]
			at += step
			y[i] = at
		}
	case repeatChange:
		for i := range y {
			change += y[i]
			step += change
			at += step
			y[i] = at
		}
	default:
		s := smoothings[p-firstSmooth]
		level, slope := l.level<<fine, l.slope
		for i := range y {
			guess := level + slope
			v := y[i]
			at := v + (guess+half)>>fine
			y[i] = at
			if v>>l.jump > 0 {
				level = at << fine
				continue
			}
			surprise := at<<fine - guess
			level = guess + surprise*s.level>>4
			slope += surprise * s.slope >> 7
		}
	}
}

// best returns the predictor for y whose remainders have the fewest bits, its line, and the remainders.
func best(y []int64, ints *arena) (p predictor, l line, res []int64) {
	res, spare := ints.take(len(y)-1), ints.take(len(y)-1)
	least := math.MaxInt
	try := func(q predictor, from line) {
		if size := q.remain(spare, y, from); size < least {
			least, p, l = size, q, from
			res, spare = spare, res
		}
	}
	for q := range firstSmooth {
		try(q, line{})
	}
	if len(y) < smoothFrom || largest(y) >= smoothMost {
		return p, l, res
	}
	through := fit(y, ints.take(len(y)))
	for q := firstSmooth; int(q) < predictors; q++ {
		try(q, through)
	}
	return p, l, res
}

// largest returns the largest magnitude in y.
func largest(y []int64) uint64 {
	var most uint64
	for _, v := range y {
		most |= uint64(v ^ v>>63)
	}
	return most
}
