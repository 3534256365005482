package agent_test

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"testing/synctest"
	"time"

	"github.com/telltale-iot/telltale/device-agent/agent"
	"github.com/telltale-iot/telltale/device-agent/config"
	"github.com/telltale-iot/telltale/device-agent/device/devicetest"
	"github.com/telltale-iot/telltale/device-agent/internal/disk"
	"github.com/telltale-iot/telltale/device-agent/internal/uplink/uplinktest"
	"github.com/telltale-iot/telltale/schema"
)

// rig is an agent with its hub, its machine and its clock. It lives inside a synctest bubble.
type rig struct {
	t     *testing.T
	hub   *uplinktest.Hub
	host  *devicetest.Host
	clock *devicetest.Clock
	dir   string
	yaml  string
	crash func(string) bool
	log   *slog.Logger
	disk  func(path string) (disk.Disk, error)
	dial  func(ctx context.Context, network, addr string) (net.Conn, error)

	hubURL string
	fails  bool // Run may return an error

	a    *agent.Agent
	stop func() error
}

const lampAndThermometer = `
device: test-device
sensors:
  - {driver: ds18b20, id: air, interval: 1s, serial: 28-1}
actuators:
  - {driver: relay, id: lamp, kind: light, pin: GPIO17, readback: GPIO22}
`

func newRig(t *testing.T, yaml string) *rig {
	r := &rig{t: t, hub: uplinktest.New(t), host: &devicetest.Host{Files: &files{}}, clock: devicetest.NewClock("boot-1"), dir: t.TempDir(),
		yaml: yaml, log: slog.New(slog.DiscardHandler)}
	if os.Getenv("AGENT_TEST_LOG") != "" {
		r.log = slog.New(slog.NewTextHandler(os.Stderr, nil))
	}
	r.dial, r.hubURL = r.hub.Dial, r.hub.URL()
	r.host.Line("GPIO17").Wire(r.host.Line("GPIO22"))
	r.thermometer("23125")
	return r
}

// thermometer sets what the kernel's file of the thermometer says, in m°C; "" = there is none.
func (r *rig) thermometer(milli string) {
	f := r.host.Files.(*files)
	text := ""
	if milli != "" {
		text = "72 01 4b 46 7f ff 0e 10 57 : crc=57 YES\n72 01 4b 46 7f ff 0e 10 57 t=" + milli + "\n"
	}
	f.set("sys/bus/w1/devices/28-1/w1_slave", text)
}

// logTo sends the agent's log to the test.
func (r *rig) logTo(w io.Writer) { r.log = slog.New(slog.NewTextHandler(w, nil)) }

// open makes the agent without running it.
func (r *rig) open() error {
	c, err := config.Parse("test.yaml", []byte(r.yaml))
	if err != nil {
		return err
	}
	c.Hub = r.hubURL
	r.a, err = agent.New(agent.Options{Config: c, Host: r.host, Dir: r.dir, Clock: r.clock, Dial: r.dial, Software: "test", Log: r.log,
		Crash: r.crash, OpenDisk: r.disk})
	return err
}

// start runs the agent; r.stop ends it and waits.
func (r *rig) start() {
	r.t.Helper()
	if err := r.open(); err != nil {
		r.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(r.t.Context())
	done := make(chan error, 1)
	go func() { done <- r.a.Run(ctx) }()
	r.stop = sync.OnceValue(func() error { cancel(); return <-done })
	r.t.Cleanup(func() {
		if err := r.stop(); err != nil && r.crash == nil && !r.fails {
			r.t.Errorf("run: %v", err)
		}
	})
}

// passInBubble lets time pass.
func (r *rig) passInBubble(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// set sends a set command for the lamp.
func (r *rig) set(id int, on bool) string {
	return r.command(schema.DeviceCommand{ID: commandID(id), Seq: uint64(id), Entity: "lamp", Channel: "state", Op: schema.OpSet,
		Value: schema.Bool(on), RemainingMS: 10_000})
}

// command sends a command as if it were written now, or spentMS earlier where its MonoMS is −spentMS.
func (r *rig) command(c schema.DeviceCommand) string {
	c.MonoMS += r.hub.MonoMS()
	r.hub.Send(&c)
	return c.ID
}

func commandID(n int) string { return fmt.Sprintf("%032x", n) }

// final returns the last report of a command; the test fails when it is not of the state wanted.
func (r *rig) final(id string, want schema.CommandState) *schema.CommandReport {
	r.t.Helper()
	all := r.hub.Reports(id)
	if len(all) == 0 {
		r.t.Fatalf("command %s was never reported", id)
	}
	last := all[len(all)-1]
	if last.State != want {
		r.t.Fatalf("command ended as %s (%s: %s), want %s", last.State, last.Code, last.Message, want)
	}
	return last
}

// events returns the types of all events the hub heard, in order.
func (r *rig) events() string {
	var out []string
	for _, f := range r.hub.Heard() {
		if e, ok := f.(*schema.Event); ok {
			out = append(out, e.Type)
		}
	}
	return strings.Join(out, " ")
}

func TestReadingsReachTheHub(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, lampAndThermometer)
		r.start()
		r.passInBubble(10 * time.Second)
		air := r.hub.Values("air.state")
		if len(air) < 8 || air[0] != schema.Number(23.125) {
			t.Errorf("air: %v", air)
		}
		if lamp := r.hub.Values("lamp.state"); len(lamp) == 0 || lamp[0] != schema.Bool(false) {
			t.Errorf("lamp: %v", lamp)
		}
		if m := r.hub.Missing(); len(m) > 0 {
			t.Errorf("missing %v", m)
		}
		if err := r.stop(); err != nil {
			t.Error(err)
		}
		if got := r.events(); got != "started stopping" {
			t.Errorf("events: %s", got)
		}
	})
}

func TestCommandIsDoneWhenTheContactFollows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, lampAndThermometer)
		r.start()
		r.passInBubble(3 * time.Second)
		id := r.set(1, true)
		r.passInBubble(time.Second)
		got := r.final(id, schema.StateDone)
		if got.Proof != schema.ProofReadback || got.Reported != schema.Bool(true) {
			t.Errorf("report: %+v", got)
		}
		var states []string
		for _, c := range r.hub.Reports(id) {
			states = append(states, string(c.State))
		}
		if s := strings.Join(states, " "); s != "received running done" {
			t.Errorf("states: %s", s)
		}
		if v := r.hub.Values("lamp.state"); v[len(v)-1] != schema.Bool(true) {
			t.Errorf("lamp: %v", v)
		}
	})
}

func TestLyingRelayIsFailed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, lampAndThermometer)
		r.dial, r.hubURL = r.hub.Dial, r.hub.URL()
		r.host.Line("GPIO17").Wire(nil)
		r.start()
		r.passInBubble(3 * time.Second)
		id := r.set(1, true)
		r.passInBubble(2 * time.Second)
		got := r.final(id, schema.StateFailed)
		if got.Code != "readback" || got.Reported != schema.Bool(false) {
			t.Errorf("report: %+v", got)
		}
	})
}

func TestOutageLosesNothingAndLiveComesFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, lampAndThermometer)
		r.start()
		r.passInBubble(10 * time.Second)
		r.hub.Set(func(k *uplinktest.Knobs) { k.Refuse = schema.Problemf(schema.CodeUnavailable, "down for the test") })
		r.hub.Drop()
		r.passInBubble(5 * time.Minute)
		before := len(r.hub.Order())
		r.hub.Set(func(k *uplinktest.Knobs) { k.Refuse = nil })
		r.passInBubble(2 * time.Minute)
		if m := r.hub.Missing(); len(m) > 0 {
			t.Errorf("missing %v", m)
		}
		order := r.hub.Order()[before:]
		if len(order) < 20 || order[0] < order[10] {
			t.Errorf("live did not come first: %v", order)
		}
		var backfilled int
		for _, f := range r.hub.Stored() {
			if b, ok := f.(*schema.Readings); ok && b.Backfill {
				backfilled++
			}
		}
		if backfilled < 30 || r.a.Backlog() != 0 {
			t.Errorf("backfilled %d, backlog %d", backfilled, r.a.Backlog())
		}
	})
}

// files is a file system whose files a test can change.
type files struct {
	mu sync.Mutex
	m  fstest.MapFS
}

func (f *files) set(name, text string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	m := fstest.MapFS{}
	for k, v := range f.m {
		m[k] = v
	}
	delete(m, name)
	if text != "" {
		m[filepath.ToSlash(name)] = &fstest.MapFile{Data: []byte(text)}
	}
	f.m = m
}

func (f *files) Open(name string) (fs.File, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.m.Open(name)
}
