//go:build linux

package main

import (
	"context"
	"fmt"
	"strconv"

	"github.com/telltale-iot/telltale/bench/figure"
	"github.com/telltale-iot/telltale/bench/series"
)

// regime is one way to feed the stores.
type regime struct {
	name      string
	note      string
	perCommit int // seconds of data
	jitterMS  float64
	real      bool
	engines   []string
}

// The names of regimes that targets look for.
const (
	regimeSecond       = "a commit a second"
	regimeTwo          = "a commit in 2 s"
	regimeFive         = "a commit in 5 s"
	regimeSecondJitter = "a commit a second, jitter"
	regimeFiveJitter   = "a commit in 5 s, jitter"
	regimeReal         = "a commit in 5 s, real series"
)

func (c *storeCommand) regimes() []regime {
	rows := []string{engineOurs, engineSeriesRows, engineTimeRows}
	all := []regime{
		{name: regimeSecond, note: "regular times", perCommit: 1, engines: append(rows, engineStates)},
		{name: regimeTwo, note: "regular times", perCommit: 2, engines: rows[:2]},
		{name: regimeFive, note: "regular times", perCommit: 5, engines: append(rows, engineStates, engineStatesNormal)},
		{name: regimeSecondJitter, note: "times 3 ms beside their tick", perCommit: 1, jitterMS: 3, engines: rows[:2]},
		{name: regimeFiveJitter, note: "times 3 ms beside their tick", perCommit: 5, jitterMS: 3, engines: rows},
	}
	if c.Data != "" {
		all = append(all, regime{name: regimeReal, note: "regular times, real values a second each, rounded to four digits", perCommit: 5, real: true, engines: rows[:2]})
	}
	return all
}

// ingest feeds each regime to its engines: as many durable commits for each, without waiting in between.
func (c *storeCommand) ingest(ctx context.Context) (sheets []*figure.Sheet, err error) {
	var columns [][]float64
	if c.Data != "" {
		if columns, _, err = series.Real(c.Data); err != nil {
			return nil, err
		}
	}
	for _, r := range c.regimes() {
		ticks := int(c.Hours * 3600)
		o := series.Options{Wide: c.wide(), Ticks: ticks + c.Warm, StepMS: 1000, JitterMS: r.jitterMS}
		if r.real {
			o.Real = columns
		}
		file, err := c.input(fmt.Sprintf("ingest-%v-%v", r.jitterMS, r.real), o)
		if err != nil {
			return nil, err
		}
		sheet := c.sheet(r.name, fmt.Sprintf("%d series at 1 Hz, %d readings per commit", c.wide(), c.wide()*r.perCommit), r.note,
			fmt.Sprintf("%d s of data for the hub's store, %d s for others, %d s before", ticks, min(ticks, c.RowSeconds), c.Warm))
		err = c.inTurn(r.engines, func(engine string) error { return c.ingestOnce(ctx, sheet, r, engine, file) })
		if err != nil {
			return nil, err
		}
		sheets = append(sheets, sheet)
	}
	return sheets, nil
}

func (c *storeCommand) ingestOnce(ctx context.Context, sheet *figure.Sheet, r regime, engine, file string) error {
	ticks := int(c.Hours * 3600)
	if engine != engineOurs {
		ticks = min(ticks, c.RowSeconds)
	}
	o, err := c.run(ctx, job{work: "ingest", engine: engine, input: file, args: c.args("--ticks", strconv.Itoa(ticks), "--prefill", strconv.Itoa(c.Warm),
		"--per-commit", strconv.Itoa(r.perCommit))})
	if err != nil {
		return err
	}
	if err := o.commits(ticks / r.perCommit); err != nil {
		return err
	}
	sheet.Add(engine, append(o.costs(), o.same(figureDisk, "file bytes per reading", "file", "readings at rest", "commit p50", "commit p99", "longest wait")...)...)
	return nil
}

// args are what every work with many series needs, and more.
func (c *storeCommand) args(more ...string) []string {
	return append([]string{"--devices", strconv.Itoa(c.Devices), "--wide", strconv.Itoa(c.wide())}, more...)
}

// stream sends readings when they are due, for the figures that depend on real time: how often the hub's store commits by itself, and how
// much of the file system's journal that costs.
func (c *storeCommand) stream(ctx context.Context) ([]*figure.Sheet, error) {
	file, err := c.input("stream", series.Options{Wide: c.wide(), Ticks: c.Stream + c.Warm, StepMS: 1000})
	if err != nil {
		return nil, err
	}
	sheet := c.sheet("in real time", fmt.Sprintf("%d series at 1 Hz, %d s after %d s of data, the hub's store with its own window", c.wide(), c.Stream, c.Warm))
	return []*figure.Sheet{sheet}, c.inTurn([]string{engineOurs, engineSeriesRows}, func(engine string) error {
		o, err := c.run(ctx, job{work: "stream", engine: engine, input: file, args: c.args("--ticks", strconv.Itoa(c.Stream), "--prefill", strconv.Itoa(c.Warm))})
		if err != nil {
			return err
		}
		const dayS = 86_400
		perDay := o.device
		if c.written() == figureWritten {
			perDay = o.spent.written
		}
		sheet.Add(engine, append(o.costs(),
			figure.Value{Name: "CPU", Unit: "cores", V: o.spent.cpu.Seconds() / o.spent.wall.Seconds()},
			figure.Value{Name: "written per day at this rate", Unit: "GB", V: perDay / o.spent.wall.Seconds() * dayS / 1e9})...)
		return nil
	})
}
