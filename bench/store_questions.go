//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"strconv"

	"github.com/telltale-iot/telltale/bench/figure"
	"github.com/telltale-iot/telltale/bench/series"
	"github.com/telltale-iot/telltale/bench/target"
)

const (
	chartPoints = 1000
	variantScan = "series-rows, Go scan"
)

// chart asks for a series of a year, its last month and its last day, and compares the answers bit by bit.
func (c *storeCommand) chart(ctx context.Context) ([]*figure.Sheet, error) {
	const stepMS, perDay = 10_000, 8640
	ticks := c.YearDays * perDay
	file, err := c.input("year", series.Options{Wide: 1, Ticks: ticks, StepMS: stepMS})
	if err != nil {
		return nil, err
	}
	sheet := c.sheet("charts", fmt.Sprintf("1 series, %d days at 10 s, as %d points; rows folded by SQLite or in Go", c.YearDays, chartPoints))
	answers := map[string]target.Line{}
	widths := ""
	return []*figure.Sheet{sheet}, c.inTurn([]string{engineOurs, engineSeriesRows}, func(engine string) error {
		o, err := c.run(ctx, job{work: "chart", engine: engine, input: file,
			args: []string{"--ticks", strconv.Itoa(ticks), "--step-ms", strconv.Itoa(stepMS), "--points", strconv.Itoa(chartPoints), "--ask-ms", strconv.Itoa(int(c.Seconds * 125)), "--widths", widths}})
		if err != nil {
			return err
		}
		if engine == engineOurs { // it chooses the buckets, rows are folded into the same ones
			widths = fmt.Sprintf("%.0f,%.0f,%.0f", o.value("bucket, all"), o.value("bucket, 30 days"), o.value("bucket, 1 day"))
			return chartAnswers(sheet, &o, engine, "", answers)
		}
		if err := chartAnswers(sheet, &o, engine, "", answers); err != nil {
			return err
		}
		return chartAnswers(sheet, &o, variantScan, ", scan", answers)
	})
}

// chartAnswers adds one way of answering to the sheet, and refuses it when its answers differ from those before.
func chartAnswers(sheet *figure.Sheet, o *outcome, variant, suffix string, answers map[string]target.Line) error {
	for _, span := range []string{"all", "30 days", "1 day"} {
		sheet.Add(variant, figure.Value{Name: "CPU, " + span, Unit: "ms", V: o.value("CPU, " + span + suffix)},
			figure.Value{Name: "points, " + span, Unit: "", V: o.value("answer, " + span + suffix)},
			figure.Value{Name: "readings, " + span, Unit: "", V: o.value("readings, " + span + suffix)})
		answer, mean := o.lines["answer, "+span+suffix], o.lines["mean of means, "+span+suffix]
		first, known := answers[span]
		if !known {
			answers[span], answers[span+" mean"] = answer, mean
			continue
		}
		if answer.Digest == "" || answer.Digest != first.Digest {
			return fmt.Errorf("%s: minima, maxima or counts differ: %s, and %s before", span, answer.Digest, first.Digest)
		}
		const rounding = 1e-9 // sums in another order
		if was := answers[span+" mean"].V; math.Abs(mean.V-was) > rounding*math.Abs(was) {
			return fmt.Errorf("%s: means differ: %v, and %v before", span, mean.V, was)
		}
	}
	return nil
}

// replay kills a store that has half an hour in its log, and opens it again.
func (c *storeCommand) replay(ctx context.Context) ([]*figure.Sheet, error) {
	ticks := min(1800, int(c.Hours*3600))
	file, err := c.input("replay", series.Options{Wide: c.wide(), Ticks: ticks, StepMS: 1000})
	if err != nil {
		return nil, err
	}
	sheet := c.sheet("opening after a kill", fmt.Sprintf("%d series at 1 Hz, %d s, killed with all of it acknowledged", c.wide(), ticks))
	return []*figure.Sheet{sheet}, c.inTurn([]string{engineOurs}, func(engine string) (err error) {
		dir, err := os.MkdirTemp(c.TempDir, "telltale-bench-")
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
		args := c.args("--ticks", strconv.Itoa(ticks), "--per-commit", "5")
		if _, err := c.run(ctx, job{work: "fill", engine: engine, input: file, dir: dir, args: args, killIn: "filled"}); err != nil {
			return err
		}
		o, err := c.run(ctx, job{work: "open", engine: engine, input: file, dir: dir, args: args})
		if err != nil {
			return err
		}
		million := o.value("readings in the log") / 1e6
		sheet.Add(engine, append(o.same("readings", "readings in the log", "open", "CPU of open"),
			figure.Value{Name: "open per million readings in the log", Unit: "ms", V: o.value("open") / million},
			figure.Value{Name: "CPU per million readings in the log", Unit: "ms", V: o.value("CPU of open") / million})...)
		return nil
	})
}

// beside asks mixed questions while somebody writes as fast as the store takes it.
func (c *storeCommand) beside(ctx context.Context) ([]*figure.Sheet, error) {
	file, err := c.input("beside", series.Options{Wide: c.wide(), Ticks: 1800, StepMS: 1000})
	if err != nil {
		return nil, err
	}
	sheet := c.sheet("questions beside a writer", fmt.Sprintf("%d h of 8 series at 1 Hz, %d series written as fast as the store takes them, %.0f s", c.PastHours, c.wide(), c.Seconds))
	return []*figure.Sheet{sheet}, c.inTurn([]string{engineOurs, engineSeriesRows}, func(engine string) error {
		o, err := c.run(ctx, job{work: "beside", engine: engine, input: file, args: c.args("--past-hours", strconv.Itoa(c.PastHours),
			"--seconds", strconv.Itoa(max(1, int(c.Seconds))), "--points", strconv.Itoa(chartPoints))})
		if err != nil {
			return err
		}
		sheet.Add(engine, append(o.same("answer p50", "answer p99", "answer p99, last hour", "answer p99, last day", "answer p99, an hour a week ago", "answers",
			"readings per answer", "readings stored meanwhile", "data time passed meanwhile"),
			figure.Value{Name: "RSS, peak", Unit: "MiB", V: float64(o.memory.Peak) / (1 << 20)},
			figure.Value{Name: "other programs' CPU", Unit: "cores", V: o.spent.others.Seconds() / o.spent.wall.Seconds()})...)
		return nil
	})
}
