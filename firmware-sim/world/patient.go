package world

import (
	"math"
	"math/rand/v2"
	"time"
)

// Variability of a resting heart. Source: Task Force of the ESC, Eur. Heart J. 17 (1996): SDNN about 50 ms, of which breathing
// (0.25 Hz) and the pressure wave (0.1 Hz) are the two rhythmic parts; the rest wanders.
const (
	breathRate   = 0.25 // Hz
	breathPart   = 0.030
	mayerRate    = 0.10 // Hz
	mayerPart    = 0.022
	beatNoise    = 0.010
	beatsKept    = 64 // beats that a Wave can look back
	perfusion    = 0.018
	transitDelay = 0.22 // s from the heart to the finger
)

// patient is the state of a heart: beats are drawn one after the other, as far as somebody looks.
type patient struct {
	cfg   Patient
	seed  uint64
	rng   *rand.Rand
	rate  drift // relative departure of the mean rate
	sat   drift // % SpO2
	beats [beatsKept]beat
	count int // beats drawn so far; the newest begins before and ends after the newest instant asked for
}

// beat is one cycle: when it begins, how long it lasts, and the state that goes with it.
type beat struct{ at, length, sat float64 } // s, s, %

func newPatient(cfg Patient, seed uint64) *patient {
	p := &patient{
		cfg: cfg, seed: seed, rng: rand.New(rand.NewPCG(seed, 0x70756c7365)),
		rate: drift{sigma: 0.06, tau: 180}, sat: drift{sigma: 0.5, tau: 90},
	}
	p.beats[0] = beat{at: -1, length: 60 / or(cfg.Rate, 68), sat: or(cfg.SpO2, 97.5)}
	p.count = 1
	return p
}

// maxPause bounds the work after a long pause, s: beats further back are not drawn.
const maxPause = 24 * 3600

// beatAt is the beat that holds instant t, or the oldest one still known.
func (p *patient) beatAt(t float64) beat {
	newest := p.beats[(p.count-1)%beatsKept]
	if t-newest.at > maxPause {
		newest.at = t - 60
	}
	for newest.at+newest.length <= t {
		newest = p.next(newest)
		p.beats[p.count%beatsKept] = newest
		p.count++
	}
	for i := p.count - 1; i >= max(0, p.count-beatsKept); i-- {
		if b := p.beats[i%beatsKept]; b.at <= t {
			return b
		}
	}
	return p.beats[max(0, p.count-beatsKept)%beatsKept]
}

func (p *patient) next(b beat) beat {
	at := b.at + b.length
	mean := 60 / or(p.cfg.Rate, 68) / (1 + p.rate.step(b.length, p.rng))
	length := mean * (1 + breathPart*math.Sin(2*math.Pi*breathRate*at) + mayerPart*math.Sin(2*math.Pi*mayerRate*at) + beatNoise*p.rng.NormFloat64())
	sat := min(100, or(p.cfg.SpO2, 97.5)+p.sat.step(b.length, p.rng))
	return beat{at: at, length: min(2.5, max(0.25, length)), sat: sat}
}

// heartRate is the mean over the last eight beats before t, beats/min, as a monitor shows it.
func (p *patient) heartRate(t float64) float64 {
	b := p.beatAt(t)
	total, n := b.length, 1.0
	for i := p.count - 2; i >= max(0, p.count-beatsKept) && n < 8; i-- {
		if x := p.beats[i%beatsKept]; x.at < b.at {
			total += x.length
			n++
		}
	}
	return 60 * n / total
}

// pleth is the light that a finger takes away at instant t, 0 at rest to about 1 at the height of a pulse: a steep rise, a rounded
// fall and the reflected wave behind it, on the slow movement of breathing. The shape is a sum of Gaussians over the time in the beat.
// Source: Wang et al., "Analyzing pulse wave with multi-Gaussian functions", 2013.
func (p *patient) pleth(t float64) float64 {
	b := p.beatAt(t - transitDelay)
	x := (t - transitDelay - b.at) / b.length
	// The time of the peak is nearly the same in short and long beats, so the shape is not simply stretched.
	s := x * math.Sqrt(b.length/0.85)
	bump := func(s, at, width, height float64) float64 {
		return height * math.Exp(-(s-at)*(s-at)/(2*width*width))
	}
	wave := func(s float64) float64 {
		return bump(s, 0.18, 0.072, 0.86) + bump(s, 0.32, 0.10, 0.40) + bump(s, 0.53, 0.075, 0.27) + bump(s, 0.68, 0.14, 0.13)
	}
	// The tail of the beat before runs on under the new one, so nothing jumps.
	y := wave(s) + wave(s+math.Sqrt(b.length/0.85))
	y += 0.05*math.Sin(2*math.Pi*breathRate*t) + 0.006*gauss(p.seed+7, uint64(int64(t*1e6)))
	return y
}

// absorption gives the two colours' photocurrents, relative to the light at rest, at instant t: red and infrared. Their pulsations
// stand in the ratio that means the patient's oxygen saturation. Source: Maxim AN6409, SpO2 = 104 - 17·R.
func (p *patient) absorption(at time.Duration) (red, ir float64) {
	t := at.Seconds()
	y := p.pleth(t)
	ratio := (104 - p.beatAt(t).sat) / 17
	return 1 - perfusion*ratio*y, 1 - perfusion*y
}
