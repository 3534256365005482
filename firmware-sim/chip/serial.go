package chip

import (
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/telltale-iot/telltale/device-agent/device"
)

// Talker is what hangs on a serial line.
type Talker interface {
	// Hear takes what was written to it.
	Hear(b []byte)
	// Say returns what it has sent since it was asked last.
	Say() []byte
	// Set changes its condition.
	Set(Condition)
}

const (
	// kernelBytes is what a kernel keeps of a line that nobody reads.
	kernelBytes = 4096
	// lookEvery is how often a waiting reader looks again: about ten bytes at 9600 baud.
	lookEvery = 10 * time.Millisecond
)

// Serial hangs something on a serial line, such as "/dev/serial0".
func (b *Board) Serial(name string, t Talker) error {
	name = strings.TrimPrefix(name, "/dev/")
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.talkers[name] != nil {
		return fmt.Errorf("board %s: something hangs on %s already", b.name, name)
	}
	b.talkers[name] = t
	return nil
}

var _ device.SerialHost = (*Machine)(nil)

// Serial implements device.SerialHost. The rate does not matter to a modelled line.
func (m *Machine) Serial(name string, _ int) (device.Serial, error) {
	m.board.mu.Lock()
	t := m.board.talkers[strings.TrimPrefix(name, "/dev/")]
	m.board.mu.Unlock()
	if t == nil {
		return nil, fmt.Errorf("board %s: no serial line %q", m.board.name, name)
	}
	l := &serialLine{talker: t, machine: m}
	return l, l.Flush()
}

// serialLine is a line as a program on the machine holds it.
type serialLine struct {
	talker  Talker
	machine *Machine

	mu sync.Mutex
	in []byte
}

// Write implements io.Writer.
func (l *serialLine) Write(p []byte) (int, error) {
	return len(p), l.machine.touch(func() { l.talker.Hear(p) })
}

// ReadWithin implements device.Serial.
func (l *serialLine) ReadWithin(p []byte, d time.Duration) (int, error) {
	until := time.Now().Add(d)
	for {
		if err := l.machine.alive(); err != nil {
			return 0, err
		}
		if n := l.take(p); n > 0 || !time.Now().Before(until) {
			return n, nil
		}
		time.Sleep(min(lookEvery, time.Until(until)))
	}
}

func (l *serialLine) take(p []byte) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.in = append(l.in, l.talker.Say()...)
	l.in = l.in[:min(len(l.in), kernelBytes)]
	n := copy(p, l.in)
	l.in = l.in[n:]
	return n
}

// Flush implements device.Serial.
func (l *serialLine) Flush() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.talker.Say()
	l.in = nil
	return l.machine.alive()
}

// Close implements io.Closer.
func (l *serialLine) Close() error { return nil }
