//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/telltale-iot/telltale/bench/figure"
	"github.com/telltale-iot/telltale/bench/load"
	"github.com/telltale-iot/telltale/bench/target"
)

// hub watches the memory of the real hub while its devices send at 1 Hz, after half an hour that came sixty times as fast: then the store has as
// much in memory as it ever has at this rate.
func (c *storeCommand) hub(ctx context.Context) (sheets []*figure.Sheet, err error) {
	variants, clean, err := c.prepare(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, clean()) }()
	sheet := c.sheet("memory of the hub", fmt.Sprintf("%d series at 1 Hz for %d s, after %d s of data at sixty times the pace and %d s to settle", c.wide(), c.HubSeconds, c.HubPast, c.HubSettle))
	return []*figure.Sheet{sheet}, c.each(ctx, sheet, variants, c.hubOnce)
}

func (c *storeCommand) hubOnce(ctx context.Context, _ variant, t *target.Target) (values []figure.Value, err error) {
	devices, err := connect(ctx, t, c.Devices, load.DeviceOptions{Seed: c.Seed, Clock: load.NewClock(),
		Shape: load.Shape{Channels: c.Channels, Samples: 1, StepMS: 1000, Backfill: true}})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, closeAll(devices)) }()
	if err := c.haste(ctx, devices); err != nil {
		return nil, err
	}
	stop := senders(ctx, devices, atRate(time.Second, len(devices)))
	defer func() { err = errors.Join(err, stop()) }()
	if err := pause(ctx, time.Duration(c.HubSettle)*time.Second); err != nil {
		return nil, err
	}
	begin, err := look(t)
	if err != nil {
		return nil, err
	}
	watched := t.Watch(time.Second)
	err = pause(ctx, time.Duration(c.HubSeconds)*time.Second)
	memory := watched()
	end, err0 := look(t)
	acked, _, err1 := progress(devices)
	if err := errors.Join(err, err0, err1, stop()); err != nil {
		return nil, err
	}
	if least := uint64(c.HubPast * c.Devices); acked < least {
		return nil, fmt.Errorf("%d frames were acked, at least %d were sent", acked, least)
	}
	used := between(begin, end)
	return append([]figure.Value{
		{Name: "RSS, median", Unit: "MiB", V: float64(memory.Median) / (1 << 20)},
		{Name: "RSS, peak at 1 Hz", Unit: "MiB", V: float64(memory.Peak) / (1 << 20)},
		{Name: "RSS, peak of everything", Unit: "MiB", V: float64(end.hub.Peak) / (1 << 20)},
		{Name: "heap in use at the end", Unit: "MiB", V: t.Metric(ctx, "go_memstats_heap_inuse_bytes") / (1 << 20)},
		{Name: figureWritten, Unit: "B", V: used.written / used.wall.Seconds() / float64(c.wide())},
	}, used.context()...), nil
}

// haste sends the data that comes before.
func (c *storeCommand) haste(ctx context.Context, devices []*load.Device) error {
	const pace = 60
	ticks := c.HubPast
	from := time.Now().Add(-time.Duration(ticks) * time.Second).UnixMilli()
	group, ctx := errgroup.WithContext(ctx)
	for _, d := range devices {
		group.Go(func() error {
			ticker := time.NewTicker(time.Second / pace)
			defer ticker.Stop()
			for k := range ticks {
				if err := d.Send(ctx, from+int64(k)*1000); err != nil {
					return err
				}
				select {
				case <-ticker.C:
				case <-ctx.Done():
					return ctx.Err()
				}
			}
			return d.Drained(ctx)
		})
	}
	return group.Wait()
}
