package world

import "math/rand/v2"

// Habits of a door.
const (
	habitPeople = "people"
	habitAiring = "airing"
	habitMotor  = "motor"
	habitButton = "button"
)

const (
	stayMean    = 1500 // s, how long a person stays before thinking of another room
	passSeconds = 9    // s, how long a door stands open behind a person
	airingCO2   = 1100 // ppm at which someone opens a window
	airingHeat  = 25.5 // °C at which someone does so when it is cooler outside
	airingMean  = 480  // s, how long it then stays open
)

// person is where somebody is: an index into the rooms, or -1 for away.
type person struct{ at int }

// walk lets each person stay or go to another room, through the doors between.
func (w *World) walk(dt float64) {
	if len(w.people) == 0 {
		return
	}
	for i := range w.people {
		if w.rng.Float64() >= dt/stayMean {
			continue
		}
		from, to := w.people[i].at, w.choose(w.hour())
		if from == to {
			continue
		}
		w.people[i].at = to
		w.openFor(from)
		w.openFor(to)
	}
	for _, r := range w.rooms {
		r.people = 0
	}
	for _, p := range w.people {
		if p.at >= 0 {
			w.rooms[p.at].people++
		}
	}
}

// choose draws a room by its attraction at this hour, -1 for away.
func (w *World) choose(hour float64) int {
	away := map[bool]float64{true: 3, false: 0.4}[hour >= 9 && hour < 17]
	total := away
	for _, r := range w.rooms {
		total += r.cfg.Attraction.at(hour)
	}
	pick := w.rng.Float64() * total
	for i, r := range w.rooms {
		if pick -= r.cfg.Attraction.at(hour); pick < 0 {
			return i
		}
	}
	return -1
}

func (d Day) at(hour float64) float64 {
	switch {
	case hour < 6 || hour >= 23:
		return d.Night
	case hour < 9:
		return d.Morning
	case hour < 17:
		return d.Day
	}
	return d.Evening
}

// openFor opens the doors that people use at a room for the time of passing.
func (w *World) openFor(room int) {
	if room < 0 {
		return
	}
	for _, d := range w.doors {
		if d.cfg.Habit == habitPeople && (d.from == w.rooms[room] || d.to == w.rooms[room]) {
			d.left = passSeconds
			return
		}
	}
}

// door is the state of an opening.
type door struct {
	cfg      Door
	from, to *room // nil is outside
	position float64
	target   float64 // 0 or 1, or between for a motor
	left     float64 // s until it falls shut
	pressed  bool
}

func newDoor(cfg Door, from, to *room) *door { return &door{cfg: cfg, from: from, to: to} }

func (d *door) step(dt float64, sky *weather, rng *rand.Rand) {
	switch d.cfg.Habit {
	case habitMotor, habitButton:
		way := dt / or(d.cfg.Seconds, 15)
		d.position += min(way, max(-way, d.target-d.position))
		return
	case habitAiring:
		inside := d.from
		if inside == nil {
			inside = d.to
		}
		if inside == nil || d.left > 0 || inside.people == 0 {
			break
		}
		bad := inside.co2 > airingCO2 || inside.air > airingHeat && sky.temperature < inside.air
		if bad && rng.Float64() < dt/120 {
			d.left = airingMean * (0.5 + rng.Float64())
		}
	}
	d.position = d.target
	if d.left > 0 {
		d.left -= dt
		d.position = 1
	}
}

// exchange lets the air of both sides mix.
func (d *door) exchange(sky *weather) {
	if d.position <= 0 {
		return
	}
	flow := d.position * or(d.cfg.Flow, 600) / 3600
	give := func(to, from *room) {
		if to == nil {
			return
		}
		in := inflow{flow, sky.temperature, sky.vapour, outsideCO2, outsideDust}
		if from != nil {
			in = inflow{flow, from.air, from.vapour, from.co2, from.dust}
		}
		to.fromAir = append(to.fromAir, in)
	}
	give(d.from, d.to)
	give(d.to, d.from)
}

// drive takes what an actuator says: the wanted position, or for a button the level of the contact.
func (d *door) drive(v float64) {
	if d.cfg.Habit != habitButton {
		d.target = v
		return
	}
	pressed := v >= 0.5
	if pressed && !d.pressed {
		d.target = 1 - d.target
	}
	d.pressed = pressed
}
