// Package relay drives a relay, or anything else that is on or off, from a GPIO pin, and reads a feedback contact where one is wired.
//
// It guarantees that the first thing the pin does is the level asked for, and that Read never changes the pin. With a feedback contact
// the state reported is the contact's, whatever the output says: a welded or dead relay shows. It refuses to report a state before it
// was driven once.
package relay

import (
	"context"
	"errors"
	"fmt"

	"github.com/telltale-iot/telltale/device-agent/config"
	"github.com/telltale-iot/telltale/device-agent/device"
	"github.com/telltale-iot/telltale/schema"
	"periph.io/x/conn/v3/gpio"
)

// Relay implements device.Actuator.
type Relay struct {
	out     gpio.PinIO
	contact gpio.PinIn // nil = none
	cfg     config.Actuator
	driven  bool
}

// Open prepares the relay. contact may be nil. Errors: the feedback contact cannot be read. The output is not touched.
func Open(out gpio.PinIO, contact gpio.PinIn, c config.Actuator) (*Relay, error) {
	if contact != nil {
		if err := contact.In(gpio.PullNoChange, gpio.NoEdge); err != nil {
			return nil, fmt.Errorf("feedback contact on %s: %w", c.Readback, err)
		}
	}
	return &Relay{out: out, contact: contact, cfg: c}, nil
}

// Describe implements device.Actuator.
func (r *Relay) Describe() []schema.Entity {
	proof := schema.ProofEcho
	if r.contact != nil {
		proof = schema.ProofReadback
	}
	ch := schema.Channel{Name: schema.ChannelState, Type: schema.TypeBool, Settable: true, Proof: proof}
	return []schema.Entity{r.cfg.Entity(ch)}
}

// Apply implements device.Actuator.
func (r *Relay) Apply(_ context.Context, _ string, v schema.Value) error { return r.drive(v.IsTrue()) }

// Read implements device.Actuator.
func (r *Relay) Read(context.Context) ([]device.Measurement, error) {
	if !r.driven {
		return nil, errors.New("the relay was not driven yet")
	}
	pin, from, inverted := gpio.PinIn(r.out), r.cfg.Pin, r.cfg.ActiveLow
	if r.contact != nil {
		pin, from, inverted = r.contact, r.cfg.Readback, r.cfg.ReadbackActiveLow
	}
	level, err := device.Level(pin)
	if err != nil {
		return nil, fmt.Errorf("read back %s: %w", from, err)
	}
	on := bool(level) != inverted
	return []device.Measurement{{Channel: schema.ChannelState, Value: schema.Bool(on)}}, nil
}

// Safe implements device.Actuator.
func (r *Relay) Safe() error { return r.drive(r.cfg.SafeState == "on") }

// Close implements device.Actuator.
func (r *Relay) Close() error {
	err := r.out.Halt()
	if r.contact != nil {
		err = errors.Join(err, r.contact.Halt())
	}
	return err
}

func (r *Relay) drive(on bool) error {
	if err := r.out.Out(gpio.Level(on != r.cfg.ActiveLow)); err != nil {
		return fmt.Errorf("drive %s: %w", r.cfg.Pin, err)
	}
	r.driven = true
	return nil
}
