// Package series makes what the storage benchmark stores: readings of sensors as they are in a house, from a seed, or real ones from CSV files.
//
// [Write] writes them in the form that storebench reads: per tick and series the time (Unix ms, int64) and the value (float64), little
// endian. The same [Options] give the same bytes.
package series

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
)

// T0MS is the time of the first tick, Unix ms: a moment that is past for every clock.
const T0MS = 1_760_000_400_000

// Options of [Write].
type Options struct {
	// Seed of everything.
	Seed uint64
	// Wide is how many series a tick has.
	Wide int
	// Ticks to write.
	Ticks int
	// StepMS is the time between ticks, in ms.
	StepMS int64
	// JitterMS is the standard deviation of a reading's time from its tick, in ms; 0 = every reading at its tick.
	JitterMS float64
	// Real columns to take values from instead of the sensors' models; a series begins at a place of its own and begins again at the end.
	Real [][]float64
}

// Write writes the readings.
func Write(w io.Writer, o Options) error {
	out := bufio.NewWriterSize(w, 1<<20)
	rng := rand.New(rand.NewPCG(o.Seed, 0))
	all := make([]func(i int) float64, o.Wide)
	for i := range all {
		own := rand.New(rand.NewPCG(o.Seed, uint64(i)+1))
		if len(o.Real) > 0 {
			column := o.Real[i%len(o.Real)]
			from := own.IntN(len(column))
			all[i] = func(tick int) float64 { return column[(from+tick)%len(column)] }
			continue
		}
		all[i] = sensor(i, float64(o.StepMS)/1000, own)
	}
	var cell [16]byte
	for tick := range o.Ticks {
		at := T0MS + int64(tick)*o.StepMS
		for _, value := range all {
			t := at
			if o.JitterMS > 0 {
				most := float64(o.StepMS) * 0.4 // a reading never overtakes the one before
				t += int64(math.Round(min(max(rng.NormFloat64()*o.JitterMS, -most), most)))
			}
			binary.LittleEndian.PutUint64(cell[:], uint64(t))
			binary.LittleEndian.PutUint64(cell[8:], math.Float64bits(value(tick)))
			if _, err := out.Write(cell[:]); err != nil {
				return fmt.Errorf("write readings: %w", err)
			}
		}
	}
	if err := out.Flush(); err != nil {
		return fmt.Errorf("write readings: %w", err)
	}
	return nil
}

// sensor returns the model of series i: five kinds in turn. What a chip adds in noise is from its datasheet, to the nearest that matters;
// it decides how many bytes a reading takes.
func sensor(i int, stepS float64, rng *rand.Rand) func(tick int) float64 {
	switch i % 5 {
	case 0: // BME280, °C: 0.01 steps
		return drifting(rng, drift{middle: 21, day: 2.5, wander: 0.002, noise: 0.012, digits: 2, stepS: stepS})
	case 1: // DHT22, °C: 0.1 steps
		return drifting(rng, drift{middle: 19, day: 4, wander: 0.004, noise: 0.03, digits: 1, stepS: stepS})
	case 2: // SHT31, %RH: 0.01 steps
		return drifting(rng, drift{middle: 48, day: 6, wander: 0.008, noise: 0.02, digits: 2, stepS: stepS})
	case 3: // BME280, hPa: 0.01 steps
		return drifting(rng, drift{middle: 1013, day: 1.5, wander: 0.002, noise: 0.018, digits: 2, stepS: stepS})
	default: // a plug that meters, W: 0.1 steps
		return power(rng, stepS)
	}
}

// drift is a slow quantity: a daily course, a walk that is pulled back to it, and a chip's noise.
type drift struct {
	middle, day   float64 // centre and half the daily swing
	wander, noise float64 // standard deviations, per √s and per reading
	digits        int
	stepS         float64
}

func drifting(rng *rand.Rand, d drift) func(tick int) float64 {
	const dayS, yearS = 86_400, 365 * 86_400
	phase, walk := rng.Float64()*2*math.Pi, 0.0
	middle := d.middle + rng.NormFloat64()*d.day/3
	return func(tick int) float64 {
		s := float64(tick) * d.stepS
		walk += rng.NormFloat64()*d.wander*math.Sqrt(d.stepS) - walk*min(1, d.stepS/7200)
		course := d.day * (math.Sin(2*math.Pi*s/dayS+phase) + 2*math.Sin(2*math.Pi*s/yearS+phase))
		return round(middle+course+walk+rng.NormFloat64()*d.noise, d.digits)
	}
}

// power is a consumption: a base and appliances that switch, each with noise in proportion.
func power(rng *rand.Rand, stepS float64) func(tick int) float64 {
	base, load, on := 3+rng.Float64()*40, 0.0, false
	return func(int) float64 {
		const meanOnS, meanOffS = 600, 2400
		mean := float64(meanOffS)
		if on {
			mean = meanOnS
		}
		if rng.Float64() < 1-math.Exp(-stepS/mean) {
			if on = !on; on {
				load = 40 + rng.ExpFloat64()*400
			}
		}
		watts := base
		if on {
			watts += load
		}
		return round(max(0, watts+rng.NormFloat64()*(0.15+0.002*watts)), 1)
	}
}

func round(x float64, digits int) float64 {
	scale := math.Pow10(digits)
	return math.Round(x*scale) / scale
}
