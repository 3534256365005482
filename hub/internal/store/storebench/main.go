//go:build linux

// Command storebench runs one workload on one storage engine in a process of its own, for `go run ./bench store`, which measures it from outside.
//
// Engines: the hub's own store by its public methods, and three ways to store a row per reading in SQLite, each as well as its shape
// allows. Readings come from a file (see input), so that making them costs the measured process nothing. What it finds it prints
// as JSON lines. At a line with a phase it stops until it reads a line, so that whoever started it can look at a process that stands still.
// It is part of no release. Begin reading at run.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
)

// spec is what to run, as the command line says it.
type spec struct {
	work      string // name of a workload
	engine    string // name of an engine
	dir       string // data folder
	input     string // file of readings
	devices   int    // series are spread over that many devices
	wide      int    // series per tick of the input
	stepMS    int64  // between the ticks of the input
	ticks     int    // to measure
	prefill   int    // ticks to store before anything is measured
	perCommit int    // ticks per commit
	pastHours int    // of history, for work beside
	seconds   int    // how long to ask, for work beside
	askMS     int    // processor time to spend on each question of chart
	points    int    // of a chart
	seed      uint64
}

func main() {
	var s spec
	flag.StringVar(&s.work, "work", "", "what to do: ingest, stream, chart, fill, open, beside")
	flag.StringVar(&s.engine, "engine", "", "where to store: telltale, series-rows, time-rows, states, states-normal")
	flag.StringVar(&s.dir, "dir", "", "data folder")
	flag.StringVar(&s.input, "input", "", "file of readings")
	flag.IntVar(&s.devices, "devices", 1, "devices that the series are spread over")
	flag.IntVar(&s.wide, "wide", 1, "series per tick of the input")
	flag.Int64Var(&s.stepMS, "step-ms", 1000, "time between ticks of the input, in ms")
	flag.IntVar(&s.ticks, "ticks", 0, "ticks to measure; the input begins again, later, when it ends")
	flag.IntVar(&s.prefill, "prefill", 0, "ticks to store before")
	flag.IntVar(&s.perCommit, "per-commit", 1, "ticks per commit")
	flag.IntVar(&s.pastHours, "past-hours", 192, "history under the questions of beside, in hours")
	flag.IntVar(&s.seconds, "seconds", 8, "how long beside asks, in seconds")
	flag.IntVar(&s.askMS, "ask-ms", 1000, "processor time that chart spends on each question, in ms")
	flag.IntVar(&s.points, "points", 1000, "points of a chart")
	flag.Uint64Var(&s.seed, "seed", 1, "seed of which questions are asked")
	flag.Parse()
	if err := run(context.Background(), s, newReport(os.Stdin, os.Stdout)); err != nil {
		fmt.Fprintln(os.Stderr, "storebench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, s spec, r *report) error {
	works := map[string]func(context.Context, spec, *report) error{
		"ingest": ingest, "stream": stream, "chart": chart, "fill": fill, "open": reopen, "beside": beside,
	}
	work := works[s.work]
	if work == nil {
		return fmt.Errorf("there is no work %q", s.work)
	}
	switch {
	case s.devices < 1 || s.wide < s.devices || s.wide%s.devices != 0:
		return fmt.Errorf("%d series cannot be spread evenly over %d devices", s.wide, s.devices)
	case s.perCommit < 1 || s.stepMS < 1:
		return fmt.Errorf("%d ticks per commit, %d ms per tick: both must be at least 1", s.perCommit, s.stepMS)
	}
	return work(ctx, s, r)
}
