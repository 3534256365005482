package chip

import (
	"math"
	"testing"
	"testing/synctest"
	"time"

	"github.com/telltale-iot/telltale/device-agent/config"
	"github.com/telltale-iot/telltale/device-agent/drivers/mpu6050"
)

func TestGravityIsSeenThroughAShake(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		shake := func(at time.Duration) float64 { return standardFall + 5*math.Sin(2*math.Pi*20*at.Seconds()) }
		c, bus := NewMPU6050([3]Signal{constant(0), constant(-3), shake}, running()), NewBus("1")
		if err := bus.Attach(0x68, c); err != nil {
			t.Fatal(err)
		}
		s := mpu6050.Open(bus, settings(t, config.Sensor{Driver: "mpu6050", ID: "x"}))
		want := map[string]float64{"x_acceleration_x": 0, "x_acceleration_y": -3, "x_acceleration_z": standardFall, "x_temperature": mpuWarm}
		for _, when := range []string{"at first", "after a loss of power that nobody saw"} {
			got := sense(t, s)
			for id, v := range want {
				if math.Abs(got[id]-v) > 0.05 {
					t.Errorf("%s: %s is %v, want %v", when, id, got[id], v)
				}
			}
			c.powerOff()
			time.Sleep(time.Second)
		}
		c.Set(Absurd)
		if got, err := s.Sense(t.Context()); err != nil || allFine(got) {
			t.Errorf("nonsense passes as %v, %v", got, err)
		}
		c.Set(Dead)
		if _, err := s.Sense(t.Context()); err == nil {
			t.Error("a chip that is not there was read")
		}
		c.Set(Healthy)
		bus.Stick(true)
		if _, err := s.Sense(t.Context()); err == nil {
			t.Error("a chip on a stuck bus was read")
		}
	})
}
