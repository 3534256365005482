package chip

import (
	"encoding/binary"
	"math"
	"sync"
	"time"
)

// Commands. Source: Sensirion SCD4x data sheet v1.5, table 9.
const (
	scdStart       = 0x21b1
	scdRead        = 0xec05
	scdStop        = 0x3f86
	scdReady       = 0xe4b8
	scdSerial      = 0x3682
	scdVariant     = 0x202f
	scdPressure    = 0xe000
	scdOffset      = 0x2318
	scdSetOffset   = 0x241d
	scdAltitude    = 0x2322
	scdSetAlt      = 0x2427
	scdASC         = 0x2313
	scdSetASC      = 0x2416
	scdReinit      = 0x3646
	scdFactory     = 0x3632
	scdPeriod      = 5 * time.Second
	scdIsSCD41     = 0x1440
	scdOffsetUnit  = 175.0 / 65535
	scdUsualOffset = 1498 // 4 °C
)

// Air is what an SCD4x sits in.
type Air struct {
	CO2         Signal // ppm
	Temperature Signal // °C
	Humidity    Signal // %
}

// SCD41 models Sensirion's CO2 sensor: a new measurement every five seconds, read once, every word with its checksum.
type SCD41 struct {
	Health
	mono Mono
	in   Air
	id   uint64

	mu      sync.Mutex
	running bool
	begun   time.Duration // when the last measurement handed out was done
	setting map[uint16]uint16
	answer  []byte // what the next read gives
	empty   bool   // the next read is not acknowledged: there is nothing to read
}

// NewSCD41 returns a sensor after power-on: idle.
func NewSCD41(in Air, mono Mono, seed uint64) *SCD41 {
	c := &SCD41{mono: mono, id: seed&0xFFFFFFFF | 0x4a07<<32}
	c.in = Air{CO2: c.Watch(in.CO2), Temperature: c.Watch(in.Temperature), Humidity: c.Watch(in.Humidity)}
	c.forget()
	return c
}

func (c *SCD41) forget() {
	c.running, c.answer, c.empty = false, nil, true
	c.setting = map[uint16]uint16{scdPressure: 1013, scdOffset: scdUsualOffset, scdAltitude: 0, scdASC: 1}
}

// powerOff forgets what a loss of power forgets.
func (c *SCD41) powerOff() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.forget()
}

// Tx implements Device: two bytes of command, then words with checksums; a read gives the answer to the command before it.
func (c *SCD41) Tx(w, r []byte) error {
	if c.Get() == Dead {
		return ErrNak
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(w) == 1 {
		return ErrNak // half a command
	}
	if len(w) >= 2 && !c.command(binary.BigEndian.Uint16(w), w[2:]) {
		return ErrNak
	}
	if len(r) == 0 {
		return nil
	}
	if c.empty {
		return ErrNak
	}
	for i := range r {
		r[i] = 0xFF
	}
	copy(r, c.answer)
	c.answer, c.empty = nil, true
	return nil
}

// command carries one out. It reports false where the chip does not acknowledge: unknown, not now, or a wrong checksum.
func (c *SCD41) command(cmd uint16, args []byte) bool {
	c.answer, c.empty = nil, true
	if c.running {
		switch cmd {
		case scdRead, scdReady, scdStop, scdPressure:
		default:
			return false // table 9: not during a periodic measurement
		}
	}
	switch cmd {
	case scdStart:
		c.running, c.begun = true, c.mono()
	case scdStop:
		c.running = false
	case scdRead:
		return c.read()
	case scdReady:
		ready := uint16(0x8000)
		if c.fresh() > 0 {
			ready |= 6
		}
		c.reply(ready)
	case scdSerial:
		c.reply(uint16(c.id>>32), uint16(c.id>>16), uint16(c.id))
	case scdVariant:
		c.reply(scdIsSCD41)
	case scdReinit, scdFactory:
		c.forget()
	default:
		return c.configure(cmd, args)
	}
	return true
}

// configure reads and writes the settings. One command does both for the pressure: it writes where there is a word.
func (c *SCD41) configure(cmd uint16, args []byte) bool {
	if get, ok := map[uint16]uint16{scdSetOffset: scdOffset, scdSetAlt: scdAltitude, scdSetASC: scdASC}[cmd]; ok {
		cmd = get
		if len(args) < 3 {
			return false
		}
	}
	v, known := c.setting[cmd]
	if len(args) >= 3 && known {
		if sensirionCRC(args[:2]) != args[2] {
			return false
		}
		c.setting[cmd] = binary.BigEndian.Uint16(args)
		return true
	}
	if known {
		c.reply(v)
	}
	return known
}

// fresh counts the measurements since the last one that was handed out.
func (c *SCD41) fresh() time.Duration {
	if !c.running {
		return 0
	}
	return (c.mono() - c.begun) / scdPeriod
}

func (c *SCD41) read() bool {
	n := c.fresh()
	if n == 0 {
		return true // the command is taken, the read that follows is not
	}
	c.begun += n * scdPeriod
	word := func(x float64) uint16 { return uint16(min(math.MaxUint16, max(0, math.Round(x)))) }
	if c.Get() == Absurd {
		c.reply(math.MaxUint16, 0, math.MaxUint16)
		return true
	}
	t := c.in.Temperature(c.begun)
	// The chip warms itself and subtracts what it is told that this is; both cancel out unless somebody changes the offset.
	t += (scdUsualOffset - float64(c.setting[scdOffset])) * scdOffsetUnit
	c.reply(word(c.in.CO2(c.begun)), word((t+45)/175*65535), word(c.in.Humidity(c.begun)/100*65535))
	return true
}

func (c *SCD41) reply(words ...uint16) {
	c.answer = append(c.answer, sensirionWords(words...)...)
	c.empty = false
}

// sensirionCRC is the checksum of a word: polynomial 0x31, start 0xFF. Source: data sheet section 3.12.
func sensirionCRC(b []byte) byte {
	crc := byte(0xFF)
	for _, v := range b {
		crc ^= v
		for range 8 {
			if crc&0x80 != 0 {
				crc = crc<<1 ^ 0x31
			} else {
				crc <<= 1
			}
		}
	}
	return crc
}
