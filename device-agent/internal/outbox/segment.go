package outbox

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"syscall"

	"github.com/telltale-iot/telltale/device-agent/internal/disk"
	"github.com/telltale-iot/telltale/schema"
)

// segment is one file of frames, "segment-<16 hex digits>", names rising. It begins with a segmentHead as JSON in a record;
// then one record per frame (see appendFrame), numbers ascending over the whole file and over the files.
type segment struct {
	name        string
	boot        string
	first, last uint64 // numbers of its first and last synced frame
	count       int
	bytes       int    // synced bytes: what counts as written
	above       uint64 // numbers at or below it are in an older segment (a failed sync that came through after all)
}

// segmentHead says whose frames follow.
type segmentHead struct {
	Version int    `json:"v"`
	Epoch   string `json:"epoch"`
	Boot    string `json:"boot"`
}

const (
	segmentPrefix  = "segment-"
	segmentVersion = 1
	frameKind      = 'F'
	frameHead      = 1 + 8 + 8
)

// appendFrame appends a frame's record body: kind 'F' · seq uint64 · Unix ms int64 (little endian) · the encoded frame.
func appendFrame(dst []byte, seq uint64, tms int64, data []byte) []byte {
	dst = append(dst, frameKind)
	dst = binary.LittleEndian.AppendUint64(dst, seq)
	dst = binary.LittleEndian.AppendUint64(dst, uint64(tms))
	return append(dst, data...)
}

// parseFrame is the inverse of appendFrame.
func parseFrame(body []byte) (Record, error) {
	if len(body) < frameHead || body[0] != frameKind {
		return Record{}, fmt.Errorf("%w: not a frame", disk.ErrDamaged)
	}
	seq := binary.LittleEndian.Uint64(body[1:])
	return Record{Seq: seq, Last: seq, TimeMS: int64(binary.LittleEndian.Uint64(body[9:])), Payload: body[frameHead:]}, nil
}

// decodeSegment returns a file's head and every frame that is whole, numbers ascending and above after. damaged says that
// something in the file was not. A damaged stretch is skipped by looking for the next record that fits.
func decodeSegment(data []byte, after uint64) (head segmentHead, frames []Record, damaged error) {
	seenHead := false
	each := func(body []byte) error {
		if !seenHead {
			if err := json.Unmarshal(body, &head); err != nil || head.Version != segmentVersion {
				return fmt.Errorf("%w: head of segment", disk.ErrDamaged)
			}
			seenHead = true
			return nil
		}
		r, err := parseFrame(body)
		if err != nil {
			return err
		}
		if r.Seq > after {
			r.Boot = head.Boot
			frames = append(frames, r)
			after = r.Seq
		}
		return nil
	}
	good, err := disk.ReadRecords(data, each)
	for err != nil {
		damaged = err
		if !seenHead { // without the head nobody knows whose frames these are
			return head, nil, damaged
		}
		next := resync(data, good+1, after)
		if next < 0 {
			break
		}
		var n int
		n, err = disk.ReadRecords(data[next:], each)
		good = next + n
	}
	return head, frames, damaged
}

// resync returns the offset of the next thing that looks like a frame's record with a number above after, or -1.
// The checksum is the reader's business; this only keeps the candidates few.
func resync(data []byte, from int, after uint64) int {
	const far = 1 << 20 // no file holds more numbers than this
	for i := from; i+disk.RecordOverhead+frameHead <= len(data); i++ {
		body := data[i+disk.RecordOverhead:]
		n := int(binary.LittleEndian.Uint32(data[i:]))
		if n < frameHead || n > len(body) || body[0] != frameKind {
			continue
		}
		if seq := binary.LittleEndian.Uint64(body[1:]); seq > after && seq-after < far {
			return i
		}
	}
	return -1
}

// read returns a segment's frames; the last one read stays in memory. A file that cannot be read costs a gap.
func (b *Box) read(s *segment) []Record {
	if b.cached == s {
		return b.cache
	}
	data, err := b.o.Disk.ReadFile(s.name)
	if err == nil {
		if len(data) > s.bytes {
			data = data[:s.bytes]
		}
		var frames []Record
		if _, frames, _ = decodeSegment(data, s.above); len(frames) >= s.count {
			b.keep(s, frames)
			return b.cache
		}
		err = fmt.Errorf("%w: %d of %d frames left in %s", disk.ErrDamaged, len(frames), s.count, s.name)
		b.lose(s, frames)
		b.keep(s, frames)
	} else {
		b.lose(s, nil)
		b.keep(s, nil)
	}
	b.o.Log.Warn("outbox lost frames on disk", "file", s.name, "err", err)
	return b.cache
}

func (b *Box) keep(s *segment, frames []Record) {
	for i := range frames {
		if frames[i].Boot == b.o.Boot {
			frames[i].Boot = ""
		}
	}
	b.cached, b.cache = s, frames
}

// lose makes gaps of the numbers of s that are not among the frames that are left.
func (b *Box) lose(s *segment, left []Record) {
	have := slices.Clone(b.acked)
	for _, r := range left {
		have.Add(r.Seq, r.Seq)
	}
	for _, hole := range have.Without(s.first, s.last) {
		b.addGap(Record{Seq: hole[0], Last: hole[1], Reason: schema.GapDamaged})
		b.dropped += hole[1] - hole[0] + 1
	}
	s.count = len(left)
}

// spill writes all frames in memory to the disk and forgets them there once they are synced.
//
// A failed sync proves nothing about what was written before it, so the file is never used again and everything since the last
// good sync is written anew (rewriting a page that the kernel has marked clean would be lost silently).
func (b *Box) spill() {
	if len(b.mem) == 0 || b.aside != nil || b.lastErr != nil && b.o.Mono() < b.retryAt {
		return
	}
	for len(b.mem) > 0 {
		err := b.spillSome()
		if errors.Is(err, syscall.ENOSPC) && len(b.segs) > 1 && b.memBytes > b.o.MaxRAM {
			b.dropOldest()
			err = b.spillSome()
		}
		if err != nil {
			if b.lastErr == nil {
				b.o.Log.Error("outbox cannot write; keeping frames in memory", "err", err)
			}
			b.lastErr, b.retryAt = err, b.o.Mono()+retryDisk
			return
		}
	}
	if b.lastErr != nil {
		b.o.Log.Info("outbox writes again")
		b.lastErr = nil
	}
}

// spillSome writes as many frames as the open segment takes, at least one.
func (b *Box) spillSome() error {
	for b.diskBytes() > b.o.MaxDisk-SegmentBytes && len(b.segs) > 1 {
		b.dropOldest()
	}
	if len(b.mem) == 0 { // joining gaps can give up what was waiting
		return nil
	}
	if err := b.openSegment(); err != nil {
		return err
	}
	s := b.cur
	buf := make([]byte, 0, min(b.memBytes+len(b.mem)*frameHead, SegmentBytes+disk.MaxRecord))
	var body []byte
	n := 0
	for n < len(b.mem) && (n == 0 || s.bytes+len(buf) < SegmentBytes) {
		f := &b.mem[n]
		body = appendFrame(body[:0], f.seq, f.tms, f.data)
		buf = disk.AppendRecord(buf, body)
		n++
	}
	_, err := b.file.Write(buf)
	if err == nil {
		err = b.file.Sync()
	}
	if err != nil {
		b.closeFile()
		if s.count == 0 {
			b.remove(s)
			b.segs = slices.DeleteFunc(b.segs, func(x *segment) bool { return x == s })
		}
		return fmt.Errorf("write %s: %w", s.name, err)
	}
	b.wrote(s, n, len(buf))
	return nil
}

func (b *Box) wrote(s *segment, n, bytes int) {
	if s.count == 0 {
		s.first = b.mem[0].seq
	}
	s.last = b.mem[n-1].seq
	s.count += n
	s.bytes += bytes
	for i := range n {
		b.memBytes -= len(b.mem[i].data) + frameOverhead
	}
	b.mem = slices.Delete(b.mem, 0, n)
	if b.cached == s {
		b.cached, b.cache = nil, nil
	}
	if s.bytes >= SegmentBytes {
		b.closeFile()
	}
}

func (b *Box) openSegment() error {
	if b.file != nil {
		return nil
	}
	s := &segment{name: fmt.Sprintf("%s%016x", segmentPrefix, b.nextFile), boot: b.o.Boot}
	head, err := json.Marshal(segmentHead{Version: segmentVersion, Epoch: b.epoch, Boot: b.o.Boot})
	if err != nil {
		return err
	}
	f, err := b.o.Disk.Create(s.name)
	if err != nil {
		return fmt.Errorf("create %s: %w", s.name, err)
	}
	b.nextFile++
	buf := disk.AppendRecord(nil, head)
	if _, err := f.Write(buf); err != nil {
		return errors.Join(fmt.Errorf("write %s: %w", s.name, err), f.Close(), b.o.Disk.Remove(s.name))
	}
	s.bytes = len(buf)
	b.file, b.cur = f, s
	b.segs = append(b.segs, s)
	return nil
}

func (b *Box) closeFile() {
	if err := b.file.Close(); err != nil {
		b.o.Log.Warn("outbox close", "file", b.cur.name, "err", err)
	}
	b.file, b.cur = nil, nil
}

// dropOldest gives up the oldest segment: its unacked frames become a gap, told in meta before the file goes.
func (b *Box) dropOldest() {
	s := b.segs[0]
	if s == b.cur {
		b.closeFile()
	}
	lo, hi, n := uint64(0), uint64(0), uint64(0)
	var from, to int64
	for _, r := range b.read(s) {
		if b.acked.Has(r.Seq) {
			continue
		}
		if lo == 0 {
			lo, from = r.Seq, r.TimeMS
		}
		hi, to = r.Seq, r.TimeMS
		n++
	}
	if n > 0 {
		b.dropped += n
		b.addGap(Record{Seq: lo, Last: hi, TimeMS: from, ToMS: to, Reason: schema.GapQuota})
		b.writeMeta(b.reserved, false)
	}
	b.segs = slices.Delete(b.segs, 0, 1)
	b.remove(s)
}

func (b *Box) remove(s *segment) {
	if s == b.cur && b.file != nil {
		b.closeFile()
	}
	if b.cached == s {
		b.cached, b.cache = nil, nil
	}
	if err := b.o.Disk.Remove(s.name); err != nil {
		b.o.Log.Warn("outbox remove", "file", s.name, "err", err)
	}
}

func isSegment(name string) bool { return strings.HasPrefix(name, segmentPrefix) }
