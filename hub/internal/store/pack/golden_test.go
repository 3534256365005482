package pack_test

import (
	"encoding/hex"
	"flag"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/telltale-iot/telltale/hub/internal/store/pack"
)

var update = flag.Bool("update", false, "write the golden blocks anew (never after a release)")

// What version 1 wrote is in people's files: it is read for ever. How something is written may become better; then the golden block stays
// and a new one is added beside it.
func TestGoldenBlocks(t *testing.T) {
	for name, b := range goldens() {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join("testdata", "v1", strings.ReplaceAll(name, " ", "_")+".hex")
			packed, err := pack.Append(nil, b)
			if err != nil {
				t.Fatal(err)
			}
			if *update {
				if err := os.WriteFile(file, wrapped(packed), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			data := golden(t, file)
			var got pack.Block
			if err := pack.Decode(&got, data); err != nil {
				t.Fatalf("a block that version 1 wrote: %v", err)
			}
			same(t, b, &got)
			// Elsewhere floats may be rounded otherwise (fused multiplications) and another predictor seem best.
			if runtime.GOARCH == "amd64" && string(packed) != string(data) {
				t.Errorf("is written otherwise now: %d bytes, were %d", len(packed), len(data))
			}
		})
	}
}

// golden returns a block in hex.
func golden(tb testing.TB, file string) []byte {
	tb.Helper()
	text, err := os.ReadFile(filepath.Clean(file))
	if err != nil {
		tb.Fatal(err)
	}
	data, err := hex.DecodeString(strings.Join(strings.Fields(string(text)), ""))
	if err != nil {
		tb.Fatal(err)
	}
	return data
}

func wrapped(b []byte) []byte {
	const line = 60
	var out strings.Builder
	for len(b) > 0 {
		n := min(line, len(b))
		fmt.Fprintf(&out, "%x\n", b[:n])
		b = b[n:]
	}
	return []byte(out.String())
}

// goldens are made of whole numbers only: they are the same on every machine.
func goldens() map[string]*pack.Block {
	at := uint32(1)
	next := func(n int) int { // a small generator of its own, so that nothing else changes it
		at = at*1664525 + 1013904223
		return int(at>>8) % n
	}
	values := func(n int, f func(i int) float64) []float64 {
		v := make([]float64, n)
		for i := range v {
			v[i] = f(i)
		}
		return v
	}
	level := 2100
	temperature := func(int) float64 {
		level += next(3) - 1
		return float64(level+next(5)) / 100
	}
	late := every(200, 1000)
	for i := range late {
		late[i] += int64(next(7))
		if i > 120 {
			late[i] += 3_600_000
		}
	}
	out := map[string]*pack.Block{
		"empty":       {Kind: pack.Numbers},
		"one":         numbers([]int64{start}, []float64{21.5}),
		"temperature": numbers(every(300, 1000), values(300, temperature)),
		"jitter":      numbers(late, values(200, temperature)),
		"steady":      numbers(every(500, 10_000), values(500, func(int) float64 { return 230.5 })),
		"waveform":    numbers(waveform(400, 90, 2777), values(400, func(i int) float64 { return float64(1000 + (i%36)*(i%36)/3 + next(4)) })),
		"doubles":     numbers(every(40, 1000), values(40, func(int) float64 { return 1 / float64(3+next(1<<30)) })),
		"extremes":    numbers(every(5, 1000), []float64{math.MaxFloat64, -math.MaxFloat64, 0, math.SmallestNonzeroFloat64, math.MaxFloat64}),
		"thirds":      numbers(every(100, 1000), values(100, func(int) float64 { return float64(60+next(9)) / 3 })),
		"floats":      numbers(every(100, 1000), values(100, func(int) float64 { return float64(float32(2100+next(9)) / 100) })),
		"spikes": numbers(every(200, 1000), values(200, func(i int) float64 {
			if i%50 == 17 {
				return float64(next(1 << 24))
			}
			return float64(next(3))
		})),
		"bools": {Kind: pack.Bools, TMS: every(200, 1000), Num: values(200, func(i int) float64 { return float64(next(4) / 3) })},
		"texts": {Kind: pack.Texts, TMS: every(6, 60_000), Text: []string{"off", "heating", "heating", "", "off", "größer"}},
	}
	marks := numbers(every(120, 1000), values(120, temperature))
	marks.Marks = make([]pack.Mark, 120)
	for i := range marks.Marks {
		if next(10) == 0 {
			marks.Marks[i] = pack.NewMark(1, uint8(next(4)), true)
			marks.Num[i] = 0
		} else if i > 80 {
			marks.Marks[i] = pack.NewMark(0, 3, false)
		}
	}
	out["marks"] = marks
	return out
}
