package scenario

import (
	"fmt"
	"math"
	"sort"
	"strings"

	"github.com/telltale-iot/telltale/device-agent/config"
	"github.com/telltale-iot/telltale/firmware-sim/chip"
	"github.com/telltale-iot/telltale/firmware-sim/world"
)

// Quantities lists what a chip that sits at a place measures there, by the names that the world uses; nil for sensors with one quantity.
func Quantities(driver string) []string {
	if Waves(driver) {
		return []string{"vibration_x", "vibration_y", "vibration_z"}
	}
	return chip.Quantities(driver)
}

// Waves reports whether a driver's quantities at a place are waves.
func Waves(driver string) bool { return driver == "adxl345" || driver == "mpu6050" }

// check looks up everything that the wires name.
func (d *Device) check(w *world.World) error {
	left := map[string]bool{}
	for id := range d.Wiring {
		left[id] = true
	}
	for i := range d.Agent.Sensors {
		s := &d.Agent.Sensors[i]
		if s.Driver == "ads1115" {
			for j := range s.Inputs {
				if err := d.checkInput(w, &s.Inputs[j]); err != nil {
					return err
				}
				delete(left, s.Inputs[j].ID)
			}
			continue
		}
		if s.Driver == "host" {
			continue
		}
		if err := d.checkSensor(w, s); err != nil {
			return err
		}
		delete(left, s.ID)
	}
	for i := range d.Agent.Actuators {
		a := &d.Agent.Actuators[i]
		wire := d.Wiring[a.ID]
		if wire.At != "" || wire.Measures != "" {
			return fmt.Errorf("%s is an actuator: it drives something, it does not measure", a.ID)
		}
		if wire.Drives != "" {
			if _, err := w.Input(wire.Drives); err != nil {
				return fmt.Errorf("%s: %w", a.ID, err)
			}
		}
		delete(left, a.ID)
	}
	if len(left) > 0 {
		return fmt.Errorf("there is no sensor or actuator %s to wire", strings.Join(sorted(left), ", "))
	}
	return nil
}

func (d *Device) checkSensor(w *world.World, s *config.Sensor) error {
	wire := d.Wiring[s.ID]
	if wire.Drives != "" {
		return fmt.Errorf("%s is a sensor: it measures something, it does not drive", s.ID)
	}
	list := Quantities(s.Driver)
	if list == nil {
		if wire.Measures == "" || wire.At != "" {
			return fmt.Errorf("%s: a %s needs `measures`, such as {measures: outside/air_temperature}", s.ID, s.Driver)
		}
		_, err := w.Probe(wire.Measures)
		return named(s.ID, err)
	}
	if wire.At == "" || wire.Measures != "" {
		return fmt.Errorf("%s: a %s needs `at`, the place it sits in", s.ID, s.Driver)
	}
	for _, q := range list {
		var err error
		if Waves(s.Driver) {
			_, err = w.Wave(wire.At + "/" + q)
		} else {
			_, err = w.Probe(wire.At + "/" + q)
		}
		if err != nil {
			return named(s.ID, err)
		}
	}
	return nil
}

func (d *Device) checkInput(w *world.World, in *config.Input) error {
	wire := d.Wiring[in.ID]
	if wire.Measures == "" || wire.At != "" || wire.Drives != "" {
		return fmt.Errorf("%s: an input needs `measures`, such as {measures: bed/moisture}", in.ID)
	}
	if strings.Contains(in.Pin, "-") {
		return fmt.Errorf("%s: the simulator has no signal between two pins (%s)", in.ID, in.Pin)
	}
	if in.RateHz > 0 {
		_, err := w.Wave(wire.Measures)
		return named(in.ID, err)
	}
	_, err := w.Probe(wire.Measures)
	return named(in.ID, err)
}

func named(id string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", id, err)
}

// Volts turns what an ADC's input measures back into the voltage that means it.
func Volts(in *config.Input, value float64) float64 {
	v := (value - in.Offset) / in.Scale
	if math.IsNaN(v) {
		return 0
	}
	return v
}

func sorted(set map[string]bool) []string {
	names := make([]string, 0, len(set))
	for n := range set {
		names = append(names, n)
	}
	sort.Strings(names)
	return names
}
