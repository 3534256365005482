// Package device is the contract between the agent, its drivers and the machine they run on.
//
// A driver implements [Sensor], [WaveSensor] or [Actuator] on top of what a [Host] gives it: I2C buses and pins in periph's
// interfaces, PWM outputs and a file system. The real machine is device-agent/host; a modelled one lives in firmware-sim, so that
// the same drivers run on both. The agent guarantees that it calls the methods of one Sensor or one Actuator from one goroutine at a
// time; a driver may block on its bus for as long as the bus does, the agent gives up waiting and marks the channels as faulty.
//
// Start reading at [Sensor].
package device

import (
	"context"
	"io"
	"io/fs"
	"time"

	"github.com/telltale-iot/telltale/schema"
	"periph.io/x/conn/v3/gpio"
	"periph.io/x/conn/v3/i2c"
)

// Measurement is the value of one channel of an entity that the caller names.
type Measurement struct {
	// Channel is the channel's name in its entity: "state", "target_temperature".
	Channel string
	// Value in the channel's unit; null only with a quality other than ok.
	Value schema.Value
	// Quality of the value; empty means ok.
	Quality schema.Quality
}

// Reading is the value of one channel of one entity.
type Reading struct {
	// Entity is the entity's id on this device.
	Entity string
	Measurement
}

// Sensor is one physical or logical sensor. It feeds one entity or several.
type Sensor interface {
	// Describe returns the entities it feeds, with the ids that the configuration gave them. It does not change.
	Describe() []schema.Entity
	// Sense does one round of readings. An error is a fault of all its channels; a channel that alone is wrong is a reading
	// with a quality. Values are never NaN: schema.Number turns them into null.
	Sense(ctx context.Context) ([]Reading, error)
	// Close puts the chip to rest. The bus is not the driver's to close.
	Close() error
}

// Block is a run of evenly spaced samples of one waveform channel.
type Block struct {
	// Entity and Channel name the waveform.
	Entity, Channel string
	// Step between samples, at least schema.MinStepUS.
	Step time.Duration
	// Values in the channel's unit, oldest first; the last one was measured when SenseWave returned.
	Values []float64
	// Lost is how many samples were missed just before this block (a chip's queue ran over); 0 = it follows the last one.
	Lost int
}

// WaveSensor is a sensor that also measures a waveform: a pulse, a vibration.
type WaveSensor interface {
	Sensor
	// SenseWave returns the next block of each of its waveforms. It blocks as long as a block takes (100 ms to 1 s), then
	// returns at once if ctx ends. The agent calls it again and again from its own goroutine; Sense is not called meanwhile.
	SenseWave(ctx context.Context) ([]Block, error)
}

// Actuator is one thing that acts: a relay, a dimmed light, a momentary contact.
type Actuator interface {
	// Describe returns its entities, each with its Safety.
	Describe() []schema.Entity
	// Apply drives one channel, "<channel>" of its only entity. The value was checked against the channel's type and bounds.
	// For a pulse channel it returns when the pulse is over.
	Apply(ctx context.Context, channel string, v schema.Value) error
	// Read returns the state of all its channels as far as the wiring can tell: from a feedback contact where there is one
	// (schema.ProofReadback), otherwise from the output itself (schema.ProofEcho).
	Read(ctx context.Context) ([]Measurement, error)
	// Safe drives it to its declared safe state now. It must not depend on anything but the output itself.
	Safe() error
	// Close leaves the output as it is and gives the pins back.
	Close() error
}

// Level reads a line. periph's Read cannot fail, and a line that cannot be read must not be told as low: a pin with a method of this name is
// asked through it.
func Level(p gpio.PinIn) (gpio.Level, error) {
	if careful, ok := p.(interface{ Level() (gpio.Level, error) }); ok {
		return careful.Level()
	}
	return p.Read(), nil
}

// EdgeWatcher is an ability of some pins: to tell every change of a line as it happens.
type EdgeWatcher interface {
	// WatchEdges makes the pin an input and calls seen for each edge, in order, from a goroutine of its own. at is when it happened, on a clock that only goes
	// forward. stop ends it; the line stays an input.
	WatchEdges(pull gpio.Pull, seen func(high bool, at time.Duration)) (stop func() error, err error)
}

// PWM is one pulse-width output.
type PWM interface {
	// Set drives the output; duty is 0 to 1.
	Set(duty float64) error
	// Duty returns what the output's registers say.
	Duty() (float64, error)
	// Close leaves the output as it is.
	Close() error
}

// Host is the machine a driver runs on.
type Host interface {
	// I2C opens a bus: "" is the machine's first, "1" or "/dev/i2c-1" a certain one. Opened twice it is the same bus.
	I2C(bus string) (i2c.BusCloser, error)
	// Pin returns a GPIO line by name ("GPIO17") or chip and offset ("gpiochip0/17"). The first Out must drive the given level
	// without a glitch, and Read on an output must not change its direction. Halt gives the line back and leaves its level.
	Pin(name string) (gpio.PinIO, error)
	// PWM opens a pulse-width output: "pwmchip0/1". frequencyHz is its frequency.
	PWM(name string, frequencyHz float64) (PWM, error)
	// FS is the root of the machine's file system: "sys/bus/w1/devices", "proc/stat".
	FS() fs.FS
}

// DiskMeter is an ability of some hosts: to say how full a file system is.
type DiskMeter interface {
	// DiskUsage returns used and total bytes of the file system that holds path ("/").
	DiskUsage(path string) (used, total uint64, err error)
}

// SerialHost is an ability of some hosts: to open serial lines.
type SerialHost interface {
	// Serial opens a line, "/dev/serial0" or "ttyUSB0": raw, 8 bits, no parity, one stop bit.
	Serial(name string, baud int) (Serial, error)
}

// Serial is one serial line.
type Serial interface {
	io.WriteCloser
	// ReadWithin reads what there is, waiting for it at most d; 0 and nil = nothing came.
	ReadWithin(p []byte, d time.Duration) (int, error)
	// Flush forgets what came and was not read.
	Flush() error
}

// BusLister is an ability of some hosts: to name their I2C buses.
type BusLister interface {
	// I2CBuses returns the names of all buses as I2C takes them, the first one first.
	I2CBuses() []string
}

// Clock tells the time. The wall clock may lie: a Raspberry Pi has none of its own.
type Clock interface {
	// Now is the wall clock.
	Now() time.Time
	// Mono is the time since the machine booted, suspend included; never goes back. All deadlines use it.
	Mono() time.Duration
	// Synced reports whether the wall clock was set by a time server.
	Synced() bool
	// BootID names this boot of the machine; it changes when Mono starts again.
	BootID() string
}
