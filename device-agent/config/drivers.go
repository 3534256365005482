package config

import (
	"slices"
	"strconv"
	"strings"
	"time"
)

// The drivers, for messages.
const (
	// SensorDrivers lists what Sensor.Driver can be.
	SensorDrivers = "bme280, bmp280, ads1115, adxl345, bh1750, scd4x, sht3x, sht4x, aht20, mcp9808, tmp102, ina219, bmp388, tsl2591, bme680, pms5003, sds011, mhz19, mpu6050, ds18b20, hx711, contact, pulse, host"
	// ActuatorDrivers lists what Actuator.Driver can be.
	ActuatorDrivers = "relay, pwm, button"
)

// Addresses lists where a chip can be on an I2C bus, its usual address first; nil for what is not on one. Sources: the data sheets named in the drivers.
func Addresses(driver string) []uint16 {
	switch driver {
	case "bme280", "bmp280":
		return []uint16{0x76, 0x77}
	case "ads1115":
		return []uint16{0x48, 0x49, 0x4a, 0x4b}
	case "adxl345":
		return []uint16{0x53, 0x1d}
	case "bh1750":
		return []uint16{0x23, 0x5c}
	case "scd4x":
		return []uint16{0x62}
	case "sht3x":
		return []uint16{0x44, 0x45}
	case "sht4x":
		return []uint16{0x44, 0x45, 0x46}
	case "aht20":
		return []uint16{0x38}
	case "mcp9808":
		return []uint16{0x18, 0x19, 0x1a, 0x1b, 0x1c, 0x1d, 0x1e, 0x1f}
	case "tmp102":
		return []uint16{0x48, 0x49, 0x4a, 0x4b}
	case "ina219":
		return []uint16{0x40, 0x41, 0x42, 0x43, 0x44, 0x45, 0x46, 0x47, 0x48, 0x49, 0x4a, 0x4b, 0x4c, 0x4d, 0x4e, 0x4f}
	case "bmp388":
		return []uint16{0x77, 0x76}
	case "tsl2591":
		return []uint16{0x29}
	case "bme680":
		return []uint16{0x77, 0x76}
	case "mpu6050":
		return []uint16{0x68, 0x69}
	}
	return nil
}

// validateDriver checks what each driver needs, and fills in its usual address.
func (s *Sensor) validateDriver(path string) error {
	if list := Addresses(s.Driver); list != nil {
		if s.Address == 0 {
			s.Address = list[0]
		}
		if !slices.Contains(list, s.Address) {
			return wrong(path+".address", "a %s cannot be at 0x%02x; it can be at %s", s.Driver, s.Address, hexList(list))
		}
	}
	switch s.Driver {
	case "scd4x":
		if s.Interval < 5*time.Second {
			return wrong(path+".interval", "a scd4x measures every 5s, not faster")
		}
	case "pms5003", "sds011", "mhz19":
		if s.Port == "" {
			s.Port = "/dev/serial0"
		}
	case "bme680":
		if s.Interval < 3*time.Second {
			return wrong(path+".interval", "a bme680 is read every 3s at most: its heater warms what it measures")
		}
	case "ina219":
		if s.ShuntOhms == 0 {
			s.ShuntOhms = 0.1
		}
		if !(s.ShuntOhms >= 1e-5 && s.ShuntOhms <= 100) {
			return wrong(path+".shunt_ohms", "must be 0.00001 to 100, not %g", s.ShuntOhms)
		}
	case "adxl345":
		return s.validateRate(path)
	case "contact":
		return s.validateContact(path)
	case "hx711":
		if s.Pin == "" || s.ClockPin == "" || s.Pin == s.ClockPin {
			return wrong(path, "an hx711 needs two pins: pin (its data, DT) and clock_pin (SCK)")
		}
	case "pulse":
		return s.validatePulse(path)
	case "host":
		if s.Disk == "" {
			s.Disk = "/"
		}
		if !strings.HasPrefix(s.Disk, "/") {
			return wrong(path+".disk", "must be a mount point such as /, not %q", s.Disk)
		}
	case "":
		return wrong(path, "a sensor needs a driver: %s", SensorDrivers)
	default:
		if !slices.Contains(strings.Split(SensorDrivers, ", "), s.Driver) {
			return wrong(path+".driver", "there is no driver %q; there are %s", s.Driver, SensorDrivers)
		}
	}
	return nil
}

func (s *Sensor) validateRate(path string) error {
	if s.RateHz == 0 {
		s.RateHz = 400
	}
	if !slices.Contains([]float64{25, 50, 100, 200, 400, 800}, s.RateHz) {
		return wrong(path+".rate_hz", "an adxl345 samples at 25, 50, 100, 200, 400 or 800 Hz, not %g", s.RateHz)
	}
	return nil
}

func (s *Sensor) validatePulse(path string) error {
	if s.PerUnit == 0 {
		s.PerUnit = 1
	}
	if s.Debounce == 0 {
		s.Debounce = 5 * time.Millisecond
	}
	switch {
	case !(s.PerUnit > 0 && s.PerUnit <= 1e9):
		return wrong(path+".per_unit", "must be over 0 and at most 1000000000, not %g", s.PerUnit)
	case s.Debounce < 0 || s.Debounce > time.Second:
		return wrong(path+".debounce", "must be 0 to 1s")
	}
	return s.validateContact(path)
}

func (s *Sensor) validateContact(path string) error {
	if s.Pin == "" {
		return wrong(path, "a %s needs a pin, such as GPIO17", s.Driver)
	}
	if !slices.Contains([]string{"", "up", "down", "none"}, s.Pull) {
		return wrong(path+".pull", "must be up, down or none, not %q", s.Pull)
	}
	return nil
}

func hexList(list []uint16) string {
	out := make([]string, len(list))
	for i, a := range list {
		out[i] = "0x" + strconv.FormatUint(uint64(a), 16)
	}
	return strings.Join(out, " or ")
}
