//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime/pprof"
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
	widths    string // of the buckets that rows are folded into, in ms, one for each question of chart
	seed      uint64
	profile   string // file for a profile of the processor time; "" = none
}

// run does the work that s names.
func run(ctx context.Context, s spec, r *report) (err error) {
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
	if s.profile == "" {
		return work(ctx, s, r)
	}
	f, err := os.Create(s.profile)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if err := pprof.StartCPUProfile(f); err != nil {
		return err
	}
	defer pprof.StopCPUProfile()
	return work(ctx, s, r)
}
