// Package button presses a momentary contact from a GPIO pin: a door opener, a garage door's push-button input.
//
// It guarantees that the pin goes back after the pulse, also when the agent is stopped in the middle of it. There is nothing to read
// back: the proof of a press is "none", unless a feedback contact is wired; then a press without its contact closing is an error.
package button

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/telltale-iot/telltale/device-agent/config"
	"github.com/telltale-iot/telltale/device-agent/device"
	"github.com/telltale-iot/telltale/schema"
	"periph.io/x/conn/v3/gpio"
)

// longest is the longest press that a command may ask for, in ms.
const longest = 60_000

// Button implements device.Actuator.
type Button struct {
	out     gpio.PinIO
	contact gpio.PinIn
	cfg     config.Actuator
}

// Open prepares the button. contact may be nil. Errors: the feedback contact cannot be read. The output is not touched.
func Open(out gpio.PinIO, contact gpio.PinIn, c config.Actuator) (*Button, error) {
	if contact != nil {
		if err := contact.In(gpio.PullNoChange, gpio.NoEdge); err != nil {
			return nil, fmt.Errorf("feedback contact on %s: %w", c.Readback, err)
		}
	}
	return &Button{out: out, contact: contact, cfg: c}, nil
}

// Describe implements device.Actuator.
func (b *Button) Describe() []schema.Entity {
	proof := schema.ProofNone
	if b.contact != nil {
		proof = schema.ProofReadback
	}
	lo, hi := 10.0, float64(longest)
	ch := schema.Channel{Name: schema.ChannelPress, Type: schema.TypeNumber, Unit: "ms", Min: &lo, Max: &hi, Pulse: true, Proof: proof}
	return []schema.Entity{b.cfg.Entity(ch)}
}

// Apply implements device.Actuator: it returns when the press is over. v is null or the length in ms.
func (b *Button) Apply(ctx context.Context, _ string, v schema.Value) (err error) {
	hold := b.cfg.Pulse
	if ms, ok := v.Float(); ok {
		hold = time.Duration(ms * float64(time.Millisecond))
	}
	defer func() { err = errors.Join(err, b.Safe()) }()
	if err := b.out.Out(gpio.Level(!b.cfg.ActiveLow)); err != nil {
		return fmt.Errorf("press %s: %w", b.cfg.Pin, err)
	}
	t := time.NewTimer(hold)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
		return fmt.Errorf("press was cut short: %w", ctx.Err())
	}
	return b.closed()
}

// closed checks the feedback contact, where there is one.
func (b *Button) closed() error {
	if b.contact == nil {
		return nil
	}
	level, err := device.Level(b.contact)
	if err != nil {
		return fmt.Errorf("read back %s: %w", b.cfg.Readback, err)
	}
	if bool(level) == b.cfg.ReadbackActiveLow {
		return errors.New("the feedback contact did not close")
	}
	return nil
}

// Read implements device.Actuator: a button has no state.
func (b *Button) Read(context.Context) ([]device.Measurement, error) { return nil, nil }

// Safe implements device.Actuator: not pressed.
func (b *Button) Safe() error {
	if err := b.out.Out(gpio.Level(b.cfg.ActiveLow)); err != nil {
		return fmt.Errorf("release %s: %w", b.cfg.Pin, err)
	}
	return nil
}

// Close implements device.Actuator.
func (b *Button) Close() error {
	err := b.out.Halt()
	if b.contact != nil {
		err = errors.Join(err, b.contact.Halt())
	}
	return err
}
