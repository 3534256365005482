package chip

import (
	"math"
	"sync"
	"time"
)

// Registers. Source: Microchip DS25095A, table 5-1 and sections 5.1 to 5.2.
const (
	mcpConfig     = 1
	mcpAmbient    = 5
	mcpVendor     = 6
	mcpDevice     = 7
	mcpResolution = 8
	mcpShutdown   = 0x0100
)

// MCP9808 models Microchip's thermometer: registers of 16 bits (one of 8), a conversion every 30 to 250 ms depending on its resolution.
type MCP9808 struct {
	Health
	mono    Mono
	celsius Signal

	mu         sync.Mutex
	pointer    byte
	config     uint16
	resolution byte
	begun      time.Duration
	ambient    uint16
}

// NewMCP9808 returns a chip after power-on: converting at its finest resolution, nothing measured yet.
func NewMCP9808(celsius Signal, mono Mono) *MCP9808 {
	c := &MCP9808{mono: mono}
	c.celsius = c.Watch(celsius)
	c.powerOff()
	return c
}

// powerOff forgets what a loss of power forgets.
func (c *MCP9808) powerOff() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.pointer, c.config, c.resolution, c.ambient, c.begun = 0, 0, 3, 0, c.mono()
}

// Tx implements Device.
func (c *MCP9808) Tx(w, r []byte) error {
	if c.Get() == Dead {
		return ErrNak
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.convert()
	if len(w) > 0 {
		c.pointer = w[0] & 15
	}
	if len(w) >= 2 && c.pointer == mcpResolution {
		c.resolution, c.begun = w[1]&3, c.mono()
	}
	if len(w) >= 3 && c.pointer == mcpConfig {
		c.config, c.begun = uint16(w[1])<<8|uint16(w[2]), c.mono()
	}
	v := map[byte]uint16{mcpConfig: c.config, mcpAmbient: c.ambient, mcpVendor: 0x0054, mcpDevice: 0x0400, mcpResolution: uint16(c.resolution) << 8}[c.pointer]
	for i := range r {
		r[i] = byte(v >> (8 - 8*(i%2)))
	}
	return nil
}

// period is the time of one conversion. Source: table 5-2 and the electrical characteristics, t_CONV.
func (c *MCP9808) period() time.Duration {
	return []time.Duration{30, 65, 130, 250}[c.resolution] * time.Millisecond
}

func (c *MCP9808) convert() {
	n := (c.mono() - c.begun) / c.period()
	if n < 1 || c.config&mcpShutdown != 0 {
		return
	}
	c.begun += n * c.period()
	t := c.celsius(c.begun)
	if c.Get() == Absurd {
		t = 255.9375
	}
	step := 16 / math.Exp2(float64(3-c.resolution)) // per °C
	sixteenth := math.Round(min(255.9375, max(-256, t))*step) * 16 / step
	c.ambient = uint16(int16(sixteenth)) & 0x1FFF
}
