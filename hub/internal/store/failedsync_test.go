package store

import (
	"fmt"
	"strings"
	"syscall"
	"testing"

	"github.com/telltale-iot/telltale/internal/crashfs"
)

// After a failed sync Linux marks the pages clean: they are read as written, no later sync writes them, and the next power cut shows what is
// really there. The worker sends what was not acked again, or the hub is started anew and everything comes again.
func TestNothingAckedReliesOnAFailedSync(t *testing.T) {
	t.Parallel()
	d := newDisk(t)
	for first := 1; first <= 10; first++ {
		for _, times := range []int{1, 3} {
			restart, keep := first%2 == 0, first%3 == 0
			t.Run(fmt.Sprintf("%d_to_%d", first, first+times-1), func(t *testing.T) {
				t.Parallel()
				l := newLife(t, d, uint64(first*10+times))
				if keep {
					l.disk.KeepAfterFailedSync()
				}
				syncs := 0
				l.disk.Fail(func(op crashfs.Op) error {
					if op.Kind == crashfs.Sync {
						if syncs++; first <= syncs && syncs < first+times {
							return syscall.EIO
						}
					}
					return nil
				})
				l.afterFailure(restart, times)
				if syncs < first {
					t.Error("no sync failed")
				}
			})
		}
	}
}

// afterFailure lets workers meet the failures, sends everything again until all is acked, and cuts the power while the store is open.
func (l *life) afterFailure(restart bool, most int) {
	l.t.Helper()
	dir, unmount := crashfs.Mounted(l.t, l.disk)
	send := func(again bool) (says string, err error) {
		return runWorker(l.t, plan{Dir: dir, From: 1, Rounds: 12, Again: again, Dies: true}, func(seq uint64, refused string) {
			if refused == "" {
				l.acked[seq] = true
			}
		})
	}
	says, err := send(!restart)
	for n := 0; err != nil && n < most; n++ { // each start may meet the next failure
		if !strings.Contains(says, "I/O") && !strings.Contains(says, "input/output") {
			l.t.Errorf("the store does not say what is wrong: %s", says)
		}
		says, err = send(true)
	}
	if err != nil {
		l.t.Errorf("the store did not heal: %s %v", says, err)
	}
	unmount()
	l.disk.Fail(nil)
	l.disk = l.disk.Cut(l.rng)
	l.check()
	if len(l.lost) > 0 {
		l.t.Errorf("%d of %d acked frames are lost", len(l.lost), len(l.acked))
	}
}
