// Package sht reads Sensirion's SHT30, SHT31 and SHT35 (driver sht3x) and SHT40, SHT41 and SHT45 (driver sht4x): temperature and humidity
// over I2C, one measurement of the highest precision per round.
//
// It guarantees that both words are checked against their CRC. The chips keep no mode, so there is nothing to set up: one that was unplugged is
// read again as soon as it is back.
package sht

import (
	"context"
	"time"

	"github.com/telltale-iot/telltale/device-agent/config"
	"github.com/telltale-iot/telltale/device-agent/device"
	"github.com/telltale-iot/telltale/device-agent/drivers/i2cdev"
	"github.com/telltale-iot/telltale/schema"
	"periph.io/x/conn/v3/i2c"
)

// beyond is how far above 100 % and below 0 % a humidity is a saturated or dry chip's; farther out nothing was measured. The SHT4x data
// sheet says of its formula that values beyond 0 to 100 % can occur at the edges and may be cropped.
const beyond = 6

// family is what the two families differ in.
type family struct {
	measure     []byte        // command
	takes       time.Duration // longest measurement, rounded up
	rhMin, rhUp float64       // humidity of raw 0, and what raw 65535 adds
}

func familyOf(driver string) family {
	if driver == "sht3x" {
		// Sensirion SHT3x-DIS data sheet version 5: table 9 (single shot, high repeatability, no clock stretching), table 4, section 4.13.
		return family{[]byte{0x24, 0x00}, 16 * time.Millisecond, 0, 100}
	}
	// Sensirion SHT4x data sheet: command table (high precision), timings, conversion of signal output.
	return family{[]byte{0xFD}, 10 * time.Millisecond, -6, 125}
}

// Sensor implements device.Sensor.
type Sensor struct {
	chip     i2cdev.Chip
	family   family
	cfg      config.Sensor
	temp     device.Quantity
	humidity device.Quantity
}

// Open prepares the sensor on a bus.
func Open(bus i2c.Bus, c config.Sensor) *Sensor {
	return &Sensor{chip: i2cdev.New(bus, c), family: familyOf(c.Driver), cfg: c,
		temp:     c.Quantity("temperature", "temperature", "°C", -40, 125, 1),
		humidity: c.Quantity("humidity", "humidity", "%", 0, 100, 0),
	}
}

// Describe implements device.Sensor.
func (s *Sensor) Describe() []schema.Entity {
	return []schema.Entity{s.temp.Entity(s.cfg.Interval), s.humidity.Entity(s.cfg.Interval)}
}

// Sense implements device.Sensor: one measurement, 10 or 16 ms.
func (s *Sensor) Sense(ctx context.Context) ([]device.Reading, error) {
	if err := s.chip.Tx(s.family.measure, nil); err != nil {
		return nil, err
	}
	if err := i2cdev.Wait(ctx, s.family.takes); err != nil {
		return nil, err
	}
	words, err := s.chip.Words(2)
	if err != nil {
		return nil, err
	}
	rh := s.family.rhMin + s.family.rhUp*float64(words[1])/65535
	if rh > -beyond && rh < 100+beyond {
		rh = min(max(rh, 0), 100)
	}
	return []device.Reading{s.temp.Reading(-45 + 175*float64(words[0])/65535), s.humidity.Reading(rh)}, nil
}

// Close implements device.Sensor: the chip sleeps between measurements.
func (s *Sensor) Close() error { return nil }
