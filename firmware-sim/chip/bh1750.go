package chip

import (
	"math"
	"sync"
	"time"
)

// Instructions. Source: ROHM BH1750FVI technical note 2011.11 rev. D, "Instruction Set Architecture".
const (
	bhPowerDown  = 0x00
	bhPowerOn    = 0x01
	bhReset      = 0x07
	bhContinuous = 0x10
	bhOnce       = 0x20
	bhHigh2      = 0x01 // low bits of the mode: half a lux
	bhLow        = 0x03 // four lux
	bhTimeHigh   = 0x40 // three high bits of the measurement time follow
	bhTimeLow    = 0x60 // five low bits follow
	bhTimeUsual  = 69
)

// BH1750 models ROHM's light sensor.
type BH1750 struct {
	Health
	mono Mono
	lux  Signal

	mu    sync.Mutex
	on    bool
	mode  byte // of the running measurement, 0 for none
	begun time.Duration
	ticks int // measurement time register
	data  uint16
}

// NewBH1750 returns a sensor after power-on: asleep. lux: the light on it.
func NewBH1750(lux Signal, mono Mono) *BH1750 {
	c := &BH1750{mono: mono, ticks: bhTimeUsual}
	c.lux = c.Watch(lux)
	return c
}

// powerOff forgets what a loss of power forgets.
func (c *BH1750) powerOff() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.on, c.mode, c.ticks, c.data = false, 0, bhTimeUsual, 0
}

// Tx implements Device: each byte written is an instruction, reading gives the data register, high byte first.
func (c *BH1750) Tx(w, r []byte) error {
	if c.Get() == Dead {
		return ErrNak
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.measure()
	for _, op := range w {
		c.instruct(op)
	}
	for i := range r {
		r[i] = byte(c.data >> (8 - 8*(i%2)))
	}
	return nil
}

func (c *BH1750) instruct(op byte) {
	switch {
	case op == bhPowerDown:
		c.on, c.mode = false, 0
	case op == bhPowerOn:
		c.on = true
	case op == bhReset:
		if c.on {
			c.data = 0
		}
	case op&^3 == bhContinuous || op&^3 == bhOnce:
		c.on, c.mode, c.begun = true, op, c.mono()
	case op&^7 == bhTimeHigh:
		c.ticks = c.ticks&0x1F | int(op&7)<<5
	case op&^31 == bhTimeLow:
		c.ticks = c.ticks&^0x1F | int(op&31)
	}
}

// period is the typical time of one measurement. Source: "Electrical Characteristics", H- and L-resolution mode.
func (c *BH1750) period() time.Duration {
	base := 120 * time.Millisecond
	if c.mode&bhLow == bhLow {
		base = 16 * time.Millisecond
	}
	return max(time.Millisecond, base*time.Duration(c.ticks)/bhTimeUsual)
}

func (c *BH1750) measure() {
	if c.mode == 0 {
		return
	}
	n := (c.mono() - c.begun) / c.period()
	if n < 1 {
		return
	}
	if c.mode&bhOnce != 0 {
		n = 1
	}
	c.begun += n * c.period()
	counts := c.lux(c.begun) * 1.2 * float64(c.ticks) / bhTimeUsual
	switch c.mode & 3 {
	case bhHigh2:
		counts *= 2
	case bhLow:
		counts = math.Round(counts/4) * 4
	}
	if c.Get() == Absurd {
		counts = math.MaxUint16
	}
	c.data = uint16(min(math.MaxUint16, max(0, math.Round(counts))))
	if c.mode&bhOnce != 0 {
		c.on, c.mode = false, 0
	}
}
