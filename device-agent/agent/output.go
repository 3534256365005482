package agent

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/telltale-iot/telltale/device-agent/config"
	"github.com/telltale-iot/telltale/device-agent/device"
	"github.com/telltale-iot/telltale/schema"
)

const (
	// applyWithin bounds one call of an actuator's driver, beside the length of a pulse.
	applyWithin = 5 * time.Second
	// guardEvery is how often an output checks its lease, its longest time on and its state.
	guardEvery = 500 * time.Millisecond
	// readbackStep is how often a feedback contact is looked at while it is expected to follow.
	readbackStep = 10 * time.Millisecond
	// restAtLeast is how long a control loop leaves an output alone that was on for too long.
	restAtLeast = time.Minute
	// guardAgain is how often the guard repeats itself for an output that does not go where it is sent: a welded contact.
	guardAgain = 30 * time.Second
)

// output is one actuator and what keeps it safe. Two goroutines meet at its driver, one that obeys (run) and one that guards (watch): who
// holds own may call it. Nobody waits for a disk while holding own, so that neither a full nor a hanging one delays the guard.
type output struct {
	a      *Agent
	id     string
	cfg    config.Actuator
	act    device.Actuator
	entity schema.Entity
	owner  string      // the control loop that drives it; commands are refused
	stuck  atomic.Bool // a call of the driver has not come back
	back   chan driven

	mu      sync.Mutex
	waiting *task // next command
	running *task
	wake    chan struct{}

	own       chan struct{}        // full while somebody holds the driver and what follows; a channel, because holders wait for drivers
	last      []device.Measurement // as last reported
	reported  time.Duration        // mono of the last report
	switched  time.Duration        // mono of the last switching; see minCycle
	everMoved bool
	unsettled bool          // it could not be driven at the start
	unsafe    bool          // it was last driven away from its safe state, whatever a contact says
	onSince   time.Duration // mono since it is out of its safe state, by order or by contact; 0 = it is not
	restUntil time.Duration // mono until which a control loop may not switch it on again
	againAt   time.Duration // mono before which the guard does not repeat itself
	wanted    chan bool     // from a control loop: newest wins
	faulty    bool
}

// newOutput wraps an actuator. The output is not touched before boot.
func newOutput(a *Agent, act device.Actuator, c config.Actuator) *output {
	e := act.Describe()[0]
	for i := range e.Channels { // its state is told again and again, so that its age means something
		if ch := &e.Channels[i]; ch.IntervalMS == 0 && !ch.Pulse {
			ch.IntervalMS = a.o.Config.Heartbeat.Milliseconds()
		}
	}
	return &output{a: a, id: e.ID, cfg: c, act: act, entity: e, wake: make(chan struct{}, 1), back: make(chan driven, 1), wanted: make(chan bool, 1),
		own: make(chan struct{}, 1)}
}

// eachOutput does something with all outputs at once, so that one whose driver hangs holds up no other, and waits for all.
func (a *Agent) eachOutput(do func(o *output) error) error {
	var wg sync.WaitGroup
	results := make(chan error, len(a.outputs))
	for _, o := range a.outputs {
		wg.Go(func() {
			if err := do(o); err != nil {
				results <- fmt.Errorf("output %s: %w", o.id, err)
			}
		})
	}
	wg.Wait()
	close(results)
	var all []error
	for err := range results {
		all = append(all, err)
	}
	return errors.Join(all...)
}

// boot drives the output to its safe state, or to what it was when it is to be restored. What fails is tried again by the guard.
func (o *output) boot(ctx context.Context) error {
	defer o.hold()()
	restored, err := o.restore(ctx)
	if !restored {
		safeErr := o.safe(ctx)
		o.unsettled = safeErr != nil
		err = errors.Join(err, safeErr)
	}
	o.report(ctx, true)
	return err
}

// restore drives the output to what the last command asked for, where that is configured and known.
func (o *output) restore(ctx context.Context) (restored bool, err error) {
	if o.entity.Safety == nil || o.entity.Safety.OnBoot != "restore" {
		return false, nil
	}
	for _, ch := range o.entity.Channels {
		v, ok := o.a.journal.LastSet(o.id, ch.Name)
		if !ok || ch.Accepts(v) != nil {
			continue
		}
		if err := o.apply(ctx, ch.Name, v, applyWithin); err != nil {
			return false, err
		}
		if safe, named := o.entity.Safety.SafeState[ch.Name]; named {
			o.unsafe = v != safe
		}
		restored = true
	}
	return restored, nil
}

// stop drives the output to its safe state for the time after the agent.
func (o *output) stop() error {
	ctx, cancel := context.WithTimeout(context.Background(), stuckWithin)
	defer cancel()
	defer o.hold()()
	if err := o.safe(ctx); err != nil {
		return fmt.Errorf("could not be brought to its safe state: %w", err)
	}
	o.unsafe = false
	o.report(ctx, true)
	return nil
}

// run serves commands and control loops until ctx ends.
func (o *output) run(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-o.wake:
			for t := o.take(); t != nil && ctx.Err() == nil; t = o.take() {
				o.execute(ctx, t)
				o.done()
			}
		case on := <-o.wanted:
			o.follow(ctx, on)
		}
	}
}

// watch guards the output until ctx ends.
func (o *output) watch(ctx context.Context) {
	tick := time.NewTicker(guardEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			if said := o.guard(ctx); said != "" {
				o.a.event("safe_state", o.id, said)
			}
		}
	}
}

// hold waits for the driver and returns what gives it back.
func (o *output) hold() (release func()) {
	o.own <- struct{}{}
	return func() { <-o.own }
}

// take moves the waiting command to running.
func (o *output) take() *task {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.running, o.waiting = o.waiting, nil
	return o.running
}

func (o *output) done() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.running = nil
}

// want asks for a state on behalf of a control loop. Newest wins; it never blocks.
func (o *output) want(on bool) {
	for {
		select {
		case o.wanted <- on:
			return
		default:
		}
		select {
		case <-o.wanted:
		default:
		}
	}
}

// follow does what a control loop wants, as soon as min_cycle allows; the loop repeats its wish.
func (o *output) follow(ctx context.Context, on bool) {
	defer o.hold()()
	if m, ok := o.state(); ok && m.IsTrue() == on {
		return
	}
	safe := on == (o.cfg.SafeState == "on")
	if wait := o.minCycle(); wait > 0 && !safe {
		return
	}
	if !safe && o.a.clock.Mono() < o.restUntil {
		return
	}
	if err := o.apply(ctx, schema.ChannelState, schema.Bool(on), applyWithin); err != nil {
		o.trouble(err)
		return
	}
	o.unsafe, o.unsettled = !safe, false
	o.moved(ctx)
}

// minCycle returns how long the output must still rest before it may switch again.
func (o *output) minCycle() time.Duration {
	if !o.everMoved || o.cfg.MinCycle == 0 {
		return 0
	}
	return max(o.cfg.MinCycle-(o.a.clock.Mono()-o.switched), 0)
}

// moved notes a switching and reports the new state.
func (o *output) moved(ctx context.Context) {
	o.everMoved, o.switched = true, o.a.clock.Mono()
	o.report(ctx, true)
}

// state is the last reported value of the main channel.
func (o *output) state() (schema.Value, bool) {
	for _, m := range o.last {
		if m.Channel == o.entity.Channels[0].Name && !m.Value.IsNull() {
			return m.Value, true
		}
	}
	return schema.Value{}, false
}

// guard is what an output does without being told. It returns what people should hear of.
func (o *output) guard(ctx context.Context) (said string) {
	defer o.hold()()
	now := o.a.clock.Mono()
	switch {
	case now < o.againAt:
	case o.unsettled:
		said = o.makeSafe(ctx, "it could not be driven at the start")
	case o.onSince == 0:
	case o.cfg.MaxOn > 0 && now-o.onSince > o.cfg.MaxOn:
		o.restUntil = now + max(o.cfg.MinCycle, restAtLeast)
		said = o.makeSafe(ctx, fmt.Sprintf("on for longer than %s", o.cfg.MaxOn))
	case o.cfg.Lease > 0 && now-o.a.link.LastContact() > o.cfg.Lease:
		said = o.makeSafe(ctx, fmt.Sprintf("no contact to the hub for %s", o.cfg.Lease))
	}
	o.report(ctx, now-o.reported >= o.a.o.Config.Heartbeat)
	return said
}

// makeSafe drives the output to its safe state and returns what to say of it.
func (o *output) makeSafe(ctx context.Context, why string) string {
	o.againAt = o.a.clock.Mono() + guardAgain
	if err := o.safe(ctx); err != nil {
		o.trouble(err)
		return ""
	}
	o.unsafe, o.unsettled = false, false
	o.moved(ctx)
	text := " was sent to its safe state: "
	if o.onSince != 0 {
		text = " was sent to its safe state and did not go there: "
	}
	o.a.log.Warn("output sent to its safe state", "entity", o.id, "reason", why, "there", o.onSince == 0)
	return o.entity.Name + text + why
}

// trouble tells once that an output cannot be driven.
func (o *output) trouble(err error) {
	if !o.faulty {
		o.a.log.Error("output cannot be driven", "entity", o.id, "err", err)
	}
	o.faulty = true
}

// report reads the state and sends it when it has changed or always is set.
func (o *output) report(ctx context.Context, always bool) {
	got, err := o.read(ctx)
	if err != nil {
		if !o.faulty {
			o.a.log.Warn("output cannot be read", "entity", o.id, "err", err)
		}
		o.faulty = true
		got = nil
		for _, c := range o.entity.Channels {
			if !c.Pulse {
				got = append(got, device.Measurement{Channel: c.Name, Quality: schema.QualityFault})
			}
		}
	} else {
		o.faulty = false
	}
	now := o.a.clock.Mono()
	o.noteSafe(got, now)
	if len(got) == 0 || !always && same(got, o.last) {
		return
	}
	o.last, o.reported = got, now
	readings := make([]device.Reading, len(got))
	for i, m := range got {
		readings[i] = device.Reading{Entity: o.id, Measurement: m}
	}
	o.a.batch.add(now, readings)
}

// noteSafe keeps the time since which the output is out of its safe state.
func (o *output) noteSafe(got []device.Measurement, now time.Duration) {
	if o.entity.Safety == nil {
		return
	}
	for _, m := range got {
		safe, ok := o.entity.Safety.SafeState[m.Channel]
		if !ok || m.Value.IsNull() {
			continue
		}
		switch {
		case m.Value == safe && !o.unsafe:
			o.onSince = 0
		case o.onSince == 0:
			o.onSince = max(now, 1)
		}
		return
	}
}

func same(a, b []device.Measurement) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i] != b[i] {
			return false
		}
	}
	return true
}
