package chip

import (
	"math"
	"sync"
	"time"
)

// Registers. Source: InvenSense RM-MPU-6000A-00 revision 4.2.
const (
	mpuGyroScale  = 0x1B
	mpuAccelScale = 0x1C
	mpuData       = 0x3B
	mpuPower      = 0x6B
	mpuID         = 0x75
	mpuSleep      = 0x40
	mpuReset      = 0x80
	mpuSmooth     = 200 * time.Millisecond // over which the low-pass of 5 Hz about averages
	mpuSteps      = 20                     // samples of that
	mpuWarm       = 31.0                   // °C of the die; it is not the air's
)

// MPU6050 models InvenSense's accelerometer and gyroscope with its low-pass at 5 Hz. It does not turn: the gyroscope reads what little it drifts.
type MPU6050 struct {
	Health
	mono Mono
	axes [3]Signal // m/s²

	mu      sync.Mutex
	pointer byte
	reg     [128]byte
}

// NewMPU6050 returns a chip after power-on: asleep. axes: acceleration along x, y and z, in m/s².
func NewMPU6050(axes [3]Signal, mono Mono) *MPU6050 {
	c := &MPU6050{mono: mono}
	for i, a := range axes {
		c.axes[i] = c.Watch(a)
	}
	c.powerOff()
	return c
}

// powerOff forgets what a loss of power forgets.
func (c *MPU6050) powerOff() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.reg = [128]byte{mpuPower: mpuSleep, mpuID: 0x68}
}

// Tx implements Device: the first byte written chooses the register, more fill it and those after it; reading counts up.
func (c *MPU6050) Tx(w, r []byte) error {
	if c.Get() == Dead {
		return ErrNak
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(w) > 0 {
		c.pointer = w[0] & 127
		for _, v := range w[1:] {
			c.write(v)
			c.pointer = (c.pointer + 1) & 127
		}
	}
	if len(r) > 0 && c.pointer >= mpuData && c.pointer < mpuData+14 {
		c.sample()
	}
	for i := range r {
		r[i] = c.reg[c.pointer]
		c.pointer = (c.pointer + 1) & 127
	}
	return nil
}

func (c *MPU6050) write(v byte) {
	readOnly := c.pointer == mpuID || c.pointer >= 0x3A && c.pointer <= 0x60
	switch {
	case c.pointer == mpuPower && v&mpuReset != 0:
		c.reg = [128]byte{mpuPower: mpuSleep, mpuID: 0x68}
	case !readOnly:
		c.reg[c.pointer] = v
	}
}

// sample fills the data registers. A chip that sleeps keeps what it had.
func (c *MPU6050) sample() {
	if c.reg[mpuPower]&mpuSleep != 0 {
		return
	}
	now := c.mono()
	put := func(word int, x float64) {
		v := uint16(int16(min(math.MaxInt16, max(math.MinInt16, math.Round(x)))))
		c.reg[mpuData+2*word], c.reg[mpuData+2*word+1] = byte(v>>8), byte(v)
	}
	perG := 16384 / math.Exp2(float64(c.reg[mpuAccelScale]>>3&3))
	perDegree := 131 / math.Exp2(float64(c.reg[mpuGyroScale]>>3&3))
	for i, axis := range c.axes {
		sum := 0.0
		for k := range mpuSteps {
			sum += axis(max(0, now-mpuSmooth*time.Duration(k)/mpuSteps))
		}
		a := sum / mpuSteps
		if c.Get() == Absurd {
			a = 1e6
		}
		put(i, a/standardFall*perG)
		put(4+i, 0.4*perDegree*math.Sin(now.Seconds()/60+float64(i)))
	}
	put(3, (mpuWarm-36.53)*340)
}
