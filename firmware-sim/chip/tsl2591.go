package chip

import (
	"math"
	"sync"
	"time"
)

// Registers and bits. Source: ams TSL2591 data sheet, April 2013, "Register Description".
const (
	tslEnable = 0x00
	tslConfig = 0x01
	tslID     = 0x12
	tslStatus = 0x13
	tslData   = 0x14
	tslPower  = 0x01
	tslALS    = 0x02
	tslReset  = 0x80
	// tslInfrared is how much of the light is infrared here, as the second diode sees it, and tslCounts what the first counts per lux and ms at gain 1.
	// The data sheet leaves lux to an empirical formula; they fit the usual one.
	tslInfrared = 0.3
	tslCounts   = 1 / (408 * (1 - tslInfrared) * (1 - tslInfrared))
)

// TSL2591 models ams's light sensor with its two diodes.
type TSL2591 struct {
	Health
	mono Mono
	lux  Signal

	mu      sync.Mutex
	pointer byte
	reg     [32]byte
	begun   time.Duration
}

// NewTSL2591 returns a chip after power-on: asleep.
func NewTSL2591(lux Signal, mono Mono) *TSL2591 {
	c := &TSL2591{mono: mono}
	c.lux = c.Watch(lux)
	c.powerOff()
	return c
}

// powerOff forgets what a loss of power forgets.
func (c *TSL2591) powerOff() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.pointer, c.reg = 0, [32]byte{tslID: 0x50}
}

// Tx implements Device. The first byte is a command: which register, or a special function.
func (c *TSL2591) Tx(w, r []byte) error {
	if c.Get() == Dead {
		return ErrNak
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.integrate()
	if len(w) > 0 && w[0]&0xE0 == 0xA0 {
		c.pointer = w[0] & 31
		for _, v := range w[1:] {
			c.write(v)
			c.pointer = (c.pointer + 1) & 31
		}
	}
	for i := range r {
		r[i] = c.reg[c.pointer]
		c.pointer = (c.pointer + 1) & 31
	}
	return nil
}

func (c *TSL2591) write(v byte) {
	if c.pointer >= 0x0D {
		return // read only
	}
	was := c.reg[tslEnable]
	c.reg[c.pointer] = v
	switch {
	case c.pointer == tslConfig && v&tslReset != 0:
		c.reg = [32]byte{tslID: 0x50}
	case c.pointer == tslEnable && v&(tslPower|tslALS) == tslPower|tslALS && was&(tslPower|tslALS) != tslPower|tslALS, c.pointer == tslConfig:
		c.begun = c.mono()
		c.reg[tslStatus] &^= 1
	}
}

// integrate finishes the integrations whose time has come; only the newest is computed.
func (c *TSL2591) integrate() {
	config := c.reg[tslConfig]
	ms := 100 * (min(float64(config&7), 5) + 1)
	takes := time.Duration(ms) * time.Millisecond
	n := (c.mono() - c.begun) / takes
	if n < 1 || c.reg[tslEnable]&(tslPower|tslALS) != tslPower|tslALS {
		return
	}
	c.begun += n * takes
	most := float64(math.MaxUint16)
	if config&7 == 0 {
		most = 36863
	}
	lx := c.lux(c.begun)
	if c.Get() == Absurd {
		lx = math.Inf(1)
	}
	gain := config >> 4 & 3
	at := lx * tslCounts * ms
	both := math.Round(min(most, max(0, at*[]float64{1, 24.5, 400, 9200}[gain])))
	infrared := math.Round(min(most, max(0, at*tslInfrared*[]float64{1, 24.5, 400, 9900}[gain])))
	c.reg[tslStatus] |= 1
	c.reg[tslData], c.reg[tslData+1] = byte(int(both)), byte(int(both)>>8)
	c.reg[tslData+2], c.reg[tslData+3] = byte(int(infrared)), byte(int(infrared)>>8)
}
