// Package bmp388 reads Bosch's BMP388 and BMP390 barometers (temperature, pressure) over I2C.
//
// It guarantees that the chip's identity and its calibration are read at the first round and after every fault, since another chip may have been plugged
// in, and that a result is taken only when the chip says that both quantities are new. Each round is one forced measurement; in between the
// chip sleeps.
package bmp388

import (
	"context"
	"encoding/binary"
	"math"
	"time"

	"github.com/telltale-iot/telltale/device-agent/config"
	"github.com/telltale-iot/telltale/device-agent/device"
	"github.com/telltale-iot/telltale/device-agent/drivers/i2cdev"
	"github.com/telltale-iot/telltale/schema"
	"periph.io/x/conn/v3/i2c"
)

// Registers and bits. Source: Bosch BST-BMP388-DS001, section 4.3; BST-BMP390-DS002 has the same with another identity.
const (
	regID       = 0x00
	idBMP388    = 0x50
	idBMP390    = 0x60
	regStatus   = 0x03
	bothReady   = 0x60
	regData     = 0x04
	regPower    = 0x1B
	forcedBoth  = 0x13
	regSampling = 0x1C
	sampling    = 0x03 // pressure 8×, temperature once
	regCalib    = 0x31
	calibBytes  = 21
	// measureTime is above 234 + 392 + 8·2020 + 163 + 2020 µs, section 3.9.2.
	measureTime = 25 * time.Millisecond
)

// Sensor implements device.Sensor.
type Sensor struct {
	chip     i2cdev.Chip
	cfg      config.Sensor
	temp     device.Quantity
	pressure device.Quantity
	calib    *calibration // nil = to be read
}

// Open prepares the sensor on a bus.
func Open(bus i2c.Bus, c config.Sensor) *Sensor {
	return &Sensor{chip: i2cdev.New(bus, c), cfg: c,
		temp:     c.Quantity("temperature", "temperature", "°C", -40, 85, 1),
		pressure: c.Quantity("pressure", "atmospheric_pressure", "hPa", 300, 1250, 1),
	}
}

// Describe implements device.Sensor.
func (s *Sensor) Describe() []schema.Entity {
	return []schema.Entity{s.temp.Entity(s.cfg.Interval), s.pressure.Entity(s.cfg.Interval)}
}

// Sense implements device.Sensor: one forced measurement, 25 ms.
func (s *Sensor) Sense(ctx context.Context) ([]device.Reading, error) {
	out, err := s.measure(ctx)
	if err != nil {
		s.calib = nil
	}
	return out, err
}

func (s *Sensor) measure(ctx context.Context) ([]device.Reading, error) {
	if s.calib == nil {
		if err := s.chip.Identify(regID, idBMP388, idBMP390); err != nil {
			return nil, err
		}
		raw, err := s.chip.Get(regCalib, calibBytes)
		if err != nil {
			return nil, err
		}
		s.calib = newCalibration(raw)
	}
	if err := s.chip.Set(regSampling, sampling); err != nil {
		return nil, err
	}
	if err := s.chip.Set(regPower, forcedBoth); err != nil {
		return nil, err
	}
	if err := i2cdev.Wait(ctx, measureTime); err != nil {
		return nil, err
	}
	status, err := s.chip.Get(regStatus, 1)
	if err != nil {
		return nil, err
	}
	if status[0]&bothReady != bothReady {
		return nil, s.chip.Errorf("has measured nothing after %s", measureTime)
	}
	d, err := s.chip.Get(regData, 6)
	if err != nil {
		return nil, err
	}
	t, p := s.calib.compensate(float64(uint32(d[3])|uint32(d[4])<<8|uint32(d[5])<<16), float64(uint32(d[0])|uint32(d[1])<<8|uint32(d[2])<<16))
	return []device.Reading{s.temp.Reading(t), s.pressure.Reading(p / 100)}, nil
}

// Close implements device.Sensor.
func (s *Sensor) Close() error { return nil }

// calibration holds the coefficients as the formulas want them. Source: BST-BMP388-DS001, sections 3.11.1 and 9.1.
type calibration struct {
	t [3]float64
	p [11]float64
}

func newCalibration(raw []byte) *calibration {
	u16 := func(i int) float64 { return float64(binary.LittleEndian.Uint16(raw[i:])) }
	s16 := func(i int) float64 { return float64(int16(binary.LittleEndian.Uint16(raw[i:]))) }
	s8 := func(i int) float64 { return float64(int8(raw[i])) }
	return &calibration{
		t: [3]float64{math.Ldexp(u16(0), 8), math.Ldexp(u16(2), -30), math.Ldexp(s8(4), -48)},
		p: [11]float64{math.Ldexp(s16(5)-1<<14, -20), math.Ldexp(s16(7)-1<<14, -29), math.Ldexp(s8(9), -32), math.Ldexp(s8(10), -37),
			math.Ldexp(u16(11), 3), math.Ldexp(u16(13), -6), math.Ldexp(s8(15), -8), math.Ldexp(s8(16), -15),
			math.Ldexp(s16(17), -48), math.Ldexp(s8(19), -48), math.Ldexp(s8(20), -65)},
	}
}

// compensate turns raw values into °C and Pa. Source: BST-BMP388-DS001, sections 9.2 and 9.3.
func (c *calibration) compensate(rawT, rawP float64) (celsius, pascal float64) {
	d := rawT - c.t[0]
	t := d*c.t[1] + d*d*c.t[2]
	p := &c.p
	offset := p[4] + p[5]*t + p[6]*t*t + p[7]*t*t*t
	slope := p[0] + p[1]*t + p[2]*t*t + p[3]*t*t*t
	return t, offset + rawP*slope + rawP*rawP*(p[8]+p[9]*t) + rawP*rawP*rawP*p[10]
}
