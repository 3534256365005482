package socket

import (
	"sync"
)

// workers write for all connections. More than the cores of a small machine would only take turns.
const workers = 4

// pump hands connections that have something to write to the workers, first come first served. A connection is in the queue at most once,
// so the queue is bounded by the connections.
type pump struct {
	mu     sync.Mutex
	cond   *sync.Cond
	queue  []*link
	extra  int // workers that took the place of stuck ones which are free again
	closed bool
	all    sync.WaitGroup
}

func newPump() *pump {
	p := &pump{}
	p.cond = sync.NewCond(&p.mu)
	return p
}

func (p *pump) start() {
	for range workers {
		p.all.Go(p.work)
	}
}

// stop returns when all workers have ended. Connections must have been cut, so that no write waits.
func (p *pump) stop() {
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	p.cond.Broadcast()
	p.all.Wait()
}

func (p *pump) add(l *link) {
	p.mu.Lock()
	p.queue = append(p.queue, l)
	p.mu.Unlock()
	p.cond.Signal()
}

func (p *pump) work() {
	var buf []byte
	for {
		p.mu.Lock()
		for len(p.queue) == 0 && !p.closed && p.extra == 0 {
			p.cond.Wait()
		}
		if p.extra > 0 || len(p.queue) == 0 {
			if p.extra > 0 {
				p.extra--
			}
			p.mu.Unlock()
			return
		}
		l := p.queue[0]
		p.queue[0] = nil
		p.queue = p.queue[1:]
		p.mu.Unlock()
		buf = l.flush(buf)
		if cap(buf) > keepBuffer {
			buf = nil
		}
	}
}

// keepBuffer is the largest buffer a worker keeps for its next message, in bytes.
const keepBuffer = 256 << 10

// stalled is called by a worker whose connection does not take its bytes: another worker starts in its place, until resume is called.
func (p *pump) stalled() (resume func()) {
	p.all.Go(p.work)
	return func() {
		p.mu.Lock()
		p.extra++
		p.mu.Unlock()
		p.cond.Signal()
	}
}
