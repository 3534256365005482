package intake

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"
	_ "time/tzdata"

	"github.com/telltale-iot/telltale/hub/internal/export"
	"github.com/telltale-iot/telltale/schema"
)

// start is a time with milliseconds, and now lies after all times of the tests.
const start = 1_764_040_000_123

var now = time.UnixMilli(start + 365*24*3600*1000)

// read reads a text that must be readable to its end.
func read(t testing.TB, text string, o Options) ([]export.Row, schema.FileReport) {
	t.Helper()
	var rows []export.Row
	if o.Now.IsZero() {
		o.Now = now
	}
	rep, err := Read(strings.NewReader(text), o, func(r *export.Row) error { rows = append(rows, *r); return nil })
	if bad := (*FileError)(nil); err != nil && !errors.As(err, &bad) {
		t.Fatal(err)
	}
	if rep.Readings != int64(len(rows)) {
		t.Errorf("%d readings reported, %d given", rep.Readings, len(rows))
	}
	return rows, rep
}

// said are the messages of a report, with their lines.
func said(rep schema.FileReport) string {
	var b strings.Builder
	for _, p := range rep.Problems {
		fmt.Fprintf(&b, "%d: %s\n", p.Line, p.Message)
	}
	return b.String()
}

// mixed has one reading of every sort. Whatever SenML cannot say is behind senml.
func mixed(senml bool) []export.Row {
	rows := []export.Row{
		{Channel: "air.state", Unit: "°C", TMS: start, Value: schema.Number(-21.5)},
		{Channel: "air.state", Unit: "°C", TMS: start + 1, Value: schema.Number(1.7976931348623157e308)},
		{Channel: "air.state", Unit: "°C", TMS: start + 2, Value: schema.Number(5e-324)},
		{Channel: "air.state", Unit: "°C", TMS: start + 3, Value: schema.Number(123456789012345680)},
		{Channel: "door.state", TMS: start, Value: schema.Bool(true)},
		{Channel: "door.state", TMS: start + 999, Value: schema.Bool(false)},
		{Channel: "mode.state", TMS: start - 1, Value: schema.Text("5")},
	}
	for i, s := range []string{"=1+2", "-5", "'=x", "''", `a "quoted", one`, "two\r\nlines\rand\none", "\ttab", " blank ", "true", "ä€😀", "null", "unavailable"} {
		rows = append(rows, export.Row{Channel: "mode.state", TMS: start + int64(i), Value: schema.Text(s)})
	}
	rows = append(rows, export.Row{Channel: "mode.state", TMS: start + 60_000, Value: schema.Text("")})
	if !senml {
		rows = append(rows, export.Row{Channel: "void.state", Unit: "%", TMS: start, Quality: schema.QualityFault, Time: schema.TimeEstimated},
			export.Row{Channel: "void.state", Unit: "%", TMS: start + 5, Value: schema.Number(3), Quality: schema.QualityStale, Time: schema.TimeSkewed})
	}
	return rows
}

func write(t testing.TB, f schema.FileFormat, rows []export.Row) string {
	t.Helper()
	var out bytes.Buffer
	w, err := export.New(f, &out, export.Options{Origin: "0011", Units: []export.Unit{{Name: "%"}}})
	if err != nil {
		t.Fatal(err)
	}
	for i := range rows {
		r := rows[i]
		r.Device = "pi"
		if err := w.Write(&r); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil || w.LeftOut() > 0 {
		t.Fatal(err, w.LeftOut())
	}
	return out.String()
}

func TestRoundTrips(t *testing.T) {
	for _, f := range []schema.FileFormat{schema.FormatCSV, schema.FormatSenML} {
		t.Run(string(f), func(t *testing.T) {
			want := mixed(f == schema.FormatSenML)
			text := write(t, f, want)
			got, rep := read(t, text, Options{Format: f})
			if rep.Wrong > 0 || rep.Empty > 0 || len(got) != len(want) {
				t.Fatalf("%d readings of %d, %+v\n%s", len(got), len(want), rep, text)
			}
			for i := range want {
				w, g := want[i], got[i]
				w.Quality, w.Time = schema.Quality(or(string(w.Quality), "ok")), schema.TimeQuality(or(string(w.Time), "synced"))
				if g != w {
					t.Errorf("%+v came back as %+v", w, g)
				}
			}
		})
	}
}

func or(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}

// One reading per line of want: channel time value, after the file was read in the zone of Berlin.
func TestFilesOfOthers(t *testing.T) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ name, channel, text, want string }{
		{"one channel", "air.state", "time,value\n2025-06-01T12:00:00Z,20.5\n2025-06-01 14:00:01,21\n", "air.state 1748779200000 20.5\nair.state 1748779201000 21\n"},
		{"Unix times", "air.state", "ts,value\n1748779200,1\n1748779200.25,2\n1748779200123,3\n1748779200123456,4\n1748779200123456789,5",
			"air.state 1748779200000 1\nair.state 1748779200250 2\nair.state 1748779200123 3\nair.state 1748779200123 4\nair.state 1748779200123 5\n"},
		{"wide, of a German spreadsheet", "", "\xef\xbb\xbfDatum;Date;Temperatur (°C);Fenster\r\n;2025-06-01;20,5;off\r\n;2025-06-01 08:15;-1,25e1;on\r\n;2025-06-02 00:00;;\r\n",
			"temperatur.state 1748728800000 20.5\nfenster.state 1748728800000 false\ntemperatur.state 1748758500000 -12.5\nfenster.state 1748758500000 true\n"},
		{"tabs", "", "time\tRoom [%]\n2025-06-01 12:00:00+02:00\t40\n", "room.state 1748772000000 40\n"},
		{"Home Assistant's history", "", "entity_id,state,last_changed\nsensor.shed_temperature,20.1,2025-06-01T12:00:00.500Z\nsensor.shed_temperature,unavailable,2025-06-01T12:01:00Z\nbinary_sensor.door,off,2025-06-01T12:00:00Z\n",
			"shed_temperature.state 1748779200500 20.1\ndoor.state 1748779200000 false\n"},
		{"any names", "", "time,channel,value,unit\n2025-06-01T12:00Z,Außen Temp.,1,°C\n\n2025-06-01T12:00Z,air.humidity,2,%\n", "au_en_temp.state 1748779200000 1\nair.humidity 1748779200000 2\n"},
		{"words for nothing", "a.b", "time,value\n2025-06-01T12:00:00Z,NaN\n2025-06-01T12:00:00Z,7\n2025-06-01T12:00:00Z,null\n2025-06-01T12:00:00Z,\n", "a.b 1748779200000 7\n"},
		{"texts stay texts", "a.b", "time,value\n2025-06-01T12:00:00Z,heat\n2025-06-01T12:00:00Z,5\n2025-06-01T12:00:00Z,none\n", "a.b 1748779200000 \"heat\"\na.b 1748779200000 \"5\"\na.b 1748779200000 \"none\"\n"},
		{"quotes anywhere", "a.b", "\"time\",\"value\"\n\"2025-06-01T12:00:00Z\",\"5\"\n", "a.b 1748779200000 5\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			rows, rep := read(t, c.text, Options{Format: schema.FormatCSV, Channel: c.channel, Zone: berlin})
			got := ""
			for _, r := range rows {
				got += fmt.Sprintf("%s %d %s\n", r.Channel, r.TMS, r.Value)
			}
			if got != c.want || rep.Wrong > 0 {
				t.Errorf("got\n%swant\n%s%s", got, c.want, said(rep))
			}
		})
	}
}

func TestWrongLinesAreNamed(t *testing.T) {
	const head = "time,channel,value,unit\n"
	for _, c := range []struct{ name, text, says string }{
		{"no zone", head + "2025-06-01 12:00,a.b,1,\n", "2: the time \"2025-06-01 12:00\" has no zone"},
		{"a time that is none", head + "\n31.12.2025,a.b,1,\n", "3: \"31.12.2025\" is not a time"},
		{"no time", head + ",a.b,1,\n", "2: the time is missing"},
		{"the future", head + "2099-01-01T00:00:00Z,a.b,1,\n", "is in the future"},
		{"before 1970", head + "1969-01-01T00:00:00Z,a.b,1,\n", "before 1970"},
		{"cells", head + "2025-06-01T12:00:00Z,a.b,1\n", "2: the line has 3 cells, and the first line names 4 columns"},
		{"another type", head + "2025-06-01T12:00:00Z,a.b,1,\n2025-06-01T12:00:00Z,a.b,heat,\n", "3: \"heat\" is not a number, which a.b holds since line 2"},
		{"a type the device knows", head + "2025-06-01T12:00:00Z,known.state,heat,\n", "2: \"heat\" is not a number, which known.state of the device holds"},
		{"another unit", head + "2025-06-01T12:00:00Z,known.state,70,°F\n", "2: the channel known.state is in °C, and this is in °F"},
		{"two units", head + "2025-06-01T12:00:00Z,a.b,70,°F\n2025-06-01T12:00:00Z,a.b,70,°C\n", "3: the channel a.b is in °F"},
		{"a number too large", head + "2025-06-01T12:00:00Z,known.state,1e999,\n", "is not a number"},
		{"no name", head + "2025-06-01T12:00:00Z,!!,1,\n", "cannot be the name of a channel"},
		{"one name for two", head + "2025-06-01T12:00:00Z,A b,1,\n2025-06-01T12:00:00Z,a-b,1,\n", "3: \"A b\" and \"a-b\" would both become the channel a_b.state"},
		{"one name for two columns", "t_ms,Shed (°C),Shed\n1748779200000,1,2\n", "2: \"Shed (°C)\" and \"Shed\" would both become the channel shed.state"},
		{"a long text", head + "2025-06-01T12:00:00Z,a.b," + strings.Repeat("x", 300) + ",\n", "at most 256 bytes"},
		{"no UTF-8", head + "2025-06-01T12:00:00Z,a.b,\xff,\n", "2: the line is not UTF-8"},
		{"a quote within", head + "2025-06-01T12:00:00Z,a.b,a\"b,\n2025-06-01T12:00:00Z,a.b,\"a\"b,\n", "3: there is text behind a closing quote"},
		{"a quote without end", head + "2025-06-01T12:00:00Z,a.b,\"ab,\n,,\n", "2: the quote that begins here has no end"},
		{"a long line", head + strings.Repeat("x", maxRecord+10) + "\n,,,\n", "2: the line is longer"},
		{"two times", "t_ms,time,channel,value\n1748779200000,2025-06-01T12:00:01Z,a.b,1\n", "2: time and t_ms differ"},
		{"rounded by a spreadsheet", "t_ms,channel,value\n1.74878E+12,a.b,1\n", "a spreadsheet may have rounded it"},
		{"a quality", "t_ms,channel,value,quality\n1748779200000,a.b,1,super\n", "is not a quality"},
		{"two devices", "t_ms,device,channel,value\n1748779200000,x,a.b,1\n1748779200000,y,a.b,1\n", "3: \"a.b\" of \"x\" and \"a.b\" of \"y\""},
		{"empty", "", "0: the file is empty"},
		{"UTF-16", "\xff\xfet\x00", "0: the file is UTF-16"},
		{"no times", "a,b\n1,2\n", "0: the first line names no column of times"},
		{"no values", "time\n1\n", "0: the first line names no column of values"},
		{"no channel", "time,value\n1,2\n", "0: the file does not say which channel"},
		{"a column beside", "time,channel,value,note\n1,2,3,4\n", "0: there is a column \"note\" beside value"},
		{"twice", "time,a,a\n1,2,3\n", "0: the first line names two columns for the same: \"a\""},
		{"twice by meaning", "time,date,a\n1,2,3\n", "0: the first line names two columns for the same: \"date\""},
		{"no header", "time,,a\n1,2,3\n", "0: column 2 has no name"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, rep := read(t, c.text, Options{Format: schema.FormatCSV, Known: func(ch string) (schema.ValueType, string, bool) {
				if ch == "known.state" {
					return schema.TypeNumber, "°C", true
				}
				return "", "", false
			}})
			if !strings.Contains(said(rep), c.says) {
				t.Errorf("says\n%swant %s", said(rep), c.says)
			}
			if rep.Wrong == 0 {
				t.Error("nothing is counted as wrong")
			}
		})
	}
}

func TestManyWrongLinesAreCountedAndFewDescribed(t *testing.T) {
	_, rep := read(t, "t_ms,channel,value\n"+strings.Repeat("x,a.b,1\n", 500)+"1748779200000,a.b,1\n", Options{Format: schema.FormatCSV})
	if rep.Wrong != 500 || len(rep.Problems) != maxProblems || rep.Readings != 1 || rep.Lines != 501 {
		t.Errorf("%+v", rep)
	}
}

func TestTheReportSaysWhatIsInTheFile(t *testing.T) {
	_, rep := read(t, "time,channel,value,unit\n2025-06-01T12:00:02Z,a.b,1,W\n2025-06-01T12:00:00Z,a.b,,W\n2025-06-01T12:00:01Z,a.b,2,W\n2025-06-01T12:00:00Z,door,on,\n",
		Options{Format: schema.FormatCSV})
	want := []schema.FileChannel{
		{Ch: "a.b", Name: "a.b", Type: schema.TypeNumber, Unit: "W", Readings: 2, FromMS: 1748779201000, ToMS: 1748779202000, New: true},
		{Ch: "door.state", Name: "door", Type: schema.TypeBool, Readings: 1, FromMS: 1748779200000, ToMS: 1748779200000, New: true},
	}
	if !slices.Equal(rep.Channels, want) || rep.Lines != 4 || rep.Empty != 1 || rep.Readings != 3 {
		t.Errorf("%+v", rep)
	}
}

// The examples of RFC 8428, section 5.1, as far as they say when.
func TestExamplesOfTheRFC(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"5.1.2", `[{"bn":"urn:dev:ow:10e2073a0108006:","bt":1.276020076001e+09,"bu":"A","bver":5,"n":"voltage","u":"V","v":120.1},
			{"n":"current","t":-5,"v":1.2},{"n":"current","t":-4,"v":1.3},{"n":"current","v":1.7}]`,
			"voltage.state 1276020076001 120.1 V\ncurrent.state 1276020071001 1.2 A\ncurrent.state 1276020072001 1.3 A\ncurrent.state 1276020076001 1.7 A\n"},
		{"5.1.3", `[{"bn":"urn:dev:ow:10e2073a01080063","bt":1.320067464e+09,"bu":"%RH","v":20},{"u":"lon","v":24.30621},{"u":"lat","v":60.07965}]`, ""},
		{"5.1.5", `[{"bn":"urn:dev:ow:10e2073a01080063:","bt":1.320067464e+09},{"n":"temperature","u":"Cel","v":27.2},{"n":"door","vb":true},{"n":"label","vs":"Machine Room"}]`,
			"temperature.state 1320067464000 27.2 °C\ndoor.state 1320067464000 true \nlabel.state 1320067464000 \"Machine Room\" \n"},
		{"with a base value", `[{"bn":"urn:dev:ow:1:","bt":1e9,"bv":20,"n":"t","u":"Cel","v":7.5},{"n":"t","t":60,"u":"Cel","v":-1}]`, "t.state 1000000000000 27.5 °C\nt.state 1000000060000 19 °C\n"},
		{"secondary units", `[{"bver":26,"n":"p","u":"hPa","t":1e9,"v":1013}]`, "p.state 1000000000000 1013 hPa\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			rows, rep := read(t, c.text, Options{Format: schema.FormatSenML})
			got := ""
			for _, r := range rows {
				got += fmt.Sprintf("%s %d %s %s\n", r.Channel, r.TMS, r.Value, r.Unit)
			}
			if c.want == "" { // one name, three quantities: what they are is in the unit alone
				if rep.Wrong != 2 || !strings.Contains(said(rep), "is in %, and this is in °") {
					t.Error(said(rep))
				}
			} else if got != c.want || rep.Wrong > 0 {
				t.Errorf("got\n%s%s", got, said(rep))
			}
		})
	}
}

func TestWrongRecordsAreNamed(t *testing.T) {
	for _, c := range []struct{ name, text, says string }{
		{"relative", `[{"n":"a","v":1,"t":-5}]`, "1: the time -5 counts from now"},
		{"no time", `[{"n":"a","v":1}]`, "1: the time 0 counts from now"},
		{"ms for s", `[{"n":"a","v":1,"t":1764040000123}]`, "in seconds"},
		{"no value", `[{"bn":"a:"},{"n":"a","t":1e9}]`, "2: the record has 0 values"},
		{"two values", `[{"n":"a","t":1e9,"v":1,"vb":true}]`, "has 2 values"},
		{"a sum", `[{"n":"a","t":1e9,"v":1,"s":5}]`, "has a sum (s)"},
		{"data", `[{"n":"a","t":1e9,"vd":"aGk"}]`, "binary data"},
		{"must understand", `[{"n":"a","t":1e9,"v":1,"x_":1}]`, "\"x_\" that must be understood"},
		{"a name", `[{"n":"a b","t":1e9,"v":1}]`, "\"a b\" is not a name"},
		{"a wrong type", `[{"n":"a","t":1e9,"v":"1"}]`, "v is \"1\", which it cannot be"},
		{"null", `[{"n":"a","t":1e9,"v":null}]`, "v is null"},
		{"too large", `[{"bv":1.7e308,"n":"a","t":1e9,"v":1.7e308}]`, "not finite"},
		{"version", `[{"bver":11,"n":"a","t":1e9,"v":1}]`, "0: the pack is of version 11"},
		{"two versions", `[{"bver":5,"n":"a","t":1e9,"v":1},{"bver":10,"n":"a","t":1e9,"v":1}]`, "0: the pack says two versions"},
		{"no pack", `{"n":"a"}`, "0: the file is no SenML"},
		{"no object", `[{"n":"a","t":1e9,"v":1},5]`, "0: record 2 is no JSON object"},
		{"cut", `[{"n":"a","t":1e9,"v":1}`, "0: the file ends in its middle, after record 1"},
		{"behind", `[] []`, "0: there is something behind the end"},
		{"too long", `[{"n":"` + strings.Repeat("a", 2*maxRecord) + `"}]`, "0: there is a record of more than"},
		{"two devices", `[{"bt":1e9},{"n":"urn:a:t","v":1},{"n":"urn:b:t","v":1}]`, "would both become the channel t.state"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if _, rep := read(t, c.text, Options{Format: schema.FormatSenML}); !strings.Contains(said(rep), c.says) || rep.Wrong == 0 {
				t.Errorf("says\n%swant %s", said(rep), c.says)
			}
		})
	}
}

// broken fails in its middle.
type broken struct{ r io.Reader }

func (b *broken) Read(p []byte) (int, error) {
	n, err := b.r.Read(p)
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}

func TestACutConnectionIsNotTheEndOfTheFile(t *testing.T) {
	for _, f := range []schema.FileFormat{schema.FormatCSV, schema.FormatSenML} {
		text := write(t, f, mixed(true))
		for _, cut := range []int{0, 3, len(text) / 2, len(text)} {
			_, err := Read(&broken{strings.NewReader(text[:cut])}, Options{Format: f, Now: now}, func(*export.Row) error { return nil })
			if !errors.Is(err, io.ErrUnexpectedEOF) {
				t.Errorf("%s cut at %d of %d: %v", f, cut, len(text), err)
			}
		}
	}
}

func FuzzCSV(f *testing.F) {
	f.Add(write(f, schema.FormatCSV, mixed(false)))
	f.Add("time;a (°C);b\n2025-06-01;1,5;\"x\ny\"\n")
	f.Add("entity_id,state,last_changed\nsensor.a,1,2025-06-01T12:00:00.500Z\n")
	f.Add("time,value\n1,\"\"\"\"\n\"\n")
	f.Fuzz(func(t *testing.T, text string) {
		again(t, text, Options{Format: schema.FormatCSV, Channel: "a.b", Zone: time.UTC})
	})
}

func FuzzSenML(f *testing.F) {
	f.Add(write(f, schema.FormatSenML, mixed(true)))
	f.Add(`[{"bn":"urn:dev:ow:1:","bt":1e9,"bv":20,"n":"t","u":"Cel","v":7.5},{"n":"t","t":60,"vs":"x"}]`)
	f.Fuzz(func(t *testing.T, text string) { again(t, text, Options{Format: schema.FormatSenML}) })
}

// again holds what is true of any text: what is taken is valid, adds up, and comes back when it is written as our own.
func again(t *testing.T, text string, o Options) {
	rows, rep := read(t, text, o)
	_, second := read(t, text, o)
	if said(rep) != said(second) || len(rep.Problems) > maxProblems || rep.Wrong > 0 != (len(rep.Problems) > 0) {
		t.Fatalf("%+v, and then %+v", rep, second)
	}
	sum := int64(0)
	for _, c := range rep.Channels {
		sum += c.Readings
		if !validWireID(c.Ch) || c.FromMS > c.ToMS || c.FromMS < 0 {
			t.Fatalf("%+v", c)
		}
	}
	if sum != rep.Readings || len(rep.Channels) > maxChannels {
		t.Fatalf("%d readings, %d in channels", rep.Readings, sum)
	}
	back, rep := read(t, write(t, schema.FormatCSV, rows), Options{Format: schema.FormatCSV})
	if rep.Wrong > 0 || len(back) != len(rows) {
		t.Fatalf("%d of %d came back: %s", len(back), len(rows), said(rep))
	}
	for i := range rows {
		if a, b := rows[i], back[i]; a.TMS != b.TMS || a.Value != b.Value || a.Channel != b.Channel {
			t.Fatalf("%+v came back as %+v", a, b)
		}
	}
}

func BenchmarkRead(b *testing.B) {
	var rows []export.Row
	for i := range 10_000 {
		rows = append(rows, export.Row{Channel: "air.state", Unit: "°C", TMS: start + int64(i)*1000, Value: schema.Number(float64(i%300) / 10)})
	}
	for _, f := range []schema.FileFormat{schema.FormatCSV, schema.FormatSenML} {
		text := write(b, f, rows)
		b.Run(string(f), func(b *testing.B) {
			b.SetBytes(int64(len(text)))
			for b.Loop() {
				_, _ = read(b, text, Options{Format: f})
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(len(rows)), "ns/reading")
		})
	}
}
