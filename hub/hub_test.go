package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/telltale-iot/telltale/hub/app"
	"github.com/telltale-iot/telltale/internal/cli"
	"github.com/telltale-iot/telltale/internal/yamlfile"
)

// hub runs the program and returns its exit code and what it printed.
func hub(t *testing.T, ctx context.Context, args ...string) (code int, out, errs string) {
	t.Helper()
	var o, e bytes.Buffer
	code = cli.Run(ctx, cli.Program{Name: "hub"}, &program{}, args, &cli.IO{Out: &o, Err: &e})
	return code, o.String(), e.String()
}

func write(t *testing.T, text string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "hub.yaml")
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

func TestFlagsBeatEnvironmentBeatsFileBeatsDefault(t *testing.T) {
	file := write(t, "listen: 127.0.0.1:1\ndata: from-file\nlog_level: warn\n")
	t.Setenv("TELLTALE_DATA", "from-env")
	t.Setenv("TELLTALE_LISTEN", "127.0.0.1:2")
	code, out, errs := hub(t, t.Context(), "config", "--config", file, "--listen", "127.0.0.1:3")
	if code != 0 {
		t.Fatal(errs)
	}
	for _, want := range []string{`listen: "127.0.0.1:3"`, `data: "from-env"`, "log_level: warn", "grace: 8s"} {
		if !strings.Contains(out, want) {
			t.Errorf("no %s in\n%s", want, out)
		}
	}
}

func TestWhatConfigPrintsCanBeRead(t *testing.T) {
	code, out, errs := hub(t, t.Context(), "config", "--host", "hub.test", "--host", "10.0.0.1", "--origin", "https://front.example")
	if code != 0 {
		t.Fatal(errs)
	}
	var c app.Config
	if _, err := yamlfile.Decode("printed", []byte(out), &c); err != nil {
		t.Fatalf("%v in\n%s", err, out)
	}
	if err := c.Validate(); err != nil || len(c.Hosts) != 2 || c.Origins[0] != "https://front.example" {
		t.Errorf("%+v: %v", c, err)
	}
}

func TestATypingErrorIsNamedWithItsPlace(t *testing.T) {
	code, _, errs := hub(t, t.Context(), "--config", write(t, "listen: 127.0.0.1:0\nalow_network: true\n"))
	if code != cli.ExitUsage || !strings.Contains(errs, ":2:1:") || !strings.Contains(errs, "allow_network") {
		t.Errorf("exit %d: %s", code, errs)
	}
	code, _, errs = hub(t, t.Context(), "--listen", "0.0.0.0:0")
	if code != cli.ExitUsage || !strings.Contains(errs, "--allow-network") {
		t.Errorf("exit %d: %s", code, errs)
	}
}

func TestServeAndPair(t *testing.T) {
	c := app.Default()
	c.Listen, c.Data = "127.0.0.1:0", t.TempDir()
	h, err := app.New(t.Context(), c, app.Options{})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- h.Run(ctx) }()
	code, out, errs := hub(t, t.Context(), "pair", "--hub", "http://"+h.Addr().String(), "--uses", "3")
	if code != 0 || len(strings.Split(out, "\n")[0]) != len("ABCD-EFGH") || !strings.Contains(out, "--code") {
		t.Errorf("exit %d: %s%s", code, out, errs)
	}
	code, _, errs = hub(t, t.Context(), "pair", "--hub", "http://"+h.Addr().String(), "--uses=-1")
	if code != cli.ExitFailed || !strings.Contains(errs, "uses must be") {
		t.Errorf("exit %d: %s", code, errs)
	}
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	code, _, errs = hub(t, t.Context(), "tail", "--hub", "http://"+h.Addr().String())
	if code != cli.ExitFailed || !strings.Contains(errs, "is it running?") {
		t.Errorf("exit %d: %s", code, errs)
	}
}

func TestALineOfTailSaysTheGist(t *testing.T) {
	for _, c := range []struct{ name, frame, want string }{
		{"readings", `{"t":"readings","seq":7,"mono_ms":1,"series":[{"ch":"air.state","v":[20,20.5],"dt_ms":[0,1]}]}`, "seq 7 air.state=20.5 (2 readings)"},
		{"ack", `{"t":"ack","epoch":"aa","ranges":[[1,2]]}`, `"epoch":"aa","ranges":[[1,2]]`},
		{"event", `{"t":"event","message":"` + strings.Repeat("ä", 500) + `"}`, "… 9 B"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var out bytes.Buffer
			f := &passed{Dir: "in", Agent: true, Who: "pi", Kind: c.name, Frame: []byte(c.frame), Bytes: 9, Dropped: 3}
			if err := f.print(&out); err != nil {
				t.Fatal(err)
			}
			if text := out.String(); !strings.Contains(text, c.want) || !strings.Contains(text, "3 frames left out") || strings.Count(text, "\n") != 2 {
				t.Errorf("%s", text)
			}
		})
	}
}
