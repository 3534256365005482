package chip

import (
	"math"
	"testing"
	"testing/synctest"
	"time"

	"periph.io/x/conn/v3/physic"
	"periph.io/x/devices/v3/ina219"
)

// Periph's driver uses the chip's own engine, ours does not: the model must please both.
func TestPeriphReadsTheSupplyToo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bus := NewBus("1")
		if err := bus.Attach(0x40, NewINA219(Supply{Voltage: constant(12.1), Current: constant(-1.25)}, running())); err != nil {
			t.Fatal(err)
		}
		dev, err := ina219.New(bus, &ina219.DefaultOpts)
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(200 * time.Millisecond)
		m, err := dev.Sense()
		if err != nil {
			t.Fatal(err)
		}
		volts, amps := float64(m.Voltage)/float64(physic.Volt), float64(m.Current)/float64(physic.Ampere)
		if math.Abs(volts-12.1) > 0.004 || math.Abs(amps+1.25) > 0.002 {
			t.Errorf("%v", m)
		}
	})
}
