package config

import (
	"fmt"
	"math"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/telltale-iot/telltale/internal/yamlfile"
	"github.com/telltale-iot/telltale/schema"
)

// Limits of a configuration.
const (
	// MinInterval bounds how fast a sensor is sampled; faster is a waveform.
	MinInterval = 100 * time.Millisecond
	// MaxInterval bounds how slowly.
	MaxInterval = 24 * time.Hour
	// MaxWaveHz bounds a waveform's rate: schema.MinStepUS is 1 ms.
	MaxWaveHz = 1000
	maxThings = 64 // sensors, actuators, climates each
)

// Load reads a file over the defaults and validates it. Errors say file, line and column.
func Load(path string) (*Config, error) {
	c := Default()
	doc, err := yamlfile.Load(path, c)
	if err != nil {
		return nil, err
	}
	return finish(c, doc)
}

// Parse is Load for bytes in hand; name stands for the file in errors.
func Parse(name string, src []byte) (*Config, error) {
	c := Default()
	doc, err := yamlfile.Decode(name, src, c)
	if err != nil {
		return nil, err
	}
	return finish(c, doc)
}

func finish(c *Config, doc *yamlfile.Document) (*Config, error) {
	if err := c.Validate(); err != nil {
		if m, ok := err.(*mistake); ok {
			return nil, doc.Errorf(m.path, "%s", m.text)
		}
		return nil, err
	}
	return c, nil
}

// mistake is a value that makes no sense, and where it stands.
type mistake struct{ path, text string }

func (m *mistake) Error() string { return strings.TrimPrefix(m.path, "$.") + ": " + m.text }

func wrong(path, format string, args ...any) error {
	return &mistake{path: path, text: fmt.Sprintf(format, args...)}
}

// Validate fills in what was left out and checks the rest. It may be called again. The error names the key.
func (c *Config) Validate() error {
	if err := c.fill(); err != nil {
		return err
	}
	u, err := url.Parse(c.Hub)
	if err != nil || u.Host == "" || !slices.Contains([]string{"http", "https", "ws", "wss"}, u.Scheme) {
		return wrong("$.hub", "%q is not an address such as http://localhost:8080", c.Hub)
	}
	switch {
	case !schema.ValidDevice(c.Device):
		return wrong("$.device", "%q must be 1 to 63 of a-z, 0-9 and -, not starting with -", c.Device)
	case len(c.Name) > schema.MaxName || len(c.Area) > schema.MaxName:
		return wrong("$.name", "name and area are at most %d bytes", schema.MaxName)
	case c.Outbox.MaxDiskMB < 1 || c.Outbox.MaxDiskMB > 65536:
		return wrong("$.outbox.max_disk_mb", "must be 1 to 65536")
	case c.Outbox.MaxRAMKB < 64 || c.Outbox.MaxRAMKB > 1<<20:
		return wrong("$.outbox.max_ram_kb", "must be 64 to 1048576")
	case c.Outbox.SpillAfter < time.Second || c.Outbox.SpillAfter > time.Hour:
		return wrong("$.outbox.spill_after", "must be 1s to 1h")
	case c.Heartbeat < time.Second || c.Heartbeat > time.Hour:
		return wrong("$.heartbeat", "must be 1s to 1h")
	case len(c.Sensors) > maxThings || len(c.Actuators) > maxThings || len(c.Climates) > maxThings:
		return wrong("$", "at most %d sensors, actuators and climates each", maxThings)
	}
	ids := map[string]string{}
	claim := func(path, id string) error {
		if !schema.ValidID(id) {
			return wrong(path, "%q must be 1 to 64 of a-z, 0-9 and _", id)
		}
		if other, taken := ids[id]; taken {
			return wrong(path, "%q is the id of %s already", id, strings.TrimPrefix(other, "$."))
		}
		ids[id] = path
		return nil
	}
	for i := range c.Sensors {
		s := &c.Sensors[i]
		if err := s.validate(fmt.Sprintf("$.sensors[%d]", i), claim); err != nil {
			return err
		}
		if j := slices.IndexFunc(c.Sensors[:i], func(o Sensor) bool { return s.Port != "" && o.Port == s.Port }); j >= 0 {
			return wrong(fmt.Sprintf("$.sensors[%d].port", i), "%s is the port of sensors[%d] already: a serial line carries one sensor", s.Port, j)
		}
	}
	for i := range c.Actuators {
		if err := c.Actuators[i].validate(fmt.Sprintf("$.actuators[%d]", i), claim); err != nil {
			return err
		}
	}
	return c.validateClimates(claim)
}

func (c *Config) fill() error {
	host, err := os.Hostname()
	if err != nil || host == "" {
		host = "device"
	}
	if c.Device == "" {
		c.Device = deviceID(host)
	}
	if c.Name == "" {
		c.Name = host
	}
	if len(c.Sensors)+len(c.Actuators)+len(c.Climates) == 0 {
		c.Sensors = []Sensor{HostSensor()}
	}
	return nil
}

// deviceID makes an id of a host name: lower case, anything strange becomes a dash.
func deviceID(host string) string {
	id := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
			return r
		}
		return '-'
	}, strings.ToLower(host))
	id = strings.Trim(id, "-")
	if id == "" {
		return "device"
	}
	return id[:min(len(id), 63)]
}

func (s *Sensor) validate(path string, claim func(path, id string) error) error {
	if s.ID == "" {
		s.ID = s.Driver
	}
	if s.Interval == 0 {
		s.Interval = 10 * time.Second
	}
	if s.Interval < MinInterval || s.Interval > MaxInterval {
		return wrong(path+".interval", "must be %s to %s; faster is a waveform (rate_hz)", MinInterval, MaxInterval)
	}
	if err := s.validateDriver(path); err != nil {
		return err
	}
	for q, cal := range s.Calibration {
		if !finite(cal.Offset) || cal.Scale != nil && (!finite(*cal.Scale) || *cal.Scale == 0) {
			return wrong(path+".calibration", "%s: offset and scale must be finite and scale not 0", q)
		}
	}
	if s.Driver == "ads1115" {
		return s.validateInputs(path, claim)
	}
	return claim(path+".id", s.ID)
}

func (s *Sensor) validateInputs(path string, claim func(path, id string) error) error {
	if len(s.Inputs) == 0 {
		return wrong(path, "an ads1115 needs inputs, such as {id: soil, pin: A0, max_volts: 3.3}")
	}
	pins := []string{"A0", "A1", "A2", "A3", "A0-A1", "A0-A3", "A1-A3", "A2-A3"}
	for i := range s.Inputs {
		in, at := &s.Inputs[i], fmt.Sprintf("%s.inputs[%d]", path, i)
		if in.Scale == 0 {
			in.Scale = 1
		}
		if in.MaxVolts == 0 {
			in.MaxVolts = 4.096
		}
		switch {
		case !slices.Contains(pins, in.Pin):
			return wrong(at+".pin", "must be one of %s, not %q", strings.Join(pins, ", "), in.Pin)
		case !finite(in.Scale) || !finite(in.Offset):
			return wrong(at+".scale", "scale and offset must be finite")
		case !(in.MaxVolts > 0 && in.MaxVolts <= 6.144):
			return wrong(at+".max_volts", "must be over 0 and at most 6.144")
		case in.RateHz != 0 && (in.RateHz < 1 || in.RateHz > 250):
			return wrong(at+".rate_hz", "an ads1115 input is sampled at 1 to 250 Hz, not %g", in.RateHz)
		case in.RateHz != 0 && len(s.Inputs) > 1:
			return wrong(at+".rate_hz", "a chip that samples a waveform has no time for other inputs")
		case in.Min != nil && in.Max != nil && *in.Min > *in.Max:
			return wrong(at+".min", "is over max")
		}
		if err := claim(at+".id", in.ID); err != nil {
			return err
		}
	}
	return nil
}

func (a *Actuator) validate(path string, claim func(path, id string) error) error {
	a.fill()
	kinds := map[string][]schema.EntityKind{"relay": {schema.KindSwitch, schema.KindLight, schema.KindFan},
		"pwm": {schema.KindLight, schema.KindFan}, "button": {schema.KindButton}}
	list, known := kinds[a.Driver]
	switch {
	case a.Driver == "":
		return wrong(path, "an actuator needs a driver: %s", ActuatorDrivers)
	case !known:
		return wrong(path+".driver", "there is no driver %q; there are %s", a.Driver, ActuatorDrivers)
	case !slices.Contains(list, a.Kind):
		return wrong(path+".kind", "a %s can be %v, not %q", a.Driver, list, a.Kind)
	case a.Pin == "":
		return wrong(path, "a %s needs a pin", a.Driver)
	case a.Readback != "" && a.Driver == "pwm":
		return wrong(path+".readback", "a pwm output has no feedback contact")
	case a.SafeState != "off" && a.SafeState != "on":
		return wrong(path+".safe_state", "must be off or on, not %q", a.SafeState)
	case a.SafeState == "on" && a.Driver == "button":
		return wrong(path+".safe_state", "a button is safe when it is not pressed")
	case a.OnBoot != "safe" && a.OnBoot != "restore":
		return wrong(path+".on_boot", "must be safe or restore, not %q", a.OnBoot)
	case a.OnBoot == "restore" && a.Driver == "button":
		return wrong(path+".on_boot", "a button has no state to restore")
	case a.Lease != 0 && a.Lease < 3*time.Second:
		return wrong(path+".lease", "must be 0 (none) or at least 3s: the link is probed every second at most")
	case a.MaxOn < 0 || a.MinCycle < 0 || a.Lease < 0:
		return wrong(path, "lease, max_on and min_cycle must not be negative")
	case a.MaxOn > 0 && a.SafeState == "on":
		return wrong(path+".max_on", "makes no sense when on is the safe state")
	case a.ReadbackWithin < 0 || a.ReadbackWithin > 10*time.Second:
		return wrong(path+".readback_within", "must be at most 10s")
	case a.Pulse < 10*time.Millisecond || a.Pulse > time.Minute:
		return wrong(path+".pulse", "must be 10ms to 1m")
	case a.FrequencyHz < 1 || a.FrequencyHz > 100_000:
		return wrong(path+".frequency_hz", "must be 1 to 100000")
	}
	return claim(path+".id", a.ID)
}

func (a *Actuator) fill() {
	if a.ID == "" {
		a.ID = a.Driver
	}
	if a.Kind == "" {
		a.Kind = map[string]schema.EntityKind{"relay": schema.KindSwitch, "pwm": schema.KindLight, "button": schema.KindButton}[a.Driver]
	}
	if a.SafeState == "" {
		a.SafeState = "off"
	}
	if a.OnBoot == "" {
		a.OnBoot = "safe"
	}
	if a.ReadbackWithin == 0 {
		a.ReadbackWithin = 200 * time.Millisecond
	}
	if a.FrequencyHz == 0 {
		a.FrequencyHz = 1000
	}
	if a.Pulse == 0 {
		a.Pulse = 500 * time.Millisecond
	}
}

func (c *Config) validateClimates(claim func(path, id string) error) error {
	heaters := map[string]bool{}
	for i := range c.Climates {
		k, path := &c.Climates[i], fmt.Sprintf("$.climates[%d]", i)
		k.fill()
		j := slices.IndexFunc(c.Actuators, func(a Actuator) bool { return a.ID == k.Heater })
		switch {
		case k.Sensor == "":
			return wrong(path, "a climate needs a sensor: the id of a temperature entity")
		case j < 0 || c.Actuators[j].Driver != "relay":
			return wrong(path+".heater", "%q is not the id of a relay in actuators", k.Heater)
		case heaters[k.Heater]:
			return wrong(path+".heater", "%q is driven by another climate already", k.Heater)
		case !finite(k.Min) || !finite(k.Max) || k.Min >= k.Max || k.Min < -50 || k.Max > 100:
			return wrong(path+".min", "min must be under max, both within -50 to 100 °C")
		case !(k.Target >= k.Min && k.Target <= k.Max):
			return wrong(path+".target", "must be %g to %g °C, not %g", k.Min, k.Max, k.Target)
		case !(k.Hysteresis >= 0.05 && k.Hysteresis <= 10):
			return wrong(path+".hysteresis", "must be 0.05 to 10 K, not %g", k.Hysteresis)
		case k.SensorMaxAge < 5*time.Second || k.SensorMaxAge > time.Hour:
			return wrong(path+".sensor_max_age", "must be 5s to 1h")
		}
		heaters[k.Heater] = true
		if err := claim(path+".id", k.ID); err != nil {
			return err
		}
	}
	return nil
}

func (k *Climate) fill() {
	if k.ID == "" {
		k.ID = "climate"
	}
	if k.Min == 0 && k.Max == 0 {
		k.Min, k.Max = 5, 30
	}
	if k.Target == 0 && k.Min > 0 {
		k.Target = math.Min(math.Max(20, k.Min), k.Max)
	}
	if k.Hysteresis == 0 {
		k.Hysteresis = 0.3
	}
	if k.SensorMaxAge == 0 {
		k.SensorMaxAge = 2 * time.Minute
	}
}

func finite(f float64) bool { return !math.IsNaN(f) && !math.IsInf(f, 0) }
