package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/telltale-iot/telltale/internal/cli"
)

// agentCLI runs the program as a person would.
func agentCLI(t *testing.T, args ...string) (code int, out, errs string) {
	t.Helper()
	var o, e bytes.Buffer
	code = cli.Run(t.Context(), cli.Program{Name: "device-agent", Description: "test"}, &program{}, args, &cli.IO{Out: &o, Err: &e})
	return code, o.String(), e.String()
}

func TestCheckReadsThisMachine(t *testing.T) {
	code, out, errs := agentCLI(t, "check", "--state", t.TempDir())
	if code != cli.ExitOK || !strings.Contains(out, "host_memory") || !strings.Contains(out, "Nothing was switched") {
		t.Errorf("%d %q %q", code, out, errs)
	}
}

func TestMistakeInTheFileIsOneLineWithItsPlace(t *testing.T) {
	file := filepath.Join(t.TempDir(), "agent.yaml")
	if err := os.WriteFile(file, []byte("hub: http://localhost:1\nsensors:\n  - drivr: host\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, command := range []string{"check", "run"} {
		code, _, errs := agentCLI(t, command, "--config", file, "--state", t.TempDir())
		if code != cli.ExitUsage || !strings.Contains(errs, "agent.yaml:3:5") || strings.Count(errs, "\n") != 1 {
			t.Errorf("%s: %d %q", command, code, errs)
		}
	}
}

func TestCheckNamesWhatDoesNotAnswer(t *testing.T) {
	file := filepath.Join(t.TempDir(), "agent.yaml")
	text := "sensors:\n  - {driver: ds18b20, id: freezer, serial: 28-none}\n  - {driver: host}\nactuators:\n  - {driver: relay, pin: NOSUCHPIN}\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	code, out, errs := agentCLI(t, "check", "--config", file, "--state", t.TempDir())
	if code != cli.ExitFailed || strings.Count(out, "FAIL") != 2 || !strings.Contains(errs, "2 of the things") {
		t.Errorf("%d %q %q", code, out, errs)
	}
}

func TestTwoAgentsDoNotShareAState(t *testing.T) {
	dir := t.TempDir()
	lock, err := lockState(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Close()
	if code, _, errs := agentCLI(t, "run", "--state", dir, "--hub", "http://localhost:1"); code != cli.ExitFailed || !strings.Contains(errs, "another agent uses") {
		t.Errorf("%d %q", code, errs)
	}
}

func TestRunStopsAtOnceWhenTold(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var out, errs bytes.Buffer
	code := cli.Run(ctx, cli.Program{Name: "device-agent", Description: "test"}, &program{}, []string{"--hub", "http://localhost:1", "--state", t.TempDir()},
		&cli.IO{Out: &out, Err: &errs})
	if code != cli.ExitOK || !strings.Contains(out.String(), "Stopped") {
		t.Errorf("%d %q %q", code, out.String(), errs.String())
	}
}
