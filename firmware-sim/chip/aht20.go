package chip

import (
	"math"
	"sync"
	"time"
)

// Commands, bits and times. Source: Aosong DHT20 data sheet V1.0, sections 7.3 and 7.4 (the AHT20's is the same chip's).
const (
	ahtInit       = 0xBE
	ahtTrigger    = 0xAC
	ahtStatus     = 0x71
	ahtReset      = 0xBA
	ahtBusy       = 0x80
	ahtCalibrated = 0x08
	ahtTakes      = 75 * time.Millisecond
	ahtScale      = 1 << 20
)

// AHT20 models Aosong's sensor of temperature and humidity. After power-on it is not calibrated and measures nothing until it was
// initialised.
type AHT20 struct {
	Health
	mono Mono
	in   Moist

	mu     sync.Mutex
	status byte
	ready  time.Duration
	due    bool
	data   [6]byte // of the last measurement, without its status
}

// NewAHT20 returns a chip after power-on.
func NewAHT20(in Moist, mono Mono) *AHT20 {
	c := &AHT20{mono: mono}
	c.in = Moist{Temperature: c.Watch(in.Temperature), Humidity: c.Watch(in.Humidity)}
	c.powerOff()
	return c
}

// powerOff forgets what a loss of power forgets.
func (c *AHT20) powerOff() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.status, c.due, c.data = 0x10, false, [6]byte{}
}

// Tx implements Device: a command, or a read of the status and the last measurement with its checksum.
func (c *AHT20) Tx(w, r []byte) error {
	if c.Get() == Dead {
		return ErrNak
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.due && c.mono() >= c.ready {
		c.measure()
	}
	if len(w) > 0 && !c.command(w) {
		return ErrNak
	}
	answer := append([]byte{c.status}, c.data[:5]...)
	answer = append(answer, sensirionCRC(answer))
	for i := range r {
		r[i] = 0xFF
	}
	copy(r, answer)
	return nil
}

func (c *AHT20) command(w []byte) bool {
	switch {
	case w[0] == ahtStatus:
	case w[0] == ahtReset:
		c.status, c.due = 0x10, false
	case w[0] == ahtInit && len(w) == 3:
		c.status |= ahtCalibrated
	case w[0] == ahtTrigger && len(w) == 3 && w[1] == 0x33:
		if c.status&ahtCalibrated != 0 {
			c.status |= ahtBusy
			c.due, c.ready = true, c.mono()+ahtTakes
		}
	default:
		return false
	}
	return true
}

func (c *AHT20) measure() {
	c.due = false
	c.status &^= ahtBusy
	raw := func(x float64) uint32 { return uint32(min(ahtScale-1, max(0, math.Round(x*ahtScale)))) }
	rh, t := raw(c.in.Humidity(c.ready)/100), raw((c.in.Temperature(c.ready)+50)/200)
	if c.Get() == Absurd {
		rh, t = ahtScale-1, ahtScale-1
	}
	c.data = [6]byte{byte(rh >> 12), byte(rh >> 4), byte(rh<<4) | byte(t>>16), byte(t >> 8), byte(t)}
}
