package fault

import (
	"context"
	"net"
	"os"
	"sync"
	"syscall"
	"time"
)

// Dial opens a connection, as net.Dialer.DialContext does.
type Dial func(ctx context.Context, network, addr string) (net.Conn, error)

// Link is one device's way to the network, to be broken while it is in use. Safe for concurrent use. Faults of one kind count: the
// link is whole again when each has been healed.
type Link struct {
	dial Dial

	mu     sync.Mutex
	drops  int
	holes  int
	delay  time.Duration
	cuts   map[*cut]bool
	change chan struct{}
	conns  map[*conn]bool
	graves []net.Conn // closed by the device while deaf: the other side must not hear of it before heal
}

// maxGraves bounds the connections that are kept open for the other side only; the oldest goes first.
const maxGraves = 8

// NewLink returns a whole link over dial.
func NewLink(dial Dial) *Link {
	return &Link{dial: dial, cuts: map[*cut]bool{}, change: make(chan struct{}), conns: map[*conn]bool{}}
}

// changed wakes those who wait for a better link. Call with mu held.
func (l *Link) changed() {
	close(l.change)
	l.change = make(chan struct{})
}

// Drop breaks all connections and refuses new ones until heal.
func (l *Link) Drop() (heal func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.drops++
	for c := range l.conns {
		c.reset()
	}
	l.changed()
	return l.healer(func() { l.drops-- })
}

// HalfOpen makes bytes vanish both ways until heal. Connections that were open stay deaf for ever, as those to a machine that was
// unplugged; new ones hang until heal.
func (l *Link) HalfOpen() (heal func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.holes++
	for c := range l.conns {
		c.deafen()
	}
	l.changed()
	return l.healer(func() {
		l.holes--
		l.bury(0)
	})
}

// Delay makes each read and each write take longer by d until heal.
func (l *Link) Delay(d time.Duration) (heal func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.delay += d
	return l.healer(func() { l.delay -= d })
}

// Cut breaks each connection when the device has sent n more bytes on it, until heal. Of several cuts each counts for itself.
func (l *Link) Cut(n int64) (heal func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	mine := &cut{n}
	l.cuts[mine] = true
	for c := range l.conns {
		c.left.limit(mine)
	}
	return l.healer(func() {
		delete(l.cuts, mine)
		for c := range l.conns {
			c.left.lift(mine)
		}
	})
}

func (l *Link) healer(undo func()) func() {
	var once sync.Once
	return func() {
		once.Do(func() {
			l.mu.Lock()
			defer l.mu.Unlock()
			undo()
			l.changed()
		})
	}
}

// Dial opens a connection over the link as it is. Errors: ECONNREFUSED while dropped, the context's while it hangs, those of the
// dialer below.
func (l *Link) Dial(ctx context.Context, network, addr string) (net.Conn, error) {
	for {
		l.mu.Lock()
		drops, holes, change := l.drops, l.holes, l.change
		l.mu.Unlock()
		if drops > 0 {
			return nil, &net.OpError{Op: "dial", Net: network, Err: os.NewSyscallError("connect", syscall.ENETUNREACH)}
		}
		if holes == 0 {
			break
		}
		select {
		case <-ctx.Done():
			return nil, &net.OpError{Op: "dial", Net: network, Err: ctx.Err()}
		case <-change:
		}
	}
	below, err := l.dial(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	c := newConn(below, l)
	l.mu.Lock()
	defer l.mu.Unlock()
	for each := range l.cuts {
		c.left.limit(each)
	}
	l.conns[c] = true
	if l.drops > 0 {
		c.reset()
	}
	if l.holes > 0 {
		c.deafen()
	}
	return c, nil
}

func (l *Link) latency() time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.delay
}

// bury closes the oldest graves until at most n are left. Call with mu held.
func (l *Link) bury(n int) {
	for len(l.graves) > n {
		_ = l.graves[0].Close() // nobody is left to be told
		l.graves = l.graves[1:]
	}
}
