//go:build linux

package main

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// inputFile writes ticks of wide series, every second from 1,000,000 s on, up to jitter/2 ms beside it.
func inputFile(t *testing.T, wide, ticks int, jitter int64) string {
	t.Helper()
	var b []byte
	for k := range ticks {
		for i := range wide {
			at := int64(1_000_000+k)*1000 + int64(k*7+i)%(jitter+1) - jitter/2
			b = binary.LittleEndian.AppendUint64(b, uint64(at))
			b = binary.LittleEndian.AppendUint64(b, math.Float64bits(float64((k*31+i*17)%400)/10))
		}
	}
	file := filepath.Join(t.TempDir(), "input")
	if err := os.WriteFile(file, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func TestInputGoesOnAfterItsEnd(t *testing.T) {
	in, err := openInput(spec{input: inputFile(t, 2, 3, 0), wide: 2, stepMS: 1000})
	if err != nil {
		t.Fatal(err)
	}
	defer in.close()
	group := in.group(8)
	if err := in.next(group); err != nil {
		t.Fatal(err)
	}
	for k, got := range group {
		want := int64(1_000_000+k) * 1000
		if got.atMS != want || got.tMS[1] != want || got.v[1] != group[k%3].v[1] {
			t.Errorf("tick %d is %+v, want its time to be %d", k, got, want)
		}
	}
}

func TestEnginesAnswerTheSame(t *testing.T) {
	const wide, ticks = 6, 200
	s := spec{input: inputFile(t, wide, ticks, 9), wide: wide, devices: 2, stepMS: 1000, seed: 1}
	var first string
	for _, name := range []string{"telltale", "series-rows", "time-rows"} {
		s.engine, s.dir, s.prefill = name, t.TempDir(), ticks
		e, in, err := prefilled(t.Context(), s)
		if err != nil {
			t.Fatal(name, err)
		}
		answers := ""
		for i := range wide {
			q := question{series: i, fromMS: 1_000_020_000, toMS: 1_000_139_999, points: 30, widthMS: 4000}
			c, err := e.Chart(t.Context(), q)
			if err != nil {
				t.Fatal(name, err)
			}
			answers += c.digest() + "\n"
			if plain, ok := e.(*rows); ok {
				if scanned, err := plain.Scan(q); err != nil || scanned.digest() != c.digest() {
					t.Errorf("%s: the scan of series %d says otherwise: %v", name, i, err)
				}
			}
		}
		if first == "" {
			first = answers
		}
		if answers != first || strings.HasPrefix(answers, "0 ") {
			t.Errorf("%s answers\n%swant\n%s", name, answers, first)
		}
		if err := e.Close(); err != nil {
			t.Error(name, err)
		}
		if z, err := e.Size(); err != nil || z.fileBytes == 0 || z.readings > wide*ticks {
			t.Errorf("%s: size %+v, %v", name, z, err)
		}
		in.close()
	}
}

func TestAGroupIsOneCommit(t *testing.T) {
	s := spec{work: "ingest", engine: "telltale", dir: t.TempDir(), input: inputFile(t, 4, 8, 0), wide: 4, devices: 2, stepMS: 1000, ticks: 6, prefill: 2, perCommit: 3}
	figures := runQuietly(t, s)
	// A busy machine may take a group apart; it must not become fewer.
	if n := figures["commits"]; n < 2 || n > 4 || figures["readings"] != 24 {
		t.Errorf("%v commits for 2 groups, %v readings", n, figures["readings"])
	}
}

func TestStreamSendsEverySecond(t *testing.T) {
	s := spec{work: "stream", engine: "states", dir: t.TempDir(), input: inputFile(t, 4, 2, 0), wide: 4, devices: 2, stepMS: 1000, ticks: 1, perCommit: 1}
	began := time.Now()
	if figures := runQuietly(t, s); figures["readings"] != 4 || time.Since(began) < time.Second {
		t.Errorf("%v readings after %s", figures["readings"], time.Since(began))
	}
}

// runQuietly runs a workload and lets every phase pass.
func runQuietly(t *testing.T, s spec) map[string]float64 {
	t.Helper()
	var out bytes.Buffer
	if err := run(t.Context(), s, newReport(strings.NewReader("\n\n\n"), &out)); err != nil {
		t.Fatal(err)
	}
	figures := map[string]float64{}
	for d := json.NewDecoder(&out); ; {
		var l line
		if err := d.Decode(&l); err == io.EOF {
			return figures
		} else if err != nil {
			t.Fatal(err)
		}
		figures[l.Name] = l.V
	}
}

func TestNonsenseIsRefused(t *testing.T) {
	for _, s := range []spec{
		{work: "dance", engine: "telltale", wide: 1, devices: 1, perCommit: 1},
		{work: "ingest", engine: "telltale", wide: 1, devices: 1, perCommit: 1},
		{work: "ingest", engine: "telltale", wide: 3, devices: 2, perCommit: 1},
		{work: "ingest", engine: "oracle", wide: 1, devices: 1, perCommit: 1, stepMS: 1, input: inputFile(t, 1, 1, 0)},
		{work: "ingest", engine: "telltale", wide: 1, devices: 1, perCommit: 1, stepMS: 1, input: filepath.Join(t.TempDir(), "none")},
	} {
		if err := run(t.Context(), s, newReport(strings.NewReader(""), io.Discard)); err == nil {
			t.Errorf("%+v is run", s)
		}
	}
}
