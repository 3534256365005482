package presence

import (
	"slices"

	"github.com/telltale-iot/telltale/schema"
)

const (
	// minHoleMS is the shortest time without readings that is worth a gap, in ms.
	minHoleMS = 10_000
	// maxSpans bounds what is remembered of one outage; beyond it the oldest spans are taken as one.
	maxSpans = 64
)

// track follows for which times a device has readings, from the last one before an outage on.
type track struct {
	newest int64         // newest reading, Unix ms; 0 = none
	outage bool          // spans begin at the last reading before it
	until  int64         // when contact came back, Unix ms
	spans  []schema.Span // covered, ascending, apart from each other
}

// back begins an outage that ended now, unless one is being settled.
func (t *track) back(nowMS int64) {
	if t.newest == 0 {
		return
	}
	if !t.outage {
		t.outage, t.spans = true, append(t.spans[:0], schema.Span{FromMS: t.newest, ToMS: t.newest})
	}
	t.until = nowMS
}

// read notes readings between from and to.
func (t *track) read(from, to, slack int64) {
	t.newest = max(t.newest, to)
	t.cover(from, to, slack)
}

// cover notes that the time between from and to is accounted for. Spans nearer than slack are one.
func (t *track) cover(from, to, slack int64) {
	if !t.outage || to < t.spans[0].FromMS {
		return
	}
	from = max(from, t.spans[0].FromMS)
	i, _ := slices.BinarySearchFunc(t.spans, from, func(s schema.Span, v int64) int { return compare(s.ToMS+slack, v) })
	j := i
	for j < len(t.spans) && t.spans[j].FromMS-slack <= to {
		from, to = min(from, t.spans[j].FromMS), max(to, t.spans[j].ToMS)
		j++
	}
	t.spans = slices.Replace(t.spans, i, j, schema.Span{FromMS: from, ToMS: to})
	if len(t.spans) > maxSpans {
		t.spans[1].FromMS = t.spans[0].FromMS
		t.spans = slices.Delete(t.spans, 0, 1)
	}
}

// holes ends the outage and returns the times longer than slack for which no readings came. Nil while no fresh reading has come.
func (t *track) holes(slack int64) []schema.Span {
	if !t.outage || t.newest < t.until {
		return nil
	}
	var out []schema.Span
	for i := 1; i < len(t.spans); i++ {
		if hole := (schema.Span{FromMS: t.spans[i-1].ToMS, ToMS: t.spans[i].FromMS}); hole.ToMS-hole.FromMS > slack {
			out = append(out, hole)
		}
	}
	t.outage, t.spans = false, nil
	return out
}

func compare(a, b int64) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}
