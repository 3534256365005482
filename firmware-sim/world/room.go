package world

import (
	"math"
	"math/rand/v2"
)

// Physical constants and typical figures; W, K, kg, m unless said otherwise.
const (
	airHeat        = 1.2 * 1005 // J/(m³K), heat capacity of air
	furnitureHeat  = 2.5        // how many times its own capacity the air seems to have, with light furniture
	wallHeat       = 35e3       // J/(m³K), the inner layer of walls and floor, per m³ of room
	wallCoupling   = 4.0        // W/K per m³ of room between the air and the walls
	solarGain      = 0.45       // part of the sun on the glass that ends as heat
	daylightFactor = 0.012      // part of the outside light at the sensor, per m² of glass
	personHeat     = 85         // W, seated adult; ISO 8996
	personVapour   = 50         // g/h
	personCO2      = 18e3       // mL/h, seated adult; ASHRAE 62.1
	personDust     = 1200       // µg/h stirred up by a person who moves about
	outsideDust    = 8          // µg/m³
	dustSettles    = 0.4        // part of the dust that settles in an hour
	standby        = 3          // W, what is always on in a room
	leafVapour     = 60         // g/h per m² of leaf in full sun and dry air
	leafCO2        = 1800       // mL/h per m² of leaf taken up in full sun
	evaporation    = 2450       // J/g, heat that water takes along as vapour
	valveBand      = 1.0        // K below its setting at which a radiator's own valve is fully open
)

// room is the state of one body of air, its walls and its loads.
type room struct {
	cfg    Room
	volume float64 // m³
	loss   float64 // W/K
	air    float64 // °C
	wall   float64 // °C
	vapour float64 // g/m³
	co2    float64 // ppm
	dust   float64 // µg/m³, finer than 2.5 µm
	light  float64 // lx
	power  float64 // W
	energy float64 // kWh since the start
	people int
	motion float64 // s since someone last moved, large when nobody is here
	loads  []load
	eddy   drift // K, what a sensor sees of moving air
	breath drift // ppm, the same for CO2

	// sums of one step, filled by the sources and emptied by integrate
	heat, water, gas, exchanged float64 // W, g/s, mL/s, m³/s with the outside
	smoke                       float64 // µg/h
	fromAir                     []inflow
}

type inflow struct {
	flow             float64 // m³/s
	air, vapour, co2 float64
	dust             float64 // µg/m³
}

type load struct {
	cfg    Load
	drive  float64 // 0 to 1, what the actuator says
	effect float64 // 0 to 1, what has come of it
}

func newRoom(cfg Room, sky *weather) *room {
	r := &room{cfg: cfg, volume: or(cfg.Volume, 40), air: or(cfg.Temperature, 20), motion: 3600, co2: 520, dust: outsideDust}
	r.loss = or(cfg.Loss, r.volume)
	r.wall = r.air - 0.5
	// What a room holds at rest: the outside's water and a little of its own.
	r.vapour = min(sky.vapour+1.5, 0.65*saturation(r.air))
	r.eddy = drift{sigma: 0.03, tau: 25}
	r.breath = drift{sigma: 3, tau: 15}
	for _, l := range cfg.Loads {
		r.loads = append(r.loads, load{cfg: l})
	}
	return r
}

// sources adds up what the loads, the people, the sun and the plants do in this step.
func (r *room) sources(dt float64, sky *weather) {
	r.power = standby
	r.light = sky.sunlight * luxPerWatt * min(1, daylightFactor*r.cfg.Window)
	r.exchanged += or(r.cfg.Draught, 0.4) * r.volume / 3600
	for i := range r.loads {
		l := &r.loads[i]
		if l.cfg.Lag <= 0 {
			l.effect = l.drive
		} else {
			l.effect += (l.drive - l.effect) * (1 - math.Exp(-dt/l.cfg.Lag))
		}
		r.power += l.drive * l.cfg.Watts
		r.heat += l.effect * or(l.cfg.Heat, l.cfg.Watts)
		r.light += l.effect * l.cfg.Lux
		r.exchanged += l.effect * l.cfg.Flow / 3600
		r.water += l.effect * l.cfg.Vapour / 3600
		r.smoke += l.effect * l.cfg.Dust
	}
	if r.cfg.Keeps > 0 {
		// Sized for 30 K, as a heating engineer would.
		r.heat += 30 * r.loss * min(1, max(0, (r.cfg.Keeps-r.air)/valveBand))
	}
	n := float64(r.people)
	r.heat += n*personHeat + r.cfg.Window*solarGain*sky.sunlight
	r.water += n * personVapour / 3600
	r.gas += n * personCO2 / 3600
	if leaves := r.cfg.Plants; leaves > 0 {
		sun := min(1, r.light/luxPerWatt/400)
		dry := 1 - relative(r.vapour, r.air)/100
		given := leaves * leafVapour / 3600 * (0.1 + sun) * dry * 2
		r.water += given
		r.heat -= given * evaporation
		// Uptake falls to nothing as the CO2 is used up.
		r.gas -= leaves * leafCO2 / 3600 * sun * min(1, max(0, (r.co2-150)/400))
	}
}

// integrate turns the sums of the step into the next state and empties them.
func (r *room) integrate(dt float64, sky *weather, rng *rand.Rand) {
	r.fromAir = append(r.fromAir, inflow{r.exchanged, sky.temperature, sky.vapour, outsideCO2, outsideDust})
	heat, water, gas, smoke := r.heat, r.water, r.gas, 0.0
	for _, in := range r.fromAir {
		// No more than half of the air is replaced in a step, which keeps the explicit step stable for any configuration.
		f := min(in.flow, r.volume/dt/2/float64(len(r.fromAir)))
		heat += f * airHeat * (in.air - r.air)
		water += f * (in.vapour - r.vapour)
		gas += f * (in.co2 - r.co2)
		smoke += f * (in.dust - r.dust)
	}
	capacity := airHeat * furnitureHeat * r.volume
	toWall := wallCoupling * r.volume * (r.air - r.wall)
	heat -= toWall + 0.4*r.loss*(r.air-sky.temperature) // glass and frames
	r.air = min(95, max(-60, r.air+heat*dt/capacity))
	r.wall += (toWall - 0.6*r.loss*(r.wall-sky.temperature)) * dt / (wallHeat * r.volume)
	r.vapour = min(saturation(r.air), max(0.05, r.vapour+water*dt/r.volume))
	smoke += (r.smoke + float64(r.people)*personDust - r.dust*r.volume*dustSettles) / 3600
	r.dust = min(2000, max(0, r.dust+smoke*dt/r.volume))
	r.co2 = min(40000, max(100, r.co2+gas*dt/r.volume))
	r.energy += r.power * dt / 3.6e6
	r.motion += dt
	if r.people > 0 && rng.Float64() < 0.08*dt*float64(r.people) {
		r.motion = 0
	}
	r.eddy.step(dt, rng)
	r.breath.step(dt, rng)
	r.heat, r.water, r.gas, r.smoke, r.exchanged, r.fromAir = 0, 0, 0, 0, 0, r.fromAir[:0]
}
