package fleet

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"path/filepath"
	"sync"
	"time"

	"github.com/telltale-iot/telltale/device-agent/agent"
	"github.com/telltale-iot/telltale/firmware-sim/chip"
	"github.com/telltale-iot/telltale/firmware-sim/fault"
	"github.com/telltale-iot/telltale/firmware-sim/scenario"
	"github.com/telltale-iot/telltale/firmware-sim/world"
)

// MaxCopies bounds how many devices one process plays: at 150 KB each, this is the memory of a small machine.
const MaxCopies = 20000

// startEvery spaces the starts of copies, so that a hub sees a crowd arrive and not a wall.
const startEvery = 10 * time.Millisecond

// dialWithin bounds the wait for a connection.
const dialWithin = 10 * time.Second

// Options of a Fleet.
type Options struct {
	Scenario *scenario.Scenario
	Copies   int       // 0 plays the scenario as it is; n plays n copies of its first device, each with a world of its own
	Hub      string    // the hub's address; "" means the agent's default
	Code     string    // pairing code; "" lets the agents ask a hub on this machine
	Dir      string    // state folder
	Seed     uint64    // of the worlds
	Start    time.Time // time of day in the worlds at the start; zero means now
	Speed    float64   // seconds of the world per second; 0 means 1
	Software string    // the program's name and version
	Faults   []fault.Spec
	Dial     fault.Dial                         // nil is the network
	Ledger   *chip.Ledger                       // nil for none
	Observe  func(device string) agent.Observer // nil for none
	Log      *slog.Logger
}

// Fleet is a scenario being played.
type Fleet struct {
	opts     Options
	nodes    []*node
	byID     map[string]*node
	worlds   []*world.World
	injector *fault.Injector
}

// New builds worlds and boards; nothing runs before Run. Errors: a fault for what is not there, pins or addresses that collide.
func New(o Options) (*Fleet, error) {
	if o.Dial == nil {
		d := &net.Dialer{Timeout: dialWithin}
		o.Dial = d.DialContext
	}
	if o.Start.IsZero() {
		o.Start = time.Now()
	}
	if o.Copies < 0 || o.Copies > MaxCopies {
		return nil, fmt.Errorf("%d devices, must be 0 (as the scenario says) to %d", o.Copies, MaxCopies)
	}
	f := &Fleet{opts: o, byID: map[string]*node{}}
	f.injector = fault.NewInjector(f, o.Log)
	begin := time.Now()
	mono := func() time.Duration { return time.Since(begin) }
	if err := f.populate(mono); err != nil {
		return nil, err
	}
	specs, err := fault.ParseAll(o.Scenario.Faults)
	if err != nil {
		return nil, err
	}
	f.opts.Faults = append(specs, o.Faults...)
	for _, s := range f.opts.Faults {
		if err := f.Check(s); err != nil {
			return nil, err
		}
	}
	return f, nil
}

// populate makes the nodes: those of the scenario in one world, or copies of its first in one each.
func (f *Fleet) populate(mono chip.Mono) error {
	o := &f.opts
	if o.Copies == 0 {
		w, err := world.New(o.Scenario.World, world.Options{Seed: o.Seed, Start: o.Start, Speed: o.Speed})
		if err != nil {
			return err
		}
		f.worlds = append(f.worlds, w)
		for _, d := range o.Scenario.Devices {
			if err := f.add(copyOf(d), w, mono); err != nil {
				return err
			}
		}
		return nil
	}
	for i := range o.Copies {
		w, err := world.New(o.Scenario.World, world.Options{Seed: o.Seed + uint64(i), Start: o.Start, Speed: o.Speed})
		if err != nil {
			return err
		}
		f.worlds = append(f.worlds, w)
		d := copyOf(o.Scenario.Devices[0])
		d.Agent.Device = fmt.Sprintf("%s-%04d", d.Agent.Device, i+1)
		d.Agent.Name = fmt.Sprintf("%s %d", d.Agent.Name, i+1)
		if err := f.add(d, w, mono); err != nil {
			return err
		}
	}
	return nil
}

func (f *Fleet) add(d scenario.Device, w *world.World, mono chip.Mono) error {
	if f.opts.Hub != "" {
		d.Agent.Hub = f.opts.Hub
	}
	if err := d.Agent.Validate(); err != nil {
		return err
	}
	h, err := build(&d, w, mono, f.opts.Ledger)
	if err != nil {
		return err
	}
	n := &node{
		hardware: h, device: d, opts: &f.opts, dir: filepath.Join(f.opts.Dir, "devices", d.Agent.Device),
		link: fault.NewLink(f.opts.Dial), wall: fault.NewWall(), broken: map[string]bool{},
	}
	f.nodes = append(f.nodes, n)
	f.byID[d.Agent.Device] = n
	return nil
}

// Injector breaks and heals things while Run runs.
func (f *Fleet) Injector() *fault.Injector { return f.injector }

// World is the world of the first device, and of all others where they were not copied.
func (f *Fleet) World() *world.World { return f.worlds[0] }

// Status says how a device is.
type Status struct {
	Device    string
	Powered   bool
	Connected bool
	Backlog   uint64 // frames that the hub has not acked
}

// Status lists the devices in the order of the scenario.
func (f *Fleet) Status() []Status {
	list := make([]Status, len(f.nodes))
	for i, n := range f.nodes {
		list[i] = Status{Device: n.device.Agent.Device}
		if a := n.agent.Load(); a != nil {
			list[i].Powered, list[i].Connected, list[i].Backlog = true, a.Connected(), a.Backlog()
		}
	}
	return list
}

// Devices lists what is played, in the order of the scenario.
func (f *Fleet) Devices() []scenario.Device {
	list := make([]scenario.Device, len(f.nodes))
	for i, n := range f.nodes {
		list[i] = n.device
	}
	return list
}

// Run plays until ctx ends and returns when every agent has brought its outputs to safety and written its outbox. A device that cannot run
// does not stop the others; the error tells of all.
func (f *Fleet) Run(ctx context.Context) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	errs := make([]error, len(f.nodes)+1)
	var nodes, rest sync.WaitGroup
	rest.Go(func() { errs[len(f.nodes)] = f.injector.Run(ctx) })
	for _, s := range f.opts.Faults {
		if _, err := f.injector.Add(s); err != nil {
			f.opts.Log.Error("a fault was left out", "fault", s.String(), "err", err)
		}
	}
	for i, n := range f.nodes {
		nodes.Go(func() {
			if f.opts.Copies > 0 && !pause(ctx, time.Duration(i)*startEvery) {
				return
			}
			if errs[i] = n.run(ctx); errs[i] != nil && ctx.Err() == nil {
				f.opts.Log.Error("a device ended", "device", n.device.Agent.Device, "err", errs[i])
			}
		})
	}
	nodes.Wait()
	stop() // all devices are gone, or ctx ended
	rest.Wait()
	return errors.Join(errs...)
}

// pause waits and reports whether ctx still lasts.
func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}
