package chip

import (
	"sync"
	"time"

	"periph.io/x/conn/v3/gpio"
)

// contactDelay is how long a relay's contact takes to follow its coil. Source: Songle SRD-05VDC data sheet, operate time at most 10 ms.
const contactDelay = 8 * time.Millisecond

// Drive tells the world what an actuator does now, 0 to 1.
type Drive = func(at time.Duration, drive float64)

// line is one wire of the GPIO chip with what hangs on it. It outlives every boot of the machine.
type line struct {
	name   string
	number int
	board  *Board

	mu     sync.Mutex
	source func(at time.Duration) bool       // what drives it from outside, when it is an input; nil floats to idle
	relay  *Relay                            // what it drives, when it is an output
	clock  func(high bool, at time.Duration) // instead: a chip that it clocks
	idle   gpio.Level                        // the level of the wire when nothing drives it
	output bool
	latch  gpio.Level
}

// level is the electrical state of the wire. Call with mu held.
func (l *line) level(at time.Duration) gpio.Level {
	switch {
	case l.output:
		return l.latch
	case l.source != nil:
		return gpio.Level(l.source(at))
	}
	return l.idle
}

// drive makes the wire an output of this level, or with output false lets it float.
func (l *line) drive(output bool, level gpio.Level) {
	l.mu.Lock()
	defer l.mu.Unlock()
	before := l.idle
	if l.output {
		before = l.latch
	}
	if !output {
		level = l.idle
	}
	l.output, l.latch = output, level
	if level == before {
		return
	}
	at := l.board.mono()
	if l.clock != nil { // signals to a chip are no moves of a load
		l.clock(bool(level), at)
		return
	}
	load := 0.0
	if l.relay != nil {
		load = l.relay.plan(level != l.idle)
	}
	electrical := 0.0
	if level {
		electrical = 1
	}
	l.board.record(l.name, at, electrical, load)
	if l.relay != nil {
		l.relay.apply(at, load)
	}
}

// Relay is a load on an output: a coil whose contact switches something in the world. A lying relay takes the output and does nothing.
type Relay struct {
	mu      sync.Mutex
	drive   Drive // may be nil
	lying   bool
	closed  bool
	before  bool // what the contact was until contactDelay after since
	since   time.Duration
	wanted  bool
	changed func() time.Duration
}

// Lie makes the relay ignore its output, or follow it again; then it catches up with what the output says.
func (r *Relay) Lie(on bool) {
	r.mu.Lock()
	r.lying = on
	wanted := r.wanted
	r.mu.Unlock()
	if !on {
		r.apply(r.changed(), r.plan(wanted))
	}
}

// plan says what the contact will do when the coil is driven so.
func (r *Relay) plan(on bool) float64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.wanted = on
	if !r.lying {
		return number(on)
	}
	return number(r.closed)
}

func (r *Relay) apply(at time.Duration, load float64) {
	r.mu.Lock()
	if on := load != 0; on != r.closed {
		r.before, r.since, r.closed = r.closed, at, on
	}
	r.mu.Unlock()
	if r.drive != nil {
		r.drive(at, load)
	}
}

// Closed reports the contact, which follows the coil a little later.
func (r *Relay) Closed(at time.Duration) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if at < r.since+contactDelay {
		return r.before
	}
	return r.closed
}

func number(on bool) float64 {
	if on {
		return 1
	}
	return 0
}

// Dimmer is a load on a pulse-width output. A lying dimmer takes the duty and keeps what it had.
type Dimmer struct {
	name  string
	board *Board
	drive Drive // may be nil

	mu     sync.Mutex
	duty   float64
	wanted float64
	lying  bool
}

// Lie makes the dimmer ignore its duty, or follow it again; then it catches up with what was wanted.
func (d *Dimmer) Lie(on bool) {
	d.mu.Lock()
	d.lying = on
	wanted := d.wanted
	d.mu.Unlock()
	if !on {
		d.set(wanted)
	}
}

func (d *Dimmer) set(duty float64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.wanted = duty; d.lying || duty == d.duty {
		return
	}
	at := d.board.mono()
	d.board.record(d.name, at, duty, duty)
	d.duty = duty
	if d.drive != nil {
		d.drive(at, duty)
	}
}

// Duty is what the output really does, 0 to 1.
func (d *Dimmer) Duty() float64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.duty
}
