//go:build linux

package host

import (
	"errors"
	"fmt"
	"sync"
	"syscall"
	"time"

	"github.com/warthog618/go-gpiocdev"
	"periph.io/x/conn/v3/gpio"
	"periph.io/x/conn/v3/physic"
)

// consumer is the name under which lines are held, as gpioinfo shows it.
const consumer = "telltale"

// pin is one GPIO line as periph's gpio.PinIO. The line is requested at the first use, as what it is used for.
type pin struct {
	name   string
	chip   string
	offset int

	mu     sync.Mutex
	line   *gpiocdev.Line
	output bool
	pull   gpio.Pull
}

// String implements conn.Resource.
func (p *pin) String() string { return p.name }

// Name implements pin.Pin.
func (p *pin) Name() string { return p.name }

// Number implements pin.Pin.
func (p *pin) Number() int { return p.offset }

// Function implements pin.Pin.
func (p *pin) Function() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.line == nil:
		return ""
	case p.output:
		return "Out"
	}
	return "In"
}

// Halt implements conn.Resource: the line is given back and keeps its level.
func (p *pin) Halt() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.line == nil {
		return nil
	}
	err := p.line.Close()
	p.line = nil
	return err
}

// In implements gpio.PinIn. Contacts are sampled; for edges there is WatchEdges.
func (p *pin) In(pull gpio.Pull, edge gpio.Edge) error {
	if edge != gpio.NoEdge {
		return fmt.Errorf("pin %s: edges are watched with WatchEdges", p.name)
	}
	return p.input(pull)
}

// WatchEdges implements device.EdgeWatcher with the kernel's events, whose times are its own.
func (p *pin) WatchEdges(pull gpio.Pull, seen func(high bool, at time.Duration)) (stop func() error, err error) {
	err = p.input(pull, gpiocdev.WithBothEdges, gpiocdev.WithEventHandler(func(e gpiocdev.LineEvent) {
		seen(e.Type == gpiocdev.LineEventRisingEdge, e.Timestamp)
	}))
	return p.Halt, err
}

// input takes the line as an input.
func (p *pin) input(pull gpio.Pull, more ...gpiocdev.LineReqOption) error {
	opts := append([]gpiocdev.LineReqOption{gpiocdev.AsInput, gpiocdev.WithConsumer(consumer)}, more...)
	switch pull {
	case gpio.PullUp:
		opts = append(opts, gpiocdev.WithPullUp)
	case gpio.PullDown:
		opts = append(opts, gpiocdev.WithPullDown)
	case gpio.Float:
		opts = append(opts, gpiocdev.WithBiasDisabled)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.line != nil {
		if err := p.line.Close(); err != nil {
			return fmt.Errorf("pin %s: %w", p.name, err)
		}
		p.line = nil
	}
	line, err := gpiocdev.RequestLine(p.chip, p.offset, opts...)
	if err != nil {
		return fmt.Errorf("pin %s as input: %w", p.name, err)
	}
	p.line, p.output, p.pull = line, false, pull
	return nil
}

// Read implements gpio.PinIn. Reading an output does not change it. An unreadable line is low; Level says so.
func (p *pin) Read() gpio.Level {
	l, err := p.Level()
	return err == nil && l
}

// Level reads the line; see device.Level. Errors: the line was not taken yet, or its chip is gone (a USB adapter that was unplugged).
func (p *pin) Level() (gpio.Level, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.line == nil {
		return gpio.Low, fmt.Errorf("pin %s was not taken yet", p.name)
	}
	v, err := p.line.Value()
	if err != nil {
		return gpio.Low, fmt.Errorf("pin %s: %w", p.name, err)
	}
	return v == 1, nil
}

// WaitForEdge implements gpio.PinIn; edges are not watched.
func (p *pin) WaitForEdge(time.Duration) bool { return false }

// Pull implements gpio.PinIn.
func (p *pin) Pull() gpio.Pull {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.pull
}

// DefaultPull implements gpio.PinIn.
func (p *pin) DefaultPull() gpio.Pull { return gpio.PullNoChange }

// Out implements gpio.PinOut. The first call takes the line with the level already set: it never shows the other one.
func (p *pin) Out(l gpio.Level) error {
	v := 0
	if l {
		v = 1
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.line != nil && p.output {
		if err := p.line.SetValue(v); err != nil {
			if errors.Is(err, syscall.ENODEV) { // the chip is gone: take the line anew when it is back
				err = errors.Join(err, p.line.Close())
				p.line = nil
			}
			return fmt.Errorf("pin %s: %w", p.name, err)
		}
		return nil
	}
	if p.line != nil {
		if err := p.line.Reconfigure(gpiocdev.AsOutput(v)); err != nil {
			return fmt.Errorf("pin %s as output: %w", p.name, err)
		}
		p.output = true
		return nil
	}
	line, err := gpiocdev.RequestLine(p.chip, p.offset, gpiocdev.AsOutput(v), gpiocdev.WithConsumer(consumer))
	if err != nil {
		return fmt.Errorf("pin %s as output: %w", p.name, err)
	}
	p.line, p.output = line, true
	return nil
}

// PWM implements gpio.PinOut; use the machine's PWM outputs.
func (p *pin) PWM(gpio.Duty, physic.Frequency) error {
	return errors.New("pulse width is not made on GPIO lines; use a pwmchip output")
}
