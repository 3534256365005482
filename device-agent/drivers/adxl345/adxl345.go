// Package adxl345 reads the vibration of a machine from Analog Devices' ADXL345 accelerometer over I2C: each axis' acceleration as a
// waveform, in m/s², from the chip's own queue of 32 samples, so that the spacing is the chip's and not the operating system's.
//
// It guarantees that samples are in order, that a block has no hole, and that an overrun of the queue is counted as lost samples. A chip that
// has lost power is an error, and is set up again. It refuses a chip with another identity.
package adxl345

import (
	"context"
	"encoding/binary"
	"fmt"
	"time"

	"github.com/telltale-iot/telltale/device-agent/config"
	"github.com/telltale-iot/telltale/device-agent/device"
	"github.com/telltale-iot/telltale/schema"
	"periph.io/x/conn/v3/i2c"
)

// Registers and values. Source: Analog Devices ADXL345 data sheet rev. G, table 19 and "Register Definitions".
const (
	regDeviceID   = 0x00
	deviceID      = 0xE5
	regRate       = 0x2C
	regPower      = 0x2D
	powerMeasure  = 0x08
	regSource     = 0x30
	sourceOverrun = 0x01
	regFormat     = 0x31
	formatFullRes = 0x0B // FULL_RES, ±16 g
	regData       = 0x32
	regFIFO       = 0x38
	fifoStream    = 0x80
	regFIFOStatus = 0x39
	fifoEntries   = 0x3F
	fifoDepth     = 32
)

const (
	// perCount is the scale in full resolution, 3.9 mg per count (data sheet table 1), in m/s².
	perCount = 0.0039 * 9.80665
	// blockTime is how much of the waveform one SenseWave returns at least.
	blockTime = 250 * time.Millisecond
)

// Sensor implements device.WaveSensor.
type Sensor struct {
	bus    i2c.Bus
	cfg    config.Sensor
	step   time.Duration
	axes   [3]device.Quantity
	opened bool
}

// Open prepares the accelerometer on a bus; the chip is set up at the first SenseWave.
func Open(bus i2c.Bus, c config.Sensor) *Sensor {
	s := &Sensor{bus: bus, cfg: c, step: config.Every(c.RateHz)}
	for i, axis := range []string{"x", "y", "z"} {
		s.axes[i] = c.Quantity(axis, "", "m/s²", -160, 160, 2)
	}
	return s
}

// Describe implements device.Sensor.
func (s *Sensor) Describe() []schema.Entity {
	out := make([]schema.Entity, 0, len(s.axes))
	for i := range s.axes {
		e := s.axes[i].Entity(blockTime)
		e.Channels[0].StepUS = s.step.Microseconds()
		out = append(out, e)
	}
	return out
}

// Sense implements device.Sensor; everything comes from SenseWave.
func (s *Sensor) Sense(context.Context) ([]device.Reading, error) { return nil, nil }

// SenseWave implements device.WaveSensor.
func (s *Sensor) SenseWave(ctx context.Context) ([]device.Block, error) {
	if !s.opened {
		if err := s.setUp(); err != nil {
			return nil, err
		}
	}
	blocks := make([]device.Block, len(s.axes))
	for i := range s.axes {
		blocks[i] = device.Block{Entity: s.axes[i].ID, Channel: schema.ChannelState, Step: s.step}
	}
	want := int(blockTime / s.step)
	for len(blocks[0].Values) < want {
		wait := time.NewTimer(fifoDepth / 2 * s.step)
		select {
		case <-wait.C:
		case <-ctx.Done():
			wait.Stop()
			return blocks, nil
		}
		if err := s.drain(blocks); err != nil {
			s.opened = false
			return nil, err
		}
	}
	return blocks, nil
}

// drain moves what the chip has queued in the time of half a queue into the blocks.
func (s *Sensor) drain(blocks []device.Block) error {
	var source, status [1]byte
	if err := s.tx([]byte{regSource}, source[:]); err != nil {
		return err
	}
	if err := s.tx([]byte{regFIFOStatus}, status[:]); err != nil {
		return err
	}
	n := min(int(status[0]&fifoEntries), fifoDepth+1)
	if n == 0 {
		return fmt.Errorf("adxl345 at 0x%02x has stopped measuring: did it lose power?", s.cfg.Address)
	}
	if source[0]&sourceOverrun != 0 { // what was read before the hole goes with it: a block is even
		for i := range blocks {
			blocks[i].Lost += len(blocks[i].Values) + 1 // at least one; the chip does not say how many
			blocks[i].Values = blocks[i].Values[:0]
		}
	}
	var raw [6]byte
	for range n {
		if err := s.tx([]byte{regData}, raw[:]); err != nil { // one transfer takes one sample of all axes off the queue
			return err
		}
		for i := range blocks {
			counts := float64(int16(binary.LittleEndian.Uint16(raw[2*i:])))
			q := &s.axes[i]
			v := counts * perCount
			if q.Scale != 0 {
				v *= q.Scale
			}
			blocks[i].Values = append(blocks[i].Values, v+q.Offset)
		}
	}
	return nil
}

func (s *Sensor) setUp() error {
	var id [1]byte
	if err := s.tx([]byte{regDeviceID}, id[:]); err != nil {
		return err
	}
	if id[0] != deviceID {
		return fmt.Errorf("the chip at 0x%02x says it is 0x%02x, an adxl345 says 0x%02x", s.cfg.Address, id[0], deviceID)
	}
	// Rate codes: 0x0A = 100 Hz, one step is a factor of two (data sheet table 7).
	code, hz := byte(0x0A), 100.0
	for ; hz < s.cfg.RateHz; hz *= 2 {
		code++
	}
	for ; hz > s.cfg.RateHz; hz /= 2 {
		code--
	}
	for _, set := range [][]byte{{regPower, 0}, {regRate, code}, {regFormat, formatFullRes}, {regFIFO, 0}, {regFIFO, fifoStream},
		{regPower, powerMeasure}} {
		if err := s.tx(set, nil); err != nil {
			return err
		}
	}
	s.opened = true
	return nil
}

func (s *Sensor) tx(w, r []byte) error {
	if err := s.bus.Tx(s.cfg.Address, w, r); err != nil {
		return fmt.Errorf("adxl345 at 0x%02x: %w", s.cfg.Address, err)
	}
	return nil
}

// Close implements device.Sensor: standby.
func (s *Sensor) Close() error {
	if !s.opened {
		return nil
	}
	return s.tx([]byte{regPower, 0}, nil)
}
