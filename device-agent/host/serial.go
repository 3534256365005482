//go:build linux

package host

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/telltale-iot/telltale/device-agent/device"
	"golang.org/x/sys/unix"
)

// serialPort is a serial line in raw mode. It stands on Go's poller, so that a read can be given up.
type serialPort struct{ f *os.File }

// Serial implements device.SerialHost.
func (m *Machine) Serial(name string, baud int) (device.Serial, error) {
	if !strings.HasPrefix(name, "/") {
		name = "/dev/" + name
	}
	speed, ok := map[int]uint32{1200: unix.B1200, 2400: unix.B2400, 4800: unix.B4800, 9600: unix.B9600, 19200: unix.B19200, 38400: unix.B38400,
		57600: unix.B57600, 115200: unix.B115200}[baud]
	if !ok {
		return nil, fmt.Errorf("serial port %s: %d baud is not a usual rate", name, baud)
	}
	f, err := os.OpenFile(name, os.O_RDWR|unix.O_NOCTTY|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, fmt.Errorf("serial port: %w (is it plugged in, and is this user in the group dialout?)", err)
	}
	// Raw, 8 bits, no parity, one stop bit, no flow control. Source: termios(3), cfmakeraw.
	t := unix.Termios{Cflag: unix.CS8 | unix.CREAD | unix.CLOCAL | speed, Ispeed: speed, Ospeed: speed}
	t.Cc[unix.VMIN] = 1
	p := &serialPort{f}
	err = p.control(func(fd int) error { return unix.IoctlSetTermios(fd, unix.TCSETS, &t) })
	if err != nil {
		return nil, errors.Join(fmt.Errorf("%s is no serial port: %w", name, err), f.Close())
	}
	return p, nil
}

func (p *serialPort) control(do func(fd int) error) error {
	raw, err := p.f.SyscallConn()
	if err != nil {
		return err
	}
	var done error
	err = raw.Control(func(fd uintptr) { done = do(int(fd)) })
	return errors.Join(err, done)
}

// Write implements io.Writer.
func (p *serialPort) Write(b []byte) (int, error) { return p.f.Write(b) }

// ReadWithin implements device.Serial.
func (p *serialPort) ReadWithin(b []byte, d time.Duration) (int, error) {
	if err := p.f.SetReadDeadline(time.Now().Add(d)); err != nil {
		return 0, err
	}
	n, err := p.f.Read(b)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return n, nil
	}
	return n, err
}

// Flush implements device.Serial.
func (p *serialPort) Flush() error {
	return p.control(func(fd int) error { return unix.IoctlSetInt(fd, unix.TCFLSH, unix.TCIFLUSH) })
}

// Close implements io.Closer.
func (p *serialPort) Close() error { return p.f.Close() }
