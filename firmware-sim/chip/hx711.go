package chip

import (
	"math"
	"sync"
	"time"
)

// Times and codes. Source: Avia Semiconductor HX711 data sheet, "Serial Interface", "Reset and Power-Down", "Output settling time".
const (
	hxPeriod  = 100 * time.Millisecond // RATE pin low: 10 Hz
	hxSettles = 400 * time.Millisecond
	hxDown    = 60 * time.Microsecond
	hxBits    = 24
	hxMost    = 1<<23 - 1
)

// HX711 models Avia's converter for scales: a conversion every 100 ms, clocked out bit by bit.
type HX711 struct {
	Health
	mono   Mono
	counts Signal

	mu     sync.Mutex
	ready  time.Duration // from when on the next conversion can be read
	code   int32
	pulses int // since the conversion was begun to be read
	high   bool
	since  time.Duration // of the clock's last rise
}

// NewHX711 returns a converter after power-on. counts: what the bridge gives, in steps of the converter.
func NewHX711(counts Signal, mono Mono) *HX711 {
	c := &HX711{mono: mono, ready: mono() + hxSettles}
	c.counts = c.Watch(counts)
	return c
}

// powerOff forgets what a loss of power forgets.
func (c *HX711) powerOff() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ready, c.pulses, c.code = c.mono()+hxSettles, 0, 0
}

// Clock takes an edge of PD_SCK.
func (c *HX711) Clock(high bool, at time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case high && !c.high:
		c.since = at
		if c.pulses == 0 && at >= c.ready {
			c.convert(at)
		}
		if at >= c.ready {
			c.pulses++
		}
	case !high && c.high && at-c.since > hxDown: // it was powered down, and wakes up
		c.ready, c.pulses = at+hxSettles, 0
	case !high && c.pulses > hxBits:
		c.ready, c.pulses = at+hxPeriod, 0
	}
	c.high = high
}

func (c *HX711) convert(at time.Duration) {
	x := c.counts(at)
	if c.Get() == Absurd {
		x = math.Inf(1)
	}
	c.code = int32(math.Round(min(hxMost, max(-hxMost-1, x))))
}

// Data is the level of DOUT: low when a conversion waits, then bit after bit, most significant first.
func (c *HX711) Data(at time.Duration) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.Get() == Dead: // the wire is off, and pulled up
		return true
	case c.pulses == 0:
		return at < c.ready || c.high && at-c.since > hxDown
	case c.pulses > hxBits:
		return true
	}
	return c.code>>(hxBits-c.pulses)&1 != 0
}
