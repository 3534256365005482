package chip

import (
	"math"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/telltale-iot/telltale/device-agent/config"
	"github.com/telltale-iot/telltale/device-agent/drivers"
)

// Avia's data sheet has the protocol (two's complement, 25 pulses for channel A at gain 128, 7FFFFFh and 800000h at the ends) and no worked example.
func TestScaleIsReadBitByBit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var counts atomic.Int64
		ledger := NewLedger(nil)
		board := NewBoard("scale", running(), ledger)
		c := NewHX711(func(time.Duration) float64 { return float64(counts.Load()) }, running())
		if err := board.Clocked("GPIO6", "GPIO5", c); err != nil {
			t.Fatal(err)
		}
		scale := 0.001
		s, err := drivers.OpenSensor(board.Boot(), settings(t, config.Sensor{Driver: "hx711", ID: "x", Pin: "GPIO5", ClockPin: "GPIO6", Unit: "kg",
			Calibration: map[string]config.Calibration{"weight": {Scale: &scale, Offset: 2}}}))
		if err != nil {
			t.Fatal(err)
		}
		for _, n := range []int64{0, 1, -1, 0x5A5A5A, -0x5A5A5A, hxMost - 1, -hxMost} {
			counts.Store(n)
			if got := sense(t, s)["x_weight"]; math.Abs(got-(float64(n)/1000+2)) > 1e-4 {
				t.Errorf("%d counts are read as %v kg", n, got)
			}
		}
		c.Set(Absurd)
		if got, err := s.Sense(t.Context()); err != nil || allFine(got) {
			t.Errorf("the end of the scale passes as %v, %v", got, err)
		}
		c.Set(Dead)
		if _, err := s.Sense(t.Context()); err == nil || !strings.Contains(err.Error(), "is it wired and powered?") {
			t.Errorf("unplugged: %v", err)
		}
		c.powerOff()
		c.Set(Healthy)
		counts.Store(500)
		if got := sense(t, s)["x_weight"]; got != 2.5 {
			t.Errorf("plugged in again: %v", got)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		if moves, err := ledger.Moves(); err != nil || len(moves) != 0 {
			t.Errorf("the ledger of outputs has %d moves of a clock", len(moves))
		}
	})
}
