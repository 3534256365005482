package ina219

import (
	"testing"

	"github.com/telltale-iot/telltale/device-agent/config"
	"github.com/telltale-iot/telltale/schema"
	"periph.io/x/conn/v3/i2c/i2ctest"
)

// Texas Instruments SBOS448F, table 3, "Configure/Measure/Calculate Example": a shunt of 2 mΩ, 20 mV across it (07D0h), 11.98 V (5D98h):
// 10 A and 119.8 W.
func TestExampleOfTheDataSheet(t *testing.T) {
	play := &i2ctest.Playback{DontPanic: true, Ops: []i2ctest.IO{{Addr: 0x40, W: []byte{0}, R: []byte{0x3F, 0xFF}},
		{Addr: 0x40, W: []byte{1}, R: []byte{0x07, 0xD0}}, {Addr: 0x40, W: []byte{2}, R: []byte{0x5D, 0x98}}}}
	got, err := Open(play, config.Sensor{Driver: "ina219", ID: "x", Address: 0x40, ShuntOhms: 0.002}).Sense(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []string{"11.98", "10", "119.8"} {
		if got[i].Value.String() != want {
			t.Errorf("%s is %s, want %s", got[i].Entity, got[i].Value, want)
		}
	}
}

func TestShuntAtItsEndIsNoCurrent(t *testing.T) {
	play := &i2ctest.Playback{DontPanic: true, Ops: []i2ctest.IO{{Addr: 0x40, W: []byte{0}, R: []byte{0x3F, 0xFF}},
		{Addr: 0x40, W: []byte{1}, R: []byte{0x83, 0x00}}, {Addr: 0x40, W: []byte{2}, R: []byte{0x5D, 0x98}}}} // −320 mV: table 5
	got, err := Open(play, config.Sensor{Driver: "ina219", ID: "x", Address: 0x40, ShuntOhms: 0.1}).Sense(t.Context())
	if err != nil || got[0].Quality != "" || got[1].Quality != schema.QualityRange || got[2].Quality != schema.QualityRange {
		t.Errorf("%v, %v", got, err)
	}
}
