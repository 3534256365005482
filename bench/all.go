//go:build linux

package main

import (
	"context"
	"fmt"

	"github.com/telltale-iot/telltale/bench/figure"
	"github.com/telltale-iot/telltale/internal/cli"
)

type allCommand struct {
	common
	storeScale
}

// Run measures everything that docs/performance.md quotes, one benchmark after the other.
func (c *allCommand) Run(ctx context.Context, io *cli.IO) error {
	machine(io.Out, &c.common)
	fan := fanoutCommand{common: c.common, Dashboards: 1000, Devices: 1, Channels: 1, Rate: 10, SeenEvery: 4}
	alone, wide, frozen, spread := fan, fan, fan, fan
	alone.SeenEvery, alone.Baseline = 1, false
	wide.Channels = 20
	frozen.Frozen, frozen.Stuck, frozen.Baseline = 1, 1, false
	spread.Devices, spread.Channels, spread.Baseline = 50, 20, false
	in := ingestCommand{common: c.common, Agents: 50, Channels: 20, Samples: 1}
	steady, backlog := in, in
	steady.Steady = true
	backlog.Agents, backlog.Samples = 10, 50 // 64 frames of 1000 readings each: more than the hub queues
	idle := idleCommand{common: c.common, Dashboards: 10_000, Settle: 20}
	room := idle
	room.DeviceRoom, room.Runs, room.Baseline = true, 1, false
	for _, measure := range []func(context.Context) (*figure.Sheet, error){
		in.measure, steady.measure, backlog.measure, fan.measure, alone.measure, wide.measure, frozen.measure, spread.measure, idle.measure, room.measure,
		(&historyCommand{common: c.common, Hours: 24, Points: 1000, Queries: 40}).measure,
	} {
		sheet, err := measure(ctx)
		if err != nil {
			return err
		}
		if err := sheet.Print(io.Out); err != nil {
			return err
		}
	}
	fmt.Fprintln(io.Out)
	fan.Seconds = min(c.Seconds, 5)
	if err := fan.sweep(ctx, io); err != nil {
		return err
	}
	return (&storeCommand{common: c.common, storeScale: c.storeScale}).everything(ctx, io)
}
