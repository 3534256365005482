package chip

import (
	"bytes"
	"encoding/binary"
	"math"
	"sync"
	"time"
)

const (
	// dustPeriod is how often a dust sensor talks: the SDS011 every second, the PMS5003 every 0.2 to 2.3 s.
	dustPeriod = time.Second
	// dustMost bounds what is remembered of a time in which nobody listened.
	dustMost = 64
	// finer and coarser are PM1 and PM10 in terms of PM2.5, as usual indoors.
	finer, coarser = 0.7, 1.5
)

// Dust models a dust sensor that talks by itself on a serial line.
type Dust struct {
	Health
	mono  Mono
	pm25  Signal // µg/m³
	frame func(pm25 float64, absurd bool) []byte

	mu   sync.Mutex
	said time.Duration // of the last frame
}

// NewPMS5003 returns Plantower's sensor in its active mode. Source of the frame: PMS5003 series data manual V2.3, appendix I.
func NewPMS5003(pm25 Signal, mono Mono) *Dust { return newDust(pm25, mono, plantower) }

// NewSDS011 returns Nova Fitness's sensor. Source of the frame: SDS011 specification V1.0.
func NewSDS011(pm25 Signal, mono Mono, id uint16) *Dust {
	return newDust(pm25, mono, func(x float64, absurd bool) []byte { return nova(x, absurd, id) })
}

func newDust(pm25 Signal, mono Mono, frame func(float64, bool) []byte) *Dust {
	d := &Dust{mono: mono, frame: frame, said: mono()}
	d.pm25 = d.Watch(pm25)
	return d
}

// Hear implements Talker: commands are not modelled, the sensor stays as it is.
func (d *Dust) Hear([]byte) {}

// Say implements Talker.
func (d *Dust) Say() []byte {
	d.mu.Lock()
	defer d.mu.Unlock()
	n := (d.mono() - d.said) / dustPeriod
	d.said += n * dustPeriod
	if d.Get() == Dead {
		return nil
	}
	var out []byte
	for i := min(n, dustMost) - 1; i >= 0; i-- {
		out = append(out, d.frame(d.pm25(d.said-i*dustPeriod), d.Get() == Absurd)...)
	}
	return out
}

func plantower(pm25 float64, absurd bool) []byte {
	word := func(x float64) uint16 { return uint16(min(math.MaxUint16, max(0, math.Round(x)))) }
	if absurd {
		pm25 = math.MaxUint16
	}
	f := []byte{0x42, 0x4D, 0, 28}
	// Three for the factory's dust, three for the atmosphere, six counts of particles in 0.1 L, and a version.
	for _, w := range []uint16{word(pm25 * finer * 1.2), word(pm25 * 1.2), word(pm25 * coarser * 1.2), word(pm25 * finer), word(pm25), word(pm25 * coarser),
		word(pm25 * 190), word(pm25 * 55), word(pm25 * 9), word(pm25), word(pm25 / 5), word(pm25 / 9), 0x9700} {
		f = binary.BigEndian.AppendUint16(f, w)
	}
	var sum uint16
	for _, b := range f {
		sum += uint16(b)
	}
	return binary.BigEndian.AppendUint16(f, sum)
}

func nova(pm25 float64, absurd bool, id uint16) []byte {
	tenths := func(x float64) uint16 { return uint16(min(9999, max(0, math.Round(x*10)))) }
	f := []byte{0xAA, 0xC0}
	a, b := tenths(pm25), tenths(pm25*coarser)
	if absurd {
		a, b = math.MaxUint16, math.MaxUint16
	}
	for _, w := range []uint16{a, b, id} {
		f = binary.LittleEndian.AppendUint16(f, w)
	}
	var sum byte
	for _, x := range f[2:] {
		sum += x
	}
	return append(f, sum, 0xAB)
}

// MHZ19 models Winsen's CO2 sensor: it answers a question 20 ms later. Source: MH-Z19B user's manual.
type MHZ19 struct {
	Health
	mono Mono
	co2  Signal

	mu     sync.Mutex
	heard  []byte
	answer []byte
	due    time.Duration
}

// NewMHZ19 returns a sensor that is warm.
func NewMHZ19(co2 Signal, mono Mono) *MHZ19 {
	c := &MHZ19{mono: mono}
	c.co2 = c.Watch(co2)
	return c
}

// Hear implements Talker: nine bytes beginning with 0xFF and ending with their checksum.
func (c *MHZ19) Hear(b []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.heard = append(c.heard, b...)
	for {
		i := bytes.IndexByte(c.heard, 0xFF)
		if i < 0 {
			c.heard = nil
			return
		}
		if c.heard = c.heard[i:]; len(c.heard) < 9 {
			return
		}
		q := c.heard[:9]
		c.heard = c.heard[9:]
		if q[1] == 0x01 && q[2] == 0x86 && q[8] == winsenSum(q) {
			ppm := uint16(min(math.MaxUint16, max(0, math.Round(c.co2(c.mono())))))
			if c.Get() == Absurd {
				ppm = math.MaxUint16
			}
			a := []byte{0xFF, 0x86, byte(ppm >> 8), byte(ppm), 0x41, 0, 0, 0, 0}
			a[8] = winsenSum(a)
			c.answer, c.due = a, c.mono()+20*time.Millisecond
		}
	}
}

// winsenSum is the checksum: the sum of bytes 1 to 7, inverted, plus 1.
func winsenSum(f []byte) byte {
	var sum byte
	for _, b := range f[1:8] {
		sum += b
	}
	return ^sum + 1
}

// Say implements Talker.
func (c *MHZ19) Say() []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.answer == nil || c.mono() < c.due {
		return nil
	}
	a := c.answer
	c.answer = nil
	if c.Get() == Dead {
		return nil
	}
	return a
}
