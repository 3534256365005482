package fault

import (
	"net"
	"os"
	"sync"
	"syscall"
	"time"
)

// conn is a connection over a Link.
type conn struct {
	net.Conn
	link   *Link
	left   budget
	closed signal
	deaf   signal
	broken signal // was reset

	mu       sync.Mutex
	deadline time.Time // of reads, for the time after the connection below is gone
	moved    chan struct{}
}

func newConn(below net.Conn, l *Link) *conn {
	return &conn{Conn: below, link: l, closed: newSignal(), deaf: newSignal(), broken: newSignal(), moved: make(chan struct{})}
}

// signal is something that happens at most once.
type signal struct {
	once *sync.Once
	ch   chan struct{}
}

func newSignal() signal { return signal{new(sync.Once), make(chan struct{})} }

func (s signal) fire() { s.once.Do(func() { close(s.ch) }) }

func (s signal) fired() bool {
	select {
	case <-s.ch:
		return true
	default:
		return false
	}
}

// cut breaks a connection when n more bytes were sent.
type cut struct{ n int64 }

// budget says how many bytes may still be sent under each cut that is in force. The zero value is without end.
type budget struct {
	mu   sync.Mutex
	sent int64
	ends map[*cut]int64 // sent at which each breaks the connection
}

// limit puts a cut in force from here on.
func (b *budget) limit(c *cut) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.ends == nil {
		b.ends = map[*cut]int64{}
	}
	b.ends[c] = b.sent + c.n
}

// lift takes a cut out of force.
func (b *budget) lift(c *cut) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.ends, c)
}

// take grants up to n bytes.
func (b *budget) take(n int) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, end := range b.ends {
		n = int(min(int64(n), end-b.sent))
	}
	b.sent += int64(n)
	return n
}

// errReset is what a program sees of a connection that was cut.
func errReset(op string) error {
	return &net.OpError{Op: op, Net: "tcp", Err: os.NewSyscallError(op, syscall.ECONNRESET)}
}

func (c *conn) deafen() { c.deaf.fire() }

// reset breaks the connection so that the other side hears of it at once, as far as the network below can.
func (c *conn) reset() {
	c.broken.fire()
	if t, ok := c.Conn.(*net.TCPConn); ok {
		_ = t.SetLinger(0) // only makes the reset quicker
	}
	_ = c.Conn.Close() // the reset is reported by Read and Write
}

// pause waits for the link's delay, or until the connection is closed.
func (c *conn) pause() {
	d := c.link.latency()
	if d <= 0 {
		return
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-c.closed.ch:
	case <-c.broken.ch:
	}
}

// Read implements net.Conn.
func (c *conn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	switch {
	case c.broken.fired():
		return 0, errReset("read")
	case c.closed.fired():
		return 0, net.ErrClosed
	case c.deaf.fired():
		return 0, c.silence() // whatever came, data or the end, never arrived
	}
	if n > 0 {
		c.pause()
	}
	return n, err
}

// silence waits as a read on a dead connection does: for the deadline, or for Close.
func (c *conn) silence() error {
	for {
		c.mu.Lock()
		deadline, moved := c.deadline, c.moved
		c.mu.Unlock()
		var expired <-chan time.Time
		if !deadline.IsZero() {
			t := time.NewTimer(time.Until(deadline))
			defer t.Stop() // few: deadlines move only with a read, and this is the last one
			expired = t.C
		}
		select {
		case <-expired:
			return &net.OpError{Op: "read", Net: "tcp", Err: os.ErrDeadlineExceeded}
		case <-c.closed.ch:
			return net.ErrClosed
		case <-c.broken.ch:
			return errReset("read")
		case <-moved:
		}
	}
}

// Write implements net.Conn.
func (c *conn) Write(p []byte) (int, error) {
	c.pause()
	switch {
	case c.broken.fired():
		return 0, errReset("write")
	case c.closed.fired():
		return 0, net.ErrClosed
	case c.deaf.fired():
		return len(p), nil // into the void
	}
	granted := c.left.take(len(p))
	n := 0
	if granted > 0 {
		var err error
		if n, err = c.Conn.Write(p[:granted]); err != nil {
			return n, err
		}
	}
	if granted < len(p) {
		c.reset()
		return n, errReset("write")
	}
	return n, nil
}

// SetReadDeadline implements net.Conn.
func (c *conn) SetReadDeadline(t time.Time) error {
	c.note(t)
	return c.Conn.SetReadDeadline(t)
}

// SetDeadline implements net.Conn.
func (c *conn) SetDeadline(t time.Time) error {
	c.note(t)
	return c.Conn.SetDeadline(t)
}

func (c *conn) note(t time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.deadline = t
	close(c.moved)
	c.moved = make(chan struct{})
}

// Close implements net.Conn. A deaf connection stays open for the other side until the link is healed.
func (c *conn) Close() error {
	if c.closed.fired() {
		return net.ErrClosed
	}
	c.closed.fire()
	l := c.link
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.conns, c)
	if c.deaf.fired() && l.holes > 0 && !c.broken.fired() {
		l.bury(maxGraves - 1)
		l.graves = append(l.graves, c.Conn)
		return c.Conn.SetDeadline(time.Unix(1, 0)) // lets go whoever reads
	}
	return c.Conn.Close()
}
