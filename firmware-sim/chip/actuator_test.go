package chip

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/telltale-iot/telltale/device-agent/config"
	"github.com/telltale-iot/telltale/device-agent/device"
	"github.com/telltale-iot/telltale/device-agent/drivers"
	"github.com/telltale-iot/telltale/schema"
)

// actuators is a board with what a household switches, and the shipped drivers on it.
func actuators(t *testing.T) (b *Board, ledger *Ledger, relay *Relay, byID map[string]device.Actuator) {
	t.Helper()
	c := config.Default()
	c.Device = "test"
	c.Actuators = []config.Actuator{
		{Driver: "relay", ID: "lamp", Kind: schema.KindLight, Pin: "GPIO17", ActiveLow: true, Readback: "GPIO27"},
		{Driver: "button", ID: "bell", Pin: "GPIO22", Pulse: 300 * time.Millisecond},
		{Driver: "pwm", ID: "dimmer", Pin: "pwmchip0/0"},
	}
	if err := c.Validate(); err != nil {
		t.Fatal(err)
	}
	b, ledger, relay, _, _ = bench(t, nil)
	if _, err := b.Relay("GPIO22", false, "", nil); err != nil {
		t.Fatal(err)
	}
	m, byID := b.Boot(), map[string]device.Actuator{}
	for _, a := range c.Actuators {
		act, err := drivers.OpenActuator(m, a)
		if err != nil {
			t.Fatal(err)
		}
		byID[a.ID] = act
	}
	return b, ledger, relay, byID
}

// state reads an actuator's main channel back.
func state(t *testing.T, a device.Actuator) schema.Value {
	t.Helper()
	got, err := a.Read(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range got {
		if m.Channel == schema.ChannelState {
			return m.Value
		}
	}
	t.Fatalf("no state in %v", got)
	return schema.Value{}
}

func TestShippedDriversSwitchWhatHangsOnTheBoard(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, _, relay, act := actuators(t)
		if err := act["lamp"].Apply(t.Context(), schema.ChannelState, schema.Bool(true)); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		if !relay.Closed(b.mono()) || !state(t, act["lamp"]).IsTrue() {
			t.Error("the lamp is off")
		}
		if err := act["dimmer"].Apply(t.Context(), schema.ChannelBrightness, schema.Number(40)); err != nil {
			t.Fatal(err)
		}
		if d := b.dimmers["pwmchip0/0"].Duty(); d <= 0.05 || d > 0.41 {
			t.Errorf("40 %% brightness is a duty of %v", d)
		}
		for id, a := range act {
			if err := a.Safe(); err != nil {
				t.Errorf("%s: %v", id, err)
			}
		}
		time.Sleep(time.Second)
		if relay.Closed(b.mono()) || b.dimmers["pwmchip0/0"].Duty() != 0 {
			t.Error("safe is not off")
		}
	})
}

func TestShippedDriverSeesThatTheRelayLies(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, _, relay, act := actuators(t)
		relay.Lie(true)
		// Whether Apply or the reading back tells is the driver's affair; that the lamp is off must be known.
		err := act["lamp"].Apply(t.Context(), schema.ChannelState, schema.Bool(true))
		time.Sleep(time.Second)
		if state(t, act["lamp"]).IsTrue() {
			t.Errorf("a lamp that is off is reported on (%v)", err)
		}
	})
}

func TestAPulseIsExactlyOneRiseAndOneFall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, ledger, _, act := actuators(t)
		if err := act["bell"].Apply(t.Context(), schema.ChannelPress, schema.Value{}); err != nil {
			t.Fatal(err)
		}
		moves, err := ledger.Moves()
		if err != nil || len(moves) != 2 || moves[0].Level != 1 || moves[1].Level != 0 {
			t.Fatalf("%+v %v", moves, err)
		}
		if held := time.Duration(moves[1].MonoUS-moves[0].MonoUS) * time.Microsecond; held != 300*time.Millisecond {
			t.Errorf("held for %v", held)
		}
	})
}
