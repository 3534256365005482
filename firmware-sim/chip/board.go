package chip

import (
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/telltale-iot/telltale/device-agent/device"
	"periph.io/x/conn/v3/gpio"
	"periph.io/x/conn/v3/i2c"
)

// Board is the hardware of one device: buses with chips, lines with loads, files. It stays as it is while the machine on it is switched
// off and on again; Boot gives the machine.
type Board struct {
	name   string
	mono   Mono
	ledger *Ledger
	files  *Files

	mu      sync.Mutex
	buses   map[string]*Bus
	lines   map[string]*line
	dimmers map[string]*Dimmer
	talkers map[string]Talker
	machine *Machine
}

// NewBoard returns a board without chips. ledger may be nil.
func NewBoard(name string, mono Mono, ledger *Ledger) *Board {
	return &Board{
		name: name, mono: mono, ledger: ledger, files: NewFiles(),
		buses: map[string]*Bus{}, lines: map[string]*line{}, dimmers: map[string]*Dimmer{}, talkers: map[string]Talker{},
	}
}

// Files is the machine's file system, to put things into.
func (b *Board) Files() *Files { return b.files }

// Bus returns the bus of this name ("1"), which there is from then on.
func (b *Board) Bus(name string) *Bus {
	name = busName(name)
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.buses[name] == nil {
		b.buses[name] = NewBus(name)
	}
	return b.buses[name]
}

// busName brings the spellings of a bus to one: a Raspberry Pi's first is number 1.
func busName(name string) string {
	name = strings.TrimPrefix(strings.TrimPrefix(name, "/dev/"), "i2c-")
	if name == "" {
		return "1"
	}
	return strings.TrimPrefix(strings.ToUpper(name), "I2C")
}

// line returns the line of this name, which there is from then on.
func (b *Board) line(name string) (*line, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if l := b.lines[name]; l != nil {
		return l, nil
	}
	digits := strings.TrimPrefix(strings.TrimPrefix(name, "gpiochip0/"), "GPIO")
	n, err := strconv.Atoi(digits)
	if err != nil || n < 0 || n > 53 {
		return nil, fmt.Errorf("board %s: no line %q; a Raspberry Pi has GPIO0 to GPIO53", b.name, name)
	}
	// GPIO17 and gpiochip0/17 are the same wire.
	for _, l := range b.lines {
		if l.number == n {
			b.lines[name] = l
			return l, nil
		}
	}
	l := &line{name: name, number: n, board: b}
	b.lines[name] = l
	return l, nil
}

// Relay hangs a relay on an output. activeLow: the coil is driven by a low level, and rests when the line floats. contact names the
// line on which the relay's second contact is read, high when closed; empty for none. drive, which may be nil, tells the world.
func (b *Board) Relay(pin string, activeLow bool, contact string, drive Drive) (*Relay, error) {
	l, err := b.line(pin)
	if err != nil {
		return nil, err
	}
	r := &Relay{drive: drive, changed: b.mono}
	l.mu.Lock()
	taken := l.relay != nil || l.source != nil
	l.relay, l.idle = r, gpio.Level(activeLow)
	l.mu.Unlock()
	if taken {
		return nil, fmt.Errorf("board %s: something hangs on %s already", b.name, pin)
	}
	if contact == "" {
		return r, nil
	}
	return r, b.Input(contact, r.Closed)
}

// Input lets something outside drive a line: a contact, a button. high tells its level.
func (b *Board) Input(pin string, high func(at time.Duration) bool) error {
	l, err := b.line(pin)
	if err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.relay != nil || l.source != nil {
		return fmt.Errorf("board %s: something hangs on %s already", b.name, pin)
	}
	l.source = high
	return nil
}

// ClockedChip is a chip that a program talks to bit by bit on two lines.
type ClockedChip interface {
	// Clock takes an edge of the line that the program drives.
	Clock(high bool, at time.Duration)
	// Data is the level of the line that the chip drives.
	Data(at time.Duration) bool
}

// Clocked hangs a chip on two lines.
func (b *Board) Clocked(clock, data string, c ClockedChip) error {
	l, err := b.line(clock)
	if err != nil {
		return err
	}
	l.mu.Lock()
	taken := l.relay != nil || l.source != nil || l.clock != nil
	l.clock = c.Clock
	l.mu.Unlock()
	if taken {
		return fmt.Errorf("board %s: something hangs on %s already", b.name, clock)
	}
	return b.Input(data, c.Data)
}

// Dimmer hangs a load on a pulse-width output, such as "pwmchip0/0".
func (b *Board) Dimmer(name string, drive Drive) (*Dimmer, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.dimmers[name] != nil {
		return nil, fmt.Errorf("board %s: something hangs on %s already", b.name, name)
	}
	d := &Dimmer{name: name, board: b, drive: drive}
	b.dimmers[name] = d
	return d, nil
}

func (b *Board) record(output string, at time.Duration, level, load float64) {
	b.ledger.add(Move{Device: b.name, Output: output, Level: level, Load: load, MonoUS: at.Microseconds()})
}

// Boot switches a machine on, and with it off the one before: that one's programs lose their hands on everything. Lines float and pulse
// widths are 0 until the new machine drives them.
func (b *Board) Boot() *Machine {
	b.Off()
	m := &Machine{board: b, off: make(chan struct{})}
	b.mu.Lock()
	b.machine = m
	b.mu.Unlock()
	return m
}

// Off switches the machine off as a power cut does.
func (b *Board) Off() {
	b.mu.Lock()
	m := b.machine
	b.machine = nil
	b.mu.Unlock()
	if m == nil {
		return
	}
	m.cut()
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, l := range b.lines {
		l.drive(false, gpio.Low)
	}
	for _, d := range b.dimmers {
		d.set(0)
	}
}

// Machine is a Board with the power on: the device.Host of an agent, from Boot to the next Boot or Off.
type Machine struct {
	board *Board
	off   chan struct{} // closed when the power goes
	gate  sync.RWMutex  // held for reading while a program touches an output, so that none moves after the cut
}

var _ device.Host = (*Machine)(nil)

func (m *Machine) cut() {
	m.gate.Lock()
	defer m.gate.Unlock()
	close(m.off)
}

// touch does something to an output, unless the power is gone.
func (m *Machine) touch(do func()) error {
	m.gate.RLock()
	defer m.gate.RUnlock()
	if err := m.alive(); err != nil {
		return err
	}
	do()
	return nil
}

func (m *Machine) alive() error {
	select {
	case <-m.off:
		return ErrOff
	default:
		return nil
	}
}

// I2C implements device.Host.
func (m *Machine) I2C(name string) (i2c.BusCloser, error) {
	m.board.mu.Lock()
	bus := m.board.buses[busName(name)]
	m.board.mu.Unlock()
	if bus == nil {
		return nil, fmt.Errorf("board %s: no I2C bus %q", m.board.name, name)
	}
	return &wire{Bus: bus, machine: m}, m.alive()
}

// I2CBuses implements device.BusLister.
func (m *Machine) I2CBuses() []string {
	m.board.mu.Lock()
	defer m.board.mu.Unlock()
	return slices.Sorted(maps.Keys(m.board.buses))
}

// wire is a bus as a program on the machine holds it.
type wire struct {
	*Bus
	machine *Machine
}

// Tx implements i2c.Bus.
func (w *wire) Tx(addr uint16, out, in []byte) error {
	if err := w.machine.alive(); err != nil {
		return err
	}
	return w.Bus.Tx(addr, out, in)
}

// Pin implements device.Host.
func (m *Machine) Pin(name string) (gpio.PinIO, error) {
	l, err := m.board.line(name)
	if err != nil {
		return nil, err
	}
	return &Pin{line: l, machine: m}, m.alive()
}

// PWM implements device.Host. The frequency does not matter to a modelled load.
func (m *Machine) PWM(name string, _ float64) (device.PWM, error) {
	m.board.mu.Lock()
	d := m.board.dimmers[name]
	m.board.mu.Unlock()
	if d == nil {
		return nil, fmt.Errorf("board %s: no pulse-width output %q", m.board.name, name)
	}
	return &pulse{dimmer: d, machine: m}, m.alive()
}

// FS implements device.Host.
func (m *Machine) FS() fs.FS { return m.board.files }
