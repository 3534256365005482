package auth

import (
	"sync"
	"time"

	"github.com/telltale-iot/telltale/schema"
)

const (
	// QuarantineFor is how long the machines that share a key are kept out: long enough that a person looks, short enough
	// that a wrong verdict heals by itself.
	QuarantineFor = time.Hour
	// bootsKept is how many earlier boots of a device are remembered to recognise one that comes back.
	bootsKept = 8
)

// Sessions numbers the connections of each device and recognises cloned cards. Safe for concurrent use.
//
// A machine that reboots has a new boot id and never has the old one again. So when a boot that was followed by another one comes back,
// two machines hold the device's key: held by TestTwoBootsThatAlternateAreQuarantined.
type Sessions struct {
	now func() time.Time

	mu      sync.Mutex
	devices map[string]*deviceSessions
}

type deviceSessions struct {
	newest uint64
	boots  []string // oldest first, the last one is current
	until  time.Time
}

// NewSessions returns an empty register. now is the clock; nil = time.Now.
func NewSessions(now func() time.Time) *Sessions {
	if now == nil {
		now = time.Now
	}
	return &Sessions{now: now, devices: map[string]*deviceSessions{}}
}

// Open gives a new connection its number: higher than every earlier one of this device, also those before a restart of the hub.
//
// Errors: a *schema.Problem with CodeQuarantined; then the connection that is open must be closed too.
func (s *Sessions) Open(device, bootID string) (uint64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	d := s.devices[device]
	if d == nil {
		d = &deviceSessions{}
		s.devices[device] = d
	}
	if now.Before(d.until) {
		return 0, quarantined(device, d.until.Sub(now))
	}
	if n := len(d.boots); n == 0 || d.boots[n-1] != bootID {
		for _, old := range d.boots {
			if old == bootID {
				d.until, d.boots = now.Add(QuarantineFor), nil
				return 0, quarantined(device, QuarantineFor)
			}
		}
		d.boots = append(d.boots, bootID)
		if len(d.boots) > bootsKept {
			d.boots = d.boots[1:]
		}
	}
	d.newest = max(d.newest+1, uint64(now.UnixMilli()))
	return d.newest, nil
}

// Forget drops what is known of a device, its quarantine too.
func (s *Sessions) Forget(device string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.devices, device)
}

func quarantined(device string, left time.Duration) *schema.Problem {
	return schema.Problemf(schema.CodeQuarantined,
		"two machines use the key of %s (a copied card?): both are kept out for %s; remove the state folder of one of them and pair it anew",
		device, left.Round(time.Minute))
}
