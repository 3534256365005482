package chip

import (
	"math"
	"sync"
	"time"
)

// Registers and bits. Source: Texas Instruments SBOS397C, tables 1 to 9.
const (
	tmpConfig   = 1
	tmpPowerOn  = 0x60A0
	tmpReadOnly = 0x6020 // resolution and alert
	tmpShutdown = 0x0100
	tmpExtended = 0x0010
)

// TMP102 models Texas Instruments' thermometer: four registers of 16 bits, conversions at 0.25 to 8 Hz.
type TMP102 struct {
	Health
	mono    Mono
	celsius Signal

	mu      sync.Mutex
	pointer byte
	reg     [4]uint16
	begun   time.Duration
}

// NewTMP102 returns a chip after power-on: converting, 0 °C until the first conversion is done.
func NewTMP102(celsius Signal, mono Mono) *TMP102 {
	c := &TMP102{mono: mono}
	c.celsius = c.Watch(celsius)
	c.powerOff()
	return c
}

// powerOff forgets what a loss of power forgets.
func (c *TMP102) powerOff() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.pointer, c.reg, c.begun = 0, [4]uint16{0, tmpPowerOn, 0x4B00, 0x5000}, c.mono()
}

// Tx implements Device.
func (c *TMP102) Tx(w, r []byte) error {
	if c.Get() == Dead {
		return ErrNak
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.convert()
	if len(w) > 0 {
		c.pointer = w[0] & 3
	}
	if len(w) >= 3 && c.pointer != 0 {
		v := uint16(w[1])<<8 | uint16(w[2])
		if c.pointer == tmpConfig {
			v = v&^tmpReadOnly | tmpPowerOn&tmpReadOnly
			c.begun = c.mono()
		}
		c.reg[c.pointer] = v
	}
	for i := range r {
		r[i] = byte(c.reg[c.pointer] >> (8 - 8*(i%2)))
	}
	return nil
}

// period is the time between conversions. Source: table 9, CR1 and CR0.
func (c *TMP102) period() time.Duration {
	return []time.Duration{4 * time.Second, time.Second, 250 * time.Millisecond, 125 * time.Millisecond}[c.reg[tmpConfig]>>6&3]
}

// convert puts the newest conversion into its register. The first one is done 26 ms after the beginning, the next ones a period apart.
func (c *TMP102) convert() {
	const takes = 26 * time.Millisecond
	since := c.mono() - c.begun
	if since < takes || c.reg[tmpConfig]&tmpShutdown != 0 {
		return
	}
	at := c.begun + takes + (since-takes)/c.period()*c.period()
	t := c.celsius(at)
	if c.Get() == Absurd {
		t = 1000
	}
	bits, low := 4, uint16(0)
	if c.reg[tmpConfig]&tmpExtended != 0 {
		bits, low = 3, 1
	}
	whole := float64(int(1) << (15 - bits))
	c.reg[0] = uint16(int16(min(whole-1, max(-whole, math.Round(t*16)))))<<bits | low
}
