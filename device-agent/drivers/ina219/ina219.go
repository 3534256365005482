// Package ina219 reads Texas Instruments' INA219 (voltage, current and power of a DC supply) over I2C.
//
// Current is the voltage across the shunt over its resistance and power the product with the bus voltage, computed here: the chip's own registers for
// them need a calibration that it forgets with its supply, and overflow silently. Each value is an average over 128 conversions, 68 ms.
// It starts without the chip, and sets it up again when its configuration is not what it was set to.
package ina219

import (
	"context"
	"time"

	"github.com/telltale-iot/telltale/device-agent/config"
	"github.com/telltale-iot/telltale/device-agent/device"
	"github.com/telltale-iot/telltale/device-agent/drivers/i2cdev"
	"github.com/telltale-iot/telltale/schema"
	"periph.io/x/conn/v3/i2c"
)

// Registers. Source: Texas Instruments INA219 data sheet SBOS448F, tables 2 and 5 to 7.
const (
	regConfig = 0
	regShunt  = 1
	regBus    = 2
	// averaging: 32 V, ±320 mV, 128 samples of both, continuously.
	averaging = 0x3FFF
	// averagedTime is how long both averages take: twice 68.1 ms.
	averagedTime = 140 * time.Millisecond
	shuntStep    = 10e-6 // V
	busStep      = 4e-3  // V
	shuntMost    = 0.3199
	busMost      = 26
)

// Sensor implements device.Sensor.
type Sensor struct {
	chip                    i2cdev.Chip
	cfg                     config.Sensor
	voltage, current, power device.Quantity
}

// Open prepares the sensor on a bus.
func Open(bus i2c.Bus, c config.Sensor) *Sensor {
	most := shuntMost / c.ShuntOhms
	return &Sensor{chip: i2cdev.New(bus, c), cfg: c,
		voltage: c.Quantity("voltage", "voltage", "V", 0, busMost, 2),
		current: c.Quantity("current", "current", "A", -most, most, 3),
		power:   c.Quantity("power", "power", "W", -most*busMost, most*busMost, 2),
	}
}

// Describe implements device.Sensor.
func (s *Sensor) Describe() []schema.Entity {
	every := s.cfg.Interval
	return []schema.Entity{s.voltage.Entity(every), s.current.Entity(every), s.power.Entity(every)}
}

// Sense implements device.Sensor.
func (s *Sensor) Sense(ctx context.Context) ([]device.Reading, error) {
	set, err := s.chip.Get16(regConfig)
	if err != nil {
		return nil, err
	}
	if set != averaging {
		if err := s.chip.Set16(regConfig, averaging); err != nil {
			return nil, err
		}
		if err := i2cdev.Wait(ctx, averagedTime); err != nil {
			return nil, err
		}
	}
	shunt, err := s.chip.Get16(regShunt)
	if err != nil {
		return nil, err
	}
	bus, err := s.chip.Get16(regBus)
	if err != nil {
		return nil, err
	}
	volts, amps := float64(bus>>3)*busStep, float64(int16(shunt))*shuntStep/s.cfg.ShuntOhms
	out := []device.Reading{s.voltage.Reading(volts), s.current.Reading(amps)}
	if out[0].Value.IsNull() || out[1].Value.IsNull() { // a product with nonsense is nonsense
		return append(out, s.power.Missing(schema.QualityRange)), nil
	}
	return append(out, s.power.Reading(volts*amps)), nil
}

// Close implements device.Sensor.
func (s *Sensor) Close() error { return nil }
