package chip

import (
	"encoding/binary"
	"math"
	"sync"
	"time"
)

// Registers and bits. Source: Texas Instruments SBAS444E, section 8.1.
const (
	adsConversion = 0
	adsConfig     = 1
	adsStart      = 0x8000 // OS: writing starts a conversion, reading 1 means idle
	adsSingle     = 0x0100 // MODE: one conversion, then power-down
	adsPowerOn    = 0x8583 // config after power-on
)

// ADS1115 models Texas Instruments' four channel, 16 bit converter of voltages. Its Health is the chip's own; what is wired to an input has
// one for itself.
type ADS1115 struct {
	Health
	// Inputs is the health of what is wired to AIN0 to AIN3. Dead is a broken wire, an open input; absurd is a wire on the supply.
	Inputs [4]Health
	mono   Mono
	inputs [4]Signal // V; nil is an open input

	mu      sync.Mutex
	pointer byte
	reg     [4]uint16 // conversion, config and the two thresholds
	begun   time.Duration
	busy    bool
}

// NewADS1115 returns a converter after power-on. inputs: the voltages at AIN0 to AIN3, in V.
func NewADS1115(inputs [4]Signal, mono Mono) *ADS1115 {
	c := &ADS1115{mono: mono, reg: [4]uint16{0, adsPowerOn, 0x8000, 0x7FFF}}
	for i, in := range inputs {
		if in != nil {
			c.inputs[i] = c.Watch(c.Inputs[i].Watch(in))
		}
	}
	return c
}

// Tx implements Device: the first byte written chooses the register, two more fill it; reading gives the register, high byte first.
func (c *ADS1115) Tx(w, r []byte) error {
	if c.Get() == Dead {
		return ErrNak
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.convert()
	if len(w) > 0 {
		c.pointer = w[0] & 3
	}
	if len(w) >= 3 {
		c.write(binary.BigEndian.Uint16(w[1:3]))
	}
	v := c.reg[c.pointer]
	if c.pointer == adsConfig {
		v &^= adsStart
		if !c.busy {
			v |= adsStart
		}
	}
	if c.pointer == adsConversion && c.Get() == Absurd {
		v = 0x7FFF // the reference is gone, everything is full scale
	}
	for i := range r {
		r[i] = byte(v >> (8 - 8*(i%2)))
	}
	return nil
}

func (c *ADS1115) write(v uint16) {
	if c.pointer == adsConversion {
		return // read only
	}
	c.reg[c.pointer] = v
	if c.pointer != adsConfig {
		return
	}
	if v&adsSingle == 0 || v&adsStart != 0 {
		c.begun, c.busy = c.mono(), true
	}
}

// period is the time of one conversion. Source: table 8-3, DR.
func (c *ADS1115) period() time.Duration {
	rate := []int{8, 16, 32, 64, 128, 250, 475, 860}[c.reg[adsConfig]>>5&7]
	return time.Second / time.Duration(rate)
}

// convert finishes the conversions whose time has come; of a continuous run only the newest is computed.
func (c *ADS1115) convert() {
	if !c.busy {
		return
	}
	n := (c.mono() - c.begun) / c.period()
	if n < 1 {
		return
	}
	if c.reg[adsConfig]&adsSingle != 0 {
		n = 1
		c.busy = false
	}
	c.begun += n * c.period()
	c.reg[adsConversion] = uint16(c.sample(c.begun))
}

// sample converts the selected voltage. Source: table 8-3, MUX and PGA.
func (c *ADS1115) sample(at time.Duration) int16 {
	config := c.reg[adsConfig]
	full := []float64{6.144, 4.096, 2.048, 1.024, 0.512, 0.256, 0.256, 0.256}[config>>9&7]
	v := 0.0
	if mux := config >> 12 & 7; mux >= 4 {
		v = c.volts(int(mux-4), at)
	} else {
		pair := [][2]int{{0, 1}, {0, 3}, {1, 3}, {2, 3}}[mux]
		v = c.volts(pair[0], at) - c.volts(pair[1], at)
	}
	return int16(min(math.MaxInt16, max(math.MinInt16, math.Round(v/full*32768))))
}

// supply is the board's voltage, V. A pin's protection diodes keep it within 0.3 V of it.
const supply = 3.3

func (c *ADS1115) volts(input int, at time.Duration) float64 {
	if c.inputs[input] == nil {
		return 0
	}
	switch c.Inputs[input].Get() {
	case Dead:
		return 0
	case Absurd:
		return supply
	}
	return min(supply+0.3, max(-0.3, c.inputs[input](at)))
}
