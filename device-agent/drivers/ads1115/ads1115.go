// Package ads1115 reads TI's ADS1115, a 16-bit ADC with four inputs, over I2C: slow inputs (soil moisture, a current clamp) one
// conversion at a time through periph's ads1x15, or one input as a waveform (a pulse sensor at 125 Hz) in continuous mode.
//
// Each input has a scale to its own unit. It guarantees that a waveform's samples are taken on an even grid: a late sample is repeated
// or counted as lost, never squeezed in. It refuses values that the configured bounds exclude: quality "range".
package ads1115

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/telltale-iot/telltale/device-agent/config"
	"github.com/telltale-iot/telltale/device-agent/device"
	"github.com/telltale-iot/telltale/schema"
	"periph.io/x/conn/v3/i2c"
	"periph.io/x/conn/v3/physic"
	"periph.io/x/devices/v3/ads1x15"
)

// Registers and bits. Source: TI SBAS444E, tables 8-1 to 8-3.
const (
	regConversion  = 0x00
	regConfig      = 0x01
	continuous     = 0x0000 // MODE = 0
	compDisabled   = 0x0003
	muxShift       = 12
	osBit          = 0x8000 // reads as the state of a conversion
	wakeUpSettling = 25 * time.Millisecond
)

// blockTime is how much of a waveform one SenseWave returns.
const blockTime = 200 * time.Millisecond

// Sensor implements device.WaveSensor.
type Sensor struct {
	bus    i2c.Bus
	cfg    config.Sensor
	inputs []input
	wave   *input        // the only input, when it is a waveform
	next   time.Time     // when the next sample of the waveform is due
	step   time.Duration // between its samples
	dev    *ads1x15.Dev
	opened bool
}

type input struct {
	cfg      config.Input
	q        device.Quantity
	channel  ads1x15.Channel
	pin      ads1x15.PinADC
	perCount float64 // V per count in continuous mode
	pga      uint16
}

// Open prepares the ADC on a bus. Errors: an input that the chip does not have.
func Open(bus i2c.Bus, c config.Sensor) (*Sensor, error) {
	s := &Sensor{bus: bus, cfg: c, inputs: make([]input, len(c.Inputs))}
	for i, in := range c.Inputs {
		ch, ok := channels(in.Pin)
		if !ok {
			return nil, fmt.Errorf("an ads1115 has no input %q", in.Pin)
		}
		unit := in.Unit
		if unit == "" {
			unit = "V"
		}
		s.inputs[i] = input{cfg: in, channel: ch, q: device.Quantity{ID: in.ID, Name: in.Name, Area: c.Area, Class: in.DeviceClass,
			Unit: unit, Scale: in.Scale, Offset: in.Offset, Decimals: 2}}
		s.inputs[i].pga, s.inputs[i].perCount = gain(in.MaxVolts)
		if in.RateHz > 0 {
			s.wave, s.step = &s.inputs[i], config.Every(in.RateHz)
		}
	}
	return s, nil
}

// Waves reports whether the sensor is a waveform; then SenseWave is used, otherwise Sense.
func (s *Sensor) Waves() bool { return s.wave != nil }

// Describe implements device.Sensor.
func (s *Sensor) Describe() []schema.Entity {
	out := make([]schema.Entity, 0, len(s.inputs))
	for i := range s.inputs {
		in := &s.inputs[i]
		e := in.q.Entity(s.cfg.Interval)
		ch := &e.Channels[0]
		ch.Min, ch.Max = in.cfg.Min, in.cfg.Max
		if in == s.wave {
			ch.StepUS, ch.IntervalMS = s.step.Microseconds(), blockTime.Milliseconds()
		}
		out = append(out, e)
	}
	return out
}

// Sense implements device.Sensor: one conversion per input. An input that fails is a fault of its own.
func (s *Sensor) Sense(context.Context) ([]device.Reading, error) {
	if err := s.setUp(); err != nil {
		return nil, err
	}
	out := make([]device.Reading, 0, len(s.inputs))
	var firstErr error
	for i := range s.inputs {
		in := &s.inputs[i]
		sample, err := in.pin.Read()
		if err != nil {
			if firstErr == nil {
				firstErr = fmt.Errorf("ads1115 at 0x%02x, input %s: %w", s.cfg.Address, in.cfg.Pin, err)
			}
			out = append(out, in.q.Missing(schema.QualityFault))
			continue
		}
		out = append(out, in.reading(float64(sample.V)/float64(physic.Volt)))
	}
	if firstErr != nil && len(out) == 1 {
		return nil, firstErr
	}
	return out, nil
}

func (in *input) reading(volts float64) device.Reading {
	r := in.q.Reading(volts)
	if f, ok := r.Value.Float(); ok && !in.within(f) {
		return in.q.Missing(schema.QualityRange)
	}
	return r
}

func (in *input) within(f float64) bool {
	return (in.cfg.Min == nil || f >= *in.cfg.Min) && (in.cfg.Max == nil || f <= *in.cfg.Max)
}

func (s *Sensor) setUp() error {
	if s.opened {
		return nil
	}
	dev, err := ads1x15.NewADS1115(s.bus, &ads1x15.Opts{I2cAddress: s.cfg.Address})
	if err != nil {
		return err
	}
	for i := range s.inputs {
		in := &s.inputs[i]
		full := physic.ElectricPotential(in.cfg.MaxVolts * float64(physic.Volt))
		if in.pin, err = dev.PinForChannel(in.channel, full, 64*physic.Hertz, ads1x15.BestQuality); err != nil {
			return fmt.Errorf("ads1115 input %s: %w", in.cfg.Pin, err)
		}
	}
	s.dev, s.opened = dev, true
	return nil
}

// SenseWave implements device.WaveSensor: it reads the conversion register on an even grid.
func (s *Sensor) SenseWave(ctx context.Context) ([]device.Block, error) {
	lost := 0
	if !s.opened {
		if err := s.startWave(); err != nil {
			return nil, err
		}
		timer(ctx, wakeUpSettling)
		s.next = time.Now()
		s.opened = true
	} else if behind := time.Since(s.next); behind > blockTime {
		lost = int(behind / s.step)
		s.next = s.next.Add(time.Duration(lost) * s.step)
	}
	raw := make([]byte, 2)
	if err := s.bus.Tx(s.cfg.Address, []byte{regConfig}, raw); err != nil || binary.BigEndian.Uint16(raw)&^osBit != s.waveConfig() {
		s.opened = false
		return nil, errors.Join(fmt.Errorf("ads1115 at 0x%02x no longer samples: did it lose power?", s.cfg.Address), err)
	}
	n := max(int(blockTime/s.step), 1)
	b := device.Block{Entity: s.wave.q.ID, Channel: schema.ChannelState, Step: s.step, Values: make([]float64, 0, n), Lost: lost}
	for range n {
		if !timer(ctx, time.Until(s.next)) {
			break
		}
		s.next = s.next.Add(s.step)
		if err := s.bus.Tx(s.cfg.Address, []byte{regConversion}, raw); err != nil {
			s.opened = false
			return nil, fmt.Errorf("ads1115 at 0x%02x: %w", s.cfg.Address, err)
		}
		counts := int16(binary.BigEndian.Uint16(raw))
		b.Values = append(b.Values, float64(counts)*s.wave.perCount*s.wave.cfg.Scale+s.wave.cfg.Offset)
	}
	return []device.Block{b}, nil
}

// waveConfig is the config register while a waveform is sampled.
func (s *Sensor) waveConfig() uint16 {
	const rate250 = 0x00A0 // the next rate above 128 SPS, so that each read finds a new conversion up to 250 Hz
	return continuous | compDisabled | rate250 | uint16(s.wave.channel)<<muxShift | s.wave.pga
}

func (s *Sensor) startWave() error {
	word := s.waveConfig()
	if err := s.bus.Tx(s.cfg.Address, []byte{regConfig, byte(word >> 8), byte(word)}, nil); err != nil {
		return fmt.Errorf("start ads1115 at 0x%02x: %w", s.cfg.Address, err)
	}
	return nil
}

// Close implements device.Sensor. The chip goes on converting in waveform mode: stop it.
func (s *Sensor) Close() error {
	if s.wave == nil || !s.opened {
		return nil
	}
	const single = 0x0100 | compDisabled // MODE = 1: power-down
	return s.bus.Tx(s.cfg.Address, []byte{regConfig, byte(single >> 8), byte(single & 0xFF)}, nil)
}

// timer waits and reports whether the wait ended before the context did.
func timer(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

func channels(pin string) (ads1x15.Channel, bool) {
	ch, ok := map[string]ads1x15.Channel{"A0": ads1x15.Channel0, "A1": ads1x15.Channel1, "A2": ads1x15.Channel2, "A3": ads1x15.Channel3,
		"A0-A1": ads1x15.Channel0Minus1, "A0-A3": ads1x15.Channel0Minus3, "A1-A3": ads1x15.Channel1Minus3,
		"A2-A3": ads1x15.Channel2Minus3}[pin]
	return ch, ok
}

// gain returns the PGA bits and the volts per count of the smallest range that holds maxVolts. Source: TI SBAS444E table 8-3.
func gain(maxVolts float64) (bits uint16, perCount float64) {
	ranges := []struct {
		full float64
		bits uint16
	}{{0.256, 0x0A00}, {0.512, 0x0800}, {1.024, 0x0600}, {2.048, 0x0400}, {4.096, 0x0200}}
	for _, r := range ranges {
		if maxVolts <= r.full {
			return r.bits, r.full / 32768
		}
	}
	return 0x0000, 6.144 / 32768
}
