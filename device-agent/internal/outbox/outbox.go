// Package outbox keeps what the agent has measured until a hub has stored it.
//
// It guarantees: a sequence number is given out once per epoch, also across a crash; a frame is forgotten only when the hub acked
// it or when a bound forces the oldest out, and then a gap record takes its place; damage on the disk costs the damaged records and
// nothing else. It is gentle to memory cards: while acks flow nothing but a small heartbeat is written; frames go to disk when the
// oldest unacked one is older than Options.SpillAfter, when memory is full, or at Close. It refuses to grow: memory and disk have
// bounds. When the disk fails it works on in memory and says so in [Stat].
//
// Start reading at [Box.Append]; the files are explained at segment and meta.
package outbox

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/telltale-iot/telltale/device-agent/internal/disk"
	"github.com/telltale-iot/telltale/schema"
)

const (
	// SegmentBytes bounds one file: small enough to be read back whole, large enough that a day is not a thousand files.
	SegmentBytes = 256 << 10
	// maxGaps is how many gap records are kept before neighbours become one; mostGaps bounds them even when frames lie between all of
	// them, because meta holds them all in one record (at most 120 bytes each).
	maxGaps, mostGaps = 64, 512
	// leastClaim and mostClaim bound how many sequence numbers one write of meta claims ahead. After a crash nobody can tell a claimed
	// number that was lost from one that was never used: all become a gap. So a claim is twice what the last heartbeat used.
	leastClaim, mostClaim = 64, 1024
	// heartbeat is how often meta is renewed while frames flow, so that a restart gap starts close to the truth: 1,440 small writes
	// a day at most.
	heartbeat = time.Minute
	// retryDisk is how long a failing disk is left alone.
	retryDisk = 30 * time.Second
)

// ErrClosed is returned after Close.
var ErrClosed = errors.New("outbox is closed")

// Options of a Box.
type Options struct {
	Disk       disk.Disk            // where segments live; not shared with anything else
	Boot       string               // this boot of the machine; frames of another boot say so
	Mono       func() time.Duration // time since boot
	WallMS     func() int64         // wall clock, Unix ms; 0 when it cannot be believed
	MaxDisk    int                  // bytes of segments kept, at least 2·SegmentBytes
	MaxRAM     int                  // bytes of frames in memory
	SpillAfter time.Duration        // age of the oldest unacked frame at which memory goes to disk
	Log        *slog.Logger
}

// Record is one frame or one gap on its way to the hub.
type Record struct {
	Seq     uint64 // first sequence number
	Last    uint64 // last one; equal to Seq for a frame
	Payload []byte // the encoded frame; nil for a gap
	Boot    string // the boot it was measured in, when not the current one
	TimeMS  int64  // Unix ms, 0 = not known
	ToMS    int64  // a gap's end, Unix ms, 0 = not known
	Reason  schema.GapReason
}

// IsGap reports whether the record stands for lost frames.
func (r *Record) IsGap() bool { return r.Reason != "" }

type frame struct {
	seq  uint64
	tms  int64
	at   time.Duration
	data []byte
}

// Box is an outbox. It is safe for concurrent use.
type Box struct {
	o  Options
	mu disk.Lock // held while the disk works

	epoch    string
	next     uint64 // next sequence number to give out
	reserved uint64 // last one that meta has claimed
	floor    uint64 // nothing below it is unacked
	mem      []frame
	memBytes int
	segs     []*segment
	cur      *segment // the one open for writing; also the last of segs
	file     disk.File
	nextFile uint64
	gaps     []Record
	acked    schema.Ranges
	dropped  uint64

	aside *aside // the backlog of a disk that could not be written at the start; nil = none
	shown uint64 // highest number handed out by Next

	firstOwn  uint64 // first number this process gave out or can give out
	confirmed bool   // a hub has shown that firstOwn was new

	claim    uint64 // how many numbers the next write of meta claims
	metaGen  uint64
	metaAt   time.Duration
	metaNext uint64 // next when meta was written
	metaGaps bool   // meta holds gaps
	retryAt  time.Duration
	lastErr  error // why the disk is not used
	closed   bool
	cached   *segment // whose frames are in cache
	cache    []Record
}

// Open reads what an earlier process left and returns the Box. It fails only for impossible options: a damaged or refusing disk
// leads to gaps or to working in memory, and both are logged.
func Open(o Options) (*Box, error) {
	if o.Disk == nil || o.Mono == nil || o.WallMS == nil || o.Log == nil {
		return nil, errors.New("outbox: Disk, Mono, WallMS and Log are needed")
	}
	if o.MaxDisk < 2*SegmentBytes || o.MaxRAM < 64<<10 {
		return nil, fmt.Errorf("outbox: at least %d bytes of disk and 64 KiB of memory are needed", 2*SegmentBytes)
	}
	b := &Box{o: o, mu: disk.NewLock(), claim: leastClaim}
	if err := b.load(); err != nil {
		return nil, err
	}
	b.firstOwn = b.next
	return b, nil
}

// Append gives the epoch and the next sequence number to encode, keeps what it returns and returns the number. The number is claimed
// on the disk before encode sees it: no later life of the process gives it out again.
//
// timeMS: Unix ms of the frame, 0 when not known. The number is used up only when encode succeeds. Append does not wait for the
// disk unless memory is full. Errors: encode's, ErrClosed.
func (b *Box) Append(timeMS int64, encode func(epoch string, seq uint64) ([]byte, error)) (uint64, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return 0, ErrClosed
	}
	b.claimNext()
	data, err := encode(b.epoch, b.next)
	if err != nil {
		return 0, fmt.Errorf("encode frame %d: %w", b.next, err)
	}
	if len(data) > schema.MaxMessage {
		return 0, fmt.Errorf("frame of %d bytes, at most %d", len(data), schema.MaxMessage)
	}
	seq := b.next
	b.next++
	b.mem = append(b.mem, frame{seq: seq, tms: timeMS, at: b.o.Mono(), data: data})
	b.memBytes += len(data) + frameOverhead
	if b.memBytes > b.o.MaxRAM {
		b.relieve()
	}
	return seq, nil
}

// claimNext sees to it that the next number is claimed on the disk.
func (b *Box) claimNext() {
	if b.next > b.reserved {
		b.claim = min(2*b.claim, mostClaim) // used up before the heartbeat
		b.writeMeta(b.next+b.claim-1, false)
	}
}

// Lose tells of frames that never got here, as a gap with a number of its own. fromMS and toMS: their times, Unix ms, 0 = not known.
func (b *Box) Lose(frames uint64, fromMS, toMS int64) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return ErrClosed
	}
	b.claimNext()
	b.dropped += frames
	b.addGap(Record{Seq: b.next, Last: b.next, TimeMS: fromMS, ToMS: toMS, Reason: schema.GapQuota})
	b.next++
	return nil
}

// frameOverhead is what a frame costs in memory beside its bytes.
const frameOverhead = 64

// relieve brings memory below its bound: to disk if it works, otherwise by giving up the oldest.
func (b *Box) relieve() {
	b.spill()
	lo, hi := uint64(0), uint64(0)
	var from, to int64
	n := 0
	for ; b.memBytes > b.o.MaxRAM && n < len(b.mem); n++ {
		f := &b.mem[n]
		if lo == 0 {
			lo, from = f.seq, f.tms
		}
		hi, to = f.seq, f.tms
		b.memBytes -= len(f.data) + frameOverhead
		b.dropped++
	}
	if n == 0 {
		return
	}
	b.mem = slices.Delete(b.mem, 0, n)
	b.addGap(Record{Seq: lo, Last: hi, TimeMS: from, ToMS: to, Reason: schema.GapQuota})
}

// Next returns up to limit unacked records with numbers above after and not above upto, in order. A gap that begins at or below after is
// cut. Disk errors turn the unreadable part into a gap.
func (b *Box) Next(after, upto uint64, limit int) []Record {
	b.mu.Lock()
	defer b.mu.Unlock()
	var out []Record
	for len(out) < limit && after < upto {
		r, ok := b.nextAfter(after)
		if !ok || r.Seq > upto {
			break
		}
		out = append(out, r)
		after = r.Last
		b.shown = max(b.shown, after)
	}
	return out
}

// nextAfter returns the unacked record with the smallest number above after.
func (b *Box) nextAfter(after uint64) (Record, bool) {
	var best Record
	found := false
	for _, g := range b.gaps {
		if g.Last > after {
			best, found = g, true
			best.Seq = max(best.Seq, after+1)
			break
		}
	}
	if r, ok := b.frameAfter(after); ok && (!found || r.Seq < best.Seq) {
		return r, true
	}
	return best, found
}

func (b *Box) frameAfter(after uint64) (Record, bool) {
	for _, s := range b.segs {
		if s.last <= after {
			continue
		}
		for _, r := range b.read(s) {
			if r.Seq > after && !b.acked.Has(r.Seq) && !b.inGap(r.Seq) {
				return r, true
			}
		}
	}
	i, _ := slices.BinarySearchFunc(b.mem, after+1, func(f frame, q uint64) int {
		if f.seq < q {
			return -1
		}
		return 1
	})
	for ; i < len(b.mem); i++ {
		f := &b.mem[i]
		if b.inGap(f.seq) {
			continue
		}
		return Record{Seq: f.seq, Last: f.seq, Payload: f.data, TimeMS: f.tms}, true
	}
	return Record{}, false
}

// Ack forgets what the hub has. Numbers never given out are ignored.
func (b *Box) Ack(ranges []schema.Range) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, r := range ranges {
		lo, hi := max(r[0], b.floor), min(r[1], b.next-1)
		b.acked.Add(lo, hi)
	}
	b.mem = slices.DeleteFunc(b.mem, func(f frame) bool {
		if !b.acked.Has(f.seq) {
			return false
		}
		b.memBytes -= len(f.data) + frameOverhead
		return true
	})
	b.ackGaps()
	b.segs = slices.DeleteFunc(b.segs, func(s *segment) bool {
		if s == b.cur && s.count == 0 || !b.done(s) {
			return false
		}
		b.remove(s)
		return true
	})
	b.floor = b.firstUnacked()
	if b.floor == 0 {
		b.floor = b.next
	}
	keep := b.floor
	if len(b.segs) > 0 {
		keep = min(keep, b.segs[0].first) // its acked frames are still on the disk
	}
	b.acked.Trim(keep)
}

// done reports whether every number of the segment is acked or has a gap in its place. Numbers inside its range that it does not hold
// were acked before it was written, or are gaps: so the file need not be read.
func (b *Box) done(s *segment) bool {
	for _, part := range b.acked.Without(s.first, s.last) {
		lo := part[0]
		for _, g := range b.gaps {
			if g.Seq <= lo && lo <= g.Last {
				lo = g.Last + 1
			}
		}
		if lo <= part[1] {
			return false
		}
	}
	return true
}

func (b *Box) firstUnacked() uint64 {
	if r, ok := b.nextAfter(b.floor - min(b.floor, 1)); ok {
		return r.Seq
	}
	return 0
}

// Tick does what time asks for: to be called every second or so.
func (b *Box) Tick() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return
	}
	now := b.o.Mono()
	if b.aside != nil {
		b.tryAside()
		return
	}
	if len(b.mem) > 0 && now-b.mem[0].at >= b.o.SpillAfter {
		b.spill()
	}
	if b.lastErr != nil && len(b.mem) == 0 && now >= b.retryAt {
		b.writeMeta(b.next+b.claim-1, false)
	}
	told := b.metaGaps && len(b.gaps) == 0 // the hub has heard of all gaps: the next start need not tell them again
	due := now-b.metaAt >= heartbeat && b.next != b.metaNext
	if due {
		b.claim = min(max(2*(b.next-b.metaNext), leastClaim), mostClaim)
	}
	if told || due {
		b.writeMeta(b.next+b.claim-1, false)
	}
}

// Close brings everything unacked to the disk. After it nothing can be appended.
//
// Errors: the disk's; then what was in memory is lost and will show as a gap after the next start.
func (b *Box) Close() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return nil
	}
	b.closed = true
	b.retryAt = 0
	if b.aside != nil {
		b.closeAside()
	}
	b.spill()
	if len(b.mem) == 0 && b.aside == nil {
		b.writeMeta(b.next-1, true)
	}
	if b.file != nil {
		b.closeFile()
	}
	return b.lastErr
}

func newEpoch() (string, error) {
	var raw [8]byte
	if _, err := rand.Read(raw[:]); err != nil {
		return "", fmt.Errorf("make epoch: %w", err)
	}
	return hex.EncodeToString(raw[:]), nil
}
