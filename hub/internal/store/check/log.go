package check

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/telltale-iot/telltale/hub/internal/store/ring"
)

// Log judges the slots of the log, for check and salvage: which hold readings that are not packed yet, and which are damaged. Give it all
// slots with [Log.Slot] first.
type Log struct {
	flushed uint64
	places  int64
	live    []ring.Slot
	bad     []int64 // places of damaged slots
}

// NewLog begins; flushed is the newest slot whose readings are packed.
func NewLog(flushed uint64) *Log { return &Log{flushed: flushed} }

// Slot takes the slot at a place. The data belongs to the log from here on.
func (l *Log) Slot(place int64, data []byte) {
	l.places = max(l.places, place+1)
	s, err := ring.DecodeSlot(data)
	switch {
	case err != nil:
		l.bad = append(l.bad, place)
	case s.Number > l.flushed:
		l.live = append(l.live, s)
	}
}

// Live returns the slots with readings that are not packed yet, oldest first.
func (l *Log) Live() []ring.Slot {
	slices.SortFunc(l.live, func(a, b ring.Slot) int { return cmp.Compare(a.Number, b.Number) })
	return l.live
}

// Findings says what the damaged slots held. A frame's readings may be older than its arrival; the sequence numbers of what was in a lost
// slot count as never received, so each device's next hello sends them again or makes them gaps.
func (l *Log) Findings() []Finding {
	live := l.Live()
	var all []Finding
	old := 0
	for _, place := range l.bad {
		number := l.flushed + 1 + uint64((place-int64((l.flushed+1)%uint64(l.places))+l.places)%l.places)
		i, _ := slices.BinarySearchFunc(live, number, func(s ring.Slot, n uint64) int { return cmp.Compare(s.Number, n) })
		if len(live) > 0 && number > live[len(live)-1].Number+1 || len(live) == 0 && number > l.flushed+1 {
			old++
			continue
		}
		f := Finding{What: fmt.Sprintf("slot %d of the log is damaged: readings that came then are lost", place)}
		if i > 0 {
			f.FromMS = live[i-1].BeganMS
		}
		if i < len(live) {
			f.ToMS = live[i].BeganMS
		}
		if f.FromMS == 0 {
			f.FromMS = f.ToMS
		}
		f.ToMS = max(f.ToMS, f.FromMS)
		all = append(all, f)
	}
	if old > 0 {
		all = append(all, Finding{What: fmt.Sprintf("%d slots of the log are damaged whose readings were packed long ago: nothing of them is lost", old)})
	}
	return all
}
