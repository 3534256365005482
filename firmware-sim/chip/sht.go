package chip

import (
	"math"
	"sync"
	"time"
)

// Moist is what a sensor of temperature and humidity sits in.
type Moist struct {
	Temperature Signal // °C
	Humidity    Signal // %
}

// shtAwake is the status after power-on: an alert is pending, a reset was detected. Source: SHT3x-DIS version 5, table 18.
const shtAwake = 0x8010

// shtFamily says how a family writes its measurement. Sources: Sensirion SHT3x-DIS data sheet version 5, section 4.13; SHT4x data sheet,
// "Conversion of Signal Output".
type shtFamily struct {
	commands map[string]time.Duration // of a measurement → typical duration
	serial   string
	reset    string
	status   string  // command that reads the status register; "" = it has none
	low, all float64 // humidity of 0, and of the whole scale
}

func sht3x() shtFamily {
	return shtFamily{map[string]time.Duration{"\x24\x00": 12500 * time.Microsecond, "\x24\x0b": 4500 * time.Microsecond, "\x24\x16": 2500 * time.Microsecond},
		"\x37\x80", "\x30\xa2", "\xf3\x2d", 0, 100}
}

func sht4x() shtFamily {
	return shtFamily{map[string]time.Duration{"\xfd": 6900 * time.Microsecond, "\xf6": 3700 * time.Microsecond, "\xe0": 1300 * time.Microsecond},
		"\x89", "\x94", "", -6, 125}
}

// SHT models Sensirion's SHT3x or SHT4x: a command starts a measurement, a read before it is done is not acknowledged.
type SHT struct {
	Health
	mono Mono
	in   Moist
	id   uint32
	shtFamily

	mu     sync.Mutex
	answer []byte        // what the next read gives; nil is nothing
	ready  time.Duration // from when on
	due    bool          // the answer is a measurement that is still to be made
}

// NewSHT3x returns an SHT3x after power-on.
func NewSHT3x(in Moist, mono Mono, seed uint64) *SHT { return newSHT(in, mono, seed, sht3x()) }

// NewSHT4x returns an SHT4x after power-on.
func NewSHT4x(in Moist, mono Mono, seed uint64) *SHT { return newSHT(in, mono, seed, sht4x()) }

func newSHT(in Moist, mono Mono, seed uint64, f shtFamily) *SHT {
	c := &SHT{mono: mono, id: uint32(seed), shtFamily: f}
	c.in = Moist{Temperature: c.Watch(in.Temperature), Humidity: c.Watch(in.Humidity)}
	return c
}

// powerOff forgets what a loss of power forgets.
func (c *SHT) powerOff() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.answer, c.due = nil, false
}

// Tx implements Device.
func (c *SHT) Tx(w, r []byte) error {
	if c.Get() == Dead {
		return ErrNak
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(w) > 0 && !c.command(string(w)) {
		return ErrNak
	}
	if len(r) == 0 {
		return nil
	}
	if c.mono() < c.ready || c.answer == nil && !c.due {
		return ErrNak
	}
	if c.due {
		c.measure()
	}
	for i := range r {
		r[i] = 0xFF
	}
	copy(r, c.answer)
	c.answer = nil
	return nil
}

func (c *SHT) command(cmd string) bool {
	if c.mono() < c.ready {
		return false // busy
	}
	c.answer, c.due = nil, false
	takes, measures := c.commands[cmd]
	switch {
	case measures:
		c.due, c.ready = true, c.mono()+takes
	case cmd == c.serial:
		c.answer = sensirionWords(uint16(c.id>>16), uint16(c.id))
	case cmd == c.status:
		c.answer = sensirionWords(shtAwake)
	case cmd == c.shtFamily.reset:
		c.ready = c.mono() + time.Millisecond
	default:
		return false
	}
	return true
}

func (c *SHT) measure() {
	c.due = false
	if c.Get() == Absurd {
		c.answer = sensirionWords(math.MaxUint16, math.MaxUint16)
		return
	}
	raw := func(x, low, all float64) uint16 {
		return uint16(min(math.MaxUint16, max(0, math.Round((x-low)/all*math.MaxUint16))))
	}
	c.answer = sensirionWords(raw(c.in.Temperature(c.ready), -45, 175), raw(c.in.Humidity(c.ready), c.low, c.all))
}

// sensirionWords puts its checksum behind each word.
func sensirionWords(words ...uint16) []byte {
	var out []byte
	for _, w := range words {
		b := []byte{byte(w >> 8), byte(w)}
		out = append(out, b[0], b[1], sensirionCRC(b))
	}
	return out
}
