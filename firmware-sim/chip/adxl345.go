package chip

import (
	"math"
	"sync"
	"time"
)

// Registers. Source: Analog Devices ADXL345 data sheet rev. G, table 19.
const (
	adxlDevID      = 0x00
	adxlBwRate     = 0x2C
	adxlPowerCtl   = 0x2D
	adxlIntSource  = 0x30
	adxlDataFormat = 0x31
	adxlData       = 0x32
	adxlFifoCtl    = 0x38
	adxlFifoStatus = 0x39

	adxlIDValue  = 0xE5
	adxlMeasure  = 0x08
	adxlFullRes  = 0x08
	adxlDepth    = 32 // entries of the queue
	adxlReady    = 0x80
	adxlOverrun  = 0x01
	adxlFactor   = 256.0 // LSB per g in full resolution
	standardFall = 9.80665
)

// ADXL345 models Analog Devices' three axis accelerometer with its queue of 32 samples.
type ADXL345 struct {
	Health
	mono Mono
	axes [3]Signal // m/s²

	mu      sync.Mutex
	pointer byte
	reg     [64]byte
	begun   time.Duration // when measuring began
	next    int64         // index of the next sample to hand out
	current [3]int16      // the sample in the data registers
	lost    bool
}

// NewADXL345 returns a chip after power-on: in standby. axes: acceleration along x, y and z, in m/s².
func NewADXL345(axes [3]Signal, mono Mono) *ADXL345 {
	c := &ADXL345{mono: mono}
	for i, a := range axes {
		c.axes[i] = c.Watch(a)
	}
	c.reg[adxlDevID] = adxlIDValue
	c.reg[adxlBwRate] = 0x0A
	return c
}

// Tx implements Device: the first byte written chooses the register, more fill it and those after it; reading counts up too. Reading
// from DATAX0 on takes a sample out of the queue.
func (c *ADXL345) Tx(w, r []byte) error {
	if c.Get() == Dead {
		return ErrNak
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(w) > 0 {
		c.pointer = w[0] & 63
		for _, v := range w[1:] {
			c.write(v)
			c.pointer = (c.pointer + 1) & 63
		}
	}
	for i := range r {
		r[i] = c.read()
		c.pointer = (c.pointer + 1) & 63
	}
	return nil
}

func (c *ADXL345) write(v byte) {
	if c.pointer < 0x1D || c.pointer == adxlIntSource || c.pointer >= adxlData && c.pointer != adxlFifoCtl {
		return // read only or reserved
	}
	before := c.reg[c.pointer]
	c.reg[c.pointer] = v
	started := c.pointer == adxlPowerCtl && v&adxlMeasure != 0 && before&adxlMeasure == 0
	if started || c.pointer == adxlBwRate && v != before || c.pointer == adxlFifoCtl && v != before {
		c.begun, c.next, c.lost = c.mono(), 0, false
	}
}

// period is the time between samples. Source: table 7.
func (c *ADXL345) period() time.Duration {
	return time.Duration(float64(time.Second) / (3200 / math.Exp2(float64(15-c.reg[adxlBwRate]&15))))
}

// waiting counts the samples in the queue and drops what it cannot hold.
func (c *ADXL345) waiting() int64 {
	if c.reg[adxlPowerCtl]&adxlMeasure == 0 {
		return 0
	}
	n := int64((c.mono()-c.begun)/c.period()) - c.next
	depth := int64(1)
	if c.reg[adxlFifoCtl]>>6 != 0 {
		depth = adxlDepth
	}
	if n > depth {
		c.next += n - depth
		c.lost = true
		return depth
	}
	return max(0, n)
}

func (c *ADXL345) read() byte {
	switch p := c.pointer; {
	case p == adxlIntSource:
		v := byte(0)
		if c.waiting() > 0 {
			v |= adxlReady
		}
		if c.lost {
			v |= adxlOverrun
		}
		return v
	case p == adxlFifoStatus:
		return byte(c.waiting())
	case p >= adxlData && p < adxlFifoCtl:
		if p == adxlData {
			c.pop()
		}
		v := uint16(c.current[(p-adxlData)/2])
		return byte(v >> (8 * ((p - adxlData) % 2)))
	default:
		return c.reg[p]
	}
}

// pop moves the oldest waiting sample into the data registers.
func (c *ADXL345) pop() {
	if c.waiting() == 0 {
		return
	}
	c.next++
	c.lost = false
	at := c.begun + time.Duration(c.next)*c.period()
	for i, axis := range c.axes {
		c.current[i] = c.scale(axis(at))
	}
}

func (c *ADXL345) scale(a float64) int16 {
	if c.Get() == Absurd {
		return math.MaxInt16
	}
	format := c.reg[adxlDataFormat]
	full := 2 * math.Exp2(float64(format&3)) // g
	lsb := adxlFactor
	if format&adxlFullRes == 0 {
		lsb = 512 / full
	}
	g := min(full-1/lsb, max(-full, a/standardFall))
	return int16(math.Round(g * lsb))
}
