package series

import (
	"bytes"
	"encoding/binary"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

func written(t *testing.T, o Options) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := Write(&b, o); err != nil {
		t.Fatal(err)
	}
	if b.Len() != 16*o.Wide*o.Ticks {
		t.Fatalf("%d bytes for %d ticks of %d", b.Len(), o.Ticks, o.Wide)
	}
	return b.Bytes()
}

func at(b []byte, cell int) (tMS int64, v float64) {
	return int64(binary.LittleEndian.Uint64(b[16*cell:])), math.Float64frombits(binary.LittleEndian.Uint64(b[16*cell+8:]))
}

func TestTheSameSeedMakesTheSameReadings(t *testing.T) {
	o := Options{Seed: 7, Wide: 10, Ticks: 50, StepMS: 1000, JitterMS: 3}
	one, two := written(t, o), written(t, o)
	o.Seed = 8
	if !bytes.Equal(one, two) || bytes.Equal(one, written(t, o)) {
		t.Error("the seed does not decide")
	}
}

func TestReadingsAreOnTheirTickOrBesideIt(t *testing.T) {
	const wide, ticks = 5, 2000
	for _, jitter := range []float64{0, 3} {
		b := written(t, Options{Seed: 1, Wide: wide, Ticks: ticks, StepMS: 1000, JitterMS: jitter})
		sum := 0.0
		for k := range ticks {
			for i := range wide {
				tMS, v := at(b, k*wide+i)
				off := float64(tMS - T0MS - int64(k)*1000)
				sum += off * off
				if math.Abs(v*100-math.Round(v*100)) > 1e-6 || v < -50 || v > 1e4 {
					t.Fatalf("series %d reads %v", i, v)
				}
			}
		}
		if got := math.Sqrt(sum / wide / ticks); math.Abs(got-jitter) > 0.2 {
			t.Errorf("deviation %v ms, want %v", got, jitter)
		}
	}
}

func TestRealColumnsAreFoundAndRounded(t *testing.T) {
	dir := t.TempDir()
	var text strings.Builder
	text.WriteString("sample,date,temperature,label,mean\n")
	for i := range leastReal {
		v := 20 + math.Sin(float64(i))
		text.WriteString(strconv.Itoa(i) + ",2015-02-02 14:19:00," + strconv.FormatFloat(v, 'f', 2, 64) + "," + strconv.Itoa(i%2) + "," +
			strconv.FormatFloat(v/1000, 'f', -1, 64) + "\n")
	}
	if err := os.WriteFile(filepath.Join(dir, "room.csv"), []byte(text.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	columns, names, err := Real(dir)
	if err != nil || strings.Join(names, " ") != "temperature mean" || columns[1][0] != 0.02 {
		t.Fatalf("found %v, %v", names, err)
	}
	b := written(t, Options{Seed: 1, Wide: 4, Ticks: 3, StepMS: 1000, Real: columns})
	if _, v := at(b, 0); v < 19 || v > 21 {
		t.Errorf("the first value is %v", v)
	}
	if _, _, err := Real(t.TempDir()); err == nil {
		t.Error("an empty folder has real series")
	}
}
