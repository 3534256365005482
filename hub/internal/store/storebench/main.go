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
	flag.StringVar(&s.widths, "widths", "", "buckets that rows are folded into, in ms, one for each question of chart: 3600000,60000,1000")
	flag.Uint64Var(&s.seed, "seed", 1, "seed of which questions are asked")
	flag.StringVar(&s.profile, "profile", "", "file for a profile of the processor time")
	flag.Parse()
	if err := run(context.Background(), s, newReport(os.Stdin, os.Stdout)); err != nil {
		fmt.Fprintln(os.Stderr, "storebench:", err)
		os.Exit(1)
	}
}
