package agent

import (
	"fmt"
	"time"

	"github.com/telltale-iot/telltale/device-agent/internal/journal"
	"github.com/telltale-iot/telltale/device-agent/internal/uplink"
	"github.com/telltale-iot/telltale/schema"
)

// Codes of reasons beside schema's, for machines.
const (
	codeInterlock  = "interlock"   // a control loop of this device owns the output
	codeSuperseded = "superseded"  // a newer command for the same output came first
	codeMinCycle   = "min_cycle"   // the output must rest
	codeExpired    = "deadline"    // too late
	codeJournal    = "journal"     // the command could not be noted, and a pulse must not run without
	codeDriver     = "driver"      // the driver reported an error
	codeReadback   = "readback"    // another value was read back
	codeStopping   = "interrupted" // the agent stopped
)

// task is a command on its way through this device.
type task struct {
	cmd      schema.DeviceCommand
	channel  *schema.Channel
	received time.Duration // mono
	deadline time.Duration // mono
}

// handle takes a frame from the hub. It never waits: it runs on the link's reader.
func (a *Agent) handle(f schema.Frame) {
	switch f := f.(type) {
	case *schema.DeviceCommand:
		a.command(f)
	case *schema.Cancel:
		a.cancel(f.ID)
	}
}

// command checks a command and hands it to its output, or answers at once.
func (a *Agent) command(c *schema.DeviceCommand) {
	if e, ok := a.journal.Lookup(c.ID); ok {
		a.answer(e, 0) // known: never act twice
		return
	}
	now := a.clock.Mono()
	t := &task{cmd: *c, received: now, deadline: now + time.Duration(c.RemainingMS)*time.Millisecond}
	o, ok := a.outputs[c.Entity]
	if !ok {
		a.refuse(t, schema.StateRejected, string(schema.CodeUnknownTarget), fmt.Sprintf("this device has nothing called %q to command", c.Entity))
		return
	}
	if o.holds(c.ID) {
		a.progress(t, schema.StateReceived)
		return
	}
	if c.RemainingMS <= 0 {
		a.refuse(t, schema.StateExpired, codeExpired, "the deadline had passed when the command arrived")
		return
	}
	if code, message := o.objection(t); code != "" {
		a.refuse(t, schema.StateRejected, code, message)
		return
	}
	if newest := max(a.journal.Newest(c.Entity), o.newest()); c.Seq < newest {
		a.refuse(t, schema.StateCanceled, codeSuperseded, "a newer command for the same thing was here first")
		return
	}
	a.progress(t, schema.StateReceived)
	if old := o.put(t); old != nil {
		a.refuse(old, schema.StateCanceled, codeSuperseded, "a newer command for the same thing replaced it")
	}
}

// objection says why an output will not take a command; "" = it will.
func (o *output) objection(t *task) (code, message string) {
	c := &t.cmd
	for i := range o.entity.Channels {
		if o.entity.Channels[i].Name == c.Channel {
			t.channel = &o.entity.Channels[i]
		}
	}
	switch {
	case o.owner != "":
		return codeInterlock, fmt.Sprintf("%s is driven by %s; set its target instead", o.entity.Name, o.owner)
	case t.channel == nil:
		return string(schema.CodeUnknownTarget), fmt.Sprintf("%s has no %q", o.entity.Name, c.Channel)
	case c.Op == schema.OpSet && !t.channel.Settable, c.Op == schema.OpPulse && !t.channel.Pulse:
		return string(schema.CodeUnknownTarget), fmt.Sprintf("%s of %s takes no %s", c.Channel, o.entity.Name, c.Op)
	case c.Op == schema.OpPulse && c.Value.IsNull():
		return "", ""
	}
	if err := t.channel.Accepts(c.Value); err != nil {
		return string(schema.CodeOutOfRange), err.Error()
	}
	return "", ""
}

// put makes t the waiting command and returns the one it replaces.
func (o *output) put(t *task) (old *task) {
	o.mu.Lock()
	old, o.waiting = o.waiting, t
	o.mu.Unlock()
	select {
	case o.wake <- struct{}{}:
	default:
	}
	return old
}

// holds reports whether the command is waiting or running.
func (o *output) holds(id string) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.waiting != nil && o.waiting.cmd.ID == id || o.running != nil && o.running.cmd.ID == id
}

// newest is the highest sequence number waiting or running.
func (o *output) newest() uint64 {
	o.mu.Lock()
	defer o.mu.Unlock()
	var n uint64
	for _, t := range []*task{o.waiting, o.running} {
		if t != nil {
			n = max(n, t.cmd.Seq)
		}
	}
	return n
}

// cancel withdraws a command that has not started; otherwise the hub hears what is true.
func (a *Agent) cancel(id string) {
	for _, o := range a.outputs {
		o.mu.Lock()
		t := o.waiting
		if t != nil && t.cmd.ID == id {
			o.waiting = nil
			o.mu.Unlock()
			a.refuse(t, schema.StateCanceled, "canceled", "withdrawn before it started")
			return
		}
		o.mu.Unlock()
	}
	if e, ok := a.journal.Lookup(id); ok {
		a.answer(e, 0)
	}
}

// entry is the journal's form of a task.
func (t *task) entry() journal.Entry {
	c := &t.cmd
	return journal.Entry{ID: c.ID, Seq: c.Seq, Entity: c.Entity, Channel: c.Channel, Op: c.Op, Value: c.Value}
}

// refuse ends a command that never started.
func (a *Agent) refuse(t *task, state schema.CommandState, code, message string) {
	e := t.entry()
	e.State, e.Code, e.Message = state, code, message
	a.journal.Note(e)
	a.answer(e, a.clock.Mono()-t.received)
}

// progress reports a state on the way.
func (a *Agent) progress(t *task, state schema.CommandState) {
	a.link.Report(&schema.CommandReport{ID: t.cmd.ID, State: state, TookMS: (a.clock.Mono() - t.received).Milliseconds()})
}

// answer reports what the journal says.
func (a *Agent) answer(e journal.Entry, took time.Duration) {
	a.link.Report(&schema.CommandReport{ID: e.ID, State: e.State, Code: e.Code, Message: uplink.Clip(e.Message), Reported: e.Reported, Proof: e.Proof,
		TookMS: took.Milliseconds()})
}
