package device

import (
	"math"
	"strings"
	"time"

	"github.com/telltale-iot/telltale/schema"
)

// Quantity is one number that a sensor measures: the entity it feeds, what the chip can measure and how to correct it.
type Quantity struct {
	// ID of the entity it feeds; its channel is "state".
	ID string
	// Name for people; empty = the id in words.
	Name string
	// Area when it is not the device's.
	Area string
	// Class is Home Assistant's device class.
	Class string
	// Unit on the wire.
	Unit string
	// Category is "" or "diagnostic".
	Category string
	// StateClass; empty = measurement.
	StateClass schema.StateClass
	// Min and Max are what the chip can measure, before calibration; outside is quality "range". Both 0 = not checked.
	Min, Max float64
	// Decimals worth showing.
	Decimals int
	// Scale and Offset correct the measurement: reported = measured·Scale + Offset. Scale 0 means 1.
	Scale, Offset float64
}

// Entity describes the quantity as an entity that is read every interval.
func (q *Quantity) Entity(interval time.Duration) schema.Entity {
	class := q.StateClass
	if class == "" {
		class = schema.StateMeasurement
	}
	ch := schema.Channel{Name: schema.ChannelState, Type: schema.TypeNumber, Unit: q.Unit, StateClass: class,
		Precision: &q.Decimals, IntervalMS: interval.Milliseconds()}
	if q.Min != 0 || q.Max != 0 {
		lo, hi := q.correct(q.Min), q.correct(q.Max)
		lo, hi = math.Min(lo, hi), math.Max(lo, hi)
		ch.Min, ch.Max = &lo, &hi
	}
	name := q.Name
	if name == "" {
		name = Words(q.ID)
	}
	return schema.Entity{ID: q.ID, Kind: schema.KindSensor, Name: name, DeviceClass: q.Class, Category: q.Category, Area: q.Area,
		Channels: []schema.Channel{ch}}
}

// Reading makes a reading of a measurement: corrected, and null with quality "range" when it is not a number or outside what the
// chip can measure.
func (q *Quantity) Reading(measured float64) Reading {
	v := q.correct(measured)
	if math.IsNaN(v) || math.IsInf(v, 0) || (q.Min != 0 || q.Max != 0) && (measured < q.Min || measured > q.Max) {
		return q.Missing(schema.QualityRange)
	}
	return Reading{Entity: q.ID, Measurement: Measurement{Channel: schema.ChannelState, Value: schema.Number(q.round(v))}}
}

// Missing makes a reading without a value.
func (q *Quantity) Missing(why schema.Quality) Reading {
	return Reading{Entity: q.ID, Measurement: Measurement{Channel: schema.ChannelState, Quality: why}}
}

func (q *Quantity) correct(measured float64) float64 {
	if q.Scale == 0 {
		return measured + q.Offset
	}
	return measured*q.Scale + q.Offset
}

// round keeps two decimals more than are worth showing: below any sensor's noise, and a third of the bytes on wire and disk.
func (q *Quantity) round(v float64) float64 {
	pow := math.Pow10(q.Decimals + 2)
	if math.Abs(v) > 1e12 {
		return v
	}
	return math.Round(v*pow) / pow
}

// Words makes a name of an id: "air_temperature" → "Air temperature".
func Words(id string) string {
	s := strings.ReplaceAll(strings.ReplaceAll(id, "_", " "), "co2", "CO₂")
	if s == "" {
		return s
	}
	return strings.ToUpper(s[:1]) + s[1:]
}
