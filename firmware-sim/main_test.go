package main

import (
	"bytes"
	"context"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/telltale-iot/telltale/internal/cli"
)

// screen is what a person sees, written to by many.
type screen struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *screen) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *screen) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// call runs the program and returns its exit code and all it printed.
func call(ctx context.Context, args ...string) (int, string) {
	out := &screen{}
	code := cli.Run(ctx, cli.Program{Name: "firmware-sim"}, &program{}, args, &cli.IO{Out: out, Err: out})
	return code, out.String()
}

// nowhere is the address of a hub that is not there.
func nowhere(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	return "http://" + l.Addr().String()
}

func TestScenariosAndKindsAreListed(t *testing.T) {
	code, out := call(t.Context(), "scenarios")
	if code != 0 || !strings.HasPrefix(out, "home") || !strings.Contains(out, "greenhouse") {
		t.Errorf("%d %s", code, out)
	}
	code, out = call(t.Context(), "fault", "kinds")
	if code != 0 || !strings.Contains(out, "lying_relay:DEVICE/actuator") {
		t.Errorf("%d %s", code, out)
	}
}

func TestMistakesAreSaidInWords(t *testing.T) {
	dir := t.TempDir()
	for _, tc := range []struct{ args, want string }{
		{"run --scenario hmoe --data " + dir, "there is home"},
		{"run --fault fire:x --data " + dir, "unknown kind"},
		{"run --fault link_drop:attic --data " + dir, "there is sim-living-room"},
		{"run --speed 1e9 --data " + dir, "speed"},
		{"run --devices 1000000 --data " + dir, "0 (as the scenario says) to"},
		{"run --scenario " + filepath.Join(dir, "none.yaml") + " --data " + dir, "no such file"},
		{"fault list --data " + dir, "no simulator runs"},
		{"fault add link_drop:x --data " + dir, "no simulator runs"},
	} {
		if code, out := call(t.Context(), strings.Fields(tc.args)...); code == 0 || !strings.Contains(out, tc.want) {
			t.Errorf("%s: %d %s", tc.args, code, out)
		}
	}
}

func TestAPersonPlaysBreaksAndStops(t *testing.T) {
	dir := t.TempDir()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	played := make(chan string, 1)
	go func() {
		code, out := call(ctx, "run", "--hub", nowhere(t), "--data", dir, "--ledger", filepath.Join(dir, "ledger"), "--fault", "link_drop:*@1h")
		played <- strings.Repeat("failed ", code) + out
	}()
	fault := func(args ...string) (int, string) {
		return call(t.Context(), append([]string{"fault", "--data", dir}, args...)...)
	}
	waitUntil(t, func() bool { code, out := fault("list"); return code == 0 && strings.Contains(out, "begins in") })
	if code, out := fault("add", "lying_relay:sim-kitchen/lamp+1m", "sensor_dead:sim-kitchen/air"); code != 0 || !strings.Contains(out, "until it is cleared") {
		t.Errorf("add: %d %s", code, out)
	}
	if code, out := fault("add", "sensor_stuck:sim-kitchen/air"); code == 0 || !strings.Contains(out, "broken already") {
		t.Errorf("break what is broken: %d %s", code, out)
	}
	if code, out := fault("add", "lying_relay:sim-kitchen/oven"); code == 0 || !strings.Contains(out, "it has hood, kettle, lamp") {
		t.Errorf("a wrong part: %d %s", code, out)
	}
	if code, out := fault("clear", "2"); code != 0 || !strings.Contains(out, "healed: 1") {
		t.Errorf("clear: %d %s", code, out)
	}
	if code, out := fault("clear", "99"); code == 0 {
		t.Errorf("clear nothing: %s", out)
	}
	if code, out := call(t.Context(), "run", "--hub", nowhere(t), "--data", dir); code == 0 || !strings.Contains(out, "another simulator") {
		t.Errorf("a second one in the same folder: %d %s", code, out)
	}
	cancel()
	out := <-played
	for _, want := range []string{"sim-living-room", "firmware-sim fault --data " + dir + " add lying_relay:sim-living-room/lamp", "stopped; outputs are safe"} {
		if !strings.Contains(out, want) {
			t.Errorf("not said: %q in %s", want, out)
		}
	}
	if strings.HasPrefix(out, "failed") {
		t.Error(out)
	}
}

// waitUntil asks every few milliseconds, for as long as a slow machine may need.
func waitUntil(t *testing.T, ready func() bool) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for begin := time.Now(); time.Since(begin) < 20*time.Second; <-tick.C {
		if ready() {
			return
		}
	}
	t.Fatal("it never came")
}
