// Package sds011 reads Nova Fitness's SDS011 (fine dust: PM2.5 and PM10) on a serial line.
//
// It takes values only from frames whose tail and checksum are right. The sensor talks by itself, once a second.
package sds011

import (
	"context"
	"encoding/binary"
	"time"

	"github.com/telltale-iot/telltale/device-agent/config"
	"github.com/telltale-iot/telltale/device-agent/device"
	"github.com/telltale-iot/telltale/device-agent/drivers/uart"
	"github.com/telltale-iot/telltale/schema"
)

// The frame. Source: Nova Fitness SDS011 specification V1.0, "The UART communication protocol".
const (
	baud       = 9600
	frameBytes = 10
	tail       = 0xAB
	within     = 3 * time.Second
	most       = 999.9
)

// Sensor implements device.Sensor.
type Sensor struct {
	port       *uart.Port
	cfg        config.Sensor
	pm25, pm10 device.Quantity
}

// Open prepares the sensor; the port is opened at the first Sense.
func Open(host device.SerialHost, c config.Sensor) *Sensor {
	return &Sensor{port: uart.New(host, c.Port, baud), cfg: c,
		pm25: c.Quantity("pm25", "pm25", "µg/m³", 0, most, 1),
		pm10: c.Quantity("pm10", "pm10", "µg/m³", 0, most, 1),
	}
}

// Describe implements device.Sensor.
func (s *Sensor) Describe() []schema.Entity {
	return []schema.Entity{s.pm25.Entity(s.cfg.Interval), s.pm10.Entity(s.cfg.Interval)}
}

// Sense implements device.Sensor: the next frame.
func (s *Sensor) Sense(ctx context.Context) ([]device.Reading, error) {
	f, err := s.port.Frame(ctx, nil, []byte{0xAA, 0xC0}, frameBytes, within, valid)
	if err != nil {
		return nil, err
	}
	tenths := func(i int) float64 { return float64(binary.LittleEndian.Uint16(f[i:])) / 10 }
	return []device.Reading{s.pm25.Reading(tenths(2)), s.pm10.Reading(tenths(4))}, nil
}

// valid checks the tail and the sum of the six data bytes.
func valid(f []byte) bool {
	var sum byte
	for _, b := range f[2:8] {
		sum += b
	}
	return f[8] == sum && f[9] == tail
}

// Close implements device.Sensor.
func (s *Sensor) Close() error { return s.port.Close() }
