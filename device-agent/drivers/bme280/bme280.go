// Package bme280 reads Bosch's BME280 (temperature, humidity, pressure) and BMP280 (without humidity) over I2C.
//
// The arithmetic is periph's bmxx80; this package adds what an agent needs around it: it starts without the chip and finds it later,
// sets it up again after every fault and every loss of power (the chip forgets its mode and would give a humidity that it never measured), checks the chip's identity and marks impossible
// values. It refuses to guess: a chip with another identity is an error that names it.
package bme280

import (
	"context"
	"fmt"

	"github.com/telltale-iot/telltale/device-agent/config"
	"github.com/telltale-iot/telltale/device-agent/device"
	"github.com/telltale-iot/telltale/schema"
	"periph.io/x/conn/v3/i2c"
	"periph.io/x/conn/v3/physic"
	"periph.io/x/devices/v3/bmxx80"
)

// Identities in register 0xD0. Source: Bosch BST-BME280-DS002 rev. 1.6 section 5.4.1, BST-BMP280-DS001 rev. 1.14 section 4.3.1.
const (
	idRegister = 0xD0
	ctrlHum    = 0xF2 // section 5.4.3: oversampling of humidity, 0 = skipped, which is what it is after power-on
	idBME280   = 0x60
	idBMP280   = 0x58
)

// Sensor implements device.Sensor.
type Sensor struct {
	bus      i2c.Bus
	addr     uint16
	chip     string
	cfg      config.Sensor
	dev      *bmxx80.Dev
	temp     device.Quantity
	pressure device.Quantity
	humidity device.Quantity
}

// Open prepares the sensor on a bus; the chip is set up at the first Sense.
func Open(bus i2c.Bus, c config.Sensor) *Sensor {
	return &Sensor{bus: bus, addr: c.Address, chip: c.Driver, cfg: c,
		// Operating ranges: BST-BME280-DS002 rev. 1.6 tables 1 to 3.
		temp:     c.Quantity("temperature", "temperature", "°C", -40, 85, 1),
		pressure: c.Quantity("pressure", "atmospheric_pressure", "hPa", 300, 1100, 1),
		humidity: c.Quantity("humidity", "humidity", "%", 0, 100, 0),
	}
}

// Describe implements device.Sensor.
func (s *Sensor) Describe() []schema.Entity {
	every := s.cfg.Interval
	all := []schema.Entity{s.temp.Entity(every), s.pressure.Entity(every)}
	if s.chip == "bme280" {
		all = append(all, s.humidity.Entity(every))
	}
	return all
}

// Sense implements device.Sensor: one forced measurement.
func (s *Sensor) Sense(context.Context) ([]device.Reading, error) {
	if s.dev != nil && s.chip == "bme280" {
		hum := []byte{0}
		if err := s.bus.Tx(s.addr, []byte{ctrlHum}, hum); err != nil || hum[0]&7 == 0 {
			s.dev = nil
		}
	}
	if s.dev == nil {
		if err := s.setUp(); err != nil {
			return nil, err
		}
	}
	var env physic.Env
	if err := s.dev.Sense(&env); err != nil {
		s.dev = nil // set it up again: it may have lost power
		return nil, fmt.Errorf("%s at 0x%02x: %w", s.chip, s.addr, err)
	}
	out := []device.Reading{
		s.temp.Reading(env.Temperature.Celsius()),
		s.pressure.Reading(float64(env.Pressure) / float64(100*physic.Pascal)),
	}
	if s.chip == "bme280" {
		out = append(out, s.humidity.Reading(float64(env.Humidity)/float64(physic.PercentRH)))
	}
	return out, nil
}

// Close implements device.Sensor. In forced mode the chip sleeps between measurements: there is nothing to stop.
func (s *Sensor) Close() error { return nil }

func (s *Sensor) setUp() error {
	id := []byte{0}
	if err := s.bus.Tx(s.addr, []byte{idRegister}, id); err != nil {
		return fmt.Errorf("%s at 0x%02x does not answer: %w", s.chip, s.addr, err)
	}
	want := map[string]byte{"bme280": idBME280, "bmp280": idBMP280}[s.chip]
	if id[0] != want {
		return fmt.Errorf("the chip at 0x%02x says it is 0x%02x, a %s says 0x%02x", s.addr, id[0], s.chip, want)
	}
	opts := bmxx80.DefaultOpts
	if s.chip == "bmp280" {
		opts.Humidity = bmxx80.Off
	}
	dev, err := bmxx80.NewI2C(s.bus, s.addr, &opts)
	if err != nil {
		return fmt.Errorf("set up %s at 0x%02x: %w", s.chip, s.addr, err)
	}
	s.dev = dev
	return nil
}
