package config

import (
	"strings"
	"time"

	"github.com/telltale-iot/telltale/device-agent/device"
)

// Quantity makes one of the quantities of a chip: "<id>_<what>", with the calibration given for it.
//
// what: the quantity's name ("temperature"); class and unit: as in device.Quantity; lo and hi: what the chip can measure.
func (s *Sensor) Quantity(what, class, unit string, lo, hi float64, decimals int) device.Quantity {
	q := device.Quantity{ID: s.ID + "_" + what, Area: s.Area, Class: class, Unit: unit, Min: lo, Max: hi, Decimals: decimals}
	if s.Name != "" {
		q.Name = s.Name + " " + strings.ReplaceAll(what, "co2", "CO₂")
	}
	if cal, ok := s.Calibration[what]; ok {
		q.Offset = cal.Offset
		if cal.Scale != nil {
			q.Scale = *cal.Scale
		}
	}
	return q
}

// Title is the entity's name: the one given, or the id in words.
func (a *Actuator) Title() string {
	if a.Name != "" {
		return a.Name
	}
	return device.Words(a.ID)
}

// Title is the entity's name: the one given, or the id in words.
func (s *Sensor) Title() string {
	if s.Name != "" {
		return s.Name
	}
	return device.Words(s.ID)
}

// Title is the entity's name: the one given, or the id in words.
func (k *Climate) Title() string {
	if k.Name != "" {
		return k.Name
	}
	return device.Words(k.ID)
}

// Every returns the step of a rate in Hz.
func Every(hz float64) time.Duration { return time.Duration(float64(time.Second) / hz) }
