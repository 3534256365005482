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
)

type ingestCommand struct {
	common
	Agents   int  `default:"50" help:"Devices that send."`
	Channels int  `default:"20" help:"Channels per device."`
	Samples  int  `default:"1" help:"Readings per channel and frame; 1 is what a device with 1 Hz sensors sends."`
	Steady   bool `help:"Send one frame a second per device instead of as fast as the window allows."`
}

// Run measures readings through socket, commit and ack.
func (c *ingestCommand) Run(ctx context.Context, io *cli.IO) error {
	machine(io.Out, &c.common)
	sheet, err := c.measure(ctx)
	if err != nil {
		return err
	}
	return sheet.Print(io.Out)
}

func (c *ingestCommand) measure(ctx context.Context) (sheet *figure.Sheet, err error) {
	variants, clean, err := c.prepare(ctx, nameNaive)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, clean()) }()
	pace := "as fast as the window allows"
	if c.Steady {
		pace = "one frame a second each"
	}
	sheet = &figure.Sheet{Name: "ingest", Seed: c.Seed,
		Note: fmt.Sprintf("%d devices, %d channels, %d readings per channel and frame, %s, %.0f s", c.Agents, c.Channels, c.Samples, pace, c.Seconds)}
	return sheet, c.each(ctx, sheet, variants, c.once)
}

// once measures one program, with a warm-up of a quarter of the time.
func (c *ingestCommand) once(ctx context.Context, _ variant, t *target.Target) (values []figure.Value, err error) {
	shape := load.Shape{Channels: c.Channels, Samples: c.Samples, StepMS: 1000 / int64(max(c.Samples, 1))}
	devices, err := connect(ctx, t, c.Agents, load.DeviceOptions{Seed: c.Seed, Shape: shape, Clock: load.NewClock()})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, closeAll(devices)) }()
	send := func(ctx context.Context, d *load.Device, _ int) error {
		for {
			if err := d.Send(ctx, time.Now().UnixMilli()); err != nil {
				return err
			}
		}
	}
	if c.Steady {
		send = atRate(time.Second, c.Agents)
	}
	stop := senders(ctx, devices, send)
	defer func() { err = errors.Join(err, stop()) }()
	if err := pause(ctx, c.span()/4); err != nil {
		return nil, err
	}
	if _, _, err := progress(devices); err != nil {
		return nil, err
	}
	begin, err0 := look(t)
	acked0, _, err1 := progress(devices)
	if err := errors.Join(err0, err1, pause(ctx, c.span())); err != nil {
		return nil, err
	}
	acked, latency, err1 := progress(devices)
	end, err0 := look(t)
	if err := errors.Join(err0, err1, stop()); err != nil {
		return nil, err
	}
	if err := drain(ctx, devices); err != nil {
		return nil, err
	}
	hub := between(begin, end)
	frames := float64(acked - acked0)
	readings := frames * float64(shape.Readings())
	return append([]figure.Value{
		{Name: "readings acked", Unit: "1/s", V: readings / hub.wall.Seconds()},
		{Name: "readings per hub CPU second", Unit: "1/s", V: readings / hub.cpu.Seconds()},
		{Name: "hub CPU per reading", Unit: "µs", V: per(hub.cpu, readings)},
		{Name: "hub CPU per frame", Unit: "µs", V: per(hub.cpu, frames)},
		{Name: "ack latency p50", Unit: "ms", V: latency.Quantile(0.5)},
		{Name: "ack latency p99", Unit: "ms", V: latency.Quantile(0.99)},
		{Name: "bytes written per reading", Unit: "B", V: hub.written / readings},
		{Name: "hub RSS", Unit: "MiB", V: float64(end.hub.RSS) / (1 << 20)},
	}, hub.context()...), nil
}

// progress sums up all devices. A frame that was refused is an error: then something else is measured than was meant.
func progress(devices []*load.Device) (acked uint64, latency figure.Latencies, err error) {
	for _, d := range devices {
		n, l, refused := d.Progress()
		acked += n
		latency = append(latency, l...)
		err = errors.Join(err, refused)
	}
	return acked, latency, err
}

// drain waits until everything is acked: nothing that was measured may get lost.
func drain(ctx context.Context, devices []*load.Device) error {
	const within = 3 * time.Minute // 64 frames of a thousand readings from each of 50 devices, on a busy machine
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	for _, d := range devices {
		if err := d.Drained(ctx); err != nil {
			return err
		}
	}
	return nil
}
