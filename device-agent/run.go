package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/telltale-iot/telltale/device-agent/agent"
	"github.com/telltale-iot/telltale/device-agent/config"
	"github.com/telltale-iot/telltale/device-agent/host"
	"github.com/telltale-iot/telltale/internal/cli"
)

// settings are the flags that both commands know.
type settings struct {
	Config string  `short:"c" type:"path" help:"Configuration file (YAML). Without one: this machine's own figures."`
	Hub    *string `help:"Address of the hub, such as http://localhost:8080. Overrides the file."`
	Name   *string `help:"Name of this device for people. Overrides the file."`
	Area   *string `help:"Room or place it is shown in. Overrides the file."`
	State  *string `type:"path" help:"Folder for key, unsent readings and journal. Overrides the file."`
}

// load returns the configuration: default < file < flags.
func (s *settings) load() (*config.Config, error) {
	c := config.Default()
	if s.Config != "" {
		var err error
		if c, err = config.Load(s.Config); err != nil {
			return nil, cli.WithCode(cli.ExitUsage, err)
		}
	}
	for _, f := range []struct {
		flag *string
		key  *string
	}{{s.Hub, &c.Hub}, {s.Name, &c.Name}, {s.Area, &c.Area}, {s.State, &c.StateDir}} {
		if f.flag != nil {
			*f.key = *f.flag
		}
	}
	if c.StateDir == "" {
		dir, err := defaultState()
		if err != nil {
			return nil, err
		}
		c.StateDir = dir
	}
	return c, cli.WithCode(cli.ExitUsage, c.Validate())
}

// defaultState is where systemd says, or below the user's home.
func defaultState() (string, error) {
	if dir := os.Getenv("STATE_DIRECTORY"); dir != "" {
		return dir, nil
	}
	if dir := os.Getenv("XDG_STATE_HOME"); dir != "" {
		return filepath.Join(dir, "telltale-agent"), nil
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "", fmt.Errorf("no place for the state: give one with --state (%w)", err)
	}
	return filepath.Join(home, ".local", "state", "telltale-agent"), nil
}

// runCommand is `device-agent run`.
type runCommand struct {
	settings
	Code      string `help:"Pairing code from the hub (Add device). Not needed with a hub on this machine, or once paired."`
	PairAgain bool   `help:"Forget the hub this device is paired with and pair anew."`
	NoScan    bool   `help:"Without a configuration: do not look for sensors on I2C and one-wire."`
	Verbose   bool   `short:"v" help:"Log more."`
}

// Run implements the command.
func (r *runCommand) Run(ctx context.Context, streams *cli.IO) error {
	c, err := r.load()
	if err != nil {
		return err
	}
	lock, err := lockState(c.StateDir)
	if err != nil {
		return err
	}
	defer lock.Close()
	if r.PairAgain {
		if err := os.Remove(filepath.Join(c.StateDir, "hub.json")); err != nil && !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("forget the pairing: %w", err)
		}
	}
	level := slog.LevelInfo
	if r.Verbose {
		level = slog.LevelDebug
	}
	machine := host.New()
	if r.Config == "" && !r.NoScan {
		c.Sensors = append(c.Sensors, plugged(ctx, machine, streams.Out)...)
	}
	a, err := agent.New(agent.Options{Config: c, Host: machine, Dir: c.StateDir, Clock: host.NewClock(), Code: r.Code,
		Software: "telltale device-agent " + cli.Version(), Log: slog.New(slog.NewTextHandler(streams.Err, &slog.HandlerOptions{Level: level}))})
	if err != nil {
		return errors.Join(err, machine.Close())
	}
	introduce(streams.Out, c, len(a.Descriptor().Entities), r.Config)
	err = errors.Join(a.Run(ctx), machine.Close())
	if err == nil {
		fmt.Fprintln(streams.Out, "Stopped; outputs are in their safe state, unsent readings are kept.")
	}
	return err
}

// introduce says what is going to happen.
func introduce(w io.Writer, c *config.Config, entities int, file string) {
	what := fmt.Sprintf("this machine's own figures and %d sensors that were found (no configuration given)", len(c.Sensors)-1)
	if file != "" {
		what = fmt.Sprintf("%d sensors, %d actuators and %d climates of %s", len(c.Sensors), len(c.Actuators), len(c.Climates), file)
	}
	fmt.Fprintf(w, "Telltale agent for %s: %s, %d entities.\nHub: %s    State: %s\n", c.Name, what, entities, c.Hub, c.StateDir)
	fmt.Fprintln(w, "Ctrl-C stops it with every output in its safe state.")
}

// checkCommand is `device-agent check`.
type checkCommand struct {
	settings
}

// checkWithin bounds one sensor's check.
const checkWithin = 8 * time.Second

// Run implements the command.
func (r *checkCommand) Run(ctx context.Context, streams *cli.IO) error {
	c, err := r.load()
	if err != nil {
		return err
	}
	machine := host.New()
	bad := 0
	for _, line := range agent.Probe(ctx, machine, c, checkWithin) {
		mark := "ok  "
		if line.Err != nil {
			mark = "FAIL"
			bad++
		}
		fmt.Fprintf(streams.Out, "%s  %s\n", mark, line)
	}
	if err := machine.Close(); err != nil {
		return err
	}
	if bad > 0 {
		return fmt.Errorf("%d of the things in the configuration did not answer", bad)
	}
	fmt.Fprintln(streams.Out, "The configuration is right and everything in it answers. Nothing was switched.")
	return nil
}
