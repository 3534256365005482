package ingest

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"
)

const (
	// fullRetry is how often the first in the line asks whether the store's queue has room again.
	fullRetry = 5 * time.Millisecond
	// fullPatience is how long a device waits while nothing at all is committed, before it is sent away: the store is stuck or failing,
	// not busy. Its socket is not read in that time.
	fullPatience = 10 * time.Second
)

// line lets devices in one after the other while the store's queue is full: who waits longest goes first, so that none starves among
// those with a long backlog. Each connection waits with one frame at most, which bounds it.
type line struct {
	mu        sync.Mutex
	waiting   []chan struct{} // in order; closed for the first: it is its turn
	committed time.Time       // the last commit that succeeded
}

// push calls try when it is this frame's turn, until try finds room. try must not block. Errors: those of try that are not temporary; ctx
// has ended; nothing was committed for fullPatience.
func (l *line) push(ctx context.Context, try func() error) error {
	l.mu.Lock()
	free := len(l.waiting) == 0
	l.mu.Unlock()
	if free {
		if err := try(); !temporary(err) {
			return err
		}
	}
	turn := l.join()
	defer l.leave(turn)
	began := time.Now()
	give := time.NewTimer(fullPatience)
	defer give.Stop()
	again := time.NewTicker(fullRetry)
	again.Stop() // until it is this frame's turn
	defer again.Stop()
	for first := turn; ; {
		select {
		case <-first:
			first = nil
			again.Reset(fullRetry)
			if err := try(); !temporary(err) {
				return err
			}
		case <-again.C:
			if err := try(); !temporary(err) {
				return err
			}
		case <-ctx.Done():
			return fmt.Errorf("wait for the store: %w", ctx.Err())
		case <-give.C:
			idle := l.idle(began)
			if idle >= fullPatience {
				return fmt.Errorf("nothing was committed for %s, and the store's queue is full", idle.Round(time.Second))
			}
			give.Reset(fullPatience - idle)
		}
	}
}

func (l *line) join() chan struct{} {
	turn := make(chan struct{})
	l.mu.Lock()
	defer l.mu.Unlock()
	l.waiting = append(l.waiting, turn)
	if len(l.waiting) == 1 {
		close(turn)
	}
	return turn
}

func (l *line) leave(turn chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	i := slices.Index(l.waiting, turn)
	l.waiting = slices.Delete(l.waiting, i, i+1)
	if i == 0 && len(l.waiting) > 0 {
		close(l.waiting[0])
	}
}

// moved notes a commit that succeeded.
func (l *line) moved() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.committed = time.Now()
}

// idle is how long nothing was committed, since then at most.
func (l *line) idle(since time.Time) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.committed.After(since) {
		since = l.committed
	}
	return time.Since(since)
}

func temporary(err error) bool {
	t, ok := err.(interface{ Temporary() bool })
	return ok && t.Temporary()
}
