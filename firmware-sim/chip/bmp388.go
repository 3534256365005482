package chip

import (
	"math"
	"math/rand/v2"
	"sync"
	"time"
)

// Registers and bits. Source: Bosch BST-BMP388-DS001, section 4.
const (
	bmp3Status     = 0x03
	bmp3Data       = 0x04
	bmp3Power      = 0x1B
	bmp3Sampling   = 0x1C
	bmp3Calib      = 0x31
	bmp3Command    = 0x7E
	bmp3ID         = 0x50
	bmp3Reset      = 0xB6
	bmp3CmdReady   = 0x10
	bmp3Unmeasured = 0x800000
)

// BMP388 models Bosch's barometer. Each has calibration values of its own, drawn from a seed, and computes backwards which raw values a driver must
// find.
type BMP388 struct {
	Health
	mono Mono
	in   Climate
	trim bmp3Trim

	mu      sync.Mutex
	reg     [128]byte
	pointer byte
	pending time.Duration // when the forced measurement ends; negative for none
}

// bmp3Trim are the 21 bytes of coefficients from bmp3Calib on. Source: table 24, "Trimming coefficient registers".
type bmp3Trim [21]byte

// NewBMP388 returns a chip after power-on: asleep. in.Humidity is not measured.
func NewBMP388(in Climate, mono Mono, seed uint64) *BMP388 {
	c := &BMP388{mono: mono, trim: newBMP3Trim(seed)}
	c.in = Climate{Temperature: c.Watch(in.Temperature), Pressure: c.Watch(in.Pressure)}
	c.powerOff()
	return c
}

// newBMP3Trim draws coefficients for which the formulas cover what the chip can measure.
func newBMP3Trim(seed uint64) bmp3Trim {
	rng := rand.New(rand.NewPCG(seed, 388))
	about := func(x, spread int) int { return x + rng.IntN(2*spread+1) - spread }
	var b bmp3Trim
	put := func(i, v int) { b[i], b[i+1] = byte(v), byte(v>>8) }
	put(0, about(27500, 200))  // T1, unsigned
	put(2, about(18700, 200))  // T2, unsigned
	b[4] = byte(about(-10, 2)) // T3, signed
	put(5, about(-1000, 300))  // P1, signed
	put(7, about(-2500, 300))  // P2, signed
	b[9], b[10] = byte(about(35, 5)), byte(about(0, 1))
	put(11, about(25200, 200)) // P5, unsigned
	put(13, about(30600, 300)) // P6, unsigned
	b[15], b[16] = byte(about(3, 1)), byte(about(-6, 1))
	put(17, about(4200, 300)) // P9, signed
	b[19], b[20] = byte(about(10, 3)), byte(about(-60, 5))
	return b
}

func (b *bmp3Trim) signed(i, bytes int) float64 {
	if bytes == 1 {
		return float64(int8(b[i]))
	}
	return float64(int16(uint16(b[i]) | uint16(b[i+1])<<8))
}

func (b *bmp3Trim) unsigned(i int) float64 { return float64(uint16(b[i]) | uint16(b[i+1])<<8) }

// celsius is the temperature of a raw value. Source: section 9.2.
func (b *bmp3Trim) celsius(raw float64) float64 {
	past := raw - b.unsigned(0)*0x1p8
	return past*b.unsigned(2)*0x1p-30 + past*past*b.signed(4, 1)*0x1p-48
}

// pascal is the pressure of a raw value at a temperature. Source: section 9.3.
func (b *bmp3Trim) pascal(raw, t float64) float64 {
	out := b.unsigned(11)*0x1p3 + t*(b.unsigned(13)*0x1p-6+t*(b.signed(15, 1)*0x1p-8+t*b.signed(16, 1)*0x1p-15))
	per := (b.signed(5, 2)-16384)*0x1p-20 + t*((b.signed(7, 2)-16384)*0x1p-29+t*(b.signed(9, 1)*0x1p-32+t*b.signed(10, 1)*0x1p-37))
	square := b.signed(17, 2)*0x1p-48 + t*b.signed(19, 1)*0x1p-48
	return out + raw*(per+raw*(square+raw*b.signed(20, 1)*0x1p-65))
}

// search finds the raw value of 24 bits that gives want; f rises or falls over the whole range.
func search(want float64, f func(raw float64) float64) uint32 {
	lo, hi := 0.0, float64(1<<24-1)
	rising := f(hi) > f(lo)
	for range 40 {
		mid := (lo + hi) / 2
		if (f(mid) < want) == rising {
			lo = mid
		} else {
			hi = mid
		}
	}
	return uint32(math.Round(lo))
}

// powerOff forgets what a loss of power forgets.
func (c *BMP388) powerOff() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.reset()
}

func (c *BMP388) reset() {
	c.reg = [128]byte{0: bmp3ID, bmp3Status: bmp3CmdReady, bmp3Sampling: 0x02}
	c.pending = -1
	copy(c.reg[bmp3Calib:], c.trim[:])
	c.put(bmp3Data, bmp3Unmeasured)
	c.put(bmp3Data+3, bmp3Unmeasured)
}

func (c *BMP388) put(at int, v uint32) {
	c.reg[at], c.reg[at+1], c.reg[at+2] = byte(v), byte(v>>8), byte(v>>16)
}

// Tx implements Device: pairs of register and value, or one register to read from on.
func (c *BMP388) Tx(w, r []byte) error {
	if c.Get() == Dead {
		return ErrNak
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.pending >= 0 && c.mono() >= c.pending {
		c.measure()
	}
	if len(w) > 0 {
		c.pointer = w[0] & 127
	}
	for i := 0; i+1 < len(w); i += 2 {
		c.write(w[i]&127, w[i+1])
	}
	for i := range r {
		r[i] = c.reg[c.pointer]
		if c.pointer >= bmp3Data && c.pointer < bmp3Data+6 {
			c.reg[bmp3Status] &^= map[bool]byte{true: 0x20, false: 0x40}[c.pointer < bmp3Data+3]
		}
		c.pointer = (c.pointer + 1) & 127
	}
	return nil
}

func (c *BMP388) write(reg, v byte) {
	switch {
	case reg == bmp3Command && v == bmp3Reset:
		c.reset()
	case reg >= 0x15 && reg <= 0x1F:
		c.reg[reg] = v
		if mode := v >> 4 & 3; reg == bmp3Power && (mode == 1 || mode == 2) {
			c.pending = c.mono() + c.takes()
		}
	}
}

// takes is the time of a forced measurement. Source: section 3.9.2.
func (c *BMP388) takes() time.Duration {
	us := 234
	if c.reg[bmp3Power]&1 != 0 {
		us += 392 + 2020<<(c.reg[bmp3Sampling]&7)
	}
	if c.reg[bmp3Power]&2 != 0 {
		us += 163 + 2020<<(c.reg[bmp3Sampling]>>3&7)
	}
	return time.Duration(us) * time.Microsecond
}

func (c *BMP388) measure() {
	at, power := c.pending, c.reg[bmp3Power]
	c.pending = -1
	c.reg[bmp3Power] &^= 0x30 // asleep again
	rawT := search(c.in.Temperature(at), c.trim.celsius)
	t := c.trim.celsius(float64(rawT))
	rawP := search(c.in.Pressure(at)*100, func(raw float64) float64 { return c.trim.pascal(raw, t) })
	if c.Get() == Absurd {
		rawT, rawP = 1<<24-1, 0
	}
	if power&1 != 0 {
		c.put(bmp3Data, rawP)
		c.reg[bmp3Status] |= 0x20
	}
	if power&2 != 0 {
		c.put(bmp3Data+3, rawT)
		c.reg[bmp3Status] |= 0x40
	}
}
