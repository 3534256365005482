// Package discover finds out what is wired to a machine: chips on its I2C buses by identity, one-wire thermometers by the kernel's list.
//
// It guarantees that it says how sure it is: by an identity that the chip states, by registers that fit, or merely because something answers where
// such a chip could be; only the first is ever used without asking. It writes to no address at which an output could live (I/O expanders),
// leaves alone what a kernel driver holds, and gives up on a bus that is stuck. It refuses to guess.
//
// Start reading at [Scan]; how each chip is told is in chips.go, and how the result becomes a part of a configuration in yaml.go.
package discover

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/telltale-iot/telltale/device-agent/config"
	"github.com/telltale-iot/telltale/device-agent/device"
	"github.com/telltale-iot/telltale/device-agent/drivers/ds18b20"
	"periph.io/x/conn/v3/i2c"
)

// Certainty is how sure a finding is.
type Certainty int

// Certainties.
const (
	Unknown  Certainty = iota // something answers that no driver fits
	Possible                  // something answers where such a chip can be
	Likely                    // its registers are as such a chip's are
	Sure                      // it states its identity
)

// String is the certainty in words.
func (c Certainty) String() string {
	return [...]string{"unknown", "possible", "likely", "sure"}[c]
}

// Found is one thing that was found.
type Found struct {
	// Bus is the I2C bus, "1"; "" for one-wire.
	Bus string
	// Address on the bus.
	Address uint16
	// Serial of a one-wire thermometer.
	Serial string
	// Drivers that fit, the best first; none for what is unknown.
	Drivers []string
	// Certainty of the first.
	Certainty Certainty
	// Note says why, in words.
	Note string
}

const (
	firstAddress, lastAddress = 0x08, 0x77 // the ones that a chip can have
	// writeOnly is an address at which clock chips live that a read can lock up; it is only asked when a driver needs it.
	writeOnly = 0x69
	// slow is how long a transaction takes on a bus that a chip holds down: a healthy one takes a millisecond.
	slow = 500 * time.Millisecond
	// patience is how many of those are enough.
	patience = 2
)

// errStuck says that a bus does not work.
var errStuck = errors.New("the bus is stuck: a chip holds it down, or a wire is missing or shorted")

// Scan looks at every bus of a machine. The errors are of buses that could not be looked at; what was found elsewhere is returned all the
// same.
func Scan(ctx context.Context, host device.Host) (found []Found, errs []error) {
	buses := []string{""}
	if l, ok := host.(device.BusLister); ok {
		buses = l.I2CBuses()
	}
	for _, name := range buses {
		bus, err := host.I2C(name)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		got, err := scanBus(ctx, bus, name, func(addr uint16) bool { return held(host.FS(), name, addr) })
		if err != nil {
			errs = append(errs, fmt.Errorf("i2c bus %s: %w", name, err))
		}
		found = append(found, got...)
	}
	return append(found, oneWire(host.FS())...), errs
}

// held reports whether a kernel driver has taken the address.
func held(root fs.FS, bus string, addr uint16) bool {
	_, err := fs.Stat(root, fmt.Sprintf("sys/bus/i2c/devices/%s-%04x/driver", bus, addr))
	return err == nil
}

// watched is a bus that notices when it is stuck.
type watched struct {
	i2c.Bus
	stuck int
}

// Tx implements i2c.Bus.
func (w *watched) Tx(addr uint16, out, in []byte) error {
	began := time.Now()
	err := w.Bus.Tx(addr, out, in)
	switch {
	case err == nil:
		w.stuck = 0
	case errors.Is(err, syscall.ETIMEDOUT) || time.Since(began) > slow:
		w.stuck++
	}
	return err
}

func scanBus(ctx context.Context, bus i2c.Bus, name string, taken func(addr uint16) bool) ([]Found, error) {
	w := &watched{Bus: bus}
	var found []Found
	for addr := uint16(firstAddress); addr <= lastAddress; addr++ {
		if ctx.Err() != nil {
			return found, ctx.Err()
		}
		if taken(addr) {
			found = append(found, Found{Bus: name, Address: addr, Note: "held by a kernel driver, left alone"})
			continue
		}
		if f, ok := look(w, addr); ok {
			f.Bus = name
			found = append(found, f)
		}
		if w.stuck >= patience {
			return found, errStuck
		}
	}
	return found, nil
}

// look asks one address, by reading first, what is there.
func look(bus i2c.Bus, addr uint16) (f Found, there bool) {
	f.Address = addr
	drivers := candidates(addr)
	if len(drivers) == 0 && addr == writeOnly {
		return f, false
	}
	readable := bus.Tx(addr, nil, make([]byte, 1)) == nil
	for _, d := range drivers {
		c := identify(bus, d, addr, readable)
		if c == Unknown {
			continue
		}
		if c > f.Certainty {
			f.Certainty, f.Drivers = c, append([]string{d}, f.Drivers...)
		} else {
			f.Drivers = append(f.Drivers, d)
		}
		if c == Sure {
			f.Drivers = f.Drivers[:1]
			break
		}
	}
	switch f.Certainty {
	case Sure:
		f.Note = "says so itself"
	case Likely:
		f.Note = "its registers fit, it has no identity"
	case Possible:
		f.Note = "something answers here, it has no identity"
	default:
		f.Note = "something answers that no driver fits"
	}
	return f, readable || f.Certainty > Unknown
}

// oneWire lists the thermometers that the kernel knows.
func oneWire(root fs.FS) []Found {
	list, err := fs.Glob(root, path.Join(ds18b20.Dir, "28-*"))
	if err != nil {
		return nil
	}
	var found []Found
	for _, p := range list {
		found = append(found, Found{Serial: path.Base(p), Drivers: []string{"ds18b20"}, Certainty: Sure, Note: "listed by the kernel"})
	}
	return found
}

// Sensor is a finding as a configuration. Its id stays the same whatever else is wired: "bme280" at the chip's usual address of the first bus,
// "bme280_77" or "bme280_3_77" elsewhere.
func (f *Found) Sensor() config.Sensor {
	if len(f.Drivers) == 0 {
		return config.Sensor{}
	}
	d := f.Drivers[0]
	s := config.Sensor{Driver: d, ID: d, Name: strings.ToUpper(d), Bus: f.Bus, Address: f.Address, Serial: f.Serial}
	if f.Serial != "" {
		end := f.Serial[max(len(f.Serial)-4, 0):]
		s.ID, s.Name = "thermometer_"+strings.ToLower(end), "Thermometer "+end
		return s
	}
	if f.Bus != "" && f.Bus != "1" {
		s.ID += "_" + f.Bus
	}
	if s.ID != d || f.Address != config.Addresses(d)[0] {
		s.ID += fmt.Sprintf("_%02x", f.Address)
	}
	return s
}

// New returns the findings that no sensor of a configuration covers.
func New(found []Found, c *config.Config) []Found {
	return slices.DeleteFunc(slices.Clone(found), func(f Found) bool {
		return slices.ContainsFunc(c.Sensors, func(s config.Sensor) bool {
			if f.Serial != "" {
				return s.Driver == "ds18b20" && (s.Serial == f.Serial || s.Serial == "")
			}
			return s.Address == f.Address && (s.Bus == f.Bus || s.Bus == "" || f.Bus == "")
		})
	})
}
