package store

import (
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/telltale-iot/telltale/internal/crashfs"
)

// A checkpoint that finds no room may fail as it likes: what it would move is safe where it is.
func TestNoRoomForACheckpointLosesNothing(t *testing.T) {
	t.Parallel()
	l := newLife(t, newDisk(t), 1)
	l.wide = true
	refused := 0
	var acks atomic.Int32
	l.disk.Fail(func(op crashfs.Op) error {
		if op.Name == fileName && op.Kind == crashfs.Write && acks.Load() > 0 && refused < 2 {
			refused++
			return syscall.ENOSPC
		}
		return nil
	})
	l.run(plan{Rounds: 25, Wide: true, Again: true}, func(seq uint64, why string) {
		acks.Add(1)
		if why != "" {
			t.Errorf("frame %d was refused, though only checkpoints had no room: %s", seq, why)
		}
	})
	if refused < 2 {
		t.Errorf("%d writes of checkpoints were refused, want 2", refused)
	}
	l.checkAll()
}

// The disk is full under load, for overwriting too as on a file system that copies; then it has room again, or the power goes before.
func TestAFullDiskThatLosesPowerLosesNothing(t *testing.T) {
	t.Parallel()
	const fullAt, until = 20, 5
	d := newDisk(t)
	for seed, heals := range []bool{true, false, true, false} {
		l := newLife(t, d, uint64(seed))
		l.wide = true
		var acks, refused atomic.Int32
		l.disk.Fail(func(op crashfs.Op) error {
			switch {
			case acks.Load() < fullAt || heals && refused.Load() >= until:
				return nil
			case refused.Load() >= until:
				return crashfs.ErrPowerCut
			case op.Kind == crashfs.Write, op.Kind == crashfs.Create:
				return syscall.ENOSPC
			}
			return nil
		})
		l.run(plan{Rounds: 25, Wide: true, Again: true, Dies: true}, func(seq uint64, why string) {
			if why != "" {
				refused.Add(1)
			} else {
				acks.Add(1)
			}
		})
		if refused.Load() < until || heals != (acks.Load() > 2*fullAt) {
			t.Errorf("seed %d: %d frames were refused, %d acked", seed, refused.Load(), acks.Load())
		}
		l.checkAll()
	}
}

// run carries out a plan on the disk, whose power may go meanwhile, and cuts the power after it.
func (l *life) run(p plan, each func(seq uint64, refused string)) {
	l.t.Helper()
	dir, unmount := crashfs.Mounted(l.t, l.disk)
	p.Dir, p.From = dir, 1
	_, _ = runWorker(l.t, p, func(seq uint64, refused string) { // its end is the disk's business
		if refused == "" {
			l.acked[seq] = true
		}
		each(seq, refused)
	})
	unmount()
	l.disk.Fail(nil)
	l.disk = l.disk.Cut(l.rng)
}

// checkAll is check for a test that has one life.
func (l *life) checkAll() {
	l.t.Helper()
	l.check()
	if len(l.acked) == 0 || len(l.lost) > 0 {
		l.t.Errorf("%d of %d acked frames are lost", len(l.lost), len(l.acked))
	}
}
