package agent

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

const (
	// drainWithin bounds the wait for acks at a stop; what is left goes to the disk.
	drainWithin = 2 * time.Second
	// stuckWithin bounds the wait for drivers that hang at a stop.
	stuckWithin = 2 * time.Second
	// endWithin bounds the wait for everything else before outputs are made safe at a stop.
	endWithin = 2*stuckWithin + time.Second
	// byeWithin bounds the goodbye to a hub that does not listen.
	byeWithin = 3 * time.Second
	// putAwayWithin bounds the whole of what follows when outputs are safe: a memory card may take seconds for one sync, and may hang for ever.
	putAwayWithin = 15 * time.Second
)

// errDiskHangs ends a stop that has waited long enough.
var errDiskHangs = errors.New("the disk does not come back: outputs are in their safe state, but what was not sent may be lost")

// background starts run and returns what ends it: it cancels run's context and waits at most within (0 = as long as it takes).
func background(ctx context.Context, within time.Duration, run func(context.Context)) (stop func()) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	var g sync.WaitGroup
	g.Go(func() { run(ctx) })
	return func() {
		cancel()
		if within > 0 {
			waitAtMost(&g, within)
		} else {
			g.Wait()
		}
	}
}

// waitAtMost waits for g, but not for ever: somebody may hang in a driver or a disk.
func waitAtMost(g *sync.WaitGroup, most time.Duration) {
	done := make(chan struct{})
	go func() { g.Wait(); close(done) }()
	t := time.NewTimer(most)
	defer t.Stop()
	select {
	case <-done:
	case <-t.C:
	}
}

// shutDown is the order of the end: outputs safe, last readings, acks, disk, pins. No disk can hold it up: see
// TestStopEndsThoughADiskHangsForEver.
func (a *Agent) shutDown(stopLink, stopIntake func()) error {
	safeErr := a.eachOutput((*output).stop)
	a.event("stopping", "", "the agent stops; outputs are in their safe state")
	a.batch.flush()
	away := make(chan error, 1)
	go func() { away <- a.putAway(stopLink, stopIntake) }()
	t := time.NewTimer(putAwayWithin)
	defer t.Stop()
	var awayErr error
	select {
	case awayErr = <-away:
	case <-t.C:
		awayErr = fmt.Errorf("state folder %s: %w", a.o.Dir, errDiskHangs)
	}
	return errors.Join(safeErr, awayErr, a.closeThings())
}

// putAway sends what can be sent in time and brings the rest to the disk.
func (a *Agent) putAway(stopLink, stopIntake func()) error {
	ctx, cancel := context.WithTimeout(context.Background(), drainWithin)
	defer cancel()
	if a.intake.drain(ctx) == nil {
		a.link.Drain(ctx)
	}
	stopLink()
	stopIntake()
	return errors.Join(a.box.Close(), a.journal.Close())
}

// closeThings closes the drivers; one that hangs over it is left behind.
func (a *Agent) closeThings() error {
	done := make(chan error, 1)
	go func() { done <- a.closeDrivers() }()
	t := time.NewTimer(stuckWithin)
	defer t.Stop()
	select {
	case err := <-done:
		return err
	case <-t.C:
		return errors.New("a driver hangs while it is closed")
	}
}

func (a *Agent) closeDrivers() error {
	var errs []error
	for _, s := range a.sensors {
		if !s.stuck.Load() {
			errs = append(errs, s.sensor.Close())
		}
	}
	for _, o := range a.outputs {
		if !o.stuck.Load() {
			errs = append(errs, o.act.Close())
		}
	}
	return errors.Join(errs...)
}
