package app

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/telltale-iot/telltale/schema"
)

// fetch returns the whole answer of a GET.
func (r *running) fetch(path string) (*http.Response, string) {
	r.t.Helper()
	resp, err := http.Get("http://" + r.base + path)
	if err != nil {
		r.t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	return resp, string(b)
}

// load posts a file and returns the report.
func (r *running) load(path, text string) (rep schema.FileReport, status int) {
	r.t.Helper()
	resp, err := http.Post("http://"+r.base+path, "text/csv", strings.NewReader(text))
	if err != nil {
		r.t.Fatal(err)
	}
	defer resp.Body.Close()
	if err := json.NewDecoder(resp.Body).Decode(&rep); err != nil {
		r.t.Fatal(err)
	}
	return rep, resp.StatusCode
}

// minutes is a file with n readings a minute apart of one channel and their sum in another.
func minutes(n int) string {
	var b strings.Builder
	b.WriteString("time,Shed [°C],switch\n")
	for i := range n {
		fmt.Fprintf(&b, "%s,%d.5,%t\n", time.UnixMilli(1_764_000_000_000+int64(i)*60_000).UTC().Format(time.RFC3339), i%30, i%2 == 0)
	}
	return b.String()
}

func TestReadingsGoOutAsAFileAndComeBackIntoAnotherHub(t *testing.T) {
	t.Parallel()
	a, b := run(t, t.TempDir()), run(t, t.TempDir())
	agent := a.newDevice("pi").join()
	frame := reading(1, 20.5)
	frame.T0MS = time.Now().UnixMilli() - 10_000
	frame.Series = append(frame.Series, schema.Series{Ch: "lamp.state", V: schema.Values{schema.Bool(true)}}, schema.Series{Ch: "air.state",
		DtMS: []int64{1, 7}, V: schema.Values{schema.Number(-1e-7), {}}, Q: []schema.Quality{schema.QualityStale, schema.QualityFault}})
	agent.send(frame)
	agent.acked(1)
	for _, format := range []string{"csv", "senml"} {
		resp, text := a.fetch("/api/v1/devices/pi/export?format=" + format)
		want, left := "4", "0"
		if format == "senml" {
			want, left = "3", "1" // the reading without a value
		}
		if resp.StatusCode != 200 || resp.Trailer.Get("Telltale-Readings") != want || resp.Trailer.Get("Telltale-Left-Out") != left {
			t.Fatalf("%s: %s %v\n%s", format, resp.Status, resp.Trailer, text)
		}
		rep, status := b.load("/api/v1/devices/copy-"+format+"/import?name=A+copy&format="+format, text)
		if status != 200 || rep.State != "done" || fmt.Sprint(rep.Stored) != want {
			t.Fatalf("%s: %d %+v", format, status, rep)
		}
		_, back := b.fetch("/api/v1/devices/copy-" + format + "/export?format=" + format)
		back = strings.ReplaceAll(strings.ReplaceAll(back, "copy-"+format, "pi"), b.HubID(), a.HubID())
		if back != text {
			t.Errorf("%s: went out as\n%s\nand came back as\n%s", format, text, back)
		}
	}
	resp, text := a.fetch("/api/v1/devices/pi/export?format=parquet&channel=air.state&from=1764000000000&to=9999999999999")
	if !strings.HasPrefix(text, "PAR1") || !strings.HasSuffix(text, "PAR1") {
		t.Errorf("no Parquet: %d bytes", len(text))
	}
	if got := resp.Header.Get("Content-Disposition"); got != `attachment; filename="telltale-pi-air_state-20251124-22861120.parquet"` && got != `attachment; filename="telltale-pi-air-state-20251124-22861120.parquet"` {
		t.Error(got)
	}
}

func TestExportsThatCannotBeAreSaidInWords(t *testing.T) {
	t.Parallel()
	r := run(t, t.TempDir())
	r.newDevice("pi").join()
	for path, says := range map[string]string{
		"/api/v1/devices/no/export":                       "there is no device",
		"/api/v1/devices/pi/export?format=xls":            "there is no format",
		"/api/v1/devices/pi/export?from=2&to=1":           "from not after to",
		"/api/v1/devices/pi/export?from=yesterday":        "whole number",
		"/api/v1/devices/pi/export?channel=no.such":       "has no channel",
		"/api/v1/devices/pi/export?channel=air.state&to=": "",
	} {
		resp, text := r.fetch(path)
		if says == "" != (resp.StatusCode == 200) || !strings.Contains(text, says) {
			t.Errorf("%s: %s %s", path, resp.Status, text)
		}
	}
}

func TestAFileIsCheckedThenImportedAndNeverTwice(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	r := run(t, dir)
	const n = 5000
	page := r.page()
	rep, _ := r.load("/api/v1/devices/shed/import?name=The+shed&check=true", minutes(n))
	if rep.State != "checked" || rep.Readings != 2*n || len(rep.Channels) != 2 || !rep.Channels[0].New || rep.Channels[0].Unit != "°C" {
		t.Errorf("%+v", rep)
	}
	if resp, _ := r.fetch("/api/v1/devices/shed"); resp.StatusCode != 404 {
		t.Error("a check made the device")
	}
	if rep, status := r.load("/api/v1/devices/shed/import?name=The+shed", minutes(n)+"oops,1,true\n"); status != 422 || rep.Wrong != 1 || rep.Stored != 0 || rep.Problems[0].Line != n+2 {
		t.Errorf("%d %+v", status, rep)
	}
	if rep, status := r.load("/api/v1/devices/shed/import?name=The+shed", minutes(n)); status != 200 || rep.Stored != 2*n {
		t.Errorf("%d %+v", status, rep)
	}
	page.send(&schema.Join{Room: "device/shed"})
	if s := until(page, first[*schema.Snapshot]); !has(s.Series, "shed.state", float64((n-1)%30)+0.5) || s.Devices[0].Name != "The shed" || s.Devices[0].Presence.State != schema.PresenceNever {
		t.Errorf("%+v %+v", s.Devices, s.Series)
	}
	if rep, _ := r.load("/api/v1/devices/shed/import", minutes(n)); rep.Stored != 0 || rep.Known != 2*n {
		t.Errorf("again: %+v", rep)
	}
	if rep, status := r.load("/api/v1/devices/shed/import?name=Other", minutes(n)); status != http.StatusConflict || rep.Stored != 0 {
		t.Errorf("a second device of that id: %d", status)
	}
	if rep, _ := r.load("/api/v1/devices/shed/import", strings.Replace(minutes(n+3), "switch", "switch,humidity (%)\n", 1)); rep.State != "refused" {
		t.Errorf("%+v", rep)
	}
	if rep, _ := r.load("/api/v1/devices/shed/import", "time,humidity (%)\n2025-12-01T00:00:00Z,40\n"); rep.Stored != 1 {
		t.Errorf("%+v", rep)
	}
	resp, text := r.fetch("/api/v1/devices/shed/export?format=ndjson")
	if resp.Trailer.Get("Telltale-Readings") != fmt.Sprint(2*n+1) || !strings.Contains(text, `"ch":"humidity.state","t_ms":1764547200000,"v":40,"unit":"%"`) {
		t.Errorf("%v %s", resp.Trailer, text[:200])
	}
	var h schema.History
	if r.call("GET", "/api/v1/devices/shed/history?channel=shed.state&from=1764000000000&to=1764000060000", nil, &h); len(h.Series) != 1 || len(h.Series[0].TMS) != 2 {
		t.Errorf("%+v", h)
	}
	// and the same after a restart
	if err := r.stop(); err != nil {
		t.Fatal(err)
	}
	r = run(t, dir)
	if rep, _ := r.load("/api/v1/devices/shed/import", minutes(n)); rep.Stored != 0 || rep.Known != 2*n {
		t.Errorf("after a restart: %+v", rep)
	}
	if _, all := r.fetch("/api/v1/devices"); !strings.Contains(all, `"humidity"`) || strings.Contains(all, "online") {
		t.Error(all)
	}
}

func TestAnImportIntoALivingDeviceKeepsItsDescription(t *testing.T) {
	t.Parallel()
	r := run(t, t.TempDir())
	agent := r.newDevice("pi").join()
	agent.send(reading(1, 20.5))
	agent.acked(1)
	page := r.page()
	page.send(&schema.Join{Room: "device/pi"})
	until(page, first[*schema.Snapshot])
	rep, status := r.load("/api/v1/devices/pi/import", "time,air.state,old_sensor\n2024-01-01T00:00:00Z,18,1\n2024-01-01T00:01:00Z,19,2\n")
	if status != 200 || rep.Stored != 4 || rep.Channels[0].New || !rep.Channels[1].New {
		t.Errorf("%d %+v", status, rep)
	}
	d := until(page, func(d *schema.Delta) bool { return len(d.Filled) > 0 })
	if d.Filled[0].FromMS != 1704067200000 || d.Filled[0].ToMS != 1704067260000 {
		t.Errorf("%+v", d.Filled)
	}
	if _, text := r.fetch("/api/v1/devices/pi"); strings.Contains(text, "old_sensor") {
		t.Error("an import changed what the device says of itself")
	}
	if _, text := r.fetch("/api/v1/devices/pi/export?channel=old_sensor.state&channel=air.state"); strings.Count(text, "\r\n") != 6 {
		t.Error(text)
	}
	if rep, status := r.load("/api/v1/devices/pi/import", "time,lamp.state\n2024-01-01T00:00:00Z,18\n"); status != 422 || !strings.Contains(rep.Problems[0].Message, "not a bool") {
		t.Errorf("%d %+v", status, rep)
	}
}

func TestAFileThatArrivesInPartIsNotImported(t *testing.T) {
	t.Parallel()
	r := run(t, t.TempDir())
	c, err := net.Dial("tcp", r.base)
	if err != nil {
		t.Fatal(err)
	}
	text := minutes(100)
	fmt.Fprintf(c, "POST /api/v1/devices/shed/import?name=Shed HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n%s", 2*len(text), text)
	if err := c.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	answer, err := io.ReadAll(c)
	if err != nil || !bytes.Contains(answer, []byte("did not arrive whole")) {
		t.Errorf("%v %s", err, answer)
	}
	if resp, _ := r.fetch("/api/v1/devices/shed"); resp.StatusCode != 404 {
		t.Error("half a file made a device")
	}
}
