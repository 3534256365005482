package outbox

import (
	"bytes"
	"slices"
	"strconv"

	"github.com/telltale-iot/telltale/schema"
)

// Collides reports whether the hub has numbers that this process must have given out a second time: an earlier process went on numbering
// while the disk refused to take notes, and died. The caller then uses StartOver instead of Ack. Only the first welcome of a process can
// tell; later the hub has this process's own frames.
func (b *Box) Collides(have []schema.Range) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.confirmed {
		return false
	}
	for _, r := range have {
		if r[1] >= b.firstOwn {
			return true
		}
	}
	b.confirmed = true
	return false
}

// StartOver moves everything the hub does not have into a new epoch. have is what the hub has of the old one. What is re-sent was never
// stored: frames of earlier processes that the hub has are left out, and this process's own cannot have arrived.
func (b *Box) StartOver(have []schema.Range) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	epoch, err := newEpoch()
	if err != nil {
		return err
	}
	var stored schema.Ranges
	for _, r := range have {
		if r[0] < b.firstOwn {
			stored.Add(r[0], min(r[1], b.firstOwn-1))
		}
	}
	if b.file != nil {
		b.closeFile()
	}
	segs, mem, gaps := b.segs, b.mem, b.gaps
	old := b.epoch
	b.segs, b.mem, b.gaps, b.acked, b.memBytes = nil, nil, nil, nil, 0
	b.epoch, b.next, b.floor, b.reserved, b.firstOwn, b.confirmed, b.shown = epoch, 1, 1, 0, 1, true, 0
	b.renumber(stored, gaps, segs, mem)
	b.o.Log.Warn("outbox started a new epoch: numbers had been given out twice", "epoch", epoch, "from", old)
	return nil
}

// again appends a kept frame under its new number.
func (b *Box) again(tms int64, data []byte, boot string) {
	data = withSeq(data, b.next)
	if boot != "" {
		if at := bytes.IndexByte(data, ',') + 1; at > 0 {
			data = slices.Concat(data[:at], []byte(`"boot":"`+boot+`",`), data[at:])
		}
	}
	b.mem = append(b.mem, frame{seq: b.next, tms: tms, at: b.o.Mono(), data: data})
	b.memBytes += len(data) + frameOverhead
	b.next++
	if b.memBytes > b.o.MaxRAM {
		b.relieve()
	}
}

// withSeq replaces the number of an encoded frame; "seq" comes first in every frame that has one.
func withSeq(data []byte, seq uint64) []byte {
	const key = `"seq":`
	i := bytes.Index(data, []byte(key))
	if i < 0 {
		return data
	}
	i += len(key)
	j := i
	for j < len(data) && data[j] >= '0' && data[j] <= '9' {
		j++
	}
	return slices.Concat(data[:i], strconv.AppendUint(nil, seq, 10), data[j:])
}

// Void forgets every ack: the hub's store is another one than the one that gave them. What is no longer here becomes a gap, out of which
// the next Ack takes what the store does have.
func (b *Box) Void() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.acked = nil
	var have schema.Ranges
	for _, s := range b.segs {
		for _, r := range b.read(s) {
			have.Add(r.Seq, r.Seq)
		}
	}
	for i := range b.mem {
		have.Add(b.mem[i].seq, b.mem[i].seq)
	}
	for _, g := range b.gaps {
		have.Add(g.Seq, g.Last)
	}
	for _, hole := range have.Without(b.floor, b.next-1) {
		b.addGap(Record{Seq: hole[0], Last: hole[1], Reason: schema.GapDamaged})
	}
}
