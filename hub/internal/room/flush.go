package room

import (
	"context"
	"sync"
	"time"
)

const (
	// Tick is how often a busy room or subscriber is served; the rate of a screen that looks live.
	Tick = 100 * time.Millisecond
	// HiddenTick is Tick for a page that nobody sees.
	HiddenTick = time.Second
	// tolerance is how early the next change of a regular source may come and still be sent at once: a whole tick. With less, a 10 Hz source
	// whose rhythm is shifted once would find the gate closed for ever: its rate pays the debt off as fast as it makes it.
	// Held by TestAJoltDelaysASteadySourceOnlyOnce.
	tolerance = Tick
)

// gate lets one through per interval in the long run (generic cell rate algorithm). The zero gate is open.
type gate struct{ next time.Time }

func (g *gate) allow(now time.Time, every time.Duration) bool {
	if g.next.Sub(now) > tolerance {
		return false
	}
	g.spend(now, every)
	return true
}

func (g *gate) spend(now time.Time, every time.Duration) {
	if g.next.Before(now) {
		g.next = now
	}
	g.next = g.next.Add(every)
}

// flusher decides when what was published goes out: at once or with the next tick. One goroutine, [Rooms.Run], does the work.
type flusher struct {
	now  func() time.Time
	wake chan struct{} // one slot: something is in soon or a tick is needed

	mu        sync.Mutex
	dirty     []*room
	tickRooms []*room
	tickSubs  []*Subscriber
}

func (f *flusher) soon(r *room) {
	f.mu.Lock()
	f.dirty = append(f.dirty, r)
	f.mu.Unlock()
	f.signal()
}

func (f *flusher) atTick(r *room) {
	f.mu.Lock()
	f.tickRooms = append(f.tickRooms, r)
	first := len(f.tickRooms)+len(f.tickSubs) == 1
	f.mu.Unlock()
	if first {
		f.signal()
	}
}

func (f *flusher) subAtTick(s *Subscriber) {
	f.mu.Lock()
	f.tickSubs = append(f.tickSubs, s)
	first := len(f.tickRooms)+len(f.tickSubs) == 1
	f.mu.Unlock()
	if first {
		f.signal()
	}
}

func (f *flusher) signal() {
	select {
	case f.wake <- struct{}{}:
	default:
	}
}

// Run serves the subscribers until ctx ends. Exactly one Run per Rooms. It returns ctx's error.
func (rs *Rooms) Run(ctx context.Context) error {
	f := &rs.flush
	tick := time.NewTimer(time.Hour)
	tick.Stop()
	defer tick.Stop()
	ticking := false
	var rooms []*room
	var subs []*Subscriber
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-f.wake:
		case <-tick.C:
			ticking = false
			f.mu.Lock()
			rooms, f.tickRooms = f.tickRooms, rooms[:0]
			subs, f.tickSubs = f.tickSubs, subs[:0]
			f.mu.Unlock()
			for _, r := range rooms {
				rs.serve(r, true)
			}
			for _, s := range subs {
				s.tick(f.now())
			}
			clear(rooms)
			clear(subs)
		}
		rs.serveDirty()
		f.mu.Lock()
		waiting := len(f.tickRooms)+len(f.tickSubs) > 0
		f.mu.Unlock()
		if waiting && !ticking {
			ticking = true
			tick.Reset(untilTick(f.now()))
		}
	}
}

// untilTick aligns all ticks, so that rooms which share subscribers go out in one message.
func untilTick(now time.Time) time.Duration {
	return Tick - time.Duration(now.UnixNano())%Tick
}

func (rs *Rooms) serveDirty() {
	for {
		rs.flush.mu.Lock()
		dirty := rs.flush.dirty
		rs.flush.dirty = nil
		rs.flush.mu.Unlock()
		if len(dirty) == 0 {
			return
		}
		for _, r := range dirty {
			rs.serve(r, false)
		}
	}
}

// serve lets the subscribers of r have what there is. The lock is not held while they are poked.
func (rs *Rooms) serve(r *room, atTick bool) {
	now := rs.flush.now()
	r.mu.Lock()
	if r.waits == forNothing { // an urgent change had it served already
		r.mu.Unlock()
		return
	}
	if atTick {
		r.gate.spend(now, Tick)
	}
	urgent := r.urgent
	r.waits, r.urgent = forNothing, false
	r.advance()
	subs := make([]*Subscriber, 0, len(r.subs))
	for s := range r.subs {
		subs = append(subs, s)
	}
	r.mu.Unlock()
	for _, s := range subs {
		s.poke(now, urgent)
	}
}
