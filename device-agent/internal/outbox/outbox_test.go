package outbox

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/telltale-iot/telltale/device-agent/internal/disk"
	"github.com/telltale-iot/telltale/device-agent/internal/disk/disktest"
	"github.com/telltale-iot/telltale/schema"
)

// box is a Box on a disk and a clock that the test holds.
type box struct {
	*Box
	t    *testing.T
	disk *disktest.Disk
	now  time.Duration
	opts Options
}

func open(t *testing.T, d *disktest.Disk, change ...func(*Options)) *box {
	t.Helper()
	b := &box{t: t, disk: d, now: time.Hour}
	b.opts = Options{Disk: d, Boot: "boot", Mono: func() time.Duration { return b.now }, WallMS: func() int64 { return 1_700_000_000_000 },
		MaxDisk: 2 << 20, MaxRAM: 64 << 10, SpillAfter: time.Minute, Log: slog.New(slog.DiscardHandler)}
	for _, f := range change {
		f(&b.opts)
	}
	var err error
	if b.Box, err = Open(b.opts); err != nil {
		t.Fatal(err)
	}
	return b
}

// fill appends n frames of about size bytes.
func (b *box) fill(n, size int) {
	b.t.Helper()
	for range n {
		if _, err := b.Append(1000, func(_ string, seq uint64) ([]byte, error) { return payload(seq, size), nil }); err != nil {
			b.t.Fatal(err)
		}
	}
}

func payload(seq uint64, size int) []byte {
	p := fmt.Appendf(nil, `{"t":"readings","seq":%d,"x":"`, seq)
	for len(p) < size-2 {
		p = append(p, 'x')
	}
	return append(p, `"}`...)
}

// all returns every unacked record in order.
func (b *box) all() []Record { return b.Next(0, ^uint64(0), 1<<20) }

// check proves that every number from first to the newest is a whole frame or lies in a gap, each once, and returns how many are lost.
func (b *box) check(first uint64) (lost uint64) {
	b.t.Helper()
	want := first
	for _, r := range b.all() {
		if r.Seq != want {
			b.t.Fatalf("after %d comes %d", want-1, r.Seq)
		}
		if r.IsGap() {
			lost += r.Last - r.Seq + 1
		} else if !bytes.Equal(r.Payload, payload(r.Seq, len(r.Payload))) {
			b.t.Fatalf("frame %d is %.60q", r.Seq, r.Payload)
		}
		want = r.Last + 1
	}
	if last := b.Stat().Last; want != last+1 {
		b.t.Fatalf("records end at %d, numbers at %d", want-1, last)
	}
	return lost
}

func TestHealthyLinkWritesNothing(t *testing.T) {
	d := disktest.New()
	b := open(t, d)
	before := d.Syncs()
	for i := range uint64(500) {
		b.fill(1, 300)
		b.Ack([]schema.Range{{i + 1, i + 1}})
		b.now += time.Second
		b.Tick()
	}
	if n := d.Syncs() - before; n > 10 {
		t.Errorf("%d syncs in 500 s with acks flowing; only the heartbeat may write", n)
	}
	if s := b.Stat(); s.Backlog != 0 || s.First != 0 || s.Last != 500 || s.RAM != 0 {
		t.Errorf("%+v", s)
	}
}

func TestUnackedFramesSurviveRestart(t *testing.T) {
	d := disktest.New()
	b := open(t, d)
	epoch := b.Stat().Epoch
	b.fill(10, 300)
	b.Ack([]schema.Range{{1, 3}, {5, 5}})
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	d.PowerCut(0)
	b = open(t, d)
	if s := b.Stat(); s.Epoch != epoch || s.Last != 10 {
		t.Fatalf("%+v", s)
	}
	if lost := b.check(4); lost != 0 {
		// 5 was acked and is not on the disk: it may only be told as a gap
		if lost != 1 {
			t.Errorf("%d lost", lost)
		}
	}
	b.fill(1, 300)
	if s := b.Stat(); s.Last != 11 {
		t.Errorf("numbers went back: %+v", s)
	}
}

func TestCrashLosesMemoryOnlyAndSaysSo(t *testing.T) {
	d := disktest.New()
	b := open(t, d)
	b.fill(20, 300)
	b.now += 2 * time.Minute
	b.Tick() // to the disk
	b.fill(5, 300)
	d.PowerCut(0)

	b2 := open(t, d)
	if b2.Stat().Epoch != b.Stat().Epoch {
		t.Fatal("the epoch changed")
	}
	b2.fill(1, 300)
	if lost := b2.check(1); lost < 5 {
		t.Errorf("%d lost, want the 5 in memory in a gap", lost)
	}
	frames := 0
	for _, r := range b2.all() {
		if !r.IsGap() {
			frames++
		} else if r.Reason != schema.GapRestart {
			t.Errorf("reason %s", r.Reason)
		}
	}
	if frames != 21 {
		t.Errorf("%d frames, want the 20 from the disk and the new one", frames)
	}
	// The hub had received two of the lost ones: they come out of the gap again.
	b2.Ack([]schema.Range{{21, 22}})
	for _, r := range b2.all() {
		if r.IsGap() && r.Seq != 23 {
			t.Errorf("gap begins at %d", r.Seq)
		}
	}
}

func TestGapsOfTwoCrashesStayApart(t *testing.T) {
	d := disktest.New()
	b := open(t, d)
	b.fill(5, 100)
	b.Ack([]schema.Range{{1, 5}})
	var seen []schema.Range
	for range 2 {
		d.PowerCut(0)
		b = open(t, d)
		b.fill(2, 100)
		last := b.Stat().Last
		for _, r := range b.all() {
			if r.IsGap() {
				seen = append(seen, schema.Range{r.Seq, r.Last})
			}
		}
		b.Ack([]schema.Range{{1, last}})
		b.now += 2 * time.Second
		b.Tick()
	}
	if len(seen) != 2 || seen[1][0] <= seen[0][1] {
		t.Errorf("gaps %v; the second crash told of the first one's again", seen)
	}
}

func TestTornWriteAtEveryOffset(t *testing.T) {
	d := disktest.New()
	b := open(t, d)
	b.fill(5, 60)
	b.now += 2 * time.Minute
	b.Tick()
	name := segmentName(t, d)
	whole, err := d.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	for cut := range len(whole) + 1 {
		c := clone(t, d)
		c.Put(name, whole[:cut])
		b := open(t, c)
		b.fill(1, 60)
		b.check(1)
		if cut == len(whole) && len(b.all()) < 6 {
			t.Fatalf("the whole file gave %d records", len(b.all()))
		}
	}
}

func TestBitFlipCostsOneFrame(t *testing.T) {
	d := disktest.New()
	b := open(t, d)
	b.fill(5, 60)
	b.now += 2 * time.Minute
	b.Tick()
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	name := segmentName(t, d)
	whole, err := d.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	head := disk.RecordOverhead + bytes.IndexByte(whole[disk.RecordOverhead:], '}') + 1
	for i := range whole {
		c := clone(t, d)
		bad := bytes.Clone(whole)
		bad[i] ^= 0x10
		c.Put(name, bad)
		b := open(t, c)
		lost := b.check(1)
		if i < head && lost != 5 || i >= head && lost != 1 {
			t.Fatalf("flip at %d of %d (head %d) costs %d frames", i, len(whole), head, lost)
		}
	}
}

func TestDamageInTheFileWhileRunningBecomesAGap(t *testing.T) {
	d := disktest.New()
	b := open(t, d)
	b.fill(8, 120)
	b.now += 2 * time.Minute
	b.Tick()
	name := segmentName(t, d)
	data, err := d.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	data[len(data)-5] ^= 1
	d.Put(name, data)
	if lost := b.check(1); lost != 1 {
		t.Errorf("%d lost", lost)
	}
}

func TestDamagedPositionDoesNotReuseNumbers(t *testing.T) {
	d := disktest.New()
	b := open(t, d)
	b.fill(mostClaim+10, 40) // at least two claims, so both slots exist
	epoch, last := b.Stat().Epoch, b.Stat().Last
	d.PowerCut(0)
	for _, name := range []string{"meta-a", "meta-b"} {
		data, err := d.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for i := 0; i < len(data); i += 3 {
			c := clone(t, d)
			bad := bytes.Clone(data)
			bad[i] ^= 1
			c.Put(name, bad)
			b := open(t, c)
			b.fill(1, 40)
			if s := b.Stat(); s.Epoch == epoch && s.Last <= last {
				t.Fatalf("%s, flip at %d: number %d was given out again", name, i, s.Last)
			}
		}
	}
}

func TestDiskQuotaDropsTheOldestAndTellsAGap(t *testing.T) {
	d := disktest.New()
	b := open(t, d, func(o *Options) { o.MaxDisk = 2 * SegmentBytes })
	b.fill(3000, 1000)
	if n := d.Bytes(); n > 3*SegmentBytes {
		t.Errorf("%d bytes on disk", n)
	}
	lost := b.check(1)
	if lost == 0 || lost != b.Stat().Dropped {
		t.Errorf("%d lost, %d dropped", lost, b.Stat().Dropped)
	}
	first := b.all()[0]
	if first.Reason != schema.GapQuota || first.Seq != 1 {
		t.Errorf("first record %+v", first)
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	b2 := open(t, d, func(o *Options) { o.MaxDisk = 2 * SegmentBytes })
	if again := b2.check(1); again != lost {
		t.Errorf("after a restart %d lost, before %d", again, lost)
	}
}

func TestReadOnlyDiskWorksOnInMemory(t *testing.T) {
	d := disktest.New()
	b := open(t, d)
	d.Fail(func(op, _ string) error {
		if op == "read" {
			return nil
		}
		return syscall.EROFS
	})
	b.fill(400, 500) // three times what memory holds
	s := b.Stat()
	if !strings.Contains(s.Degraded, "read-only") || s.RAM > b.opts.MaxRAM {
		t.Errorf("%+v", s)
	}
	if lost := b.check(1); lost == 0 || lost != s.Dropped {
		t.Errorf("%d lost, %d dropped", lost, s.Dropped)
	}
	d.Fail(nil)
	b.now += time.Hour
	b.Tick()
	if s := b.Stat(); s.Degraded != "" || s.RAM != 0 {
		t.Errorf("after the disk came back: %+v", s)
	}
	b.check(1)
}

func TestDiskFullDropsTheOldest(t *testing.T) {
	d := disktest.New()
	b := open(t, d)
	d.Fail(func(op, name string) error {
		if op == "write" && isSegment(name) && d.BytesLocked() > 600<<10 {
			return syscall.ENOSPC
		}
		return nil
	})
	b.fill(3000, 1000)
	if lost := b.check(1); lost == 0 {
		t.Error("nothing was given up")
	}
	all := b.all()
	if last := all[len(all)-1]; last.IsGap() || last.Seq != 3000 {
		t.Errorf("the newest frame is gone: %+v", last)
	}
}

func TestFailedSyncIsNotTrusted(t *testing.T) {
	for n := 1; n <= 12; n++ {
		d := disktest.New()
		b := open(t, d)
		syncs := 0
		d.Fail(func(op, _ string) error {
			if op != "sync" {
				return nil
			}
			if syncs++; syncs == n {
				return syscall.EIO // and the dirty pages are marked clean: what follows does not bring them back
			}
			return nil
		})
		for range 6 {
			b.fill(3, 200)
			b.now += 2 * time.Minute
			b.Tick()
		}
		for syncs <= n { // until a sync after the failing one
			b.now += time.Hour
			b.fill(1, 200)
			b.Tick()
		}
		b.now += time.Hour
		b.Tick()
		wrote := int(b.Stat().Last)
		if s := b.Stat(); s.RAM != 0 || s.Degraded != "" {
			t.Fatalf("n=%d: %+v", n, s)
		}
		d.Fail(nil)
		d.PowerCut(0)
		b2 := open(t, d)
		frames := 0
		for _, r := range b2.all() {
			if !r.IsGap() {
				frames++
			}
		}
		if b2.check(1); frames != wrote {
			t.Errorf("n=%d: %d of %d frames are on the disk", n, frames, wrote)
		}
	}
}

func TestRefusedFrameBecomesAGap(t *testing.T) {
	for _, onDisk := range []bool{false, true} {
		d := disktest.New()
		b := open(t, d)
		b.fill(5, 100)
		if onDisk {
			b.now += 2 * time.Minute
			b.Tick()
		}
		g, ok := b.Refuse(3)
		if !ok || g.Reason != schema.GapRefused {
			t.Fatalf("%+v %v", g, ok)
		}
		if lost := b.check(1); lost != 1 {
			t.Errorf("%d lost", lost)
		}
		b.Ack([]schema.Range{{1, 5}})
		if s := b.Stat(); s.Backlog != 0 || s.Disk != 0 {
			t.Errorf("%+v", s)
		}
		if _, ok := b.Refuse(3); ok {
			t.Error("an acked number was refused")
		}
	}
}

func TestAckOfASegmentRemovesItsFile(t *testing.T) {
	d := disktest.New()
	b := open(t, d)
	b.fill(1000, 1000)
	for _, r := range b.all() {
		b.Ack([]schema.Range{{r.Seq, r.Last}})
	}
	if s := b.Stat(); s.Backlog != 0 || s.Disk != 0 || s.RAM != 0 {
		t.Errorf("%+v", s)
	}
}

func TestAppendAfterCloseAndTooLargeAreRefused(t *testing.T) {
	b := open(t, disktest.New())
	if _, err := b.Append(0, func(string, uint64) ([]byte, error) { return make([]byte, schema.MaxMessage+1), nil }); err == nil {
		t.Error("an oversized frame was taken")
	}
	if b.Stat().Last != 0 {
		t.Error("it used up a number")
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Append(0, func(string, uint64) ([]byte, error) { return []byte("{}"), nil }); !errors.Is(err, ErrClosed) {
		t.Errorf("got %v", err)
	}
}

func segmentName(t *testing.T, d *disktest.Disk) string {
	t.Helper()
	names, err := d.List()
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range names {
		if isSegment(n) {
			return n
		}
	}
	t.Fatal("no segment")
	return ""
}

func clone(t *testing.T, d *disktest.Disk) *disktest.Disk {
	t.Helper()
	c := disktest.New()
	names, err := d.List()
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range names {
		data, err := d.ReadFile(n)
		if err != nil {
			t.Fatal(err)
		}
		c.Put(n, data)
	}
	return c
}

func FuzzDecodeSegment(f *testing.F) {
	head := disk.AppendRecord(nil, []byte(`{"v":1,"epoch":"0123456789abcdef","boot":"b"}`))
	one := disk.AppendRecord(head, appendFrame(nil, 7, 1000, []byte(`{"t":"readings"}`)))
	f.Add(one)
	f.Add(append(bytes.Clone(one), one[len(head):]...))
	f.Add(one[:len(one)-3])
	f.Fuzz(func(t *testing.T, data []byte) {
		_, frames, _ := decodeSegment(data, 0)
		var last uint64
		for _, r := range frames {
			if r.Seq <= last {
				t.Fatalf("numbers do not rise: %d after %d", r.Seq, last)
			}
			last = r.Seq
		}
	})
}

func FuzzDecodeMeta(f *testing.F) {
	f.Add(disk.AppendRecord(nil, []byte(`{"v":1,"gen":3,"epoch":"0123456789abcdef","reserved":10,"floor":4}`)))
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := decodeMeta(data)
		if err == nil && m.Floor > m.Reserved+1 {
			t.Fatalf("%+v", m)
		}
	})
}

func TestNumbersUsedWithoutANoteAreNotUsedTwice(t *testing.T) {
	d := disktest.New()
	b := open(t, d)
	b.fill(2, 100)
	b.now += 2 * time.Minute
	b.Tick()
	d.Fail(func(op, _ string) error {
		if op == "read" {
			return nil
		}
		return syscall.EROFS
	})
	b.fill(mostClaim+500, 100) // beyond what meta has claimed
	b.Ack([]schema.Range{{2, b.Stat().Last}})
	used := b.Stat().Last

	d.Fail(nil)
	d.PowerCut(0)
	b2 := open(t, d)
	epoch := b2.Stat().Epoch
	b2.fill(3, 100)
	if !b2.Collides([]schema.Range{{2, used}}) {
		t.Fatalf("numbers up to %d were used, %d is given out again, and nobody noticed", used, b2.Stat().Last)
	}
	if err := b2.StartOver([]schema.Range{{2, used}}); err != nil {
		t.Fatal(err)
	}
	if b2.Stat().Epoch == epoch {
		t.Error("the epoch is the same")
	}
	b2.check(1)
	frames := 0
	for _, r := range b2.all() {
		if !r.IsGap() {
			frames++
		}
	}
	if frames != 4 { // number 1, which the hub does not have, and the three new ones
		t.Errorf("%d frames: %+v", frames, b2.all())
	}
	if b2.Collides(nil) {
		t.Error("collides again")
	}
}

func TestReadOnlyDiskAtStartGetsAnEpochOfItsOwn(t *testing.T) {
	d := disktest.New()
	b := open(t, d)
	b.fill(2, 100)
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	epoch := b.Stat().Epoch
	d.Fail(func(op, _ string) error {
		if op == "read" {
			return nil
		}
		return syscall.EROFS
	})
	b2 := open(t, d)
	b2.fill(1, 100)
	if s := b2.Stat(); s.Epoch == epoch || s.Last != 1 || s.Degraded == "" {
		t.Errorf("%+v", s)
	}
	d.Fail(nil)
	if b3 := open(t, d); b3.Stat().Epoch != epoch || b3.Stat().Last != 2 || len(b3.all()) != 2 {
		t.Errorf("what the disk held is gone: %+v", b3.Stat())
	}
}
