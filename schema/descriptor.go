package schema

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
)

// EntityKind is what an entity is, in Home Assistant's words.
type EntityKind string

// The kinds of entities.
const (
	KindSensor       EntityKind = "sensor"
	KindBinarySensor EntityKind = "binary_sensor"
	KindSwitch       EntityKind = "switch"
	KindLight        EntityKind = "light"
	KindClimate      EntityKind = "climate"
	KindCover        EntityKind = "cover"
	KindFan          EntityKind = "fan"
	KindLock         EntityKind = "lock"
	KindNumber       EntityKind = "number"
	KindSelect       EntityKind = "select"
	KindButton       EntityKind = "button"
	KindText         EntityKind = "text"
	KindCamera       EntityKind = "camera"
	KindUpdate       EntityKind = "update"
	KindEvent        EntityKind = "event"
)

// StateClass says how a number behaves over time, in Home Assistant's words.
type StateClass string

// The state classes.
const (
	StateMeasurement      StateClass = "measurement"
	StateMeasurementAngle StateClass = "measurement_angle"
	StateTotal            StateClass = "total"
	StateTotalIncreasing  StateClass = "total_increasing"
)

// Proof says how a device knows that a command took effect.
type Proof string

// The proofs, best first.
const (
	ProofReadback Proof = "readback" // measured independently of the output: a feedback contact, a sensor
	ProofEcho     Proof = "echo"     // the output's own register was read
	ProofNone     Proof = "none"     // nothing could be read; "done" means "was sent to the actuator"
)

// Channels' usual names. The main channel of an entity is "state".
const (
	ChannelState              = "state"
	ChannelBrightness         = "brightness"
	ChannelPercentage         = "percentage"
	ChannelPosition           = "position"
	ChannelCurrentTemperature = "current_temperature"
	ChannelTargetTemperature  = "target_temperature"
	ChannelHVACMode           = "hvac_mode"
	ChannelHVACAction         = "hvac_action"
	ChannelPress              = "press"
)

// Descriptor is what a device says of itself: its birth certificate. The hub keeps the newest.
type Descriptor struct {
	// Name is what the device would like to be called; people may rename it on the hub.
	Name string `json:"name"`
	// Area is where the device would like to be shown; people may move it on the hub.
	Area string `json:"area,omitempty"`
	// Manufacturer of the board, if known.
	Manufacturer string `json:"manufacturer,omitempty"`
	// Model of the board, "Raspberry Pi 4 Model B".
	Model string `json:"model,omitempty"`
	// Software is the agent's name and version.
	Software string `json:"software,omitempty"`
	// Simulated is true for a device that has no hardware.
	Simulated bool `json:"simulated,omitempty"`
	// Entities, at most MaxEntities, ids unique.
	Entities []Entity `json:"entities"`
}

// Entity is one thing on a device that people name: a sensor, a lamp, a thermostat.
type Entity struct {
	// ID is unique on the device: [a-z0-9_]{1,64}.
	ID string `json:"id"`
	// Kind in Home Assistant's words.
	Kind EntityKind `json:"kind"`
	// Name for people, at most MaxName bytes.
	Name string `json:"name"`
	// DeviceClass in Home Assistant's words: "temperature", "humidity", "door".
	DeviceClass string `json:"device_class,omitempty"`
	// Category is "" for what people watch, "diagnostic" or "config" for the rest.
	Category string `json:"entity_category,omitempty"`
	// Area overrides the device's, for a device that serves several rooms.
	Area string `json:"area,omitempty"`
	// Channels, at most MaxChannels, names unique; the first is the main one.
	Channels []Channel `json:"channels"`
	// Safety is what an actuator does on its own; absent for sensors.
	Safety *Safety `json:"safety,omitempty"`
}

// Channel is one property of an entity that has a time series.
type Channel struct {
	// Name is unique in the entity: [a-z0-9_]{1,64}. On the wire a channel is "<entity>.<name>".
	Name string `json:"name"`
	// Type of all its values.
	Type ValueType `json:"type"`
	// Unit of measurement as Home Assistant spells it: "°C", "%", "hPa".
	Unit string `json:"unit,omitempty"`
	// StateClass drives statistics; absent for states.
	StateClass StateClass `json:"state_class,omitempty"`
	// Min is the least value that can be measured or asked for.
	Min *float64 `json:"min,omitempty"`
	// Max is the greatest value that can be measured or asked for.
	Max *float64 `json:"max,omitempty"`
	// Step between values that can be asked for.
	Step *float64 `json:"step,omitempty"`
	// Options are the values a string channel can take.
	Options []string `json:"options,omitempty"`
	// Precision is the number of decimals worth showing.
	Precision *int `json:"precision,omitempty"`
	// IntervalMS is how often a reading is expected, in ms; 0 = no rhythm, a value is good until the next.
	IntervalMS int64 `json:"interval_ms,omitempty"`
	// StepUS marks a waveform and gives its sample step in µs, at least MinStepUS.
	StepUS int64 `json:"step_us,omitempty"`
	// Settable: a set command may name this channel.
	Settable bool `json:"settable,omitempty"`
	// Pulse: a pulse command may name this channel.
	Pulse bool `json:"pulse,omitempty"`
	// Proof is how the device knows that a command took effect.
	Proof Proof `json:"proof,omitempty"`
}

// Safety is what an actuator does without being told: shown as "what happens if the hub dies".
type Safety struct {
	// SafeState is the value per channel name that is safe.
	SafeState map[string]Value `json:"safe_state"`
	// OnBoot is "safe" or "restore".
	OnBoot string `json:"on_boot"`
	// LeaseMS is how long the actuator may act without contact to the hub, in ms; 0 = for ever (a local loop decides).
	LeaseMS int64 `json:"lease_ms,omitempty"`
	// MaxOnMS is the longest time it may be on, in ms; 0 = no limit.
	MaxOnMS int64 `json:"max_on_ms,omitempty"`
	// MinCycleMS is the shortest time between two switchings, in ms.
	MinCycleMS int64 `json:"min_cycle_ms,omitempty"`
	// SensorMaxAgeMS is the age of the sensor reading, in ms, beyond which a control loop goes to the safe state; 0 = no sensor.
	SensorMaxAgeMS int64 `json:"sensor_max_age_ms,omitempty"`
}

// Hash returns the descriptor's fingerprint: 32 hex digits of SHA-256 over its JSON.
func (d *Descriptor) Hash() string {
	b, err := json.Marshal(d)
	if err != nil { // only finite numbers and strings: cannot happen
		return ""
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:16])
}

// Channel finds a channel by its wire id "<entity>.<channel>"; nil, nil when there is none.
func (d *Descriptor) Channel(id string) (*Entity, *Channel) {
	entity, name, ok := strings.Cut(id, ".")
	if !ok {
		return nil, nil
	}
	for i := range d.Entities {
		if d.Entities[i].ID != entity {
			continue
		}
		for j := range d.Entities[i].Channels {
			if d.Entities[i].Channels[j].Name == name {
				return &d.Entities[i], &d.Entities[i].Channels[j]
			}
		}
	}
	return nil, nil
}

// Validate checks ids, kinds, types, counts and bounds; the error says which entity is wrong.
func (d *Descriptor) Validate() error {
	if len(d.Name) > MaxName || len(d.Area) > MaxName {
		return fmt.Errorf("device name or area is over %d bytes", MaxName)
	}
	if len(d.Entities) > MaxEntities {
		return fmt.Errorf("%d entities, at most %d", len(d.Entities), MaxEntities)
	}
	seen := make(map[string]bool, len(d.Entities))
	for i := range d.Entities {
		e := &d.Entities[i]
		if seen[e.ID] {
			return fmt.Errorf("entity %q is described twice", e.ID)
		}
		seen[e.ID] = true
		if err := e.validate(); err != nil {
			return fmt.Errorf("entity %q: %w", clip([]byte(e.ID)), err)
		}
	}
	return nil
}

func (e *Entity) validate() error {
	switch {
	case !ValidID(e.ID):
		return fmt.Errorf("id must be 1 to 64 of a-z, 0-9 and _")
	case !e.Kind.valid():
		return fmt.Errorf("unknown kind %q", clip([]byte(e.Kind)))
	case len(e.Name) > MaxName || len(e.DeviceClass) > MaxName || len(e.Area) > MaxName:
		return fmt.Errorf("a name is over %d bytes", MaxName)
	case len(e.Channels) == 0 || len(e.Channels) > MaxChannels:
		return fmt.Errorf("%d channels, must be 1 to %d", len(e.Channels), MaxChannels)
	}
	seen := make(map[string]bool, len(e.Channels))
	for i := range e.Channels {
		c := &e.Channels[i]
		if seen[c.Name] {
			return fmt.Errorf("channel %q is described twice", c.Name)
		}
		seen[c.Name] = true
		if err := c.validate(); err != nil {
			return fmt.Errorf("channel %q: %w", clip([]byte(c.Name)), err)
		}
	}
	return nil
}

func (c *Channel) validate() error {
	switch {
	case !ValidID(c.Name):
		return fmt.Errorf("name must be 1 to 64 of a-z, 0-9 and _")
	case c.Type != TypeNumber && c.Type != TypeBool && c.Type != TypeString:
		return fmt.Errorf("unknown type %q", clip([]byte(c.Type)))
	case c.StepUS != 0 && (c.StepUS < MinStepUS || c.StepUS > MaxStepUS):
		return fmt.Errorf("step_us %d is not within %d to %d", c.StepUS, MinStepUS, MaxStepUS)
	case c.StepUS != 0 && c.Type != TypeNumber:
		return fmt.Errorf("a waveform must be of numbers")
	case c.IntervalMS < 0:
		return fmt.Errorf("interval_ms is negative")
	case c.Min != nil && c.Max != nil && *c.Min > *c.Max:
		return fmt.Errorf("min is over max")
	case len(c.Unit) > 32 || len(c.Options) > 256:
		return fmt.Errorf("unit or options too long")
	}
	return nil
}

func (k EntityKind) valid() bool {
	switch k {
	case KindSensor, KindBinarySensor, KindSwitch, KindLight, KindClimate, KindCover, KindFan, KindLock, KindNumber,
		KindSelect, KindButton, KindText, KindCamera, KindUpdate, KindEvent:
		return true
	}
	return false
}

// Accepts checks a value that a command asks of this channel: its type, bounds and options. The error is for people.
func (c *Channel) Accepts(v Value) error {
	if v.Type() != c.Type {
		return fmt.Errorf("%s wants a %s, not %s", c.Name, c.Type, v)
	}
	if f, ok := v.Float(); ok && c.Type == TypeNumber {
		if c.Min != nil && f < *c.Min || c.Max != nil && f > *c.Max {
			return fmt.Errorf("%s %s is out of range %s", c.Name, v, c.bounds())
		}
	}
	if c.Type == TypeString && len(c.Options) > 0 {
		for _, o := range c.Options {
			if o == v.Str() {
				return nil
			}
		}
		return fmt.Errorf("%s cannot be %s; it can be one of %s", c.Name, v, strings.Join(c.Options, ", "))
	}
	return nil
}

func (c *Channel) bounds() string {
	lo, hi := "−∞", "∞"
	if c.Min != nil {
		lo = Number(*c.Min).String()
	}
	if c.Max != nil {
		hi = Number(*c.Max).String()
	}
	return lo + " to " + hi + " " + c.Unit
}

// ValidID reports whether s can be an entity's id or a channel's name: 1 to 64 of a-z, 0-9 and _.
func ValidID(s string) bool { return validName(s, '_', 64) }

// ValidDevice reports whether s can be a device's id: 1 to 63 of a-z, 0-9 and -, not starting with -.
func ValidDevice(s string) bool { return validName(s, '-', 63) && s[0] != '-' }

func validName(s string, extra byte, most int) bool {
	if s == "" || len(s) > most {
		return false
	}
	for i := range len(s) {
		c := s[i]
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != extra {
			return false
		}
	}
	return true
}
