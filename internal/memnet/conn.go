package memnet

import (
	"io"
	"net"
	"os"
	"strconv"
	"sync"
	"syscall"
	"time"
)

func itoa(n int64) string { return strconv.FormatInt(n, 10) }

// Conn is one end of a connection. Safe for concurrent use; concurrent writes are not interleaved.
type Conn struct {
	in, out       *half
	local, remote Addr
}

// Pipe returns two connected ends, each direction holding up to buffer bytes ([DefaultBuffer] when 0 or less).
func Pipe(buffer int) (a, b *Conn) {
	if buffer <= 0 {
		buffer = DefaultBuffer
	}
	return pipe("a", "b", buffer)
}

func pipe(client, server Addr, buffer int) (c, s *Conn) {
	up, down := newHalf(buffer), newHalf(buffer)
	return &Conn{in: down, out: up, local: client, remote: server}, &Conn{in: up, out: down, local: server, remote: client}
}

// Read reads what is there and waits only while nothing is. Errors: io.EOF after the other end closed and everything was read,
// os.ErrDeadlineExceeded, net.ErrClosed after Close, syscall.ECONNRESET after a reset; all but io.EOF in a [net.OpError].
func (c *Conn) Read(p []byte) (int, error) {
	n, err := c.in.read(p)
	return n, c.wrap("read", err)
}

// Write returns when all of p is buffered or read; while the buffer is full it waits. Errors as in Read, and syscall.EPIPE when
// the other end has closed; n says how much had been taken.
func (c *Conn) Write(p []byte) (int, error) {
	n, err := c.out.write(p)
	return n, c.wrap("write", err)
}

// Close ends both directions. The other end still reads what was written, then io.EOF.
func (c *Conn) Close() error {
	c.out.closeWrite(net.ErrClosed)
	c.in.closeRead(net.ErrClosed, syscall.EPIPE)
	return nil
}

// CloseWrite ends only this end's sending: the other end reads to io.EOF and may still answer.
func (c *Conn) CloseWrite() error {
	c.out.closeWrite(net.ErrClosed)
	return nil
}

// Reset ends both directions and throws away what is under way, as a lost link or a killed process does: both ends get ECONNRESET.
func (c *Conn) Reset() {
	c.in.closeRead(syscall.ECONNRESET, syscall.ECONNRESET)
	c.out.closeRead(syscall.ECONNRESET, syscall.ECONNRESET)
}

// Buffered is how many bytes this end has written that the other has not read.
func (c *Conn) Buffered() int {
	c.out.mu.Lock()
	defer c.out.mu.Unlock()
	return len(c.out.data)
}

// LocalAddr is the name of this end.
func (c *Conn) LocalAddr() net.Addr { return c.local }

// RemoteAddr is the name of the other end.
func (c *Conn) RemoteAddr() net.Addr { return c.remote }

// SetDeadline sets both deadlines; the zero time means none. It also reaches a Read or Write that is waiting.
func (c *Conn) SetDeadline(t time.Time) error {
	c.in.setDeadline(&c.in.readBy, t)
	c.out.setDeadline(&c.out.writeBy, t)
	return nil
}

// SetReadDeadline is SetDeadline for Read alone.
func (c *Conn) SetReadDeadline(t time.Time) error {
	c.in.setDeadline(&c.in.readBy, t)
	return nil
}

// SetWriteDeadline is SetDeadline for Write alone.
func (c *Conn) SetWriteDeadline(t time.Time) error {
	c.out.setDeadline(&c.out.writeBy, t)
	return nil
}

func (c *Conn) wrap(op string, err error) error {
	if err == nil || err == io.EOF {
		return err
	}
	return &net.OpError{Op: op, Net: "mem", Source: c.local, Addr: c.remote, Err: err}
}

// half is one direction. Waiting is on channels, not on a sync.Cond, so that a deadline can end it and synctest sees it as durable.
type half struct {
	writing chan struct{} // one slot: whole writes do not interleave

	mu       sync.Mutex
	data     []byte
	bound    int
	readErr  error         // non-nil: reads fail at once (this end closed, or reset)
	writeErr error         // non-nil: writes fail at once
	ended    bool          // no more data will come; io.EOF once data is empty
	changed  chan struct{} // closed and replaced at every change
	readBy   time.Time
	writeBy  time.Time
}

func newHalf(bound int) *half {
	return &half{writing: make(chan struct{}, 1), bound: bound, changed: make(chan struct{})}
}

// wake tells everybody who waits to look again. Call with mu held.
func (h *half) wake() {
	close(h.changed)
	h.changed = make(chan struct{})
}

func (h *half) read(p []byte) (int, error) {
	for {
		h.mu.Lock()
		switch {
		case h.readErr != nil:
			defer h.mu.Unlock()
			return 0, h.readErr
		case expired(h.readBy):
			h.mu.Unlock()
			return 0, os.ErrDeadlineExceeded
		case len(h.data) > 0 || len(p) == 0:
			defer h.mu.Unlock()
			n := copy(p, h.data)
			h.data = append(h.data[:0], h.data[n:]...)
			h.wake()
			return n, nil
		case h.ended:
			h.mu.Unlock()
			return 0, io.EOF
		}
		changed, by := h.changed, h.readBy
		h.mu.Unlock()
		wait(changed, by)
	}
}

func (h *half) write(p []byte) (int, error) {
	n := 0
	for mine := false; ; {
		h.mu.Lock()
		switch {
		case h.writeErr != nil:
			defer h.mu.Unlock()
			h.release(mine)
			return n, h.writeErr
		case expired(h.writeBy):
			defer h.mu.Unlock()
			h.release(mine)
			return n, os.ErrDeadlineExceeded
		}
		if !mine {
			select {
			case h.writing <- struct{}{}:
				mine = true
			default:
			}
		}
		if room := h.bound - len(h.data); mine && room > 0 {
			take := min(room, len(p)-n)
			h.data = append(h.data, p[n:n+take]...)
			n += take
			h.wake()
		}
		if mine && n == len(p) {
			defer h.mu.Unlock()
			h.release(true)
			return n, nil
		}
		changed, by := h.changed, h.writeBy
		h.mu.Unlock()
		wait(changed, by)
	}
}

// release gives the writing slot back and lets the next writer look. Call with mu held.
func (h *half) release(mine bool) {
	if mine {
		<-h.writing
		h.wake()
	}
}

func (h *half) closeWrite(err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.writeErr == nil {
		h.writeErr = err
	}
	h.ended = true
	h.wake()
}

func (h *half) closeRead(readErr, writeErr error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.readErr == nil {
		h.readErr = readErr
	}
	if h.writeErr == nil {
		h.writeErr = writeErr
	}
	h.data, h.ended = nil, true
	h.wake()
}

func (h *half) setDeadline(which *time.Time, t time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	*which = t
	h.wake()
}

func expired(by time.Time) bool { return !by.IsZero() && !time.Now().Before(by) }

// wait returns when changed is closed or the deadline has come; the zero time means no deadline.
func wait(changed <-chan struct{}, by time.Time) {
	if by.IsZero() {
		<-changed
		return
	}
	timer := time.NewTimer(time.Until(by))
	defer timer.Stop()
	select {
	case <-changed:
	case <-timer.C:
	}
}
