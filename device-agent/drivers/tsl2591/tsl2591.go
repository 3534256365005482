// Package tsl2591 reads ams's TSL2591 light sensor over I2C, from moonlight to direct sun.
//
// It chooses the gain by itself: a round that overflows is repeated at a lower one, and a dim one raises it for the next. The chip measures once per
// round and is switched off in between, so that it needs no set-up that a loss of power could undo. Light beyond the lowest gain is marked.
package tsl2591

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

// Registers and bits. Source: ams TSL2591 data sheet, April 2013, "Register Description".
const (
	command    = 0xA0    // normal transaction
	regEnable  = command // register 0
	powerALS   = 0x03    // PON, AEN
	regConfig  = command | 0x01
	regID      = command | 0x12
	idTSL2591  = 0x50
	regStatus  = command | 0x13
	valid      = 0x01
	regData    = command | 0x14
	integrates = 100 * time.Millisecond // ATIME 0
	// integrateTime is above the longest 100 ms integration (operating characteristics: 108 ms).
	integrateTime = 120 * time.Millisecond
	full          = 36863 // highest count of a 100 ms integration
	dim           = 200   // below: the next round takes a higher gain
	// luxFactor turns counts per millisecond and gain into lux. The data sheet gives no formula; this one is the usual one, of Adafruit's
	// library for its breakout.
	luxFactor = 408
)

// gains are the typical ones of AGAIN 0 to 3 for the broadband and the infrared diode. Source: operating characteristics, "Gain scaling".
func gains() [][2]float64 { return [][2]float64{{1, 1}, {24.5, 24.5}, {400, 400}, {9200, 9900}} }

// Sensor implements device.Sensor.
type Sensor struct {
	chip i2cdev.Chip
	cfg  config.Sensor
	lux  device.Quantity
	gain int // index in gains
}

// Open prepares the sensor on a bus.
func Open(bus i2c.Bus, c config.Sensor) *Sensor {
	return &Sensor{chip: i2cdev.New(bus, c), cfg: c, gain: 1, lux: c.Quantity("illuminance", "illuminance", "lx", 0, 120_000, 1)}
}

// Describe implements device.Sensor.
func (s *Sensor) Describe() []schema.Entity { return []schema.Entity{s.lux.Entity(s.cfg.Interval)} }

// Sense implements device.Sensor: one integration of 100 ms, and more where it overflows.
func (s *Sensor) Sense(ctx context.Context) ([]device.Reading, error) {
	if err := s.chip.Identify(regID, idTSL2591); err != nil {
		return nil, err
	}
	for {
		both, infrared, err := s.integrate(ctx)
		if err != nil {
			return nil, err
		}
		if both >= full || infrared >= full {
			if s.gain == 0 {
				return []device.Reading{s.lux.Missing(schema.QualityRange)}, nil
			}
			s.gain--
			continue
		}
		g := gains()[s.gain]
		lx := lux(float64(both)/g[0], float64(infrared)/g[1])
		if both < dim && s.gain < len(gains())-1 {
			s.gain++
		}
		return []device.Reading{s.lux.Reading(lx)}, nil
	}
}

// lux weighs the two diodes' counts at gain 1: the more of the light is infrared, the less of it people see.
func lux(both, infrared float64) float64 {
	if both == 0 {
		return 0
	}
	return max(both-infrared, 0) * (1 - infrared/both) * luxFactor / float64(integrates.Milliseconds())
}

// integrate switches the chip on for one integration.
func (s *Sensor) integrate(ctx context.Context) (both, infrared uint16, err error) {
	if err := s.chip.Set(regConfig, byte(s.gain)<<4); err != nil {
		return 0, 0, err
	}
	if err := s.chip.Set(regEnable, powerALS); err != nil {
		return 0, 0, err
	}
	if err := i2cdev.Wait(ctx, integrateTime); err != nil {
		return 0, 0, err
	}
	status, err := s.chip.Get(regStatus, 1)
	if err != nil {
		return 0, 0, err
	}
	if status[0]&valid == 0 {
		return 0, 0, s.chip.Errorf("has measured nothing after %s", integrateTime)
	}
	raw, err := s.chip.Get(regData, 4)
	if err != nil {
		return 0, 0, err
	}
	return binary.LittleEndian.Uint16(raw), binary.LittleEndian.Uint16(raw[2:]), s.Close()
}

// Close implements device.Sensor: the chip sleeps.
func (s *Sensor) Close() error { return s.chip.Set(regEnable, 0) }
