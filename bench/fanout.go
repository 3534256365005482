//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/telltale-iot/telltale/bench/figure"
	"github.com/telltale-iot/telltale/bench/load"
	"github.com/telltale-iot/telltale/bench/target"
	"github.com/telltale-iot/telltale/internal/cli"
	"github.com/telltale-iot/telltale/schema"
)

type fanoutCommand struct {
	common
	Dashboards int     `default:"1000" help:"Dashboards, spread over the devices' rooms."`
	Devices    int     `default:"1" help:"Devices that send."`
	Channels   int     `default:"1" help:"Channels per device."`
	Rate       float64 `default:"10" help:"Frames per second and device."`
	SeenEvery  int     `default:"4" help:"After how many messages a dashboard gives credit. The real page: after 400 ms, so four at this rate, or eight messages."`
	Frozen     int     `help:"Measure also with dashboards that read nothing: a page whose script hangs."`
	Stuck      int     `help:"The same with dashboards that read nothing but give credit, so that their sockets fill."`
	Sweep      bool    `help:"Add dashboards until the slowest percent waits longer than 100 ms."`
}

// Run measures updates to dashboards.
func (c *fanoutCommand) Run(ctx context.Context, io *cli.IO) error {
	machine(io.Out, &c.common)
	if c.Sweep {
		return c.sweep(ctx, io)
	}
	sheet, err := c.measure(ctx)
	if err != nil {
		return err
	}
	return sheet.Print(io.Out)
}

func (c *fanoutCommand) measure(ctx context.Context) (sheet *figure.Sheet, err error) {
	if err := files(c.Dashboards + c.Devices); err != nil {
		return nil, err
	}
	variants, clean, err := c.prepare(ctx, nameNaive, nameNaiveOnce)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, clean()) }()
	sheet = &figure.Sheet{Name: "fanout", Seed: c.Seed, Note: fmt.Sprintf("%d device(s) of %d channel(s) at %g Hz to %d dashboards, %d frozen, %d stuck, credit after %d, %.0f s",
		c.Devices, c.Channels, c.Rate, c.Dashboards, c.Frozen, c.Stuck, c.SeenEvery, c.Seconds)}
	if c.Frozen+c.Stuck > 0 { // in turn with the same without them: that is the comparison
		frozen := variants[0]
		frozen.name, frozen.frozen = nameFrozen, true
		variants = slices.Insert(variants, 1, frozen)
	}
	return sheet, c.each(ctx, sheet, variants, c.once)
}

func (c *fanoutCommand) once(ctx context.Context, v variant, t *target.Target) (values []figure.Value, err error) {
	clock := load.NewClock()
	devices, err := connect(ctx, t, c.Devices, load.DeviceOptions{Seed: c.Seed, Shape: load.Shape{Channels: c.Channels, Samples: 1}, Clock: clock})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, closeAll(devices)) }()
	room := func(i int) string { return schema.RoomDevicePrefix + devices[i%len(devices)].ID }
	pages, err := load.OpenPages(load.PagesOptions{Addr: t.Addr, Count: c.Dashboards, Room: room, SeenEvery: c.SeenEvery, Clock: clock})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, pages.Close()) }()
	for i := 0; v.frozen && i < c.Frozen+c.Stuck; i++ {
		if err := pages.Freeze(t.Addr, room(i), i >= c.Frozen); err != nil {
			return nil, err
		}
	}
	stop := senders(ctx, devices, atRate(time.Duration(float64(time.Second)/c.Rate), c.Devices))
	defer func() { err = errors.Join(err, stop()) }()
	return c.window(ctx, t, pages)
}

// window measures for a while, after a warm-up of a quarter of it.
func (c *fanoutCommand) window(ctx context.Context, t *target.Target, pages *load.Pages) ([]figure.Value, error) {
	if err := pause(ctx, c.span()/4); err != nil {
		return nil, err
	}
	begin, err0 := look(t)
	_, err1 := pages.Take()
	if err := errors.Join(err0, err1, pause(ctx, c.span())); err != nil {
		return nil, err
	}
	got, err1 := pages.Take()
	end, err0 := look(t)
	if err := errors.Join(err0, err1); err != nil {
		return nil, err
	}
	if got.Closed > 0 {
		return nil, fmt.Errorf("%d of %d dashboards lost their connection", got.Closed, c.Dashboards)
	}
	hub := between(begin, end)
	frames, readings := float64(got.Messages), float64(got.Stamps)*float64(c.Channels)
	wanted := float64(c.Dashboards) * c.Rate * hub.wall.Seconds()
	return append([]figure.Value{
		{Name: "frames delivered", Unit: "1/s", V: frames / hub.wall.Seconds()},
		{Name: "values delivered", Unit: "1/s", V: readings / hub.wall.Seconds()},
		{Name: "of the readings sent", Unit: "%", V: 100 * float64(got.Stamps) / wanted},
		{Name: "hub CPU per frame", Unit: "µs", V: per(hub.cpu, frames)},
		{Name: "hub CPU per value", Unit: "µs", V: per(hub.cpu, readings)},
		{Name: "latency p50", Unit: "ms", V: got.Latency.Quantile(0.5)},
		{Name: "latency p99", Unit: "ms", V: got.Latency.Quantile(0.99)},
		{Name: "bytes per frame", Unit: "B", V: float64(got.Bytes) / frames},
		{Name: "hub RSS", Unit: "MiB", V: float64(end.hub.RSS) / (1 << 20)},
	}, hub.context()...), nil
}

// sweep adds dashboards step by step, each time with a fresh hub, and prints every step until the limit is passed.
func (c *fanoutCommand) sweep(ctx context.Context, io *cli.IO) error {
	const (
		slowest = 100.0 // ms, p99: as late as the tick that merges
		steps   = 24    // bound of the whole
	)
	best := 0.0
	for n := 1; n <= steps; n++ {
		step := *c
		step.Dashboards, step.Baseline, step.Runs = c.Dashboards*n, false, 1
		sheet, err := step.measure(ctx)
		if err != nil {
			return err
		}
		if err := sheet.Print(io.Out); err != nil {
			return err
		}
		if sheet.Median(nameHub, "latency p99") > slowest || sheet.Median(nameHub, "of the readings sent") < 95 {
			break
		}
		best = max(best, sheet.Median(nameHub, "frames delivered"))
	}
	_, err := fmt.Fprintf(io.Out, "\nmost frames with p99 within %.0f ms: %.0f per second\n", slowest, best)
	return err
}
