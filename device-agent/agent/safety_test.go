package agent_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/telltale-iot/telltale/device-agent/internal/uplink/uplinktest"
	"github.com/telltale-iot/telltale/schema"
	"periph.io/x/conn/v3/gpio"
)

func (r *rig) level(pin string) gpio.Level { return r.host.Line(pin).Read() }

func TestOutputIsSafeAtStartAndStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, "device: test-device\nactuators: [{driver: relay, id: lamp, pin: GPIO17, active_low: true}]\n")
		r.start()
		synctest.Wait()
		moves := r.host.Line("GPIO17").Moves()
		if len(moves) != 1 || moves[0].Level != gpio.High {
			t.Fatalf("at start the pin did %v; off is high", moves)
		}
		r.passInBubble(3 * time.Second)
		r.set(1, true)
		r.passInBubble(time.Second)
		if r.level("GPIO17") != gpio.Low {
			t.Fatal("the lamp is not on")
		}
		if err := r.stop(); err != nil {
			t.Fatal(err)
		}
		if r.level("GPIO17") != gpio.High {
			t.Error("the lamp is on after the stop")
		}
	})
}

func TestRestoreBringsBackWhatWasAsked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, `
device: test-device
actuators:
  - {driver: relay, id: lamp, pin: GPIO17, on_boot: restore}
  - {driver: relay, id: other, pin: GPIO18}
`)
		r.start()
		r.passInBubble(3 * time.Second)
		r.set(1, true)
		r.passInBubble(time.Second)
		if err := r.stop(); err != nil {
			t.Fatal(err)
		}
		r.start()
		synctest.Wait()
		if r.level("GPIO17") != gpio.High || r.level("GPIO18") != gpio.Low {
			t.Error("lamp or other is not what it should be")
		}
	})
}

func TestLeaseRunsOutWithoutContact(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, "device: test-device\nactuators: [{driver: relay, id: lamp, pin: GPIO17, lease: 10s}]\n")
		r.start()
		r.passInBubble(3 * time.Second)
		r.set(1, true)
		r.passInBubble(time.Minute)
		if r.level("GPIO17") != gpio.High {
			t.Fatal("the lease ran out on a healthy link")
		}
		r.hub.Set(func(k *uplinktest.Knobs) { k.Refuse = schema.Problemf(schema.CodeUnavailable, "down") })
		r.hub.Drop()
		r.clock.Lie(-time.Hour, true) // the wall clock has no say
		r.passInBubble(6 * time.Second)
		if r.level("GPIO17") != gpio.High {
			t.Error("off before the lease was over")
		}
		r.passInBubble(6 * time.Second) // last contact was up to a ping ago; lease + 1 s at most
		if r.level("GPIO17") != gpio.Low {
			t.Error("still on after the lease")
		}
		r.hub.Set(func(k *uplinktest.Knobs) { k.Refuse = nil })
		r.passInBubble(2 * time.Minute)
		if !strings.Contains(r.events(), "safe_state") {
			t.Errorf("events: %s", r.events())
		}
	})
}

func TestDiskThatHangsDoesNotKeepAnOutputOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, "device: test-device\nactuators: [{driver: relay, id: lamp, pin: GPIO17, lease: 10s}, {driver: relay, id: pump, pin: GPIO18}]\n")
		release := make(chan struct{})
		r.crash = func(point string) bool {
			if point == "before_result" { // here the journal writes the result
				<-release
			}
			return false
		}
		r.start()
		r.passInBubble(3 * time.Second)
		for i, entity := range []string{"lamp", "pump"} {
			r.command(schema.DeviceCommand{ID: commandID(i + 1), Seq: uint64(i + 1), Entity: entity, Channel: "state", Op: schema.OpSet,
				Value: schema.Bool(true), RemainingMS: 10_000})
		}
		r.passInBubble(time.Second)
		if !r.level("GPIO17") || !r.level("GPIO18") {
			t.Fatal("lamp or pump is not on")
		}
		r.hub.Set(func(k *uplinktest.Knobs) { k.Refuse = schema.Problemf(schema.CodeUnavailable, "down") })
		r.hub.Drop()
		r.passInBubble(12 * time.Second)
		if r.level("GPIO17") {
			t.Error("the lease ran out, and the lamp is on because a disk hangs")
		}
		ended := make(chan error, 1)
		go func() { ended <- r.stop() }()
		r.passInBubble(10 * time.Second)
		if r.level("GPIO18") {
			t.Error("the agent was stopped, and the pump is on because a disk hangs")
		}
		close(release)
		<-ended
	})
}

func TestMaxOnEndsIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, "device: test-device\nactuators: [{driver: relay, id: lamp, pin: GPIO17, max_on: 30s}]\n")
		r.start()
		r.passInBubble(3 * time.Second)
		r.set(1, true)
		r.passInBubble(29 * time.Second)
		if r.level("GPIO17") != gpio.High {
			t.Error("off too early")
		}
		r.passInBubble(3 * time.Second)
		if r.level("GPIO17") != gpio.Low {
			t.Error("still on")
		}
		lamp := r.hub.Values("lamp.state")
		if lamp[len(lamp)-1] != schema.Bool(false) {
			t.Errorf("reported %v", lamp)
		}
	})
}

func TestWeldedContactIsSaid(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, "device: test-device\nactuators: [{driver: relay, id: lamp, pin: GPIO17, readback: GPIO22, max_on: 10s}]\n")
		r.start()
		r.passInBubble(3 * time.Second)
		r.set(1, true)
		r.passInBubble(time.Second)
		r.host.Line("GPIO17").Wire(nil) // the contact stays closed from here on
		r.passInBubble(40 * time.Second)
		said := false
		for _, f := range r.hub.Heard() {
			if e, ok := f.(*schema.Event); ok && strings.Contains(e.Message, "did not go there") {
				said = true
			}
		}
		if !said {
			t.Errorf("events: %s", r.events())
		}
		if r.level("GPIO17") != gpio.Low {
			t.Error("the output is not even driven to its safe state")
		}
	})
}

const heated = `
device: test-device
sensors: [{driver: ds18b20, id: air, interval: 1s, serial: 28-1}]
actuators: [{driver: relay, id: heater, pin: GPIO18}]
climates: [{id: thermostat, sensor: air, heater: heater, target: 20, hysteresis: 0.5, sensor_max_age: 30s}]
`

func TestThermostatHeatsAndStops(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, heated)
		r.start()
		steps := []struct {
			milli string
			want  gpio.Level
		}{{"23000", gpio.Low}, {"19600", gpio.Low}, {"19400", gpio.High}, {"20400", gpio.High}, {"20600", gpio.Low}, {"19600", gpio.Low}}
		for _, s := range steps {
			r.thermometer(s.milli)
			r.passInBubble(5 * time.Second)
			if r.level("GPIO18") != s.want {
				t.Errorf("at %s m°C the heater is %s", s.milli, r.level("GPIO18"))
			}
		}
		r.command(schema.DeviceCommand{ID: commandID(1), Seq: 1, Entity: "thermostat", Channel: "target_temperature", Op: schema.OpSet,
			Value: schema.Number(25), RemainingMS: 1000})
		r.passInBubble(5 * time.Second)
		r.final(commandID(1), schema.StateDone)
		if r.level("GPIO18") != gpio.High {
			t.Error("a higher target does not heat")
		}
		action := r.hub.Values("thermostat.hvac_action")
		if action[len(action)-1] != schema.Text("heating") {
			t.Errorf("action %v", action)
		}
		r.command(schema.DeviceCommand{ID: commandID(2), Seq: 2, Entity: "thermostat", Channel: "hvac_mode", Op: schema.OpSet,
			Value: schema.Text("off"), RemainingMS: 1000})
		r.passInBubble(5 * time.Second)
		if r.level("GPIO18") != gpio.Low {
			t.Error("off still heats")
		}
		// Target and mode outlive the agent.
		if err := r.stop(); err != nil {
			t.Fatal(err)
		}
		r.start()
		r.passInBubble(10 * time.Second)
		mode, target := r.hub.Values("thermostat.hvac_mode"), r.hub.Values("thermostat.target_temperature")
		if mode[len(mode)-1] != schema.Text("off") || target[len(target)-1] != schema.Number(25) {
			t.Errorf("after a restart: %v, %v", mode[len(mode)-1], target[len(target)-1])
		}
	})
}

func TestThermostatWithoutItsSensorLetsGo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, heated)
		r.thermometer("15000")
		r.start()
		r.passInBubble(10 * time.Second)
		if r.level("GPIO18") != gpio.High {
			t.Fatal("does not heat")
		}
		r.thermometer("")
		r.passInBubble(25 * time.Second)
		if r.level("GPIO18") != gpio.High {
			t.Error("lets go too early")
		}
		r.passInBubble(10 * time.Second)
		if r.level("GPIO18") != gpio.Low {
			t.Error("heats blindly")
		}
		if !strings.Contains(r.events(), "sensor_lost") || !strings.Contains(r.events(), "safe_state") {
			t.Errorf("events: %s", r.events())
		}
		current := r.hub.Values("thermostat.current_temperature")
		if !current[len(current)-1].IsNull() {
			t.Errorf("current temperature is %v", current[len(current)-1])
		}
		r.thermometer("15000")
		r.passInBubble(5 * time.Second)
		if r.level("GPIO18") != gpio.High {
			t.Error("does not heat again")
		}
	})
}

func TestHeaterOfAThermostatIsNotForPeople(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, heated)
		r.start()
		r.passInBubble(time.Second)
		d := r.a.Descriptor()
		if _, ch := d.Channel("heater.state"); ch == nil || ch.Settable || ch.IntervalMS == 0 {
			t.Errorf("the heater is described as %+v; people command the thermostat", ch)
		}
		if _, ch := d.Channel("thermostat.current_temperature"); ch == nil || ch.IntervalMS == 0 {
			t.Errorf("nobody could tell that the thermostat's temperature %+v is stale", ch)
		}
	})
}
