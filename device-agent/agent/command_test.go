package agent_test

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/telltale-iot/telltale/schema"
	"periph.io/x/conn/v3/gpio"
)

const opener = `
device: test-device
actuators:
  - {driver: button, id: opener, pin: GPIO24, pulse: 500ms}
  - {driver: relay, id: lamp, pin: GPIO17}
`

func press(id int) schema.DeviceCommand {
	return schema.DeviceCommand{ID: commandID(id), Seq: uint64(id), Entity: "opener", Channel: "press", Op: schema.OpPulse, RemainingMS: 5000}
}

// pressed counts how often the opener's pin went high.
func (r *rig) pressed() int {
	n := 0
	for _, m := range r.host.Line("GPIO24").Moves() {
		if m.Level == gpio.High {
			n++
		}
	}
	return n
}

func TestRepeatedPulseActsOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, opener)
		r.start()
		r.passInBubble(3 * time.Second)
		for range 3 { // while it waits, while it runs, and after
			r.command(press(1))
			r.passInBubble(300 * time.Millisecond)
		}
		r.hub.Drop()
		r.passInBubble(5 * time.Second)
		id := r.command(press(1))
		r.passInBubble(time.Second)
		r.final(id, schema.StateDone)
		if n := r.pressed(); n != 1 {
			t.Errorf("pressed %d times", n)
		}
		moves := r.host.Line("GPIO24").Moves()
		if held := moves[2].At.Sub(moves[1].At); held != 500*time.Millisecond {
			t.Errorf("held for %s", held)
		}
	})
}

func TestCommandThatAStalledLinkDeliversLateIsNotRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, opener)
		r.start()
		r.passInBubble(3 * time.Second)
		c := press(1)
		c.MonoMS = -c.RemainingMS - 1000
		id := r.command(c)
		r.passInBubble(time.Second)
		r.final(id, schema.StateExpired)
		if n := r.pressed(); n != 0 {
			t.Fatalf("pressed %d times, a second after the deadline", n)
		}
		c = press(2)
		c.MonoMS = -c.RemainingMS + 1000
		id = r.command(c)
		r.passInBubble(time.Second)
		r.final(id, schema.StateDone)
	})
}

func TestRepeatedPulseActsOnceAcrossARestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, opener)
		r.start()
		r.passInBubble(3 * time.Second)
		id := r.command(press(1))
		r.passInBubble(2 * time.Second)
		if err := r.stop(); err != nil {
			t.Fatal(err)
		}
		r.start()
		r.passInBubble(3 * time.Second)
		r.command(press(1))
		r.passInBubble(2 * time.Second)
		r.final(id, schema.StateDone)
		if n := r.pressed(); n != 1 {
			t.Errorf("pressed %d times", n)
		}
	})
}

func TestCrashAtEveryPointNeverActsTwice(t *testing.T) {
	cases := []struct {
		point   string
		pressed int // after the crash and the repeat
		state   schema.CommandState
	}{
		{"before_started", 1, schema.StateDone}, // nothing was noted and nothing moved: the repeat is the first try
		{"after_started", 0, schema.StateUnknown},
		{"after_pin", 1, schema.StateUnknown},
		{"before_result", 1, schema.StateUnknown},
		{"after_result", 1, schema.StateDone},
	}
	for _, c := range cases {
		t.Run(c.point, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, opener)
				r.crash = func(point string) bool { return point == c.point }
				r.start()
				r.passInBubble(3 * time.Second)
				id := r.command(press(1))
				r.passInBubble(3 * time.Second)
				if err := r.stop(); err != nil {
					t.Fatal(err)
				}
				r.crash = nil
				r.start()
				r.passInBubble(3 * time.Second)
				r.command(press(1))
				r.passInBubble(2 * time.Second)
				r.final(id, c.state)
				if n := r.pressed(); n != c.pressed {
					t.Errorf("pressed %d times, want %d", n, c.pressed)
				}
				if m := r.hub.Missing(); len(m) > 0 {
					t.Errorf("after the crash %v are neither stored nor in a gap", m)
				}
			})
		})
	}
}

func TestDeadlineIsCountedOnTheMonotonicClock(t *testing.T) {
	for _, jump := range []time.Duration{0, -time.Hour, time.Hour, -10 * 365 * 24 * time.Hour, 10 * 365 * 24 * time.Hour} {
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t, opener)
			r.start()
			r.passInBubble(3 * time.Second)
			long := press(1)
			long.Value = schema.Number(3000)
			late := press(2)
			late.RemainingMS = 1000 // runs out while the first one holds the button
			r.command(long)
			r.passInBubble(100 * time.Millisecond)
			r.clock.Lie(jump, true)
			lateID := r.command(late)
			r.passInBubble(5 * time.Second)
			r.final(lateID, schema.StateExpired)
			r.command(press(3))
			r.passInBubble(time.Second)
			r.final(commandID(3), schema.StateDone)
			if n := r.pressed(); n != 2 {
				t.Errorf("jump %s: pressed %d times", jump, n)
			}
		})
	}
}

func TestCommandsThatAreRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, `
device: test-device
sensors: [{driver: ds18b20, id: air, interval: 1s, serial: 28-1}]
actuators:
  - {driver: relay, id: lamp, pin: GPIO17}
  - {driver: relay, id: heater, pin: GPIO18}
  - {driver: pwm, id: strip, pin: pwmchip0/0}
climates: [{id: thermostat, sensor: air, heater: heater}]
`)
		r.start()
		r.passInBubble(3 * time.Second)
		moves := len(r.host.Line("GPIO17").Moves())
		cases := []struct {
			name, entity, channel string
			op                    schema.Op
			value                 schema.Value
			remaining             int64
			state                 schema.CommandState
			code                  string
		}{
			{"no such entity", "fan", "state", schema.OpSet, schema.Bool(true), 1000, schema.StateRejected, "unknown_target"},
			{"no such channel", "lamp", "brightness", schema.OpSet, schema.Number(5), 1000, schema.StateRejected, "unknown_target"},
			{"wrong type", "lamp", "state", schema.OpSet, schema.Number(1), 1000, schema.StateRejected, "out_of_range"},
			{"null", "lamp", "state", schema.OpSet, schema.Value{}, 1000, schema.StateRejected, "out_of_range"},
			{"over 100 %", "strip", "brightness", schema.OpSet, schema.Number(101), 1000, schema.StateRejected, "out_of_range"},
			{"huge", "strip", "brightness", schema.OpSet, schema.Number(1e308), 1000, schema.StateRejected, "out_of_range"},
			{"pulse on a switch", "lamp", "state", schema.OpPulse, schema.Value{}, 1000, schema.StateRejected, "unknown_target"},
			{"too late", "lamp", "state", schema.OpSet, schema.Bool(true), 0, schema.StateExpired, "deadline"},
			{"heater of a thermostat", "heater", "state", schema.OpSet, schema.Bool(true), 1000, schema.StateRejected, "interlock"},
			{"target too high", "thermostat", "target_temperature", schema.OpSet, schema.Number(60), 1000, schema.StateRejected, "out_of_range"},
			{"unknown mode", "thermostat", "hvac_mode", schema.OpSet, schema.Text("cool"), 1000, schema.StateRejected, "out_of_range"},
			{"reported only", "thermostat", "hvac_action", schema.OpSet, schema.Text("heating"), 1000, schema.StateRejected, "unknown_target"},
		}
		for i, c := range cases {
			id := r.command(schema.DeviceCommand{ID: commandID(100 + i), Seq: uint64(100 + i), Entity: c.entity, Channel: c.channel, Op: c.op,
				Value: c.value, RemainingMS: c.remaining})
			r.passInBubble(500 * time.Millisecond)
			if got := r.final(id, c.state); got.Code != c.code || got.Message == "" {
				t.Errorf("%s: %s %q", c.name, got.Code, got.Message)
			}
		}
		if n := len(r.host.Line("GPIO17").Moves()); n != moves {
			t.Error("the lamp moved")
		}
	})
}

func TestOlderCommandDoesNotUndoANewerOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, lampAndThermometer)
		r.start()
		r.passInBubble(3 * time.Second)
		r.set(5, true)
		r.passInBubble(time.Second)
		old := r.set(4, false)
		r.passInBubble(time.Second)
		r.final(old, schema.StateCanceled)
		if r.host.Line("GPIO17").Read() != gpio.High {
			t.Error("the older command won")
		}
	})
}

func TestCancelBeforeStartIsObeyed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, opener)
		r.start()
		r.passInBubble(3 * time.Second)
		first := press(1)
		first.Value = schema.Number(2000)
		r.command(first)
		r.passInBubble(100 * time.Millisecond)
		r.command(press(2))
		r.passInBubble(100 * time.Millisecond)
		r.hub.Send(&schema.Cancel{ID: commandID(2)})
		r.hub.Send(&schema.Cancel{ID: commandID(1)}) // runs: it cannot be taken back
		r.passInBubble(5 * time.Second)
		r.final(commandID(2), schema.StateCanceled)
		r.final(commandID(1), schema.StateDone)
		if n := r.pressed(); n != 1 {
			t.Errorf("pressed %d times", n)
		}
	})
}

func TestMinCycleRefusesInWords(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, "device: test-device\nactuators: [{driver: relay, id: lamp, pin: GPIO17, min_cycle: 1m}]\n")
		r.start()
		r.passInBubble(3 * time.Second)
		r.set(1, true)
		r.passInBubble(time.Second)
		r.final(commandID(1), schema.StateDone)
		r.set(2, false) // the safe state never waits
		r.passInBubble(time.Second)
		r.final(commandID(2), schema.StateDone)
		r.set(3, true)
		r.passInBubble(time.Second)
		if got := r.final(commandID(3), schema.StateRejected); got.Code != "min_cycle" || !strings.Contains(got.Message, "must rest") {
			t.Errorf("%+v", got)
		}
		r.passInBubble(time.Minute)
		r.set(4, true)
		r.passInBubble(time.Second)
		r.final(commandID(4), schema.StateDone)
	})
}

func TestDriverErrorAndHangAreFailures(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, lampAndThermometer)
		r.start()
		r.passInBubble(3 * time.Second)
		r.host.Line("GPIO17").Break(errors.New("no such line"))
		r.set(1, true)
		r.passInBubble(time.Second)
		if got := r.final(commandID(1), schema.StateFailed); !strings.Contains(got.Message, "no such line") {
			t.Errorf("%+v", got)
		}
		r.host.Line("GPIO17").Break(nil)
		release := make(chan struct{})
		r.host.Line("GPIO17").Hang(release)
		r.set(2, true)
		r.passInBubble(20 * time.Second)
		if got := r.final(commandID(2), schema.StateFailed); !strings.Contains(got.Message, "does not come back") {
			t.Errorf("%+v", got)
		}
		air := len(r.hub.Values("air.state"))
		r.passInBubble(10 * time.Second)
		if now := len(r.hub.Values("air.state")); now < air+8 {
			t.Errorf("the thermometer was held up: %d readings in 10 s", now-air)
		}
		r.host.Line("GPIO17").Hang(nil)
		close(release)
		r.passInBubble(2 * time.Second)
		r.set(3, true)
		r.passInBubble(2 * time.Second)
		r.final(commandID(3), schema.StateDone)
	})
}

func TestDimmedLight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, "device: test-device\nactuators: [{driver: pwm, id: strip, pin: pwmchip0/0}]\n")
		r.start()
		r.passInBubble(3 * time.Second)
		send := func(n int, channel string, v schema.Value) {
			r.command(schema.DeviceCommand{ID: commandID(n), Seq: uint64(n), Entity: "strip", Channel: channel, Op: schema.OpSet, Value: v, RemainingMS: 1000})
			r.passInBubble(time.Second)
			r.final(commandID(n), schema.StateDone)
		}
		send(1, "brightness", schema.Number(40))
		send(2, "state", schema.Bool(false))
		send(3, "state", schema.Bool(true))
		if duty, _ := r.host.Output("pwmchip0/0").Duty(); duty != 0.4 {
			t.Errorf("switching on brought back %g", duty)
		}
		send(4, "brightness", schema.Number(0))
		state := r.hub.Values("strip.state")
		if state[len(state)-1] != schema.Bool(false) {
			t.Error("0 % is not off")
		}
	})
}

func TestLongWordsOfADriverStillReachTheHub(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, lampAndThermometer)
		r.start()
		r.passInBubble(3 * time.Second)
		r.host.Line("GPIO17").Break(errors.New(strings.Repeat("kaputt ü ", 400)))
		id := r.set(1, true)
		r.passInBubble(2 * time.Second)
		if got := r.final(id, schema.StateFailed); !strings.HasSuffix(got.Message, "…") {
			t.Errorf("message of %d bytes", len(got.Message))
		}
		r.host.Line("GPIO17").Break(nil)
	})
}
