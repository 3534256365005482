package world

import (
	"errors"
	"fmt"
	"regexp"
)

// Outside is the name of the open air, wherever a room's name is asked for.
const Outside = "outside"

// Config describes one modelled place. The zero value is an empty world under a moderate sky.
type Config struct {
	Weather  Weather   `yaml:"weather"`
	People   int       `yaml:"people"` // how many people live or work here; they walk between the rooms
	Rooms    []Room    `yaml:"rooms"`
	Doors    []Door    `yaml:"doors"`
	Beds     []Bed     `yaml:"beds"`
	Machines []Machine `yaml:"machines"`
	Patients []Patient `yaml:"patients"`
}

// Weather describes the climate of the place.
type Weather struct {
	Latitude float64 `yaml:"latitude"` // degrees north; 0 means 50
	Mean     float64 `yaml:"mean"`     // °C, mean of the day; 0 means what the time of the year suggests
	Swing    float64 `yaml:"swing"`    // K, half of the difference between afternoon and dawn; 0 means 5
}

// Room describes a space with one body of air.
type Room struct {
	Name        string  `yaml:"name"`
	Volume      float64 `yaml:"volume"`      // m³ of air; 0 means 40
	Loss        float64 `yaml:"loss"`        // W/K through walls and windows to the outside; 0 means 1 W/K per m³
	Draught     float64 `yaml:"draught"`     // air changes per hour with everything shut; 0 means 0.4
	Window      float64 `yaml:"window"`      // m² of glass: daylight and solar gain; 0 means none
	Temperature float64 `yaml:"temperature"` // °C at the start; 0 means 20
	Plants      float64 `yaml:"plants"`      // m² of leaves: they transpire, and take up CO2 in the light
	Keeps       float64 `yaml:"keeps"`       // °C that a radiator with a valve of its own holds, without any agent; 0 means there is none
	Attraction  Day     `yaml:"attraction"`  // how much people want to be here, by time of day
	Loads       []Load  `yaml:"loads"`
}

// Day weighs the four parts of a day: night 23 to 6, morning 6 to 9, day 9 to 17, evening 17 to 23.
type Day struct {
	Night   float64 `yaml:"night"`
	Morning float64 `yaml:"morning"`
	Day     float64 `yaml:"day"`
	Evening float64 `yaml:"evening"`
}

// Load is anything in a room that an actuator switches or dims; its effects are given at full drive.
type Load struct {
	Name   string  `yaml:"name"`
	Watts  float64 `yaml:"watts"`  // W from the mains
	Heat   float64 `yaml:"heat"`   // W into the air, negative for a cooler; 0 means equal to watts
	Lux    float64 `yaml:"lux"`    // lx at the light sensor
	Flow   float64 `yaml:"flow"`   // m³/h of air exchanged with the outside
	Vapour float64 `yaml:"vapour"` // g/h of water into the air, negative for a dryer
	Dust   float64 `yaml:"dust"`   // µg/h of fine dust into the air: a pan, a candle
	Lag    float64 `yaml:"lag"`    // s, time constant with which the effect follows the drive; 0 means at once
}

// Door is an opening between two rooms, or between a room and the outside: a door, a window, a vent, a garage door.
type Door struct {
	Name    string  `yaml:"name"`
	From    string  `yaml:"from"`
	To      string  `yaml:"to"`      // a room, or "outside"
	Flow    float64 `yaml:"flow"`    // m³/h when fully open; 0 means 600
	Habit   string  `yaml:"habit"`   // who moves it: "people" walk through, "airing" is opened when the air is bad or hot, "motor" has a drive, "button" changes sides at each press
	Seconds float64 `yaml:"seconds"` // s for the full way, with a motor or button; 0 means 15
}

// Bed is a body of soil with plants and a valve.
type Bed struct {
	Name     string  `yaml:"name"`
	Room     string  `yaml:"room"`     // where it stands; "outside" for the garden
	Area     float64 `yaml:"area"`     // m²; 0 means 2
	Depth    float64 `yaml:"depth"`    // m; 0 means 0.3
	Moisture float64 `yaml:"moisture"` // % by volume at the start; 0 means 30
	Flow     float64 `yaml:"flow"`     // L/min with the valve open; 0 means 4
}

// Machine is a motor with a shaft on two bearings.
type Machine struct {
	Name      string  `yaml:"name"`
	Room      string  `yaml:"room"`
	RPM       float64 `yaml:"rpm"`       // rpm at full drive; 0 means 1480
	Watts     float64 `yaml:"watts"`     // W at full speed; 0 means 2200
	Imbalance float64 `yaml:"imbalance"` // mm/s rms at full speed; 0 means 1.2
	Wear      float64 `yaml:"wear"`      // 0 for a new bearing, 1 for one that is about to fail
	Running   bool    `yaml:"running"`   // whether it turns at the start
}

// Patient is a person in a bed with a sensor on the finger.
type Patient struct {
	Name string  `yaml:"name"`
	Rate float64 `yaml:"rate"` // beats/min at rest; 0 means 68
	SpO2 float64 `yaml:"spo2"` // %; 0 means 97.5
}

// Validate reports everything that is wrong, in words, or nil.
func (c *Config) Validate() error {
	v := validator{rooms: map[string]bool{Outside: true}, seen: map[string]bool{Outside: true}}
	if c.People < 0 || c.People > maxPeople {
		v.add("people: %d, want 0 to %d", c.People, maxPeople)
	}
	v.number("weather", "latitude", c.Weather.Latitude, -66, 66)
	v.number("weather", "mean", c.Weather.Mean, -40, 45)
	v.number("weather", "swing", c.Weather.Swing, 0, 20)
	for _, r := range c.Rooms {
		v.name("room", r.Name)
		v.rooms[r.Name] = true
		v.room(r)
	}
	for _, d := range c.Doors {
		v.door(d)
	}
	for _, b := range c.Beds {
		v.name("bed", b.Name)
		v.place(b.Name, b.Room)
		v.number(b.Name, "area", b.Area, 0, 1e4)
		v.number(b.Name, "depth", b.Depth, 0, 3)
		v.number(b.Name, "moisture", b.Moisture, 0, 60)
		v.number(b.Name, "flow", b.Flow, 0, 1e4)
	}
	for _, m := range c.Machines {
		v.name("machine", m.Name)
		v.place(m.Name, m.Room)
		v.number(m.Name, "rpm", m.RPM, 0, 30000)
		v.number(m.Name, "watts", m.Watts, 0, 1e6)
		v.number(m.Name, "imbalance", m.Imbalance, 0, 50)
		v.number(m.Name, "wear", m.Wear, 0, 1)
	}
	for _, p := range c.Patients {
		v.name("patient", p.Name)
		v.number(p.Name, "rate", p.Rate, 0, 220)
		v.number(p.Name, "spo2", p.SpO2, 0, 100)
	}
	return errors.Join(v.errs...)
}

// maxPeople bounds the walk of the people, which is quadratic in nothing but tedious in everything.
const maxPeople = 50

type validator struct {
	rooms, seen map[string]bool
	errs        []error
}

func (v *validator) add(format string, args ...any) {
	v.errs = append(v.errs, fmt.Errorf(format, args...))
}

func (v *validator) name(kind, name string) {
	if !regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,62}$`).MatchString(name) {
		v.add("%s %q: a name is made of a-z, 0-9 and -, at most 63 characters", kind, name)
		return
	}
	if v.seen[name] {
		v.add("%s %q: this name is used twice", kind, name)
	}
	v.seen[name] = true
}

func (v *validator) place(owner, room string) {
	if !v.rooms[room] {
		v.add("%s: room %q does not exist", owner, room)
	}
}

func (v *validator) number(owner, key string, x, lo, hi float64) {
	if !(x >= lo && x <= hi) { // also refuses NaN
		v.add("%s: %s is %v, want %v to %v", owner, key, x, lo, hi)
	}
}

func (v *validator) room(r Room) {
	v.number(r.Name, "volume", r.Volume, 0, 1e6)
	v.number(r.Name, "loss", r.Loss, 0, 1e6)
	v.number(r.Name, "draught", r.Draught, 0, 60)
	v.number(r.Name, "window", r.Window, 0, 1e4)
	v.number(r.Name, "temperature", r.Temperature, -40, 60)
	v.number(r.Name, "plants", r.Plants, 0, 1e4)
	v.number(r.Name, "keeps", r.Keeps, 0, 40)
	for _, w := range []float64{r.Attraction.Night, r.Attraction.Morning, r.Attraction.Day, r.Attraction.Evening} {
		v.number(r.Name, "attraction", w, 0, 1000)
	}
	names := map[string]bool{}
	for _, l := range r.Loads {
		owner := r.Name + "/" + l.Name
		if l.Name == "" || names[l.Name] || isRoomProbe(l.Name) {
			v.add("%s: a load needs a name of its own", owner)
		}
		names[l.Name] = true
		v.number(owner, "watts", l.Watts, 0, 1e6)
		v.number(owner, "heat", l.Heat, -1e6, 1e6)
		v.number(owner, "lux", l.Lux, 0, 1e5)
		v.number(owner, "flow", l.Flow, 0, 1e5)
		v.number(owner, "vapour", l.Vapour, -1e5, 1e5)
		v.number(owner, "dust", l.Dust, 0, 1e9)
		v.number(owner, "lag", l.Lag, 0, 1e5)
	}
}

func (v *validator) door(d Door) {
	v.name("door", d.Name)
	v.place(d.Name, d.From)
	v.place(d.Name, d.To)
	if d.From == d.To {
		v.add("door %s: leads from %s to itself", d.Name, d.From)
	}
	switch d.Habit {
	case "", habitPeople, habitAiring, habitMotor, habitButton:
	default:
		v.add("door %s: habit %q is unknown, want people, airing, motor or button", d.Name, d.Habit)
	}
	v.number(d.Name, "flow", d.Flow, 0, 1e5)
	v.number(d.Name, "seconds", d.Seconds, 0, 3600)
}

// or gives the default for a number that was left out.
func or(x, def float64) float64 {
	if x == 0 {
		return def
	}
	return x
}
