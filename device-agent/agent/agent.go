// Package agent is the device's own program: it samples sensors, keeps what it measured until a hub has stored it, obeys commands and
// keeps actuators safe on its own.
//
// It guarantees: a sensor that hangs, panics or talks nonsense costs its own channels and nobody else's; every actuator is driven to its
// declared state before anything else at start, to its safe state at stop, after its lease without contact, after max_on, and when the
// sensor of its control loop is lost; a command is journalled before the output moves and never runs twice, after its deadline or out
// of bounds. Several agents can run in one process: there are no globals. It refuses to start only when the configuration names pins or
// buses that do not exist, or when its key cannot be kept.
//
// The way of a reading: sampler.go → batch.go → intake.go → internal/outbox → internal/uplink. The way of a command: commander.go → output.go.
// Start reading at [Agent.Run].
package agent

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"log/slog"
	"net"
	"path/filepath"
	"sync"
	"time"

	"github.com/telltale-iot/telltale/device-agent/config"
	"github.com/telltale-iot/telltale/device-agent/device"
	"github.com/telltale-iot/telltale/device-agent/drivers"
	"github.com/telltale-iot/telltale/device-agent/internal/disk"
	"github.com/telltale-iot/telltale/device-agent/internal/journal"
	"github.com/telltale-iot/telltale/device-agent/internal/outbox"
	"github.com/telltale-iot/telltale/device-agent/internal/uplink"
	"github.com/telltale-iot/telltale/schema"
)

const (
	// housekeeping is how often outbox and clock are looked after.
	housekeeping = time.Second
	// shortestBatch bounds how often readings become frames, whatever the hub asks.
	shortestBatch = 50 * time.Millisecond
)

// Observer watches an agent from outside, for ledgers in end-to-end tests. Its methods must be quick and safe for concurrent use.
type Observer interface {
	// Generated hears of every frame that got a sequence number.
	Generated(epoch string, f schema.Frame)
	// Acked hears of every ack and of what the hub said it had.
	Acked(epoch string, ranges []schema.Range)
}

// Options of an Agent.
type Options struct {
	// Config has passed Validate.
	Config *config.Config
	// Host is the machine.
	Host device.Host
	// Dir is the state folder; it belongs to this agent alone.
	Dir string
	// OpenDisk opens a folder below Dir; nil = the real one. For tests of disks that fail.
	OpenDisk func(path string) (disk.Disk, error)
	// Clock tells the time.
	Clock device.Clock
	// Dial opens connections to the hub; nil = the network.
	Dial func(ctx context.Context, network, addr string) (net.Conn, error)
	// Code is a pairing code for a device that is not paired; "" = ask a hub on this machine.
	Code string
	// Software is the program's name and version.
	Software string
	// Log gets what people should know.
	Log *slog.Logger
	// Observer may be nil.
	Observer Observer
	// Crash is for tests: asked at named points of a command's execution; true = the process "dies" there. nil = never.
	Crash func(point string) bool
}

// Agent is one device's agent.
type Agent struct {
	o       Options
	clock   device.Clock
	log     *slog.Logger
	phase   time.Duration // this device's share of a second, so that a thousand devices do not tick together
	started time.Duration // mono

	descriptor schema.Descriptor
	sensors    []*sampler
	outputs    map[string]*output
	climates   []*climate
	box        *outbox.Box
	journal    *journal.Journal
	link       *uplink.Link
	batch      *batch
	intake     *intake
	time       *timeline
	latest     *latest
	paced      chan struct{}

	died     context.CancelFunc // a crash in a test: everything stops without manners
	dead     bool
	deadLock sync.Mutex
}

// New opens the drivers and the state folder. Nothing moves and nothing is sent before Run.
//
// Errors: a pin or bus that the machine does not have, an unusable key, an impossible configuration; in words for the person at the
// device.
func New(o Options) (*Agent, error) {
	if o.Config == nil || o.Host == nil || o.Clock == nil || o.Log == nil || o.Dir == "" {
		return nil, errors.New("agent: Config, Host, Clock, Log and Dir are needed")
	}
	h := fnv.New32a()
	h.Write([]byte(o.Config.Device))
	a := &Agent{o: o, clock: o.Clock, log: o.Log.With("device", o.Config.Device), outputs: map[string]*output{}, latest: newLatest(), paced: make(chan struct{}, 1),
		phase: time.Duration(h.Sum32()%1000) * time.Millisecond}
	a.time = newTimeline(o.Clock)
	if err := a.openThings(); err != nil {
		return nil, errors.Join(err, a.closeThings())
	}
	if err := a.openState(); err != nil {
		return nil, errors.Join(err, a.closeThings())
	}
	return a, nil
}

func (a *Agent) openThings() error {
	c := a.o.Config
	a.descriptor = schema.Descriptor{Name: c.Name, Area: c.Area, Manufacturer: c.Manufacturer, Model: c.Model, Software: a.o.Software,
		Simulated: c.Simulated}
	if m, ok := a.o.Host.(interface{ Model() string }); ok && c.Model == "" {
		a.descriptor.Model = m.Model()
	}
	for _, sc := range c.Sensors {
		s, err := drivers.OpenSensor(a.o.Host, sc)
		if err != nil {
			return err
		}
		a.sensors = append(a.sensors, newSampler(a, sc, s))
		a.descriptor.Entities = append(a.descriptor.Entities, s.Describe()...)
	}
	for _, ac := range c.Actuators {
		act, err := drivers.OpenActuator(a.o.Host, ac)
		if err != nil {
			return err
		}
		out := newOutput(a, act, ac)
		a.outputs[out.id] = out
		a.descriptor.Entities = append(a.descriptor.Entities, out.entity)
	}
	for _, kc := range c.Climates {
		k, err := newClimate(a, kc)
		if err != nil {
			return err
		}
		a.climates = append(a.climates, k)
		a.outputs[k.out.id] = k.out
		a.descriptor.Entities = append(a.descriptor.Entities, k.out.entity)
	}
	if err := a.descriptor.Validate(); err != nil {
		return fmt.Errorf("configuration: %w", err)
	}
	return nil
}

func (a *Agent) openState() error {
	c := a.o.Config
	id, err := uplink.LoadIdentity(a.o.Dir)
	if err != nil {
		return err
	}
	open := a.o.OpenDisk
	if open == nil {
		open = func(path string) (disk.Disk, error) { return disk.OpenDir(path) }
	}
	boxDir, err := open(filepath.Join(a.o.Dir, "outbox"))
	if err != nil {
		return err
	}
	journalDir, err := open(filepath.Join(a.o.Dir, "journal"))
	if err != nil {
		return err
	}
	a.box, err = outbox.Open(outbox.Options{Disk: boxDir, Boot: a.clock.BootID(), Mono: a.clock.Mono, WallMS: a.time.nowMS,
		MaxDisk: c.Outbox.MaxDiskMB << 20, MaxRAM: c.Outbox.MaxRAMKB << 10, SpillAfter: c.Outbox.SpillAfter, Log: a.log})
	if err != nil {
		return err
	}
	a.journal = journal.Open(journalDir, a.log)
	a.batch, a.intake = newBatch(a), newIntake(a)
	opts := uplink.Options{Hub: c.Hub, Device: c.Device, Code: a.o.Code, Identity: id, Descriptor: a.descriptor, Software: a.o.Software,
		Box: a.box, Clock: a.clock, PingEvery: a.pingEvery(), Log: a.log, Dial: a.o.Dial, Handle: a.handle,
		Paced: a.repace}
	if a.o.Observer != nil {
		opts.Acked = a.o.Observer.Acked
	}
	a.link, err = uplink.New(opts)
	return err
}

// pingEvery is a third of the shortest lease, so that a lease never runs out on a link that is merely quiet.
func (a *Agent) pingEvery() time.Duration {
	every := schema.AgentPing
	for _, c := range a.o.Config.Actuators {
		if c.Lease > 0 {
			every = min(every, max(c.Lease/3, time.Second))
		}
	}
	return every
}

// Descriptor is what the device says of itself.
func (a *Agent) Descriptor() schema.Descriptor { return a.descriptor }

// Connected reports whether a hub has accepted the device and the link looks alive.
func (a *Agent) Connected() bool { return a.link.Connected() }

// Backlog is how many frames the hub has not acked.
func (a *Agent) Backlog() uint64 { return a.box.Stat().Backlog }

// Run works until ctx ends and returns when everything has ended and every output is in its safe state. Call it once.
//
// Errors: an output that could not be brought to its safe state, an outbox that could not be written, a disk that hangs.
func (a *Agent) Run(ctx context.Context) error {
	ctx, a.died = context.WithCancel(ctx)
	defer a.died()
	a.started = a.clock.Mono()
	stopIntake := background(ctx, 0, a.intake.run)
	startErr := a.eachOutput(func(o *output) error { return o.boot(ctx) })
	a.event("started", "", "the agent started: "+a.o.Software)
	if startErr != nil {
		a.log.Error("an output could not be driven at start", "err", startErr)
	}
	stopLink := background(ctx, byeWithin, func(ctx context.Context) {
		if err := a.link.Run(ctx); err != nil {
			a.log.Error("link ended", "err", err)
		}
	})
	var work sync.WaitGroup
	for _, s := range a.sensors {
		work.Go(func() { s.run(ctx) })
	}
	for _, o := range a.outputs {
		work.Go(func() { o.run(ctx) })
		work.Go(func() { o.watch(ctx) })
	}
	for _, k := range a.climates {
		work.Go(func() { k.run(ctx) })
	}
	work.Go(func() { a.keepHouse(ctx) })
	<-ctx.Done()
	if !a.isDead() {
		waitAtMost(&work, endWithin)
		return a.shutDown(stopLink, stopIntake)
	}
	work.Wait()
	stopLink()
	stopIntake()
	return errors.Join(a.journal.Close(), a.closeThings())
}

// keepHouse flushes batches and looks at the clock.
func (a *Agent) keepHouse(ctx context.Context) {
	tick := time.NewTicker(housekeeping)
	defer tick.Stop()
	flush := time.NewTimer(max(a.link.Batch(), shortestBatch))
	defer flush.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			a.checkClock()
		case <-a.paced:
			a.batch.flush()
			flush.Reset(max(a.link.Batch(), shortestBatch))
		case <-flush.C:
			a.batch.flush()
			flush.Reset(max(a.link.Batch(), shortestBatch))
		}
	}
}

// repace says that the time readings are collected for has changed.
func (a *Agent) repace() { poke(a.paced) }

// checkClock tells when the wall clock was set.
func (a *Agent) checkClock() {
	if step := a.time.follow(); step != 0 {
		a.event("clock_step", "", fmt.Sprintf("the wall clock moved by %s", step.Round(time.Millisecond)))
	}
}

// crash asks the test whether the process dies here.
func (a *Agent) crash(point string) bool {
	if a.isDead() {
		return true
	}
	if a.o.Crash == nil || !a.o.Crash(point) {
		return false
	}
	a.deadLock.Lock()
	a.dead = true
	a.deadLock.Unlock()
	a.died()
	return true
}

func (a *Agent) isDead() bool {
	a.deadLock.Lock()
	defer a.deadLock.Unlock()
	return a.dead
}
