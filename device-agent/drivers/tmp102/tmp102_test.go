package tmp102

import (
	"strings"
	"testing"
	"testing/synctest"

	"github.com/telltale-iot/telltale/device-agent/config"
	"periph.io/x/conn/v3/i2c/i2ctest"
)

// Texas Instruments SBOS397C, table 5, "12-bit temperature data format": °C and the 12 bits.
func TestTableOfTheDataSheet(t *testing.T) {
	for _, c := range []struct {
		bits uint16
		want string
	}{{0x640, "100"}, {0x500, "80"}, {0x4B0, "75"}, {0x320, "50"}, {0x190, "25"}, {0x004, "0.25"}, {0x000, "0"}, {0xFFC, "-0.25"}, {0xE70, "-25"},
		{0xC90, "-55"}, {0x7FF, "null"}, // the table's 128 and 127.9375 °C: the end of the scale is no measurement
	} {
		synctest.Test(t, func(t *testing.T) {
			play := &i2ctest.Playback{DontPanic: true, Ops: []i2ctest.IO{{Addr: 0x48, W: []byte{1, 0x60, 0xA0}}, {Addr: 0x48, W: []byte{1}, R: []byte{0x60, 0xA0}},
				{Addr: 0x48, W: []byte{0}, R: []byte{byte(c.bits >> 4), byte(c.bits << 4)}}}}
			got, err := Open(play, config.Sensor{Driver: "tmp102", ID: "t", Address: 0x48}).Sense(t.Context())
			if err != nil || got[0].Value.String() != c.want {
				t.Errorf("%03X: %v, %v; want %s", c.bits, got, err, c.want)
			}
		})
	}
}

func TestChipThatKeepsNoConfigurationIsRefused(t *testing.T) {
	play := &i2ctest.Playback{DontPanic: true, Ops: []i2ctest.IO{{Addr: 0x48, W: []byte{1, 0x60, 0xA0}}, {Addr: 0x48, W: []byte{1}, R: []byte{0x85, 0x83}}}}
	_, err := Open(play, config.Sensor{Driver: "tmp102", ID: "t", Address: 0x48}).Sense(t.Context())
	if err == nil || !strings.Contains(err.Error(), "is it a tmp102?") {
		t.Errorf("got %v", err)
	}
}
