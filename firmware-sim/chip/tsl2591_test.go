package chip

import (
	"math"
	"testing"
	"testing/synctest"

	"github.com/telltale-iot/telltale/device-agent/config"
)

func TestLightSensorFindsItsGainFromMoonToSun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorkbench(t, config.Sensor{Driver: "tsl2591"})
		for _, lx := range []float64{0.25, 3, 500, 40_000, 70_000, 500, 1} {
			w.place.set("illuminance", lx)
			var got float64
			for range 4 { // a dim round raises the gain for the next
				got = w.numbers()["x_illuminance"]
			}
			if math.Abs(got-lx) > 0.03*lx {
				t.Errorf("%g lx is read as %g", lx, got)
			}
		}
		w.place.set("illuminance", 200_000)
		if got, err := w.read(); err != nil || allFine(got) {
			t.Errorf("twice the sun is read as %v, %v", got, err)
		}
	})
}
