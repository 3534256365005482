package chip

import (
	"errors"
	"fmt"
	"math"
	"sync"
	"time"

	"github.com/telltale-iot/telltale/device-agent/device"
	"periph.io/x/conn/v3/gpio"
	"periph.io/x/conn/v3/physic"
	"periph.io/x/conn/v3/pin"
)

// pollEdge is how often a waiting input looks at its level: well above what a hand or a contact does.
const pollEdge = 10 * time.Millisecond

// Errors of a machine's outputs.
var (
	// ErrOff is returned by everything that was opened on a machine that has been switched off since.
	ErrOff = errors.New("chip: this machine was switched off")
	// ErrNoPWM is returned by Pin.PWM: pulse widths come from Machine.PWM, as from the kernel.
	ErrNoPWM = errors.New("chip: this pin has no pulse-width output")
)

// Pin is one GPIO line as a program on the Machine holds it. It is a gpio.PinIO.
type Pin struct {
	line    *line
	machine *Machine

	mu     sync.Mutex
	pull   gpio.Pull
	edge   gpio.Edge
	halted chan struct{} // closed by Halt, to wake whoever waits for an edge
}

var (
	_ gpio.PinIO         = (*Pin)(nil)
	_ pin.PinFunc        = (*Pin)(nil)
	_ device.EdgeWatcher = (*Pin)(nil)
)

// String implements conn.Resource.
func (p *Pin) String() string { return p.line.name }

// Name implements pin.Pin.
func (p *Pin) Name() string { return p.line.name }

// Number implements pin.Pin.
func (p *Pin) Number() int { return p.line.number }

// Function implements pin.Pin.
func (p *Pin) Function() string { return string(p.Func()) }

// Func implements pin.PinFunc.
func (p *Pin) Func() pin.Func {
	p.line.mu.Lock()
	defer p.line.mu.Unlock()
	switch {
	case !p.line.output:
		return gpio.IN
	case p.line.latch == gpio.High:
		return gpio.OUT_HIGH
	}
	return gpio.OUT_LOW
}

// SupportedFuncs implements pin.PinFunc.
func (p *Pin) SupportedFuncs() []pin.Func { return []pin.Func{gpio.IN, gpio.OUT} }

// SetFunc implements pin.PinFunc. A pin changes its function only with In and Out, which say the level or the pull too.
func (p *Pin) SetFunc(pin.Func) error { return errors.New("chip: use In or Out") }

// Halt implements conn.Resource: it wakes whoever waits for an edge; the level stays.
func (p *Pin) Halt() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.halted != nil {
		close(p.halted)
		p.halted = nil
	}
	return nil
}

// In implements gpio.PinIn.
func (p *Pin) In(pull gpio.Pull, edge gpio.Edge) error {
	p.mu.Lock()
	p.pull, p.edge = pull, edge
	p.mu.Unlock()
	return p.machine.touch(func() { p.line.drive(false, gpio.Low) })
}

// Read implements gpio.PinIn. On an output it gives the latch and changes nothing.
func (p *Pin) Read() gpio.Level {
	p.line.mu.Lock()
	defer p.line.mu.Unlock()
	if !p.line.output && p.line.source == nil && p.line.relay == nil {
		return p.Pull() == gpio.PullUp // an open input
	}
	return p.line.level(p.line.board.mono())
}

// WaitForEdge implements gpio.PinIn: a negative timeout waits for ever. Halt ends the wait.
func (p *Pin) WaitForEdge(timeout time.Duration) bool {
	p.mu.Lock()
	if p.halted == nil {
		p.halted = make(chan struct{})
	}
	halted, edge := p.halted, p.edge
	p.mu.Unlock()
	begin, last := time.Now(), p.Read()
	tick := time.NewTicker(pollEdge)
	defer tick.Stop()
	for timeout < 0 || time.Since(begin) < timeout {
		select {
		case <-halted:
			return false
		case <-p.machine.off:
			return false
		case <-tick.C:
		}
		now := p.Read()
		rose, fell := now && !last, last && !now
		if rose && edge&gpio.RisingEdge != 0 || fell && edge&gpio.FallingEdge != 0 {
			return true
		}
		last = now
	}
	return false
}

// WatchEdges implements device.EdgeWatcher: it looks every pollEdge, from a goroutine of its own that stop and the machine's end end.
func (p *Pin) WatchEdges(pull gpio.Pull, seen func(high bool, at time.Duration)) (stop func() error, err error) {
	if err := p.In(pull, gpio.BothEdges); err != nil {
		return nil, err
	}
	over, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		tick := time.NewTicker(pollEdge)
		defer tick.Stop()
		last := p.Read()
		for {
			select {
			case <-over:
				return
			case <-p.machine.off:
				return
			case <-tick.C:
			}
			if now := p.Read(); now != last {
				last = now
				seen(bool(now), p.line.board.mono())
			}
		}
	}()
	return sync.OnceValue(func() error {
		close(over)
		<-ended
		return nil
	}), nil
}

// Pull implements gpio.PinIn.
func (p *Pin) Pull() gpio.Pull {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.pull
}

// DefaultPull implements gpio.PinIn.
func (p *Pin) DefaultPull() gpio.Pull { return gpio.Float }

// Out implements gpio.PinOut. The first call drives the level at once, without a glitch.
func (p *Pin) Out(l gpio.Level) error {
	return p.machine.touch(func() { p.line.drive(true, l) })
}

// PWM implements gpio.PinOut.
func (p *Pin) PWM(gpio.Duty, physic.Frequency) error { return ErrNoPWM }

// pulse is a pulse-width output as a program on the Machine holds it.
type pulse struct {
	dimmer  *Dimmer
	machine *Machine
}

// Set implements device.PWM.
func (p *pulse) Set(duty float64) error {
	if math.IsNaN(duty) || duty < 0 || duty > 1 {
		return fmt.Errorf("%s: duty %v, want 0 to 1", p.dimmer.name, duty)
	}
	return p.machine.touch(func() { p.dimmer.set(duty) })
}

// Duty implements device.PWM.
func (p *pulse) Duty() (float64, error) { return p.dimmer.Duty(), p.machine.alive() }

// Close implements device.PWM.
func (p *pulse) Close() error { return nil }
