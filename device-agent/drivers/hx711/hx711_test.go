package hx711

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/telltale-iot/telltale/device-agent/config"
	"github.com/telltale-iot/telltale/device-agent/device/devicetest"
	"periph.io/x/conn/v3/gpio"
)

// slowPin takes a millisecond for each change, as on a machine that has something better to do.
type slowPin struct{ *devicetest.Pin }

func (p slowPin) Out(l gpio.Level) error {
	passInBubble(time.Millisecond)
	return p.Pin.Out(l)
}

// passInBubble lets time pass.
func passInBubble(d time.Duration) { time.Sleep(d) }

func TestWhatCannotBeRightIsNotRead(t *testing.T) {
	for _, c := range []struct {
		name string
		slow bool
		data gpio.Level
		says string
	}{
		{"a busy machine", true, gpio.Low, "a clock pulse took too long"},
		{"a shorted line", false, gpio.Low, "the data line stays low"},
		{"nothing wired", false, gpio.High, "is it wired and powered?"},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				host := &devicetest.Host{}
				host.Line("GPIO5").Set(c.data)
				var clock gpio.PinOut = host.Line("GPIO6")
				if c.slow {
					clock = slowPin{host.Line("GPIO6")}
				}
				s := Open(host.Line("GPIO5"), clock, config.Sensor{Driver: "hx711", ID: "x", Pin: "GPIO5", ClockPin: "GPIO6"})
				if got, err := s.Sense(t.Context()); err == nil || !strings.Contains(err.Error(), c.says) {
					t.Errorf("%v, %v", got, err)
				}
			})
		})
	}
}
