package agent

import (
	"context"
	"fmt"
	"runtime/debug"
	"time"

	"github.com/telltale-iot/telltale/device-agent/device"
	"github.com/telltale-iot/telltale/schema"
)

// driven is what one call of an actuator's driver came back with.
type driven struct {
	read []device.Measurement
	err  error
}

// call runs one call of the driver in a goroutine of its own and waits at most within (stuckWithin once ctx has ended). A panic is an
// error. While a call is out, further ones fail at once with errStuck: a driver is never called twice at a time.
func (o *output) call(ctx context.Context, within time.Duration, f func() driven) driven {
	if o.stuck.Load() {
		select {
		case <-o.back:
			o.stuck.Store(false)
		default:
			return driven{err: errStuck}
		}
	}
	go func() {
		var got driven
		defer func() {
			if r := recover(); r != nil {
				o.a.log.Error("driver panicked", "entity", o.id, "err", r, "stack", string(debug.Stack()))
				got.err = fmt.Errorf("driver panicked: %v", r)
			}
			o.back <- got
		}()
		got = f()
	}()
	t := time.NewTimer(within)
	defer t.Stop()
	ended := ctx.Done()
	for {
		select {
		case got := <-o.back:
			return got
		case <-ended:
			ended = nil
			t.Reset(min(within, stuckWithin))
		case <-t.C:
			o.stuck.Store(true)
			return driven{err: errStuck}
		}
	}
}

// apply drives one channel.
func (o *output) apply(ctx context.Context, channel string, v schema.Value, within time.Duration) error {
	return o.call(ctx, within, func() driven { return driven{err: o.act.Apply(ctx, channel, v)} }).err
}

// read asks the driver for the state.
func (o *output) read(ctx context.Context) ([]device.Measurement, error) {
	got := o.call(ctx, applyWithin, func() driven {
		m, err := o.act.Read(ctx)
		return driven{read: m, err: err}
	})
	return got.read, got.err
}

// safe drives the output to its safe state.
func (o *output) safe(ctx context.Context) error {
	return o.call(ctx, applyWithin, func() driven { return driven{err: o.act.Safe()} }).err
}
