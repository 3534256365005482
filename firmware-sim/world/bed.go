package world

import "math"

// Water in soil, % by volume. Source: FAO Irrigation and Drainage Paper 56, table 19, loam.
const (
	fieldCapacity = 32.0
	wiltingPoint  = 12.0
	saturated     = 46.0
)

// potentialLoss is the water that a fully lit, fully grown bed gives off in dry air, mm/h. Source: FAO 56, chapter 2, as a summer noon.
const potentialLoss = 0.7

// bed is the state of a body of soil.
type bed struct {
	cfg         Bed
	where       *room // nil is outside
	moisture    float64
	temperature float64
	valve       float64 // 0 to 1
	wetting     float64 // % that is on its way from the surface to the sensor
	litres      float64 // given since the start
}

func newBed(cfg Bed, where *room, sky *weather) *bed {
	b := &bed{cfg: cfg, where: where, moisture: or(cfg.Moisture, 30), temperature: sky.temperature}
	if where != nil {
		b.temperature = where.air
	}
	return b
}

func (b *bed) step(dt float64, sky *weather) {
	air, vapour, sun := sky.temperature, sky.vapour, sky.sunlight
	if b.where != nil {
		air, vapour, sun = b.where.air, b.where.vapour, b.where.light/luxPerWatt
	}
	volume := or(b.cfg.Area, 2) * or(b.cfg.Depth, 0.3) * 1000 // L
	given := b.valve * or(b.cfg.Flow, 4) * dt / 60
	b.litres += given
	b.wetting += 100 * given / volume
	seep := b.wetting * (1 - math.Exp(-dt/240))
	b.wetting -= seep
	dry := 1 - relative(vapour, air)/100
	stress := min(1, max(0, (b.moisture-wiltingPoint)/(fieldCapacity-wiltingPoint)))
	lost := potentialLoss * (0.08 + min(1, sun/700)) * (0.3 + dry) * stress * dt / 3600 * or(b.cfg.Area, 2) // L
	b.moisture += seep - 100*lost/volume
	if over := b.moisture - fieldCapacity; over > 0 {
		b.moisture -= over * (1 - math.Exp(-dt/7200)) // what the soil cannot hold drains away
	}
	b.moisture = min(saturated, max(2, b.moisture))
	b.temperature += (air - b.temperature) * (1 - math.Exp(-dt/1.5e4))
	if b.where != nil {
		b.where.water += lost * 1000 / dt
		b.where.heat -= lost * 1000 / dt * evaporation
	}
}
