package pack_test

import (
	"encoding/csv"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/telltale-iot/telltale/hub/internal/store/pack"
)

// chunk is how many readings the blocks of the benchmarks have.
const chunk = 1024

type series struct {
	name string
	b    *pack.Block
}

// benchSeries returns what the benchmarks measure: made-up series, the real ones of testdata, and more real ones if TELLTALE_SERIES names the folder
// that has them (DESIGN.md says which).
func benchSeries(tb testing.TB) []series {
	r := rand.New(rand.NewPCG(3, 4))
	const n = 8 * chunk
	slow := func(places int, noise float64) []float64 {
		return decimals(walk(r, n, 21, 0.001, noise), places)
	}
	out := []series{
		{"temperature 0.01 °C @1 Hz", numbers(every(n, 1000), slow(2, 0.02))},
		{"the same, 3 ms jitter", numbers(jittered(r, every(n, 1000), 3), slow(2, 0.02))},
		{"temperature 0.1 °C", numbers(every(n, 2000), slow(1, 0.02))},
		{"pressure 0.01 hPa", numbers(every(n, 1000), decimals(walk(r, n, 1013, 0.002, 0.05), 2))},
		{"power 0.1 W", numbers(every(n, 1000), decimals(walk(r, n, 210, 0, 5), 1))},
		{"the same, away once a chunk", numbers(away(jittered(r, every(n, 1000), 3)), slow(2, 0.02))},
		{"SHT31 in full", numbers(every(n, 1000), each(walk(r, n, 25_000, 1, 3), func(v float64) float64 { return -45 + 175*math.Round(v)/65_535 }))},
		{"acceleration, steps of 0.0039 g", numbers(every(n, 10), each(walk(r, n, 0, 0, 5), func(v float64) float64 { return math.Round(v) * 0.0039 * 9.80665 }))},
		{"float32 of 0.01 °C", numbers(every(n, 1000), each(slow(2, 0.02), func(v float64) float64 { return float64(float32(v)) }))},
		{"any doubles", numbers(every(n, 1000), walk(r, n, 21, 0.001, 0.02))},
		{"constant", numbers(every(n, 1000), make([]float64, n))},
		{"bool", switched(r, n, 50)},
		{"text", states(r, n, 50, "idle", "heating", "cooling")},
		{"machine temperature", numbers(nab(tb, "testdata/nab_machine_temperature.csv"))},
	}
	ecg := column(tb, "testdata/mitbih_100_mlii.csv", 0)
	out = append(out, series{"ECG 360 Hz", numbers(waveform(len(ecg), 90, 2777), ecg)})
	if dir := os.Getenv("TELLTALE_SERIES"); dir != "" {
		out = append(out, folder(tb, dir)...)
	}
	return out
}

// folder returns the series of a folder with whole records.
func folder(tb testing.TB, dir string) []series {
	room := filepath.Join(dir, "occupancy_room_climate.csv")
	tms := times(tb, room)
	ecg := column(tb, filepath.Join(dir, "mitbih_100_ecg_360hz_10min.csv"), 1)
	return []series{
		{"real room temperature 0.01", numbers(tms, decimals(column(tb, room, 1), 2))},
		{"real room temperature as published", numbers(tms, column(tb, room, 1))},
		{"real humidity 0.01", numbers(tms, decimals(column(tb, room, 2), 2))},
		{"real CO2 1 ppm", numbers(tms, decimals(column(tb, room, 4), 0))},
		{"real machine temperature", numbers(nab(tb, filepath.Join(dir, "nab_machine_temperature.csv")))},
		{"real ambient temperature", numbers(nab(tb, filepath.Join(dir, "nab_ambient_temperature.csv")))},
		{"real ECG 360 Hz", numbers(waveform(len(ecg), 90, 2777), ecg)},
	}
}

// each applies f to all of v. −0 becomes 0.
func each(v []float64, f func(float64) float64) []float64 {
	for i := range v {
		v[i] = f(v[i]) + 0
	}
	return v
}

// away leaves an hour out in each chunk.
func away(tms []int64) []int64 {
	for i := range tms {
		tms[i] += int64(i/chunk*2+i%chunk/700) * 3_600_000
	}
	return tms
}

// switched returns a bool that changes once in some readings; states a text.
func switched(r *rand.Rand, n, some int) *pack.Block {
	v, at := make([]float64, n), 0.0
	for i := range v {
		if r.IntN(some) == 0 {
			at = 1 - at
		}
		v[i] = at
	}
	return &pack.Block{Kind: pack.Bools, TMS: every(n, 1000), Num: v}
}

func states(r *rand.Rand, n, some int, words ...string) *pack.Block {
	v, at := make([]string, n), words[0]
	for i := range v {
		if r.IntN(some) == 0 {
			at = words[r.IntN(len(words))]
		}
		v[i] = at
	}
	return &pack.Block{Kind: pack.Texts, TMS: every(n, 1000), Text: v}
}

func nab(tb testing.TB, file string) ([]int64, []float64) {
	return times(tb, file), column(tb, file, 1)
}

func times(tb testing.TB, file string) []int64 {
	tb.Helper()
	var out []int64
	for _, row := range rows(tb, file) {
		at, err := time.Parse(time.DateTime, row[0])
		if err != nil {
			tb.Fatal(err)
		}
		out = append(out, at.UnixMilli())
	}
	slices.Sort(out) // some records overlap
	return out
}

func column(tb testing.TB, file string, i int) []float64 {
	tb.Helper()
	var out []float64
	for _, row := range rows(tb, file) {
		v, err := strconv.ParseFloat(row[i], 64)
		if err != nil {
			tb.Fatal(err)
		}
		out = append(out, v)
	}
	return out
}

func rows(tb testing.TB, file string) [][]string {
	tb.Helper()
	f, err := os.Open(filepath.Clean(file))
	if err != nil {
		tb.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	rows, err := csv.NewReader(f).ReadAll()
	if err != nil {
		tb.Fatal(err)
	}
	return rows[1:]
}

// chunks cuts a block.
func chunks(b *pack.Block) []*pack.Block {
	var out []*pack.Block
	for i := 0; i+chunk <= b.Len(); i += chunk {
		c := &pack.Block{Kind: b.Kind, TMS: b.TMS[i : i+chunk]}
		if b.Kind == pack.Texts {
			c.Text = b.Text[i : i+chunk]
		} else {
			c.Num = b.Num[i : i+chunk]
		}
		out = append(out, c)
	}
	return out
}

// What packing must be worth, with room for other machines' rounding: bytes per reading, and how much less than Gorilla.
func TestReadingsTakeFewBytes(t *testing.T) {
	most := map[string]float64{
		"temperature 0.01 °C @1 Hz": 0.44, "the same, 3 ms jitter": 0.81, "the same, away once a chunk": 0.83, "SHT31 in full": 0.83,
		"acceleration, steps of 0.0039 g": 0.83, "float32 of 0.01 °C": 0.44, "temperature 0.1 °C": 0.11, "pressure 0.01 hPa": 0.61, "power 0.1 W": 1.02,
		"any doubles": 5.7, "constant": 0.025, "bool": 0.06, "text": 0.07, "machine temperature": 3.8, "ECG 360 Hz": 0.55,
	}
	for _, s := range benchSeries(t) {
		var size, gorilla, n int
		for _, c := range chunks(s.b) {
			size += len(roundTrip(t, c))
			n += c.Len()
			if c.Kind == pack.Numbers {
				gorilla += gorillaSize(c)
			}
		}
		each := float64(size) / float64(n)
		t.Logf("%-36s %6.3f bytes a reading, Gorilla %6.3f", s.name, each, float64(gorilla)/float64(n))
		if most[s.name] > 0 && each > most[s.name] || most[s.name] == 0 && os.Getenv("TELLTALE_SERIES") == "" {
			t.Errorf("%s: %.3f bytes a reading, want at most %.3f", s.name, each, most[s.name])
		}
	}
}

func BenchmarkAppend(b *testing.B) {
	for _, s := range benchSeries(b) {
		b.Run(s.name, func(b *testing.B) {
			blocks := chunks(s.b)
			var buf []byte
			var err error
			size, i := 0, 0
			b.ReportAllocs()
			for b.Loop() {
				if buf, err = pack.Append(buf[:0], blocks[i%len(blocks)]); err != nil {
					b.Fatal(err)
				}
				size += len(buf)
				i++
			}
			b.ReportMetric(float64(size)/float64(i)/chunk, "B/reading")
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(i)/chunk, "ns/reading")
		})
	}
}

func BenchmarkDecode(b *testing.B) {
	for _, s := range benchSeries(b) {
		b.Run(s.name, func(b *testing.B) {
			var packed [][]byte
			for _, c := range chunks(s.b) {
				data, err := pack.Append(nil, c)
				if err != nil {
					b.Fatal(err)
				}
				packed = append(packed, data)
			}
			var got pack.Block
			i := 0
			b.ReportAllocs()
			for b.Loop() {
				if err := pack.Decode(&got, packed[i%len(packed)]); err != nil {
					b.Fatal(err)
				}
				i++
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(i)/chunk, "ns/reading")
		})
	}
}

// Decoding into a block that was used before takes no memory but for texts.
func TestDecodeTakesNoMemory(t *testing.T) {
	for _, s := range benchSeries(t) {
		if s.b.Kind == pack.Texts {
			continue
		}
		data, err := pack.Append(nil, chunks(s.b)[0])
		if err != nil {
			t.Fatal(err)
		}
		var b pack.Block
		if n := testing.AllocsPerRun(100, func() { err = pack.Decode(&b, data) }); n > forgotten || err != nil {
			t.Errorf("%s: %v allocations (%v)", s.name, n, err)
		}
	}
}

// What is always the same costs next to nothing: a steady step, one value, no marks.
func TestWhatStaysCostsNothing(t *testing.T) {
	size := func(n int, stepMS int64, marks ...pack.Mark) int {
		b := numbers(every(n, stepMS), slices.Repeat([]float64{21.5}, n))
		b.Marks = marks
		return len(roundTrip(t, b))
	}
	few := size(100, 1000)
	if more := size(60_000, 1000); more > few+3 || few > 32 {
		t.Errorf("100 equal readings take %d bytes, 60000 take %d", few, more)
	}
	if marked := size(100, 1000, make([]pack.Mark, 100)...); marked != few {
		t.Errorf("marks that are all 0 take %d bytes", marked-few)
	}
	if marked := size(100, 1000, slices.Repeat([]pack.Mark{pack.NewMark(4, 1, false)}, 100)...); marked > few+4 {
		t.Errorf("marks that are all the same take %d bytes", marked-few)
	}
}

// A waveform's times are lines whose starts cost a few bits, whatever its step and its frames, and also if these begin up to 1 ms late.
func TestWaveformTimesAreLines(t *testing.T) {
	const n = 2048
	r := rand.New(rand.NewPCG(5, 6))
	for _, stepUS := range []int64{1000, 1001, 2777, 2778, 4000, 8000, 8333, 16_667} {
		for _, size := range []int{90, 125, 250} {
			for _, late := range []int64{0, 1} {
				tms := waveform(n+31, size, stepUS)
				for i := range tms {
					if i%size == 0 && r.Int64N(2) < late {
						for j := i; j < min(i+size, len(tms)); j++ {
							tms[j]++
						}
					}
				}
				slices.Sort(tms)
				for _, from := range []int{0, 31} {
					b := numbers(tms[from:from+n], make([]float64, n))
					if got, most := len(roundTrip(t, b)), 80+40*int(late); got > most {
						t.Errorf("step %d µs, frames of %d, from sample %d, late %d ms: %d bytes for %d times, want at most %d", stepUS, size, from, late, got, n, most)
					}
				}
			}
		}
	}
}
