package outbox

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"strings"
	"syscall"

	"github.com/telltale-iot/telltale/device-agent/internal/disk"
	"github.com/telltale-iot/telltale/schema"
)

// meta is what must outlive the process beside the frames. Two files, "meta-a" and "meta-b", are written in turn, so that a torn
// write leaves the other one; the higher generation counts.
type meta struct {
	Version  int       `json:"v"`
	Gen      uint64    `json:"gen"`
	Epoch    string    `json:"epoch"`
	Reserved uint64    `json:"reserved"` // numbers up to this one may have been given out
	Floor    uint64    `json:"floor"`    // every number below it was acked
	WallMS   int64     `json:"wall_ms"`  // when this was written, Unix ms, 0 = not known
	Gaps     []metaGap `json:"gaps,omitempty"`
}

type metaGap struct {
	First  uint64           `json:"first"`
	Last   uint64           `json:"last"`
	FromMS int64            `json:"from_ms,omitempty"`
	ToMS   int64            `json:"to_ms,omitempty"`
	Reason schema.GapReason `json:"reason"`
}

const metaVersion = 1

// writeMeta claims the numbers up to reserved; clean: nothing is left in memory and nothing follows, so none beyond the last one. When the
// disk refuses, the numbers are used all the same: after a crash the hub would see a new epoch or drop repeats, and Stat says so meanwhile.
func (b *Box) writeMeta(reserved uint64, clean bool) {
	b.metaAt, b.metaNext, b.metaGaps = b.o.Mono(), b.next, len(b.gaps) > 0
	b.reserved = max(b.reserved, reserved)
	if b.aside != nil { // the disk belongs to the backlog on it
		b.tryAside()
		return
	}
	m := meta{Epoch: b.epoch, Reserved: b.reserved, Floor: b.floor}
	if clean {
		m.Reserved = b.next - 1
	}
	if b.noteMeta(m, b.gaps) && len(b.mem) == 0 && b.lastErr != nil {
		b.o.Log.Info("outbox writes again")
		b.lastErr = nil
	}
}

// noteMeta writes a position and its gaps to the slot whose turn it is; false = the disk refused.
func (b *Box) noteMeta(m meta, gaps []Record) bool {
	m.Version, m.Gen, m.WallMS = metaVersion, b.metaGen+1, b.o.WallMS()
	for _, g := range gaps {
		m.Gaps = append(m.Gaps, metaGap{First: g.Seq, Last: g.Last, FromMS: g.TimeMS, ToMS: g.ToMS, Reason: g.Reason})
	}
	body, err := json.Marshal(m)
	if err == nil {
		err = b.writeFile(metaName(m.Gen), disk.AppendRecord(nil, body))
	}
	if err != nil {
		if b.lastErr == nil {
			b.o.Log.Error("outbox cannot note its position", "err", err)
		}
		b.lastErr, b.retryAt = err, b.o.Mono()+retryDisk
		return false
	}
	b.metaGen = m.Gen
	return true
}

func (b *Box) writeFile(name string, data []byte) error {
	f, err := b.o.Disk.Create(name)
	if err != nil {
		return err
	}
	if _, err = f.Write(data); err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

func metaName(gen uint64) string {
	if gen%2 == 0 {
		return "meta-a"
	}
	return "meta-b"
}

// readMeta returns the newest readable meta. damaged: at least one slot was there and unreadable.
func (b *Box) readMeta() (best meta, found, damaged bool) {
	for _, name := range []string{"meta-a", "meta-b"} {
		data, err := b.o.Disk.ReadFile(name)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		m, err2 := decodeMeta(data)
		if err != nil || err2 != nil {
			damaged = true
			b.o.Log.Warn("outbox position is damaged", "file", name, "err", errors.Join(err, err2))
			continue
		}
		if !found || m.Gen > best.Gen {
			best, found = m, true
		}
	}
	return best, found, damaged
}

func decodeMeta(data []byte) (meta, error) {
	var m meta
	n := 0
	_, err := disk.ReadRecords(data, func(body []byte) error {
		n++
		return json.Unmarshal(body, &m)
	})
	switch {
	case err != nil:
		return m, err
	case n != 1 || m.Version != metaVersion || len(m.Epoch) != 16 || m.Reserved > 1<<62 || m.Floor > m.Reserved+1:
		return m, fmt.Errorf("%w: position makes no sense", disk.ErrDamaged)
	}
	for _, g := range m.Gaps {
		if g.First == 0 || g.First > g.Last || g.Last > m.Reserved || g.Reason == "" {
			return m, fmt.Errorf("%w: gap makes no sense", disk.ErrDamaged)
		}
	}
	return m, nil
}

// load restores the state from the disk; see Open.
func (b *Box) load() error {
	names, err := b.o.Disk.List()
	if err != nil {
		b.lastErr = err
		b.o.Log.Error("outbox cannot be read; starting anew in memory", "err", err)
	}
	m, found, damaged := b.readMeta()
	for _, name := range names {
		if !isSegment(name) {
			continue
		}
		if n, err := strconv.ParseUint(strings.TrimPrefix(name, segmentPrefix), 16, 64); err == nil {
			b.nextFile = max(b.nextFile, n+1)
		}
	}
	if !found {
		return b.startAnew(names, damaged)
	}
	if damaged { // the lost slot may have been the newer one and have claimed one more block
		m.Reserved += mostClaim + 1
	}
	b.epoch, b.metaGen, b.floor = m.Epoch, m.Gen, max(m.Floor, 1)
	broken := b.loadSegments(names)
	b.reserved = m.Reserved
	if n := len(b.segs); n > 0 {
		b.reserved = max(b.reserved, b.segs[n-1].last)
	}
	b.next = b.reserved + 1
	for _, g := range m.Gaps {
		b.addGap(Record{Seq: g.First, Last: g.Last, TimeMS: g.FromMS, ToMS: g.ToMS, Reason: g.Reason})
	}
	b.findHoles(m, broken)
	b.floor = max(b.floor, min(b.next, max(b.firstUnacked(), 1)))
	if len(b.gaps) == 0 && len(b.segs) == 0 {
		b.floor = b.next
	}
	b.writeMeta(b.next+b.claim-1, false)
	if errors.Is(b.lastErr, syscall.ENOSPC) && len(b.segs) > 0 { // the oldest file gives way, and says so, before the whole backlog is put aside
		b.dropOldest()
		b.writeMeta(b.next+b.claim-1, false)
	}
	if b.lastErr != nil {
		return b.workInMemory()
	}
	return nil
}

// startAnew begins a new epoch. Segments of an epoch whose numbering is lost cannot be sent without storing them twice: they go, and a gap
// over their time takes their place.
func (b *Box) startAnew(names []string, damaged bool) error {
	epoch, err := newEpoch()
	if err != nil {
		return err
	}
	b.epoch, b.next, b.floor = epoch, 1, 1
	gap, files := Record{Seq: 1, Last: 1, Reason: schema.GapDamaged}, 0
	for _, name := range names {
		if !isSegment(name) {
			continue
		}
		files++
		if data, err := b.o.Disk.ReadFile(name); err == nil {
			_, frames, _ := decodeSegment(data, 0)
			for _, r := range frames {
				gap.ToMS = max(gap.ToMS, r.TimeMS)
				if gap.TimeMS == 0 || r.TimeMS != 0 && r.TimeMS < gap.TimeMS {
					gap.TimeMS = r.TimeMS
				}
			}
			b.dropped += uint64(len(frames))
		}
		b.remove(&segment{name: name})
	}
	if files > 0 {
		b.addGap(gap)
		b.next = 2
	}
	if damaged || files > 0 {
		b.o.Log.Error("outbox position is lost; starting a new epoch", "epoch", epoch, "files", files)
	}
	b.writeMeta(b.next+b.claim-1, false)
	return nil
}

// loadSegments indexes the files and reports whether any was damaged.
func (b *Box) loadSegments(names []string) (broken bool) {
	var after uint64
	for _, name := range names {
		if !isSegment(name) {
			continue
		}
		data, err := b.o.Disk.ReadFile(name)
		if err != nil {
			broken = true
			b.o.Log.Warn("outbox file cannot be read", "file", name, "err", err)
			continue
		}
		head, frames, damage := decodeSegment(data, after)
		if damage != nil {
			broken = true
			b.o.Log.Warn("outbox file is damaged; keeping what is whole", "file", name, "err", damage)
		}
		if len(frames) == 0 || head.Epoch != b.epoch {
			b.remove(&segment{name: name})
			continue
		}
		s := &segment{name: name, boot: head.Boot, first: frames[0].Seq, last: frames[len(frames)-1].Seq,
			count: len(frames), bytes: len(data), above: after}
		b.segs = append(b.segs, s)
		after = s.last
	}
	return broken
}

// findHoles makes gaps of the numbers that were claimed and are nowhere: the process died with them in memory, or they were damaged.
// Some of them were acked; the hub's answer to the next hello takes those out again.
func (b *Box) findHoles(m meta, broken bool) {
	var have schema.Ranges
	for _, s := range b.segs {
		for _, r := range b.read(s) {
			have.Add(r.Seq, r.Seq)
		}
	}
	for _, g := range b.gaps {
		have.Add(g.Seq, g.Last)
	}
	newest, since := uint64(0), m.WallMS
	if n := len(b.segs); n > 0 {
		newest = b.segs[n-1].last
		if frames := b.read(b.segs[n-1]); len(frames) > 0 {
			since = max(since, frames[len(frames)-1].TimeMS)
		}
	}
	for _, hole := range have.Without(b.floor, b.next-1) {
		g := Record{Seq: hole[0], Last: hole[1], TimeMS: since, ToMS: b.o.WallMS(), Reason: schema.GapRestart}
		if broken && hole[0] < newest {
			g.Reason = schema.GapDamaged
		}
		b.addGap(g)
	}
}
