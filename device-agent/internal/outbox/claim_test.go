package outbox

import (
	"syscall"
	"testing"
	"time"

	"github.com/telltale-iot/telltale/device-agent/internal/disk/disktest"
	"github.com/telltale-iot/telltale/schema"
)

// lostAtACrash is how many numbers a crash turns into a gap, when every frame was acked before it.
func lostAtACrash(t *testing.T, d *disktest.Disk, last uint64) (lost uint64) {
	t.Helper()
	d.PowerCut(0)
	b := open(t, d)
	b.Ack([]schema.Range{{1, last}})
	for _, r := range b.all() {
		lost += r.Last - r.Seq + 1
	}
	return lost
}

func TestCrashClaimsNoMoreThanTwoHeartbeatsUse(t *testing.T) {
	for _, perMinute := range []int{12, 60, 600} {
		d := disktest.New()
		b := open(t, d)
		for range 10 * perMinute {
			b.fill(1, 100)
			b.Ack([]schema.Range{{1, b.Stat().Last}})
			b.now += time.Minute / time.Duration(perMinute)
			b.Tick()
		}
		if n := d.Syncs(); n > 20 {
			t.Errorf("%d frames a minute: %d syncs in ten minutes", perMinute, n)
		}
		if lost, most := lostAtACrash(t, d, b.Stat().Last), uint64(max(2*perMinute, leastClaim)); lost > most {
			t.Errorf("%d frames a minute, all acked: a crash tells of %d lost ones, at most %d were claimed", perMinute, lost, most)
		}
	}
}

func TestFullDiskAtStartKeepsTheBacklog(t *testing.T) {
	d := disktest.New()
	b := open(t, d)
	b.fill(1500, 500)
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	full := d.Bytes()
	d.Fail(func(op, _ string) error {
		if op == "write" && d.BytesLocked() > full-50<<10 {
			return syscall.ENOSPC
		}
		return nil
	})
	b2 := open(t, d)
	if b2.Stat().Epoch != b.Stat().Epoch {
		t.Fatal("the backlog was put aside")
	}
	if lost := b2.check(1); lost == 0 || lost > 600 {
		t.Errorf("%d frames gave way, want those of one file", lost)
	}
}

func TestVoidedAcksAreSentAgainOrToldAsGaps(t *testing.T) {
	b := open(t, disktest.New())
	b.fill(6, 100)
	b.now += 2 * time.Minute
	b.Tick() // 1 to 6 are on the disk
	b.fill(4, 100)
	b.Ack([]schema.Range{{2, 5}, {8, 9}})
	b.Void()
	b.Ack([]schema.Range{{2, 2}, {9, 9}}) // what the restored store has
	var frames, gaps []uint64
	for _, r := range b.all() {
		for q := r.Seq; q <= r.Last; q++ {
			if r.IsGap() {
				gaps = append(gaps, q)
			} else {
				frames = append(frames, q)
			}
		}
	}
	if len(frames) != 7 || len(gaps) != 1 || gaps[0] != 8 {
		t.Errorf("frames %v, gaps %v; want 1, 3 to 7 and 10 again, and 8, which is nowhere, as a gap", frames, gaps)
	}
}
