// Package aht20 reads Aosong's AHT20 and the AHT20 half of an AHT21 or DHT20 (temperature, humidity) over I2C.
//
// It guarantees that a measurement is checked against its CRC and that an uncalibrated chip is initialised first, also after it lost power. A chip
// that stays busy is an error.
package aht20

import (
	"context"
	"time"

	"github.com/telltale-iot/telltale/device-agent/config"
	"github.com/telltale-iot/telltale/device-agent/device"
	"github.com/telltale-iot/telltale/device-agent/drivers/i2cdev"
	"github.com/telltale-iot/telltale/schema"
	"periph.io/x/conn/v3/i2c"
)

// Commands and times. Source: Aosong AHT20 data sheet, "Sensor reading process"; the DHT20's (V1.0, section 7.4) is the same with the CRC
// spelled out.
const (
	cmdStatus   = 0x71
	busy        = 0x80
	calibrated  = 0x08
	initTime    = 10 * time.Millisecond
	measureTime = 80 * time.Millisecond
	again       = 10 * time.Millisecond // between looks at a chip that is still busy
	looks       = 5
	scale       = 1 << 20
)

// Sensor implements device.Sensor.
type Sensor struct {
	chip     i2cdev.Chip
	cfg      config.Sensor
	temp     device.Quantity
	humidity device.Quantity
}

// Open prepares the sensor on a bus.
func Open(bus i2c.Bus, c config.Sensor) *Sensor {
	return &Sensor{chip: i2cdev.New(bus, c), cfg: c,
		temp:     c.Quantity("temperature", "temperature", "°C", -40, 85, 1),
		humidity: c.Quantity("humidity", "humidity", "%", 0, 100, 0),
	}
}

// Describe implements device.Sensor.
func (s *Sensor) Describe() []schema.Entity {
	return []schema.Entity{s.temp.Entity(s.cfg.Interval), s.humidity.Entity(s.cfg.Interval)}
}

// Sense implements device.Sensor: one measurement, 80 ms.
func (s *Sensor) Sense(ctx context.Context) ([]device.Reading, error) {
	status, err := s.chip.Get(cmdStatus, 1)
	if err != nil {
		return nil, err
	}
	if status[0]&calibrated == 0 {
		if err := s.chip.Set(0xBE, 0x08, 0x00); err != nil {
			return nil, err
		}
		if err := i2cdev.Wait(ctx, initTime); err != nil {
			return nil, err
		}
	}
	if err := s.chip.Set(0xAC, 0x33, 0x00); err != nil {
		return nil, err
	}
	if err := i2cdev.Wait(ctx, measureTime); err != nil {
		return nil, err
	}
	raw, err := s.result(ctx)
	if err != nil {
		return nil, err
	}
	rh := uint32(raw[1])<<12 | uint32(raw[2])<<4 | uint32(raw[3])>>4
	t := uint32(raw[3]&0x0F)<<16 | uint32(raw[4])<<8 | uint32(raw[5])
	return []device.Reading{s.temp.Reading(float64(t)*200/scale - 50), s.humidity.Reading(float64(rh) * 100 / scale)}, nil
}

// result reads until the measurement is done.
func (s *Sensor) result(ctx context.Context) ([]byte, error) {
	raw := make([]byte, 7)
	for range looks {
		if err := s.chip.Tx(nil, raw); err != nil {
			return nil, err
		}
		if raw[0]&busy == 0 {
			if i2cdev.CRC8(raw[:6]) != raw[6] {
				return nil, s.chip.Errorf("sent a wrong checksum")
			}
			return raw, nil
		}
		if err := i2cdev.Wait(ctx, again); err != nil {
			return nil, err
		}
	}
	return nil, s.chip.Errorf("is still measuring after %s", measureTime+looks*again)
}

// Close implements device.Sensor: the chip sleeps between measurements.
func (s *Sensor) Close() error { return nil }
