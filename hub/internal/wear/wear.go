// Package wear tells how fast the hub wears out the disk it writes to.
//
// It asks the kernel what this process has caused to be written (write_bytes of /proc/self/io: pages handed to the disk, the journal of the
// file system not among them), once a minute, and says at which pace. It keeps an hour of samples and nothing else. It knows no card: how
// much one endures is set by a person or guessed from its size ([Endurance]).
//
// Start with [Gauge].
package wear

import (
	"context"
	"errors"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"
)

const (
	// every is the distance of two samples.
	every = time.Minute
	// most is how many samples are kept: an hour of them.
	most = 60
	// day is what paces refer to.
	day = 24 * time.Hour
	// cycles is how often a cheap memory card can be written over, all of it, before it fails, small writes being several times as large inside
	// the card already counted in: TLC flash is good for 500 to 1,000 cycles.
	cycles = 100
)

// ErrUnknown is returned where the kernel does not count what a process writes.
var ErrUnknown = errors.New("this system does not count what a process writes")

// Sample is what was written and stored up to a moment.
type Sample struct {
	At       time.Time
	Written  int64 // bytes, since the process began
	Readings int64 // stored, since the process began
}

// Gauge keeps samples. Make it with [New]; safe for concurrent use.
type Gauge struct {
	written  func() (int64, error)
	readings func() int64

	mu      sync.Mutex
	samples []Sample // oldest first
	began   time.Time
}

// New returns a gauge. readings tells how many readings were stored since the start; written nil = this process's, by [Written].
func New(readings func() int64, written func() (int64, error)) *Gauge {
	if written == nil {
		written = Written
	}
	g := &Gauge{written: written, readings: readings, began: time.Now()}
	g.sample()
	return g
}

// Run takes samples until ctx ends.
func (g *Gauge) Run(ctx context.Context) error {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			g.sample()
		}
	}
}

func (g *Gauge) sample() {
	w, err := g.written()
	if err != nil {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.samples = append(g.samples, Sample{At: time.Now(), Written: w, Readings: g.readings()})
	if len(g.samples) > most+1 {
		g.samples = append(g.samples[:0], g.samples[1:]...)
	}
}

// Pace is how fast the disk is written.
type Pace struct {
	Written         int64     // bytes since the start
	Since           time.Time // the start
	BytesPerDay     int64     // at the pace of the last hour; 0 = not known yet
	ReadingsPerDay  int64     // stored, at the pace of the last hour
	BytesPerReading float64   // over the last hour; 0 = no readings
}

// Pace returns how it stands now.
func (g *Gauge) Pace() Pace {
	g.mu.Lock()
	defer g.mu.Unlock()
	p := Pace{Since: g.began}
	w, err := g.written()
	if err != nil || len(g.samples) == 0 {
		return p
	}
	now := Sample{At: time.Now(), Written: w, Readings: g.readings()}
	first := g.samples[0]
	p.Written = w
	span := now.At.Sub(first.At)
	if span < time.Second {
		return p
	}
	scale := float64(day) / float64(span)
	bytes, readings := now.Written-first.Written, now.Readings-first.Readings
	p.BytesPerDay, p.ReadingsPerDay = int64(float64(bytes)*scale), int64(float64(readings)*scale)
	if readings > 0 {
		p.BytesPerReading = float64(bytes) / float64(readings)
	}
	return p
}

// Endurance guesses how many bytes a card of a size endures: a hundred times its size, a careful figure for a card without a name. Both in
// bytes.
func Endurance(size int64) int64 { return size * cycles }

// Days returns how long a disk lasts that endures so many bytes; 0 = not known, at most a thousand years.
func Days(endurance, perDay int64) int64 {
	if perDay <= 0 || endurance <= 0 {
		return 0
	}
	return min(endurance/perDay, 365_000)
}

// Written returns the bytes that this process has caused to be written to a disk. Error: [ErrUnknown].
func Written() (int64, error) {
	b, err := os.ReadFile("/proc/self/io")
	if err != nil {
		return 0, ErrUnknown
	}
	return parse(string(b))
}

func parse(text string) (int64, error) {
	for line := range strings.Lines(text) {
		if value, ok := strings.CutPrefix(line, "write_bytes:"); ok {
			n, err := strconv.ParseInt(strings.TrimSpace(value), 10, 64)
			if err != nil || n < 0 {
				return 0, ErrUnknown
			}
			return n, nil
		}
	}
	return 0, ErrUnknown
}
