package world

import (
	"fmt"
	"sort"
	"strings"
	"time"
)

// Probe reads one quantity of the world at an instant. Safe for concurrent use; it moves the world on to that instant first.
type Probe func(at time.Duration) float64

// Input gives one actuator's drive, 0 to 1, to the world from an instant on. Safe for concurrent use. Values beyond are cut off.
type Input func(at time.Duration, drive float64)

// Wave reads a signal at any rate. Instants should not lie further back than half a minute behind the newest asked for.
type Wave func(at time.Duration) float64

type roomProbe struct {
	name string
	read func(r *room, sky *weather) float64
}

func roomProbes() []roomProbe {
	return []roomProbe{
		{"air_temperature", func(r *room, _ *weather) float64 { return r.air + r.eddy.x }},
		{"wall_temperature", func(r *room, _ *weather) float64 { return r.wall }},
		{"humidity", func(r *room, _ *weather) float64 { return relative(r.vapour, r.air+r.eddy.x) }},
		{"pressure", func(_ *room, w *weather) float64 { return w.pressure }},
		{"co2", func(r *room, _ *weather) float64 { return r.co2 + r.breath.x }},
		{"pm25", func(r *room, _ *weather) float64 { return max(0, r.dust*(1+r.eddy.x)) }},
		{"illuminance", func(r *room, _ *weather) float64 { return r.light * (1 + r.eddy.x/5) }},
		{"power", func(r *room, _ *weather) float64 { return r.power }},
		{"energy", func(r *room, _ *weather) float64 { return r.energy }},
		{"people", func(r *room, _ *weather) float64 { return float64(r.people) }},
		{"motion", func(r *room, _ *weather) float64 { return truth(r.motion < 30) }},
	}
}

func isRoomProbe(name string) bool {
	for _, p := range roomProbes() {
		if p.name == name {
			return true
		}
	}
	return false
}

func skyProbes() map[string]func(*weather) float64 {
	return map[string]func(*weather) float64{
		"air_temperature": func(w *weather) float64 { return w.temperature },
		"humidity":        func(w *weather) float64 { return relative(w.vapour, w.temperature) },
		"pressure":        func(w *weather) float64 { return w.pressure },
		"illuminance":     func(w *weather) float64 { return w.sunlight * luxPerWatt },
		"pm25":            func(*weather) float64 { return outsideDust },
		"cloud":           func(w *weather) float64 { return 100 * w.cloud },
	}
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// find collects everything that can be read, by name. Held under the lock only where the values are read.
func (w *World) find() map[string]func(at time.Duration) float64 {
	points := map[string]func(time.Duration) float64{}
	for name, read := range skyProbes() {
		points[Outside+"/"+name] = func(time.Duration) float64 { return read(&w.weather) }
	}
	for _, r := range w.rooms {
		for _, p := range roomProbes() {
			points[r.cfg.Name+"/"+p.name] = func(time.Duration) float64 { return p.read(r, &w.weather) }
		}
		for i := range r.loads {
			l := &r.loads[i]
			points[r.cfg.Name+"/"+l.cfg.Name] = func(time.Duration) float64 { return l.drive }
		}
	}
	for _, d := range w.doors {
		points[d.cfg.Name+"/open"] = func(time.Duration) float64 { return truth(d.position > 0.02) }
		points[d.cfg.Name+"/position"] = func(time.Duration) float64 { return 100 * d.position }
	}
	for _, b := range w.beds {
		points[b.cfg.Name+"/moisture"] = func(time.Duration) float64 { return b.moisture }
		points[b.cfg.Name+"/temperature"] = func(time.Duration) float64 { return b.temperature }
		points[b.cfg.Name+"/litres"] = func(time.Duration) float64 { return b.litres }
		points[b.cfg.Name+"/valve"] = func(time.Duration) float64 { return b.valve }
	}
	for _, m := range w.machines {
		points[m.cfg.Name+"/rpm"] = func(time.Duration) float64 { return m.turns() * 60 }
		points[m.cfg.Name+"/temperature"] = func(time.Duration) float64 { return m.bearing }
		points[m.cfg.Name+"/velocity"] = func(time.Duration) float64 { return m.velocity() }
		points[m.cfg.Name+"/power"] = func(time.Duration) float64 { return m.power() }
		points[m.cfg.Name+"/motor"] = func(time.Duration) float64 { return m.drive }
	}
	for _, p := range w.patients {
		points[p.cfg.Name+"/heart_rate"] = func(at time.Duration) float64 { return p.heartRate(at.Seconds()) }
		points[p.cfg.Name+"/spo2"] = func(at time.Duration) float64 { return p.beatAt(at.Seconds()).sat }
	}
	return points
}

// Probe looks up a quantity by name, such as "kitchen/air_temperature". Errors: an unknown name, with what there is.
func (w *World) Probe(name string) (Probe, error) {
	read, ok := w.find()[name]
	if !ok {
		return nil, w.unknown("quantity", name, w.Probes())
	}
	return func(at time.Duration) float64 {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.advance(at)
		return read(at)
	}, nil
}

// Probes lists the names of all quantities, sorted.
func (w *World) Probes() []string { return sorted(w.find()) }

func (w *World) inputs() map[string]func(float64) {
	points := map[string]func(float64){}
	for _, r := range w.rooms {
		for i := range r.loads {
			l := &r.loads[i]
			points[r.cfg.Name+"/"+l.cfg.Name] = func(v float64) { l.drive = v }
		}
	}
	for _, d := range w.doors {
		points[d.cfg.Name+"/drive"] = d.drive
	}
	for _, b := range w.beds {
		points[b.cfg.Name+"/valve"] = func(v float64) { b.valve = v }
	}
	for _, m := range w.machines {
		points[m.cfg.Name+"/motor"] = func(v float64) { m.drive = v }
	}
	return points
}

// Input looks up an actuator's point by name, such as "kitchen/lamp". Errors: an unknown name, with what there is.
func (w *World) Input(name string) (Input, error) {
	points := w.inputs()
	set, ok := points[name]
	if !ok {
		return nil, w.unknown("input", name, sorted(points))
	}
	return func(at time.Duration, drive float64) {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.advance(at)
		if drive >= 0 || drive < 0 { // not NaN
			set(min(1, max(0, drive)))
		}
	}, nil
}

// Wave looks up a signal by name: "anna/pleth", "anna/red", "anna/infrared" (photocurrents relative to rest) of a patient,
// "pump/vibration_x", "_y" and "_z" (m/s², gravity on z) of a machine. Errors: an unknown name, with what there is.
func (w *World) Wave(name string) (Wave, error) {
	points := map[string]Wave{}
	for _, p := range w.patients {
		points[p.cfg.Name+"/pleth"] = func(at time.Duration) float64 { return p.pleth(at.Seconds()) }
		points[p.cfg.Name+"/red"] = func(at time.Duration) float64 { red, _ := p.absorption(at); return red }
		points[p.cfg.Name+"/infrared"] = func(at time.Duration) float64 { _, ir := p.absorption(at); return ir }
	}
	for _, m := range w.machines {
		points[m.cfg.Name+"/vibration_x"] = m.acceleration
		points[m.cfg.Name+"/vibration_y"] = func(at time.Duration) float64 { return 0.8 * m.acceleration(at-5*time.Millisecond) }
		points[m.cfg.Name+"/vibration_z"] = func(at time.Duration) float64 { return gravity + 0.35*m.acceleration(at-2*time.Millisecond) }
	}
	wave, ok := points[name]
	if !ok {
		return nil, w.unknown("wave", name, sorted(points))
	}
	return func(at time.Duration) float64 {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.advance(at)
		return wave(at)
	}, nil
}

func (w *World) unknown(kind, name string, known []string) error {
	return fmt.Errorf("world: no %s %q; there is %s", kind, name, strings.Join(known, ", "))
}

func sorted[V any](points map[string]V) []string {
	names := make([]string, 0, len(points))
	for name := range points {
		names = append(names, name)
	}
	sort.Strings(names)
	return names
}
