package fleet

import (
	"bytes"
	"context"
	"log/slog"
	"math"
	"net"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/telltale-iot/telltale/device-agent/agent"
	"github.com/telltale-iot/telltale/firmware-sim/chip"
	"github.com/telltale-iot/telltale/firmware-sim/fault"
	"github.com/telltale-iot/telltale/firmware-sim/scenario"
	"github.com/telltale-iot/telltale/schema"
)

// noHub is a network without a hub: agents keep what they measure.
func noHub(context.Context, string, string) (net.Conn, error) {
	return nil, &net.OpError{Op: "dial", Net: "tcp", Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}
}

// reading is the newest of one channel, with how many there were.
type reading struct {
	value    schema.Value
	quality  schema.Quality
	count    int
	lowest   float64
	highest  float64
	switched int // how often a bool changed
}

// witness remembers what each device's agent put into its outbox.
type witness struct {
	mu       sync.Mutex
	readings map[string]reading // by device/channel
	events   map[string][]string
	times    map[string]schema.Readings // the newest frame of each device, without its series
}

func newWitness() *witness {
	return &witness{readings: map[string]reading{}, events: map[string][]string{}, times: map[string]schema.Readings{}}
}

func (w *witness) of(device string) agent.Observer { return eye{w, device} }

type eye struct {
	*witness
	device string
}

func (e eye) Acked(string, []schema.Range) {}

func (e eye) Generated(_ string, f schema.Frame) {
	e.mu.Lock()
	defer e.mu.Unlock()
	switch f := f.(type) {
	case *schema.Event:
		e.events[e.device] = append(e.events[e.device], f.Type)
	case *schema.Readings:
		e.times[e.device] = schema.Readings{Seq: f.Seq, T0MS: f.T0MS, MonoMS: f.MonoMS, Boot: f.Boot}
		for _, s := range f.Series {
			key := e.device + "/" + s.Ch
			for i, v := range s.V {
				e.readings[key] = e.readings[key].add(v, s.QualityAt(i))
			}
		}
	}
}

func (r reading) add(v schema.Value, q schema.Quality) reading {
	if r.count > 0 && v.Type() == schema.TypeBool && v != r.value {
		r.switched++
	}
	if x, ok := v.Float(); ok {
		if r.count == 0 {
			r.lowest, r.highest = x, x
		}
		r.lowest, r.highest = min(r.lowest, x), max(r.highest, x)
	}
	r.value, r.quality = v, q
	r.count++
	return r
}

func (w *witness) last(key string) reading {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.readings[key]
}

func (w *witness) newest(device string) schema.Readings {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.times[device]
}

func (w *witness) happened(device string) []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.events[device])
}

// stage is a scenario that runs in a synctest bubble until the test ends it.
type stage struct {
	*Fleet
	*witness
	ledger *chip.Ledger
	log    *bytes.Buffer
	dir    string
	end    func() error
}

func perform(t *testing.T, o Options) *stage {
	t.Helper()
	s := &stage{witness: newWitness(), ledger: chip.NewLedger(nil), log: &bytes.Buffer{}, dir: o.Dir}
	if o.Dir == "" {
		s.dir = t.TempDir()
	}
	o.Dir, o.Ledger, o.Observe, o.Software = s.dir, s.ledger, s.of, "test"
	if o.Dial == nil {
		o.Dial = noHub
	}
	o.Log = slog.New(slog.NewTextHandler(&locked{w: s.log}, &slog.HandlerOptions{Level: slog.LevelWarn}))
	o.Start = time.Date(2026, time.February, 3, 7, 0, 0, 0, time.UTC)
	var err error
	if s.Fleet, err = New(o); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	s.end = func() error { cancel(); return <-done }
	return s
}

// locked is a log that many agents write to.
type locked struct {
	mu sync.Mutex
	w  *bytes.Buffer
}

func (l *locked) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(p)
}

func script(t *testing.T, name string) *scenario.Scenario {
	t.Helper()
	s, err := scenario.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestEveryScenarioRunsAnHourOfItsWorld runs at 240 seconds of the world per second of the agents, which are real and want real time.
func TestEveryScenarioRunsAnHourOfItsWorld(t *testing.T) {
	for _, name := range scenario.Names() {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := perform(t, Options{Scenario: script(t, name), Speed: 240, Seed: 5})
				time.Sleep(16 * time.Second)
				described := map[string]schema.Descriptor{}
				for _, d := range s.Devices() {
					described[d.Agent.Device] = s.byID[d.Agent.Device].agent.Load().Descriptor()
				}
				if err := s.end(); err != nil {
					t.Error(err)
				}
				for _, line := range strings.Split(s.log.String(), "\n") {
					if line != "" && !strings.Contains(line, "no link to the hub") {
						t.Error(line)
					}
				}
				for device, d := range described {
					checkComplete(t, s, device, d)
				}
			})
		})
	}
}

// checkComplete wants a good reading of every channel that a device describes.
func checkComplete(t *testing.T, s *stage, device string, d schema.Descriptor) {
	t.Helper()
	for _, e := range d.Entities {
		for _, c := range e.Channels {
			if c.Pulse {
				continue
			}
			r := s.last(device + "/" + e.ID + "." + c.Name)
			if r.count == 0 || r.quality != schema.QualityOK {
				t.Errorf("%s %s.%s: %d readings, last %s %s", device, e.ID, c.Name, r.count, r.value, r.quality)
			}
		}
	}
}

func TestThermostatSensorHeaterAndRoomAreOneLoop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := perform(t, Options{Scenario: script(t, "home"), Speed: 60, Seed: 2})
		time.Sleep(3 * time.Minute) // three hours of a winter morning
		temperature := s.last("sim-living-room/air_temperature.state")
		switched := s.last("sim-living-room/radiator.state").switched
		v, _ := temperature.value.Float()
		if math.Abs(v-21) > 1.2 || temperature.lowest < 18 || temperature.highest > 23.5 || switched < 2 {
			t.Errorf("living room %.2f °C (from %.2f to %.2f), radiator switched %d times", v, temperature.lowest, temperature.highest, switched)
		}
		if err := s.end(); err != nil {
			t.Error(err)
		}
		moves, err := s.ledger.Moves()
		if err != nil {
			t.Fatal(err)
		}
		last := map[string]float64{}
		for i, m := range moves {
			last[m.Device+"/"+m.Output] = m.Load
			if i > 0 && m.MonoUS < moves[i-1].MonoUS {
				t.Errorf("the ledger goes backwards at %+v", m)
			}
		}
		if _, moved := last["sim-living-room/GPIO22"]; !moved {
			t.Error("the ledger knows nothing of the radiator")
		}
		for output, load := range last {
			if load != 0 {
				t.Errorf("%s was left at %v", output, load)
			}
		}
	})
}

func TestFaultsShowInWhatTheAgentReports(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := perform(t, Options{Scenario: script(t, "home"), Speed: 30})
		add := func(text string) int {
			t.Helper()
			spec, err := fault.Parse(text)
			if err != nil {
				t.Fatal(err)
			}
			id, err := s.Injector().Add(spec)
			if err != nil {
				t.Fatal(err)
			}
			return id
		}
		time.Sleep(10 * time.Second)
		add("sensor_dead:sim-living-room/air")
		add("sensor_stuck:sim-kitchen/air")
		add("sensor_absurd:sim-garage/air")
		add("bus_stuck:sim-bedroom")
		add("clock_1970:sim-kitchen")
		time.Sleep(15 * time.Second)
		for _, key := range []string{"sim-living-room/air_temperature.state", "sim-bedroom/air_co2.state"} {
			if r := s.last(key); r.quality != schema.QualityFault {
				t.Errorf("%s: %s %s", key, r.value, r.quality)
			}
		}
		if r := s.last("sim-garage/air_temperature.state"); r.quality == schema.QualityOK {
			t.Errorf("absurd: %s %s", r.value, r.quality)
		}
		before := s.last("sim-kitchen/air_temperature.state")
		time.Sleep(20 * time.Second)
		if r := s.last("sim-kitchen/air_temperature.state"); r.value != before.value || r.count <= before.count {
			t.Errorf("stuck: %s, then %s", before.value, r.value)
		}
		// Without its sensor the thermostat lets go of the radiator.
		time.Sleep(time.Minute)
		if r := s.last("sim-living-room/radiator.state"); r.value.IsTrue() {
			t.Error("the radiator heats without a thermometer")
		}
		if frame := s.newest("sim-kitchen"); frame.T0MS > 0 && time.UnixMilli(frame.T0MS).Year() > 1971 {
			t.Errorf("a clock that was never set says %v", time.UnixMilli(frame.T0MS))
		}
		if n := s.Injector().Clear(); n != 5 {
			t.Errorf("healed %d", n)
		}
		time.Sleep(20 * time.Second)
		for _, key := range []string{"sim-living-room/air_temperature.state", "sim-bedroom/air_co2.state", "sim-garage/air_temperature.state"} {
			if r := s.last(key); r.quality != schema.QualityOK {
				t.Errorf("%s after healing: %s %s", key, r.value, r.quality)
			}
		}
		if err := s.end(); err != nil {
			t.Error(err)
		}
	})
}

func TestLyingRelayLeavesTheRoomCold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := perform(t, Options{Scenario: script(t, "home"), Speed: 60, Seed: 2, Faults: []fault.Spec{{Kind: fault.LyingRelay, Device: "sim-living-room", Part: "radiator"}}})
		time.Sleep(2 * time.Minute)
		if r := s.last("sim-living-room/radiator.state"); r.value.IsTrue() || r.switched > 0 {
			t.Errorf("the contact never closed, and is reported %s (%d changes)", r.value, r.switched)
		}
		moves, err := s.ledger.Moves()
		if err != nil {
			t.Fatal(err)
		}
		tried := 0
		for _, m := range moves {
			if m.Device == "sim-living-room" && m.Output == "GPIO22" {
				tried++
				if m.Load != 0 {
					t.Errorf("the load moved: %+v", m)
				}
			}
		}
		if tried == 0 {
			t.Error("the thermostat never tried")
		}
		if err := s.end(); err != nil {
			t.Log(err) // an output that cannot be read back as safe may be reported
		}
	})
}

func TestFaultsForNobodyAreRefused(t *testing.T) {
	f, err := New(Options{Scenario: script(t, "home"), Dir: t.TempDir(), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]string{
		"link_drop:attic":                     "there is sim-living-room",
		"lying_relay:sim-kitchen/oven":        "it has hood, kettle, lamp",
		"sensor_dead:sim-kitchen/lamp":        "it has air",
		"lying_relay:*/moon":                  "no \"moon\"",
		"sensor_dead:sim-kitchen/power":       "",
		"sensor_dead:sim-kitchen/power_meter": "",
		"lying_relay:*/lamp":                  "",
		"sensor_stuck:sim-garage/gate":        "",
		"sensor_stuck:sim-kitchen/power":      "",
		"reboot:*":                            "",
		"link_delay:sim-kitchen=100ms@1s+1s":  "",
	} {
		spec, err := fault.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		err = f.Check(spec)
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
	if _, err := New(Options{Scenario: script(t, "home"), Dir: t.TempDir(), Log: slog.New(slog.DiscardHandler), Faults: []fault.Spec{{Kind: fault.LinkDrop, Device: "x"}}}); err == nil {
		t.Error("a run with a fault for nobody starts")
	}
}

func TestACrowdOfDevicesStaysSmall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const crowd = 30
		before := heap()
		s := perform(t, Options{Scenario: script(t, "load"), Copies: crowd})
		time.Sleep(20 * time.Second)
		synctest.Wait()
		each := (heap() - before) / crowd
		t.Logf("%d KiB a device", each>>10)
		on := 0
		for _, st := range s.Status() {
			if st.Powered && st.Backlog > 0 {
				on++
			}
		}
		if on != crowd {
			t.Errorf("%d of %d devices run", on, crowd)
		}
		a, b := s.last("sim-0001/air_temperature.state"), s.last("sim-0002/air_temperature.state")
		if a.count < 15 || a.value == b.value {
			t.Errorf("%d readings; two devices say %s and %s", a.count, a.value, b.value)
		}
		if each > 400<<10 {
			t.Errorf("%d KiB a device", each>>10)
		}
		if err := s.end(); err != nil {
			t.Error(err)
		}
	})
}

func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
