package export

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"runtime"
	"strings"
	"testing"

	"github.com/parquet-go/parquet-go"

	"github.com/telltale-iot/telltale/schema"
)

// file writes rows in a format.
func file(t testing.TB, f schema.FileFormat, o Options, rows ...Row) (string, *Writer) {
	t.Helper()
	var out bytes.Buffer
	w, err := New(f, &out, o)
	if err != nil {
		t.Fatal(err)
	}
	for i := range rows {
		if err := w.Write(&rows[i]); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.String(), w
}

// start is a time with milliseconds.
const start = 1_764_040_000_123

// mixed has one reading of every sort.
func mixed() []Row {
	return []Row{
		{Device: "pi", Channel: "air.state", Unit: "°C", Class: "temperature", TMS: start, Value: schema.Number(-21.5)},
		{Device: "pi", Channel: "air.state", Unit: "°C", Class: "temperature", TMS: start + 1, Value: schema.Number(1.7976931348623157e308)},
		{Device: "pi", Channel: "air.state", Unit: "°C", Class: "temperature", TMS: start + 1000, Quality: schema.QualityFault, Time: schema.TimeRelative},
		{Device: "pi", Channel: "damp.state", Unit: "%", Class: "humidity", TMS: start, Value: schema.Number(40), Quality: schema.QualityStale},
		{Device: "pi", Channel: "door.state", TMS: start, Value: schema.Bool(true)},
		{Device: "pi", Channel: "mode.state", TMS: start, Value: schema.Text(`=1+2;"x",` + "\r\n'")},
		{Device: "pi", Channel: "mode.state", TMS: start + 50, Value: schema.Text("")},
	}
}

func TestWhatAFileLooksLike(t *testing.T) {
	for _, c := range []struct {
		format schema.FileFormat
		want   string
	}{
		{schema.FormatCSV, "device,channel,time,t_ms,value,unit,quality,time_quality\r\n" +
			"pi,air.state,2025-11-25T03:06:40.123Z,1764040000123,-21.5,°C,ok,synced\r\n" +
			"pi,air.state,2025-11-25T03:06:40.124Z,1764040000124,1.7976931348623157e+308,°C,ok,synced\r\n" +
			"pi,air.state,2025-11-25T03:06:41.123Z,1764040001123,,°C,fault,relative\r\n" +
			"pi,damp.state,2025-11-25T03:06:40.123Z,1764040000123,40,%,stale,synced\r\n" +
			"pi,door.state,2025-11-25T03:06:40.123Z,1764040000123,true,,ok,synced\r\n" +
			"pi,mode.state,2025-11-25T03:06:40.123Z,1764040000123,\"'=1+2;\"\"x\"\",\r\n'\",,ok,synced\r\n" +
			"pi,mode.state,2025-11-25T03:06:40.173Z,1764040000173,\"\",,ok,synced\r\n"},
		{schema.FormatNDJSON, `{"device":"pi","ch":"air.state","t_ms":1764040000123,"v":-21.5,"unit":"°C"}
{"device":"pi","ch":"air.state","t_ms":1764040000124,"v":1.7976931348623157e+308,"unit":"°C"}
{"device":"pi","ch":"air.state","t_ms":1764040001123,"v":null,"unit":"°C","q":"fault","time":"relative"}
{"device":"pi","ch":"damp.state","t_ms":1764040000123,"v":40,"unit":"%","q":"stale"}
{"device":"pi","ch":"door.state","t_ms":1764040000123,"v":true}
{"device":"pi","ch":"mode.state","t_ms":1764040000123,"v":"=1+2;\"x\",\r\n'"}
{"device":"pi","ch":"mode.state","t_ms":1764040000173,"v":""}
`},
		{schema.FormatSenML, `[
{"bn":"telltale:hub1:pi:air.state","bt":1764040000.123,"u":"Cel","v":-21.5},
{"u":"Cel","t":0.001,"v":1.7976931348623157e+308},
{"bn":"telltale:hub1:pi:damp.state","bt":1764040000.123,"u":"%RH","v":40},
{"bn":"telltale:hub1:pi:door.state","bt":1764040000.123,"vb":true},
{"bn":"telltale:hub1:pi:mode.state","bt":1764040000.123,"vs":"=1+2;\"x\",\r\n'"},
{"t":0.05,"vs":""}
]
`},
	} {
		t.Run(string(c.format), func(t *testing.T) {
			got, w := file(t, c.format, Options{Origin: "hub1"}, mixed()...)
			if got != c.want {
				t.Errorf("got\n%s\nwant\n%s", got, c.want)
			}
			if all := w.Readings() + w.LeftOut(); all != 7 {
				t.Errorf("%d readings, %d left out", w.Readings(), w.LeftOut())
			}
			if c.format == schema.FormatSenML && w.LeftOut() != 1 {
				t.Errorf("%d left out", w.LeftOut())
			}
		})
	}
}

func TestAnEmptyFileIsAFile(t *testing.T) {
	for format, want := range map[schema.FileFormat]string{schema.FormatCSV: CSVHeader + "\r\n", schema.FormatNDJSON: "", schema.FormatSenML: "[]\n"} {
		if got, _ := file(t, format, Options{}); got != want {
			t.Errorf("%s: %q", format, got)
		}
	}
	if rows := readParquet(t, schema.FormatParquet); len(rows) != 0 {
		t.Errorf("%v", rows)
	}
	if _, err := New("xml", nil, Options{}); err == nil || !strings.Contains(err.Error(), "csv") {
		t.Error(err)
	}
}

func readParquet(t *testing.T, f schema.FileFormat, rows ...Row) []parquetRow {
	t.Helper()
	text, _ := file(t, f, Options{}, rows...)
	all, err := parquet.Read[parquetRow](strings.NewReader(text), int64(len(text)))
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func TestParquetIsTypedAndComesBack(t *testing.T) {
	rows := mixed()
	back := readParquet(t, schema.FormatParquet, rows...)
	if len(back) != len(rows) {
		t.Fatalf("%d rows", len(back))
	}
	for i, p := range back {
		r := &rows[i]
		var v schema.Value
		switch {
		case p.Number != nil:
			v = schema.Number(*p.Number)
		case p.Flag != nil:
			v = schema.Bool(*p.Flag)
		case p.Text != nil:
			v = schema.Text(*p.Text)
		}
		if v != r.Value || p.Time != r.TMS || p.Channel != r.Channel || p.Unit != r.Unit || p.Quality != string(quality(r.Quality)) ||
			p.TimeQuality != string(timeQuality(r.Time)) || p.Device != "pi" {
			t.Errorf("row %d: %+v is not %+v", i, p, r)
		}
	}
	text, _ := file(t, schema.FormatParquet, Options{}, rows...)
	f, err := parquet.OpenFile(strings.NewReader(text), int64(len(text)))
	if err != nil {
		t.Fatal(err)
	}
	got := f.Schema().String()
	for _, want := range []string{
		"required binary device (STRING)", "required int64 time (TIMESTAMP(isAdjustedToUTC=true,unit=MILLIS))",
		"optional double number", "optional boolean flag", "optional binary text (STRING)", "required binary quality (STRING)",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
}

func TestSecondaryUnitsAreAnnounced(t *testing.T) {
	row := Row{Device: "pi", Channel: "air.pressure", Unit: "hPa", TMS: start, Value: schema.Number(1013.25)}
	got, _ := file(t, schema.FormatSenML, Options{Units: []Unit{{Name: "hPa"}}}, row)
	if !strings.Contains(got, `{"bver":26,"bn":"telltale:pi:air.pressure","bt":1764040000.123,"u":"hPa","v":1013.25}`) {
		t.Error(got)
	}
	if got, _ := file(t, schema.FormatSenML, Options{}, row); strings.Contains(got, "hPa") || strings.Contains(got, "bver") {
		t.Errorf("not announced, and used: %s", got)
	}
}

func TestSenMLTimesKeepTheirMilliseconds(t *testing.T) {
	var rows []Row
	for i := range int64(2000) {
		rows = append(rows, Row{Device: "pi", Channel: "a.b", TMS: start + i*86_399_999, Value: schema.Number(1)}) // 5 years
	}
	text, _ := file(t, schema.FormatSenML, Options{}, rows...)
	var pack []struct {
		BT float64 `json:"bt"`
		T  float64 `json:"t"`
	}
	if err := json.Unmarshal([]byte(text), &pack); err != nil {
		t.Fatal(err)
	}
	for i, r := range pack {
		if got := int64(math.Round((pack[0].BT + r.T) * 1000)); got != rows[i].TMS {
			t.Fatalf("reading %d is at %d, not %d", i, got, rows[i].TMS)
		}
	}
}

func TestSenMLRefusesWhatItCannotSay(t *testing.T) {
	w, _ := New(schema.FormatSenML, &bytes.Buffer{}, Options{})
	if err := w.Write(&Row{Device: "pi", Channel: "a b", TMS: start, Value: schema.Number(1)}); err == nil || !strings.Contains(err.Error(), "a b") {
		t.Errorf("a name with a space: %v", err)
	}
	if err := w.Write(&Row{Device: "pi", Channel: "a.b", TMS: 1000, Value: schema.Number(1)}); err != nil || w.LeftOut() != 1 {
		t.Errorf("a time of 1970, which would be relative: %v", err)
	}
}

func TestUnitsGoThereAndBack(t *testing.T) {
	for _, u := range unitTable {
		name, _ := SenMLUnit(u.ours, u.class)
		if back, _ := UnitOfSenML(name); name != u.senml || back != u.ours && u.ours != "mbar" && u.ours != "μg/m³" {
			t.Errorf("%s %s → %s → %s", u.ours, u.class, name, back)
		}
	}
	if name, _ := SenMLUnit("°F", "temperature"); name != "" {
		t.Error("°F is in no registry")
	}
}

func TestTheSameReadingsGiveTheSameBytes(t *testing.T) {
	var rows []Row
	generate(2*atOnce+10, func(r *Row) { rows = append(rows, *r) })
	for _, f := range []schema.FileFormat{schema.FormatCSV, schema.FormatNDJSON, schema.FormatSenML, schema.FormatParquet} {
		a, _ := file(t, f, Options{}, rows...)
		b, _ := file(t, f, Options{}, rows...)
		if a != b {
			t.Errorf("%s differs", f)
		}
	}
}

// generate makes n readings of two channels, like those of sensors.
func generate(n int, put func(*Row)) {
	r := Row{Device: "pi", Channel: "air.state", Unit: "°C", TMS: start}
	for i := range n {
		if i == n/2 {
			r.Channel, r.Unit, r.TMS = "mode.state", "", start
		}
		r.TMS += 1000 + int64(i*7919%5)
		r.Value = schema.Number(math.Round(2000+500*math.Sin(float64(i)/700)+float64(i*31%7)) / 100)
		if r.Unit == "" {
			r.Value = schema.Text(fmt.Sprintf("state %d", i*13%5))
		}
		put(&r)
	}
}

// discard counts.
type discard struct{ n int64 }

func (d *discard) Write(b []byte) (int, error) { d.n += int64(len(b)); return len(b), nil }

func live() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// The memory in use along the way is a bound that many more readings do not move. Parquet has small row groups here, as its compressor is
// slow under the race detector; with real ones BenchmarkWrite shows the same.
func TestMemoryDoesNotGrowWithTheReadings(t *testing.T) {
	const n, group = 100_000, 4096
	for f, most := range map[schema.FileFormat]uint64{schema.FormatCSV: 64 << 10, schema.FormatNDJSON: 64 << 10, schema.FormatSenML: 64 << 10, schema.FormatParquet: 2 << 20} {
		t.Run(string(f), func(t *testing.T) {
			early, late, i := live(), uint64(0), 0 // the most that is in use in the first quarter, which warms the encoders, and after it
			var out discard
			w, err := New(f, &out, Options{})
			if err != nil {
				t.Fatal(err)
			}
			if f == schema.FormatParquet {
				w = &Writer{form: newParquet(&out, group)}
			}
			generate(n, func(r *Row) {
				if err := w.Write(r); err != nil {
					t.Fatal(err)
				}
				switch i++; {
				case i%(n/20) != n/20-1:
				case i < n/4:
					early = max(early, live())
				default:
					late = max(late, live())
				}
			})
			if err := w.Close(); err != nil {
				t.Fatal(err)
			}
			grown := late - min(late, early)
			t.Logf("%d readings, %.2f bytes each, %d KB more in the end than in the first quarter", w.Readings(), float64(out.n)/float64(n), grown>>10)
			if grown > most {
				t.Errorf("%d bytes more in use", grown)
			}
		})
	}
}

func FuzzDefusing(f *testing.F) {
	for _, s := range []string{"", "=1", "'=1", "''", "'", "a", "'a", "\t", "''=", "-5", "@x"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		d := Defuse(s)
		if Undefuse(d) != s {
			t.Errorf("%q → %q → %q", s, d, Undefuse(d))
		}
		if d != "" && strings.IndexByte(dangerous, d[0]) >= 0 {
			t.Errorf("%q begins like a formula", d)
		}
	})
}

func BenchmarkWrite(b *testing.B) {
	for _, f := range []schema.FileFormat{schema.FormatCSV, schema.FormatNDJSON, schema.FormatSenML, schema.FormatParquet} {
		b.Run(string(f), func(b *testing.B) {
			var out discard
			w, _ := New(f, &out, Options{})
			b.ReportAllocs()
			before, peak, i := live(), uint64(0), 0
			generate(b.N, func(r *Row) {
				_ = w.Write(r)
				if i++; i%100_000 == 0 {
					peak = max(peak, live())
				}
			})
			_ = w.Close()
			b.ReportMetric(float64(peak-min(peak, before))/1024, "KB-live")
			b.ReportMetric(float64(out.n)/float64(b.N), "file-B/op")
		})
	}
}
