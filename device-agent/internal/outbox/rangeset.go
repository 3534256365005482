package outbox

import (
	"slices"

	"github.com/telltale-iot/telltale/schema"
)

// rangeSet is a set of sequence numbers as ascending, disjoint, non-touching closed ranges.
type rangeSet []schema.Range

// add puts lo to hi into the set.
func (s *rangeSet) add(lo, hi uint64) {
	if lo > hi {
		return
	}
	i := 0
	for i < len(*s) && (*s)[i][1]+1 < lo && (*s)[i][1] != ^uint64(0) {
		i++
	}
	j := i
	for j < len(*s) && ((*s)[j][0] <= hi || (*s)[j][0] == hi+1) {
		lo, hi = min(lo, (*s)[j][0]), max(hi, (*s)[j][1])
		j++
	}
	*s = slices.Replace(*s, i, j, schema.Range{lo, hi})
}

// has reports whether seq is in the set.
func (s rangeSet) has(seq uint64) bool {
	_, ok := slices.BinarySearchFunc(s, seq, func(r schema.Range, q uint64) int {
		switch {
		case r[1] < q:
			return -1
		case r[0] > q:
			return 1
		}
		return 0
	})
	return ok
}

// without returns the parts of lo to hi that are not in the set.
func (s rangeSet) without(lo, hi uint64) []schema.Range {
	var out []schema.Range
	for _, r := range s {
		if r[1] < lo {
			continue
		}
		if r[0] > hi {
			break
		}
		if r[0] > lo {
			out = append(out, schema.Range{lo, r[0] - 1})
		}
		if r[1] >= hi {
			return out
		}
		lo = r[1] + 1
	}
	if lo <= hi {
		out = append(out, schema.Range{lo, hi})
	}
	return out
}

// count returns how many of lo to hi are in the set.
func (s rangeSet) count(lo, hi uint64) uint64 {
	var n uint64
	for _, r := range s {
		if r[1] < lo || r[0] > hi {
			continue
		}
		n += min(hi, r[1]) - max(lo, r[0]) + 1
	}
	return n
}

// trim forgets what lies below floor.
func (s *rangeSet) trim(floor uint64) {
	*s = slices.DeleteFunc(*s, func(r schema.Range) bool { return r[1] < floor })
}
