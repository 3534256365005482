package chip

import (
	"math"
	"testing"
	"testing/synctest"

	"github.com/telltale-iot/telltale/device-agent/config"
	"github.com/telltale-iot/telltale/device-agent/drivers/bme680"
)

// The model computes with Bosch's integer formulas, which cut off some Pa, the driver with those in floating point: two publications of one
// chip.
func TestBosch680IntegersAndFloatingPointAgree(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for seed := range uint64(10) {
			for _, in := range [][4]float64{{21.37, 1013.25, 45, 5e4}, {-19.99, 870.5, 88, 1.2e6}, {0, 1080, 10, 900}, {61.5, 955.33, 30, 250_000}, {35, 1000, 98, 9_000}} {
				bus := NewBus("1")
				air := Smelly{Climate{constant(in[0]), constant(in[1]), constant(in[2])}, constant(in[3])}
				if err := bus.Attach(0x76, NewBME680(air, running(), seed)); err != nil {
					t.Fatal(err)
				}
				s := bme680.Open(bus, settings(t, config.Sensor{Driver: "bme680", ID: "x", Address: 0x76}))
				got := sense(t, s)
				for id, w := range map[string][2]float64{"x_temperature": {in[0], 0.011}, "x_pressure": {in[1], 0.08}, "x_humidity": {in[2], 0.1}, "x_gas_resistance": {in[3], in[3] / 400}} {
					if v, ok := got[id]; !ok || math.Abs(v-w[0]) > w[1] {
						t.Errorf("seed %d: %s is %v, want %v", seed, id, v, w[0])
					}
				}
			}
		}
	})
}
