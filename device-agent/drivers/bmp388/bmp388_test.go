package bmp388

import (
	"math"
	"testing"
)

// Bosch's data sheets have the formulas and no worked example. Bosch also publishes them in integers (BMP3 Sensor API); the values are
// what tinygo.org/x/drivers v0.33.0, which implements those, gives for these coefficients: hundredths of a °C and of a Pa, cut off.
func TestFormulaInFloatingPointAgreesWithBoschsInIntegers(t *testing.T) {
	c := newCalibration([]byte{0xB6, 0x6B, 0xFD, 0x48, 0xF6, 0x0A, 0xFC, 0x3C, 0xF6, 0x23, 0x00, 0x70, 0x62, 0x88, 0x77, 0x03, 0xFA, 0x68, 0x10, 0x0A, 0xC4})
	for _, w := range []struct{ rawP, rawT, celsius, pascal float64 }{
		{6_500_000, 8_200_000, 19.81, 98931.81}, {7_000_000, 7_600_000, 9.40, 87832.50}, {5_200_000, 9_000_000, 33.64, 125515.18},
	} {
		celsius, pascal := c.compensate(w.rawT, w.rawP)
		if math.Abs(celsius-w.celsius) > 0.011 || math.Abs(pascal-w.pascal) > 0.05 {
			t.Errorf("%g, %g: %.3f °C, %.2f Pa; want %g, %g", w.rawT, w.rawP, celsius, pascal, w.celsius, w.pascal)
		}
	}
}
