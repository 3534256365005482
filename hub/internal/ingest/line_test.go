package ingest

import (
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/telltale-iot/telltale/schema"
)

// again runs f every so often, until stop.
func again(every time.Duration, f func()) (stop func()) {
	stopped := make(chan struct{})
	var ended sync.WaitGroup
	ended.Go(func() {
		tick := time.NewTicker(every)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				f()
			case <-stopped:
				return
			}
		}
	})
	return func() { close(stopped); ended.Wait() }
}

func TestABusyStoreTakesDevicesInTurnAndSendsNoneAway(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bench) {
		const devices, backlog, every = 20, 5, 3 * time.Second // each waits 12 s and more for its turn
		b.store.manual, b.store.most, b.store.full = true, devices/5, true
		var mu sync.Mutex
		taken := [devices]int{}
		var senders sync.WaitGroup
		for d := range devices {
			s, _ := b.connect(func(h *schema.Hello) { h.Device = fmt.Sprintf("pi-%d", d) })
			defer s.Close()
			senders.Go(func() {
				for i := range backlog {
					if p := s.Readings(reading(uint64(1+d*backlog+i), 1)); p != nil {
						t.Errorf("device %d, frame %d: %v", d, i, p)
						return
					}
					mu.Lock()
					taken[d]++
					least := taken[0]
					for _, n := range taken {
						least = min(least, n)
					}
					if taken[d] > least+1 {
						t.Errorf("device %d has %d frames taken, another only %d", d, taken[d], least)
					}
					mu.Unlock()
				}
			})
		}
		synctest.Wait() // all stand in the line
		b.store.mu.Lock()
		b.store.full = false
		b.store.mu.Unlock()
		stop := again(every, func() { b.store.commit(nil) })
		senders.Wait()
		stop()
		b.store.commit(nil)
		if n := len(b.store.batches); n != devices*backlog || len(b.fails) != 0 {
			t.Errorf("%d frames stored, want %d; %d devices sent away", n, devices*backlog, len(b.fails))
		}
	})
}

func TestPatienceEndsWhenNothingIsCommittedAnyMore(t *testing.T) {
	for _, c := range []struct {
		name  string
		after error // what commits say after the good ones; nil = there are none
	}{{"stuck", nil}, {"failing", errDisk}} {
		t.Run(c.name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, b *bench) {
				const good, every = 3 * fullPatience, 4 * time.Second
				other, _ := b.connect(nil)
				defer other.Close()
				b.store.full = true // and there is never room again
				began := time.Now()
				var last time.Time
				stop := again(every, func() {
					switch {
					case time.Since(began) <= good:
						other.committed(nil, frame{first: 1, last: 1})
						last = time.Now()
					case c.after != nil:
						other.committed(c.after, frame{first: 2, last: 2})
					}
				})
				s, _ := b.connect(func(h *schema.Hello) { h.Device = "pi-2" })
				defer s.Close()
				if p := s.Readings(reading(2, 1)); p == nil || p.Code != schema.CodeUnavailable {
					t.Errorf("got %v", p)
				}
				stop()
				if took := time.Since(last); took != fullPatience || time.Since(began) < good {
					t.Errorf("waited %s, %s since the last commit, want %s", time.Since(began), took, fullPatience)
				}
			})
		})
	}
}

func TestADeviceThatFailedDoesNotWait(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bench) {
		b.store.manual, b.store.most = true, 1
		s, _ := b.connect(nil)
		defer s.Close()
		b.take(s, reading(1, 1))
		b.store.mu.Lock()
		b.store.full = true
		b.store.mu.Unlock()
		time.AfterFunc(time.Second, func() { b.store.commit(errDisk) })
		began := time.Now()
		if p := s.Readings(reading(2, 1)); p == nil {
			t.Error("a frame behind one that is not stored was taken")
		}
		if took := time.Since(began); took != time.Second {
			t.Errorf("waited %s, want until its own frame could not be stored", took)
		}
	})
}
