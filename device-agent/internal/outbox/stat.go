package outbox

// Stat is the state of a Box.
type Stat struct {
	Epoch     string // 16 hex digits
	First     uint64 // oldest unacked sequence number, 0 = none
	Last      uint64 // newest given out, 0 = none
	Backlog   uint64 // frames and gap records not acked
	BacklogMS int64  // time of the oldest unacked frame, Unix ms, 0 = none or not known
	Dropped   uint64 // frames given up since the process started
	RAM       int    // bytes of frames in memory
	Disk      int    // bytes of segments
	Degraded  string // what does not work, for people; "" = all well
}

// Stat returns the state.
func (b *Box) Stat() Stat {
	b.mu.Lock()
	defer b.mu.Unlock()
	s := Stat{Epoch: b.epoch, Last: b.next - 1, Dropped: b.dropped, RAM: b.memBytes, Disk: b.diskBytes()}
	s.Backlog = uint64(len(b.mem) + len(b.gaps))
	for _, g := range b.segs {
		s.Backlog += uint64(g.count) - min(b.acked.Count(g.first, g.last), uint64(g.count))
	}
	if s.Backlog > 0 {
		if r, ok := b.nextAfter(b.floor - min(b.floor, 1)); ok {
			s.First, s.BacklogMS = r.Seq, r.TimeMS
		}
	}
	if b.lastErr != nil {
		s.Degraded = "outbox disk: " + b.lastErr.Error()
	}
	return s
}

func (b *Box) diskBytes() int {
	sum := 0
	for _, s := range b.segs {
		sum += s.bytes
	}
	return sum
}
