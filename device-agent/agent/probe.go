package agent

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/telltale-iot/telltale/device-agent/config"
	"github.com/telltale-iot/telltale/device-agent/device"
	"github.com/telltale-iot/telltale/device-agent/drivers"
)

// ProbeResult is what one thing of a configuration answered.
type ProbeResult struct {
	// ID and Driver of the thing.
	ID, Driver string
	// Found are the values read, "air_temperature 21.3 °C".
	Found []string
	// Err says why it did not answer; nil = it did.
	Err error
}

// String is the result as a line for people.
func (r ProbeResult) String() string {
	if r.Err != nil {
		return fmt.Sprintf("%s (%s): %v", r.ID, r.Driver, r.Err)
	}
	if len(r.Found) == 0 {
		return fmt.Sprintf("%s (%s)", r.ID, r.Driver)
	}
	return fmt.Sprintf("%s (%s): %s", r.ID, r.Driver, strings.Join(r.Found, ", "))
}

// Probe opens everything a configuration names and reads each sensor once, within per sensor. No output is touched.
func Probe(ctx context.Context, host device.Host, c *config.Config, within time.Duration) []ProbeResult {
	var out []ProbeResult
	for _, sc := range c.Sensors {
		out = append(out, probeSensor(ctx, host, sc, within))
	}
	for _, ac := range c.Actuators {
		r := ProbeResult{ID: ac.ID, Driver: ac.Driver}
		act, err := drivers.OpenActuator(host, ac)
		if err != nil {
			r.Err = err
		} else {
			r.Err = act.Close()
		}
		out = append(out, r)
	}
	return out
}

func probeSensor(ctx context.Context, host device.Host, c config.Sensor, within time.Duration) ProbeResult {
	r := ProbeResult{ID: c.ID, Driver: c.Driver}
	s, err := drivers.OpenSensor(host, c)
	if err != nil {
		r.Err = err
		return r
	}
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	done := make(chan ProbeResult, 1)
	go func() {
		got := r
		got.Found, got.Err = read(ctx, s)
		if err := s.Close(); err != nil && got.Err == nil {
			got.Err = err
		}
		done <- got
	}()
	select {
	case r = <-done:
	case <-ctx.Done():
		r.Err = fmt.Errorf("no answer within %s", within)
	}
	return r
}

// read reads until there is something: rates need two rounds, some chips 5 s.
func read(ctx context.Context, s device.Sensor) (found []string, err error) {
	units := map[string]string{}
	for _, e := range s.Describe() {
		units[e.ID] = e.Channels[0].Unit
	}
	if w := drivers.Waves(s); w != nil {
		blocks, err := w.SenseWave(ctx)
		for _, b := range blocks {
			found = append(found, fmt.Sprintf("%s %d samples", b.Entity, len(b.Values)))
		}
		return found, err
	}
	for {
		got, err := s.Sense(ctx)
		if err != nil {
			return nil, err
		}
		for _, r := range got {
			text := r.Value.String()
			if r.Value.IsNull() {
				text = string(r.Quality)
			}
			found = append(found, strings.TrimSpace(fmt.Sprintf("%s %s %s", r.Entity, text, units[r.Entity])))
		}
		if len(got) > 0 {
			return found, nil
		}
		if !sleep(ctx, time.Second) {
			return nil, fmt.Errorf("nothing was measured in time")
		}
	}
}
