//go:build linux

// Command bench measures the hub from outside, next to a naive baseline: what docs/performance.md quotes.
//
//	go run ./bench              everything, about an hour
//	go run ./bench ingest       readings through socket, commit and ack
//	go run ./bench fanout       one device to a thousand dashboards
//	go run ./bench idle         memory of ten thousand quiet dashboards
//	go run ./bench history      a day of readings as a chart
//	go run ./bench store        what a reading costs on the disk, beside three stores of rows
//
// It builds the hub, starts it as a child with an empty data folder and reads its costs from /proc (Linux only). Processor time is what
// to compare: on two cores the load generator is beside the hub, and wall time depends on both. common.go has what the benchmarks share.
package main

import (
	"context"
	"os"

	"github.com/telltale-iot/telltale/bench/naive"
	"github.com/telltale-iot/telltale/internal/cli"
)

type program struct {
	All     allCommand     `cmd:"" default:"withargs" help:"Measure everything. The default."`
	Ingest  ingestCommand  `cmd:"" help:"Measure readings from devices' sockets to disk."`
	Fanout  fanoutCommand  `cmd:"" help:"Measure updates to dashboards."`
	Idle    idleCommand    `cmd:"" help:"Measure the memory of dashboards that are quiet."`
	History historyCommand `cmd:"" help:"Measure a day of one channel, thinned for a chart."`
	Store   storeCommand   `cmd:"" help:"Measure what a reading costs in the store, beside three stores of a row per reading."`
	Naive   naiveCommand   `cmd:"" hidden:"" help:"Serve as the naive hub that the others are compared with."`
}

type naiveCommand struct {
	Listen     string `help:"Address to listen on."`
	Data       string `help:"Data folder."`
	EncodeOnce bool   `help:"Encode an update once for all dashboards."`
}

// Run serves until the process is told to end.
func (c *naiveCommand) Run(ctx context.Context) error {
	return naive.Serve(ctx, naive.Options{Listen: c.Listen, Data: c.Data, EncodeOnce: c.EncodeOnce})
}

func main() {
	os.Exit(cli.Main(cli.Program{
		Name:        "bench",
		Description: "Measures the hub from outside: processor time, memory, bytes to disk, latency.",
	}, &program{}))
}
