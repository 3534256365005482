package outbox

import (
	"slices"

	"github.com/telltale-iot/telltale/schema"
)

// ackGaps takes acked numbers out of the gaps.
func (b *Box) ackGaps() {
	var left []Record
	for _, g := range b.gaps {
		for _, part := range b.acked.Without(g.Seq, g.Last) {
			p := g
			p.Seq, p.Last = part[0], part[1]
			left = append(left, p)
		}
	}
	b.gaps = left
	b.boundGaps()
}

// addGap inserts a gap, joined with a neighbour of the same reason that touches it. Gaps of restarts stay apart: each has its own time.
func (b *Box) addGap(g Record) {
	g.Boot, g.Payload = "", nil
	i, _ := slices.BinarySearchFunc(b.gaps, g.Seq, func(x Record, q uint64) int {
		if x.Seq < q {
			return -1
		}
		return 1
	})
	b.gaps = slices.Insert(b.gaps, i, g)
	if i > 0 && b.gaps[i-1].Last+1 >= g.Seq && joins(b.gaps[i-1], g) {
		b.joinGaps(i - 1)
		i--
	}
	if i+1 < len(b.gaps) && b.gaps[i].Last+1 >= b.gaps[i+1].Seq && joins(b.gaps[i], b.gaps[i+1]) {
		b.joinGaps(i)
	}
	b.boundGaps()
}

func joins(x, y Record) bool { return x.Reason == y.Reason && x.Reason != schema.GapRestart }

// GapFrom returns where the gap that covers seq begins; seq when there is none. Records that are sent in two parts are cut there, so that
// a gap stays one.
func (b *Box) GapFrom(seq uint64) uint64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, g := range b.gaps {
		if g.Seq <= seq && seq <= g.Last {
			return g.Seq
		}
	}
	return seq
}

// boundGaps keeps the gap records few. Above maxGaps those are joined between which the hub has everything: it keeps what it has. A gap
// never covers a frame that is kept (held by TestManyGapsNeverCallAKeptFrameLost), so there can be more of them; above mostGaps the
// fewest frames between two are given up, and then what the joined gap says is true.
func (b *Box) boundGaps() {
	for len(b.gaps) > maxGaps {
		i, kept := b.nearestGaps()
		if kept > 0 {
			if len(b.gaps) <= mostGaps {
				return
			}
			b.giveUp(b.gaps[i].Last+1, b.gaps[i+1].Seq-1)
			b.dropped += kept
		}
		b.joinGaps(i)
	}
}

// nearestGaps returns the gap that has the fewest kept frames between it and the next one, and how many those are; of several the one
// whose next is nearest.
func (b *Box) nearestGaps() (best int, kept uint64) {
	kept = ^uint64(0)
	var apart uint64
	for i := range len(b.gaps) - 1 {
		lo, hi := b.gaps[i].Last+1, b.gaps[i+1].Seq-1
		var between, frames uint64
		if lo <= hi {
			between = hi - lo + 1
			frames = between - b.acked.Count(lo, hi)
		}
		if frames < kept || frames == kept && between < apart {
			best, kept, apart = i, frames, between
		}
	}
	return best, kept
}

// giveUp forgets the frames in memory from lo to hi; on disk a gap hides them.
func (b *Box) giveUp(lo, hi uint64) {
	b.mem = slices.DeleteFunc(b.mem, func(f frame) bool {
		if f.seq < lo || f.seq > hi {
			return false
		}
		b.memBytes -= len(f.data) + frameOverhead
		return true
	})
}

func (b *Box) joinGaps(i int) {
	x, y := b.gaps[i], b.gaps[i+1]
	x.Last = max(x.Last, y.Last)
	if x.TimeMS == 0 {
		x.TimeMS = y.TimeMS
	}
	x.ToMS = max(x.ToMS, y.ToMS)
	b.gaps[i] = x
	b.gaps = slices.Delete(b.gaps, i+1, i+2)
}
