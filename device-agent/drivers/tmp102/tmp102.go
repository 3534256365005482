// Package tmp102 reads Texas Instruments' TMP102 thermometer, and the TMP112 and TMP75 that share its registers, over I2C.
//
// The chip has no identity to check: what lives at its addresses otherwise (an ADS1115) is noticed by bits of the configuration that always
// read the same. It measures by itself, four times a second; the driver waits for the first conversion, before which the register says 0 °C.
package tmp102

import (
	"context"
	"time"

	"github.com/telltale-iot/telltale/device-agent/config"
	"github.com/telltale-iot/telltale/device-agent/device"
	"github.com/telltale-iot/telltale/device-agent/drivers/i2cdev"
	"github.com/telltale-iot/telltale/schema"
	"periph.io/x/conn/v3/i2c"
)

// Registers. Source: Texas Instruments TMP102 data sheet SBOS397C, tables 1, 5 and 7.
const (
	regTemperature = 0
	regConfig      = 1
	powerOn        = 0x60A0 // 12 bits, four conversions a second
	resolution     = 0x6000 // R1 and R0 always read 1
	convertTime    = 300 * time.Millisecond
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
	return &Sensor{chip: i2cdev.New(bus, c), cfg: c, temp: c.Quantity("temperature", "temperature", "°C", -55, 127, 1)}
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
	raw, err := s.chip.Get16(regTemperature)
	if err != nil {
		s.ready = false
		return nil, err
	}
	return []device.Reading{s.temp.Reading(float64(int16(raw)>>4) / 16)}, nil
}

func (s *Sensor) setUp(ctx context.Context) error {
	if err := s.chip.Set16(regConfig, powerOn); err != nil {
		return err
	}
	got, err := s.chip.Get16(regConfig)
	if err != nil {
		return err
	}
	if got&resolution != resolution || got&0x0100 != 0 { // 0x0100 is shutdown, which was just cleared
		return s.chip.Errorf("does not keep its configuration (0x%04x): is it a tmp102?", got)
	}
	if err := i2cdev.Wait(ctx, convertTime); err != nil {
		return err
	}
	s.ready = true
	return nil
}

// Close implements device.Sensor.
func (s *Sensor) Close() error { return nil }
