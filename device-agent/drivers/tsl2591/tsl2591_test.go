package tsl2591

import (
	"math"
	"testing"
)

// The data sheet gives neither formula nor worked example ("an empirical formula"): these are the usual formula by hand.
func TestLuxByTheUsualFormula(t *testing.T) {
	for _, c := range []struct{ both, infrared, want float64 }{
		{1000, 250, 750 * 0.75 * 4.08}, {20000, 4000, 16000 * 0.8 * 4.08}, {0, 0, 0}, {0.1, 0.3, 0}, // the last is noise in the dark
	} {
		if got := lux(c.both, c.infrared); math.Abs(got-c.want) > 1e-9 {
			t.Errorf("%g, %g: %g lx, want %g", c.both, c.infrared, got, c.want)
		}
	}
}
