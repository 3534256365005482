package devicetest

import (
	"sync"
	"time"
)

// Clock implements device.Clock on top of the time package, which testing/synctest can control. Its wall clock can be made to lie.
type Clock struct {
	start time.Time
	boot  string

	mu       sync.Mutex
	lie      time.Duration
	unsynced bool
}

// NewClock returns a clock of a machine that has just booted.
func NewClock(boot string) *Clock { return &Clock{start: time.Now().Add(-time.Minute), boot: boot} }

// Now implements device.Clock.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.Now().Add(c.lie)
}

// Mono implements device.Clock.
func (c *Clock) Mono() time.Duration { return time.Since(c.start) }

// Synced implements device.Clock.
func (c *Clock) Synced() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return !c.unsynced
}

// BootID implements device.Clock.
func (c *Clock) BootID() string { return c.boot }

// Lie moves the wall clock away from the truth and says whether it claims to be synced.
func (c *Clock) Lie(by time.Duration, synced bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.lie, c.unsynced = by, !synced
}
