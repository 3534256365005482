package world

import (
	"math"
	"time"
)

const (
	runUp        = 6.0  // s, time constant of running up
	runDown      = 14.0 // s, of running down
	bearingPass  = 3.57 // outer race passes per turn, deep groove 6205; SKF rolling bearings catalogue, frequencies
	resonance    = 310  // Hz, at which the housing rings when a ball passes the flaw
	ringing      = 0.004
	bearingHeat  = 1100.0 // J/K of the bearing block
	bearingCool  = 2.6    // W/K into the hall
	gravity      = 9.80665
	segmentCount = 64 // steps that a Wave can look back, which bounds the memory
)

// machine is the state of a motor, its shaft and its bearings.
type machine struct {
	cfg     Machine
	seed    uint64
	where   *room
	drive   float64
	speed   float64 // 0 to 1
	bearing float64 // °C
	phase   float64 // turns since the start
	steps   int64
	tick    float64 // s that a step takes for whoever watches, which is less than Step in a world that runs fast
	path    [segmentCount]segment
}

// segment is one step of the shaft: where it was and how fast at both ends.
type segment struct{ phase, from, to float64 } // turns, turns/s

func newMachine(cfg Machine, where *room, opts Options) *machine {
	m := &machine{cfg: cfg, seed: opts.Seed, where: where, bearing: 20, tick: Step.Seconds() / opts.Speed}
	if where != nil {
		m.bearing = where.air
	}
	if cfg.Running {
		m.drive, m.speed = 1, 1
		m.bearing += m.friction() / bearingCool
	}
	m.path[0] = segment{0, m.turns(), m.turns()}
	return m
}

// turns is the speed of the shaft in turns/s.
func (m *machine) turns() float64 { return m.speed * or(m.cfg.RPM, 1480) / 60 }

// friction is the heat in the bearing, W: it grows with the speed, and a worn bearing runs hot.
func (m *machine) friction() float64 { return 62 * m.speed * m.speed * (1 + 1.6*m.cfg.Wear) }

// power is what the motor takes, W: two fifths idle, the rest with the cube of the speed, and a surge while it runs up.
func (m *machine) power() float64 {
	if m.drive == 0 {
		return 0
	}
	surge := 2.5 * max(0, m.drive-m.speed)
	return or(m.cfg.Watts, 2200) * (0.4*m.drive + 0.6*math.Pow(m.speed, 3) + surge)
}

func (m *machine) step(dt float64) {
	before := m.turns()
	tau := runUp
	if m.drive < m.speed {
		tau = runDown
	}
	m.speed += (m.drive - m.speed) * (1 - math.Exp(-dt/tau))
	if m.speed < 1e-4 {
		m.speed = 0
	}
	m.phase += (before + m.turns()) / 2 * m.tick
	m.steps++
	next := segment{m.phase, m.turns(), m.turns()}
	last := &m.path[(m.steps-1)%segmentCount]
	last.to = next.from
	m.path[m.steps%segmentCount] = next
	hall := 15.0
	if m.where != nil {
		hall = m.where.air
		m.where.heat += 0.15 * m.power()
		m.where.power += m.power()
	}
	m.bearing += (m.friction() - bearingCool*(m.bearing-hall)) * dt / bearingHeat
}

// velocity is the rms of the vibration on the housing, mm/s, as ISO 10816 means it.
func (m *machine) velocity() float64 {
	return math.Sqrt(math.Pow(or(m.cfg.Imbalance, 1.2)*m.speed*m.speed, 2) + math.Pow(1.4*m.cfg.Wear*m.speed, 2) + 0.04*0.04)
}

// acceleration is the vibration along one axis at an instant of the world, m/s²: the unbalanced mass at the shaft's frequency, the
// misalignment at twice that, the ringing of the housing each time a ball passes a flaw, and noise. Instants older than segmentCount
// steps repeat the oldest one known.
func (m *machine) acceleration(at time.Duration) float64 {
	i := int64(at.Seconds() / m.tick)
	i = min(m.steps, max(i, 0, m.steps-segmentCount+1))
	s, x := m.path[i%segmentCount], at.Seconds()-float64(i)*m.tick
	rate := s.from + (s.to-s.from)*min(1, max(0, x/m.tick))
	phase := s.phase + (s.from+rate)/2*x
	full := rate / (or(m.cfg.RPM, 1480) / 60)
	// A velocity of v mm/s rms at f Hz is an acceleration of 2πf·v·√2/1000 m/s².
	peak := 2 * math.Pi * rate * or(m.cfg.Imbalance, 1.2) * full * full * math.Sqrt2 / 1000
	a := peak*math.Sin(2*math.Pi*phase) + 0.22*peak*math.Sin(4*math.Pi*phase+0.7)
	if rate > 0.5 {
		turns := phase * bearingPass
		since := (turns - math.Floor(turns)) / (rate * bearingPass)
		hit := 0.4 + 0.6*unit(m.seed, uint64(int64(turns)))
		a += m.cfg.Wear * 9 * full * hit * math.Exp(-since/ringing) * math.Sin(2*math.Pi*resonance*since)
	}
	return a + (0.02+0.12*full)*gauss(m.seed+1, uint64(at/time.Microsecond))
}

// unit is a number from 0 to 1 that belongs to a key: noise that is the same whenever it is asked for. Source: splitmix64.
func unit(seed, key uint64) float64 {
	z := (key+1)*0x9e3779b97f4a7c15 + seed*0xd1342543de82ef95
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return float64((z^z>>31)>>11) / (1 << 53)
}

// gauss is like unit, with a normal distribution (the sum of four, which is normal enough for noise).
func gauss(seed, key uint64) float64 {
	k := key * 4
	return (unit(seed, k) + unit(seed, k+1) + unit(seed, k+2) + unit(seed, k+3) - 2) * math.Sqrt(3)
}
