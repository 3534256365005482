//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/telltale-iot/telltale/bench/figure"
	"github.com/telltale-iot/telltale/bench/series"
	"github.com/telltale-iot/telltale/bench/target"
	"github.com/telltale-iot/telltale/internal/cli"
)

// The storage engines that are compared, by storebench's names.
const (
	engineOurs         = "telltale"
	engineSeriesRows   = "series-rows"
	engineTimeRows     = "time-rows"
	engineStates       = "states"
	engineStatesNormal = "states-normal"
)

type storeCommand struct {
	common
	storeScale
	Only  []string `help:"Parts to run: ${enum}. All when empty." enum:"ingest,stream,chart,replay,beside,hub" placeholder:"PART"`
	Quick bool     `help:"Less of everything, under a minute: to see that it works, not to quote."`

	bin    string          // storebench
	dir    string          // inputs
	device *target.Device  // under the data folders; nil = cannot be read
	sheets []*figure.Sheet // so far
}

// storeScale says how much is stored.
type storeScale struct {
	Devices    int     `default:"10" help:"Devices that the series are spread over."`
	Channels   int     `default:"50" help:"Channels of each."`
	Hours      float64 `default:"2" help:"Data for the hub's store, at 1 Hz, in hours."`
	RowSeconds int     `default:"300" help:"Data for the stores of rows, at 1 Hz, in seconds. They write hundreds of times more."`
	Warm       int     `default:"400" help:"Data that every store has before it is measured, at 1 Hz, in seconds."`
	Stream     int     `default:"60" help:"Length of the measurement in real time, in seconds."`
	YearDays   int     `default:"365" help:"Length of the series that charts are drawn of, at one reading in 10 s, in days."`
	PastHours  int     `default:"192" help:"History under the questions beside a writer, in hours."`
	HubPast    int     `default:"1700" help:"Data that the hub gets at sixty times the pace before it is watched, in seconds; the default nearly fills its log."`
	HubSettle  int     `default:"150" help:"How long the hub then runs at 1 Hz before it is watched, in seconds: Go collects garbage every two minutes at the latest."`
	HubSeconds int     `default:"60" help:"How long it is watched, in seconds."`
	Data       string  `help:"Folder of CSV files with real series, measured beside the made ones." placeholder:"DIR"`
}

// Run measures what a reading costs in the store, beside three stores of a row per reading.
func (c *storeCommand) Run(ctx context.Context, io *cli.IO) error {
	machine(io.Out, &c.common)
	return c.everything(ctx, io)
}

// everything measures all parts and prints them as they come.
func (c *storeCommand) everything(ctx context.Context, io *cli.IO) (err error) {
	c.shorten()
	clean, err := c.ready(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, clean()) }()
	fmt.Fprintln(io.Out, c.aboutDevice())
	parts := []struct {
		name    string
		measure func(context.Context) ([]*figure.Sheet, error)
	}{
		{"ingest", c.ingest}, {"stream", c.stream}, {"chart", c.chart}, {"replay", c.replay}, {"beside", c.beside}, {"hub", c.hub},
	}
	for _, p := range parts {
		if len(c.Only) > 0 && !slices.Contains(c.Only, p.name) {
			continue
		}
		sheets, err := p.measure(ctx)
		if err != nil {
			return fmt.Errorf("store, %s: %w", p.name, err)
		}
		for _, s := range sheets {
			if err := s.Print(io.Out); err != nil {
				return err
			}
		}
		c.sheets = append(c.sheets, sheets...)
	}
	return figure.PrintBars(io.Out, c.bars())
}

// shorten makes everything small for --quick.
func (c *storeCommand) shorten() {
	if !c.Quick {
		return
	}
	c.Runs, c.Seconds = 1, min(c.Seconds, 3)
	c.Hours, c.RowSeconds, c.Warm = min(c.Hours, 0.1), min(c.RowSeconds, 20), min(c.Warm, 100)
	c.Stream, c.YearDays, c.PastHours = min(c.Stream, 3), min(c.YearDays, 40), min(c.PastHours, 24)
	c.HubPast, c.HubSettle, c.HubSeconds = min(c.HubPast, 200), min(c.HubSettle, 1), min(c.HubSeconds, 3)
}

// ready builds storebench and makes a folder for inputs, and returns what removes both.
func (c *storeCommand) ready(ctx context.Context) (clean func() error, err error) {
	if c.dir, err = os.MkdirTemp(c.TempDir, "telltale-bench-"); err != nil {
		return nil, err
	}
	clean = func() error { return os.RemoveAll(c.dir) }
	if c.bin, err = target.BuildStoreBench(ctx, c.dir); err != nil {
		return nil, errors.Join(err, clean())
	}
	if d, err := target.DeviceOf(c.dir); err == nil {
		c.device = &d
	}
	return clean, nil
}

func (c *storeCommand) aboutDevice() string {
	switch {
	case c.device == nil:
		return "device: its counts cannot be read here; bytes are those that the kernel counts for the process, without the file system's journal"
	case !c.device.Own:
		return fmt.Sprintf("device: %s, which other programs write to as well; targets use the bytes that the kernel counts for the process, without the file system's journal", c.device.Name)
	}
	return fmt.Sprintf("device: %s, all sectors written to it, the file system's journal included", c.device.Name)
}

// written is the figure that targets use.
func (c *storeCommand) written() string {
	if c.device != nil && c.device.Own {
		return figureDevice
	}
	return figureWritten
}

func (c *storeCommand) wide() int { return c.Devices * c.Channels }

// input makes a file of readings, or returns the one that is there already.
func (c *storeCommand) input(name string, o series.Options) (file string, err error) {
	file = filepath.Join(c.dir, name)
	if _, err := os.Stat(file); err == nil {
		return file, nil
	}
	f, err := os.Create(file)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	o.Seed = c.Seed
	return file, series.Write(f, o)
}

// sheet begins a sheet of this benchmark.
func (c *storeCommand) sheet(name string, note ...string) *figure.Sheet {
	return &figure.Sheet{Name: "store, " + name, Seed: c.Seed, Note: strings.Join(note, ", ")}
}

// inTurn runs engines A B A B …, as often as --runs says.
func (c *storeCommand) inTurn(engines []string, once func(engine string) error) error {
	for range max(c.Runs, 1) {
		for _, e := range engines {
			if err := once(e); err != nil {
				return fmt.Errorf("%s: %w", e, err)
			}
		}
	}
	return nil
}
