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
	t.Run("store", func(t *testing.T) { storesAreMeasured(t, bin) })
	if left, err := filepath.Glob(filepath.Join(short.TempDir, "*")); err != nil || len(left) > 0 {
		t.Errorf("data was left behind: %v %v", left, err)
	}
}

// storesAreMeasured runs every part of the storage benchmark for a moment. The charts among them compare the engines' answers.
func storesAreMeasured(t *testing.T, bin string) {
	// A busy machine may take a second's frames apart, which costs commits; so few of them that one is within bounds.
	c := &storeCommand{common: common{Seed: 1, Runs: 1, Seconds: 0.4, Hub: bin, TempDir: t.TempDir()},
		storeScale: storeScale{Devices: 2, Channels: 8, Hours: 20.0 / 3600, RowSeconds: 10, Warm: 5, Stream: 1, YearDays: 1, PastHours: 1, HubPast: 20, HubSeconds: 1}}
	var out strings.Builder
	if err := c.everything(t.Context(), &cli.IO{Out: &out}); err != nil {
		t.Fatal(err)
	}
	for _, want := range []struct {
		sheet, variant string
		figures        []string
	}{
		{regimeSecond, engineOurs, []string{figureWritten, "readings per commit"}},
		{regimeFive, engineStatesNormal, []string{figureDisk, "readings at rest"}},
		{regimeFiveJitter, engineTimeRows, []string{figureDisk, "readings at rest"}},
		{"in real time", engineOurs, []string{"readings per commit", "RSS, median"}},
		{"charts", engineOurs, []string{"CPU, all", "readings, 1 day"}},
		{"charts", variantScan, []string{"CPU, all", "readings, 1 day"}},
		{"opening after a kill", engineOurs, []string{"readings", "open"}},
		{"questions beside a writer", engineSeriesRows, []string{"answer p99", "readings per answer"}},
		{"memory of the hub", nameHub, []string{"RSS, median", "RSS, peak at 1 Hz"}},
	} {
		for _, name := range want.figures {
			if got := c.median(want.sheet, want.variant, name); !(got > 0) || math.IsInf(got, 0) {
				t.Errorf("%s: %s of %s is %v", want.sheet, name, want.variant, got)
			}
		}
	}
	if !strings.Contains(out.String(), "targets") || !strings.Contains(out.String(), "seed 1") {
		t.Errorf("no targets or no seed in\n%s", out.String())
	}
	if left, err := filepath.Glob(filepath.Join(c.TempDir, "*")); err != nil || len(left) > 0 {
		t.Errorf("data was left behind: %v %v", left, err)
	}
}

func TestAWorkerThatFailsIsQuoted(t *testing.T) {
	dir := t.TempDir()
	bin := filepath.Join(dir, "broken")
	if err := os.WriteFile(bin, []byte("#!/bin/sh\necho the disk is on fire >&2\nexit 1\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	c := &storeCommand{common: common{TempDir: dir}, bin: bin}
	if _, err := c.run(t.Context(), job{work: "ingest"}); err == nil || !strings.Contains(err.Error(), "on fire") {
		t.Errorf("the error is %v", err)
	}
}

func TestDifferentAnswersAreRefused(t *testing.T) {
	lines := func(digest string, mean float64) *outcome {
		o := &outcome{lines: map[string]target.Line{}}
		for _, span := range []string{"all", "30 days", "1 day"} {
			o.lines["answer, "+span] = target.Line{Digest: digest}
			o.lines["mean of means, "+span] = target.Line{V: mean}
		}
		return o
	}
	for name, other := range map[string]*outcome{"minimum": lines("b", 20), "mean": lines("a", 20.0001)} {
		answers := map[string]target.Line{}
		sheet := &figure.Sheet{}
		if err := chartAnswers(sheet, lines("a", 20), "one", "", answers); err != nil {
			t.Fatal(err)
		}
		if err := chartAnswers(sheet, lines("a", 20+1e-9), "two", "", answers); err != nil {
			t.Errorf("equal answers: %v", err)
		}
		if err := chartAnswers(sheet, other, "three", "", answers); err == nil {
			t.Errorf("another %s went unseen", name)
		}
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
