package socket

import (
	"bufio"
	"errors"
	"net"
	"net/http"
	"os"
	"time"
)

const (
	// handshakeWithin bounds the answer of the handshake.
	handshakeWithin = 5 * time.Second
	// writeAtOnce is how long a worker waits for a receiver before another worker takes its place.
	writeAtOnce = time.Millisecond
	// writeWithin is how long a write may wait for the receiver altogether; then the connection is dead, not slow: browsers and
	// kernels accept bytes long after a page has stopped to handle them.
	writeWithin = 30 * time.Second
)

// patientConn tells the pump when a write has to wait, so that a stuck receiver holds no worker. All writes but the handshake's
// come from workers.
type patientConn struct {
	net.Conn
	s      *Server
	shaken bool // the handshake was answered
}

// Write tries at once, and if that is not enough has the worker replaced and waits.
func (c *patientConn) Write(p []byte) (int, error) {
	if !c.shaken {
		c.shaken = true
		return c.write(p, handshakeWithin)
	}
	n, err := c.write(p, writeAtOnce)
	if err == nil || !errors.Is(err, os.ErrDeadlineExceeded) {
		return n, err
	}
	c.s.stats.stalls.Add(1)
	resume := c.s.pump.stalled()
	defer resume()
	m, err := c.write(p[n:], writeWithin)
	return n + m, err
}

func (c *patientConn) write(p []byte, within time.Duration) (int, error) {
	if err := c.Conn.SetWriteDeadline(time.Now().Add(within)); err != nil {
		return 0, err
	}
	return c.Conn.Write(p)
}

// SetWriteDeadline does nothing: the deadlines of writes are set where the writing happens.
func (c *patientConn) SetWriteDeadline(time.Time) error { return nil }

// upgradeWriter puts the patient connection under the library, which takes the connection by hijacking.
type upgradeWriter struct {
	http.ResponseWriter
	s *Server
}

// Hijack takes the connection from the HTTP server.
func (w upgradeWriter) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, rw, err := http.NewResponseController(w.ResponseWriter).Hijack()
	if err != nil {
		return nil, nil, err
	}
	return &patientConn{Conn: conn, s: w.s}, rw, nil
}
