// Package mpu6050 reads InvenSense's MPU-6050 over I2C: acceleration and rotation along three axes, low-passed to 5 Hz, and the chip's temperature. It
// tells how something lies, tips and turns; for vibration, which is faster, there is the ADXL345.
//
// It guarantees that an axis at the end of its scale is marked and that a chip that has lost power, which then sleeps and repeats its last values, is noticed
// in the same round and set up again.
package mpu6050

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

// Registers. Source: InvenSense RM-MPU-6000A-00 revision 4.2, sections 4.2 to 4.32; sensitivities: PS-MPU-6000A-00 revision 3.4, tables 6.1 and 6.2.
const (
	regConfig = 0x1A
	lowPass   = 0x06 // 5 Hz
	regGyro   = 0x1B // 0: ±250 °/s
	regAccel  = 0x1C // 0: ±2 g
	regData   = 0x3B // three axes, temperature, three axes
	regPower  = 0x6B
	awake     = 0x01 // clocked by the X gyroscope, as recommended
	regID     = 0x75
	idMPU6050 = 0x68

	perG       = 16384.0
	perDegree  = 131.0
	gravity    = 9.80665
	startsUp   = 300 * time.Millisecond // 30 ms for the gyroscope, the rest for the filter
	perCelsius = 340.0
	zeroAt     = 36.53 // °C of a raw 0
)

// Sensor implements device.Sensor.
type Sensor struct {
	chip   i2cdev.Chip
	cfg    config.Sensor
	ready  bool
	accel  [3]device.Quantity
	rotate [3]device.Quantity
	temp   device.Quantity
}

// Open prepares the sensor on a bus.
func Open(bus i2c.Bus, c config.Sensor) *Sensor {
	s := &Sensor{chip: i2cdev.New(bus, c), cfg: c, temp: c.Quantity("temperature", "temperature", "°C", -40, 85, 1)}
	s.temp.Category = "diagnostic"
	for i, axis := range []string{"x", "y", "z"} {
		s.accel[i] = c.Quantity("acceleration_"+axis, "", "m/s²", -2*gravity, 2*gravity, 2)
		s.rotate[i] = c.Quantity("rotation_"+axis, "", "°/s", -250.2, 250.2, 1)
	}
	return s
}

// Describe implements device.Sensor.
func (s *Sensor) Describe() []schema.Entity {
	var all []schema.Entity
	for i := range s.accel {
		all = append(all, s.accel[i].Entity(s.cfg.Interval))
	}
	for i := range s.rotate {
		all = append(all, s.rotate[i].Entity(s.cfg.Interval))
	}
	return append(all, s.temp.Entity(s.cfg.Interval))
}

// Sense implements device.Sensor.
func (s *Sensor) Sense(ctx context.Context) ([]device.Reading, error) {
	power, err := s.chip.Get(regPower, 1)
	if err != nil {
		s.ready = false
		return nil, err
	}
	if !s.ready || power[0] != awake {
		if err := s.setUp(ctx); err != nil {
			return nil, err
		}
	}
	raw, err := s.chip.Get(regData, 14)
	if err != nil {
		s.ready = false
		return nil, err
	}
	word := func(i int) int16 { return int16(binary.BigEndian.Uint16(raw[2*i:])) }
	var out []device.Reading
	for i := range s.accel {
		out = append(out, within(&s.accel[i], word(i), gravity/perG))
	}
	for i := range s.rotate {
		out = append(out, within(&s.rotate[i], word(4+i), 1/perDegree))
	}
	return append(out, s.temp.Reading(float64(word(3))/perCelsius+zeroAt)), nil
}

// within makes a reading of a raw value that is not at an end of the scale.
func within(q *device.Quantity, raw int16, step float64) device.Reading {
	if raw == math.MaxInt16 || raw == math.MinInt16 {
		return q.Missing(schema.QualityRange)
	}
	return q.Reading(float64(raw) * step)
}

func (s *Sensor) setUp(ctx context.Context) error {
	if err := s.chip.Identify(regID, idMPU6050); err != nil {
		return err
	}
	for _, set := range [][2]byte{{regPower, awake}, {regConfig, lowPass}, {regGyro, 0}, {regAccel, 0}} {
		if err := s.chip.Set(set[0], set[1]); err != nil {
			return err
		}
	}
	if err := i2cdev.Wait(ctx, startsUp); err != nil {
		return err
	}
	s.ready = true
	return nil
}

// Close implements device.Sensor: the chip sleeps.
func (s *Sensor) Close() error {
	if !s.ready {
		return nil
	}
	return s.chip.Set(regPower, 0x40)
}
