package mcp9808

import (
	"strings"
	"testing"
	"testing/synctest"

	"github.com/telltale-iot/telltale/device-agent/config"
	"periph.io/x/conn/v3/i2c/i2ctest"
)

// Values by the weights of the bits in DS25095A, register 5-4 (sign, 2^7 to 2^-4 °C, three alert bits above them); no worked example was at hand.
func TestTemperatureByTheWeightsOfItsBits(t *testing.T) {
	for _, c := range []struct {
		raw  []byte
		want string
	}{
		{[]byte{0xC1, 0x94}, "25.25"}, // with two alert bits set
		{[]byte{0x00, 0x01}, "0.0625"},
		{[]byte{0x1F, 0xFF}, "-0.0625"},
		{[]byte{0x1D, 0x80}, "-40"},
		{[]byte{0x07, 0xD0}, "125"},
		{[]byte{0x0F, 0xFF}, "null"},
	} {
		synctest.Test(t, func(t *testing.T) {
			play := &i2ctest.Playback{DontPanic: true, Ops: []i2ctest.IO{{Addr: 0x18, W: []byte{6}, R: []byte{0, 0x54}}, {Addr: 0x18, W: []byte{7}, R: []byte{4, 0}},
				{Addr: 0x18, W: []byte{1, 0, 0}}, {Addr: 0x18, W: []byte{5}, R: c.raw}}}
			got, err := Open(play, config.Sensor{Driver: "mcp9808", ID: "t", Address: 0x18}).Sense(t.Context())
			if err != nil || got[0].Value.String() != c.want {
				t.Errorf("% x: %v, %v; want %s", c.raw, got, err, c.want)
			}
		})
	}
}

func TestAnotherChipAtItsAddressIsRefused(t *testing.T) {
	play := &i2ctest.Playback{DontPanic: true, Ops: []i2ctest.IO{{Addr: 0x18, W: []byte{6}, R: []byte{0x33, 0x33}}, {Addr: 0x18, W: []byte{7}, R: []byte{0x33, 0x33}}}}
	_, err := Open(play, config.Sensor{Driver: "mcp9808", ID: "t", Address: 0x18}).Sense(t.Context())
	if err == nil || !strings.Contains(err.Error(), "says it is 0x3333") {
		t.Errorf("got %v", err)
	}
}
