package fault

import (
	"sync"
	"time"

	"github.com/telltale-iot/telltale/device-agent/device"
)

// Wall is one device's wall clock, to be made to lie while it is in use. Safe for concurrent use.
type Wall struct {
	mu      sync.Mutex
	never   int           // how many say that it was never set
	jump    time.Duration // sum of all jumps
	started time.Time     // of the process, for a clock that was never set
}

// NewWall returns a clock that tells the truth.
func NewWall() *Wall { return &Wall{started: time.Now()} }

// Forget makes the clock count from 1970 until heal.
func (w *Wall) Forget() (heal func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.never++
	return w.healer(func() { w.never-- })
}

// Jump makes the clock wrong by d until heal.
func (w *Wall) Jump(d time.Duration) (heal func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.jump += d
	return w.healer(func() { w.jump -= d })
}

func (w *Wall) healer(undo func()) func() {
	var once sync.Once
	return func() {
		once.Do(func() {
			w.mu.Lock()
			defer w.mu.Unlock()
			undo()
		})
	}
}

// Boot returns the clock of one run of the machine: its monotonic time begins now, and no fault touches it.
func (w *Wall) Boot(id string) device.Clock { return &boot{wall: w, id: id, at: time.Now()} }

type boot struct {
	wall *Wall
	id   string
	at   time.Time
}

// Now implements device.Clock.
func (b *boot) Now() time.Time {
	b.wall.mu.Lock()
	defer b.wall.mu.Unlock()
	now := time.Now()
	if b.wall.never > 0 {
		return time.Unix(0, 0).Add(now.Sub(b.wall.started))
	}
	return now.Add(b.wall.jump).Round(0)
}

// Mono implements device.Clock.
func (b *boot) Mono() time.Duration { return time.Since(b.at) }

// Synced implements device.Clock. A clock that jumped does not know it.
func (b *boot) Synced() bool {
	b.wall.mu.Lock()
	defer b.wall.mu.Unlock()
	return b.wall.never == 0
}

// BootID implements device.Clock.
func (b *boot) BootID() string { return b.id }
