package bme680

import (
	"math"
	"testing"
)

// Bosch's data sheet has the formulas and their constants, and one worked example: 0x59 as 100 ms of heat (hotFor). The rest is held against Bosch's
// integer formulas, which firmware-sim's model of the chip computes with; here are points that follow from the formulas alone.
func TestFormulasAtPointsThatCanBeSeen(t *testing.T) {
	c := newCalibration(make([]byte, 23), make([]byte, 14), make([]byte, 5), false)
	c.t1, c.t2, c.t3 = 26000, 26400, 3
	if got := c.fine(26000 * 16); got != 0 { // at raw = 16·t1 both terms vanish
		t.Errorf("%g, want 0 °C", got)
	}
	for _, w := range []struct {
		raw  uint16
		r    byte
		ohms float64
	}{{512, 6, 125000}, {512, 3, 1e6}, {1023, 15, 244.140625 * 1340 / (511 + 1340)}} { // at 512 the layer is k2 of its range
		if got := c.ohms(w.raw, w.r); math.Abs(got-w.ohms) > 1e-6*w.ohms {
			t.Errorf("raw %d in range %d: %g Ω, want %g", w.raw, w.r, got, w.ohms)
		}
	}
	c.bme688 = true
	if got := c.ohms(512, 8); got != 1e6*1024/4096 {
		t.Errorf("BME688: %g Ω", got)
	}
	// With all coefficients 0: 3.4·(49·(1 + 0.00235·320) − 25) = 206.9.
	if got := (&calibration{}).heater(320, 25); got != 206 {
		t.Errorf("heater set to %d", got)
	}
}
