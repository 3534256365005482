package pack

import "math"

// Stats sums up a block.
type Stats struct {
	// Readings is how many readings there are, Values how many of them have a value.
	Readings, Values int
	// T0MS and T1MS are the times of the first and the last reading, Unix ms; 0 and 0 of an empty block.
	T0MS, T1MS int64
	// Min, Max and Sum are of the values there are, 0 if there is none and in a block of texts. Sum stays finite: what is too large for
	// a float64 counts as the largest.
	Min, Max, Sum float64
}

// Stats sums up the block.
func (b *Block) Stats() Stats {
	st := Stats{Readings: b.Len(), Values: b.Len()}
	if st.Readings > 0 {
		st.T0MS, st.T1MS = b.TMS[0], b.TMS[st.Readings-1]
	}
	for _, m := range b.Marks {
		if m.Null() {
			st.Values--
		}
	}
	if b.Kind == Texts || st.Values == 0 {
		return st
	}
	st.Min, st.Max = math.Inf(1), math.Inf(-1)
	for i, v := range b.Num {
		if len(b.Marks) > 0 && b.Marks[i].Null() {
			continue
		}
		st.Min, st.Max = min(st.Min, v), max(st.Max, v)
		st.Sum += v
	}
	st.Sum = max(-math.MaxFloat64, min(math.MaxFloat64, st.Sum))
	return st
}
