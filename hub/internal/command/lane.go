package command

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/telltale-iot/telltale/schema"
)

// lane is everything that concerns one device, one thing after the other.
type lane struct {
	e      *Engine
	device string

	queue   []func() // guarded by e.mu
	running bool     // guarded by e.mu: drain is at work

	// What follows belongs to the functions in the queue.
	loaded bool
	gone   bool // the device was removed
	link   *link
	open   []*order // not final, by seq
	timer  *time.Timer
}

// link is a device's connection.
type link struct {
	send  func(schema.Frame) error
	since time.Time
}

// order is a command that is not over.
type order struct {
	c         schema.Command
	deadline  time.Time
	delivered bool                 // it was written to a connection: the device may have it
	cancelBy  string               // who wants it canceled; "" = nobody
	said      schema.CommandReport // the device's newest report that is not stored yet; no state = none
}

// inFlight reports whether the device may be at it.
func (o *order) inFlight() bool { return o.c.State != schema.StateQueued }

// drain runs what is queued until nothing is.
func (l *lane) drain() {
	for {
		l.e.mu.Lock()
		if len(l.queue) == 0 {
			l.running = false
			l.e.mu.Unlock()
			return
		}
		f := l.queue[0]
		l.queue = l.queue[1:]
		l.e.mu.Unlock()
		f()
	}
}

// load reads the open commands of earlier processes, once.
func (l *lane) load() error {
	if l.loaded || l.gone {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), storeWithin)
	defer cancel()
	open, err := l.e.store.OpenCommands(ctx, l.device)
	if err != nil {
		return fmt.Errorf("open commands of device=%s: %w", l.device, err)
	}
	now := l.e.now()
	for _, c := range open {
		left := time.Duration(c.DeadlineMS-now.UnixMilli()) * time.Millisecond
		if now.UnixMilli() < c.AskedMS { // the hub's clock was set back: how long ago it was asked is not known
			left = 0
		}
		l.open = append(l.open, &order{c: c, deadline: now.Add(left), delivered: c.State != schema.StateQueued})
	}
	l.loaded = true
	return nil
}

// wake looks after the lane when a time has come.
func (l *lane) wake() {
	if err := l.load(); err != nil {
		l.e.log.Error("commands are not read", "device", l.device, "err", err)
		l.wakeIn(retryAfter)
		return
	}
	l.settle()
}

func (l *lane) attach(k *link) {
	l.link = k
	if err := l.load(); err != nil {
		l.e.log.Error("commands are not read", "device", l.device, "err", err)
		l.wakeIn(retryAfter)
		return
	}
	for _, o := range l.open {
		if o.inFlight() {
			l.deliver(o)
		}
	}
	l.settle()
}

func (l *lane) detach(k *link) {
	if l.link == k {
		l.link = nil
		l.wake()
	}
}

func (l *lane) forget() {
	l.gone, l.link, l.open = true, nil, nil
	if l.timer != nil {
		l.timer.Stop()
	}
}

// find returns the open command with an id, or nil.
func (l *lane) find(id string) *order {
	for _, o := range l.open {
		if o.c.ID == id {
			return o
		}
	}
	return nil
}

// busy reports whether something of an entity is in flight.
func (l *lane) busy(entity string) bool {
	return slices.ContainsFunc(l.open, func(o *order) bool { return o.c.Entity == entity && o.inFlight() })
}

// deliver writes a command to the connection. A connection that does not take it will be detached by its owner.
func (l *lane) deliver(o *order) {
	if l.link == nil {
		return
	}
	left := max(0, o.deadline.Sub(l.e.now()).Milliseconds())
	frames := []schema.Frame{&schema.DeviceCommand{ID: o.c.ID, Seq: o.c.Seq, Entity: o.c.Entity, Channel: o.c.Channel, Op: o.c.Op,
		Value: o.c.Value, RemainingMS: left, Actor: o.c.Actor}}
	if o.cancelBy != "" {
		frames = append(frames, &schema.Cancel{ID: o.c.ID})
	}
	for _, f := range frames {
		if err := l.link.send(f); err != nil {
			l.e.log.Debug("command is not written", "device", l.device, "err", err)
			l.link = nil
			return
		}
		o.delivered = true
	}
}

// step stores one transition, publishes it, and drops the command when it is over. On an error the ledger is asked what is true.
func (l *lane) step(o *order, r schema.CommandReport) error {
	ctx, cancel := context.WithTimeout(context.Background(), storeWithin)
	defer cancel()
	r.ID = o.c.ID
	c, err := l.e.store.StepCommand(ctx, l.e.now().UnixMilli(), r)
	if err != nil {
		l.e.log.Error("command is not stepped", "device", l.device, "command", o.c.ID, "err", err)
		// The step may have been stored although the answer did not come; or the device was removed with all its commands.
		ctx, cancel := context.WithTimeout(context.Background(), storeWithin)
		defer cancel()
		if now, ok, readErr := l.e.store.Command(ctx, o.c.ID); readErr == nil && (!ok || now.State != o.c.State) {
			l.update(o, now, ok)
		}
		return err
	}
	l.update(o, c, true)
	return nil
}

// update takes over what the ledger says of a command.
func (l *lane) update(o *order, c schema.Command, exists bool) {
	if exists {
		o.c = c
		l.e.publish(l.device, c)
	}
	if !exists || c.State.Final() {
		l.open = slices.DeleteFunc(l.open, func(x *order) bool { return x == o })
	}
}

// settle does whatever has to be done now, and sets the timer for what comes next. It is called after everything that happens.
func (l *lane) settle() {
	if l.gone {
		return
	}
	var failed bool
	for _, o := range slices.Clone(l.open) {
		if r := l.ending(o); r.State != "" && l.step(o, r) != nil {
			failed = true
		}
	}
	for _, o := range slices.Clone(l.open) {
		if l.link == nil || o.inFlight() || l.busy(o.c.Entity) {
			continue
		}
		if l.step(o, schema.CommandReport{State: schema.StateSent}) != nil {
			failed = true
			continue
		}
		l.deliver(o)
	}
	next := time.Duration(-1)
	for _, o := range l.open {
		if left := l.due(o).Sub(l.e.now()); next < 0 || left < next {
			next = max(left, 0)
		}
	}
	if failed {
		next = retryAfter
	}
	l.wakeIn(next)
}

// wakeIn sets the timer; less than 0 = nothing to wait for.
func (l *lane) wakeIn(d time.Duration) {
	if l.timer != nil {
		l.timer.Stop()
	}
	if d >= 0 && !l.gone {
		l.timer = time.AfterFunc(d, func() { _ = l.e.push(l, l.wake, true) }) // stopped: there is no later
	}
}

// due is when a command ends unless something happens.
func (l *lane) due(o *order) time.Time {
	switch {
	case !o.inFlight():
		return o.deadline
	case l.link == nil:
		return o.deadline.Add(absentGrace)
	case l.link.since.After(o.deadline):
		return l.link.since.Add(AnswerGrace)
	}
	return o.deadline.Add(AnswerGrace)
}

// ending returns what has become of a command without anything new being said: a report that was not stored yet, or the end it has
// reached by itself; an empty state when there is nothing.
func (l *lane) ending(o *order) schema.CommandReport {
	over := !l.e.now().Before(l.due(o))
	switch {
	case o.c.State.CanBecome(o.said.State):
		return o.said
	case !o.inFlight() && o.c.Op == schema.OpPulse && l.link == nil:
		return schema.CommandReport{State: schema.StateRejected, Code: string(schema.CodeOffline),
			Message: fmt.Sprintf("%s went offline before it could be sent", l.device)}
	case !o.inFlight() && over:
		return schema.CommandReport{State: schema.StateExpired, Code: "deadline", Message: "its time ran out before it could be sent"}
	case !o.inFlight() && l.replaced(o):
		return schema.CommandReport{State: schema.StateCanceled, Code: "replaced", Message: "a newer one took its place"}
	case o.inFlight() && over && (o.delivered || o.c.State == schema.StateRunning):
		return schema.CommandReport{State: schema.StateUnknown, Code: string(schema.CodeTimeout),
			Message: fmt.Sprintf("%s never said what became of it", l.device)}
	case o.inFlight() && over:
		return schema.CommandReport{State: schema.StateExpired, Code: "deadline", Message: "its time ran out before it could be sent"}
	}
	return schema.CommandReport{}
}

// replaced reports whether a newer set for the same channel is there.
func (l *lane) replaced(o *order) bool {
	return o.c.Op == schema.OpSet && slices.ContainsFunc(l.open, func(x *order) bool {
		return x.c.Seq > o.c.Seq && x.c.Op == schema.OpSet && x.c.Entity == o.c.Entity && x.c.Channel == o.c.Channel
	})
}
