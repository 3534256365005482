// Package devicetest is a machine, a clock and pins for tests: hardware that does what the test says and writes down what was done to it.
//
// It guarantees nothing about physics; firmware-sim models that. All types are safe for concurrent use.
package devicetest

import (
	"fmt"
	"io/fs"
	"sync"
	"testing/fstest"
	"time"

	"github.com/telltale-iot/telltale/device-agent/device"
	"periph.io/x/conn/v3/gpio"
	"periph.io/x/conn/v3/i2c"
	"periph.io/x/conn/v3/physic"
)

// Host implements device.Host.
type Host struct {
	// Files is the machine's file system.
	Files fs.FS
	// Tx answers I2C transactions; nil = there is no bus.
	Tx func(addr uint16, w, r []byte) error

	mu   sync.Mutex
	pins map[string]*Pin
	pwms map[string]*PWM
}

// I2C implements device.Host.
func (h *Host) I2C(string) (i2c.BusCloser, error) {
	if h.Tx == nil {
		return nil, fmt.Errorf("this machine has no i2c bus")
	}
	return bus{h}, nil
}

// Pin implements device.Host: every name exists.
func (h *Host) Pin(name string) (gpio.PinIO, error) { return h.Line(name), nil }

// Line is the pin of that name, as the test sees it.
func (h *Host) Line(name string) *Pin {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.pins == nil {
		h.pins = map[string]*Pin{}
	}
	p, ok := h.pins[name]
	if !ok {
		p = &Pin{name: name}
		h.pins[name] = p
	}
	return p
}

// PWM implements device.Host: every name exists.
func (h *Host) PWM(name string, _ float64) (device.PWM, error) { return h.Output(name), nil }

// Output is the PWM output of that name, as the test sees it.
func (h *Host) Output(name string) *PWM {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.pwms == nil {
		h.pwms = map[string]*PWM{}
	}
	p, ok := h.pwms[name]
	if !ok {
		p = &PWM{}
		h.pwms[name] = p
	}
	return p
}

// FS implements device.Host.
func (h *Host) FS() fs.FS {
	if h.Files == nil {
		return fstest.MapFS{}
	}
	return h.Files
}

type bus struct{ h *Host }

func (b bus) String() string                    { return "testbus" }
func (b bus) Close() error                      { return nil }
func (b bus) SetSpeed(physic.Frequency) error   { return nil }
func (b bus) Tx(addr uint16, w, r []byte) error { return b.h.Tx(addr, w, r) }

// Pin is a GPIO line that keeps a ledger of what it was driven to.
type Pin struct {
	name string

	mu     sync.Mutex
	level  gpio.Level
	moves  []Move
	driven bool
	broken error
	hang   chan struct{}
	follow *Pin
	seen   func(high bool, at time.Duration)
}

// Move is one time the line changed its level.
type Move struct {
	Level gpio.Level
	At    time.Time
}

// Out implements gpio.PinOut.
func (p *Pin) Out(l gpio.Level) error {
	p.mu.Lock()
	hang, err := p.hang, p.broken
	if hang == nil && err == nil {
		if !p.driven || p.level != l {
			p.moves = append(p.moves, Move{Level: l, At: time.Now()})
		}
		p.driven, p.level = true, l
	}
	follow := p.follow
	p.mu.Unlock()
	if hang != nil {
		<-hang
		return nil
	}
	if err == nil && follow != nil {
		follow.Set(l)
	}
	return err
}

// String implements conn.Resource.
func (p *Pin) String() string { return p.name }

// Halt implements conn.Resource: the line keeps its level.
func (p *Pin) Halt() error { return nil }

// Name implements pin.Pin.
func (p *Pin) Name() string { return p.name }

// Number implements pin.Pin.
func (p *Pin) Number() int { return -1 }

// Function implements pin.Pin.
func (p *Pin) Function() string { return "" }

// WaitForEdge implements gpio.PinIn; there are no edges.
func (p *Pin) WaitForEdge(time.Duration) bool { return false }

// Pull implements gpio.PinIn.
func (p *Pin) Pull() gpio.Pull { return gpio.PullNoChange }

// DefaultPull implements gpio.PinIn.
func (p *Pin) DefaultPull() gpio.Pull { return gpio.PullNoChange }

// PWM implements gpio.PinOut; a line has none.
func (p *Pin) PWM(gpio.Duty, physic.Frequency) error {
	return fmt.Errorf("no pulse width on %s", p.name)
}

// In implements gpio.PinIn.
func (p *Pin) In(gpio.Pull, gpio.Edge) error { return nil }

// Read implements gpio.PinIn.
func (p *Pin) Read() gpio.Level {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.level
}

// Level reads the line, or fails while it is broken; see device.Level.
func (p *Pin) Level() (gpio.Level, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.level, p.broken
}

// Wire makes contact show this line's level from now on: a feedback contact. nil cuts the wire and leaves the contact as it is.
func (p *Pin) Wire(contact *Pin) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.follow = contact
}

// Set gives the line a level from outside.
func (p *Pin) Set(l gpio.Level) {
	p.mu.Lock()
	changed, seen := p.level != l, p.seen
	p.level = l
	p.mu.Unlock()
	if changed && seen != nil {
		seen(bool(l), time.Duration(time.Now().UnixNano()))
	}
}

// WatchEdges implements device.EdgeWatcher.
func (p *Pin) WatchEdges(_ gpio.Pull, seen func(high bool, at time.Duration)) (stop func() error, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.broken != nil {
		return nil, p.broken
	}
	p.seen = seen
	return func() error {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.seen = nil
		return nil
	}, nil
}

// Moves are the changes of level since the start, oldest first.
func (p *Pin) Moves() []Move {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]Move(nil), p.moves...)
}

// Break makes Out and Level fail with err; nil mends it.
func (p *Pin) Break(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.broken = err
}

// Hang makes Out wait until release is closed.
func (p *Pin) Hang(release chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.hang = release
}

// PWM implements device.PWM.
type PWM struct {
	mu   sync.Mutex
	duty float64
}

// Set implements device.PWM.
func (p *PWM) Set(duty float64) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.duty = duty
	return nil
}

// Duty implements device.PWM.
func (p *PWM) Duty() (float64, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.duty, nil
}

// Close implements device.PWM.
func (p *PWM) Close() error { return nil }
