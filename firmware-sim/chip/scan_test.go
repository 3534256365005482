package chip

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/telltale-iot/telltale/device-agent/config"
	"github.com/telltale-iot/telltale/device-agent/discover"
)

// expander models a PCF8574: it takes every byte as the state of its pins, on which relays hang.
type expander struct{ written int }

func (e *expander) Tx(w, r []byte) error {
	e.written += len(w)
	for i := range r {
		r[i] = 0xA5
	}
	return nil
}

func TestScanTellsEveryChipApart(t *testing.T) {
	const driven = "0x20 0x21 0x27 0x38 0x3f"
	synctest.Test(t, func(t *testing.T) {
		certain := map[string]discover.Certainty{"bh1750": discover.Possible, "ads1115": discover.Likely, "tmp102": discover.Likely, "ina219": discover.Likely}
		here := &place{is: map[string]float64{"air_temperature": 21.5, "humidity": 47, "pressure": 1004.2, "illuminance": 321, "co2": 812, "power": 18}}
		for _, driver := range strings.Split(config.SensorDrivers, ", ") {
			for _, addr := range config.Addresses(driver) {
				var c Device
				switch {
				case Quantities(driver) != nil:
					c = New(driver, here.at, running(), 3)
				case driver == "ads1115":
					c = NewADS1115([4]Signal{constant(1)}, running())
				case driver == "adxl345":
					c = NewADXL345([3]Signal{constant(0), constant(0), constant(9.8)}, running())
				case driver == "mpu6050":
					c = NewMPU6050([3]Signal{constant(0), constant(0), constant(9.8)}, running())
				default:
					t.Fatalf("there is no model for %s", driver)
				}
				board := NewBoard("scanned", running(), nil)
				if err := board.Bus("1").Attach(addr, c); err != nil {
					t.Fatal(err)
				}
				for range 2 { // looking must not change what is seen
					all, errs := discover.Scan(t.Context(), board.Boot())
					want, ok := certain[driver]
					if !ok {
						want = discover.Sure
					}
					if len(errs) > 0 || len(all) != 1 || all[0].Address != addr || !slices.Contains(all[0].Drivers, driver) || all[0].Certainty != want {
						t.Errorf("%s at 0x%02x is seen as %+v %v", driver, addr, all, errs)
					} else if want == discover.Sure && len(all[0].Drivers) != 1 {
						t.Errorf("%s at 0x%02x is sure to be one of %v", driver, addr, all[0].Drivers)
					}
				}
			}
		}
		board := NewBoard("careful", running(), nil)
		relays := &expander{}
		for _, a := range []uint16{0x20, 0x21, 0x27, 0x38, 0x3F, 0x23} {
			if err := board.Bus("1").Attach(a, relays); err != nil {
				t.Fatal(err)
			}
		}
		all, _ := discover.Scan(t.Context(), board.Boot())
		var at []string
		for _, f := range all {
			if f.Certainty == discover.Sure {
				t.Errorf("an expander is surely a %v", f.Drivers)
			}
			at = append(at, fmt.Sprintf("0x%02x", f.Address))
		}
		if relays.written != 0 {
			t.Errorf("looking wrote %d bytes to outputs at %s", relays.written, driven)
		}
		if strings.Join(at, " ") != "0x20 0x21 0x23 0x27 0x38 0x3f" {
			t.Errorf("seen at %v", at)
		}
	})
}

func TestScanGivesUpOnAStuckBusAndLooksAtTheOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		board := NewBoard("scanned", running(), nil)
		NewThermometer(board.Files(), "28-0316a2795cff", constant(4), running())
		board.Files().Put("sys/bus/i2c/devices/3-0068/driver/uevent", func() (string, error) { return "", nil })
		board.Bus("1").Stick(true)
		relays := &expander{}
		if err := board.Bus("3").Attach(0x77, NewBME280(Climate{constant(20), constant(1000), constant(50)}, running(), 1)); err != nil {
			t.Fatal(err)
		}
		if err := board.Bus("3").Attach(0x68, relays); err != nil {
			t.Fatal(err)
		}
		all, errs := discover.Scan(t.Context(), board.Boot())
		if len(errs) != 1 || !strings.Contains(errs[0].Error(), "i2c bus 1: the bus is stuck") {
			t.Errorf("errors: %v", errs)
		}
		if len(all) != 3 || all[0].Note != "held by a kernel driver, left alone" || all[2].Serial != "28-0316a2795cff" {
			t.Fatalf("found %+v", all)
		}
		if s := all[1].Sensor(); s.ID != "bme280_3_77" || s.Bus != "3" {
			t.Errorf("%+v", s)
		}
	})
}
