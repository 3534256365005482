package command

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/telltale-iot/telltale/schema"
)

// bench is an engine with its ledger, in a bubble of fake time.
type bench struct {
	t      *testing.T
	e      *Engine
	ledger *ledger
	stop   func()

	mu        sync.Mutex
	published []schema.Command
}

// inBubble runs f with a running engine on ledger l.
func inBubble(t *testing.T, l *ledger, f func(t *testing.T, b *bench)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		b := &bench{t: t, ledger: l}
		b.e = New(Options{Store: l, Publish: func(_ string, c schema.Command) {
			b.mu.Lock()
			defer b.mu.Unlock()
			b.published = append(b.published, c)
		}})
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- b.e.Run(ctx) }()
		b.stop = sync.OnceFunc(func() {
			cancel()
			if err := <-ended; err != nil {
				t.Error(err)
			}
		})
		defer b.stop()
		synctest.Wait()
		f(t, b)
	})
}

// device is a connection that notes what it is sent.
type device struct {
	mu     sync.Mutex
	frames []schema.Frame
	err    error
	detach func()
}

func (b *bench) attach(name string) *device {
	d := &device{}
	d.detach = b.e.Attach(name, func(f schema.Frame) error {
		d.mu.Lock()
		defer d.mu.Unlock()
		if d.err != nil {
			return d.err
		}
		d.frames = append(d.frames, f)
		if c, ok := f.(*schema.DeviceCommand); ok {
			b.inTime(c)
		}
		return nil
	})
	synctest.Wait()
	return d
}

// inTime holds that nothing is sent with more time than is left.
func (b *bench) inTime(c *schema.DeviceCommand) {
	stored, _, _ := b.ledger.Command(context.Background(), c.ID)
	if left := stored.DeadlineMS - time.Now().UnixMilli(); c.RemainingMS > max(0, left) {
		b.t.Errorf("sent with %d ms, but %d ms are left", c.RemainingMS, left)
	}
}

// take returns what was sent since the last take.
func (d *device) take() []schema.Frame {
	synctest.Wait()
	d.mu.Lock()
	defer d.mu.Unlock()
	f := d.frames
	d.frames = nil
	return f
}

// command returns the one command that was sent since the last take.
func (d *device) command(t *testing.T) *schema.DeviceCommand {
	t.Helper()
	f := d.take()
	if len(f) != 1 {
		t.Fatalf("%d frames sent, want 1 command: %+v", len(f), f)
	}
	c, ok := f[0].(*schema.DeviceCommand)
	if !ok {
		t.Fatalf("sent %T", f[0])
	}
	return c
}

func lampOn(key string) schema.Ask {
	return schema.Ask{Key: "wish-key-" + key, Device: "pi", Entity: "lamp", Op: schema.OpSet, Value: schema.Bool(true)}
}

func ring(key string) schema.Ask {
	return schema.Ask{Key: "pulse-key-" + key, Device: "pi", Entity: "bell", Channel: "press", Op: schema.OpPulse}
}

func (b *bench) ask(a schema.Ask) schema.Command {
	b.t.Helper()
	c, err := b.e.Ask(b.t.Context(), "anna", a)
	if err != nil {
		b.t.Fatal(err)
	}
	return c
}

func (b *bench) refused(a schema.Ask, want schema.Code) schema.Command {
	b.t.Helper()
	c, err := b.e.Ask(b.t.Context(), "anna", a)
	var p *schema.Problem
	if !errors.As(err, &p) || p.Code != want || p.Key != a.Key {
		b.t.Fatalf("ask %+v: %v, want %s with the key", a, err, want)
	}
	return c
}

func (b *bench) report(id string, s schema.CommandState) {
	b.t.Helper()
	if err := b.e.Report(b.t.Context(), "pi", schema.CommandReport{ID: id, State: s}); err != nil {
		b.t.Fatal(err)
	}
}

func (b *bench) state(id string, want schema.CommandState) schema.Command {
	b.t.Helper()
	synctest.Wait()
	c, ok, err := b.ledger.Command(b.t.Context(), id)
	if err != nil || !ok {
		b.t.Fatal(ok, err)
	}
	if c.State != want {
		b.t.Fatalf("%s %s is %s (%s), want %s", c.Op, c.Key, c.State, c.Message, want)
	}
	return c
}

// passInBubble lets fake time pass.
func passInBubble(d time.Duration) { time.Sleep(d) }
