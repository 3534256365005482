package agent

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/telltale-iot/telltale/device-agent/config"
	"github.com/telltale-iot/telltale/device-agent/device"
	"github.com/telltale-iot/telltale/schema"
)

// climateStep is how often a thermostat decides.
const climateStep = time.Second

// What a thermostat can be told and can do, in Home Assistant's words.
const (
	modeOff       = "off"
	modeHeat      = "heat"
	actionOff     = "off"
	actionIdle    = "idle"
	actionHeating = "heating"
)

// climate is a thermostat that runs on the device: it needs no hub to keep a room warm, and lets go of the heater when its sensor is
// lost. It is a device.Actuator for commands (target and mode) and a loop that tells the heater's output what it wants.
type climate struct {
	a      *Agent
	cfg    config.Climate
	heater *output
	out    *output

	mu     sync.Mutex
	target float64
	mode   string
	heat   bool
	lost   bool
}

func newClimate(a *Agent, c config.Climate) (*climate, error) {
	heater, ok := a.outputs[c.Heater]
	if !ok {
		return nil, fmt.Errorf("climate %s: there is no actuator %q", c.ID, c.Heater)
	}
	if !slices.ContainsFunc(a.descriptor.Entities, func(e schema.Entity) bool { return e.ID == c.Sensor && e.DeviceClass == "temperature" }) {
		return nil, fmt.Errorf("climate %s: %q is not the id of a temperature sensor of this device", c.ID, c.Sensor)
	}
	k := &climate{a: a, cfg: c, heater: heater, target: c.Target, mode: modeHeat}
	heater.owner = c.Title()
	for i := range heater.entity.Channels { // people command the thermostat, not its heater
		heater.entity.Channels[i].Settable = false
	}
	k.out = newOutput(a, k, config.Actuator{ID: c.ID, SafeState: "off"})
	return k, nil
}

// Describe implements device.Actuator.
func (k *climate) Describe() []schema.Entity {
	lo, hi, step, decimals := k.cfg.Min, k.cfg.Max, 0.5, 1
	safe := actionIdle
	if k.heater.cfg.SafeState == "on" {
		safe = actionHeating
	}
	s := &schema.Safety{SafeState: map[string]schema.Value{schema.ChannelHVACAction: schema.Text(safe)}, OnBoot: "restore", SensorMaxAgeMS: k.cfg.SensorMaxAge.Milliseconds(),
		MaxOnMS: k.heater.cfg.MaxOn.Milliseconds(), MinCycleMS: k.heater.cfg.MinCycle.Milliseconds()}
	return []schema.Entity{{ID: k.cfg.ID, Kind: schema.KindClimate, Name: k.cfg.Title(), Area: k.cfg.Area, Safety: s, Channels: []schema.Channel{
		{Name: schema.ChannelCurrentTemperature, Type: schema.TypeNumber, Unit: "°C", StateClass: schema.StateMeasurement, Precision: &decimals},
		{Name: schema.ChannelTargetTemperature, Type: schema.TypeNumber, Unit: "°C", Min: &lo, Max: &hi, Step: &step, Precision: &decimals,
			Settable: true, Proof: schema.ProofEcho},
		{Name: schema.ChannelHVACMode, Type: schema.TypeString, Options: []string{modeOff, modeHeat}, Settable: true, Proof: schema.ProofEcho},
		{Name: schema.ChannelHVACAction, Type: schema.TypeString, Options: []string{actionOff, actionIdle, actionHeating}},
	}}}
}

// Apply implements device.Actuator.
func (k *climate) Apply(_ context.Context, channel string, v schema.Value) error {
	k.mu.Lock()
	switch channel {
	case schema.ChannelTargetTemperature:
		k.target, _ = v.Float()
	case schema.ChannelHVACMode:
		k.mode = v.Str()
	}
	k.mu.Unlock()
	k.decide()
	return nil
}

// Read implements device.Actuator.
func (k *climate) Read(context.Context) ([]device.Measurement, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	now := device.Measurement{Channel: schema.ChannelCurrentTemperature, Quality: schema.QualityFault}
	if r, ok := k.a.latest.get(k.cfg.Sensor); ok && !k.lost {
		now.Value, now.Quality = schema.Number(r.value), ""
	}
	action := actionIdle
	switch {
	case k.mode == modeOff:
		action = actionOff
	case k.heat:
		action = actionHeating
	}
	return []device.Measurement{now,
		{Channel: schema.ChannelTargetTemperature, Value: schema.Number(k.target)},
		{Channel: schema.ChannelHVACMode, Value: schema.Text(k.mode)},
		{Channel: schema.ChannelHVACAction, Value: schema.Text(action)},
	}, nil
}

// Safe implements device.Actuator: the loop has no output of its own; the heater has.
func (k *climate) Safe() error { return nil }

// Close implements device.Actuator.
func (k *climate) Close() error { return nil }

// run decides until ctx ends.
func (k *climate) run(ctx context.Context) {
	tick := time.NewTicker(climateStep)
	defer tick.Stop()
	for {
		k.decide()
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// decide tells the heater what it should do now.
func (k *climate) decide() {
	k.mu.Lock()
	r, ok := k.a.latest.get(k.cfg.Sensor)
	lost := !ok || k.a.clock.Mono()-r.at > k.cfg.SensorMaxAge
	gone := lost && !k.lost && k.a.clock.Mono()-k.a.started > k.cfg.SensorMaxAge
	back := !lost && k.lost
	switch {
	case lost || k.mode == modeOff:
		k.heat = false
	case r.value < k.target-k.cfg.Hysteresis:
		k.heat = true
	case r.value > k.target+k.cfg.Hysteresis:
		k.heat = false
	}
	if gone || back {
		k.lost = lost
	}
	want := k.heat
	if lost {
		want = k.heater.cfg.SafeState == "on"
	}
	k.mu.Unlock()
	k.heater.want(want)
	if gone {
		k.a.log.Warn("thermostat lost its sensor; heater to its safe state", "entity", k.cfg.ID)
		k.a.event("safe_state", k.cfg.ID, fmt.Sprintf("%s has no reading of %s for %s: the heater goes to its safe state", k.cfg.Title(), k.cfg.Sensor, k.cfg.SensorMaxAge))
	}
	if back {
		k.a.event("sensor_back", k.cfg.ID, k.cfg.Title()+" has its sensor again")
	}
}
