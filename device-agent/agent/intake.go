package agent

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/telltale-iot/telltale/device-agent/internal/uplink"
	"github.com/telltale-iot/telltale/schema"
)

// maxIntake bounds the frames that wait for the outbox: more than half a minute of a hanging disk at a full frame a second.
const maxIntake = 32

// intake is the way to the outbox. The outbox's disk may be slow or hang, and nobody who measures, guards or controls may wait for it: frames
// queue here and one goroutine hands them over. When the queue is full the oldest frame gives way, and a gap takes its place. Safe for
// concurrent use.
type intake struct {
	a    *Agent
	wake chan struct{}
	idle chan struct{} // something was handed over

	mu    sync.Mutex
	queue []pending
	busy  bool // a frame is being handed over
	lost  int  // frames that gave way and are not told yet
	from  int64
	to    int64 // Unix ms of the lost ones, 0 = not known
}

type pending struct {
	t0     int64 // Unix ms, 0 = not known
	frame  schema.Frame
	number func(seq uint64)
}

func newIntake(a *Agent) *intake {
	return &intake{a: a, wake: make(chan struct{}, 1), idle: make(chan struct{}, 1)}
}

// push takes a frame. It never waits.
func (in *intake) push(t0 int64, f schema.Frame, number func(seq uint64)) {
	in.mu.Lock()
	if len(in.queue) == maxIntake {
		old := in.queue[0].t0
		if in.lost == 0 {
			in.from = old
		}
		in.lost, in.to = in.lost+1, old
		in.queue = in.queue[1:]
	}
	in.queue = append(in.queue, pending{t0, f, number})
	in.mu.Unlock()
	poke(in.wake)
}

// event takes something worth keeping.
func (a *Agent) event(kind, entity, message string) {
	mono := a.clock.Mono()
	t0, _ := a.time.wallMS(mono)
	f := &schema.Event{T0MS: t0, MonoMS: mono.Milliseconds(), Type: kind, Entity: entity, Message: uplink.Clip(message)}
	a.intake.push(t0, f, func(seq uint64) { f.Seq = seq })
}

// run hands frames to the outbox and lets it look at the time, until ctx ends: the only goroutine that waits for the outbox's disk beside
// the link's.
func (in *intake) run(ctx context.Context) {
	tick := time.NewTicker(housekeeping)
	defer tick.Stop()
	for {
		for in.handOver() {
		}
		select {
		case <-ctx.Done():
			return
		case <-in.wake:
		case <-tick.C:
			in.a.box.Tick()
		}
	}
}

// handOver gives the outbox the next thing that waits; false = there is nothing.
func (in *intake) handOver() bool {
	in.mu.Lock()
	lost, from, to := in.lost, in.from, in.to
	var next pending
	if in.lost = 0; lost == 0 && len(in.queue) > 0 {
		next, in.queue = in.queue[0], in.queue[1:]
	}
	in.busy = lost > 0 || next.frame != nil
	busy := in.busy
	in.mu.Unlock()
	if !busy {
		return false
	}
	if lost > 0 {
		in.tellLost(lost, from, to)
	} else {
		in.a.append(next)
	}
	in.mu.Lock()
	in.busy = false
	in.mu.Unlock()
	poke(in.idle)
	return true
}

// tellLost makes a gap of frames that gave way.
func (in *intake) tellLost(lost int, from, to int64) {
	a := in.a
	if a.isDead() {
		return
	}
	a.log.Error("frames were lost while the outbox's disk did not answer", "count", lost)
	if err := a.box.Lose(uint64(lost), from, to); err != nil {
		a.log.Error("a gap was lost", "err", err)
		return
	}
	a.link.Wake()
}

// append gives a frame its number and its place in the outbox.
func (a *Agent) append(p pending) {
	if a.isDead() {
		return
	}
	_, err := a.box.Append(p.t0, func(epoch string, seq uint64) ([]byte, error) {
		p.number(seq)
		if a.o.Observer != nil { // before anybody can send it
			a.o.Observer.Generated(epoch, p.frame)
		}
		return schema.Encode(p.frame)
	})
	if err != nil {
		a.log.Error("a frame was lost", "kind", p.frame.Kind(), "err", err)
		return
	}
	a.link.Wake()
}

// drain waits until everything was handed over.
func (in *intake) drain(ctx context.Context) error {
	for {
		in.mu.Lock()
		left := len(in.queue) + in.lost
		if in.busy {
			left++
		}
		in.mu.Unlock()
		if left == 0 {
			return nil
		}
		select {
		case <-in.idle:
		case <-ctx.Done():
			return fmt.Errorf("%d frames wait for the disk", left)
		}
	}
}

// poke leaves a sign that something happened, if there is none yet.
func poke(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
