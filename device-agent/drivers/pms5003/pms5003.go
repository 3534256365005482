// Package pms5003 reads Plantower's PMS5003 and PMS7003 (fine dust: PM1, PM2.5 and PM10) on a serial line.
//
// It takes the values for atmospheric conditions, not those for the factory's test dust, and only from frames whose length and checksum are right. The
// sensor talks by itself, at least every 2.3 s.
package pms5003

import (
	"context"
	"encoding/binary"
	"time"

	"github.com/telltale-iot/telltale/device-agent/config"
	"github.com/telltale-iot/telltale/device-agent/device"
	"github.com/telltale-iot/telltale/device-agent/drivers/uart"
	"github.com/telltale-iot/telltale/schema"
)

// The frame. Source: Plantower PMS5003 series data manual V2.3, appendix I.
const (
	baud       = 9600
	frameBytes = 32
	within     = 4 * time.Second
	atmosphere = 10 // offset of data 4 to 6
	most       = 1000
)

// Sensor implements device.Sensor.
type Sensor struct {
	port            *uart.Port
	cfg             config.Sensor
	pm1, pm25, pm10 device.Quantity
}

// Open prepares the sensor; the port is opened at the first Sense.
func Open(host device.SerialHost, c config.Sensor) *Sensor {
	return &Sensor{port: uart.New(host, c.Port, baud), cfg: c,
		pm1:  c.Quantity("pm1", "pm1", "µg/m³", 0, most, 0),
		pm25: c.Quantity("pm25", "pm25", "µg/m³", 0, most, 0),
		pm10: c.Quantity("pm10", "pm10", "µg/m³", 0, most, 0),
	}
}

// Describe implements device.Sensor.
func (s *Sensor) Describe() []schema.Entity {
	every := s.cfg.Interval
	return []schema.Entity{s.pm1.Entity(every), s.pm25.Entity(every), s.pm10.Entity(every)}
}

// Sense implements device.Sensor: the next frame.
func (s *Sensor) Sense(ctx context.Context) ([]device.Reading, error) {
	f, err := s.port.Frame(ctx, nil, []byte{0x42, 0x4D, 0, frameBytes - 4}, frameBytes, within, valid)
	if err != nil {
		return nil, err
	}
	word := func(i int) float64 { return float64(binary.BigEndian.Uint16(f[atmosphere+2*i:])) }
	return []device.Reading{s.pm1.Reading(word(0)), s.pm25.Reading(word(1)), s.pm10.Reading(word(2))}, nil
}

// valid checks the sum of all bytes before the last two.
func valid(f []byte) bool {
	var sum uint16
	for _, b := range f[:frameBytes-2] {
		sum += uint16(b)
	}
	return binary.BigEndian.Uint16(f[frameBytes-2:]) == sum
}

// Close implements device.Sensor.
func (s *Sensor) Close() error { return s.port.Close() }
