package chip

import (
	"math"
	"sync"
	"time"
)

// Registers and bits. Source: Texas Instruments SBOS448F, tables 2 to 7 and "Register details".
const (
	inaConfig      = 0
	inaShunt       = 1
	inaBus         = 2
	inaPower       = 3
	inaCurrent     = 4
	inaCalibration = 5
	inaPowerOn     = 0x399F
	inaReset       = 0x8000
	inaReady       = 2
	inaOverflow    = 1
	inaOhms        = 0.1 // the shunt on the usual module
)

// Supply is what an INA219 measures.
type Supply struct {
	Voltage Signal // V
	Current Signal // A, through a shunt of 0.1 Ω
}

// INA219 models Texas Instruments' meter of a supply: six registers of 16 bits, conversions that take as long as they average.
type INA219 struct {
	Health
	mono Mono
	in   Supply

	mu      sync.Mutex
	pointer byte
	reg     [6]uint16
	begun   time.Duration
}

// NewINA219 returns a chip after power-on.
func NewINA219(in Supply, mono Mono) *INA219 {
	c := &INA219{mono: mono}
	c.in = Supply{Voltage: c.Watch(in.Voltage), Current: c.Watch(in.Current)}
	c.powerOff()
	return c
}

// powerOff forgets what a loss of power forgets.
func (c *INA219) powerOff() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.pointer, c.reg, c.begun = 0, [6]uint16{inaPowerOn}, c.mono()
}

// Tx implements Device.
func (c *INA219) Tx(w, r []byte) error {
	if c.Get() == Dead {
		return ErrNak
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.convert()
	if len(w) > 0 {
		c.pointer = w[0]
	}
	if len(w) >= 3 {
		c.write(uint16(w[1])<<8 | uint16(w[2]))
	}
	v := uint16(0)
	if int(c.pointer) < len(c.reg) {
		v = c.reg[c.pointer]
	}
	for i := range r {
		r[i] = byte(v >> (8 - 8*(i%2)))
	}
	if c.pointer == inaPower && len(r) > 0 {
		c.reg[inaBus] &^= inaReady
	}
	return nil
}

func (c *INA219) write(v uint16) {
	switch c.pointer {
	case inaConfig:
		if v&inaReset != 0 {
			c.reg, v = [6]uint16{}, inaPowerOn
		}
		c.reg[inaConfig], c.begun = v, c.mono()
		c.reg[inaBus] &^= inaReady
	case inaCalibration:
		c.reg[inaCalibration] = v &^ 1 // FS0 cannot be set
	}
}

// period219 is how long one of the two conversions takes. Source: table 5, ADC settings.
func period219(setting uint16) time.Duration {
	if setting&8 == 0 {
		return []time.Duration{84, 148, 276, 532}[setting&3] * time.Microsecond
	}
	return 532 * time.Microsecond << (setting & 7)
}

func (c *INA219) convert() {
	config := c.reg[inaConfig]
	takes := period219(config>>3&15) + period219(config>>7&15)
	n := (c.mono() - c.begun) / takes
	if config&7 != 7 || n < 1 { // only "shunt and bus, continuous" is modelled; the others keep what they have
		return
	}
	c.begun += n * takes
	full := 0.04 * math.Exp2(float64(config>>11&3))
	volts, across := c.in.Voltage(c.begun), c.in.Current(c.begun)*inaOhms
	if c.Get() == Absurd {
		volts, across = 32, -1
	}
	across = min(full, max(-full, across))
	c.reg[inaShunt] = uint16(int16(math.Round(across / 10e-6)))
	range32 := float64(16)
	if config&0x2000 != 0 {
		range32 = 32
	}
	c.reg[inaBus] = uint16(math.Round(min(range32, max(0, volts))/4e-3))<<3 | inaReady
	c.engine()
}

// engine computes current and power. Source: equations 4 and 5 of "Programming the INA219 power measurement engine".
func (c *INA219) engine() {
	current := int64(int16(c.reg[inaShunt])) * int64(c.reg[inaCalibration]) / 4096
	power := current * int64(c.reg[inaBus]>>3) / 5000
	if current > math.MaxInt16 || current < math.MinInt16 || power > math.MaxUint16 {
		c.reg[inaBus] |= inaOverflow
	}
	c.reg[inaCurrent], c.reg[inaPower] = uint16(current), uint16(max(power, -power))
}
