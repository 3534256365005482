//go:build linux

package load

import (
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/telltale-iot/telltale/bench/figure"
	"github.com/telltale-iot/telltale/schema"
)

// Pages are many dashboards. They take everything at once, answer pings and give credit as the real page does. Close them.
type Pages struct {
	loops []*loop
	mute  []*socket // connected, but nobody reads them
	stop  chan struct{}
	all   sync.WaitGroup
	close sync.Once
}

// PagesOptions of [OpenPages].
type PagesOptions struct {
	// Addr of the hub.
	Addr string
	// Count of dashboards.
	Count int
	// Room that dashboard i joins.
	Room func(i int) string
	// SeenEvery is after how many messages a dashboard gives credit; the real page does after 8, or 400 ms.
	SeenEvery int
	// Clock of the stamps.
	Clock Clock
	// Loops is how many threads serve them; 0 = 1.
	Loops int
}

// loop serves some of the dashboards on one thread.
type loop struct {
	epoll   int
	clock   Clock
	every   uint64
	sockets map[int32]*socket

	mu    sync.Mutex
	count Received
	err   error
}

// Received is what dashboards got.
type Received struct {
	// Messages of any kind.
	Messages uint64
	// Bytes in them.
	Bytes uint64
	// Stamps is how many stamped readings were in them.
	Stamps uint64
	// Closed connections.
	Closed int
	// Latency from the sending of a reading by its device to its arrival, one per stamp and dashboard.
	Latency figure.Latencies
}

// OpenPages connects the dashboards, one after the other, and begins to take what they are sent.
func OpenPages(o PagesOptions) (*Pages, error) {
	p := &Pages{stop: make(chan struct{})}
	for range max(o.Loops, 1) {
		epoll, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
		if err != nil {
			return nil, errors.Join(fmt.Errorf("make epoll: %w", err), p.Close())
		}
		p.loops = append(p.loops, &loop{epoll: epoll, clock: o.Clock, every: uint64(max(o.SeenEvery, 1)), sockets: map[int32]*socket{}})
	}
	for i := range o.Count {
		s, err := openPage(o.Addr, o.Room(i), 0)
		if err == nil {
			err = p.loops[i%len(p.loops)].add(s)
		}
		if err != nil {
			return nil, errors.Join(fmt.Errorf("dashboard %d: %w", i, err), p.Close())
		}
	}
	for _, l := range p.loops {
		p.all.Go(func() { l.run(p.stop) })
	}
	return p, nil
}

func openPage(addr, room string, receiveBuffer int) (*socket, error) {
	hello, err := schema.Encode(&schema.LiveHello{Client: "bench"})
	if err != nil {
		return nil, err
	}
	join, err := schema.Encode(&schema.Join{Room: room})
	if err != nil {
		return nil, err
	}
	return dialPage(addr, receiveBuffer, hello, join)
}

// Freeze adds a dashboard that reads nothing from now on. With credit it goes on telling the hub that it has handled everything,
// so that the hub fills its socket; without, it is a page whose script hangs.
func (p *Pages) Freeze(addr, room string, credit bool) error {
	const small = 4 << 10 // so that the kernel takes little for it
	s, err := openPage(addr, room, small)
	if err != nil {
		return fmt.Errorf("frozen dashboard: %w", err)
	}
	p.mute = append(p.mute, s)
	if credit {
		p.all.Go(func() { s.boast(p.stop) })
	}
	return nil
}

// boast claims to have handled everything, ten times a second.
func (s *socket) boast(stop <-chan struct{}) {
	every := time.NewTicker(100 * time.Millisecond)
	defer every.Stop()
	for {
		select {
		case <-stop:
			return
		case <-every.C:
			if s.send(opText, []byte(`{"t":"seen","n":1000000000}`)) != nil { // the hub has had enough of it
				return
			}
		}
	}
}

func (l *loop) add(s *socket) error {
	if err := unix.SetNonblock(s.fd, true); err != nil {
		return errors.Join(err, unix.Close(s.fd))
	}
	l.sockets[int32(s.fd)] = s
	return unix.EpollCtl(l.epoll, unix.EPOLL_CTL_ADD, s.fd, &unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(s.fd)})
}

// run serves the sockets until stop is closed. It looks at stop at least ten times a second.
func (l *loop) run(stop <-chan struct{}) {
	const waitMS = 100
	events := make([]unix.EpollEvent, 256)
	buf := make([]byte, 256<<10)
	for {
		select {
		case <-stop:
			return
		default:
		}
		n, err := unix.EpollWait(l.epoll, events, waitMS)
		if err != nil && !errors.Is(err, unix.EINTR) {
			l.mu.Lock()
			l.err = fmt.Errorf("epoll: %w", err)
			l.mu.Unlock()
			return
		}
		for _, e := range events[:max(n, 0)] {
			l.serve(l.sockets[e.Fd], buf)
		}
	}
}

// serve reads what a socket has.
func (l *loop) serve(s *socket, buf []byte) {
	had := copy(buf, s.rest)
	n, err := unix.Read(s.fd, buf[had:])
	if errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.EINTR) {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if err != nil || n <= 0 {
		l.lost(s)
		return
	}
	now := l.clock.Stamp()
	rest := frames(buf[:had+n], func(op byte, payload []byte) { l.take(s, op, payload, now) })
	s.rest = append(s.rest[:0], rest...)
	if s.handled-s.told >= l.every && !s.closed {
		s.told = s.handled
		var room [48]byte
		seen := append(strconv.AppendUint(append(room[:0], `{"t":"seen","n":`...), s.handled, 10), '}')
		if s.send(opText, seen) != nil {
			l.lost(s)
		}
	}
}

func (l *loop) take(s *socket, op byte, payload []byte, now int64) {
	switch op {
	case opPing:
		if s.send(opPong, payload) != nil {
			l.lost(s)
		}
	case opClose:
		l.lost(s)
	case opText:
		s.handled++
		l.count.Messages++
		l.count.Bytes += uint64(len(payload))
		stamps(payload, func(stamp int64) {
			l.count.Stamps++
			l.count.Latency.Note(time.Duration(now-stamp) * time.Microsecond)
		})
	}
}

// lost takes a connection that ended out of the loop.
func (l *loop) lost(s *socket) {
	if s.closed {
		return
	}
	s.closed = true
	l.count.Closed++
	_ = unix.EpollCtl(l.epoll, unix.EPOLL_CTL_DEL, s.fd, nil) // it is closed with the rest
}

// Take returns what came since the last call. Closed is counted from the begin.
func (p *Pages) Take() (Received, error) {
	var all Received
	var errs []error
	for _, l := range p.loops {
		l.mu.Lock()
		all.Messages += l.count.Messages
		all.Bytes += l.count.Bytes
		all.Stamps += l.count.Stamps
		all.Closed += l.count.Closed
		all.Latency = append(all.Latency, l.count.Latency...)
		errs = append(errs, l.err)
		l.count = Received{Closed: l.count.Closed}
		l.mu.Unlock()
	}
	return all, errors.Join(errs...)
}

// Close ends all connections. It returns when no loop runs any more.
func (p *Pages) Close() error {
	var errs []error
	p.close.Do(func() {
		close(p.stop)
		p.all.Wait()
		for _, l := range p.loops {
			for _, s := range l.sockets {
				errs = append(errs, unix.Close(s.fd))
			}
			errs = append(errs, unix.Close(l.epoll))
		}
		for _, s := range p.mute {
			errs = append(errs, unix.Close(s.fd))
		}
	})
	return errors.Join(errs...)
}
