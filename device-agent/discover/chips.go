package discover

import (
	"bytes"
	"slices"
	"strings"
	"time"

	"github.com/telltale-iot/telltale/device-agent/config"
	"github.com/telltale-iot/telltale/device-agent/drivers/i2cdev"
	"periph.io/x/conn/v3/i2c"
)

// settle is left between two questions to one address, so that a chip that did not understand the first has forgotten it.
const settle = 2 * time.Millisecond

// candidates lists the drivers whose chips can be at an address. The order matters where one chip's question confuses another: an SHT4x that was
// asked as an SHT3x is deaf for a while.
func candidates(addr uint16) []string {
	list := slices.DeleteFunc(strings.Split(config.SensorDrivers, ", "), func(d string) bool { return !slices.Contains(config.Addresses(d), addr) })
	slices.SortStableFunc(list, func(a, b string) int {
		switch {
		case a == "sht4x":
			return -1
		case b == "sht4x":
			return 1
		}
		return 0
	})
	return list
}

// identify asks whether the chip of a driver is at an address. readable: something gave a byte without being asked for one.
//
// At 0x20 to 0x27 and 0x38 to 0x3F nothing is written: a PCF8574 takes every byte as the state of its pins, and relays may hang on them. Commands,
// which have no pointer that could be written without harm, go only to chips that give nothing unasked, as Sensirion's do.
func identify(bus i2c.Bus, driver string, addr uint16, readable bool) Certainty {
	c := i2cdev.New(bus, config.Sensor{Driver: driver, Address: addr})
	answer := func(yes bool) Certainty {
		if yes {
			return Sure
		}
		return Unknown
	}
	switch driver {
	case "aht20":
		return aht20(c, readable)
	case "bh1750":
		if readable {
			return Possible
		}
		return Unknown
	case "sht4x":
		return answer(!readable && says(c, 2, 0x89)) // serial number
	case "sht3x":
		return answer(!readable && says(c, 1, 0xF3, 0x2D)) // status
	case "scd4x":
		return answer(!readable && says(c, 1, 0xE4, 0xB8)) // is there data? It answers while it measures, too.
	}
	if !readable {
		return Unknown
	}
	switch driver {
	case "bme280", "bmp280", "bme680", "bmp388", "adxl345", "tsl2591", "mpu6050":
		return answer(stated(c, driver))
	case "mcp9808":
		return answer(is16(c, 6, 0xFFFF, 0x0054) && is16(c, 7, 0xFF00, 0x0400))
	case "ads1115":
		return likely(is16(c, 2, 0xFFFF, 0x8000) && is16(c, 3, 0xFFFF, 0x7FFF)) // thresholds as after power-on: nobody sets them
	case "tmp102":
		return likely(is16(c, 1, 0x6000, 0x6000) && is16(c, 2, 0xFFFF, 0x4B00) && is16(c, 3, 0xFFFF, 0x5000)) // limits of 75 and 80 °C
	case "ina219":
		return likely(is16(c, 0, 0xFFFF, 0x399F) || is16(c, 0, 0xFFFF, 0x3FFF)) // after power-on, or as our driver sets it
	}
	return Unknown
}

func likely(yes bool) Certainty {
	if yes {
		return Likely
	}
	return Unknown
}

// stated compares the byte in which a chip states its identity.
func stated(c i2cdev.Chip, driver string) bool {
	type identity struct {
		reg byte
		is  []byte
	}
	id := map[string]identity{"bme280": {0xD0, []byte{0x60}}, "bmp280": {0xD0, []byte{0x56, 0x57, 0x58}}, "bme680": {0xD0, []byte{0x61}}, "bmp388": {0x00, []byte{0x50, 0x60}},
		"adxl345": {0x00, []byte{0xE5}}, "tsl2591": {0xB2, []byte{0x50}}, "mpu6050": {0x75, []byte{0x68}}}[driver]
	return c.Identify(id.reg, id.is...) == nil
}

func is16(c i2cdev.Chip, reg byte, mask, want uint16) bool {
	got, err := c.Get16(reg)
	return err == nil && got&mask == want
}

// says sends a command and reports whether words with right checksums come back.
func says(c i2cdev.Chip, words int, command ...byte) bool {
	time.Sleep(settle)
	if c.Tx(command, nil) != nil {
		return false
	}
	time.Sleep(settle)
	_, err := c.Words(words)
	return err == nil
}

// aht20 reads what the chip gives unasked: its status and the last measurement with a checksum.
func aht20(c i2cdev.Chip, readable bool) Certainty {
	if !readable {
		return Unknown
	}
	raw := make([]byte, 7)
	if c.Tx(nil, raw) == nil && i2cdev.CRC8(raw[:6]) == raw[6] && !bytes.Equal(raw[1:], raw[:6]) {
		return Sure
	}
	return Possible
}
