package main

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/telltale-iot/telltale/hub/app"
	"github.com/telltale-iot/telltale/hub/internal/store"
	"github.com/telltale-iot/telltale/hub/internal/store/storetest"
	"github.com/telltale-iot/telltale/internal/cli"
)

// must runs the program, wants it to succeed, and returns what it printed.
func must(t *testing.T, args ...string) string {
	t.Helper()
	code, out, errs := hub(t, t.Context(), args...)
	if code != 0 {
		t.Fatalf("hub %v: exit %d: %s%s", args, code, out, errs)
	}
	return out
}

func says(t *testing.T, text string, parts ...string) {
	t.Helper()
	for _, p := range parts {
		if !strings.Contains(text, p) {
			t.Errorf("%q is not said in\n%s", p, text)
		}
	}
}

func TestAStoreIsBackedUpRestoredCheckedAndAsked(t *testing.T) {
	t.Parallel()
	dir, other := t.TempDir(), filepath.Join(t.TempDir(), "other")
	n := storetest.Build(t, dir).Count()
	says(t, must(t, "check", "--data", dir), "is good")
	copied := filepath.Join(t.TempDir(), "copy.db")
	says(t, must(t, "backup", "--data", dir, "-o", copied), "checked")
	says(t, must(t, "restore", copied, "--data", other), "is in place")
	var row struct{ N, Sum any }
	line := must(t, "sql", "--data", other, "--format", "json", `SELECT count(*) AS n, 'ü"' AS sum FROM readings`)
	if err := json.Unmarshal([]byte(line), &row); err != nil || row.N != float64(n) || row.Sum != `ü"` {
		t.Errorf("%s: %v", line, err)
	}
	says(t, must(t, "sql", "--file", copied, "--format", "csv", `SELECT device, channel, t, value FROM readings WHERE channel = 'mode.state' ORDER BY t LIMIT 1`),
		"device,channel,t,value\npi,mode.state,2026-09-21T14:26:40.000Z,mode ")
	says(t, must(t, "sql", "--data", dir, `SELECT device, x'00ff' AS b, NULL AS n FROM chunks LIMIT 1`), "device  b     n", "00ff")
	code, out, errs := hub(t, t.Context(), "restore", copied, "--data", dir)
	if code != cli.ExitFailed {
		t.Errorf("exit %d: %s%s", code, out, errs)
	}
	says(t, errs, "--replace")
	code, _, errs = hub(t, t.Context(), "sql", "--data", dir, "SELECT x FROM nowhere")
	if code != cli.ExitFailed {
		t.Errorf("exit %d", code)
	}
	says(t, errs, "no such table: nowhere")
	if code, _, _ = hub(t, t.Context(), "sql", "--data", dir, "DELETE FROM chunk"); code != cli.ExitFailed {
		t.Errorf("exit %d: a look could write", code)
	}
}

func TestADamagedStoreIsToldAndSalvaged(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	storetest.Build(t, dir)
	file := store.File(dir)
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for i := len(b) / 2; i < len(b); i += 4096 { // every page of the second half
		b[i] ^= 0x55
	}
	if err := os.WriteFile(file, b, 0o600); err != nil {
		t.Fatal(err)
	}
	code, out, errs := hub(t, t.Context(), "check", "--data", dir)
	if code != cli.ExitFailed {
		t.Errorf("exit %d", code)
	}
	says(t, errs, "hub salvage")
	says(t, out, "noise.state 2026-09-2")
	code, out, errs = hub(t, t.Context(), "restore", file, "--data", t.TempDir())
	if code != cli.ExitFailed {
		t.Errorf("exit %d: %s", code, out)
	}
	says(t, errs, "damaged")
	fresh := filepath.Join(t.TempDir(), "new.db")
	says(t, must(t, "salvage", file, "-o", fresh), "lost: ", "noise.state 2026-09-2", "is good")
	says(t, must(t, "check", fresh), "is good")
	says(t, must(t, "restore", fresh, "--data", dir, "--replace"), "is in place", "is kept as")
}

func TestARunningHubMakesItsBackupAndGivesIt(t *testing.T) {
	t.Parallel()
	c := app.Default()
	c.Listen, c.Data = "127.0.0.1:0", t.TempDir()
	h, err := app.New(t.Context(), c, app.Options{})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- h.Run(ctx) }()
	file := filepath.Join(t.TempDir(), "b.db")
	says(t, must(t, "backup", "--hub", "http://"+h.Addr().String(), "-o", file), "0 readings")
	says(t, must(t, "check", file), "is good")
	says(t, must(t, "check", "--data", c.Data), "is good")
	code, _, errs := hub(t, t.Context(), "backup", "--data", c.Data)
	if code != cli.ExitFailed {
		t.Errorf("exit %d", code)
	}
	says(t, errs, "a hub runs on")
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
