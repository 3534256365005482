// Package drivers opens the driver that a configuration names.
//
// This is the one list of what the agent can drive; each driver lives in a package of its own below. To add a chip: write its package,
// add its checks to config and one line here.
package drivers

import (
	"fmt"

	"github.com/telltale-iot/telltale/device-agent/config"
	"github.com/telltale-iot/telltale/device-agent/device"
	"github.com/telltale-iot/telltale/device-agent/drivers/ads1115"
	"github.com/telltale-iot/telltale/device-agent/drivers/adxl345"
	"github.com/telltale-iot/telltale/device-agent/drivers/aht20"
	"github.com/telltale-iot/telltale/device-agent/drivers/bh1750"
	"github.com/telltale-iot/telltale/device-agent/drivers/bme280"
	"github.com/telltale-iot/telltale/device-agent/drivers/bme680"
	"github.com/telltale-iot/telltale/device-agent/drivers/bmp388"
	"github.com/telltale-iot/telltale/device-agent/drivers/button"
	"github.com/telltale-iot/telltale/device-agent/drivers/contact"
	"github.com/telltale-iot/telltale/device-agent/drivers/ds18b20"
	"github.com/telltale-iot/telltale/device-agent/drivers/hostinfo"
	"github.com/telltale-iot/telltale/device-agent/drivers/hx711"
	"github.com/telltale-iot/telltale/device-agent/drivers/ina219"
	"github.com/telltale-iot/telltale/device-agent/drivers/mcp9808"
	"github.com/telltale-iot/telltale/device-agent/drivers/mhz19"
	"github.com/telltale-iot/telltale/device-agent/drivers/mpu6050"
	"github.com/telltale-iot/telltale/device-agent/drivers/pms5003"
	"github.com/telltale-iot/telltale/device-agent/drivers/pulse"
	"github.com/telltale-iot/telltale/device-agent/drivers/pwm"
	"github.com/telltale-iot/telltale/device-agent/drivers/relay"
	"github.com/telltale-iot/telltale/device-agent/drivers/scd4x"
	"github.com/telltale-iot/telltale/device-agent/drivers/sds011"
	"github.com/telltale-iot/telltale/device-agent/drivers/sht"
	"github.com/telltale-iot/telltale/device-agent/drivers/tmp102"
	"github.com/telltale-iot/telltale/device-agent/drivers/tsl2591"
	"periph.io/x/conn/v3/gpio"
)

// OpenSensor opens one sensor. c has passed config.Validate. A missing chip is not an error: it shows when it is read.
//
// Errors: a bus or pin that the machine does not have.
func OpenSensor(host device.Host, c config.Sensor) (device.Sensor, error) {
	switch c.Driver {
	case "host":
		return hostinfo.Open(host, c), nil
	case "ds18b20":
		return ds18b20.Open(host.FS(), c), nil
	case "hx711":
		return openScale(host, c)
	case "contact", "pulse":
		pin, err := host.Pin(c.Pin)
		if err != nil {
			return nil, fmt.Errorf("sensor %s: %w", c.ID, err)
		}
		if c.Driver == "pulse" {
			return pulse.Open(pin, c)
		}
		return contact.Open(pin, c), nil
	case "pms5003", "sds011", "mhz19":
		return openSerial(host, c)
	}
	bus, err := host.I2C(c.Bus)
	if err != nil {
		return nil, fmt.Errorf("sensor %s: %w", c.ID, err)
	}
	switch c.Driver {
	case "bme280", "bmp280":
		return bme280.Open(bus, c), nil
	case "ads1115":
		return ads1115.Open(bus, c)
	case "adxl345":
		return adxl345.Open(bus, c), nil
	case "bh1750":
		return bh1750.Open(bus, c), nil
	case "scd4x":
		return scd4x.Open(bus, c), nil
	case "sht3x", "sht4x":
		return sht.Open(bus, c), nil
	case "aht20":
		return aht20.Open(bus, c), nil
	case "mcp9808":
		return mcp9808.Open(bus, c), nil
	case "tmp102":
		return tmp102.Open(bus, c), nil
	case "ina219":
		return ina219.Open(bus, c), nil
	case "bmp388":
		return bmp388.Open(bus, c), nil
	case "tsl2591":
		return tsl2591.Open(bus, c), nil
	case "bme680":
		return bme680.Open(bus, c), nil
	case "mpu6050":
		return mpu6050.Open(bus, c), nil
	}
	return nil, fmt.Errorf("sensor %s: there is no driver %q", c.ID, c.Driver)
}

// openSerial opens a sensor on a serial line.
func openSerial(host device.Host, c config.Sensor) (device.Sensor, error) {
	lines, ok := host.(device.SerialHost)
	if !ok {
		return nil, fmt.Errorf("sensor %s: this machine has no serial lines", c.ID)
	}
	switch c.Driver {
	case "pms5003":
		return pms5003.Open(lines, c), nil
	case "sds011":
		return sds011.Open(lines, c), nil
	}
	return mhz19.Open(lines, c), nil
}

// openScale opens a converter on two pins.
func openScale(host device.Host, c config.Sensor) (device.Sensor, error) {
	data, err := host.Pin(c.Pin)
	if err != nil {
		return nil, fmt.Errorf("sensor %s: %w", c.ID, err)
	}
	clock, err := host.Pin(c.ClockPin)
	if err != nil {
		return nil, fmt.Errorf("sensor %s: %w", c.ID, err)
	}
	return hx711.Open(data, clock, c), nil
}

// Waves returns the sensor as a waveform source, or nil when it is sampled by Sense.
func Waves(s device.Sensor) device.WaveSensor {
	w, ok := s.(device.WaveSensor)
	if !ok {
		return nil
	}
	if maybe, ok := s.(interface{ Waves() bool }); ok && !maybe.Waves() {
		return nil
	}
	return w
}

// OpenActuator opens one actuator without moving it. c has passed config.Validate.
//
// Errors: a pin that the machine does not have.
func OpenActuator(host device.Host, c config.Actuator) (device.Actuator, error) {
	if c.Driver == "pwm" {
		p, err := host.PWM(c.Pin, c.FrequencyHz)
		if err != nil {
			return nil, fmt.Errorf("actuator %s: %w", c.ID, err)
		}
		return pwm.Open(p, c), nil
	}
	out, err := host.Pin(c.Pin)
	if err != nil {
		return nil, fmt.Errorf("actuator %s: %w", c.ID, err)
	}
	var feedback gpio.PinIn
	if c.Readback != "" {
		if feedback, err = host.Pin(c.Readback); err != nil {
			return nil, fmt.Errorf("actuator %s: feedback contact: %w", c.ID, err)
		}
	}
	switch c.Driver {
	case "relay":
		return relay.Open(out, feedback, c)
	case "button":
		return button.Open(out, feedback, c)
	}
	return nil, fmt.Errorf("actuator %s: there is no driver %q", c.ID, c.Driver)
}
