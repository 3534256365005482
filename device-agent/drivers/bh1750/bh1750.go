// Package bh1750 reads ROHM's BH1750FVI ambient light sensor over I2C, in lx with the fraction that periph's driver cuts off.
//
// It starts without the chip and finds it later. It refuses nothing but a bus error; 65535 counts are the end of its range and are
// marked so.
package bh1750

import (
	"context"
	"encoding/binary"
	"time"

	"github.com/telltale-iot/telltale/device-agent/config"
	"github.com/telltale-iot/telltale/device-agent/device"
	"github.com/telltale-iot/telltale/device-agent/drivers/i2cdev"
	"github.com/telltale-iot/telltale/schema"
	"periph.io/x/conn/v3/i2c"
)

// Instructions. Source: ROHM BH1750FVI technical note rev. D, instruction set architecture.
const (
	powerDown   = 0x00
	oneTimeHigh = 0x20 // one measurement at 1 lx resolution, then power-down
	// measureTime is the longest time of a high-resolution measurement (electrical characteristics).
	measureTime = 180 * time.Millisecond
	// countsPerLux is the typical sensitivity at the default measurement time.
	countsPerLux = 1.2
)

// Sensor implements device.Sensor.
type Sensor struct {
	chip i2cdev.Chip
	cfg  config.Sensor
	lux  device.Quantity
}

// Open prepares the sensor on a bus.
func Open(bus i2c.Bus, c config.Sensor) *Sensor {
	q := c.Quantity("illuminance", "illuminance", "lx", 0, 65534/countsPerLux, 0)
	return &Sensor{chip: i2cdev.New(bus, c), cfg: c, lux: q}
}

// Describe implements device.Sensor.
func (s *Sensor) Describe() []schema.Entity { return []schema.Entity{s.lux.Entity(s.cfg.Interval)} }

// Sense implements device.Sensor: one measurement, 180 ms.
func (s *Sensor) Sense(ctx context.Context) ([]device.Reading, error) {
	if err := s.chip.Tx([]byte{oneTimeHigh}, nil); err != nil {
		return nil, err
	}
	if err := i2cdev.Wait(ctx, measureTime); err != nil {
		return nil, err
	}
	var raw [2]byte
	if err := s.chip.Tx(nil, raw[:]); err != nil {
		return nil, err
	}
	return []device.Reading{s.lux.Reading(float64(binary.BigEndian.Uint16(raw[:])) / countsPerLux)}, nil
}

// Close implements device.Sensor.
func (s *Sensor) Close() error { return s.chip.Tx([]byte{powerDown}, nil) }
