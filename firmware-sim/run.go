package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"text/tabwriter"
	"time"

	"github.com/telltale-iot/telltale/firmware-sim/chip"
	"github.com/telltale-iot/telltale/firmware-sim/fault"
	"github.com/telltale-iot/telltale/firmware-sim/fleet"
	"github.com/telltale-iot/telltale/firmware-sim/scenario"
	"github.com/telltale-iot/telltale/internal/cli"
)

// runCommand plays a scenario.
type runCommand struct {
	Scenario string        `default:"" placeholder:"NAME" help:"What to play: a name from 'firmware-sim scenarios' or a .yaml file (home; with --devices: load)."`
	Hub      string        `default:"http://localhost:8080" help:"Address of the hub."`
	Code     string        `help:"Pairing code of the hub. A hub on this machine is asked for one."`
	Data     string        `default:"data/home" placeholder:"FOLDER" help:"Folder that keeps keys, pairings and unsent readings (${default})."`
	Devices  int           `default:"0" placeholder:"N" help:"Play N copies of the scenario's first device, as a load."`
	Seed     uint64        `default:"1" help:"Seed of the world: the same seed gives the same weather, people and noise."`
	Speed    float64       `default:"1" help:"Seconds of the world per second; the agents stay at real time."`
	Fault    []string      `sep:"none" placeholder:"FAULT" help:"Break something: KIND:DEVICE[/PART][=VALUE][@START][+LENGTH], see 'firmware-sim fault kinds'. May be repeated."`
	For      time.Duration `default:"0" placeholder:"TIME" help:"Stop by itself after this time."`
	Ledger   string        `placeholder:"FILE" help:"Append every real movement of an output to this file, a line of JSON each."`
	Forget   bool          `help:"Throw away the keys and pairings of earlier runs and pair anew."`
	Verbose  bool          `short:"v" help:"Log what the agents do, not only what goes wrong."`
}

// reportAfter is when a person who sees no connection is told what to look at.
const reportAfter = 8 * time.Second

// Run plays until ctx ends.
func (c *runCommand) Run(ctx context.Context, streams *cli.IO) (err error) {
	opts, err := c.options(streams)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(c.Data, 0o700); err != nil {
		return fmt.Errorf("make the state folder: %w", err)
	}
	socket, err := fault.Listen(ctx, c.Data)
	if err != nil {
		return err
	}
	defer func() { _ = socket.Close() }() // twice on the usual way, where Serve has closed it
	if c.Forget {
		if err := os.RemoveAll(filepath.Join(c.Data, "devices")); err != nil {
			return fmt.Errorf("forget earlier runs: %w", err)
		}
	}
	if c.Ledger != "" {
		file, err := os.OpenFile(c.Ledger, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
		if err != nil {
			return fmt.Errorf("open the ledger: %w", err)
		}
		defer func() { err = errors.Join(err, file.Close()) }()
		opts.Ledger = chip.NewLedger(file)
	}
	f, err := fleet.New(*opts)
	if err != nil {
		return err
	}
	if c.For > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, c.For)
		defer cancel()
	}
	c.introduce(streams.Out, opts.Scenario, f)
	return play(ctx, c.Hub, streams.Out, f, func(ctx context.Context) error { return fault.Serve(ctx, socket, f.Injector()) })
}

// options reads and checks everything that was said on the command line.
func (c *runCommand) options(streams *cli.IO) (*fleet.Options, error) {
	name := c.Scenario
	if name == "" && c.Devices > 0 {
		name = scenario.Load
	} else if name == "" {
		name = scenario.Usual
	}
	s, err := scenario.Open(name)
	if err != nil {
		return nil, err
	}
	specs, err := fault.ParseAll(c.Fault)
	if err != nil {
		return nil, err
	}
	level := slog.LevelWarn
	if c.Verbose {
		level = slog.LevelInfo
	}
	return &fleet.Options{
		Scenario: s, Copies: c.Devices, Hub: c.Hub, Code: c.Code, Dir: c.Data, Seed: c.Seed, Speed: c.Speed, Faults: specs,
		Software: "firmware-sim " + cli.Version(),
		Log:      slog.New(slog.NewTextHandler(streams.Err, &slog.HandlerOptions{Level: level})),
	}, nil
}

// play runs the fleet and, beside it, the control socket and the person's progress report.
func play(ctx context.Context, hub string, out io.Writer, f *fleet.Fleet, serve func(context.Context) error) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	var beside sync.WaitGroup
	var served error
	beside.Go(func() { served = serve(ctx) })
	beside.Go(func() { report(ctx, hub, out, f) })
	err := f.Run(ctx)
	stop()
	beside.Wait()
	if err = errors.Join(err, served); err == nil {
		fmt.Fprintln(out, "stopped; outputs are safe, nothing unsent was lost")
	}
	return err
}

// introduce says what runs and what to do next.
func (c *runCommand) introduce(out io.Writer, s *scenario.Scenario, f *fleet.Fleet) {
	fmt.Fprintf(out, "\n  %s: %s\n\n", s.Name, s.Description)
	devices := f.Devices()
	t := tabwriter.NewWriter(out, 0, 4, 2, ' ', 0)
	for i := range devices {
		if i == 8 {
			fmt.Fprintf(t, "    … and %d more\n", len(devices)-i)
			break
		}
		sensors, actuators := devices[i].Count()
		fmt.Fprintf(t, "    %s\t%s\tsensors: %d\tactuators: %d\n", devices[i].Agent.Device, devices[i].Agent.Name, sensors, actuators)
	}
	_ = t.Flush() // the same as for every print here: a closed terminal is not worth stopping for
	where := ""
	if c.Data != "data/home" {
		where = " --data " + c.Data
	}
	fmt.Fprintf(out, "\n  Dashboard   %s\n", c.Hub)
	fmt.Fprintf(out, "  Break it    firmware-sim fault%s add %s     (in a second terminal)\n", where, example(&devices[0]))
	fmt.Fprintf(out, "              firmware-sim fault%s list | clear | kinds\n", where)
	fmt.Fprintf(out, "  Kept in     %s: start again and it is the same place. Ctrl-C stops it safely.\n\n", c.Data)
}

// example is a fault that the first device can have.
func example(d *scenario.Device) string {
	if len(d.Agent.Actuators) > 0 {
		return "lying_relay:" + d.Agent.Device + "/" + d.Agent.Actuators[0].ID + "+1m"
	}
	return "link_drop:" + d.Agent.Device + "+30s"
}

// report tells when all devices are connected, or what to look at when they are not.
func report(ctx context.Context, hub string, out io.Writer, f *fleet.Fleet) {
	tick := time.NewTicker(500 * time.Millisecond)
	defer tick.Stop()
	begin, last, warned := time.Now(), -1, false
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		connected, all := 0, f.Status()
		for _, s := range all {
			if s.Connected {
				connected++
			}
		}
		switch {
		case connected == len(all) && last != connected:
			fmt.Fprintf(out, "  connected: all %d devices\n", connected)
		case connected == 0 && last > 0:
			fmt.Fprintf(out, "  connection lost; readings are kept until the hub is back\n")
		case connected == 0 && !warned && time.Since(begin) > reportAfter:
			fmt.Fprintf(out, "  still no connection to %s: does the hub run? Start it with: hub\n"+
				"  (If it was set up anew since the last run, it does not know these devices: start again with --forget.)\n", hub)
			warned = true
		case connected < last && last == len(all):
			fmt.Fprintf(out, "  connected: %d of %d devices\n", connected, len(all))
		}
		last = connected
	}
}
