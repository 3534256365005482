package chip

import (
	"math"
	"math/rand/v2"
	"sync"
	"time"
)

// Registers and bits. Source: Bosch BST-BME680-DS001, section 5.
const (
	b68Field   = 0x1D
	b68Press   = 0x1F
	b68Temp    = 0x22
	b68Hum     = 0x25
	b68Gas     = 0x2A
	b68Heat    = 0x5A
	b68Wait    = 0x64
	b68GasOn   = 0x71
	b68HumOSR  = 0x72
	b68Measure = 0x74
	b68ID      = 0xD0
	b68Reset   = 0xE0
	b68New     = 0x80
	b68Busy    = 0x20
)

// Smelly is what a BME680 sits in.
type Smelly struct {
	Climate
	Gas Signal // Ω, resistance of its layer in this air
}

// BME680 models Bosch's sensor of temperature, pressure, humidity and gas. It computes with Bosch's integer formulas, and searches the raw values
// that give what the world says.
type BME680 struct {
	Health
	mono Mono
	in   Smelly
	trim bme680Trim

	mu      sync.Mutex
	reg     [256]byte
	pointer byte
	pending time.Duration // when the forced measurement ends; negative for none
}

// NewBME680 returns a chip after power-on: asleep.
func NewBME680(in Smelly, mono Mono, seed uint64) *BME680 {
	c := &BME680{mono: mono, trim: newBME680Trim(seed)}
	c.in.Temperature, c.in.Pressure, c.in.Humidity, c.in.Gas = c.Watch(in.Temperature), c.Watch(in.Pressure), c.Watch(in.Humidity), c.Watch(in.Gas)
	c.powerOff()
	return c
}

// powerOff forgets what a loss of power forgets.
func (c *BME680) powerOff() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.reset()
}

func (c *BME680) reset() {
	c.reg = [256]byte{b68ID: 0x61}
	c.pending = -1
	c.trim.store(&c.reg)
	c.put20(b68Press, 0x80000)
	c.put20(b68Temp, 0x80000)
	c.reg[b68Hum] = 0x80
}

func (c *BME680) put20(at int, v int64) {
	c.reg[at], c.reg[at+1], c.reg[at+2] = byte(v>>12), byte(v>>4), byte(v<<4)
}

// Tx implements Device: pairs of register and value, or one register to read from on.
func (c *BME680) Tx(w, r []byte) error {
	if c.Get() == Dead {
		return ErrNak
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.pending >= 0 && c.mono() >= c.pending {
		c.measure()
	}
	if len(w) > 0 {
		c.pointer = w[0]
	}
	for i := 0; i+1 < len(w); i += 2 {
		c.write(w[i], w[i+1])
	}
	for i := range r {
		r[i] = c.reg[c.pointer]
		c.pointer++
	}
	return nil
}

func (c *BME680) write(reg, v byte) {
	switch {
	case reg == b68Reset && v == 0xB6:
		c.reset()
	case reg >= 0x50 && reg <= 0x75 && reg != 0x73:
		c.reg[reg] = v
		if reg == b68Measure && v&3 == 1 {
			c.pending = c.mono() + c.takes()
			c.reg[b68Field] = b68Busy
		}
	}
}

// takes is the time of a forced measurement: 1963 µs per conversion, switching, and the heater's time.
func (c *BME680) takes() time.Duration {
	cycles := func(osr byte) int { return []int{0, 1, 2, 4, 8, 16, 16, 16}[osr&7] }
	n := cycles(c.reg[b68Measure]>>5) + cycles(c.reg[b68Measure]>>2) + cycles(c.reg[b68HumOSR])
	d := time.Duration(n)*1963*time.Microsecond + 9*477*time.Microsecond + time.Millisecond
	if c.reg[b68GasOn]&0x10 != 0 {
		d += c.hot()
	}
	return d
}

// hot is how long the heater is on. Source: register gas_wait_x, six bits times 1, 4, 16 or 64 ms.
func (c *BME680) hot() time.Duration {
	v := c.reg[b68Wait]
	return time.Duration(v&63) * time.Millisecond << (2 * (v >> 6))
}

func (c *BME680) measure() {
	at, absurd := c.pending, c.Get() == Absurd
	c.pending = -1
	c.reg[b68Measure] &^= 3
	t := &c.trim
	raw := seek(1<<20-1, c.in.Temperature(at)*100, func(x int64) float64 { _, centi := t.temperature(x); return float64(centi) })
	fine, centi := t.temperature(raw)
	press := seek(1<<20-1, c.in.Pressure(at)*100, func(x int64) float64 { return float64(t.pressure(x, fine)) })
	hum := seek(1<<16-1, c.in.Humidity(at)*1000, func(x int64) float64 { return float64(t.humidity(x, centi)) })
	if absurd {
		raw, press, hum = 1<<20-1, 0, 1<<16-1
	}
	c.put20(b68Temp, raw)
	c.put20(b68Press, press)
	c.reg[b68Hum], c.reg[b68Hum+1] = byte(hum>>8), byte(hum)
	c.reg[b68Gas], c.reg[b68Gas+1] = 0, 0
	if c.reg[b68GasOn]&0x10 != 0 {
		c.gas(c.in.Gas(at))
	}
	c.reg[b68Field] = b68New
}

// gas writes a resistance as raw value and range. Valid it is always, stable when the heater was set and had 20 ms at least.
func (c *BME680) gas(ohms float64) {
	for r, k := range gasRanges() {
		a := (1340 + 5*float64(c.trim.rangeError)) * k[0]
		x := math.Round(a*k[1]/ohms - a + 512)
		if x < 0 || x > 1023 {
			continue
		}
		c.reg[b68Gas], c.reg[b68Gas+1] = byte(int(x)>>2), byte(int(x)<<6)|0x20|byte(r)
		if c.reg[b68Heat] > 0 && c.hot() >= 20*time.Millisecond {
			c.reg[b68Gas+1] |= 0x10
		}
		return
	}
}

// gasRanges are the two constants of each range. Source: table 16.
func gasRanges() [16][2]float64 {
	return [16][2]float64{{1, 8000000}, {1, 4000000}, {1, 2000000}, {1, 1000000}, {1, 499500.4995}, {0.99, 248262.1648}, {1, 125000}, {0.992, 63004.03226},
		{1, 31281.28128}, {1, 15625}, {0.998, 7812.5}, {0.995, 3906.25}, {1, 1953.125}, {0.99, 976.5625}, {1, 488.28125}, {1, 244.140625}}
}

// seek finds the raw value from 0 to most whose result is nearest to want; f is monotonic.
func seek(most int64, want float64, f func(raw int64) float64) int64 {
	lo, hi := int64(0), most
	rising := f(hi) > f(lo)
	for lo < hi {
		if mid := (lo + hi) / 2; (f(mid) < want) == rising {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	return lo
}

// bme680Trim are the coefficients as whole numbers, under the data sheet's names.
type bme680Trim struct {
	t1, t2, t3                              int64
	p1, p2, p3, p4, p5, p6, p7, p8, p9, p10 int64
	h1, h2, h3, h4, h5, h6, h7              int64
	g1, g2, g3                              int64
	heatRange, heatVal, rangeError          int64
}

// newBME680Trim draws coefficients for which the formulas cover what the chip can measure.
func newBME680Trim(seed uint64) bme680Trim {
	rng := rand.New(rand.NewPCG(seed, 680))
	about := func(x, spread int64) int64 { return x + rng.Int64N(2*spread+1) - spread }
	return bme680Trim{t1: about(26000, 200), t2: about(26400, 200), t3: 3,
		p1: about(36600, 300), p2: about(-10500, 100), p3: 88, p4: about(6900, 300), p5: about(-140, 20), p6: 30, p7: about(35, 10), p8: about(-2800, 200),
		p9: about(-2500, 200), p10: 30,
		h1: about(760, 20), h2: about(1030, 20), h3: 0, h4: 45, h5: 20, h6: 120, h7: -100,
		g1: about(-30, 5), g2: about(-6000, 300), g3: 18, heatRange: 1, heatVal: about(45, 5), rangeError: about(0, 3)}
}

// store writes the coefficients where they stand in a chip. Source: tables 11 to 15.
func (t *bme680Trim) store(reg *[256]byte) {
	put := func(at int, v int64) { reg[at], reg[at+1] = byte(v), byte(v>>8) }
	for at, v := range map[int]int64{0xE9: t.t1, 0x8A: t.t2, 0x8E: t.p1, 0x90: t.p2, 0x94: t.p4, 0x96: t.p5, 0x9C: t.p8, 0x9E: t.p9, 0xEB: t.g2} {
		put(at, v)
	}
	for at, v := range map[int]int64{0x8C: t.t3, 0x92: t.p3, 0x99: t.p6, 0x98: t.p7, 0xA0: t.p10, 0xE4: t.h3, 0xE5: t.h4, 0xE6: t.h5, 0xE7: t.h6, 0xE8: t.h7,
		0xED: t.g1, 0xEE: t.g3, 0x00: t.heatVal, 0x02: t.heatRange << 4, 0x04: t.rangeError << 4} {
		reg[at] = byte(v)
	}
	reg[0xE1], reg[0xE2], reg[0xE3] = byte(t.h2>>4), byte(t.h2<<4)|byte(t.h1&15), byte(t.h1>>4)
}

// temperature is Bosch's integer formula: 1/5120 °C and 1/100 °C.
func (t *bme680Trim) temperature(raw int64) (fine, centi int64) {
	a := raw>>3 - t.t1<<1
	fine = a*t.t2>>11 + ((a>>1)*(a>>1)>>12)*(t.t3<<4)>>14
	return fine, (fine*5 + 128) >> 8
}

// pressure is Bosch's integer formula, in Pa, without the steps that keep it within 32 bits.
func (t *bme680Trim) pressure(raw, fine int64) int64 {
	a := fine>>1 - 64000
	b := ((a>>2)*(a>>2)>>11)*t.p6>>2 + a*t.p5<<1
	b = b>>2 + t.p4<<16
	a = (((a>>2)*(a>>2)>>13)*(t.p3<<5)>>3 + t.p2*a>>1) >> 18
	a = (32768 + a) * t.p1 >> 15
	p := (1048576 - raw - b>>12) * 3125 << 1 / a
	return p + (t.p9*((p>>3)*(p>>3)>>13)>>12+(p>>2)*t.p8>>13+(p>>8)*(p>>8)*(p>>8)*t.p10>>17+t.p7<<7)>>4
}

// humidity is Bosch's integer formula, in 1/1000 %.
func (t *bme680Trim) humidity(raw, centi int64) int64 {
	a := raw - t.h1<<4 - (centi*t.h3/100)>>1
	b := t.h2 * (centi*t.h4/100 + (centi*(centi*t.h5/100)>>6)/100 + 1<<14) >> 10
	d := a * b
	e := (t.h6<<7 + centi*t.h7/100) >> 4
	return (d + e*((d>>14)*(d>>14)>>10)>>1) >> 10 * 1000 >> 12
}
