package command

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/telltale-iot/telltale/schema"
)

// maxPulseMS bounds the length of a pulse, in ms: longer is a set to on and a set to off.
const maxPulseMS = 60_000

// Ask stores a wish as a command and sends it as soon as it may go. It returns once the command is durable.
//
// The same key and body return the same command, whatever became of it. A refusal is a *schema.Problem with the key: bad_frame,
// unknown_device, unknown_target, out_of_range, conflict (the key has another body), busy, unavailable; offline returns the rejected
// command too, because it is in the ledger. Held by TestTheSameKeyIsTheSameCommand.
func (e *Engine) Ask(ctx context.Context, actor string, a schema.Ask) (schema.Command, error) {
	c, err := e.ask(ctx, actor, a)
	var p *schema.Problem
	if errors.As(err, &p) {
		keyed := *p
		keyed.Key = a.Key
		return c, &keyed
	}
	var full interface{ Temporary() bool }
	if errors.As(err, &full) && full.Temporary() {
		p = schema.Problemf(schema.CodeUnavailable, "the hub has too much to write at the moment; try again soon")
		p.Key = a.Key
		return c, p
	}
	if err != nil {
		return c, fmt.Errorf("ask device=%s: %w", a.Device, err)
	}
	return c, nil
}

func (e *Engine) ask(ctx context.Context, actor string, a schema.Ask) (schema.Command, error) {
	if a.Channel == "" {
		a.Channel = schema.ChannelState
	}
	if a.TTLMS == 0 {
		a.TTLMS = schema.DefaultTTL.Milliseconds()
	}
	if err := a.Validate(); err != nil {
		return schema.Command{}, schema.Problemf(schema.CodeBadFrame, "%v", err)
	}
	d, ok, err := e.store.Device(ctx, a.Device)
	if err != nil {
		return schema.Command{}, err
	}
	if !ok {
		return schema.Command{}, schema.Problemf(schema.CodeUnknownDevice, "there is no device %q", a.Device)
	}
	if p := target(&d, &a); p != nil {
		return schema.Command{}, p
	}
	type answer struct {
		c   schema.Command
		err error
	}
	l := e.lane(a.Device)
	got := make(chan answer, 1)
	if err := e.do(ctx, l, func() {
		c, err := l.ask(actor, a)
		got <- answer{c, err}
	}, false); err != nil {
		return schema.Command{}, err
	}
	x := <-got
	return x.c, x.err
}

// target checks that the device has what is asked for and that the value fits.
func target(d *schema.Device, a *schema.Ask) *schema.Problem {
	if d.Descriptor == nil {
		return schema.Problemf(schema.CodeUnknownTarget, "%s has not said yet what it can do", a.Device)
	}
	id := a.Entity + "." + a.Channel
	_, ch := d.Descriptor.Channel(id)
	switch {
	case ch == nil:
		return schema.Problemf(schema.CodeUnknownTarget, "%s has no channel %s", a.Device, id)
	case a.Op == schema.OpSet && !ch.Settable:
		return schema.Problemf(schema.CodeUnknownTarget, "%s of %s cannot be set", id, a.Device)
	case a.Op == schema.OpPulse && !ch.Pulse:
		return schema.Problemf(schema.CodeUnknownTarget, "%s of %s cannot be pulsed", id, a.Device)
	}
	if a.Op == schema.OpSet {
		if err := ch.Accepts(a.Value); err != nil {
			return schema.Problemf(schema.CodeOutOfRange, "%v", err)
		}
		return nil
	}
	ms, _ := a.Value.Float()
	if !a.Value.IsNull() && (a.Value.Type() != schema.TypeNumber || ms < 1 || ms > maxPulseMS) {
		return schema.Problemf(schema.CodeOutOfRange, "a pulse lasts 1 to %d ms, not %s", maxPulseMS, a.Value)
	}
	return nil
}

// ask creates the command in its first state. A device that is there and free gets it at once: then the ledger needs one commit.
func (l *lane) ask(actor string, a schema.Ask) (schema.Command, error) {
	if err := l.load(); err != nil {
		return schema.Command{}, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), storeWithin)
	defer cancel()
	body := fingerprint(a)
	have, haveBody, ok, err := l.e.store.CommandByKey(ctx, a.Key)
	switch {
	case err != nil:
		return schema.Command{}, err
	case ok && haveBody != body:
		return schema.Command{}, schema.Problemf(schema.CodeConflict, "the key was used for another command; choose a new key for a new wish")
	case ok:
		return have, offline(have)
	case l.gone:
		return schema.Command{}, schema.Problemf(schema.CodeUnknownDevice, "there is no device %q", a.Device)
	case len(l.open) >= schema.MaxPending:
		return schema.Command{}, schema.Problemf(schema.CodeBusy, "%s has %d commands pending; wait for one to end", a.Device, len(l.open))
	}
	now := l.e.now()
	c, err := l.first(now, actor, a)
	if err != nil {
		return schema.Command{}, err
	}
	c, existed, err := l.e.store.CreateCommand(ctx, c, body)
	if err != nil || existed {
		return c, err
	}
	l.e.publish(l.device, c)
	if !c.State.Final() {
		o := &order{c: c, deadline: now.Add(time.Duration(a.TTLMS) * time.Millisecond)}
		l.open = append(l.open, o)
		if c.State == schema.StateSent {
			l.deliver(o)
		}
		l.settle()
		c = o.c
	}
	return c, offline(c)
}

// first is the command as it is created: rejected when its device is away and it may not wait, sent when nothing is in its way.
func (l *lane) first(now time.Time, actor string, a schema.Ask) (schema.Command, error) {
	id := make([]byte, 16)
	if _, err := rand.Read(id); err != nil {
		return schema.Command{}, err
	}
	nowMS := now.UnixMilli()
	c := schema.Command{ID: hex.EncodeToString(id), Key: a.Key, Device: a.Device, Entity: a.Entity, Channel: a.Channel, Op: a.Op,
		Value: a.Value, Actor: actor, Reason: a.Reason, AskedMS: nowMS, DeadlineMS: nowMS + a.TTLMS, State: schema.StateQueued}
	c.Log = []schema.CommandStep{{State: schema.StateQueued, AtMS: nowMS}}
	waiting := false // something of this entity is before it
	for _, o := range l.open {
		waiting = waiting || o.c.Entity == a.Entity
	}
	switch {
	case l.link == nil && !a.Wait:
		c.State, c.Code, c.Message = schema.StateRejected, string(schema.CodeOffline), a.Device+" is offline"
	case l.link != nil && !waiting:
		c.State = schema.StateSent
	default:
		return c, nil
	}
	c.Log = append(c.Log, schema.CommandStep{State: c.State, AtMS: nowMS, Message: c.Message})
	return c, nil
}

// offline is the problem of a command that was rejected at once because its device is away; nil for all others.
func offline(c schema.Command) error {
	if c.State == schema.StateRejected && c.Code == string(schema.CodeOffline) && len(c.Log) == 2 {
		return schema.Problemf(schema.CodeOffline, "%s", c.Message)
	}
	return nil
}

// fingerprint tells two wishes under one key apart.
func fingerprint(a schema.Ask) string {
	a.Key = ""
	b, err := json.Marshal(a)
	if err != nil { // only strings and finite numbers: cannot happen
		return ""
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:16])
}
