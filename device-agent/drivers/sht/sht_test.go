package sht

import (
	"math"
	"strings"
	"testing"

	"github.com/telltale-iot/telltale/device-agent/config"
	"github.com/telltale-iot/telltale/schema"
	"periph.io/x/conn/v3/i2c/i2ctest"
)

// measure reads one measurement of two words and gives the two values.
func measure(t *testing.T, driver string, raw ...byte) (celsius, percent float64, quality schema.Quality, err error) {
	t.Helper()
	command := map[string][]byte{"sht3x": {0x24, 0x00}, "sht4x": {0xFD}}[driver]
	play := &i2ctest.Playback{DontPanic: true, Ops: []i2ctest.IO{{Addr: 0x44, W: command}, {Addr: 0x44, R: raw}}}
	s := Open(play, config.Sensor{Driver: driver, ID: "air", Address: 0x44})
	got, err := s.Sense(t.Context())
	if err != nil {
		return 0, 0, "", err
	}
	celsius, _ = got[0].Value.Float()
	percent, _ = got[1].Value.Float()
	return celsius, percent, got[1].Quality, play.Close()
}

// Sensirion's data sheets have an example of the checksum (0xBEEF → 0x92, held in i2cdev) and none of a conversion; these are their formulas
// by hand: 0x6666 is 0.4 of the scale, 0xBEEF 0.745846.
func TestConversionIsTheDataSheets(t *testing.T) {
	for _, c := range []struct {
		driver           string
		raw              []byte
		celsius, percent float64
	}{
		{"sht3x", []byte{0x66, 0x66, 0x93, 0xBE, 0xEF, 0x92}, 25, 74.5846},
		{"sht4x", []byte{0x66, 0x66, 0x93, 0xBE, 0xEF, 0x92}, 25, 87.2307},
		{"sht4x", []byte{0xBE, 0xEF, 0x92, 0x00, 0x00, 0x81}, 85.523, 0}, // −6 % is a dry chip
	} {
		celsius, percent, _, err := measure(t, c.driver, c.raw...)
		if err != nil || math.Abs(celsius-c.celsius) > 0.001 || math.Abs(percent-c.percent) > 0.01 {
			t.Errorf("%s % x: %g °C, %g %%, %v; want %g, %g", c.driver, c.raw, celsius, percent, err, c.celsius, c.percent)
		}
	}
	if _, _, q, err := measure(t, "sht4x", 0x66, 0x66, 0x93, 0xFF, 0xFF, 0xAC); err != nil || q != schema.QualityRange {
		t.Errorf("119 %% is %q, %v", q, err)
	}
	if _, _, _, err := measure(t, "sht4x", 0x66, 0x66, 0x93, 0xBE, 0xEF, 0x93); err == nil || !strings.Contains(err.Error(), "checksum with word 1") {
		t.Errorf("flipped bit: %v", err)
	}
}
