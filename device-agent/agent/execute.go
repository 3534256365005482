package agent

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/telltale-iot/telltale/device-agent/device"
	"github.com/telltale-iot/telltale/device-agent/internal/journal"
	"github.com/telltale-iot/telltale/schema"
)

// closeEnough is how far a number read back may be from what was asked, in the channel's unit: registers have steps.
const closeEnough = 0.5

// execute runs one command: journal, pin, read back, journal, report, in this order. The crash points are where tests pull the plug. The
// output is not held while the journal writes: a disk that hangs must not keep the guard from it.
func (o *output) execute(ctx context.Context, t *task) {
	a := o.a
	e := t.entry()
	if a.clock.Mono() >= t.deadline {
		a.refuse(t, schema.StateExpired, codeExpired, "the deadline passed while the command waited for its turn")
		return
	}
	if wait := o.mustRest(t); wait > 0 {
		a.refuse(t, schema.StateRejected, codeMinCycle,
			fmt.Sprintf("%s must rest for another %s between two switchings", o.entity.Name, wait.Round(100*time.Millisecond)))
		return
	}
	if a.crash("before_started") {
		return
	}
	if err := a.journal.Start(e); err != nil {
		a.log.Error("a command could not be noted before it runs", "err", err)
		if t.cmd.Op == schema.OpPulse { // without the note a repeat after a crash would be a second pulse
			e.State, e.Code, e.Message = schema.StateFailed, codeJournal, "the device's disk does not take notes; a pulse is not run without"
			o.finish(t, e)
			return
		}
	}
	if a.crash("after_started") {
		return
	}
	if a.clock.Mono() >= t.deadline { // the disk took its time
		e.State, e.Code, e.Message = schema.StateExpired, codeExpired, "the deadline passed while the command was being noted"
		o.finish(t, e)
		return
	}
	a.progress(t, schema.StateRunning)
	if crashed := o.drive(ctx, t, &e); crashed || a.crash("before_result") {
		return
	}
	o.finish(t, e)
	a.crash("after_result")
}

// drive moves the output, reads it back and fills in the result.
func (o *output) drive(ctx context.Context, t *task, e *journal.Entry) (crashed bool) {
	defer o.hold()()
	err := o.apply(ctx, t.cmd.Channel, t.cmd.Value, o.limit(&t.cmd))
	if o.a.crash("after_pin") {
		return true
	}
	o.everMoved, o.switched = true, o.a.clock.Mono()
	o.unsettled = o.unsettled && err != nil
	o.noteDriven(t)
	o.settle(ctx, t, e, err)
	return false
}

// mustRest is how long min_cycle still forbids the command.
func (o *output) mustRest(t *task) time.Duration {
	defer o.hold()()
	if o.already(t) || o.asksSafe(t) {
		return 0
	}
	return o.minCycle()
}

// limit is how long the driver may take for the command.
func (o *output) limit(c *schema.DeviceCommand) time.Duration {
	if ms, ok := c.Value.Float(); ok && c.Op == schema.OpPulse {
		return applyWithin + time.Duration(ms)*time.Millisecond
	}
	return applyWithin + o.cfg.Pulse
}

// noteDriven remembers whether the output was ordered out of its safe state.
func (o *output) noteDriven(t *task) {
	if o.entity.Safety == nil || t.cmd.Op != schema.OpSet {
		return
	}
	main := o.entity.Channels[0].Name
	safe, ok := o.entity.Safety.SafeState[main]
	if !ok {
		return
	}
	if t.cmd.Channel == main {
		o.unsafe = t.cmd.Value != safe
	} else if level, isLevel := t.cmd.Value.Float(); isLevel {
		o.unsafe = (level > 0) != safe.IsTrue()
	}
}

// settle reads back until the state is what was asked or the time for it is over, and fills in the result.
func (o *output) settle(ctx context.Context, t *task, e *journal.Entry, err error) {
	e.Proof = t.channel.Proof
	if err != nil {
		e.State, e.Code, e.Message = schema.StateFailed, codeDriver, err.Error()
		if errors.Is(err, context.Canceled) {
			e.Code = codeStopping
		}
		o.report(ctx, true)
		return
	}
	if t.cmd.Op == schema.OpPulse {
		e.State = schema.StateDone
		o.report(ctx, true)
		return
	}
	until := o.a.clock.Mono() + o.cfg.ReadbackWithin
	for {
		got, readErr := o.read(ctx)
		i := find(got, t.cmd.Channel)
		switch {
		case readErr == nil && i >= 0 && matches(got[i].Value, t.cmd.Value):
			e.State, e.Reported = schema.StateDone, got[i].Value
		case o.a.clock.Mono() < until && sleep(ctx, readbackStep):
			continue
		case readErr != nil:
			e.State, e.Code, e.Message = schema.StateFailed, codeReadback, "it was driven, and then could not be read: "+readErr.Error()
		case i < 0 && t.channel.Proof == schema.ProofNone:
			e.State = schema.StateDone
		case i < 0:
			e.State, e.Code, e.Message = schema.StateFailed, codeReadback, "it was driven, and nothing was read back"
		default:
			e.State, e.Code, e.Reported = schema.StateFailed, codeReadback, got[i].Value
			e.Message = fmt.Sprintf("asked for %s, read back %s", words(t.cmd.Value), words(got[i].Value))
		}
		o.report(ctx, true)
		return
	}
}

// finish notes a final state and reports it.
func (o *output) finish(t *task, e journal.Entry) {
	if err := o.a.journal.Finish(e); err != nil {
		o.a.log.Error("a command's result could not be noted", "err", err)
	}
	o.a.answer(e, o.a.clock.Mono()-t.received)
	o.a.repace() // the new state travels with the result, not a batch later
}

// already reports whether the output is what is asked for: then nothing switches.
func (o *output) already(t *task) bool {
	i := find(o.last, t.cmd.Channel)
	return t.cmd.Op == schema.OpSet && i >= 0 && o.last[i].Value == t.cmd.Value
}

// asksSafe reports whether the command is for the safe state: that is never made to wait.
func (o *output) asksSafe(t *task) bool {
	if o.entity.Safety == nil || t.cmd.Op != schema.OpSet {
		return false
	}
	safe, ok := o.entity.Safety.SafeState[t.cmd.Channel]
	return ok && safe == t.cmd.Value
}

func find(all []device.Measurement, channel string) int {
	for i := range all {
		if all[i].Channel == channel {
			return i
		}
	}
	return -1
}

// matches compares what was read with what was asked for.
func matches(got, asked schema.Value) bool {
	if got.Type() != schema.TypeNumber || asked.Type() != schema.TypeNumber {
		return got == asked
	}
	g, _ := got.Float()
	w, _ := asked.Float()
	return math.Abs(g-w) <= closeEnough
}

// words says a value as people do.
func words(v schema.Value) string {
	switch {
	case v.IsNull():
		return "nothing"
	case v.IsTrue():
		return "on"
	case v.Type() == schema.TypeBool:
		return "off"
	case v.Type() == schema.TypeString:
		return v.Str()
	}
	return v.String()
}
