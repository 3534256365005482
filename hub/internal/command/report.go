package command

import (
	"context"
	"errors"
	"fmt"

	"github.com/telltale-iot/telltale/schema"
)

// Report takes a device's report about one of its commands.
//
// Reports that come twice, late or in the wrong order change nothing and are no error: the table of transitions decides. Errors: a
// *schema.Problem when the command is another device's (forbidden) or does not exist (not_found), or unavailable when it could not be
// stored: it is tried again every second, and the device reports again on its next connection. Held by TestAFullDiskHealsWithoutLies.
func (e *Engine) Report(ctx context.Context, device string, r schema.CommandReport) error {
	l := e.lane(device)
	got := make(chan error, 1)
	if err := e.do(ctx, l, func() { got <- l.report(ctx, r) }, true); err != nil {
		return err
	}
	return <-got
}

func (l *lane) report(ctx context.Context, r schema.CommandReport) error {
	if err := l.load(); err != nil {
		return err
	}
	o := l.find(r.ID)
	if o == nil {
		return l.stranger(ctx, r.ID)
	}
	if o.c.State == schema.StateQueued && r.State != schema.StateQueued && schema.StateSent.CanBecome(r.State) {
		// The device knows it, so it was sent: by a hub whose ledger was restored from before.
		if err := l.step(o, schema.CommandReport{State: schema.StateSent}); err != nil {
			return notStored(err)
		}
		o.delivered = true
	}
	if !o.c.State.CanBecome(r.State) {
		l.e.log.Debug("report changes nothing", "device", l.device, "command", r.ID)
		return nil
	}
	if !o.said.State.Final() { // a report that overtook this one decides
		o.said = r
	}
	if err := l.step(o, r); err != nil {
		l.wakeIn(retryAfter)
		return notStored(err)
	}
	l.settle()
	return nil
}

// stranger answers a report about a command that is not open on this device.
func (l *lane) stranger(ctx context.Context, id string) error {
	c, ok, err := l.e.store.Command(ctx, id)
	switch {
	case err != nil:
		return fmt.Errorf("report device=%s: %w", l.device, err)
	case !ok:
		return schema.Problemf(schema.CodeNotFound, "there is no command %s", id)
	case c.Device != l.device:
		return schema.Problemf(schema.CodeForbidden, "command %s is not for %s", id, l.device)
	}
	return nil // it is over
}

func notStored(err error) error {
	return errors.Join(schema.Problemf(schema.CodeUnavailable, "the report could not be stored; send it again"), err)
}

// Cancel withdraws a command that has not started, and returns it as it is then. One that the device already has is canceled by the
// device: its answer decides and comes later. Errors: *schema.Problem not_found; conflict when it runs or is over.
func (e *Engine) Cancel(ctx context.Context, actor, id string) (schema.Command, error) {
	c, ok, err := e.store.Command(ctx, id)
	if err != nil {
		return schema.Command{}, fmt.Errorf("cancel command=%s: %w", id, err)
	}
	if !ok {
		return schema.Command{}, schema.Problemf(schema.CodeNotFound, "there is no command %s", id)
	}
	type answer struct {
		c   schema.Command
		err error
	}
	l := e.lane(c.Device)
	got := make(chan answer, 1)
	if err := e.do(ctx, l, func() {
		c, err := l.cancel(ctx, actor, id)
		got <- answer{c, err}
	}, false); err != nil {
		return schema.Command{}, err
	}
	x := <-got
	return x.c, x.err
}

func (l *lane) cancel(ctx context.Context, actor, id string) (schema.Command, error) {
	if err := l.load(); err != nil {
		return schema.Command{}, err
	}
	o := l.find(id)
	if o == nil {
		c, _, err := l.e.store.Command(ctx, id)
		if err != nil || c.State == schema.StateCanceled {
			return c, err
		}
		return c, schema.Problemf(schema.CodeConflict, "it is over: %s", c.State)
	}
	switch o.c.State {
	case schema.StateRunning:
		return o.c, schema.Problemf(schema.CodeConflict, "it is already running")
	case schema.StateQueued:
		r := schema.CommandReport{State: schema.StateCanceled, Code: "canceled", Message: "canceled by " + actor}
		if err := l.step(o, r); err != nil {
			return o.c, notStored(err)
		}
		l.settle()
		return o.c, nil
	}
	o.cancelBy = actor
	if l.link != nil {
		if err := l.link.send(&schema.Cancel{ID: id}); err != nil {
			l.e.log.Debug("cancel is not written", "device", l.device, "err", err)
			l.link = nil
		}
	}
	return o.c, nil
}
