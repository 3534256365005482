package outbox

import (
	"bytes"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/telltale-iot/telltale/device-agent/internal/disk"
	"github.com/telltale-iot/telltale/internal/crashfs"
	"github.com/telltale-iot/telltale/schema"
)

// life is one Box after another on a real folder whose power is cut again and again, with what its frames were.
type life struct {
	t    *testing.T
	rng  *rand.Rand
	disk *crashfs.Disk
	cut  atomic.Bool
	now  time.Duration

	n        int               // of the life
	epoch    string            // once a Box was open
	sent     map[uint64][]byte // by number; also those that the cut met on their way
	newest   uint64            // highest number that Append returned
	hub      schema.Ranges     // what the hub has
	promised map[uint64]bool   // on the disk, says the Box
	frames   map[uint64]bool   // numbers that survived a cut as frames
	gaps     map[uint64]bool   // numbers that became gaps
}

func newLife(t *testing.T, seed uint64) *life {
	return &life{t: t, rng: rand.New(rand.NewPCG(seed, 5)), disk: crashfs.New(), sent: map[uint64][]byte{}, promised: map[uint64]bool{},
		frames: map[uint64]bool{}, gaps: map[uint64]bool{}}
}

// live opens a Box on what the last cut left, compares, and uses it until the power goes.
func (l *life) live() {
	l.t.Helper()
	l.n++
	l.now = time.Hour
	dir, unmount := crashfs.Mounted(l.t, l.disk)
	var b *Box
	if l.rng.IntN(4) > 0 { // else the power goes while it opens
		b = l.open(dir)
		l.check(b)
		l.arm(1 + l.rng.IntN(80))
		for i := 0; i < 200 && !l.cut.Load(); i++ {
			l.step(b)
		}
	} else {
		l.arm(1 + l.rng.IntN(8))
		b = l.open(dir)
	}
	if b != nil {
		_ = b.Close() // gives its file back; after the cut it cannot write
	}
	unmount()
	l.disk.Fail(nil)
	l.cut.Store(false)
	l.disk = l.disk.Cut(l.rng)
}

func (l *life) arm(left int) {
	l.disk.Fail(func(crashfs.Op) error {
		if left--; left > 0 {
			return nil
		}
		l.cut.Store(true)
		return crashfs.ErrPowerCut
	})
}

func (l *life) open(dir string) *Box {
	l.t.Helper()
	d, err := disk.OpenDir(filepath.Join(dir, "outbox"))
	if err != nil {
		if !l.cut.Load() {
			l.t.Fatal(err)
		}
		return nil
	}
	b, err := Open(Options{Disk: d, Boot: strconv.Itoa(l.n), Mono: func() time.Duration { return l.now }, WallMS: func() int64 { return 1_700_000_000_000 },
		MaxDisk: 2 * SegmentBytes, MaxRAM: 64 << 10, SpillAfter: time.Minute, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		l.t.Fatal(err)
	}
	return b
}

// step does one thing; what a cut interrupts was not done.
func (l *life) step(b *Box) {
	l.t.Helper()
	before := b.Stat().RAM
	switch l.rng.IntN(12) {
	case 0:
		l.now += time.Duration(l.rng.IntN(50)) * time.Second
		b.Tick()
	case 1:
		l.ack(b)
	case 2:
		if l.rng.IntN(10) == 0 {
			if err := b.Close(); err != nil && !l.cut.Load() {
				l.t.Error(err)
			}
		}
	default:
		size := 60 + l.rng.IntN(4000)
		seq, err := b.Append(1000, func(_ string, seq uint64) ([]byte, error) {
			l.sent[seq] = fmt.Appendf(nil, `{"t":"readings","seq":%d,"life":%d,"x":"%0*d"}`, seq, l.n, size, 0)
			return l.sent[seq], nil
		})
		if err == nil && !l.cut.Load() {
			l.newest = seq
		}
	}
	if s := b.Stat(); s.RAM == 0 && before > 0 && s.Degraded == "" && !l.cut.Load() {
		for _, r := range b.Next(0, ^uint64(0), 1<<20) {
			if !r.IsGap() {
				l.promised[r.Seq] = true
			}
		}
	}
}

// ack is the hub's: it has the oldest of the backlog, and sometimes fresh frames before those. Gaps are few, as in life.
func (l *life) ack(b *Box) {
	s := b.Stat()
	if s.First == 0 {
		return
	}
	got := schema.Range{s.First, min(s.Last, s.First+l.rng.Uint64N(100))}
	if l.rng.IntN(4) == 0 {
		got = schema.Range{s.Last - min(s.Last-s.First, l.rng.Uint64N(10)), s.Last}
	}
	l.hub.Add(got[0], got[1])
	b.Ack([]schema.Range{got})
}

// check compares what a Box has after a cut with what it must have.
func (l *life) check(b *Box) {
	l.t.Helper()
	s := b.Stat()
	if l.epoch != "" && s.Epoch != l.epoch {
		l.t.Fatalf("life %d: the position is lost", l.n)
	}
	l.epoch = s.Epoch
	if s.Last < l.newest {
		l.t.Errorf("life %d: the next number is %d, %d was given out", l.n, s.Last+1, l.newest)
	}
	var have schema.Ranges
	after := uint64(0)
	for _, r := range b.Next(0, ^uint64(0), 1<<20) {
		if r.Seq <= after {
			l.t.Errorf("life %d: %d comes after %d", l.n, r.Seq, after)
		}
		after = r.Last
		have.Add(r.Seq, r.Last)
		if !r.IsGap() {
			l.frames[r.Seq] = true
			if !bytes.Equal(r.Payload, l.sent[r.Seq]) {
				l.t.Errorf("life %d: frame %d is %.60q, was %.60q", l.n, r.Seq, r.Payload, l.sent[r.Seq])
			}
			continue
		}
		for seq := r.Seq; seq <= r.Last; seq++ {
			if l.promised[seq] && !l.hub.Has(seq) && r.Reason != schema.GapQuota {
				l.t.Errorf("life %d: frame %d was on the disk and is a gap (%s)", l.n, seq, r.Reason)
			}
			if seq <= l.newest && !l.hub.Has(seq) {
				l.gaps[seq] = true
			}
		}
	}
	for _, hole := range have.Without(1, l.newest) {
		for seq := hole[0]; seq <= hole[1]; seq++ {
			if !l.hub.Has(seq) {
				l.t.Errorf("life %d: %d is neither a frame nor a gap", l.n, seq)
			}
		}
	}
	if l.rng.IntN(2) == 0 { // the hub's welcome
		b.Ack(slices.Clone(l.hub))
	}
}

func TestTheOutboxKeepsWhatItPromisedThroughPowerCuts(t *testing.T) {
	t.Parallel()
	seed := uint64(time.Now().UnixNano())
	frames, gaps := 0, 0
	for n := range uint64(6) {
		l := newLife(t, seed+n)
		for range 12 {
			l.live()
			if t.Failed() {
				t.Fatalf("this disk's seed is %d", seed+n)
			}
		}
		frames += len(l.frames)
		gaps += len(l.gaps)
	}
	t.Logf("seed %d: %d frames survived, %d became gaps", seed, frames, gaps)
	if frames == 0 || gaps == 0 {
		t.Error("the cuts came at the wrong moments")
	}
}
