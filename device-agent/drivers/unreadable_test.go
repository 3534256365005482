package drivers_test

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/telltale-iot/telltale/device-agent/config"
	"github.com/telltale-iot/telltale/device-agent/device/devicetest"
	"github.com/telltale-iot/telltale/device-agent/drivers"
	"github.com/telltale-iot/telltale/schema"
	"periph.io/x/conn/v3/gpio"
)

// A line that cannot be read is no news: neither "closed" nor "off".
func TestLineThatCannotBeReadIsAFault(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		host, gone := &devicetest.Host{}, errors.New("no such device")
		s := sensor(t, host, "sensors: [{driver: contact, id: door, pin: GPIO27}]")
		host.Line("GPIO27").Set(gpio.High)
		if got := sense(t, s); got != "door true" {
			t.Fatalf("door: %s", got)
		}
		host.Line("GPIO27").Break(gone)
		if got := sense(t, s); !strings.Contains(got, "error: contact on GPIO27") {
			t.Errorf("a contact that cannot be read says %q", got)
		}
		c, err := config.Parse("test.yaml", []byte(`
actuators:
  - {driver: relay, id: lamp, pin: GPIO17, readback: GPIO22}
  - {driver: relay, id: pump, pin: GPIO18}
  - {driver: button, id: bell, pin: GPIO19, readback: GPIO23, readback_active_low: true}
`))
		if err != nil {
			t.Fatal(err)
		}
		for i, broken := range []string{"GPIO22", "GPIO18", "GPIO23"} {
			a, err := drivers.OpenActuator(host, c.Actuators[i])
			if err != nil {
				t.Fatal(err)
			}
			channel := a.Describe()[0].Channels[0].Name
			if channel == schema.ChannelState {
				if err := a.Apply(t.Context(), channel, schema.Bool(true)); err != nil {
					t.Fatal(err)
				}
			}
			host.Line(broken).Break(gone)
			if channel == schema.ChannelState {
				_, err = a.Read(t.Context())
			} else {
				err = a.Apply(t.Context(), channel, schema.Value{})
			}
			if err == nil || !strings.Contains(err.Error(), "read back "+broken) {
				t.Errorf("%s: %v", c.Actuators[i].ID, err)
			}
		}
	})
}

func TestMeterCountsWhatItsContactDoes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		host := &devicetest.Host{}
		s := sensor(t, host, "sensors: [{driver: pulse, id: meter, pin: GPIO5, pull: up, active_low: true, per_unit: 100, unit: kWh, device_class: energy}]")
		line := host.Line("GPIO5")
		line.Set(gpio.High)
		if got := sense(t, s); got != "meter 0, meter_rate 0" {
			t.Errorf("at first: %s", got)
		}
		for range 5 {
			passInBubble(8 * time.Second)
			for _, l := range []gpio.Level{gpio.Low, gpio.High, gpio.Low} { // it bounces
				line.Set(l)
				passInBubble(time.Millisecond)
			}
			passInBubble(30 * time.Millisecond)
			line.Set(gpio.High)
		}
		if got := sense(t, s); !strings.HasPrefix(got, "meter 0.05, meter_rate 4.48") { // a hundredth kWh every 8.03 s
			t.Errorf("after five pulses: %s", got)
		}
		line.Break(errors.New("no such device"))
		if got := sense(t, s); !strings.Contains(got, "pulses on GPIO5") {
			t.Errorf("unplugged: %s", got)
		}
		line.Break(nil)
		if got := sense(t, s); !strings.HasPrefix(got, "meter 0.05,") {
			t.Errorf("plugged in again: %s", got)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
}

// passInBubble lets time pass.
func passInBubble(d time.Duration) { time.Sleep(d) }
