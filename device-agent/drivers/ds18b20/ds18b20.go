// Package ds18b20 reads Maxim's DS18B20 thermometers through the kernel's one-wire driver: sys/bus/w1/devices/28-…/w1_slave.
//
// It guarantees that a reading passed the kernel's CRC check. It refuses the chip's power-on value of exactly 85 °C unless the
// reading before was close to it: that is a sensor that lost power while converting.
package ds18b20

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"path"
	"strconv"

	"github.com/telltale-iot/telltale/device-agent/config"
	"github.com/telltale-iot/telltale/device-agent/device"
	"github.com/telltale-iot/telltale/schema"
)

// Dir is where the kernel lists one-wire devices, below the root.
const Dir = "sys/bus/w1/devices"

// powerOn is the temperature register at power-on, °C. Source: Maxim DS18B20 data sheet 19-7487 rev. 6, "Measuring Temperature".
const powerOn = 85

// nearby is how close to powerOn, in K, the reading before must be for powerOn to be believed.
const nearby = 5

// ErrCRC says that the bits on the wire were damaged.
var ErrCRC = errors.New("checksum of the one-wire transfer is wrong")

// Sensor implements device.Sensor.
type Sensor struct {
	root   fs.FS
	cfg    config.Sensor
	temp   device.Quantity
	last   float64 // the reading before, °C
	read   bool    // there was one
	serial string
}

// Open prepares the thermometer; root is the machine's file system.
func Open(root fs.FS, c config.Sensor) *Sensor {
	q := c.Quantity("temperature", "temperature", "°C", -55, 125, 1)
	q.ID, q.Name = c.ID, c.Title()
	return &Sensor{root: root, cfg: c, temp: q, serial: c.Serial}
}

// Describe implements device.Sensor.
func (s *Sensor) Describe() []schema.Entity { return []schema.Entity{s.temp.Entity(s.cfg.Interval)} }

// Sense implements device.Sensor. The kernel converts while the file is read: up to 750 ms.
func (s *Sensor) Sense(context.Context) ([]device.Reading, error) {
	serial, err := s.find()
	if err != nil {
		return nil, err
	}
	data, err := fs.ReadFile(s.root, path.Join(Dir, serial, "w1_slave"))
	if err != nil {
		return nil, fmt.Errorf("thermometer %s: %w", serial, err)
	}
	celsius, err := Parse(data)
	if err != nil {
		return nil, fmt.Errorf("thermometer %s: %w", serial, err)
	}
	if celsius == powerOn && (!s.read || math.Abs(s.last-powerOn) > nearby) {
		return nil, fmt.Errorf("thermometer %s reports its power-on value of 85 °C: it lost power while measuring", serial)
	}
	s.last, s.read = celsius, true
	return []device.Reading{s.temp.Reading(celsius)}, nil
}

// Close implements device.Sensor.
func (s *Sensor) Close() error { return nil }

func (s *Sensor) find() (string, error) {
	if s.serial != "" {
		return s.serial, nil
	}
	found, err := fs.Glob(s.root, path.Join(Dir, "28-*"))
	if err != nil {
		return "", err
	}
	switch len(found) {
	case 0:
		return "", fmt.Errorf("no thermometer in /%s: is the one-wire driver loaded (dtoverlay=w1-gpio)?", Dir)
	case 1:
		return path.Base(found[0]), nil
	}
	names := make([]string, len(found))
	for i := range found {
		names[i] = path.Base(found[i])
	}
	return "", fmt.Errorf("several thermometers on the bus, name one with serial: %v", names)
}

// Parse reads the kernel's w1_slave text: two lines, "… crc=4b YES" and "… t=23125" in m°C. Any input is safe; held by FuzzParse.
func Parse(data []byte) (celsius float64, err error) {
	first, second, ok := bytes.Cut(data, []byte("\n"))
	if !ok {
		return 0, fmt.Errorf("unexpected text of %d bytes", len(data))
	}
	if !bytes.HasSuffix(bytes.TrimSpace(first), []byte("YES")) {
		return 0, ErrCRC
	}
	i := bytes.LastIndex(second, []byte("t="))
	if i < 0 {
		return 0, errors.New("no temperature in the kernel's text")
	}
	milli, err := strconv.ParseInt(string(bytes.TrimSpace(second[i+2:])), 10, 32)
	if err != nil {
		return 0, fmt.Errorf("temperature in the kernel's text: %w", err)
	}
	return float64(milli) / 1000, nil
}
