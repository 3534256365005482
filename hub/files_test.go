package main

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/telltale-iot/telltale/hub/app"
	"github.com/telltale-iot/telltale/internal/cli"
)

// running starts a hub and returns its address.
func running(t *testing.T) string {
	t.Helper()
	c := app.Default()
	c.Listen, c.Data, c.CommitEvery = "127.0.0.1:0", t.TempDir(), 5*time.Millisecond
	h, err := app.New(t.Context(), c, app.Options{})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- h.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return "http://" + h.Addr().String()
}

// ends runs the program and returns what it printed on both streams.
func ends(t *testing.T, code int, args ...string) string {
	t.Helper()
	got, out, errs := hub(t, t.Context(), args...)
	if got != code {
		t.Fatalf("%v: exit %d\n%s%s", args, got, out, errs)
	}
	return out + errs
}

func TestAFileGoesInAndOut(t *testing.T) {
	url, dir := running(t), t.TempDir()
	in := filepath.Join(dir, "old.csv")
	text := "time,Temperature (°C),door\n2025-06-01 12:00,20.5,on\n2025-06-01 12:01,,off\n"
	if err := os.WriteFile(in, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	says(t, ends(t, cli.ExitUsage, "import", "--hub", url, in), "--new-device NAME")
	says(t, ends(t, cli.ExitFailed, "import", "--hub", url, "--device", "shed", in), "there is no device")
	says(t, ends(t, cli.ExitFailed, "import", "--hub", url, "--new-device", "The shed", in), "has no zone", "2 lines are wrong; nothing was stored")
	check := []string{"import", "--hub", url, "--zone", "UTC", "--new-device", "The shed", "--check", in}
	says(t, ends(t, 0, check...), "3 readings of 2 channels in 2 lines", "temperature.state  number °C  1 readings", "new", "1 cells are empty", "3 would be new")
	says(t, ends(t, 0, "import", "--hub", url, "--zone", "UTC", "--new-device", "The shed", in), "3 readings stored in the-shed, 0 were there")
	says(t, ends(t, 0, "import", "--hub", url, "--zone", "UTC", "-d", "the-shed", in), "0 readings stored in the-shed, 3 were there")

	out := filepath.Join(dir, "out.senml")
	says(t, ends(t, 0, "export", "--hub", url, "the-shed", "-o", out, "--from", "2025-06-01T12:00:00Z", "--to", "2025-06-01T12:00:30Z"), "2 readings")
	got, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	says(t, string(got), `:the-shed:temperature.state","bt":1748779200,"u":"Cel","v":20.5}`)
	if _, err := os.Stat(out + ".part"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a .part is left: %v", err)
	}
	if text := ends(t, 0, "export", "--hub", url, "the-shed", "-c", "door.state"); strings.Count(text, "\n") != 3 {
		t.Error(text)
	}
	says(t, ends(t, cli.ExitFailed, "export", "--hub", url, "nobody"), "there is no device")
	says(t, ends(t, cli.ExitUsage, "export", "--hub", url, "the-shed", "--from", "yesterday"), "--from: \"yesterday\" is no time")
}

func TestAFileThatIsNotWholeGetsNoName(t *testing.T) {
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Trailer", "Telltale-Readings")
		_, _ = w.Write(make([]byte, 100_000))
		if strings.Contains(r.URL.Path, "cut") {
			panic(http.ErrAbortHandler)
		}
	}))
	defer web.Close()
	dir := t.TempDir()
	for _, device := range []string{"cut", "quiet"} { // quiet: the answer ends well, and says nothing of how many readings it has
		says(t, ends(t, cli.ExitFailed, "export", "--hub", web.URL, device, "-o", filepath.Join(dir, "x.csv")), "the file is not whole")
	}
	if left, _ := os.ReadDir(dir); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestMomentsCanBeWrittenAsPeopleDo(t *testing.T) {
	zone := time.FixedZone("test", 2*3600)
	now := time.Date(2025, 12, 31, 12, 0, 0, 0, zone)
	for _, c := range []struct {
		text string
		end  bool
		want string
	}{
		{"now", false, "2025-12-31T12:00:00+02:00"},
		{"2025-06-01T10:00:00Z", false, "2025-06-01T10:00:00Z"},
		{"2025-06-01 10:00", false, "2025-06-01T10:00:00+02:00"},
		{"2025-06-01", false, "2025-06-01T00:00:00+02:00"},
		{"2025-06-01", true, "2025-06-01T23:59:59.999+02:00"},
		{"24h", false, "2025-12-30T12:00:00+02:00"},
		{"-24h", false, "2025-12-30T12:00:00+02:00"},
		{"7d", true, "2025-12-24T12:00:00+02:00"},
	} {
		got, err := parseWhen(c.text, now, c.end)
		if err != nil || got.Format(time.RFC3339Nano) != c.want {
			t.Errorf("%s: %s, want %s (%v)", c.text, got.Format(time.RFC3339Nano), c.want, err)
		}
	}
	for _, bad := range []string{"", "yesterday", "31.12.2025", "--24h", "d", "-5"} {
		if got, err := parseWhen(bad, now, false); err == nil {
			t.Errorf("%q is taken for %s", bad, got)
		}
	}
}

func TestNamesOfNewDevicesBecomeIDs(t *testing.T) {
	for name, want := range map[string]string{"Old weather station": "old-weather-station", "Schuppen (außen)": "schuppen-au-en", "--": "", strings.Repeat("ab ", 40): strings.Repeat("ab-", 20) + "ab"} {
		if got := deviceID(name); got != want {
			t.Errorf("%q: %q", name, got)
		}
	}
	if thousands(1234567) != "1,234,567" || thousands(-123) != "-123" || thousands(100) != "100" {
		t.Error(thousands(1234567), thousands(-123), thousands(100))
	}
}
