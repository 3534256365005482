package chip

import (
	"math"
	"testing"
	"testing/synctest"
	"time"

	"github.com/telltale-iot/telltale/device-agent/config"
	"github.com/telltale-iot/telltale/device-agent/drivers"
)

func TestEveryPulseOfAMeterIsCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		board := NewBoard("metered", running(), nil)
		meter := NewMeter(func(at time.Duration) float64 { return 30 * at.Hours() }, 1000) // 30 kW: eight pulses a second
		if err := board.Input("GPIO26", func(at time.Duration) bool { return !meter.Closed(at) }); err != nil {
			t.Fatal(err)
		}
		s, err := drivers.OpenSensor(board.Boot(), settings(t, config.Sensor{Driver: "pulse", ID: "meter", Pin: "GPIO26", ActiveLow: true, PerUnit: 1000, Unit: "kWh"}))
		if err != nil {
			t.Fatal(err)
		}
		sense(t, s)
		time.Sleep(12 * time.Minute)
		got := sense(t, s)
		if math.Abs(got["meter"]-6) > 0.0011 || math.Abs(got["meter_rate"]-30) > 3 {
			t.Errorf("after twelve minutes at 30 kW: %v", got)
		}
		meter.Set(Dead)
		time.Sleep(time.Second)
		got = sense(t, s)
		time.Sleep(4 * time.Minute)
		if later := sense(t, s); later["meter"] != got["meter"] || later["meter_rate"] > 0.02 {
			t.Errorf("a dead meter counts: %v, then %v", got, later)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
}
