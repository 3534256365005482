//go:build linux

package main

import (
	"math"

	"github.com/telltale-iot/telltale/bench/figure"
)

// bars are the targets of the storage design, with what was reached. Ratios are those of medians of the same run.
func (c *storeCommand) bars() []figure.Bar {
	times := func(regime, name string) float64 {
		return c.median(regime, engineSeriesRows, name) / c.median(regime, engineOurs, name)
	}
	faster := func(regime string) float64 { return 1 / times(regime, figureSpeed) }
	year := "CPU, all"
	rows := min(c.median("charts", engineSeriesRows, year), c.median("charts", variantScan, year))
	written := "written per reading, rows / ours, "
	disk := "disk per reading, rows / ours, "
	return []figure.Bar{
		{Name: written + regimeSecond, Unit: "x", Target: 100, Reached: times(regimeSecond, c.written())},
		{Name: written + regimeFive, Unit: "x", Target: 80, Reached: times(regimeFive, c.written())},
		{Name: disk + "regular times", Unit: "x", Target: 30, Reached: times(regimeFive, figureDisk)},
		{Name: disk + "3 ms jitter", Unit: "x", Target: 14, Reached: times(regimeFiveJitter, figureDisk)},
		{Name: figureSpeed + ", ours / rows, " + regimeSecond, Unit: "x", Target: 15, Reached: faster(regimeSecond)},
		{Name: figureSpeed + ", ours / rows, " + regimeTwo, Unit: "x", Target: 15, Reached: faster(regimeTwo)},
		{Name: figureSpeed + ", ours / rows, " + regimeFive, Unit: "x", Target: 15, Reached: faster(regimeFive)},
		{Name: "CPU of a chart of the year, rows / ours", Unit: "x", Target: 15, Reached: rows / c.median("charts", engineOurs, year)},
		{Name: "opening, per million readings in the log", Unit: "ms", Target: 1000, Reached: c.median("opening after a kill", engineOurs, "open per million readings in the log"), AtMost: true},
		{Name: "RSS of the hub, peak at 1 Hz", Unit: "MiB", Target: 60, Reached: c.median("memory of the hub", nameHub, "RSS, peak at 1 Hz"), AtMost: true},
		{Name: "answers beside a writer, p99", Unit: "ms", Target: 50, Reached: c.median("questions beside a writer", engineOurs, "answer p99"), AtMost: true},
	}
}

// median is of a figure of a sheet; NaN when it was not measured.
func (c *storeCommand) median(sheet, variant, name string) float64 {
	for _, s := range c.sheets {
		if s.Name == "store, "+sheet {
			return s.Median(variant, name)
		}
	}
	return math.NaN()
}
