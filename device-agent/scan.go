package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"

	"github.com/telltale-iot/telltale/device-agent/agent"
	"github.com/telltale-iot/telltale/device-agent/config"
	"github.com/telltale-iot/telltale/device-agent/device"
	"github.com/telltale-iot/telltale/device-agent/discover"
	"github.com/telltale-iot/telltale/device-agent/host"
	"github.com/telltale-iot/telltale/internal/cli"
)

// hostEntry is the machine itself, for a file that names no sensors yet.
const hostEntry = "  - driver: host                   # this machine: CPU, memory, disk, network, temperatures\n    id: host\n    interval: 2s\n"

// scanCommand is `device-agent scan`.
type scanCommand struct {
	Config string `short:"c" type:"path" help:"Configuration file: what it names already is left out."`
	Write  bool   `help:"Add what is sure to the file, and what is not as comments. Nothing that stands there is changed."`
}

// Run implements the command.
func (r *scanCommand) Run(ctx context.Context, streams *cli.IO) error {
	machine := host.New()
	return errors.Join(r.scan(ctx, machine, streams.Out), machine.Close())
}

// scan looks at a machine and says what to do with what is there.
func (r *scanCommand) scan(ctx context.Context, machine device.Host, out io.Writer) error {
	known, fresh, err := r.known()
	if err != nil {
		return cli.WithCode(cli.ExitUsage, err)
	}
	all, errs := discover.Scan(ctx, machine)
	if err := table(ctx, machine, out, all, known); err != nil {
		return err
	}
	for _, e := range errs {
		fmt.Fprintf(out, "could not look: %v\n", e)
	}
	entries := discover.YAML(discover.New(all, known))
	if fresh {
		entries = hostEntry + entries
	}
	if entries == "" {
		fmt.Fprintln(out, "Nothing new: everything that was found is in the configuration, or no driver fits it.")
		return nil
	}
	if !r.Write {
		fmt.Fprintf(out, "\nFor the configuration (or run this again with --config FILE --write):\n\nsensors:\n%s", entries)
		return nil
	}
	if err := discover.Write(r.Config, entries); err != nil {
		fmt.Fprintf(out, "\nsensors:\n%s", entries)
		return fmt.Errorf("add to %s: %w", r.Config, err)
	}
	fmt.Fprintf(out, "\nAdded to %s:\n%s", r.Config, entries)
	return nil
}

// known reads what is configured. fresh: there is no file yet, or none was named.
func (r *scanCommand) known() (c *config.Config, fresh bool, err error) {
	if r.Config == "" {
		if r.Write {
			return nil, false, errors.New("say which file to add to with --config; it is made when it is missing")
		}
		return &config.Config{}, true, nil
	}
	if c, err = config.Load(r.Config); errors.Is(err, os.ErrNotExist) {
		if _, err := os.Stat(filepath.Dir(r.Config)); err != nil {
			return nil, false, err
		}
		return &config.Config{}, true, nil
	}
	return c, false, err
}

// table prints what was found and, where it is sure, what it measures now.
func table(ctx context.Context, machine device.Host, out io.Writer, all []discover.Found, known *config.Config) error {
	if len(all) == 0 {
		fmt.Fprintln(out, "Nothing was found on I2C or one-wire. On a Raspberry Pi: dtparam=i2c_arm=on and dtoverlay=w1-gpio in config.txt, wires, and the group i2c.")
		return nil
	}
	w := tabwriter.NewWriter(out, 0, 4, 2, ' ', 0)
	fmt.Fprintln(w, "WHERE\tWHAT\tCERTAINTY\tNOTE")
	for i := range all {
		f := &all[i]
		where, what, note := f.Serial, "?", f.Note
		if where == "" {
			where = fmt.Sprintf("i2c %s 0x%02x", f.Bus, f.Address)
		}
		if len(f.Drivers) > 0 {
			what = f.Drivers[0]
			for _, d := range f.Drivers[1:] {
				what += " or " + d
			}
		}
		if len(discover.New([]discover.Found{*f}, known)) == 0 {
			note = "in the configuration already"
		} else if f.Certainty == discover.Sure {
			note = measures(ctx, machine, f)
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", where, what, f.Certainty, note)
	}
	return w.Flush()
}

// measures reads a finding once.
func measures(ctx context.Context, machine device.Host, f *discover.Found) string {
	c, err := found(f.Sensor())
	if err != nil {
		return err.Error()
	}
	return agent.Probe(ctx, machine, c, checkWithin)[0].String()
}

// plugged are the sensors that a board without a configuration begins with: those that are sure. Other machines are left alone: on a PC's buses live
// memory and voltage regulators, and nobody plugs sensors there.
func plugged(ctx context.Context, machine device.Host, out io.Writer) []config.Sensor {
	if _, err := fs.Stat(machine.FS(), "proc/device-tree/model"); err != nil {
		return nil
	}
	all, errs := discover.Scan(ctx, machine)
	for _, err := range errs {
		fmt.Fprintf(out, "could not look for sensors: %v\n", err)
	}
	var sensors []config.Sensor
	for i := range all {
		f := &all[i]
		switch {
		case f.Certainty == discover.Sure:
			sensors = append(sensors, f.Sensor())
		case len(f.Drivers) > 0:
			fmt.Fprintf(out, "At 0x%02x of i2c bus %s may be a %s; `device-agent scan` offers it for a configuration.\n", f.Address, f.Bus, strings.Join(f.Drivers, " or "))
		}
	}
	c, err := found(sensors...)
	if err != nil || len(sensors) == 0 {
		return nil
	}
	return c.Sensors
}

// found makes a configuration of some sensors.
func found(sensors ...config.Sensor) (*config.Config, error) {
	c := config.Default()
	c.Sensors = sensors
	return c, c.Validate()
}
