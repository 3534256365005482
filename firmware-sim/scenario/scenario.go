// Package scenario holds what the simulator can play: a world, the devices in it, how each device is wired to the world, and the faults
// that happen by themselves.
//
// A device's `agent` part is what a person would write for a Raspberry Pi, key for key; `wiring` says, for each of its sensors and
// actuators, what of the world it measures or drives. Everything is checked when a file is read, names included, so that what parses also
// runs. It refuses unknown keys, with line and column.
//
// Start reading at Parse; home.yaml shows every key that people use.
package scenario

import (
	"embed"
	"fmt"
	"path"
	"sort"
	"strings"

	"github.com/telltale-iot/telltale/device-agent/config"
	"github.com/telltale-iot/telltale/firmware-sim/fault"
	"github.com/telltale-iot/telltale/firmware-sim/world"
	"github.com/telltale-iot/telltale/internal/yamlfile"
	"github.com/telltale-iot/telltale/schema"
)

// MaxDevices bounds a scenario; more of the same are made with --devices.
const MaxDevices = 64

//go:embed *.yaml
var files embed.FS

// Scenario is one thing to play.
type Scenario struct {
	Name        string       `yaml:"name"`        // [a-z0-9-]
	Description string       `yaml:"description"` // one line for people
	World       world.Config `yaml:"world"`
	Devices     []Device     `yaml:"devices"`
	Faults      []string     `yaml:"faults"` // as on the command line; their start counts from the beginning
}

// Device is one agent with its wires.
type Device struct {
	Agent  config.Config   `yaml:"agent"`  // as on a real machine, without hub and state_dir
	Wiring map[string]Wire `yaml:"wiring"` // by the id of a sensor, of an ADC's input or of an actuator
}

// Wire ties one sensor or actuator to the world.
type Wire struct {
	At       string `yaml:"at"`       // the place or machine that a chip with several quantities sits in
	Measures string `yaml:"measures"` // the quantity or wave of a sensor with one
	Drives   string `yaml:"drives"`   // the input that an actuator moves; may be left out
}

// Names lists the scenarios that come with the program, the usual one first.
func Names() []string {
	entries, err := files.ReadDir(".")
	if err != nil { // an embedded folder can always be read
		return nil
	}
	var names []string
	for _, e := range entries {
		names = append(names, strings.TrimSuffix(e.Name(), ".yaml"))
	}
	sort.Slice(names, func(a, b int) bool {
		if (names[a] == Usual) != (names[b] == Usual) {
			return names[a] == Usual
		}
		return names[a] < names[b]
	})
	return names
}

// Usual is the scenario that is played when none is named, Load the one that --devices multiplies.
const (
	Usual = "home"
	Load  = "load"
)

// Open gives a scenario by name, or from a file when the name ends in .yaml. Errors: those of Parse, or what there is.
func Open(name string) (*Scenario, error) {
	if ext := path.Ext(name); ext == ".yaml" || ext == ".yml" {
		s := &Scenario{}
		doc, err := yamlfile.Load(name, s)
		if err != nil {
			return nil, err
		}
		return s, s.finish(doc)
	}
	src, err := files.ReadFile(name + ".yaml")
	if err != nil {
		return nil, fmt.Errorf("there is no scenario %q; there is %s, or name a file that ends in .yaml", name, strings.Join(Names(), ", "))
	}
	return Parse(name+".yaml", src)
}

// Parse reads a scenario; name stands for the file in errors, which say line and column.
func Parse(name string, src []byte) (*Scenario, error) {
	s := &Scenario{}
	doc, err := yamlfile.Decode(name, src, s)
	if err != nil {
		return nil, err
	}
	return s, s.finish(doc)
}

// finish fills in the agents' defaults and checks everything.
func (s *Scenario) finish(doc *yamlfile.Document) error {
	if !schema.ValidDevice(s.Name) {
		return doc.Errorf("$.name", "a scenario's name is made of a-z, 0-9 and -, not %q", s.Name)
	}
	if len(s.Devices) == 0 || len(s.Devices) > MaxDevices {
		return doc.Errorf("$.devices", "there are %d devices, must be 1 to %d", len(s.Devices), MaxDevices)
	}
	w, err := world.New(s.World, world.Options{})
	if err != nil {
		return doc.Errorf("$.world", "%v", err)
	}
	ids := map[string]bool{}
	for i := range s.Devices {
		d, at := &s.Devices[i], fmt.Sprintf("$.devices[%d]", i)
		if err := d.finish(); err != nil {
			return doc.Errorf(at+".agent", "%v", err)
		}
		if ids[d.Agent.Device] {
			return doc.Errorf(at+".agent.device", "the device %q is there twice", d.Agent.Device)
		}
		ids[d.Agent.Device] = true
		if err := d.check(w); err != nil {
			return doc.Errorf(at+".wiring", "device %s: %v", d.Agent.Device, err)
		}
	}
	if _, err := fault.ParseAll(s.Faults); err != nil {
		return doc.Errorf("$.faults", "%v", err)
	}
	return nil
}

func (d *Device) finish() error {
	c, def := &d.Agent, config.Default()
	if c.Hub != "" || c.StateDir != "" {
		return fmt.Errorf("hub and state_dir are the simulator's to choose; leave them out")
	}
	if c.Device == "" {
		return fmt.Errorf("a simulated device needs an id, such as device: sim-kitchen")
	}
	c.Hub, c.Simulated = def.Hub, true
	if c.Name == "" {
		c.Name = c.Device
	}
	if c.Model == "" {
		c.Manufacturer, c.Model = "Telltale", "Simulated Raspberry Pi"
	}
	if c.Outbox.MaxDiskMB == 0 {
		c.Outbox.MaxDiskMB = def.Outbox.MaxDiskMB
	}
	if c.Outbox.MaxRAMKB == 0 {
		c.Outbox.MaxRAMKB = def.Outbox.MaxRAMKB
	}
	if c.Outbox.SpillAfter == 0 {
		c.Outbox.SpillAfter = def.Outbox.SpillAfter
	}
	if c.Heartbeat == 0 {
		c.Heartbeat = def.Heartbeat
	}
	return c.Validate()
}

// Count tells how many entities people can see and how many they can operate, for a summary.
func (d *Device) Count() (sensors, actuators int) {
	for _, s := range d.Agent.Sensors {
		sensors += max(1, len(s.Inputs), len(Quantities(s.Driver)))
	}
	return sensors, len(d.Agent.Actuators) + len(d.Agent.Climates)
}
