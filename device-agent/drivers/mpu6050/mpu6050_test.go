package mpu6050

import (
	"testing"

	"github.com/telltale-iot/telltale/device-agent/config"
	"github.com/telltale-iot/telltale/schema"
	"periph.io/x/conn/v3/i2c/i2ctest"
)

// InvenSense's documents have sensitivities (16384 per g, 131 per °/s) and a formula (raw/340 + 36.53 °C), and no worked example: these are they by hand.
func TestValuesByTheSensitivitiesOfTheDataSheet(t *testing.T) {
	raw := []byte{0x40, 0x00, 0xC0, 0x00, 0x7F, 0xFF, 0xF0, 0x60, 0x00, 0x83, 0xFF, 0x7D, 0x80, 0x00} // 1 g, −1 g, the end; −4000; 1 °/s, −1 °/s, the end
	play := &i2ctest.Playback{DontPanic: true, Ops: []i2ctest.IO{{Addr: 0x68, W: []byte{0x6B}, R: []byte{0x01}}, {Addr: 0x68, W: []byte{0x3B}, R: raw}}}
	s := Open(play, config.Sensor{Driver: "mpu6050", ID: "x", Address: 0x68})
	s.ready = true
	got, err := s.Sense(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []string{"9.8067", "-9.8067", "null", "1", "-1", "null", "24.765"} {
		if got[i].Value.String() != want || want == "null" && got[i].Quality != schema.QualityRange {
			t.Errorf("%s is %s %s, want %s", got[i].Entity, got[i].Value, got[i].Quality, want)
		}
	}
}
