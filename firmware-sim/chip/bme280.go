package chip

import (
	"math"
	"math/rand/v2"
	"sync"
	"time"
)

// Registers. Source: Bosch BST-BME280-DS002 rev. 1.6, table 18; the same in BST-BMP280-DS001 without humidity.
const (
	bmeCalibLow  = 0x88
	bmeID        = 0xD0
	bmeReset     = 0xE0
	bmeCalibHigh = 0xE1
	bmeCtrlHum   = 0xF2
	bmeStatus    = 0xF3
	bmeCtrlMeas  = 0xF4
	bmeConfig    = 0xF5
	bmeData      = 0xF7

	bmeIDValue    = 0x60
	bmpIDValue    = 0x58
	bmeResetValue = 0xB6
	bmeMeasuring  = 0x08
	bmeSkipped    = 0x80000 // what an unmeasured 20 bit quantity reads as
)

// Climate is what a BME280 sits in. Humidity may be nil on a BMP280.
type Climate struct {
	Temperature Signal // °C
	Pressure    Signal // hPa
	Humidity    Signal // %
}

// BME280 models Bosch's sensor of temperature, pressure and humidity, and without Humidity the BMP280. Each has calibration values of its own,
// drawn from a seed around those of real chips, and computes backwards through Bosch's formulas which raw values a driver must find.
type BME280 struct {
	Health
	mono  Mono
	in    Climate
	calib calibration

	mu      sync.Mutex
	reg     [256]byte
	pointer byte
	hum     byte          // ctrl_hum as it was when ctrl_meas was written last
	pending time.Duration // when the running measurement ends; negative for none
}

// NewBME280 returns a chip after power-on: asleep, nothing measured.
func NewBME280(in Climate, mono Mono, seed uint64) *BME280 {
	c := &BME280{mono: mono, calib: newCalibration(seed)}
	c.in = Climate{Temperature: c.Watch(in.Temperature), Pressure: c.Watch(in.Pressure)}
	if in.Humidity != nil {
		c.in.Humidity = c.Watch(in.Humidity)
	}
	c.reset()
	return c
}

func (c *BME280) reset() {
	c.reg = [256]byte{}
	c.pending = -1
	c.reg[bmeID] = bmpIDValue
	c.calib.storeLow(c.reg[bmeCalibLow:])
	if c.in.Humidity != nil {
		c.reg[bmeID] = bmeIDValue
		c.calib.storeHigh(c.reg[:])
	}
	c.store(bmeSkipped, bmeSkipped, bmeSkipped>>4)
}

// powerOff forgets what a loss of power forgets.
func (c *BME280) powerOff() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.reset()
}

// Tx implements Device: pairs of register and value are written, a lone byte sets where reading begins; reading counts up.
func (c *BME280) Tx(w, r []byte) error {
	if c.Get() == Dead {
		return ErrNak
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.finish()
	for len(w) >= 2 {
		c.write(w[0], w[1])
		w = w[2:]
	}
	if len(w) == 1 {
		c.pointer = w[0]
	}
	for i := range r {
		r[i] = c.reg[c.pointer]
		if c.Get() == Absurd && c.pointer >= bmeData {
			r[i] = 0xFF // the shift register was cut off from its data
		}
		c.pointer++
	}
	return nil
}

func (c *BME280) write(reg, v byte) {
	switch reg {
	case bmeReset:
		if v == bmeResetValue {
			c.reset()
		}
	case bmeCtrlHum, bmeConfig:
		c.reg[reg] = v
	case bmeCtrlMeas:
		c.reg[reg] = v
		c.hum = c.reg[bmeCtrlHum] & 7 // section 5.4.3: becomes effective only now
		c.pending = -1
		if v&3 != 0 {
			c.pending = c.mono() + c.duration()
			c.reg[bmeStatus] |= bmeMeasuring
		}
	}
}

// oversampling gives how often a quantity is measured for one result. Source: tables 20, 23 and 24.
func oversampling(bits byte) int {
	return []int{0, 1, 2, 4, 8, 16, 16, 16}[bits&7]
}

// duration is the typical time of one measurement. Source: section 9.1.
func (c *BME280) duration() time.Duration {
	ctrl := c.reg[bmeCtrlMeas]
	d := time.Millisecond + time.Duration(oversampling(ctrl>>5))*2*time.Millisecond
	if n := oversampling(ctrl >> 2); n > 0 {
		d += time.Duration(n)*2*time.Millisecond + time.Millisecond/2
	}
	if n := oversampling(c.hum); n > 0 && c.in.Humidity != nil {
		d += time.Duration(n)*2*time.Millisecond + time.Millisecond/2
	}
	return d
}

// standby is the pause between measurements in normal mode. Source: table 27 (the last two are 10 and 20 ms on the BME280).
func (c *BME280) standby() time.Duration {
	us := []int{500, 62500, 125000, 250000, 500000, 1000000, 10000, 20000}[c.reg[bmeConfig]>>5]
	return time.Duration(us) * time.Microsecond
}

// finish completes the measurement whose time has come.
func (c *BME280) finish() {
	now := c.mono()
	if c.pending < 0 || now < c.pending {
		return
	}
	at := c.pending
	if c.reg[bmeCtrlMeas]&3 == 3 { // normal mode goes on by itself
		period := c.duration() + c.standby()
		at += (now - at) / period * period
		c.pending = at + period
		c.reg[bmeStatus] &^= bmeMeasuring
		if now >= at+c.standby() {
			c.reg[bmeStatus] |= bmeMeasuring
		}
	} else {
		c.pending = -1
		c.reg[bmeStatus] &^= bmeMeasuring
		c.reg[bmeCtrlMeas] &^= 3
	}
	c.measure(at)
}

func (c *BME280) measure(at time.Duration) {
	ctrl := c.reg[bmeCtrlMeas]
	t, p, h := int32(bmeSkipped), int32(bmeSkipped), int32(bmeSkipped>>4)
	full, fine := c.calib.rawTemperature(c.in.Temperature(at))
	if n := ctrl >> 5; n != 0 {
		t = coarse(full, n, c.reg[bmeConfig])
		fine = c.calib.temperature(t)
	}
	if n := ctrl >> 2 & 7; n != 0 {
		p = coarse(c.calib.rawPressure(c.in.Pressure(at), fine), n, c.reg[bmeConfig])
	}
	if c.in.Humidity != nil && c.hum != 0 {
		h = c.calib.rawHumidity(c.in.Humidity(at), fine)
	}
	c.store(t, p, h)
}

// coarse cuts a raw value to the bits that its oversampling gives. Source: section 3.4.2; with the filter on there are always 20.
func coarse(raw int32, bits, config byte) int32 {
	if config>>2&7 != 0 {
		return raw
	}
	cut := max(0, 5-int(min(bits, 5)))
	half := int32(1) << cut >> 1
	return min((raw+half)>>cut<<cut, 0xFFFFF)
}

func (c *BME280) store(t, p, h int32) {
	d := c.reg[bmeData:]
	d[0], d[1], d[2] = byte(p>>12), byte(p>>4), byte(p<<4)
	d[3], d[4], d[5] = byte(t>>12), byte(t>>4), byte(t<<4)
	d[6], d[7] = byte(h>>8), byte(h)
	if c.in.Humidity == nil {
		d[6], d[7] = 0, 0
	}
}

// calibration holds a chip's trimming values. Source: table 16.
type calibration struct {
	t1, p1                         uint16
	t2, t3                         int16
	p2, p3, p4, p5, p6, p7, p8, p9 int16
	h1, h3                         uint8
	h2, h4, h5                     int16
	h6                             int8
}

// newCalibration draws a chip: the values of the data sheet's example, spread as they are from chip to chip.
func newCalibration(seed uint64) calibration {
	rng := rand.New(rand.NewPCG(seed, 0x626d65323830))
	near := func(x float64) int16 { return int16(math.Round(x * (1 + 0.01*rng.NormFloat64()))) }
	return calibration{
		t1: uint16(near(27504)), t2: near(26435), t3: near(-1000),
		p1: uint16(36477 + rng.IntN(600) - 300), p2: near(-10685), p3: near(3024), p4: near(2855), p5: near(140), p6: -7,
		p7: 15500, p8: -14600, p9: 6000,
		h1: 75, h2: near(362), h3: 0, h4: near(324), h5: 50, h6: 30,
	}
}

func (c *calibration) storeLow(b []byte) {
	words := []uint16{
		c.t1, uint16(c.t2), uint16(c.t3), c.p1, uint16(c.p2), uint16(c.p3), uint16(c.p4),
		uint16(c.p5), uint16(c.p6), uint16(c.p7), uint16(c.p8), uint16(c.p9),
	}
	for i, w := range words {
		b[2*i], b[2*i+1] = byte(w), byte(w>>8)
	}
}

func (c *calibration) storeHigh(reg []byte) {
	reg[0xA1] = c.h1
	b := reg[bmeCalibHigh:]
	b[0], b[1], b[2] = byte(c.h2), byte(c.h2>>8), c.h3
	b[3] = byte(c.h4 >> 4)
	b[4] = byte(c.h4&0xF) | byte(c.h5&0xF)<<4
	b[5] = byte(c.h5 >> 4)
	b[6] = byte(c.h6)
}

// temperature, pressure and humidity are Bosch's formulas. Source: section 4.2.3, in 1/5120 °C ("t_fine"), 1/256 Pa and 1/1024 %.
func (c *calibration) temperature(raw int32) (fine int32) {
	x := (raw>>3 - int32(c.t1)<<1) * int32(c.t2) >> 11
	d := raw>>4 - int32(c.t1)
	return x + (d*d>>12)*int32(c.t3)>>14
}

func (c *calibration) pressure(raw, fine int32) int64 {
	v1 := int64(fine) - 128000
	v2 := v1*v1*int64(c.p6) + (v1*int64(c.p5))<<17 + int64(c.p4)<<35
	v1 = v1*v1*int64(c.p3)>>8 + (v1*int64(c.p2))<<12
	v1 = (1<<47 + v1) * int64(c.p1) >> 33
	if v1 == 0 {
		return 0
	}
	p := (int64(1048576-raw)<<31 - v2) * 3125 / v1
	v1 = int64(c.p9) * (p >> 13) * (p >> 13) >> 25
	v2 = int64(c.p8) * p >> 19
	return (p+v1+v2)>>8 + int64(c.p7)<<4
}

func (c *calibration) humidity(raw, fine int32) int32 {
	v := fine - 76800
	a := (raw<<14 - int32(c.h4)<<20 - int32(c.h5)*v + 16384) >> 15
	b := ((((v*int32(c.h6)>>10)*(v*int32(c.h3)>>11+32768))>>10+2097152)*int32(c.h2) + 8192) >> 14
	v = a * b
	v -= (v >> 15) * (v >> 15) >> 7 * int32(c.h1) >> 4
	return min(max(v, 0), 419430400) >> 12
}

// bisect finds the first raw value from lo to hi at which the rising function reaches the goal, or its neighbour where that is nearer.
func bisect(lo, hi int32, goal float64, f func(int32) float64) int32 {
	for lo < hi {
		if mid := lo + (hi-lo)/2; f(mid) < goal {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	if lo > 0 && goal-f(lo-1) < f(lo)-goal {
		return lo - 1
	}
	return lo
}

func (c *calibration) rawTemperature(celsius float64) (raw, fine int32) {
	goal := min(85, max(-40, celsius)) * 5120
	raw = bisect(0, 0xFFFFF, goal, func(r int32) float64 { return float64(c.temperature(r)) })
	return raw, c.temperature(raw)
}

func (c *calibration) rawPressure(hPa float64, fine int32) int32 {
	goal := -min(1100, max(300, hPa)) * 100 * 256
	return bisect(0, 0xFFFFF, goal, func(r int32) float64 { return -float64(c.pressure(r, fine)) })
}

func (c *calibration) rawHumidity(percent float64, fine int32) int32 {
	goal := min(100, max(0, percent)) * 1024
	return bisect(0, 0xFFFF, goal, func(r int32) float64 { return float64(c.humidity(r, fine)) })
}
