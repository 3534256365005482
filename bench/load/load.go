//go:build linux

// Package load generates what the benchmarks measure with: device agents that send readings as fast as the hub's window allows or at a fixed rate,
// and thousands of dashboards that take what they are sent and cost as little as possible while they do.
//
// Inputs are made from a seed. Agents ([Device]) speak through the same socket library as the real agent. Dashboards ([Pages]) are raw sockets served by
// one epoll loop per core, because on a small machine the load generator and the hub share the processors, and a goroutine per
// dashboard would measure itself. A [Clock] puts the time of sending into the readings, so that a dashboard can tell how old what it gets is.
package load

import (
	"bytes"
	"math"
	"math/rand/v2"
	"strconv"
	"time"

	"github.com/telltale-iot/telltale/schema"
)

// StampChannel is the channel whose values are the time of sending, in µs of the [Clock].
const StampChannel = "stamp.state"

// Clock is what stamps count from.
type Clock struct{ base time.Time }

// NewClock returns a clock that begins now.
func NewClock() Clock { return Clock{time.Now()} }

// Stamp is now, in µs.
func (c Clock) Stamp() int64 { return time.Since(c.base).Microseconds() }

// Shape is what one readings frame of a device holds.
type Shape struct {
	// Channels, the stamp among them.
	Channels int
	// Samples per channel and frame.
	Samples int
	// StepMS is the time between samples, in ms.
	StepMS int64
	// Backfill marks frames as backlog.
	Backfill bool
}

// Readings is how many readings a frame of this shape has.
func (s Shape) Readings() int { return s.Channels * s.Samples }

// Descriptor describes a device whose frames have this shape.
func (s Shape) Descriptor(device string) schema.Descriptor {
	d := schema.Descriptor{Name: device, Software: "bench", Simulated: true}
	for i := range s.Channels {
		d.Entities = append(d.Entities, schema.Entity{ID: entity(i), Kind: schema.KindSensor, Name: entity(i), DeviceClass: "temperature",
			Channels: []schema.Channel{{Name: schema.ChannelState, Type: schema.TypeNumber, Unit: "°C", StateClass: schema.StateMeasurement}}})
	}
	return d
}

func entity(i int) string {
	if i == 0 {
		return "stamp"
	}
	return "c" + strconv.Itoa(i)
}

// signals makes the values of a device: a slow random walk with two decimals per channel, as sensors have it.
type signals struct {
	shape Shape
	rng   *rand.Rand
	now   []float64
}

func newSignals(shape Shape, seed, stream uint64) *signals {
	g := &signals{shape: shape, rng: rand.New(rand.NewPCG(seed, stream)), now: make([]float64, shape.Channels)}
	for i := range g.now {
		g.now[i] = 15 + 10*g.rng.Float64()
	}
	return g
}

// next moves channel i and returns its value.
func (g *signals) next(i int) float64 {
	g.now[i] += g.rng.NormFloat64() * 0.03
	return math.Round(g.now[i]*100) / 100
}

// appendReadings appends a readings frame. It is written by hand because the generator's processor time is the measured
// program's too; TestFramesAreWhatTheProtocolSays decodes them.
func (g *signals) appendReadings(b []byte, seq uint64, t0MS, monoMS, stamp int64) []byte {
	b = append(b, `{"t":"readings","seq":`...)
	b = strconv.AppendUint(b, seq, 10)
	b = append(b, `,"t0_ms":`...)
	b = strconv.AppendInt(b, t0MS, 10)
	b = append(b, `,"mono_ms":`...)
	b = strconv.AppendInt(b, monoMS, 10)
	if g.shape.Backfill {
		b = append(b, `,"backfill":true`...)
	}
	b = append(b, `,"series":[`...)
	for i := range g.shape.Channels {
		if i > 0 {
			b = append(b, ',')
		}
		b = g.appendSeries(b, i, stamp)
	}
	return append(b, `]}`...)
}

func (g *signals) appendSeries(b []byte, i int, stamp int64) []byte {
	b = append(b, `{"ch":"`...)
	b = append(b, entity(i)...)
	b = append(b, `.state"`...)
	if g.shape.Samples > 1 {
		b = append(b, `,"dt_ms":[`...)
		for k := range g.shape.Samples {
			if k > 0 {
				b = append(b, ',')
			}
			b = strconv.AppendInt(b, int64(k)*g.shape.StepMS, 10)
		}
		b = append(b, ']')
	}
	b = append(b, `,"v":[`...)
	for k := range g.shape.Samples {
		if k > 0 {
			b = append(b, ',')
		}
		if i == 0 {
			b = strconv.AppendInt(b, stamp, 10)
		} else {
			b = strconv.AppendFloat(b, g.next(i), 'f', -1, 64)
		}
	}
	return append(b, `]}`...)
}

// stamps calls fn with every stamp in a message to a dashboard. Snapshots hold old ones and are left out.
func stamps(message []byte, fn func(stamp int64)) {
	if bytes.HasPrefix(message, []byte(`{"t":"snapshot"`)) || bytes.HasPrefix(message, []byte(`[{"t":"snapshot"`)) {
		return
	}
	for {
		at := bytes.Index(message, []byte(`"ch":"`+StampChannel+`"`))
		if at < 0 {
			return
		}
		message = message[at:]
		at = bytes.Index(message, []byte(`"v":[`))
		if at < 0 {
			return
		}
		message = message[at+len(`"v":[`):]
		n := int64(0)
		for i, c := range message {
			switch {
			case c >= '0' && c <= '9':
				n = n*10 + int64(c-'0')
				continue
			case c == ',' || c == ']':
				fn(n)
				n = 0
			}
			if c == ']' {
				message = message[i:]
				break
			}
		}
	}
}
