// Package mcp9808 reads Microchip's MCP9808 precise thermometer over I2C.
//
// It guarantees that the chip's identity was checked before its first reading and after every fault: accelerometers live at the same addresses. After
// that it waits for the first conversion, before which the register says 0 °C. The chip then measures by itself, four times a second.
package mcp9808

import (
	"context"
	"time"

	"github.com/telltale-iot/telltale/device-agent/config"
	"github.com/telltale-iot/telltale/device-agent/device"
	"github.com/telltale-iot/telltale/device-agent/drivers/i2cdev"
	"github.com/telltale-iot/telltale/schema"
	"periph.io/x/conn/v3/i2c"
)

// Registers. Source: Microchip MCP9808 data sheet DS25095A, sections 5.1.1 to 5.1.5, and the conversion time at the finest resolution.
const (
	regConfig       = 1
	regAmbient      = 5
	regManufacturer = 6
	regDevice       = 7
	manufacturer    = 0x0054
	deviceID        = 0x04 // upper byte; the lower is the revision
	convertTime     = 300 * time.Millisecond
)

// Sensor implements device.Sensor.
type Sensor struct {
	chip  i2cdev.Chip
	cfg   config.Sensor
	temp  device.Quantity
	ready bool
}

// Open prepares the sensor on a bus.
func Open(bus i2c.Bus, c config.Sensor) *Sensor {
	return &Sensor{chip: i2cdev.New(bus, c), cfg: c, temp: c.Quantity("temperature", "temperature", "°C", -40, 125, 2)}
}

// Describe implements device.Sensor.
func (s *Sensor) Describe() []schema.Entity { return []schema.Entity{s.temp.Entity(s.cfg.Interval)} }

// Sense implements device.Sensor.
func (s *Sensor) Sense(ctx context.Context) ([]device.Reading, error) {
	if !s.ready {
		if err := s.setUp(ctx); err != nil {
			return nil, err
		}
	}
	raw, err := s.chip.Get16(regAmbient)
	if err != nil {
		s.ready = false
		return nil, err
	}
	// Three alert bits, a sign and 12 bits of 1/16 °C in two's complement (section 5.1.3).
	return []device.Reading{s.temp.Reading(float64(int16(raw<<3)>>3) / 16)}, nil
}

func (s *Sensor) setUp(ctx context.Context) error {
	m, err := s.chip.Get16(regManufacturer)
	if err != nil {
		return err
	}
	d, err := s.chip.Get16(regDevice)
	if err != nil {
		return err
	}
	if m != manufacturer || d>>8 != deviceID {
		return s.chip.Errorf("says it is 0x%04x 0x%04x, an mcp9808 says 0x%04x 0x%02x..", m, d, manufacturer, deviceID)
	}
	if err := s.chip.Set16(regConfig, 0); err != nil { // continuous conversion
		return err
	}
	if err := i2cdev.Wait(ctx, convertTime); err != nil {
		return err
	}
	s.ready = true
	return nil
}

// Close implements device.Sensor.
func (s *Sensor) Close() error { return nil }
