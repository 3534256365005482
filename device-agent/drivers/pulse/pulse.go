// Package pulse counts what a meter gives on a pin: the S0 output of an electricity meter, the reed contact of a water or gas meter, a rain gauge.
//
// It guarantees that a contact that bounces counts once: an edge counts only when the level before it had lasted for the debounce time. Edges are watched,
// not sampled, so that none is missed between two readings. The count starts at 0 with the agent; its class, total_increasing, says so.
package pulse

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/telltale-iot/telltale/device-agent/config"
	"github.com/telltale-iot/telltale/device-agent/device"
	"github.com/telltale-iot/telltale/schema"
	"periph.io/x/conn/v3/gpio"
)

// Sensor implements device.Sensor.
type Sensor struct {
	pin         gpio.PinIn
	cfg         config.Sensor
	total, rate device.Quantity
	stop        func() error // nil = not watching

	mu sync.Mutex
	c  counter
}

// Open prepares the counter; the pin is taken at the first Sense. Errors: a pin whose edges cannot be watched.
func Open(pin gpio.PinIn, c config.Sensor) (*Sensor, error) {
	if _, ok := pin.(device.EdgeWatcher); !ok {
		return nil, fmt.Errorf("sensor %s: edges on %s cannot be watched", c.ID, c.Pin)
	}
	total := c.Quantity("total", c.DeviceClass, c.Unit, 0, 1e15, 3)
	total.ID, total.Name, total.StateClass = c.ID, c.Title(), schema.StateTotalIncreasing
	class, unit := rateOf(c.DeviceClass, c.Unit)
	rate := c.Quantity("rate", class, unit, 0, 1e9, 3)
	return &Sensor{pin: pin, cfg: c, total: total, rate: rate, c: counter{debounce: c.Debounce}}, nil
}

// rateOf says what a total per hour is called.
func rateOf(class, unit string) (rateClass, rateUnit string) {
	switch unit {
	case "kWh":
		return "power", "kW"
	case "Wh":
		return "power", "W"
	case "":
		return "", "1/h"
	}
	if class == "water" || class == "gas" {
		return "volume_flow_rate", unit + "/h"
	}
	return "", unit + "/h"
}

// Describe implements device.Sensor.
func (s *Sensor) Describe() []schema.Entity {
	return []schema.Entity{s.total.Entity(s.cfg.Interval), s.rate.Entity(s.cfg.Interval)}
}

// Sense implements device.Sensor.
func (s *Sensor) Sense(context.Context) ([]device.Reading, error) {
	if s.stop == nil {
		if err := s.watch(); err != nil {
			return nil, fmt.Errorf("pulses on %s: %w", s.cfg.Pin, err)
		}
	}
	if _, err := device.Level(s.pin); err != nil { // the line is gone: edges would be missing without a word
		s.stop = nil
		return nil, fmt.Errorf("pulses on %s: %w", s.cfg.Pin, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.c.settle(time.Now())
	return []device.Reading{s.total.Reading(float64(s.c.count) / s.cfg.PerUnit), s.rate.Reading(s.c.perHour(time.Now()) / s.cfg.PerUnit)}, nil
}

func (s *Sensor) watch() error {
	pull := map[string]gpio.Pull{"": gpio.PullNoChange, "none": gpio.Float, "up": gpio.PullUp, "down": gpio.PullDown}[s.cfg.Pull]
	watcher, ok := s.pin.(device.EdgeWatcher)
	if !ok {
		return fmt.Errorf("edges cannot be watched")
	}
	stop, err := watcher.WatchEdges(pull, func(high bool, at time.Duration) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.c.edge(high != s.cfg.ActiveLow, at, time.Now())
	})
	if err != nil {
		return err
	}
	level, err := device.Level(s.pin)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stop = stop
	s.c.begin(bool(level) != s.cfg.ActiveLow, time.Now())
	return nil
}

// Close implements device.Sensor.
func (s *Sensor) Close() error {
	if s.stop == nil {
		return nil
	}
	return s.stop()
}

// counter makes pulses of edges.
type counter struct {
	debounce time.Duration

	level  bool          // since the last edge
	stable bool          // the last level that lasted
	at     time.Duration // of the last edge, on the kernel's clock; 0 = there was none
	seen   time.Time     // when the last edge was heard of
	count  uint64

	lastAt   time.Duration // of the last pulse
	lastSeen time.Time
	apart    time.Duration // between the last two pulses; 0 = not known
}

// begin takes the level as it is; nothing is counted.
func (c *counter) begin(active bool, now time.Time) {
	c.level, c.stable, c.seen, c.at = active, active, now, 0
}

// edge takes a change of level. at is the kernel's time of it, which is right however late it is heard of.
func (c *counter) edge(active bool, at time.Duration, now time.Time) {
	lasted := now.Sub(c.seen)
	if c.at > 0 {
		lasted = at - c.at
	}
	c.held(lasted, c.at, c.seen)
	c.level, c.at, c.seen = active, at, now
}

// settle counts a level that lasts still.
func (c *counter) settle(now time.Time) { c.held(now.Sub(c.seen), c.at, c.seen) }

// held takes into account that the present level, which began at began, has lasted for so long.
func (c *counter) held(lasted, began time.Duration, seen time.Time) {
	if lasted < c.debounce || c.level == c.stable {
		return
	}
	c.stable = c.level
	if !c.level {
		return
	}
	if c.count > 0 && began > c.lastAt {
		c.apart = began - c.lastAt
	}
	c.count++
	c.lastAt, c.lastSeen = began, seen
}

// perHour is the rate: that of the last two pulses, or less when the next one is late.
func (c *counter) perHour(now time.Time) float64 {
	if c.apart <= 0 {
		return 0
	}
	return float64(time.Hour) / float64(max(c.apart, now.Sub(c.lastSeen)))
}
