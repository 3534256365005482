package agent

import (
	"math"
	"sync"
	"time"

	"github.com/telltale-iot/telltale/device-agent/device"
	"github.com/telltale-iot/telltale/schema"
)

const (
	// batchBytes bounds a batch by what it will about take as a frame, with room to spare below schema.MaxMessage.
	batchBytes = 40 << 10
	// seriesBytes, sampleBytes and waveBytes are what one series, one reading with its time and quality, and one sample of a waveform
	// take as JSON, on the high side.
	seriesBytes, sampleBytes, waveBytes = 190, 40, 14
	// batchSpan bounds the time one batch covers.
	batchSpan = time.Minute
)

// batch collects readings until they become one frame, one series per channel. Nobody waits in it. Safe for concurrent use.
type batch struct {
	a *Agent

	mu      sync.Mutex
	series  []schema.Series
	index   map[string]int // channel → its last series
	ends    map[string]int64
	t0      int64 // mono ms
	samples int
	bytes   int
}

func newBatch(a *Agent) *batch {
	return &batch{a: a, index: map[string]int{}, ends: map[string]int64{}}
}

// add takes one round of readings measured for the tick at mono.
func (b *batch) add(mono time.Duration, readings []device.Reading) {
	b.mu.Lock()
	defer b.mu.Unlock()
	ms := mono.Milliseconds()
	for _, r := range readings {
		cost := seriesBytes + sampleBytes + 2*len(r.Value.Str())
		b.room(ms, cost)
		v, q := r.Value, r.Quality
		if v.IsNull() && (q == "" || q == schema.QualityOK) {
			q = schema.QualityRange // NaN or infinite: not a value
		}
		ch := r.Entity + "." + r.Channel
		i, ok := b.index[ch]
		if !ok {
			i = len(b.series)
			b.index[ch] = i
			b.series = append(b.series, schema.Series{Ch: ch})
		}
		push(&b.series[i], ms-b.t0, v, q)
		b.samples++
		b.bytes += cost
		if ok {
			b.bytes -= seriesBytes
		}
	}
}

// addWave takes a block of a waveform whose first sample was measured at mono.
func (b *batch) addWave(mono time.Duration, block device.Block) {
	b.mu.Lock()
	defer b.mu.Unlock()
	ms := mono.Milliseconds()
	ch := block.Entity + "." + block.Channel
	values := make(schema.Values, len(block.Values))
	var quality []schema.Quality
	for i, f := range block.Values {
		values[i] = schema.Number(significant(f))
		if values[i].IsNull() {
			if quality == nil {
				quality = make([]schema.Quality, len(values))
			}
			quality[i] = schema.QualityRange
		}
	}
	cost := seriesBytes + waveBytes*len(values)
	b.room(ms, cost)
	b.samples += len(values)
	b.bytes += cost
	stepUS := block.Step.Microseconds()
	i, ok := b.index[ch]
	if ok && quality == nil && b.series[i].Q == nil && abs(b.ends[ch]-ms) <= 1 && b.series[i].StepUS == stepUS {
		b.series[i].V = append(b.series[i].V, values...)
	} else {
		b.index[ch] = len(b.series)
		b.series = append(b.series, schema.Series{Ch: ch, DtMS: []int64{ms - b.t0}, StepUS: stepUS, V: values, Q: quality})
	}
	b.ends[ch] = ms + int64(len(values))*stepUS/1000
}

// room makes a frame of what is there when cost more bytes at ms would not fit. Call with mu held.
func (b *batch) room(ms int64, cost int) {
	if b.samples > 0 && (b.bytes+cost > batchBytes || b.samples >= schema.MaxSamples/2 || len(b.series) >= schema.MaxSeries-1 ||
		ms-b.t0 > batchSpan.Milliseconds()) {
		b.send()
	}
	if b.samples == 0 {
		b.t0 = ms
	}
}

// flush makes a frame of what was collected.
func (b *batch) flush() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.send()
}

// send empties the batch into a frame on its way to the outbox. Call with mu held: frames go in the order of their times.
func (b *batch) send() {
	if b.samples == 0 {
		return
	}
	f := &schema.Readings{Seq: 1, MonoMS: b.t0, Series: b.series} // the outbox gives the real number
	f.T0MS, _ = b.a.time.wallMS(time.Duration(b.t0) * time.Millisecond)
	b.series, b.samples, b.bytes = nil, 0, 0
	clear(b.index)
	clear(b.ends)
	for i := range f.Series {
		tidy(&f.Series[i])
	}
	if err := f.Validate(); err != nil {
		b.a.log.Error("a batch makes no sense and is dropped", "err", err)
		return
	}
	b.a.intake.push(f.T0MS, f, func(seq uint64) { f.Seq = seq })
}

// push adds one reading. Times within a series never go back: a late tick counts at the time of the one before.
func push(s *schema.Series, dt int64, v schema.Value, q schema.Quality) {
	if n := len(s.DtMS); n > 0 {
		dt = max(dt, s.DtMS[n-1])
	}
	s.DtMS = append(s.DtMS, dt)
	s.V = append(s.V, v)
	if q == schema.QualityOK {
		q = ""
	}
	if q != "" || s.Q != nil {
		for len(s.Q) < len(s.V)-1 {
			s.Q = append(s.Q, schema.QualityOK)
		}
		if q == "" {
			q = schema.QualityOK
		}
		s.Q = append(s.Q, q)
	}
}

// tidy leaves out what is the default on the wire.
func tidy(s *schema.Series) {
	if len(s.DtMS) == 1 && s.DtMS[0] == 0 {
		s.DtMS = nil
	}
	for i := range s.Q {
		if s.Q[i] == "" {
			s.Q[i] = schema.QualityOK
		}
	}
}

// significant keeps 6 digits of a waveform's sample: more than any converter has, and a third of the bytes.
func significant(f float64) float64 {
	if f == 0 || math.IsNaN(f) || math.IsInf(f, 0) {
		return f
	}
	digits := 5 - int(math.Floor(math.Log10(math.Abs(f))))
	if digits < -12 || digits > 12 {
		return f
	}
	pow := math.Pow10(digits)
	return math.Round(f*pow) / pow
}

func abs(x int64) int64 { return max(x, -x) }
