package ring

import (
	"encoding/binary"
	"math"

	"github.com/telltale-iot/telltale/hub/internal/store/pack"
)

// The second byte of a run: how its values are written and what is left out.
const (
	classMask  = 0x03
	marksFlag  = 0x04 // a mark per reading follows the times
	oneFlag    = 0x08 // one reading: its count is left out
	atT0Flag   = 0x10 // the first reading is at the frame's T0
	scaled     = 0    // numbers as whole multiples of a power of ten
	raw        = 1    // numbers as they are
	bools      = 2
	texts      = 3
	maxScale   = 9       // 10^-9: more digits are noise of a binary number
	mostScaled = 1 << 51 // a scaled number stays exact
)

// appendRun appends readings from to to of a run. before is the series of the frame's run before it, 0 = none; the marks' time
// quality is the frame's and left out.
func appendRun(dst []byte, f *Frame, r *Run, before int64, from, to int) []byte {
	dst = binary.AppendVarint(dst, r.Series-before)
	class, scale := r.class(from, to)
	b := class
	marked := false
	for i := from; i < to && !marked; i++ {
		marked = wireMark(r.Mark(i)) != 0
	}
	if marked {
		b |= marksFlag
	}
	if to-from == 1 {
		b |= oneFlag
	}
	if r.TMS[from] == f.T0MS {
		b |= atT0Flag
	}
	dst = append(dst, b)
	if to-from > 1 {
		dst = binary.AppendUvarint(dst, uint64(to-from))
	}
	dst = appendTimes(dst, f.T0MS, r.TMS[from:to])
	if marked {
		for i := from; i < to; i++ {
			dst = append(dst, byte(wireMark(r.Mark(i))))
		}
	}
	switch class {
	case scaled:
		return appendScaled(dst, r.Num[from:to], scale)
	case raw:
		for _, v := range r.Num[from:to] {
			dst = binary.LittleEndian.AppendUint64(dst, math.Float64bits(v))
		}
	case bools:
		for _, v := range r.Num[from:to] {
			dst = append(dst, byte(v))
		}
	case texts:
		for _, s := range r.Text[from:to] {
			dst = append(binary.AppendUvarint(dst, uint64(len(s))), s...)
		}
	}
	return dst
}

// wireMark is a mark without the time's quality.
func wireMark(m pack.Mark) pack.Mark { return pack.NewMark(m.Quality(), 0, m.Null()) }

// appendTimes writes the first time after t0, unless it is t0, and then how each step differs from the one before.
func appendTimes(dst []byte, t0 int64, tms []int64) []byte {
	if tms[0] != t0 {
		dst = binary.AppendVarint(dst, tms[0]-t0)
	}
	var step int64
	for i := 1; i < len(tms); i++ {
		d := tms[i] - tms[i-1]
		dst = binary.AppendVarint(dst, d-step)
		step = d
	}
	return dst
}

// class says how values are written: numbers scaled by 10^scale when all are exact so.
func (r *Run) class(from, to int) (class, scale byte) {
	switch r.Kind {
	case pack.Bools:
		return bools, 0
	case pack.Texts:
		return texts, 0
	}
	for _, v := range r.Num[from:to] {
		for !exact(v, scale) {
			if scale++; scale > maxScale {
				return raw, 0
			}
		}
	}
	for _, v := range r.Num[from:to] {
		if !exact(v, scale) {
			return raw, 0
		}
	}
	return scaled, scale
}

func power(scale byte) float64 {
	powers := [...]float64{1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9}
	return powers[scale]
}

// exact reports whether v is a whole multiple of 10^-scale, to the bit.
func exact(v float64, scale byte) bool {
	m := math.Round(v * power(scale))
	return math.Abs(m) < mostScaled && math.Float64bits(m/power(scale)+0) == math.Float64bits(v)
}

func appendScaled(dst []byte, values []float64, scale byte) []byte {
	dst = append(dst, scale)
	var before int64
	for _, v := range values {
		m := int64(math.Round(v * power(scale)))
		dst = binary.AppendVarint(dst, m-before)
		before = m
	}
	return dst
}

// run decodes one run into r, whose Series is that of the run before it.
func (d *decoder) run(f *Frame, r *Run) bool {
	r.Series += d.varint()
	b := d.byte()
	n := uint64(1)
	if b&oneFlag == 0 {
		n = d.uvarint()
	}
	if d.bad || n == 0 || n > Room { // no reading takes less than a byte
		return false
	}
	d.times(f, r, int(n), b&atT0Flag != 0)
	r.Marks = r.Marks[:0]
	var marks []byte
	if b&marksFlag != 0 {
		if marks = d.bytes(n); d.bad {
			return false
		}
	}
	for i := range int(n) {
		m := pack.NewMark(0, f.Time, false)
		if marks != nil {
			wire := pack.Mark(marks[i])
			m = pack.NewMark(wire.Quality(), f.Time, wire.Null())
		}
		r.Marks = append(r.Marks, m)
	}
	r.Num, r.Text = r.Num[:0], r.Text[:0]
	d.values(r, b&classMask, int(n))
	return !d.bad && r.Series > 0
}

func (d *decoder) times(f *Frame, r *Run, n int, atT0 bool) {
	t := f.T0MS
	if !atT0 {
		t += d.varint()
	}
	r.TMS = append(r.TMS[:0], t)
	var step int64
	for i := 1; i < n && !d.bad; i++ {
		step += d.varint()
		t += step
		r.TMS = append(r.TMS, t)
	}
}

func (d *decoder) values(r *Run, class byte, n int) {
	switch class {
	case scaled:
		r.Kind = pack.Numbers
		d.scaled(r, n)
	case raw:
		r.Kind = pack.Numbers
		all := d.bytes(8 * uint64(n))
		for i := 0; i < n && !d.bad; i++ {
			v := math.Float64frombits(binary.LittleEndian.Uint64(all[8*i:]))
			d.bad = math.IsNaN(v) || math.IsInf(v, 0)
			r.Num = append(r.Num, v)
		}
	case bools:
		r.Kind = pack.Bools
		for _, b := range d.bytes(uint64(n)) {
			d.bad = d.bad || b > 1
			r.Num = append(r.Num, float64(b))
		}
	case texts:
		r.Kind = pack.Texts
		for i := 0; i < n && !d.bad; i++ {
			r.Text = append(r.Text, string(d.bytes(d.uvarint())))
		}
	}
}

func (d *decoder) scaled(r *Run, n int) {
	scale := d.byte()
	if scale > maxScale {
		d.bad = true
		return
	}
	var m int64
	for i := 0; i < n && !d.bad; i++ {
		m += d.varint()
		r.Num = append(r.Num, float64(m)/power(scale))
	}
}
