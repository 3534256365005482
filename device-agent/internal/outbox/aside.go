package outbox

import (
	"errors"
	"fmt"

	"github.com/telltale-iot/telltale/schema"
)

// aside is the backlog of a disk that could be read but not written at the start. It stays on the disk as it is while the Box works in
// memory under another epoch; once the disk takes notes again the Box returns to it.
type aside struct {
	epoch       string
	next, floor uint64
	segs        []*segment
	gaps        []Record
	writable    bool
}

// workInMemory begins a new epoch beside a disk that takes no notes: numbers that cannot be claimed must not be used. What the disk holds
// is put aside; see Return.
func (b *Box) workInMemory() error {
	epoch, err := newEpoch()
	if err != nil {
		return err
	}
	b.o.Log.Error("outbox disk cannot be written; numbering anew in memory", "epoch", epoch, "err", b.lastErr)
	b.aside = &aside{epoch: b.epoch, next: b.next, floor: b.floor, segs: b.segs, gaps: b.gaps}
	b.epoch, b.next, b.floor, b.reserved = epoch, 1, 1, 0
	b.segs, b.gaps, b.acked, b.cached, b.cache = nil, nil, nil, nil, nil
	return nil
}

// tryAside notes the position of what is aside anew, to see whether the disk takes it.
func (b *Box) tryAside() {
	if b.lastErr != nil && b.o.Mono() < b.retryAt || b.aside.writable {
		return
	}
	h := b.aside
	if !b.noteMeta(meta{Epoch: h.epoch, Reserved: h.next - 1, Floor: h.floor}, h.gaps) {
		return
	}
	h.writable, b.lastErr = true, nil
	b.o.Log.Info("outbox writes again", "epoch", h.epoch)
}

// CanReturn reports whether a backlog from before the start waits on a disk that can be written again: the next greeting brings it in.
func (b *Box) CanReturn() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.aside != nil && b.aside.writable
}

// Return goes back to the epoch of the backlog that was put aside at the start, if there is one and its disk can be written again, and takes
// what is in memory along under new numbers. It reports whether the epoch has changed. To be called only while nothing is under way.
//
// have: what the hub has of the present epoch, so that nothing is stored twice; asked false: nobody knows, and then the Box only returns when no frame
// it holds was ever handed out. Held by TestBacklogOfADiskThatBecomesWritableIsSent.
func (b *Box) Return(have []schema.Range, asked bool) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.aside == nil || !b.aside.writable || !asked && len(b.mem) > 0 && b.mem[0].seq <= b.shown {
		return false
	}
	var stored schema.Ranges
	for _, r := range have {
		stored.Add(r[0], r[1])
	}
	b.goBack(stored)
	return true
}

// goBack moves what is not in stored behind the numbers of the backlog that was put aside.
func (b *Box) goBack(stored schema.Ranges) {
	h, mem, gaps := b.aside, b.mem, b.gaps
	from := b.epoch
	b.aside, b.mem, b.memBytes, b.acked, b.cached, b.cache = nil, nil, 0, nil, nil, nil
	b.epoch, b.next, b.floor, b.reserved, b.segs, b.gaps = h.epoch, h.next, h.floor, h.next-1, h.segs, h.gaps
	b.firstOwn, b.confirmed, b.shown = b.next, false, 0
	b.renumber(stored, gaps, nil, mem)
	b.o.Log.Info("outbox returned to the backlog on its disk", "epoch", b.epoch, "from", from)
}

// renumber takes in what an epoch held that is given up: gaps, segments and frames in memory, without what is in stored.
func (b *Box) renumber(stored schema.Ranges, gaps []Record, segs []*segment, mem []frame) {
	for _, g := range gaps {
		for range stored.Without(g.Seq, g.Last) { // one number stands for the whole stretch: the old ones mean nothing now
			b.addGap(Record{Seq: b.next, Last: b.next, TimeMS: g.TimeMS, ToMS: g.ToMS, Reason: g.Reason})
			b.next++
		}
	}
	for _, s := range segs {
		b.renumberFile(stored, s)
	}
	for _, f := range mem {
		if !stored.Has(f.seq) {
			b.again(f.tms, f.data, "")
		}
	}
	b.writeMeta(b.next+b.claim-1, false)
}

// renumberFile takes in a segment's frames and removes it. What is missing of it becomes a gap.
func (b *Box) renumberFile(stored schema.Ranges, s *segment) {
	data, err := b.o.Disk.ReadFile(s.name)
	_, frames, damaged := decodeSegment(data[:min(len(data), s.bytes)], s.above)
	for _, r := range frames {
		if stored.Has(r.Seq) {
			continue
		}
		if r.Boot == b.o.Boot {
			r.Boot = ""
		}
		b.again(r.TimeMS, r.Payload, r.Boot)
	}
	if missing := s.count - len(frames); missing > 0 {
		b.o.Log.Warn("outbox lost frames on disk", "file", s.name, "err", errors.Join(err, damaged))
		b.dropped += uint64(missing)
		b.addGap(Record{Seq: b.next, Last: b.next, Reason: schema.GapDamaged})
		b.next++
	}
	b.remove(s)
}

// closeAside is what a stop does about a backlog that is aside: it returns if the disk can be written. Frames that were handed out and not
// acked may be stored already; they become a gap, for a gap is honest and a frame under two numbers is not.
func (b *Box) closeAside() {
	b.tryAside()
	if !b.aside.writable {
		b.lastErr = fmt.Errorf("%d frames in memory are lost: %w", len(b.mem), b.lastErr)
		return
	}
	var doubt Record
	for len(b.mem) > 0 && b.mem[0].seq <= b.shown {
		f := b.mem[0]
		if doubt.Seq == 0 {
			doubt = Record{Seq: f.seq, TimeMS: f.tms, Reason: schema.GapRestart}
		}
		doubt.Last, doubt.ToMS = f.seq, f.tms
		b.memBytes -= len(f.data) + frameOverhead
		b.mem = b.mem[1:]
	}
	if doubt.Seq > 0 {
		b.addGap(doubt)
	}
	b.goBack(nil)
}
