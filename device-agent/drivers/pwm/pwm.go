// Package pwm drives a dimmed light or a fan from a pulse-width output.
//
// It guarantees that switching on brings back the level it had, and that level 0 is off. The state reported is the output's own
// register (proof "echo").
package pwm

import (
	"context"
	"fmt"
	"math"

	"github.com/telltale-iot/telltale/device-agent/config"
	"github.com/telltale-iot/telltale/device-agent/device"
	"github.com/telltale-iot/telltale/schema"
)

// Output implements device.Actuator.
type Output struct {
	pwm   device.PWM
	cfg   config.Actuator
	level float64 // %, what "on" means
}

// Open prepares the output without touching it.
func Open(p device.PWM, c config.Actuator) *Output { return &Output{pwm: p, cfg: c, level: 100} }

// Describe implements device.Actuator.
func (o *Output) Describe() []schema.Entity {
	lo, hi, step := 0.0, 100.0, 1.0
	state := schema.Channel{Name: schema.ChannelState, Type: schema.TypeBool, Settable: true, Proof: schema.ProofEcho}
	level := schema.Channel{Name: o.levelChannel(), Type: schema.TypeNumber, Unit: "%", Min: &lo, Max: &hi, Step: &step, Settable: true,
		Proof: schema.ProofEcho}
	return []schema.Entity{o.cfg.Entity(state, level)}
}

func (o *Output) levelChannel() string {
	if o.cfg.Kind == schema.KindFan {
		return schema.ChannelPercentage
	}
	return schema.ChannelBrightness
}

// Apply implements device.Actuator.
func (o *Output) Apply(_ context.Context, channel string, v schema.Value) error {
	if channel == schema.ChannelState {
		if v.IsTrue() {
			return o.drive(o.level)
		}
		return o.drive(0)
	}
	level, _ := v.Float()
	if level > 0 {
		o.level = level
	}
	return o.drive(level)
}

// Read implements device.Actuator.
func (o *Output) Read(context.Context) ([]device.Measurement, error) {
	duty, err := o.pwm.Duty()
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", o.cfg.Pin, err)
	}
	if o.cfg.ActiveLow {
		duty = 1 - duty
	}
	level := math.Round(duty*1000) / 10 // registers are in ns: 0.1 % is far above their step
	return []device.Measurement{
		{Channel: schema.ChannelState, Value: schema.Bool(level > 0)},
		{Channel: o.levelChannel(), Value: schema.Number(level)},
	}, nil
}

// Safe implements device.Actuator.
func (o *Output) Safe() error {
	if o.cfg.SafeState == "on" {
		return o.drive(100)
	}
	return o.drive(0)
}

// Close implements device.Actuator.
func (o *Output) Close() error { return o.pwm.Close() }

func (o *Output) drive(level float64) error {
	duty := level / 100
	if o.cfg.ActiveLow {
		duty = 1 - duty
	}
	if err := o.pwm.Set(duty); err != nil {
		return fmt.Errorf("drive %s: %w", o.cfg.Pin, err)
	}
	return nil
}
