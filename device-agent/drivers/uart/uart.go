// Package uart is what drivers of sensors on a serial line share: a port that is opened when it is needed and again after a fault, and the search
// for a frame in what comes.
//
// It guarantees that a frame is only given when its check accepts it, wherever in the stream it begins, that it was received after it was asked for, and
// that nothing waits longer than it is told. It keeps no old bytes: each search starts with an empty line. Start reading at [Port.Frame].
package uart

import (
	"bytes"
	"context"
	"fmt"
	"time"

	"github.com/telltale-iot/telltale/device-agent/device"
)

// slice is how long one read waits, so that a cancelled context is seen.
const slice = 200 * time.Millisecond

// Port is a serial line, 8 bits, no parity, one stop bit.
type Port struct {
	host device.SerialHost
	name string
	baud int
	p    device.Serial // nil = to be opened
}

// New returns a port that is opened at its first use.
func New(host device.SerialHost, name string, baud int) *Port {
	return &Port{host: host, name: name, baud: baud}
}

// Frame sends ask, if any, and returns the first frame of size bytes that begins with head and that valid accepts.
//
// Errors: the port's, ctx's, and "nothing" or "no whole frame" when time is up; after each the port is opened anew.
func (p *Port) Frame(ctx context.Context, ask, head []byte, size int, within time.Duration, valid func(frame []byte) bool) (frame []byte, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("%s: %w", p.name, err)
			p.reset()
		}
	}()
	if p.p == nil {
		if p.p, err = p.host.Serial(p.name, p.baud); err != nil {
			return nil, err
		}
	}
	if err := p.p.Flush(); err != nil {
		return nil, err
	}
	if len(ask) > 0 {
		if _, err := p.p.Write(ask); err != nil {
			return nil, err
		}
	}
	until := time.Now().Add(within)
	var got []byte
	heard := 0
	buf := make([]byte, 256)
	for ctx.Err() == nil {
		left := time.Until(until)
		if left <= 0 {
			if heard == 0 {
				return nil, fmt.Errorf("nothing was heard for %s: is the sensor connected, its TX to this RX?", within)
			}
			return nil, fmt.Errorf("no whole frame in %d bytes: another sensor, or another rate than %d baud?", heard, p.baud)
		}
		n, err := p.p.ReadWithin(buf, min(left, slice))
		if err != nil {
			return nil, err
		}
		heard += n
		got = append(got, buf[:n]...)
		if frame, got = search(got, head, size, valid); frame != nil {
			return frame, nil
		}
	}
	return nil, ctx.Err()
}

// search drops what cannot be the beginning of a frame and returns a whole one.
func search(got, head []byte, size int, valid func([]byte) bool) (frame, rest []byte) {
	for {
		i := bytes.Index(got, head)
		if i < 0 { // the head may be cut off at the end
			return nil, got[max(len(got)-len(head)+1, 0):]
		}
		got = got[i:]
		if len(got) < size {
			return nil, got
		}
		if valid(got[:size]) {
			return got[:size], nil
		}
		got = got[1:]
	}
}

// reset gives the port back; the next use opens it anew.
func (p *Port) reset() {
	if p.p != nil {
		_ = p.p.Close() // it is broken already
		p.p = nil
	}
}

// Close gives the port back.
func (p *Port) Close() error {
	if p.p == nil {
		return nil
	}
	err := p.p.Close()
	p.p = nil
	return err
}
