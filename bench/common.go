//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"

	"github.com/telltale-iot/telltale/bench/figure"
	"github.com/telltale-iot/telltale/bench/load"
	"github.com/telltale-iot/telltale/bench/target"
	"github.com/telltale-iot/telltale/schema"
)

// common are the flags of every benchmark.
type common struct {
	Seed     uint64   `default:"1" help:"Seed of all inputs."`
	Runs     int      `default:"3" help:"How often to measure each variant."`
	Seconds  float64  `default:"8" help:"Length of one measurement, in seconds."`
	Hub      string   `help:"Binary of the hub; it is built when this is empty." placeholder:"FILE"`
	Versus   []string `help:"Other binaries of the hub, measured in turn with the first: what did a change bring?" placeholder:"FILE"`
	HubEnv   []string `help:"Environment for the hub, GOGC=50." placeholder:"NAME=VALUE"`
	TempDir  string   `help:"Where data folders are made; must be on a real disk for the bytes written to mean anything." placeholder:"DIR"`
	Baseline bool     `default:"true" negatable:"" help:"Measure the naive hub too."`
}

func (c *common) span() time.Duration { return time.Duration(c.Seconds * float64(time.Second)) }

// variant is one program that is measured.
type variant struct {
	name   string
	start  func(ctx context.Context) (*target.Target, error)
	frozen bool // beside dashboards that read nothing
}

// The names of the variants in tables.
const (
	nameHub       = "hub"
	nameFrozen    = "hub, some frozen"
	nameNaive     = "naive"
	nameNaiveOnce = "naive, encodes once"
)

// prepare builds the hub if need be and returns what to measure and a function that removes the binary.
func (c *common) prepare(ctx context.Context, baselines ...string) (all []variant, clean func() error, err error) {
	bin := c.Hub
	clean = func() error { return nil }
	if bin == "" {
		dir, err := os.MkdirTemp("", "telltale-bench-bin-")
		if err != nil {
			return nil, nil, err
		}
		clean = func() error { return os.RemoveAll(dir) }
		if bin, err = target.Build(ctx, dir); err != nil {
			return nil, nil, errors.Join(err, clean())
		}
	}
	self, err := os.Executable()
	if err != nil {
		return nil, nil, errors.Join(err, clean())
	}
	for i, hub := range append([]string{bin}, c.Versus...) {
		name := nameHub
		if i > 0 {
			name = filepath.Base(hub)
		}
		all = append(all, variant{name: name, start: func(ctx context.Context) (*target.Target, error) {
			return target.Start(ctx, target.Options{Binary: hub, Args: []string{"serve", "--log-level", "warn"}, Env: c.HubEnv, TempDir: c.TempDir})
		}})
	}
	if !c.Baseline {
		return all, clean, nil
	}
	for _, name := range baselines {
		args := []string{"naive"}
		if name == nameNaiveOnce {
			args = append(args, "--encode-once")
		}
		all = append(all, variant{name: name, start: func(ctx context.Context) (*target.Target, error) {
			return target.Start(ctx, target.Options{Binary: self, Args: args, TempDir: c.TempDir})
		}})
	}
	return all, clean, nil
}

// each measures all variants in turn, A B A B …, so that a machine whose speed drifts is fair to both.
func (c *common) each(ctx context.Context, sheet *figure.Sheet, variants []variant, measure func(ctx context.Context, v variant, t *target.Target) ([]figure.Value, error)) error {
	for range max(c.Runs, 1) {
		for _, v := range variants {
			t, err := v.start(ctx)
			if err != nil {
				return fmt.Errorf("start %s: %w", v.name, err)
			}
			values, err := measure(ctx, v, t)
			if err != nil {
				err = t.Explain(err)
			}
			if err = errors.Join(err, t.Stop()); err != nil {
				return fmt.Errorf("%s of %s: %w", sheet.Name, v.name, err)
			}
			sheet.Add(v.name, values...)
		}
	}
	return nil
}

// connect pairs and connects devices.
func connect(ctx context.Context, t *target.Target, count int, o load.DeviceOptions) (devices []*load.Device, err error) {
	var code schema.PairingCode
	if err := t.Post(ctx, "/api/v1/pairing-codes", schema.PairingRequest{Uses: count, Minutes: 10}, &code); err != nil {
		return nil, fmt.Errorf("get a pairing code: %w", err)
	}
	o.Addr, o.Code = t.Addr, code.Code
	devices = make([]*load.Device, count)
	var group errgroup.Group
	group.SetLimit(16)
	for i := range devices {
		group.Go(func() (err error) {
			at := o
			at.Number = i
			devices[i], err = load.Connect(ctx, at)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, errors.Join(err, closeAll(devices))
	}
	return devices, nil
}

func closeAll(devices []*load.Device) error {
	var errs []error
	for _, d := range devices {
		if d != nil {
			errs = append(errs, d.Close())
		}
	}
	return errors.Join(errs...)
}

// senders runs one goroutine per device until stop is called, which waits for them.
func senders(ctx context.Context, devices []*load.Device, send func(ctx context.Context, d *load.Device, i int) error) (stop func() error) {
	ctx, cancel := context.WithCancel(ctx)
	group, ctx := errgroup.WithContext(ctx)
	for i, d := range devices {
		group.Go(func() error { return send(ctx, d, i) })
	}
	var once sync.Once
	var err error
	return func() error {
		once.Do(func() {
			cancel()
			if err = group.Wait(); errors.Is(err, context.Canceled) {
				err = nil
			}
		})
		return err
	}
}

// atRate sends a frame per interval, on a schedule that does not drift, each device at a moment of its own.
func atRate(every time.Duration, count int) func(ctx context.Context, d *load.Device, i int) error {
	return func(ctx context.Context, d *load.Device, i int) error {
		next := time.Now().Add(every * time.Duration(i) / time.Duration(count))
		timer := time.NewTimer(time.Until(next))
		defer timer.Stop()
		for {
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-timer.C:
			}
			if err := d.Send(ctx, time.Now().UnixMilli()); err != nil {
				return err
			}
			next = next.Add(every)
			timer.Reset(time.Until(next))
		}
	}
}

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}

// moment is what everybody has used up to a time.
type moment struct {
	hub, self target.Usage
	busy      time.Duration
}

func look(t *target.Target) (m moment, err error) {
	var errs [3]error
	m.hub, errs[0] = t.Usage()
	m.self, errs[1] = target.Self()
	m.busy, errs[2] = target.Busy()
	return m, errors.Join(errs[:]...)
}

// spent is the difference of two moments.
type spent struct {
	wall    time.Duration
	cpu     time.Duration // of the program that is measured
	written float64       // bytes
	self    time.Duration // processor time of the load generator
	others  time.Duration // and of everything else on the machine
}

func between(a, b moment) spent {
	s := spent{wall: b.hub.At.Sub(a.hub.At), cpu: b.hub.CPU - a.hub.CPU, written: float64(b.hub.Written - a.hub.Written), self: b.self.CPU - a.self.CPU}
	s.others = max(b.busy-a.busy-s.cpu-s.self, 0)
	return s
}

// context are the figures that say how far the others can be believed: with others at work, times are too long and rates too low.
func (s spent) context() []figure.Value {
	return []figure.Value{
		{Name: "hub CPU", Unit: "cores", V: s.cpu.Seconds() / s.wall.Seconds()},
		{Name: "load generator's CPU", Unit: "cores", V: s.self.Seconds() / s.wall.Seconds()},
		{Name: "other programs' CPU", Unit: "cores", V: s.others.Seconds() / s.wall.Seconds()},
	}
}

// per is d divided by n, in µs.
func per(d time.Duration, n float64) float64 { return float64(d.Nanoseconds()) / 1000 / n }

// files makes sure that this process may have n connections.
func files(n int) error {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return err
	}
	if want := uint64(n + 200); limit.Max < want {
		return fmt.Errorf("%d connections need %d open files, this process may have %d: raise it with ulimit -Hn", n, want, limit.Max)
	}
	limit.Cur = limit.Max
	return unix.Setrlimit(unix.RLIMIT_NOFILE, &limit)
}

// machine says what everything ran on.
func machine(w io.Writer, c *common) {
	var name unix.Utsname
	_ = unix.Uname(&name) // an empty name is shown then
	model := "unknown processor"
	if info, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		for line := range strings.Lines(string(info)) {
			if key, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(key) == "model name" {
				model = strings.TrimSpace(value)
				break
			}
		}
	}
	load, _ := os.ReadFile("/proc/loadavg") // shown as far as it is there
	dir := c.TempDir
	if dir == "" {
		dir = os.TempDir()
	}
	disk, real, err := target.OnDisk(dir)
	if err != nil {
		disk = err.Error()
	}
	fmt.Fprintf(w, "machine: %s, %d cores, Linux %s, %s; data on %s; load before %s\n", model, runtime.NumCPU(), unix.ByteSliceToString(name.Release[:]),
		runtime.Version(), disk, strings.TrimSpace(string(load)))
	if err == nil && !real {
		fmt.Fprintf(w, "warning: %s is in memory: commits cost nothing there and no byte is written; choose a disk with --temp-dir\n", dir)
	}
}
