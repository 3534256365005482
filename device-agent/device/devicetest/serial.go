package devicetest

import (
	"bytes"
	"errors"
	"sync"
	"time"

	"github.com/telltale-iot/telltale/device-agent/device"
)

// SerialHost is a Host with one serial line, whatever it is called.
type SerialHost struct {
	Host
	// Line is what hangs on the line; nil = there is no port.
	Line *Line
}

// Line is a serial line at which the test sits.
type Line struct {
	// Answer gets what was written and returns what comes back.
	Answer func(written []byte) []byte

	mu   sync.Mutex
	in   bytes.Buffer
	gone bool
	open int
}

// Serial implements device.SerialHost.
func (h *SerialHost) Serial(name string, _ int) (device.Serial, error) {
	if h.Line == nil {
		return nil, errors.New("no such port: " + name)
	}
	h.Line.mu.Lock()
	defer h.Line.mu.Unlock()
	if h.Line.gone {
		return nil, errors.New("no such device")
	}
	h.Line.open++
	return h.Line, nil
}

// Send lets bytes arrive.
func (l *Line) Send(b []byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.in.Write(b)
}

// Unplug takes the adapter away, or puts it back.
func (l *Line) Unplug(on bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.gone = on
}

// Opened returns how often the port was opened.
func (l *Line) Opened() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.open
}

// Write implements io.Writer.
func (l *Line) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.gone {
		return 0, errors.New("input/output error")
	}
	if l.Answer != nil {
		l.in.Write(l.Answer(b))
	}
	return len(b), nil
}

// ReadWithin implements device.Serial.
func (l *Line) ReadWithin(p []byte, d time.Duration) (int, error) {
	until := time.Now().Add(d)
	for {
		l.mu.Lock()
		n, _ := l.in.Read(p) // only io.EOF, which is nothing yet
		gone := l.gone
		l.mu.Unlock()
		switch {
		case gone:
			return 0, errors.New("input/output error")
		case n > 0 || !time.Now().Before(until):
			return n, nil
		}
		time.Sleep(time.Millisecond)
	}
}

// Flush implements device.Serial.
func (l *Line) Flush() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.in.Reset()
	return nil
}

// Close implements io.Closer.
func (l *Line) Close() error { return nil }
