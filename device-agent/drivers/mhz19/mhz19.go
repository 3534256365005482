// Package mhz19 reads Winsen's MH-Z19, MH-Z19B, MH-Z19C and MH-Z14 (CO2) on a serial line.
//
// It asks for each value and takes it only with the right checksum. The sensor heats up for one to three minutes after power-on and says about 400 to 500 ppm
// meanwhile; nothing in its answer tells. Its self-calibration is left as it is.
package mhz19

import (
	"context"
	"time"

	"github.com/telltale-iot/telltale/device-agent/config"
	"github.com/telltale-iot/telltale/device-agent/device"
	"github.com/telltale-iot/telltale/device-agent/drivers/uart"
	"github.com/telltale-iot/telltale/schema"
)

// The frames. Source: Winsen MH-Z19B user's manual, "0x86 Read CO2 concentration" and "Checksum calculation method".
const (
	baud       = 9600
	frameBytes = 9
	readCO2    = 0x86
	within     = 2 * time.Second
	most       = 10000 // the widest of its ranges, ppm
)

// Sensor implements device.Sensor.
type Sensor struct {
	port *uart.Port
	cfg  config.Sensor
	co2  device.Quantity
}

// Open prepares the sensor; the port is opened at the first Sense.
func Open(host device.SerialHost, c config.Sensor) *Sensor {
	return &Sensor{port: uart.New(host, c.Port, baud), cfg: c, co2: c.Quantity("co2", "carbon_dioxide", "ppm", 1, most, 0)}
}

// Describe implements device.Sensor.
func (s *Sensor) Describe() []schema.Entity { return []schema.Entity{s.co2.Entity(s.cfg.Interval)} }

// Sense implements device.Sensor: one question, one answer.
func (s *Sensor) Sense(ctx context.Context) ([]device.Reading, error) {
	f, err := s.port.Frame(ctx, question(), []byte{0xFF, readCO2}, frameBytes, within, valid)
	if err != nil {
		return nil, err
	}
	return []device.Reading{s.co2.Reading(float64(f[2])*256 + float64(f[3]))}, nil
}

func question() []byte {
	q := []byte{0xFF, 0x01, readCO2, 0, 0, 0, 0, 0, 0}
	q[8] = checksum(q)
	return q
}

// checksum is 0xFF less the sum of bytes 1 to 7, plus 1.
func checksum(f []byte) byte {
	var sum byte
	for _, b := range f[1:8] {
		sum += b
	}
	return 0xFF - sum + 1
}

func valid(f []byte) bool { return f[8] == checksum(f) }

// Close implements device.Sensor.
func (s *Sensor) Close() error { return s.port.Close() }
