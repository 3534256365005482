// Package contact reads a switch on a GPIO pin: a door contact, a window contact, a motion detector's output.
//
// It guarantees that a reading is the majority of three samples a millisecond apart, so that a bouncing contact is not read as its
// opposite. It refuses nothing.
package contact

import (
	"context"
	"fmt"
	"time"

	"github.com/telltale-iot/telltale/device-agent/config"
	"github.com/telltale-iot/telltale/device-agent/device"
	"github.com/telltale-iot/telltale/schema"
	"periph.io/x/conn/v3/gpio"
)

// Sensor implements device.Sensor.
type Sensor struct {
	pin   gpio.PinIn
	cfg   config.Sensor
	ready bool
}

// Open prepares the contact; the pin becomes an input at the first Sense.
func Open(pin gpio.PinIn, c config.Sensor) *Sensor { return &Sensor{pin: pin, cfg: c} }

// Describe implements device.Sensor.
func (s *Sensor) Describe() []schema.Entity {
	return []schema.Entity{{ID: s.cfg.ID, Kind: schema.KindBinarySensor, Name: s.cfg.Title(), DeviceClass: s.cfg.DeviceClass, Area: s.cfg.Area,
		Channels: []schema.Channel{{Name: schema.ChannelState, Type: schema.TypeBool, IntervalMS: s.cfg.Interval.Milliseconds()}}}}
}

// Sense implements device.Sensor.
func (s *Sensor) Sense(ctx context.Context) ([]device.Reading, error) {
	if !s.ready {
		pull := map[string]gpio.Pull{"": gpio.PullNoChange, "none": gpio.Float, "up": gpio.PullUp, "down": gpio.PullDown}[s.cfg.Pull]
		if err := s.pin.In(pull, gpio.NoEdge); err != nil {
			return nil, fmt.Errorf("contact on %s: %w", s.cfg.Pin, err)
		}
		s.ready = true
	}
	high := 0
	for i := range 3 {
		if i > 0 {
			t := time.NewTimer(time.Millisecond)
			select {
			case <-t.C:
			case <-ctx.Done():
				t.Stop()
				return nil, ctx.Err()
			}
		}
		level, err := device.Level(s.pin)
		if err != nil {
			s.ready = false
			return nil, fmt.Errorf("contact on %s: %w", s.cfg.Pin, err)
		}
		if level == gpio.High {
			high++
		}
	}
	on := high >= 2 != s.cfg.ActiveLow
	return []device.Reading{{Entity: s.cfg.ID, Measurement: device.Measurement{Channel: schema.ChannelState, Value: schema.Bool(on)}}}, nil
}

// Close implements device.Sensor.
func (s *Sensor) Close() error { return s.pin.Halt() }
