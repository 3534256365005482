package command

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"

	"github.com/telltale-iot/telltale/schema"
)

// ledger is a Store in memory that follows the same rules as the real one: keys, seq per device, the table of transitions. The real
// one is proven in its own package; parts of the hub do not import each other.
type ledger struct {
	mu       sync.Mutex
	devices  map[string]schema.Device
	commands []schema.Command
	bodies   map[string]string
	broken   bool // the disk is full
	full     bool // its queue is
	late     bool // steps are stored after their time
	steps    []schema.Command
}

// fullError is the error of a store whose queue is full.
type fullError struct{}

func (fullError) Error() string   { return "full" }
func (fullError) Temporary() bool { return true }

var errBroken = errors.New("disk is full")

func newLedger() *ledger {
	step := schema.Descriptor{Entities: []schema.Entity{
		{ID: "lamp", Kind: schema.KindLight, Name: "Lamp", Channels: []schema.Channel{
			{Name: "state", Type: schema.TypeBool, Settable: true},
			{Name: "brightness", Type: schema.TypeNumber, Settable: true, Min: new(0.0), Max: new(100.0)}}},
		{ID: "bell", Kind: schema.KindButton, Name: "Bell", Channels: []schema.Channel{{Name: "press", Type: schema.TypeBool, Pulse: true}}},
		{ID: "mode", Kind: schema.KindSelect, Name: "Mode", Channels: []schema.Channel{{Name: "state", Type: schema.TypeString, Settable: true, Options: []string{"a", "b"}}}},
		{ID: "t", Kind: schema.KindSensor, Name: "T", Channels: []schema.Channel{{Name: "state", Type: schema.TypeNumber}}},
	}}
	return &ledger{devices: map[string]schema.Device{"pi": {ID: "pi", Descriptor: &step}, "pi-2": {ID: "pi-2", Descriptor: &step}, "new": {ID: "new"}},
		bodies: map[string]string{}}
}

func (l *ledger) Device(_ context.Context, id string) (schema.Device, bool, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	d, ok := l.devices[id]
	return d, ok, nil
}

func (l *ledger) Command(ctx context.Context, id string) (schema.Command, bool, error) {
	if err := ctx.Err(); err != nil {
		return schema.Command{}, false, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	i := slices.IndexFunc(l.commands, func(c schema.Command) bool { return c.ID == id })
	if i < 0 {
		return schema.Command{}, false, nil
	}
	return l.commands[i], true, nil
}

func (l *ledger) CommandByKey(_ context.Context, key string) (schema.Command, string, bool, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	i := slices.IndexFunc(l.commands, func(c schema.Command) bool { return c.Key == key })
	if i < 0 {
		return schema.Command{}, "", false, nil
	}
	return l.commands[i], l.bodies[key], true, nil
}

func (l *ledger) OpenCommands(_ context.Context, device string) ([]schema.Command, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.broken {
		return nil, errBroken
	}
	var open []schema.Command
	for _, c := range l.commands {
		if !c.State.Final() && (device == "" || c.Device == device) {
			open = append(open, c)
		}
	}
	return open, nil
}

func (l *ledger) CreateCommand(_ context.Context, c schema.Command, body string) (schema.Command, bool, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.broken {
		return schema.Command{}, false, errBroken
	}
	if l.full {
		return schema.Command{}, false, fmt.Errorf("create: %w", fullError{})
	}
	for i := 1; i < len(c.Log); i++ {
		if !c.Log[i-1].State.CanBecome(c.Log[i].State) {
			return schema.Command{}, false, errors.New("transition is not allowed")
		}
	}
	c.Seq = 1
	for _, x := range l.commands {
		if x.Device == c.Device {
			c.Seq = x.Seq + 1
		}
	}
	l.commands = append(l.commands, c)
	l.bodies[c.Key] = body
	l.steps = append(l.steps, c)
	return c, false, nil
}

func (l *ledger) StepCommand(ctx context.Context, atMS int64, r schema.CommandReport) (schema.Command, error) {
	if l.late {
		defer func() { <-ctx.Done() }()
		_, _ = l.step(atMS, r)
		return schema.Command{}, context.DeadlineExceeded
	}
	return l.step(atMS, r)
}

func (l *ledger) step(atMS int64, r schema.CommandReport) (schema.Command, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.broken {
		return schema.Command{}, errBroken
	}
	for i := range l.commands {
		c := &l.commands[i]
		if c.ID != r.ID {
			continue
		}
		if !c.State.CanBecome(r.State) {
			return schema.Command{}, errors.New("transition is not allowed")
		}
		c.State, c.Code, c.Message, c.Reported, c.Proof = r.State, r.Code, r.Message, r.Reported, r.Proof
		c.Log = append(slices.Clone(c.Log), schema.CommandStep{State: r.State, AtMS: atMS, Message: r.Message})
		l.steps = append(l.steps, *c)
		return *c, nil
	}
	return schema.Command{}, errors.New("unknown command")
}

func (l *ledger) breakDisk(broken bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.broken = broken
}

// any returns one of the commands, or none.
func (l *ledger) any(rng *rand.Rand) schema.Command {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.commands) == 0 {
		return schema.Command{}
	}
	return l.commands[rng.IntN(len(l.commands))]
}
