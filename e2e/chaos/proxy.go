package chaos

import (
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
)

// Proxy is a TCP proxy on loopback that cuts connections: each one after a random number of bytes, and all of them on demand.
type Proxy struct {
	ln     net.Listener
	target string
	cuts   atomic.Int64

	mu    sync.Mutex
	rng   *rand.Rand
	open  map[net.Conn]struct{}
	calm  bool
	conns sync.WaitGroup
}

// mostBytes bounds how much a connection may carry before it is cut, in bytes, while the proxy is not calm.
const mostBytes = 32 << 10

// NewProxy listens on a free port of loopback and forwards to target. seed decides all cuts.
func NewProxy(target string, seed uint64) (*Proxy, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	return &Proxy{ln: ln, target: target, rng: rand.New(rand.NewPCG(seed, 1)), open: map[net.Conn]struct{}{}}, nil
}

// Addr is where to connect instead of the target.
func (p *Proxy) Addr() string { return p.ln.Addr().String() }

// Cuts is how many connections were cut so far.
func (p *Proxy) Cuts() int64 { return p.cuts.Load() }

// Run forwards until ctx ends and returns when every connection is closed.
func (p *Proxy) Run(ctx context.Context) error {
	stop := context.AfterFunc(ctx, func() {
		_ = p.ln.Close()
		p.CutAll()
	})
	defer stop()
	for {
		c, err := p.ln.Accept()
		if err != nil {
			p.CutAll()
			p.conns.Wait()
			if ctx.Err() != nil || errors.Is(err, net.ErrClosed) {
				return nil
			}
			return err
		}
		p.conns.Go(func() { p.forward(c) })
	}
}

// CutAll resets every connection that is open now, in the middle of whatever it was carrying.
func (p *Proxy) CutAll() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.open {
		reset(c)
	}
}

// Calm ends the random cuts: what is open is cut once more, what comes then stays.
func (p *Proxy) Calm() {
	p.mu.Lock()
	p.calm = true
	p.mu.Unlock()
	p.CutAll()
}

func (p *Proxy) forward(down net.Conn) {
	up, err := net.Dial("tcp", p.target)
	if err != nil { // the hub is dead just now
		reset(down)
		return
	}
	p.mu.Lock()
	p.open[down], p.open[up] = struct{}{}, struct{}{}
	budget := int64(1) << 62
	if !p.calm {
		budget = 1 + p.rng.Int64N(mostBytes)
	}
	p.mu.Unlock()
	left := &atomic.Int64{}
	left.Store(budget)
	var both sync.WaitGroup
	both.Go(func() { p.pipe(up, down, left) })
	both.Go(func() { p.pipe(down, up, left) })
	both.Wait()
	p.mu.Lock()
	delete(p.open, down)
	delete(p.open, up)
	p.mu.Unlock()
}

// pipe copies until either side ends or the budget that both directions share is used up; the last chunk is cut to the byte.
func (p *Proxy) pipe(dst, src net.Conn, left *atomic.Int64) {
	defer reset(dst)
	defer reset(src)
	buf := make([]byte, 16<<10)
	for {
		n, err := src.Read(buf)
		if rest := left.Add(-int64(n)); rest < 0 {
			p.cuts.Add(1)
			n = max(0, n+int(rest))
			err = io.EOF
		}
		if _, werr := dst.Write(buf[:n]); werr != nil || err != nil {
			return
		}
	}
}

// reset closes without a goodbye: the other side gets RST, unsent bytes are lost.
func reset(c net.Conn) {
	if tcp, ok := c.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = c.Close()
}
