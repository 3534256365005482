// Package memnet is a network inside one process: a [net.Listener] and connections that touch no kernel socket.
//
// Real servers and clients (net/http, WebSocket) run over it unchanged, and since nothing waits outside Go they run inside
// testing/synctest bubbles (make listener and connections inside the bubble), where an hour of heartbeats costs a millisecond. A connection behaves as a TCP connection on a fast
// machine does: writes are buffered up to a bound and then wait for the reader, deadlines are honoured, a half can be closed, what was
// written before a close can still be read, and a reset loses it.
//
// It does not model loss, delay or reordering: wrap the connections for that. Start with [Listen]; [Pipe] gives a bare pair.
package memnet

import (
	"context"
	"errors"
	"net"
	"sync"
	"sync/atomic"
)

const (
	// DefaultBuffer is what one direction of a connection holds before a writer waits: about what Linux gives a fresh TCP socket.
	DefaultBuffer = 64 << 10
	// backlog is how many dialled connections wait for Accept; further dials wait, as they do for a busy server.
	backlog = 128
)

// ErrRefused is what a dial to a closed listener gets.
var ErrRefused = errors.New("connection refused")

// Addr names one end of a connection.
type Addr string

// Network is always "mem".
func (Addr) Network() string { return "mem" }

// String is the name itself.
func (a Addr) String() string { return string(a) }

// Listener is a [net.Listener] that also dials itself: hand its Accept side to a server and its Dial side to clients.
type Listener struct {
	addr    Addr
	buffer  int
	pending chan *Conn
	done    chan struct{}
	close   sync.Once
	dialled atomic.Int64
}

// Listen opens a listener. addr is only a name ("hub:80"); buffer is the bound of each direction of each connection in bytes, and
// [DefaultBuffer] when it is 0 or less. Two listeners of one name are two networks.
func Listen(addr string, buffer int) *Listener {
	if buffer <= 0 {
		buffer = DefaultBuffer
	}
	return &Listener{addr: Addr(addr), buffer: buffer, pending: make(chan *Conn, backlog), done: make(chan struct{})}
}

// Accept waits for the next connection. Errors: [net.ErrClosed] after Close.
func (l *Listener) Accept() (net.Conn, error) {
	select {
	case <-l.done:
		return nil, &net.OpError{Op: "accept", Net: "mem", Addr: l.addr, Err: net.ErrClosed}
	default:
	}
	select {
	case c := <-l.pending:
		return c, nil
	case <-l.done:
		return nil, &net.OpError{Op: "accept", Net: "mem", Addr: l.addr, Err: net.ErrClosed}
	}
}

// Close refuses all further dials and resets the connections that nobody accepted. Connections already accepted live on.
func (l *Listener) Close() error {
	l.close.Do(func() {
		close(l.done)
		for {
			select {
			case c := <-l.pending:
				c.Reset()
			default:
				return
			}
		}
	})
	return nil
}

// Addr is the name given to Listen.
func (l *Listener) Addr() net.Addr { return l.addr }

// Dial connects to the listener. It has the shape that http.Transport.DialContext and websocket.Dialer.NetDialContext want and ignores
// network and address: whatever a client asks for, it reaches this listener.
//
// Errors: [ErrRefused] when the listener is closed, ctx.Err() when ctx ends while the backlog is full; both in a [net.OpError].
func (l *Listener) Dial(ctx context.Context, _, _ string) (net.Conn, error) {
	client, server := pipe(Addr("client-"+itoa(l.dialled.Add(1))), l.addr, l.buffer)
	refused := func(err error) error { return &net.OpError{Op: "dial", Net: "mem", Addr: l.addr, Err: err} }
	if err := ctx.Err(); err != nil {
		return nil, refused(err)
	}
	select {
	case <-l.done:
		return nil, refused(ErrRefused)
	default:
	}
	select {
	case l.pending <- server:
	case <-l.done:
		return nil, refused(ErrRefused)
	case <-ctx.Done():
		return nil, refused(ctx.Err())
	}
	select {
	case <-l.done: // closed in between: nobody may have emptied the backlog after us
		server.Reset()
	default:
	}
	return client, nil
}
