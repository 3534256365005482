// Package scd4x reads Sensirion's SCD40 and SCD41 (CO2, temperature, humidity) over I2C in periodic measurement, one value every 5 s.
//
// It guarantees that every word is checked against its CRC. It starts without the chip, finds it later and starts the measurement anew
// after a fault. Until the first measurement is ready, about 5 s after the start, it returns no readings.
package scd4x

import (
	"context"
	"time"

	"github.com/telltale-iot/telltale/device-agent/config"
	"github.com/telltale-iot/telltale/device-agent/device"
	"github.com/telltale-iot/telltale/device-agent/drivers/i2cdev"
	"github.com/telltale-iot/telltale/schema"
	"periph.io/x/conn/v3/i2c"
)

// Commands. Source: Sensirion SCD4x data sheet v1.5, table 9.
const (
	cmdStart = 0x21B1
	cmdStop  = 0x3F86
	cmdReady = 0xE4B8
	cmdRead  = 0xEC05
	// answerTime is the execution time of the reading commands.
	answerTime = time.Millisecond
	// silentFor is how long a measuring chip may have nothing new: three of its intervals.
	silentFor = 15 * time.Second
	// stopTime is how long the chip is deaf after a stop.
	stopTime = 500 * time.Millisecond
)

// Sensor implements device.Sensor.
type Sensor struct {
	chip    i2cdev.Chip
	cfg     config.Sensor
	started bool
	news    time.Time // of the last measurement, or of the start
	co2     device.Quantity
	temp    device.Quantity
	hum     device.Quantity
}

// Open prepares the sensor on a bus.
func Open(bus i2c.Bus, c config.Sensor) *Sensor {
	return &Sensor{chip: i2cdev.New(bus, c), cfg: c,
		// Ranges: data sheet v1.5 tables 1 to 3 (the SCD41 reports up to 40,000 ppm). 0 ppm means "not measured".
		co2:  c.Quantity("co2", "carbon_dioxide", "ppm", 1, 40000, 0),
		temp: c.Quantity("temperature", "temperature", "°C", -10, 60, 1),
		hum:  c.Quantity("humidity", "humidity", "%", 0, 100, 0),
	}
}

// Describe implements device.Sensor.
func (s *Sensor) Describe() []schema.Entity {
	every := s.cfg.Interval
	return []schema.Entity{s.co2.Entity(every), s.temp.Entity(every), s.hum.Entity(every)}
}

// Sense implements device.Sensor. No readings and no error: nothing new yet.
func (s *Sensor) Sense(ctx context.Context) ([]device.Reading, error) {
	if !s.started {
		// A chip that was left measuring refuses a second start; stopping an idle one does no harm.
		if err := s.command(cmdStop); err != nil {
			return nil, err
		}
		if err := i2cdev.Wait(ctx, stopTime); err != nil {
			return nil, err
		}
		if err := s.command(cmdStart); err != nil {
			return nil, err
		}
		s.started, s.news = true, time.Now()
		return nil, nil
	}
	ready, err := s.ask(ctx, cmdReady, 1)
	if err != nil {
		return nil, err
	}
	if ready[0]&0x07FF == 0 {
		if silent := time.Since(s.news); silent > silentFor {
			s.started = false
			return nil, s.chip.Errorf("has measured nothing for %s: did it lose power?", silent.Round(time.Second))
		}
		return nil, nil
	}
	s.news = time.Now()
	words, err := s.ask(ctx, cmdRead, 3)
	if err != nil {
		return nil, err
	}
	return []device.Reading{
		s.co2.Reading(float64(words[0])),
		s.temp.Reading(-45 + 175*float64(words[1])/65535),
		s.hum.Reading(100 * float64(words[2]) / 65535),
	}, nil
}

// Close implements device.Sensor: idle.
func (s *Sensor) Close() error {
	if !s.started {
		return nil
	}
	return s.command(cmdStop)
}

func (s *Sensor) command(cmd uint16) error {
	err := s.chip.Tx([]byte{byte(cmd >> 8), byte(cmd)}, nil)
	s.started = s.started && err == nil
	return err
}

func (s *Sensor) ask(ctx context.Context, cmd uint16, n int) ([]uint16, error) {
	if err := s.command(cmd); err != nil {
		return nil, err
	}
	if err := i2cdev.Wait(ctx, answerTime); err != nil {
		return nil, err
	}
	words, err := s.chip.Words(n)
	s.started = s.started && err == nil
	return words, err
}
