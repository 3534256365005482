//go:build linux

package main

import (
	"context"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/telltale-iot/telltale/bench/figure"
	"github.com/telltale-iot/telltale/bench/target"
	"github.com/telltale-iot/telltale/internal/cli"
)

// TestMain makes this test binary the naive hub when it is started as one, as the benchmark's own binary is.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "naive" {
		main()
		return
	}
	os.Exit(m.Run())
}

// TestEveryBenchmarkMeasuresTheRealHub runs each for a moment: so the benchmarks cannot rot.
func TestEveryBenchmarkMeasuresTheRealHub(t *testing.T) {
	bin, err := target.Build(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	short := common{Seed: 1, Runs: 1, Seconds: 0.4, Hub: bin, TempDir: t.TempDir(), Baseline: true}
	commits := short
	commits.Seconds = 1 // the hub commits and acks five times a second
	fan := fanoutCommand{common: short, Dashboards: 10, Devices: 2, Channels: 3, Rate: 10, SeenEvery: 1, Frozen: 1, Stuck: 1}
	tests := []struct {
		name     string
		measure  func(context.Context) (*figure.Sheet, error)
		positive []string
		variants []string
	}{
		{"ingest", (&ingestCommand{common: commits, Agents: 3, Channels: 4, Samples: 2}).measure, []string{"readings acked", "ack latency p99"}, []string{nameHub, nameNaive}},
		{"fanout", fan.measure, []string{"frames delivered", "values delivered", "latency p99"}, []string{nameHub, nameFrozen, nameNaive, nameNaiveOnce}},
		{"idle", (&idleCommand{common: short, Dashboards: 20}).measure, []string{"RSS", "goroutines per connection"}, []string{nameHub, nameNaive}},
		{"history", (&historyCommand{common: short, Hours: 1, Points: 100, Queries: 2}).measure, []string{"answer p50", "answer"}, []string{nameHub}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			sheet, err := test.measure(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			for _, v := range test.variants {
				for _, name := range test.positive {
					if got := sheet.Median(v, name); !(got > 0) || math.IsInf(got, 0) {
						t.Errorf("%s of %s is %v", name, v, got)
					}
				}
			}
		})
	}
	if left, err := filepath.Glob(filepath.Join(short.TempDir, "*")); err != nil || len(left) > 0 {
		t.Errorf("data was left behind: %v %v", left, err)
	}
}

func TestAProgramThatDoesNotStartIsQuoted(t *testing.T) {
	dir := t.TempDir()
	bin := filepath.Join(dir, "broken")
	if err := os.WriteFile(bin, []byte("#!/bin/sh\necho the disk is on fire\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := target.Start(ctx, target.Options{Binary: bin, TempDir: dir})
	if err == nil {
		t.Fatal("a program that ends at once is ready")
	}
}

func TestTooManyConnectionsAreRefusedInWords(t *testing.T) {
	var out, errs strings.Builder
	code := cli.Run(t.Context(), cli.Program{Name: "bench"}, &program{}, []string{"fanout", "--dashboards", "100000000"}, &cli.IO{Out: &out, Err: &errs})
	if code != cli.ExitFailed || !strings.Contains(errs.String(), "ulimit") {
		t.Errorf("exit %d, said %q", code, errs.String())
	}
}
