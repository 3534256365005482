package outbox

import "github.com/telltale-iot/telltale/schema"

// Refuse turns a frame that the hub will never take into a gap and returns the gap; false when there is no such unacked frame.
func (b *Box) Refuse(seq uint64) (Record, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if seq == 0 || seq >= b.next || b.acked.Has(seq) {
		return Record{}, false
	}
	r, ok := b.frameAfter(seq - 1)
	if !ok || r.Seq != seq {
		return Record{}, false
	}
	b.dropped++
	g := Record{Seq: seq, Last: seq, TimeMS: r.TimeMS, ToMS: r.TimeMS, Reason: schema.GapRefused}
	b.addGap(g)
	return g, true
}

// inGap reports whether a gap has taken the frame's place, though its bytes may still be there.
func (b *Box) inGap(seq uint64) bool {
	for _, g := range b.gaps {
		if g.Seq <= seq && seq <= g.Last {
			return true
		}
	}
	return false
}
