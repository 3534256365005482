package pack_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"

	"github.com/telltale-iot/telltale/hub/internal/store/pack"
)

// start is when the readings of the tests begin, Unix ms.
const start = 1_790_000_000_000

// every returns n times, step ms apart.
func every(n int, stepMS int64) []int64 {
	out := make([]int64, n)
	for i := range out {
		out[i] = start + int64(i)*stepMS
	}
	return out
}

// jittered moves each time by up to most ms either way and keeps the order.
func jittered(r *rand.Rand, tms []int64, most int64) []int64 {
	for i := range tms {
		tms[i] += r.Int64N(2*most+1) - most
	}
	slices.Sort(tms)
	return tms
}

// waveform returns n times of frames of size samples, stepUS µs apart, as schema.Series places them. The frames' starts are on the ms.
func waveform(n, size int, stepUS int64) []int64 {
	out := make([]int64, n)
	for i := range out {
		frame, within := int64(i/size), int64(i%size)
		out[i] = start + frame*int64(size)*stepUS/1000 + within*stepUS/1000
	}
	return out
}

// decimals rounds each value to so many decimals, as a sensor's resolution does.
func decimals(v []float64, places int) []float64 {
	p := math.Pow(10, float64(places))
	for i := range v {
		v[i] = math.Round(v[i]*p) / p
	}
	return v
}

// walk returns n values that drift slowly and carry noise.
func walk(r *rand.Rand, n int, at, drift, noise float64) []float64 {
	out := make([]float64, n)
	for i := range out {
		at += r.NormFloat64() * drift
		out[i] = at + r.NormFloat64()*noise
	}
	return out
}

func numbers(tms []int64, v []float64) *pack.Block {
	return &pack.Block{Kind: pack.Numbers, TMS: tms, Num: v}
}

// marked gives about one reading in some a mark, half of them without a value.
func marked(r *rand.Rand, b *pack.Block, some int) *pack.Block {
	b.Marks = make([]pack.Mark, b.Len())
	for i := range b.Marks {
		if r.IntN(some) != 0 {
			continue
		}
		b.Marks[i] = pack.NewMark(uint8(r.IntN(8)), uint8(r.IntN(4)), r.IntN(2) == 0)
		if b.Marks[i].Null() && b.Kind == pack.Texts {
			b.Text[i] = ""
		} else if b.Marks[i].Null() {
			b.Num[i] = 0
		}
	}
	return b
}

// shapes returns blocks of every sort, the same ones each time.
func shapes() map[string]*pack.Block {
	r := rand.New(rand.NewPCG(1, 2))
	out := map[string]*pack.Block{}
	for _, n := range []int{0, 1, 2, 3, 63, 64, 65, 1000, 2048} {
		out[fmt.Sprintf("%d numbers", n)] = numbers(every(n, 1000), decimals(walk(r, n, 21, 0.01, 0.02), 2))
		out[fmt.Sprintf("%d doubles", n)] = numbers(every(n, 1000), walk(r, n, 21, 0.01, 0.02))
		out[fmt.Sprintf("%d equal", n)] = numbers(make([]int64, n), make([]float64, n))
	}
	numberShapes(r, out)
	timeShapes(r, out)
	boolAndTextShapes(r, out)
	return out
}

func numberShapes(r *rand.Rand, out map[string]*pack.Block) {
	const n = 1024
	of := func(f func(i int) float64) *pack.Block {
		v := make([]float64, n)
		for i := range v {
			v[i] = f(i)
		}
		return numbers(every(n, 1000), v)
	}
	out["walk"] = numbers(every(n, 1000), decimals(walk(r, n, 20, 0.01, 0.005), 2))
	out["steep"] = of(func(i int) float64 { return float64(i * i * i) })
	out["thousands"] = of(func(int) float64 { return float64(r.IntN(50)) * 1000 })
	out["large decimals"] = of(func(int) float64 { return float64(r.Int64N(1<<53)) / 100 })
	out["2^53"] = of(func(i int) float64 { return float64(int64(1)<<53 - int64(i)) })
	out["huge"] = of(func(i int) float64 { return math.Ldexp(r.Float64(), 900-i) })
	out["tiny"] = of(func(i int) float64 { return math.Ldexp(-r.Float64(), -900-i%150) })
	out["any bits"] = of(func(int) float64 {
		for {
			if v := math.Float64frombits(r.Uint64()); !math.IsNaN(v) && !math.IsInf(v, 0) {
				return v
			}
		}
	})
	out["extremes"] = of(func(i int) float64 {
		return []float64{0, math.MaxFloat64, -math.MaxFloat64, math.SmallestNonzeroFloat64, 1e-300, -1e300, 1e15, 0.1}[r.IntN(8)]
	})
	out["mostly constant"] = of(func(i int) float64 {
		if r.IntN(200) == 0 {
			return 400 + float64(r.IntN(50))
		}
		return 230.5
	})
	out["one odd double"] = of(func(i int) float64 {
		if i == 500 {
			return math.Pi
		}
		return float64(i%7) / 10
	})
	out["spikes"] = of(func(i int) float64 {
		if r.IntN(50) == 0 {
			return float64(r.Int64N(1 << 50))
		}
		return float64(r.IntN(5))
	})
	out["float32"] = of(func(i int) float64 { return float64(float32(20 + r.NormFloat64())) })
	out["few doubles"] = of(func(i int) float64 { return math.Sqrt(float64(r.IntN(20))) })
	out["marked"] = marked(r, numbers(every(n, 1000), decimals(walk(r, n, 20, 0.1, 0), 1)), 10)
	out["marked doubles"] = marked(r, numbers(every(n, 1000), walk(r, n, 20, 0.1, 0)), 3)
	nulls := numbers(every(100, 1000), make([]float64, 100))
	nulls.Marks = slices.Repeat([]pack.Mark{pack.NewMark(1, 0, true)}, 100)
	out["all null"] = nulls
	one := numbers(every(100, 1000), make([]float64, 100))
	one.Num[57] = 3.25
	one.Marks = slices.Clone(nulls.Marks)
	one.Marks[57] = 0
	out["one value"] = one
}

func timeShapes(r *rand.Rand, out map[string]*pack.Block) {
	flat := func(tms []int64) *pack.Block { return numbers(tms, make([]float64, len(tms))) }
	out["ms jitter"] = flat(jittered(r, every(1024, 1000), 3))
	out["seconds jitter"] = flat(func() []int64 {
		tms := jittered(r, every(1024, 60), 1)
		for i := range tms {
			tms[i] *= 1000
		}
		return tms
	}())
	for _, stepUS := range []int64{1000, 1001, 2777, 2778, 4000, 8000, 8333, 16667, 60_000_000} {
		out[fmt.Sprintf("wave %d µs", stepUS)] = flat(waveform(2000, 250, stepUS))
		out[fmt.Sprintf("wave %d µs, cut", stepUS)] = flat(waveform(2000, 97, stepUS)[13:])
	}
	holes := every(1024, 10_000)
	for i := range holes {
		holes[i] += int64(i/100) * 3_600_000
	}
	out["holes"] = flat(holes)
	out["bursts"] = flat(func() []int64 {
		tms, at := make([]int64, 1024), int64(start)
		for i := range tms {
			at += int64(r.ExpFloat64() * 5000 * float64(r.IntN(3)))
			tms[i] = at
		}
		return tms
	}())
	out["whole range"] = flat([]int64{math.MinInt64, math.MinInt64, -1, 0, 1, math.MaxInt64 - 1, math.MaxInt64})
	out["far apart"] = flat([]int64{math.MinInt64, math.MaxInt64})
	out["any times"] = flat(func() []int64 {
		tms := make([]int64, 300)
		for i := range tms {
			tms[i] = int64(r.Uint64())
		}
		slices.Sort(tms)
		return tms
	}())
}

func boolAndTextShapes(r *rand.Rand, out map[string]*pack.Block) {
	bools := func(n, run int) *pack.Block {
		v, at := make([]float64, n), 0.0
		for i := range v {
			if r.IntN(run) == 0 {
				at = 1 - at
			}
			v[i] = at
		}
		return &pack.Block{Kind: pack.Bools, TMS: every(n, 1000), Num: v}
	}
	texts := func(n int, words ...string) *pack.Block {
		v := make([]string, n)
		for i := range v {
			v[i] = words[r.IntN(len(words))]
		}
		return &pack.Block{Kind: pack.Texts, TMS: every(n, 1000), Text: v}
	}
	for _, n := range []int{0, 1, 7, 8, 9, 1000} {
		out[fmt.Sprintf("%d bools", n)] = bools(n, 2)
		out[fmt.Sprintf("%d texts", n)] = texts(n, "on", "off", "")
	}
	out["seldom switched"] = bools(1000, 100)
	out["marked bools"] = marked(r, bools(1000, 5), 7)
	out["one text"] = texts(1000, "heating")
	out["two texts, long runs"] = func() *pack.Block {
		b := texts(1000, "x")
		for i := range b.Text {
			b.Text[i] = []string{"idle", "heating"}[i/300%2]
		}
		return b
	}()
	var many []string
	for i := range 700 {
		many = append(many, fmt.Sprintf("message %d \x00 ü", i*i))
	}
	out["many texts"] = texts(1000, many...)
	out["marked texts"] = marked(r, texts(1000, "auto", "manual", "off"), 4)
}
