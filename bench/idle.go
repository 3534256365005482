//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/telltale-iot/telltale/bench/figure"
	"github.com/telltale-iot/telltale/bench/load"
	"github.com/telltale-iot/telltale/bench/target"
	"github.com/telltale-iot/telltale/internal/cli"
	"github.com/telltale-iot/telltale/schema"
)

type idleCommand struct {
	common
	Dashboards int     `default:"10000" help:"Dashboards that connect, join and are quiet."`
	DeviceRoom bool    `help:"Join the room of a device (that is quiet too) instead of the fleet's."`
	Settle     float64 `default:"20" help:"How long to wait for collections of garbage before memory is read, in seconds."`
}

// Run measures the memory of quiet dashboards.
func (c *idleCommand) Run(ctx context.Context, io *cli.IO) error {
	machine(io.Out, &c.common)
	sheet, err := c.measure(ctx)
	if err != nil {
		return err
	}
	return sheet.Print(io.Out)
}

func (c *idleCommand) measure(ctx context.Context) (sheet *figure.Sheet, err error) {
	if err := files(c.Dashboards); err != nil {
		return nil, err
	}
	variants, clean, err := c.prepare(ctx, nameNaive)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, clean()) }()
	room := schema.RoomFleet
	if c.DeviceRoom {
		room = "a device's room"
	}
	sheet = &figure.Sheet{Name: "idle", Seed: c.Seed, Note: fmt.Sprintf("%d quiet dashboards in %s", c.Dashboards, room)}
	return sheet, c.each(ctx, sheet, variants, c.once)
}

func (c *idleCommand) once(ctx context.Context, _ variant, t *target.Target) (values []figure.Value, err error) {
	clock := load.NewClock()
	devices, err := connect(ctx, t, 1, load.DeviceOptions{Seed: c.Seed, Shape: load.Shape{Channels: 5, Samples: 1}, Clock: clock})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, closeAll(devices)) }()
	room := schema.RoomFleet
	if c.DeviceRoom {
		room = schema.RoomDevicePrefix + devices[0].ID
	}
	if err := pause(ctx, time.Second); err != nil {
		return nil, err
	}
	before, err := t.Usage()
	if err != nil {
		return nil, err
	}
	routines := t.Metric(ctx, "go_goroutines")
	pages, err := load.OpenPages(load.PagesOptions{Addr: t.Addr, Count: c.Dashboards, Clock: clock, Room: func(int) string { return room }})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, pages.Close()) }()
	if err := c.awaitJoined(ctx, pages); err != nil {
		return nil, err
	}
	joined, err := t.Usage()
	if err != nil {
		return nil, err
	}
	if err := pause(ctx, time.Duration(c.Settle*float64(time.Second))); err != nil {
		return nil, err
	}
	after, err := t.Usage()
	if err != nil {
		return nil, err
	}
	got, err := pages.Take()
	if err == nil && got.Closed > 0 {
		err = fmt.Errorf("%d of %d dashboards were lost", got.Closed, c.Dashboards)
	}
	n := float64(c.Dashboards)
	return []figure.Value{
		{Name: "RSS per connection", Unit: "KiB", V: float64(after.RSS-before.RSS) / n / 1024},
		{Name: "RSS at the end of joining", Unit: "KiB", V: float64(joined.RSS-before.RSS) / n / 1024},
		{Name: "heap in use per connection", Unit: "KiB", V: t.Metric(ctx, "go_memstats_heap_inuse_bytes") / n / 1024},
		{Name: "stacks per connection", Unit: "KiB", V: t.Metric(ctx, "go_memstats_stack_inuse_bytes") / n / 1024},
		{Name: "goroutines per connection", Unit: "", V: (t.Metric(ctx, "go_goroutines") - routines) / n},
		{Name: "RSS without dashboards", Unit: "MiB", V: float64(before.RSS) / (1 << 20)},
		{Name: "RSS", Unit: "MiB", V: float64(after.RSS) / (1 << 20)},
		{Name: "hub CPU to connect and join", Unit: "µs", V: per(joined.CPU-before.CPU, n)},
		{Name: "hub CPU while idle", Unit: "cores", V: (after.CPU - joined.CPU).Seconds() / after.At.Sub(joined.At).Seconds()},
	}, err
}

// awaitJoined waits until there were as many messages as dashboards: the last ones have been answered then, or are about to be.
func (c *idleCommand) awaitJoined(ctx context.Context, pages *load.Pages) error {
	const within = 30 * time.Second
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	for came := uint64(0); came < uint64(c.Dashboards); {
		if err := pause(ctx, 20*time.Millisecond); err != nil {
			return fmt.Errorf("%d of %d dashboards were answered within %s: %w", came, c.Dashboards, within, err)
		}
		got, err := pages.Take()
		if err != nil {
			return err
		}
		came += got.Messages
	}
	return nil
}
