//go:build linux

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"time"

	"github.com/telltale-iot/telltale/bench/figure"
	"github.com/telltale-iot/telltale/bench/load"
	"github.com/telltale-iot/telltale/bench/target"
	"github.com/telltale-iot/telltale/internal/cli"
	"github.com/telltale-iot/telltale/schema"
)

type historyCommand struct {
	common
	Hours   int `default:"24" help:"Length of the series, at 1 Hz."`
	Points  int `default:"1000" help:"Points of the chart."`
	Queries int `default:"40" help:"How often to ask."`
}

// Run measures a series thinned for a chart.
func (c *historyCommand) Run(ctx context.Context, io *cli.IO) error {
	machine(io.Out, &c.common)
	sheet, err := c.measure(ctx)
	if err != nil {
		return err
	}
	return sheet.Print(io.Out)
}

func (c *historyCommand) measure(ctx context.Context) (sheet *figure.Sheet, err error) {
	variants, clean, err := c.prepare(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, clean()) }()
	sheet = &figure.Sheet{Name: "history", Seed: c.Seed, Note: fmt.Sprintf("1 channel, %d h at 1 Hz, as %d points", c.Hours, c.Points)}
	return sheet, c.each(ctx, sheet, variants, c.once)
}

func (c *historyCommand) once(ctx context.Context, _ variant, t *target.Target) (values []figure.Value, err error) {
	const samples = 1200 // per frame: 20 minutes
	from := time.Now().Add(-time.Duration(c.Hours) * time.Hour).Truncate(time.Second).UnixMilli()
	to := from + int64(c.Hours)*3_600_000 - 1
	devices, err := connect(ctx, t, 1, load.DeviceOptions{Seed: c.Seed, Clock: load.NewClock(),
		Shape: load.Shape{Channels: 2, Samples: samples, StepMS: 1000, Backfill: true}})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, closeAll(devices)) }()
	start, err := t.Usage()
	if err != nil {
		return nil, err
	}
	for at := from; at < to; at += samples * 1000 {
		if err := devices[0].Send(ctx, at); err != nil {
			return nil, err
		}
	}
	if err := drain(ctx, devices); err != nil {
		return nil, err
	}
	stored, err := t.Usage()
	if err != nil {
		return nil, err
	}
	query := url.Values{"channel": {"c1.state"}, "from": {strconv.FormatInt(from, 10)}, "to": {strconv.FormatInt(to, 10)}, "points": {strconv.Itoa(c.Points)}}
	path := "/api/v1/devices/" + devices[0].ID + "/history?" + query.Encode()
	answer, err := t.Get(ctx, path) // the warm-up
	if err != nil {
		return nil, err
	}
	latency, cpu, err := c.ask(ctx, t, path)
	if err != nil {
		return nil, err
	}
	count, err := counted(answer)
	if want := int64(c.Hours) * 3600; err == nil && count != want {
		err = fmt.Errorf("the history counts %d readings, %d were sent", count, want)
	}
	readings := float64(c.Hours) * 3600
	return []figure.Value{
		{Name: "hub CPU per query", Unit: "ms", V: per(cpu, float64(c.Queries)) / 1000},
		{Name: "hub CPU per reading read", Unit: "µs", V: per(cpu, float64(c.Queries)*readings)},
		{Name: "answer p50", Unit: "ms", V: latency.Quantile(0.5)},
		{Name: "answer p99", Unit: "ms", V: latency.Quantile(0.99)},
		{Name: "answer", Unit: "KiB", V: float64(len(answer)) / 1024},
		{Name: "hub CPU per reading stored as backlog", Unit: "µs", V: per(stored.CPU-start.CPU, 2*readings)},
		{Name: "bytes written per reading stored", Unit: "B", V: float64(stored.Written-start.Written) / 2 / readings},
	}, err
}

// ask asks again and again, and returns what the hub spent.
func (c *historyCommand) ask(ctx context.Context, t *target.Target, path string) (latency figure.Latencies, cpu time.Duration, err error) {
	first, err := t.Usage()
	if err != nil {
		return nil, 0, err
	}
	for range c.Queries {
		asked := time.Now()
		if _, err := t.Get(ctx, path); err != nil {
			return nil, 0, err
		}
		latency.Note(time.Since(asked))
	}
	last, err := t.Usage()
	return latency, last.CPU - first.CPU, err
}

// counted is how many readings a history has in its buckets.
func counted(answer []byte) (n int64, err error) {
	var h schema.History
	if err := json.Unmarshal(answer, &h); err != nil {
		return 0, fmt.Errorf("decode the history: %w", err)
	}
	for _, s := range h.Series {
		for _, c := range s.Count {
			n += c
		}
	}
	return n, nil
}
