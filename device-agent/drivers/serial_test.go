package drivers_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/telltale-iot/telltale/device-agent/config"
	"github.com/telltale-iot/telltale/device-agent/device"
	"github.com/telltale-iot/telltale/device-agent/device/devicetest"
	"github.com/telltale-iot/telltale/device-agent/drivers"
)

// onLine opens the only sensor of a configuration on a serial line.
func onLine(t *testing.T, line *devicetest.Line, yaml string) device.Sensor {
	t.Helper()
	c, err := config.Parse("test.yaml", []byte(yaml))
	if err != nil {
		t.Fatal(err)
	}
	s, err := drivers.OpenSensor(&devicetest.SerialHost{Line: line}, c.Sensors[0])
	if err != nil {
		t.Fatal(err)
	}
	described(t, s.Describe())
	return s
}

// talk lets a sensor that talks by itself say something every second.
func talk(t *testing.T, line *devicetest.Line, frame []byte) {
	stop := make(chan struct{})
	t.Cleanup(func() { close(stop) })
	go func() {
		tick := time.NewTicker(time.Second)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				line.Send(frame)
			case <-stop:
				return
			}
		}
	}()
}

// Winsen MH-Z19B user's manual, page 7: "Send command FF 01 86 00 00 00 00 00 79, Return value FF 86 02 20 00 00 00 00 58 … 2*256+32=544ppm".
func TestCarbonDioxideByTheExampleOfTheManual(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		line := &devicetest.Line{Answer: func(q []byte) []byte {
			if string(q) != "\xFF\x01\x86\x00\x00\x00\x00\x00\x79" {
				t.Errorf("asked % X", q)
			}
			return []byte{0x00, 0xFF, 0x86, 0x02, 0x20, 0, 0, 0, 0, 0x58}
		}}
		s := onLine(t, line, "sensors: [{driver: mhz19, id: air}]")
		if got := sense(t, s); got != "air_co2 544" {
			t.Error(got)
		}
		line.Answer = func([]byte) []byte { return []byte{0xFF, 0x86, 0x02, 0x21, 0, 0, 0, 0, 0x58} }
		if got := sense(t, s); !strings.Contains(got, "/dev/serial0: no whole frame in 9 bytes") {
			t.Errorf("wrong checksum: %s", got)
		}
		line.Answer = nil
		if got := sense(t, s); !strings.Contains(got, "nothing was heard") {
			t.Errorf("silence: %s", got)
		}
		line.Unplug(true)
		if got := sense(t, s); !strings.Contains(got, "error: ") {
			t.Errorf("unplugged: %s", got)
		}
		line.Unplug(false)
		line.Answer = func([]byte) []byte { return []byte{0xFF, 0x86, 0x03, 0x20, 0, 0, 0, 0, 0x57} }
		if got := sense(t, s); got != "air_co2 800" || line.Opened() < 3 {
			t.Errorf("plugged in again: %s, opened %d times", got, line.Opened())
		}
	})
}

// Nova's specification has no worked example. This is what a real SDS011 sent (community.particle.io, topic 24221: aac0 8c00 9400 bcf9 d5ab); its
// checksum proves the bytes, and 0x008C and 0x0094 tenths are 14.0 and 14.8 µg/m³.
func TestFineDustThatARealSDS011Sent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		line := &devicetest.Line{}
		s := onLine(t, line, "sensors: [{driver: sds011, id: air}]")
		line.Send([]byte{0xAA, 0xC0, 9, 9, 9, 9, 9, 9, 54, 0xAB}) // old: from before it was asked
		talk(t, line, []byte{0xAA, 0xC0, 0x8C, 0x00, 0x94, 0x00, 0xBC, 0xF9, 0xD5, 0xAB})
		if got := sense(t, s); got != "air_pm25 14, air_pm10 14.8" {
			t.Error(got)
		}
	})
}

// Plantower's manual has the layout and no worked example: 32 bytes by that layout, with the sum by hand.
func TestFineDustByTheLayoutOfThePMS5003(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		frame := []byte{0x42, 0x4D, 0, 28, 0, 90, 0, 91, 0, 92, 0, 12, 0, 34, 1, 44, 0, 1, 0, 2, 0, 3, 0, 4, 0, 5, 0, 6, 0x97, 0}
		sum := 0
		for _, b := range frame {
			sum += int(b)
		}
		line := &devicetest.Line{}
		s := onLine(t, line, "sensors: [{driver: pms5003, id: air, port: ttyUSB0}]")
		talk(t, line, append(frame, byte(sum>>8), byte(sum)))
		if got := sense(t, s); got != "air_pm1 12, air_pm25 34, air_pm10 300" {
			t.Error(got)
		}
	})
}
