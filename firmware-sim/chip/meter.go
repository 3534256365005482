package chip

import (
	"math"
	"sync"
	"time"
)

// pulseTime is how long a meter's contact is closed. Source: EN 62053-31, class A: at least 30 ms.
const pulseTime = 40 * time.Millisecond

// Meter models the pulse output of a meter: a contact that closes for a moment each time its total has grown by one pulse.
type Meter struct {
	Health
	total   Signal
	perUnit float64

	mu    sync.Mutex
	given float64 // whole pulses given so far; negative before the first look
	since time.Duration
}

// NewMeter returns a meter. total: what it counts, in units, growing; perUnit: pulses per unit.
func NewMeter(total Signal, perUnit float64) *Meter {
	m := &Meter{perUnit: perUnit, given: -1, since: -pulseTime}
	m.total = m.Watch(total)
	return m
}

// Closed reports the contact. It gives at most ten pulses a second and catches up later: a contact cannot do more. A dead meter's is open; an
// absurd one chatters.
func (m *Meter) Closed(at time.Duration) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	switch m.Get() {
	case Dead:
		return false
	case Absurd:
		return at/pulseTime%2 == 0
	}
	whole := math.Floor(m.total(at) * m.perUnit)
	if m.given < 0 {
		m.given = whole
	}
	if whole > m.given && at >= m.since+100*time.Millisecond {
		m.given, m.since = m.given+1, at
	}
	return at < m.since+pulseTime
}
