package chip

import (
	"fmt"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"periph.io/x/conn/v3/i2c"
	"periph.io/x/conn/v3/physic"
)

// Mono tells how long the modelled machine has been running. It never goes back.
type Mono func() time.Duration

// Signal is what a chip measures, as a function of the time.
type Signal = func(at time.Duration) float64

// Errors as the Linux I2C driver reports them, so that a driver under test sees what it would see on a Pi.
var (
	// ErrNak is what a missing chip looks like: nobody acknowledged the address.
	ErrNak = fmt.Errorf("sysfs-i2c: %w", syscall.EREMOTEIO)
	// ErrBusStuck is what a bus looks like on which a chip holds the data line low.
	ErrBusStuck = fmt.Errorf("sysfs-i2c: %w", syscall.ETIMEDOUT)
)

// Device is a chip on a bus. Tx takes the bytes written, fills the bytes read, and reports ErrNak where the chip would not acknowledge.
type Device interface {
	Tx(w, r []byte) error
}

// Bus is a modelled I2C bus with chips at addresses. It is an i2c.BusCloser; Close does nothing, the wires stay.
type Bus struct {
	name    string
	mu      sync.Mutex
	devices map[uint16]Device
	stuck   atomic.Bool
}

var _ i2c.BusCloser = (*Bus)(nil)

// NewBus returns an empty bus.
func NewBus(name string) *Bus { return &Bus{name: name, devices: map[uint16]Device{}} }

// Attach puts a chip at a 7 bit address. Errors: the address is reserved or taken.
func (b *Bus) Attach(addr uint16, d Device) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if addr < 0x08 || addr > 0x77 {
		return fmt.Errorf("bus %s: address %#x is not one a chip can have (0x08 to 0x77)", b.name, addr)
	}
	if b.devices[addr] != nil {
		return fmt.Errorf("bus %s: there is a chip at address %#x already", b.name, addr)
	}
	b.devices[addr] = d
	return nil
}

// Stick holds the data line low, or lets it go: while it is held no chip on the bus can be reached.
func (b *Bus) Stick(on bool) { b.stuck.Store(on) }

// Tx implements i2c.Bus: one transaction at a time, as on a wire.
func (b *Bus) Tx(addr uint16, w, r []byte) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.stuck.Load() {
		return ErrBusStuck
	}
	d := b.devices[addr]
	if d == nil {
		return ErrNak
	}
	return d.Tx(w, r)
}

// SetSpeed implements i2c.Bus; the model has no electrical limits.
func (b *Bus) SetSpeed(physic.Frequency) error { return nil }

// String implements i2c.Bus.
func (b *Bus) String() string { return b.name }

// Close implements i2c.BusCloser.
func (b *Bus) Close() error { return nil }

// Condition is what is wrong with a chip.
type Condition int32

// Conditions.
const (
	Healthy Condition = iota
	Dead              // does not acknowledge
	Stuck             // measures what it measured last, for ever
	Absurd            // measures nonsense far out of range
)

// Health is the condition of one chip, to be changed while it is in use. The zero value is healthy.
type Health struct{ now atomic.Int32 }

// Set changes the condition.
func (h *Health) Set(c Condition) { h.now.Store(int32(c)) }

// Get returns the condition.
func (h *Health) Get() Condition { return Condition(h.now.Load()) }

// Watch wraps what a chip measures, so that it stands still while the chip is stuck.
func (h *Health) Watch(s Signal) Signal {
	var mu sync.Mutex
	var last float64
	known := false
	return func(at time.Duration) float64 {
		mu.Lock()
		defer mu.Unlock()
		if !known || h.Get() != Stuck {
			last, known = s(at), true
		}
		return last
	}
}
