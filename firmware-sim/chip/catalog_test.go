package chip

import (
	"errors"
	"math"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/telltale-iot/telltale/device-agent/config"
	"github.com/telltale-iot/telltale/device-agent/device"
	"github.com/telltale-iot/telltale/device-agent/drivers"
	"github.com/telltale-iot/telltale/schema"
)

// place is where chips sit; it can change.
type place struct {
	mu sync.Mutex
	is map[string]float64
}

func (p *place) at(quantity string) Signal {
	return func(time.Duration) float64 {
		p.mu.Lock()
		defer p.mu.Unlock()
		return p.is[quantity]
	}
}

func (p *place) set(quantity string, x float64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.is[quantity] = x
}

// sample is a chip with the shipped driver that reads it, and what that must give of a place.
type sample struct {
	sensor config.Sensor
	want   map[string]float64
	within map[string]float64 // 0.02 where absent
}

func samples() []sample {
	air := map[string]float64{"x_temperature": 21.5, "x_humidity": 47}
	return []sample{
		{sensor: config.Sensor{Driver: "bme280"}, want: map[string]float64{"x_temperature": 21.5, "x_humidity": 47, "x_pressure": 1004.2}},
		{sensor: config.Sensor{Driver: "bmp280"}, want: map[string]float64{"x_temperature": 21.5, "x_pressure": 1004.2}},
		{sensor: config.Sensor{Driver: "scd4x", Interval: 5 * time.Second}, want: map[string]float64{"x_co2": 812, "x_temperature": 21.5, "x_humidity": 47}},
		{sensor: config.Sensor{Driver: "bh1750"}, want: map[string]float64{"x_illuminance": 321}, within: map[string]float64{"x_illuminance": 0.6}},
		{sensor: config.Sensor{Driver: "pms5003"}, want: map[string]float64{"x_pm1": 28, "x_pm25": 40, "x_pm10": 60}},
		{sensor: config.Sensor{Driver: "sds011"}, want: map[string]float64{"x_pm25": 40, "x_pm10": 60}},
		{sensor: config.Sensor{Driver: "mhz19"}, want: map[string]float64{"x_co2": 812}},
		{sensor: config.Sensor{Driver: "sht3x"}, want: air},
		{sensor: config.Sensor{Driver: "sht4x"}, want: air},
		{sensor: config.Sensor{Driver: "aht20"}, want: air},
		{sensor: config.Sensor{Driver: "mcp9808"}, want: map[string]float64{"x_temperature": 21.5}},
		{sensor: config.Sensor{Driver: "tmp102"}, want: map[string]float64{"x_temperature": 21.5}},
		{sensor: config.Sensor{Driver: "ina219"}, want: map[string]float64{"x_voltage": 12, "x_current": 1.5, "x_power": 18}},
		{sensor: config.Sensor{Driver: "bmp388"}, want: map[string]float64{"x_temperature": 21.5, "x_pressure": 1004.2}},
		{sensor: config.Sensor{Driver: "tsl2591"}, want: map[string]float64{"x_illuminance": 321}, within: map[string]float64{"x_illuminance": 1}},
		{sensor: config.Sensor{Driver: "bme680"}, want: map[string]float64{"x_temperature": 21.5, "x_pressure": 1004.2, "x_humidity": 47, "x_gas_resistance": 9e4 * 420 / 812.0},
			within: map[string]float64{"x_pressure": 0.05, "x_humidity": 0.1, "x_gas_resistance": 100}},
	}
}

// workbench is one sample on a board that is switched on.
type workbench struct {
	t     *testing.T
	place *place
	chip  interface{ Set(Condition) }
	bus   *Bus
	s     device.Sensor
	every time.Duration
}

func newWorkbench(t *testing.T, sensor config.Sensor) *workbench {
	t.Helper()
	sensor.ID = "x"
	sensor = settings(t, sensor)
	w := &workbench{t: t, every: max(sensor.Interval, time.Second), place: &place{is: map[string]float64{"air_temperature": 21.5, "humidity": 47, "pressure": 1004.2,
		"illuminance": 321, "co2": 812, "power": 18, "pm25": 40}}}
	board := NewBoard("bench", running(), nil)
	w.bus = board.Bus("1")
	var err error
	if OnSerial(sensor.Driver) {
		talker := NewTalker(sensor.Driver, w.place.at, running(), 7)
		w.chip, err = talker, board.Serial(sensor.Port, talker)
	} else {
		model := New(sensor.Driver, w.place.at, running(), 7)
		w.chip, err = model, w.bus.Attach(sensor.Address, model)
	}
	if err != nil {
		t.Fatal(err)
	}
	if w.s, err = drivers.OpenSensor(board.Boot(), sensor); err != nil {
		t.Fatal(err)
	}
	return w
}

// read asks round by round, as the agent does, until there is something; at most five times.
func (w *workbench) read() (got []device.Reading, err error) {
	w.t.Helper()
	for range 5 {
		if got, err = w.s.Sense(w.t.Context()); err != nil || len(got) > 0 {
			return got, err
		}
		passInBubble(w.every)
	}
	return nil, errors.New("nothing was measured in five rounds")
}

// passInBubble lets time pass.
func passInBubble(d time.Duration) { time.Sleep(d) }

// numbers reads until it succeeds, at most three times: after a fault a driver may need a round to set its chip up again.
func (w *workbench) numbers() map[string]float64 {
	w.t.Helper()
	var got []device.Reading
	var err error
	for range 3 {
		if got, err = w.read(); err == nil {
			break
		}
		passInBubble(w.every)
	}
	if err != nil {
		w.t.Fatal(err)
	}
	out := map[string]float64{}
	for _, r := range got {
		if f, ok := r.Value.Float(); ok {
			out[r.Entity] = f
		}
	}
	return out
}

func (w *workbench) check(when string, want, within map[string]float64) {
	w.t.Helper()
	got := w.numbers()
	for id, x := range want {
		limit := within[id]
		if limit == 0 {
			limit = 0.02
		}
		if v, ok := got[id]; !ok || math.Abs(v-x) > limit {
			w.t.Errorf("%s: %s is %v, want %v (%v)", when, id, v, x, got)
		}
	}
}

func TestEveryChipIsReadByItsDriverAndFailsInWords(t *testing.T) {
	for _, c := range samples() {
		t.Run(c.sensor.Driver, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorkbench(t, c.sensor)
				w.check("healthy", c.want, c.within)

				w.chip.Set(Dead) // unplugged
				if _, err := w.read(); err == nil {
					t.Error("a chip that is not there was read")
				}
				if p, ok := w.chip.(interface{ powerOff() }); ok {
					p.powerOff()
				}
				w.chip.Set(Healthy) // and plugged in again: it has forgotten everything
				w.check("plugged in again", c.want, c.within)

				if !OnSerial(c.sensor.Driver) {
					w.bus.Stick(true)
					if _, err := w.read(); err == nil {
						t.Error("a chip on a stuck bus was read")
					}
					w.bus.Stick(false)
					w.check("on a bus that was stuck", c.want, c.within)
				}

				w.chip.Set(Stuck)
				w.place.set(Quantities(c.sensor.Driver)[0], 35)
				time.Sleep(w.every)
				w.check("stuck", c.want, c.within)
				w.chip.Set(Absurd)
				time.Sleep(w.every)
				if got, err := w.read(); err == nil && allFine(got) {
					t.Errorf("nonsense passes as %v", got)
				}
				if err := w.s.Close(); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

func allFine(got []device.Reading) bool {
	for _, r := range got {
		if r.Quality != "" && r.Quality != schema.QualityOK {
			return false
		}
	}
	return true
}
