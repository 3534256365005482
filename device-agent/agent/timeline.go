package agent

import (
	"sync"
	"time"

	"github.com/telltale-iot/telltale/device-agent/device"
	"github.com/telltale-iot/telltale/schema"
)

const (
	// slew is how far wall and monotonic clock may drift apart before stamps follow: smaller corrections would only make even steps
	// uneven, and uneven steps cost the store more than the values do.
	slew = 20 * time.Millisecond
	// stepTold is how large a correction people hear of.
	stepTold = 2 * time.Second
)

// timeline maps monotonic times to wall times with an offset that moves rarely. Safe for concurrent use.
type timeline struct {
	clock  device.Clock
	mu     sync.Mutex
	offset int64 // Unix ms − mono ms
	synced bool
}

func newTimeline(c device.Clock) *timeline {
	t := &timeline{clock: c}
	t.offset, t.synced = t.measure(), c.Synced()
	return t
}

func (t *timeline) measure() int64 { return t.clock.Now().UnixMilli() - t.clock.Mono().Milliseconds() }

// follow takes over what the wall clock says now and returns by how much it stepped, 0 for nothing worth telling.
func (t *timeline) follow() time.Duration {
	synced := t.clock.Synced()
	now := t.measure()
	t.mu.Lock()
	defer t.mu.Unlock()
	moved := time.Duration(now-t.offset) * time.Millisecond
	t.synced = synced
	if moved.Abs() < slew {
		return 0
	}
	t.offset = now
	if moved.Abs() < stepTold {
		return 0
	}
	return moved
}

// wallMS returns the Unix ms of a monotonic time, or 0 and false when the wall clock is not to be believed.
func (t *timeline) wallMS(mono time.Duration) (ms int64, synced bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	ms = mono.Milliseconds() + t.offset
	if !t.synced || ms < schema.EarliestMS {
		return 0, false
	}
	return ms, true
}

// nowMS is the wall clock, Unix ms; 0 when it is not to be believed.
func (t *timeline) nowMS() int64 {
	ms, _ := t.wallMS(t.clock.Mono())
	return ms
}

// nextTick returns the first time after now that is a whole number of intervals, plus phase, on the wall clock.
func (t *timeline) nextTick(now, interval, phase time.Duration) time.Duration {
	t.mu.Lock()
	offset := time.Duration(t.offset) * time.Millisecond
	t.mu.Unlock()
	wall := now + offset - phase
	into := wall % interval
	if into < 0 {
		into += interval
	}
	return now - into + interval
}
