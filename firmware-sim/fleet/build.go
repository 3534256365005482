package fleet

import (
	"errors"
	"fmt"
	"hash/fnv"
	"slices"
	"time"

	"github.com/telltale-iot/telltale/device-agent/config"
	"github.com/telltale-iot/telltale/firmware-sim/chip"
	"github.com/telltale-iot/telltale/firmware-sim/scenario"
	"github.com/telltale-iot/telltale/firmware-sim/world"
)

// hardware is a board with what hangs on it, by the ids of the configuration, so that it can be broken.
type hardware struct {
	board   *chip.Board
	sensors map[string]breakable
	outputs map[string]liar
	buses   map[string]*chip.Bus
}

// breakable is a sensor that can be broken.
type breakable interface{ Set(chip.Condition) }

// liar is an output that can be made to lie.
type liar interface{ Lie(on bool) }

// build wires a device to a world. The scenario has been checked, so an error is one of pins and addresses that collide.
func build(d *scenario.Device, w *world.World, mono chip.Mono, ledger *chip.Ledger) (*hardware, error) {
	h := &hardware{
		board:   chip.NewBoard(d.Agent.Device, mono, ledger),
		sensors: map[string]breakable{}, outputs: map[string]liar{}, buses: map[string]*chip.Bus{},
	}
	var errs []error
	for i := range d.Agent.Sensors {
		errs = append(errs, h.sensor(d, &d.Agent.Sensors[i], w, mono))
	}
	for i := range d.Agent.Actuators {
		errs = append(errs, h.actuator(&d.Agent.Actuators[i], d.Wiring[d.Agent.Actuators[i].ID], w))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, fmt.Errorf("device %s: %w", d.Agent.Device, err)
	}
	return h, nil
}

// seedOf gives each chip a seed of its own that stays the same from run to run.
func seedOf(parts ...string) uint64 {
	h := fnv.New64a()
	for _, p := range parts {
		_, _ = h.Write([]byte(p + "/")) // a hash never fails
	}
	return h.Sum64()
}

func (h *hardware) sensor(d *scenario.Device, s *config.Sensor, w *world.World, mono chip.Mono) error {
	wire, seed := d.Wiring[s.ID], seedOf(d.Agent.Device, s.ID)
	var errs []error
	probe := func(name string) chip.Signal {
		p, err := w.Probe(name)
		errs = append(errs, err)
		return chip.Signal(p)
	}
	at := func(quantity string) chip.Signal { return probe(wire.At + "/" + quantity) }
	if chip.OnSerial(s.Driver) {
		t := chip.NewTalker(s.Driver, at, mono, seed)
		h.sensors[s.ID] = t
		return errors.Join(append(errs, h.board.Serial(s.Port, t))...)
	}
	if chip.Quantities(s.Driver) != nil {
		c := chip.New(s.Driver, at, mono, seed)
		return errors.Join(append(errs, h.attach(s, c, c))...)
	}
	switch s.Driver {
	case "adxl345", "mpu6050":
		var axes [3]chip.Signal
		for i, q := range scenario.Quantities(s.Driver) {
			wave, err := w.Wave(wire.At + "/" + q)
			axes[i], errs = chip.Signal(wave), append(errs, err)
		}
		if s.Driver == "mpu6050" {
			c := chip.NewMPU6050(axes, mono)
			errs = append(errs, h.attach(s, c, c))
			break
		}
		c := chip.NewADXL345(axes, mono)
		errs = append(errs, h.attach(s, c, c))
	case "ads1115":
		errs = append(errs, h.adc(d, s, w, mono))
	case "ds18b20":
		id := s.Serial
		if id == "" {
			id = fmt.Sprintf("28-%012x", seed&0xFFFFFFFFFFFF)
		}
		h.sensors[s.ID] = &chip.NewThermometer(h.board.Files(), id, probe(wire.Measures), mono).Health
	case "hx711":
		value, cal := probe(wire.Measures), s.Calibration["weight"]
		scale := 1.0
		if cal.Scale != nil {
			scale = *cal.Scale
		}
		c := chip.NewHX711(func(at time.Duration) float64 { return (value(at) - cal.Offset) / scale }, mono)
		h.sensors[s.ID] = c
		errs = append(errs, h.board.Clocked(s.ClockPin, s.Pin, c))
	case "pulse":
		m := chip.NewMeter(probe(wire.Measures), s.PerUnit)
		h.sensors[s.ID] = m
		errs = append(errs, h.board.Input(s.Pin, func(at time.Duration) bool { return m.Closed(at) != s.ActiveLow }))
	case "contact":
		errs = append(errs, h.contact(s, probe(wire.Measures)))
	case "host":
		chip.NewComputer(h.board.Files(), probe(world.Outside+"/air_temperature"), mono, seed)
	}
	return errors.Join(errs...)
}

// attach puts a chip on its bus.
func (h *hardware) attach(s *config.Sensor, c chip.Device, health breakable) error {
	bus := h.board.Bus(s.Bus)
	h.buses[bus.String()] = bus
	h.sensors[s.ID] = health
	return bus.Attach(s.Address, c)
}

// contact hangs a switch on a pin. Its faults are those of a switch: stuck as it is, or absurd, which is the opposite of the truth.
func (h *hardware) contact(s *config.Sensor, measures chip.Signal) error {
	health := &chip.Health{}
	h.sensors[s.ID] = health
	watched := health.Watch(measures)
	return h.board.Input(s.Pin, func(at time.Duration) bool {
		on := watched(at) > 0.5
		switch health.Get() {
		case chip.Absurd:
			on = !on
		case chip.Dead: // the wire is off: the pull decides
			return s.Pull == "up"
		}
		return on != s.ActiveLow
	})
}

// adc wires each input to the voltage that the agent's configuration turns back into what it measures.
func (h *hardware) adc(d *scenario.Device, s *config.Sensor, w *world.World, mono chip.Mono) error {
	var inputs [4]chip.Signal
	for i := range s.Inputs {
		in := &s.Inputs[i]
		signal, err := source(in, d.Wiring[in.ID].Measures, w)
		if err != nil {
			return err
		}
		pin := int(in.Pin[1] - '0')
		if inputs[pin] != nil {
			return fmt.Errorf("sensor %s: two inputs on pin %s", s.ID, in.Pin)
		}
		inputs[pin] = func(at time.Duration) float64 { return scenario.Volts(in, signal(at)) }
	}
	c := chip.NewADS1115(inputs, mono)
	for i := range s.Inputs {
		h.sensors[s.Inputs[i].ID] = &c.Inputs[s.Inputs[i].Pin[1]-'0']
	}
	if _, taken := h.sensors[s.ID]; taken { // an input has the chip's name, and goes first
		return h.attach(s, c, h.sensors[s.ID])
	}
	return h.attach(s, c, &c.Health)
}

func source(in *config.Input, name string, w *world.World) (chip.Signal, error) {
	if in.RateHz > 0 {
		wave, err := w.Wave(name)
		return chip.Signal(wave), err
	}
	p, err := w.Probe(name)
	return chip.Signal(p), err
}

func (h *hardware) actuator(a *config.Actuator, wire scenario.Wire, w *world.World) error {
	var drive chip.Drive
	if wire.Drives != "" {
		in, err := w.Input(wire.Drives)
		if err != nil {
			return err
		}
		drive = chip.Drive(in)
	}
	if a.Driver == "pwm" {
		dimmer, err := h.board.Dimmer(a.Pin, drive)
		h.outputs[a.ID] = dimmer
		return err
	}
	relay, err := h.board.Relay(a.Pin, a.ActiveLow, "", drive)
	if err != nil {
		return err
	}
	h.outputs[a.ID] = relay
	if a.Readback == "" {
		return nil
	}
	return h.board.Input(a.Readback, func(at time.Duration) bool { return relay.Closed(at) != a.ReadbackActiveLow })
}

// copyOf makes a device that shares nothing with d.
func copyOf(d scenario.Device) scenario.Device {
	c := &d.Agent
	c.Sensors, c.Actuators, c.Climates = slices.Clone(c.Sensors), slices.Clone(c.Actuators), slices.Clone(c.Climates)
	for i := range c.Sensors {
		c.Sensors[i].Inputs = slices.Clone(c.Sensors[i].Inputs)
	}
	return d
}
