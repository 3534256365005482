package world

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"time"
)

// Step is the world's resolution: everything but a Wave changes on multiples of it, in the world's own time.
const Step = time.Second

// maxCatchUp bounds the work after a long sleep of the machine: older steps are left out, the world resumes from there.
const maxCatchUp = 24 * time.Hour

// maxSpeed is where the slow physics of a large house costs a noticeable part of a core.
const maxSpeed = 3600

// Options say which of all possible worlds this is.
type Options struct {
	Seed  uint64
	Start time.Time // the world's time of day at instant 0; zero means a spring morning
	Speed float64   // seconds of the world per second of the caller; 0 means 1. Waves always run at 1.
}

// World is one running model. Safe for concurrent use.
type World struct {
	mu       sync.Mutex
	rng      *rand.Rand
	start    time.Time
	speed    float64
	steps    int64 // whole steps done
	weather  weather
	rooms    []*room
	doors    []*door
	people   []person
	beds     []*bed
	machines []*machine
	patients []*patient
}

// New builds a world from a valid configuration. Errors: those of Config.Validate.
func New(cfg Config, opts Options) (*World, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("world: %w", err)
	}
	if !(opts.Speed >= 0 && opts.Speed <= maxSpeed) {
		return nil, fmt.Errorf("world: speed %v, want 0 to %d", opts.Speed, maxSpeed)
	}
	if opts.Start.IsZero() {
		opts.Start = time.Date(2026, time.April, 14, 7, 0, 0, 0, time.UTC)
	}
	opts.Speed = or(opts.Speed, 1)
	w := &World{rng: rand.New(rand.NewPCG(opts.Seed, 0x74656c6c74616c65)), start: opts.Start, speed: opts.Speed}
	w.weather = newWeather(cfg.Weather, opts.Start, w.rng)
	for _, r := range cfg.Rooms {
		w.rooms = append(w.rooms, newRoom(r, &w.weather))
	}
	for _, d := range cfg.Doors {
		w.doors = append(w.doors, newDoor(d, w.room(d.From), w.room(d.To)))
	}
	for _, b := range cfg.Beds {
		w.beds = append(w.beds, newBed(b, w.room(b.Room), &w.weather))
	}
	for i, m := range cfg.Machines {
		w.machines = append(w.machines, newMachine(m, w.room(m.Room), Options{Seed: opts.Seed + uint64(i), Speed: opts.Speed}))
	}
	for i, p := range cfg.Patients {
		w.patients = append(w.patients, newPatient(p, opts.Seed+uint64(i)))
	}
	w.people = make([]person, cfg.People)
	for i := range w.people {
		w.people[i].at = w.choose(w.hour())
	}
	return w, nil
}

// room finds a room by name; nil stands for the outside.
func (w *World) room(name string) *room {
	for _, r := range w.rooms {
		if r.cfg.Name == name {
			return r
		}
	}
	return nil
}

// Advance moves the world to instant at, counted by the caller from the world's start. The past is left as it is.
func (w *World) Advance(at time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.advance(at)
}

func (w *World) advance(at time.Duration) {
	target := int64(float64(at) * w.speed / float64(Step))
	if behind := target - w.steps; behind > int64(maxCatchUp/Step) {
		w.steps = target - int64(maxCatchUp/Step)
	}
	for w.steps < target {
		w.steps++
		w.step(Step.Seconds())
	}
}

// now is the world's time of day after the steps done.
func (w *World) now() time.Time { return w.start.Add(time.Duration(w.steps) * Step) }

// hour is the time of day in hours, 0 to 24.
func (w *World) hour() float64 {
	t := w.now()
	return float64(t.Hour()) + float64(t.Minute())/60 + float64(t.Second())/3600
}

// step moves everything on by dt seconds: first the causes, then what follows from them.
func (w *World) step(dt float64) {
	w.weather.step(w.now(), dt, w.rng)
	w.walk(dt)
	for _, d := range w.doors {
		d.step(dt, &w.weather, w.rng)
	}
	for _, r := range w.rooms {
		r.sources(dt, &w.weather)
	}
	for _, m := range w.machines {
		m.step(dt)
	}
	for _, b := range w.beds {
		b.step(dt, &w.weather)
	}
	for _, d := range w.doors {
		d.exchange(&w.weather)
	}
	for _, r := range w.rooms {
		r.integrate(dt, &w.weather, w.rng)
	}
}
