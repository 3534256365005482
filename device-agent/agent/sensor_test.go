package agent_test

import (
	"errors"
	"math"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/telltale-iot/telltale/schema"
)

const airAndLight = `
device: test-device
sensors:
  - {driver: ds18b20, id: air, interval: 1s, serial: 28-1}
  - {driver: bh1750, id: light, interval: 1s}
`

// count returns how many of a channel's values are null and how many are not.
func (r *rig) count(ch string) (good, null int) {
	for _, v := range r.hub.Values(ch) {
		if v.IsNull() {
			null++
		} else {
			good++
		}
	}
	return good, null
}

func TestBadDriversCostOnlyThemselves(t *testing.T) {
	cases := []struct {
		name string
		tx   func(release chan struct{}) error
	}{
		{"error", func(chan struct{}) error { return errors.New("no acknowledge") }},
		{"panic", func(chan struct{}) error { panic("index out of range") }},
		{"hang", func(release chan struct{}) error { <-release; return nil }},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, airAndLight)
				release := make(chan struct{})
				var bad atomic.Bool
				r.host.Tx = func(_ uint16, _, rd []byte) error {
					if bad.Load() {
						return c.tx(release)
					}
					if len(rd) == 2 {
						rd[0], rd[1] = 0, 120 // 100 lx
					}
					return nil
				}
				r.start()
				r.passInBubble(10 * time.Second)
				if v := r.hub.Values("light_illuminance.state"); len(v) < 7 || v[0] != schema.Number(100) {
					t.Fatalf("light: %v", v)
				}
				before := len(r.hub.Values("air.state"))
				bad.Store(true)
				r.passInBubble(time.Minute)
				if n := len(r.hub.Values("air.state")) - before; n < 58 {
					t.Errorf("the other sensor gave %d readings in a minute", n)
				}
				if _, null := r.count("light_illuminance.state"); null < 40 {
					t.Errorf("%d faults in a minute", null)
				}
				if !strings.Contains(r.events(), "sensor_lost") {
					t.Errorf("events: %s", r.events())
				}
				bad.Store(false)
				close(release)
				r.passInBubble(20 * time.Second)
				if !strings.Contains(r.events(), "sensor_back") {
					t.Errorf("events: %s", r.events())
				}
				if m := r.hub.Missing(); len(m) > 0 {
					t.Errorf("missing %v", m)
				}
			})
		})
	}
}

func TestHangingDriverDoesNotHoldUpTheStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, airAndLight+"actuators: [{driver: relay, id: lamp, pin: GPIO17}]\n")
		release := make(chan struct{})
		r.host.Tx = func(uint16, []byte, []byte) error { <-release; return nil }
		r.start()
		r.passInBubble(3 * time.Second)
		r.set(1, true)
		r.passInBubble(time.Second)
		begin := time.Now()
		if err := r.stop(); err != nil {
			t.Error(err)
		}
		if took := time.Since(begin); took > 5*time.Second {
			t.Errorf("the stop took %s", took)
		}
		if r.level("GPIO17") {
			t.Error("the lamp is on")
		}
		close(release)
	})
}

func TestHangingOutputHoldsUpNoOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, `
device: test-device
actuators:
  - {driver: relay, id: a, pin: GPIO5, active_low: true}
  - {driver: relay, id: b, pin: GPIO6, active_low: true}
  - {driver: relay, id: c, pin: GPIO7, active_low: true}
`)
		release := make(chan struct{})
		defer close(release)
		for _, pin := range []string{"GPIO5", "GPIO6"} {
			r.host.Line(pin).Hang(release)
		}
		r.start()
		synctest.Wait()
		if !r.level("GPIO7") {
			t.Fatal("c waits for a or b to reach its safe state at the start")
		}
		r.passInBubble(10 * time.Second)
		r.command(schema.DeviceCommand{ID: commandID(1), Seq: 1, Entity: "c", Channel: "state", Op: schema.OpSet, Value: schema.Bool(true),
			RemainingMS: 1000})
		r.passInBubble(time.Second)
		if r.level("GPIO7") {
			t.Fatal("c is not on")
		}
		begin := time.Now()
		if err := r.stop(); err == nil || !strings.Contains(err.Error(), "output a") || !strings.Contains(err.Error(), "output b") {
			t.Errorf("two outputs hang, and the agent says %v", err)
		}
		if moves := r.host.Line("GPIO7").Moves(); moves[len(moves)-1].At.Sub(begin) > 100*time.Millisecond || !r.level("GPIO7") {
			t.Errorf("stopped at %s, moves %v", begin, moves)
		}
		r.stop = func() error { return nil }
	})
}

func TestOutputThatCouldNotBeDrivenAtTheStartIsTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, "device: test-device\nactuators: [{driver: relay, id: lamp, pin: GPIO17, active_low: true}]\n")
		r.host.Line("GPIO17").Break(errors.New("resource busy"))
		r.start()
		r.passInBubble(5 * time.Second)
		r.host.Line("GPIO17").Break(nil)
		r.passInBubble(time.Minute)
		if !r.level("GPIO17") {
			t.Error("the pin came free, and its safe state was never set")
		}
		if !strings.Contains(r.events(), "safe_state") {
			t.Errorf("events: %s", r.events())
		}
	})
}

func TestDriverThatHangsWhileItIsClosedIsLeftBehind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, airAndLight)
		release := make(chan struct{})
		defer close(release)
		r.host.Tx = func(_ uint16, w, _ []byte) error {
			if len(w) == 1 && w[0] == 0 { // the light sensor's power-down
				<-release
			}
			return nil
		}
		r.start()
		r.passInBubble(3 * time.Second)
		done := make(chan error, 1)
		go func() { done <- r.stop() }()
		r.passInBubble(10 * time.Second)
		select {
		case err := <-done:
			if err == nil {
				t.Error("nobody says that a driver hangs")
			}
		default:
			t.Error("the stop waits for ever")
		}
		r.stop = func() error { return nil }
	})
}

func TestValuesThatAreNoneBecomeNullWithAQuality(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, lampAndThermometer)
		r.thermometer("")
		r.start()
		seen := 0
		for _, milli := range []string{"200000", "-60000", "2147483647", "999999999999", "1e308", "NaN", ""} {
			r.thermometer(milli)
			r.passInBubble(5 * time.Second)
			good, null := r.count("air.state")
			if good != 0 || null < seen+3 {
				t.Errorf("%q gave %d values and %d nulls", milli, good, null-seen)
			}
			seen = null
		}
	})
}

func TestTimesBeforeTheClockIsSetAreMonotonic(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(25 * 365 * 24 * time.Hour) // 2024: a time that readings may claim
		r := newRig(t, lampAndThermometer)
		r.clock.Lie(time.Until(time.Unix(0, 0)), false) // a machine without a clock: 1970
		r.start()
		r.passInBubble(10 * time.Second)
		r.clock.Lie(0, true)
		r.passInBubble(10 * time.Second)
		var unset, set int
		var last int64
		for seq := uint64(1); seq <= uint64(len(r.hub.Stored())); seq++ {
			f, ok := r.hub.Stored()[seq].(*schema.Readings)
			if !ok {
				continue
			}
			if f.MonoMS < last {
				t.Errorf("monotonic time goes back at %d", seq)
			}
			last = f.MonoMS
			if f.T0MS == 0 {
				unset++
			} else if set++; math.Abs(float64(f.T0MS-time.Now().UnixMilli())) > 15_000 {
				t.Errorf("frame %d claims %d", seq, f.T0MS)
			}
		}
		if unset < 5 || set < 5 {
			t.Errorf("%d frames without, %d with a wall time", unset, set)
		}
		if !strings.Contains(r.events(), "clock_step") {
			t.Errorf("events: %s", r.events())
		}
	})
}

func TestTicksAreEvenAndOnTheGrid(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(25 * 365 * 24 * time.Hour)
		r := newRig(t, lampAndThermometer)
		r.start()
		r.passInBubble(30 * time.Second)
		var times []int64
		for seq := uint64(1); seq <= uint64(len(r.hub.Stored())); seq++ {
			if f, ok := r.hub.Stored()[seq].(*schema.Readings); ok {
				for i := range f.Series {
					for k := range f.Series[i].V {
						if f.Series[i].Ch == "air.state" {
							times = append(times, f.T0MS+f.Series[i].OffsetMS(k))
						}
					}
				}
			}
		}
		for i := 1; i < len(times); i++ {
			if times[i]-times[i-1] != 1000 {
				t.Errorf("step %d is %d ms", i, times[i]-times[i-1])
			}
		}
		if len(times) < 28 {
			t.Errorf("%d readings", len(times))
		}
	})
}

func TestWaveformIsContinuous(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(25 * 365 * 24 * time.Hour)
		r := newRig(t, `
device: test-device
sensors:
  - driver: ads1115
    inputs: [{id: pulse, pin: A0, max_volts: 4.096, unit: mV, scale: 1000, rate_hz: 125}]
`)
		n := uint16(0)
		var config [2]byte
		r.host.Tx = func(_ uint16, w, rd []byte) error {
			switch {
			case w[0] == 1 && len(rd) == 0:
				copy(config[:], w[1:])
			case w[0] == 1:
				copy(rd, config[:])
			default:
				n++
				rd[0], rd[1] = byte(n>>8), byte(n)
			}
			return nil
		}
		r.start()
		r.passInBubble(20 * time.Second)
		var end int64
		samples := 0
		for seq := uint64(1); seq <= uint64(len(r.hub.Stored())); seq++ {
			f, ok := r.hub.Stored()[seq].(*schema.Readings)
			if !ok {
				continue
			}
			for i := range f.Series {
				s := &f.Series[i]
				if s.StepUS != 8000 {
					t.Fatalf("step %d µs", s.StepUS)
				}
				start := f.T0MS + s.OffsetMS(0)
				if end != 0 && start != end {
					t.Errorf("block at %d begins %d ms after the one before", seq, start-end)
				}
				end = f.T0MS + s.OffsetMS(len(s.V)-1) + 8
				samples += len(s.V)
			}
		}
		if samples < 125*19 {
			t.Errorf("%d samples in 20 s", samples)
		}
	})
}
