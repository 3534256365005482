package outbox

import (
	"syscall"
	"testing"
	"time"

	"github.com/telltale-iot/telltale/device-agent/internal/disk/disktest"
	"github.com/telltale-iot/telltale/schema"
)

// readOnly refuses every change.
func readOnly(op, _ string) error {
	if op == "read" {
		return nil
	}
	return syscall.EROFS
}

// openReadOnly leaves a backlog of n frames on a disk and opens it again while it can only be read.
func openReadOnly(t *testing.T, n int) (b *box, epoch string) {
	t.Helper()
	d := disktest.New()
	old := open(t, d)
	old.fill(n, 100)
	if err := old.Close(); err != nil {
		t.Fatal(err)
	}
	d.Fail(readOnly)
	return open(t, d), old.Stat().Epoch
}

// writable lets the disk be written again and the Box notice it.
func (b *box) writable() {
	b.t.Helper()
	b.disk.Fail(nil)
	b.now += time.Minute
	b.Tick()
	if !b.CanReturn() {
		b.t.Fatal("the disk takes notes again, and the Box did not notice")
	}
}

// count returns how many frames and how many lost numbers are unacked.
func (b *box) count() (frames int, lost uint64) {
	for _, r := range b.all() {
		if r.IsGap() {
			lost += r.Last - r.Seq + 1
		} else {
			frames++
		}
	}
	return frames, lost
}

func TestBacklogOfADiskThatBecomesWritableIsSent(t *testing.T) {
	b, epoch := openReadOnly(t, 20)
	b.fill(5, 100)
	b.Next(0, 3, 3) // 1 to 3 are on their way
	b.writable()
	if b.Return(nil, false) {
		t.Fatal("frames that may be stored got new numbers")
	}
	if !b.Return([]schema.Range{{1, 2}}, true) || b.Stat().Epoch != epoch {
		t.Fatalf("%+v, want the epoch of the backlog, %s", b.Stat(), epoch)
	}
	if frames, lost := b.count(); frames != 23 || lost != 0 {
		t.Errorf("%d frames and %d lost; want 20 from the disk and the 3 that the hub does not have", frames, lost)
	}
	b.check(1)
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	if again := open(t, b.disk); again.check(1) != 0 || len(again.all()) != 23 {
		t.Errorf("after a restart %d records are left", len(again.all()))
	}
}

func TestBacklogIsTakenInWithoutAHubWhenNothingWasSent(t *testing.T) {
	b, epoch := openReadOnly(t, 20)
	b.fill(5, 100)
	if b.Return(nil, false) {
		t.Fatal("returned to a disk that cannot be written")
	}
	b.writable()
	if !b.Return(nil, false) || b.Stat().Epoch != epoch {
		t.Fatalf("%+v", b.Stat())
	}
	if frames, lost := b.count(); frames != 25 || lost != 0 {
		t.Errorf("%d frames, %d lost", frames, lost)
	}
}

func TestStopBringsMemoryToADiskThatBecameWritable(t *testing.T) {
	b, epoch := openReadOnly(t, 20)
	b.fill(5, 100)
	b.Next(0, 2, 2)
	b.disk.Fail(nil)
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	again := open(t, b.disk)
	if again.Stat().Epoch != epoch {
		t.Fatal("the backlog was given up")
	}
	if frames, lost := again.count(); frames != 23 || lost != 1 {
		t.Errorf("%d frames and %d lost; want 20 and 3, and one gap for the two that may be stored", frames, lost)
	}
	again.check(1)
}

func TestStopWithAReadOnlyDiskSaysWhatIsLost(t *testing.T) {
	b, epoch := openReadOnly(t, 20)
	b.fill(5, 100)
	if err := b.Close(); err == nil || err.Error() != "5 frames in memory are lost: create meta-b: read-only file system" {
		t.Errorf("got %v", err)
	}
	b.disk.Fail(nil)
	if again := open(t, b.disk); again.Stat().Epoch != epoch || len(again.all()) != 20 {
		t.Errorf("what the disk held is gone: %+v", again.Stat())
	}
}

func TestLostPositionStartsANewEpochAndTellsAGap(t *testing.T) {
	d := disktest.New()
	b := open(t, d)
	b.fill(3, 100)
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	epoch := b.Stat().Epoch
	d.Put("meta-a", []byte("junk"))
	d.Put("meta-b", nil)
	b = open(t, d)
	if s := b.Stat(); s.Epoch == epoch || s.Last != 1 || s.Dropped != 3 {
		t.Errorf("%+v", s)
	}
	if all := b.all(); len(all) != 1 || all[0].Reason != schema.GapDamaged || all[0].TimeMS != 1000 || all[0].ToMS != 1000 {
		t.Errorf("the three lost frames are told as %+v, want one gap over their time", all)
	}
}
