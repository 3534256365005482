// Package hx711 reads Avia's HX711, the 24 bit converter of scales, on two pins: weight, or whatever a bridge of strain gauges measures.
//
// The chip resets itself when its clock stays high for 60 µs, which a program that is not alone on its machine cannot exclude. So the driver times every
// pulse and throws away what it read with a long one; of three good readings it gives the middle one. Values are counts until a calibration (of
// "weight": scale, offset) makes them a weight.
package hx711

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/telltale-iot/telltale/device-agent/config"
	"github.com/telltale-iot/telltale/device-agent/device"
	"github.com/telltale-iot/telltale/device-agent/drivers/i2cdev"
	"github.com/telltale-iot/telltale/schema"
	"periph.io/x/conn/v3/gpio"
)

// Timing and codes. Source: Avia Semiconductor HX711 data sheet, "Serial Interface", "Reset and Power-Down" and "Output settling time".
const (
	bits      = 24
	pulses    = 25                     // channel A, gain 128
	longest   = 50 * time.Microsecond  // of a high clock; 60 µs power the chip down
	converts  = 150 * time.Millisecond // 100 ms at 10 Hz, and some
	settles   = 400 * time.Millisecond // after a reset, at 10 Hz
	look      = 2 * time.Millisecond
	readings  = 3
	attempts  = 10
	leastCode = -1 << 23
	mostCode  = 1<<23 - 1
)

var errLong = errors.New("a clock pulse took too long: the machine is too busy for this chip")

// Sensor implements device.Sensor.
type Sensor struct {
	data   gpio.PinIn
	clock  gpio.PinOut
	cfg    config.Sensor
	weight device.Quantity
	ready  bool
}

// Open prepares the chip; the pins are taken at the first Sense.
func Open(data gpio.PinIn, clock gpio.PinOut, c config.Sensor) *Sensor {
	class := ""
	if c.Unit == "kg" || c.Unit == "g" {
		class = "weight"
	}
	return &Sensor{data: data, clock: clock, cfg: c, weight: c.Quantity("weight", class, c.Unit, leastCode+1, mostCode-1, 2)}
}

// Describe implements device.Sensor.
func (s *Sensor) Describe() []schema.Entity { return []schema.Entity{s.weight.Entity(s.cfg.Interval)} }

// Sense implements device.Sensor: three conversions, 300 ms.
func (s *Sensor) Sense(ctx context.Context) ([]device.Reading, error) {
	if !s.ready {
		if err := s.setUp(ctx); err != nil {
			return nil, fmt.Errorf("hx711 on %s and %s: %w", s.cfg.Pin, s.cfg.ClockPin, err)
		}
	}
	var got []int32
	var last error
	for try := 0; try < attempts && len(got) < readings; try++ {
		v, err := s.read(ctx)
		if errors.Is(err, errLong) {
			last = err
			if err := i2cdev.Wait(ctx, settles); err != nil {
				return nil, err
			}
			continue
		}
		if err != nil {
			s.ready = false
			return nil, fmt.Errorf("hx711 on %s and %s: %w", s.cfg.Pin, s.cfg.ClockPin, err)
		}
		got = append(got, v)
	}
	if len(got) < readings {
		return nil, fmt.Errorf("hx711 on %s and %s: %w", s.cfg.Pin, s.cfg.ClockPin, last)
	}
	slices.Sort(got)
	return []device.Reading{s.weight.Reading(float64(got[readings/2]))}, nil
}

// setUp takes the pins. The clock is low from its first moment: high would switch the chip off.
func (s *Sensor) setUp(ctx context.Context) error {
	if err := s.clock.Out(gpio.Low); err != nil {
		return err
	}
	if err := s.data.In(gpio.PullUp, gpio.NoEdge); err != nil { // a chip that is not there is then never ready
		return err
	}
	if err := i2cdev.Wait(ctx, settles); err != nil {
		return err
	}
	s.ready = true
	return nil
}

// read waits for a conversion and clocks it out.
func (s *Sensor) read(ctx context.Context) (int32, error) {
	for waited := time.Duration(0); ; waited += look {
		level, err := device.Level(s.data)
		if err != nil {
			return 0, err
		}
		if level == gpio.Low {
			break
		}
		if waited > converts {
			return 0, fmt.Errorf("no conversion within %s: is it wired and powered?", converts)
		}
		if err := i2cdev.Wait(ctx, look); err != nil {
			return 0, err
		}
	}
	var code uint32
	long := false
	for i := range pulses {
		began := time.Now()
		if err := s.clock.Out(gpio.High); err != nil {
			return 0, errors.Join(err, s.clock.Out(gpio.Low))
		}
		if err := s.clock.Out(gpio.Low); err != nil {
			return 0, err
		}
		long = long || time.Since(began) > longest
		if i < bits { // a bit stays until the next pulse
			level, err := device.Level(s.data)
			if err != nil {
				return 0, err
			}
			code <<= 1
			if level {
				code |= 1
			}
		}
	}
	if long {
		return 0, errLong
	}
	if level, err := device.Level(s.data); err != nil || level == gpio.Low { // the 25th pulse takes the line high until the next conversion
		return 0, errors.Join(errors.New("the data line stays low: it is shorted, or this is no HX711"), err)
	}
	return int32(code<<8) >> 8, nil
}

// Close implements device.Sensor: a high clock powers the chip down.
func (s *Sensor) Close() error {
	if !s.ready {
		return nil
	}
	return errors.Join(s.clock.Out(gpio.High), s.data.Halt(), s.clock.Halt())
}
