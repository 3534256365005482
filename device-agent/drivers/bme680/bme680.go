// Package bme680 reads Bosch's BME680 and BME688 over I2C: temperature, pressure, humidity, and the resistance of their heated gas layer in Ω.
//
// The resistance is raw: it falls with volatile compounds in the air and drifts with age and humidity. No index of air quality is made of it; Bosch's is
// proprietary, and any other would be a guess. It is only given when the chip says that it is valid and that the heater was hot. The chip is set
// up anew for every forced measurement, so a loss of power costs nothing; identity and calibration are read again after every fault.
package bme680

import (
	"context"
	"time"

	"github.com/telltale-iot/telltale/device-agent/config"
	"github.com/telltale-iot/telltale/device-agent/device"
	"github.com/telltale-iot/telltale/device-agent/drivers/i2cdev"
	"github.com/telltale-iot/telltale/schema"
	"periph.io/x/conn/v3/i2c"
)

// Registers and settings. Source: Bosch BST-BME680-DS001, sections 3.2 and 5.
const (
	regID       = 0xD0
	idBME680    = 0x61
	regVariant  = 0xF0 // 0 = BME680, 1 = BME688
	regHumidity = 0x72
	regMeasure  = 0x74
	regHeat     = 0x5A
	regWait     = 0x64
	regGas      = 0x71
	regField    = 0x1D
	fieldBytes  = 17
	newData     = 0x80

	humidityOnce = 0x01
	forced       = 2<<5 | 3<<2 | 1 // temperature twice, pressure four times, then sleep
	hotFor       = 0x59            // 100 ms, the example of section 3.2.1
	hotAt        = 320             // °C
	gasValid     = 0x20
	heatStable   = 0x10

	// measureTime is above the longest measurement: seven conversions of 2 ms, the switching between them and 100 ms of heat.
	measureTime = 150 * time.Millisecond
	again       = 20 * time.Millisecond
	looks       = 5
)

// Sensor implements device.Sensor.
type Sensor struct {
	chip                          i2cdev.Chip
	cfg                           config.Sensor
	temp, pressure, humidity, gas device.Quantity
	calib                         *calibration // nil = to be read
	ambient                       float64      // °C, for the heater
}

// Open prepares the sensor on a bus.
func Open(bus i2c.Bus, c config.Sensor) *Sensor {
	return &Sensor{chip: i2cdev.New(bus, c), cfg: c, ambient: 25,
		temp:     c.Quantity("temperature", "temperature", "°C", -40, 85, 1),
		pressure: c.Quantity("pressure", "atmospheric_pressure", "hPa", 300, 1100, 1),
		humidity: c.Quantity("humidity", "humidity", "%", 0, 100, 0),
		gas:      c.Quantity("gas_resistance", "", "Ω", 100, 2e7, 0),
	}
}

// Describe implements device.Sensor.
func (s *Sensor) Describe() []schema.Entity {
	every := s.cfg.Interval
	return []schema.Entity{s.temp.Entity(every), s.pressure.Entity(every), s.humidity.Entity(every), s.gas.Entity(every)}
}

// Sense implements device.Sensor: one forced measurement, 150 ms.
func (s *Sensor) Sense(ctx context.Context) ([]device.Reading, error) {
	out, err := s.measure(ctx)
	if err != nil {
		s.calib = nil
	}
	return out, err
}

func (s *Sensor) measure(ctx context.Context) ([]device.Reading, error) {
	if s.calib == nil {
		if err := s.setUp(); err != nil {
			return nil, err
		}
	}
	for _, set := range [][2]byte{{regHumidity, humidityOnce}, {regHeat, s.calib.heater(hotAt, s.ambient)}, {regWait, hotFor}, {regGas, s.calib.runGas},
		{regMeasure, forced}} {
		if err := s.chip.Set(set[0], set[1]); err != nil {
			return nil, err
		}
	}
	if err := i2cdev.Wait(ctx, measureTime); err != nil {
		return nil, err
	}
	f, err := s.field(ctx)
	if err != nil {
		return nil, err
	}
	fine := s.calib.fine(float64(uint32(f[5])<<12 | uint32(f[6])<<4 | uint32(f[7])>>4))
	t := fine / 5120
	p := s.calib.pascal(float64(uint32(f[2])<<12|uint32(f[3])<<4|uint32(f[4])>>4), fine)
	h := s.calib.percent(float64(uint16(f[8])<<8|uint16(f[9])), t)
	if h > -5 && h < 105 { // the formula overshoots a little in dry and saturated air
		h = min(max(h, 0), 100)
	}
	s.ambient = min(max(t, -40), 85)
	out := []device.Reading{s.temp.Reading(t), s.pressure.Reading(p / 100), s.humidity.Reading(h)}
	return append(out, s.resistance(f)), nil
}

// field reads the result once it is new.
func (s *Sensor) field(ctx context.Context) ([]byte, error) {
	for range looks {
		f, err := s.chip.Get(regField, fieldBytes)
		if err != nil || f[0]&newData != 0 {
			return f, err
		}
		if err := i2cdev.Wait(ctx, again); err != nil {
			return nil, err
		}
	}
	return nil, s.chip.Errorf("has measured nothing after %s", measureTime+looks*again)
}

func (s *Sensor) resistance(f []byte) device.Reading {
	raw := f[13:15]
	if s.calib.bme688 {
		raw = f[15:17]
	}
	if raw[1]&gasValid == 0 || raw[1]&heatStable == 0 {
		return s.gas.Missing(schema.QualityFault)
	}
	return s.gas.Reading(s.calib.ohms(uint16(raw[0])<<2|uint16(raw[1])>>6, raw[1]&15))
}

func (s *Sensor) setUp() error {
	if err := s.chip.Identify(regID, idBME680); err != nil {
		return err
	}
	variant, err := s.chip.Get(regVariant, 1)
	if err != nil {
		return err
	}
	low, err := s.chip.Get(0x8A, 23)
	if err != nil {
		return err
	}
	high, err := s.chip.Get(0xE1, 14)
	if err != nil {
		return err
	}
	heat, err := s.chip.Get(0x00, 5)
	if err != nil {
		return err
	}
	s.calib = newCalibration(low, high, heat, variant[0] == 1)
	return nil
}

// Close implements device.Sensor: in forced mode the chip sleeps, and its heater is off, between measurements.
func (s *Sensor) Close() error { return nil }
