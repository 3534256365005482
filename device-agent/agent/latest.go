package agent

import (
	"sync"
	"time"

	"github.com/telltale-iot/telltale/device-agent/device"
	"github.com/telltale-iot/telltale/schema"
)

// latest remembers the newest good number of every entity's main channel, for control loops on this device. Safe for concurrent use.
type latest struct {
	mu sync.Mutex
	by map[string]known
}

type known struct {
	value float64
	at    time.Duration // mono
}

func newLatest() *latest { return &latest{by: map[string]known{}} }

func (l *latest) put(at time.Duration, readings []device.Reading) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, r := range readings {
		good := r.Quality == "" || r.Quality == schema.QualityOK
		if f, ok := r.Value.Float(); ok && good && r.Channel == schema.ChannelState {
			l.by[r.Entity] = known{value: f, at: at}
		}
	}
}

func (l *latest) get(entity string) (known, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	k, ok := l.by[entity]
	return k, ok
}
