// Package config is the agent's configuration: one YAML file, one struct, defaults that make an empty file useful.
//
// It guarantees that a configuration that passed [Config.Validate] names only known drivers with all they need, ids that are valid and
// unique, and bounds that make sense. It refuses unknown keys, with line and column. Which pins and buses really exist is found out by
// `device-agent check`. Start reading at [Config]; agent.example.yaml beside the program shows every key.
package config

import (
	"time"

	"github.com/telltale-iot/telltale/schema"
)

// Config is everything an agent is told.
type Config struct {
	// Hub is the hub's address, "http://localhost:8080" or "https://…".
	Hub string `yaml:"hub"`
	// Device is the id this device would like, [a-z0-9-]; empty = made from the host name. The id given at pairing is kept.
	Device string `yaml:"device"`
	// Name for people; empty = the host name.
	Name string `yaml:"name"`
	// Area is the room or place it is shown in.
	Area string `yaml:"area"`
	// Manufacturer of the board, for the device page.
	Manufacturer string `yaml:"manufacturer"`
	// Model of the board, for the device page; empty = read from the machine.
	Model string `yaml:"model"`
	// Simulated marks a device without hardware.
	Simulated bool `yaml:"simulated"`
	// StateDir holds key, outbox and journal; empty = $STATE_DIRECTORY or ~/.local/state/telltale-agent.
	StateDir string `yaml:"state_dir"`
	// Outbox bounds what is kept while the hub is away.
	Outbox Outbox `yaml:"outbox"`
	// Heartbeat is how often an actuator's unchanged state is reported.
	Heartbeat time.Duration `yaml:"heartbeat"`
	// Sensors to sample.
	Sensors []Sensor `yaml:"sensors"`
	// Actuators to drive.
	Actuators []Actuator `yaml:"actuators"`
	// Climates are thermostats that run here, on the device.
	Climates []Climate `yaml:"climates"`
}

// Outbox bounds.
type Outbox struct {
	// MaxDiskMB bounds the files, in MB; the oldest readings give way and the loss is reported.
	MaxDiskMB int `yaml:"max_disk_mb"`
	// MaxRAMKB bounds unsent readings in memory, in KiB.
	MaxRAMKB int `yaml:"max_ram_kb"`
	// SpillAfter is the age of the oldest unsent reading at which memory is written to disk: rarely, for the card's sake.
	SpillAfter time.Duration `yaml:"spill_after"`
}

// Sensor is one chip or source.
type Sensor struct {
	// Driver is one of SensorDrivers.
	Driver string `yaml:"driver"`
	// ID is the entity's id, or what the ids of a chip with several entities begin with.
	ID string `yaml:"id"`
	// Name for people; empty = the id in words.
	Name string `yaml:"name"`
	// Area when it is not the device's.
	Area string `yaml:"area"`
	// Interval between readings.
	Interval time.Duration `yaml:"interval"`
	// Bus is the I2C bus, "1" or "/dev/i2c-1"; empty = the first.
	Bus string `yaml:"bus"`
	// Address on the bus; 0 = the chip's usual one.
	Address uint16 `yaml:"address"`
	// Port is the serial line of a sensor that hangs on one: "/dev/serial0" or "ttyUSB0".
	Port string `yaml:"port"`
	// Pin of a contact, "GPIO17".
	Pin string `yaml:"pin"`
	// ClockPin is the second pin of an hx711; Pin is its data.
	ClockPin string `yaml:"clock_pin"`
	// ActiveLow: the contact is "on" when the pin is low.
	ActiveLow bool `yaml:"active_low"`
	// Pull resistor of a contact: up, down or none.
	Pull string `yaml:"pull"`
	// DeviceClass of a contact: door, window, motion.
	DeviceClass string `yaml:"device_class"`
	// Serial of a DS18B20, "28-0316a2795cff"; empty = all on the bus, when there is one.
	Serial string `yaml:"serial"`
	// Calibration per quantity ("temperature", "humidity", …): reported = measured·scale + offset.
	Calibration map[string]Calibration `yaml:"calibration"`
	// Inputs of an ADC.
	Inputs []Input `yaml:"inputs"`
	// RateHz samples a waveform at this rate (adxl345).
	RateHz float64 `yaml:"rate_hz"`
	// PerUnit is how many pulses a meter gives per unit: 1000 per kWh.
	PerUnit float64 `yaml:"per_unit"`
	// Unit of what a meter counts (kWh, m³, L, mm; empty = pulses) or a scale weighs (kg; empty = counts).
	Unit string `yaml:"unit"`
	// Debounce is how long a level must last to count.
	Debounce time.Duration `yaml:"debounce"`
	// ShuntOhms is the resistance that an ina219 measures across, in Ω.
	ShuntOhms float64 `yaml:"shunt_ohms"`
	// Disk is the mount point whose fill the host driver reports.
	Disk string `yaml:"disk"`
}

// Calibration of one quantity.
type Calibration struct {
	Offset float64  `yaml:"offset"` // added, in the channel's unit
	Scale  *float64 `yaml:"scale"`  // multiplied first; absent = 1
}

// Input is one pin of an ADC.
type Input struct {
	// ID of the entity.
	ID string `yaml:"id"`
	// Name for people.
	Name string `yaml:"name"`
	// Pin: A0 to A3, or a difference A0-A1, A0-A3, A1-A3, A2-A3.
	Pin string `yaml:"pin"`
	// MaxVolts that can occur: chooses the gain.
	MaxVolts float64 `yaml:"max_volts"`
	// DeviceClass of what is measured.
	DeviceClass string `yaml:"device_class"`
	// Unit of what is measured; empty = V.
	Unit string `yaml:"unit"`
	// Scale: value = volts·Scale + Offset.
	Scale float64 `yaml:"scale"`
	// Offset in Unit.
	Offset float64 `yaml:"offset"`
	// Min and Max in Unit: outside is quality "range". Absent = not checked.
	Min *float64 `yaml:"min"`
	Max *float64 `yaml:"max"`
	// RateHz > 0 makes it a waveform, sampled at this rate (at most 250); only one input of a chip can be one, and then the only one.
	RateHz float64 `yaml:"rate_hz"`
}

// Actuator is one output.
type Actuator struct {
	// Driver: relay (on/off), pwm (dimmed), button (momentary contact).
	Driver string `yaml:"driver"`
	// ID of the entity.
	ID string `yaml:"id"`
	// Name for people.
	Name string `yaml:"name"`
	// Area when it is not the device's.
	Area string `yaml:"area"`
	// Kind of entity: switch, light, fan or (for button) button.
	Kind schema.EntityKind `yaml:"kind"`
	// DeviceClass: outlet, …
	DeviceClass string `yaml:"device_class"`
	// Pin that drives it: a GPIO for relay and button, a PWM output ("pwmchip0/1") for pwm.
	Pin string `yaml:"pin"`
	// ActiveLow: the output is on when the pin is low (most relay boards).
	ActiveLow bool `yaml:"active_low"`
	// Readback names a GPIO wired to a feedback contact; empty = the output itself is read (proof "echo").
	Readback string `yaml:"readback"`
	// ReadbackActiveLow: the contact is closed when the pin is low.
	ReadbackActiveLow bool `yaml:"readback_active_low"`
	// ReadbackWithin is how long the contact may take to follow.
	ReadbackWithin time.Duration `yaml:"readback_within"`
	// SafeState is "off" or "on".
	SafeState string `yaml:"safe_state"`
	// OnBoot: "safe", or "restore" the state it had.
	OnBoot string `yaml:"on_boot"`
	// Lease is how long it may stay out of its safe state without contact to the hub; 0 = for ever.
	Lease time.Duration `yaml:"lease"`
	// MaxOn is the longest time it may be on; 0 = no limit.
	MaxOn time.Duration `yaml:"max_on"`
	// MinCycle is the shortest time between two switchings.
	MinCycle time.Duration `yaml:"min_cycle"`
	// FrequencyHz of a pwm output.
	FrequencyHz float64 `yaml:"frequency_hz"`
	// Pulse is how long a button is held.
	Pulse time.Duration `yaml:"pulse"`
}

// Climate is a thermostat: a temperature sensor and a heater of this device.
type Climate struct {
	// ID of the entity.
	ID string `yaml:"id"`
	// Name for people.
	Name string `yaml:"name"`
	// Area when it is not the device's.
	Area string `yaml:"area"`
	// Sensor is the id of the temperature entity it follows.
	Sensor string `yaml:"sensor"`
	// Heater is the id of the relay it drives; commands to it are then refused.
	Heater string `yaml:"heater"`
	// Target temperature at first start, °C.
	Target float64 `yaml:"target"`
	// Min and Max of the target, °C.
	Min float64 `yaml:"min"`
	Max float64 `yaml:"max"`
	// Hysteresis around the target, K: heats below target−h, stops above target+h.
	Hysteresis float64 `yaml:"hysteresis"`
	// SensorMaxAge is the age of the reading beyond which the heater goes to its safe state.
	SensorMaxAge time.Duration `yaml:"sensor_max_age"`
}

// Default returns the configuration that an empty file means: this machine's own figures, sent to a hub on this machine.
func Default() *Config {
	return &Config{
		Hub:       "http://localhost:8080",
		Outbox:    Outbox{MaxDiskMB: 64, MaxRAMKB: 1024, SpillAfter: time.Minute},
		Heartbeat: 10 * time.Second,
	}
}

// HostSensor is the sensor of an agent that was given none: the machine it runs on.
func HostSensor() Sensor {
	return Sensor{Driver: "host", ID: "host", Interval: 2 * time.Second, Disk: "/"}
}
