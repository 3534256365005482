// Package command carries commands from people to devices and their results back, and keeps the ledger of it.
//
// It guarantees: a command is stored before anybody hears of it, and so is every transition; the states follow the table of
// [schema.CommandState.Next]; nothing is sent with time left after its deadline; one command is in flight per entity; a set that waits
// is replaced by a newer one for the same channel; a pulse never waits for its device; every command comes to an end, at the latest
// [AnswerGrace] after its deadline while its device is there. It refuses, in words, what the device cannot do.
//
// Each device has a lane: what concerns it happens there one after the other, on a goroutine that lives only while there is work.
// Start reading at [Engine.Ask], then lane.settle.
package command

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/telltale-iot/telltale/schema"
)

const (
	// AnswerGrace is how long after its deadline (or after its device came back) a command that was sent may stay without an answer
	// before the hub gives it its end.
	AnswerGrace = 30 * time.Second
	// absentGrace is how long after its deadline the answer of a device that is away may still come.
	absentGrace = schema.MaxTTL
	// maxWaiting bounds the calls that wait in one lane: twice what a device may have pending.
	maxWaiting = 2 * schema.MaxPending
	// storeWithin bounds one step of the store: as long as a card with a bad day needs.
	storeWithin = 10 * time.Second
	// retryAfter is when a step that could not be stored is tried again.
	retryAfter = time.Second
)

// Ledger writes commands durably.
type Ledger interface {
	CreateCommand(ctx context.Context, c schema.Command, body string) (stored schema.Command, existed bool, err error)
	StepCommand(ctx context.Context, atMS int64, r schema.CommandReport) (schema.Command, error)
}

// Book reads commands and devices.
type Book interface {
	Device(ctx context.Context, id string) (schema.Device, bool, error)
	Command(ctx context.Context, id string) (schema.Command, bool, error)
	CommandByKey(ctx context.Context, key string) (c schema.Command, body string, ok bool, err error)
	OpenCommands(ctx context.Context, device string) ([]schema.Command, error)
}

// Store is what the engine needs of the store.
type Store interface {
	Ledger
	Book
}

// Options of the engine.
type Options struct {
	// Store keeps the ledger.
	Store Store
	// Publish tells whoever watches about every transition, after it was stored; it must not block.
	Publish func(device string, c schema.Command)
	// Log receives what a person should know; nil = nothing is logged.
	Log *slog.Logger
	// Now is the hub's clock; nil = time.Now. Deadlines count on its monotonic part.
	Now func() time.Time
}

// Engine is the ledger's engine. Its methods are safe for concurrent use.
type Engine struct {
	store   Store
	publish func(device string, c schema.Command)
	log     *slog.Logger
	now     func() time.Time

	mu      sync.Mutex // guards what follows and every lane's queue
	lanes   map[string]*lane
	stopped bool
	work    sync.WaitGroup // lanes at work
}

// New makes an engine. It works from the start; commands of earlier processes are taken up by Run, or when their device attaches.
func New(o Options) *Engine {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Engine{store: o.Store, publish: o.Publish, log: o.Log, now: o.Now, lanes: map[string]*lane{}}
}

// Run takes up the commands of earlier processes, then waits for ctx. It returns when all work has ended; later calls of other
// methods are refused as unavailable.
func (e *Engine) Run(ctx context.Context) error {
	for !e.takeUp(ctx) {
		select {
		case <-time.After(retryAfter):
		case <-ctx.Done():
		}
		if ctx.Err() != nil {
			break
		}
	}
	<-ctx.Done()
	e.mu.Lock()
	e.stopped = true
	e.mu.Unlock()
	e.work.Wait()
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, l := range e.lanes {
		if l.timer != nil {
			l.timer.Stop()
		}
	}
	return nil
}

// takeUp wakes the lane of every device that has open commands; false = the store could not be asked.
func (e *Engine) takeUp(ctx context.Context) bool {
	open, err := e.store.OpenCommands(ctx, "")
	if err != nil {
		e.log.Error("open commands are not read", "err", err)
		return false
	}
	for _, c := range open {
		l := e.lane(c.Device)
		_ = e.push(l, l.wake, true) // stopped: nothing to take up
	}
	return true
}

// Attach gives the engine a device's connection and takes the place of an older one: commands that were sent and not answered are
// sent again with the time they have left, then those that wait.
//
// send must not block; after its first error it is not used any more. detach ends it: send is not running and will not be called when
// detach returns. send must not call detach.
func (e *Engine) Attach(device string, send func(schema.Frame) error) (detach func()) {
	l := e.lane(device)
	k := &link{send: send, since: e.now()}
	_ = e.push(l, func() { l.attach(k) }, true) // stopped: the connection will be closed soon
	return func() {
		if e.do(context.Background(), l, func() { l.detach(k) }, true) != nil {
			e.work.Wait() // stopped: what is under way ends, nothing begins
		}
	}
}

// Forget drops what is remembered of a device that was removed.
func (e *Engine) Forget(device string) {
	e.mu.Lock()
	l := e.lanes[device]
	delete(e.lanes, device)
	e.mu.Unlock()
	if l != nil {
		_ = e.push(l, l.forget, true)
	}
}

func (e *Engine) lane(device string) *lane {
	e.mu.Lock()
	defer e.mu.Unlock()
	l := e.lanes[device]
	if l == nil {
		l = &lane{e: e, device: device}
		e.lanes[device] = l
	}
	return l
}

// push queues f in a lane and starts the lane's goroutine if it rests. must = not bound by maxWaiting: the hub's own events.
func (e *Engine) push(l *lane, f func(), must bool) *schema.Problem {
	e.mu.Lock()
	defer e.mu.Unlock()
	switch {
	case e.stopped:
		return schema.Problemf(schema.CodeUnavailable, "the hub stops or starts; try again in a moment")
	case !must && len(l.queue) >= maxWaiting:
		return schema.Problemf(schema.CodeBusy, "too much is being asked of %s at once; try again in a moment", l.device)
	}
	l.queue = append(l.queue, f)
	if !l.running {
		l.running = true
		e.work.Go(l.drain)
	}
	return nil
}

// do runs f in a lane and waits for it. When ctx ends first f still runs; what it has written must not be read then.
func (e *Engine) do(ctx context.Context, l *lane, f func(), must bool) error {
	done := make(chan struct{})
	if p := e.push(l, func() { defer close(done); f() }, must); p != nil {
		return p
	}
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
