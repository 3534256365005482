package ingest

import (
	"slices"

	"github.com/telltale-iot/telltale/schema"
)

// ranges is a set of sequence numbers: closed ranges, ascending, disjoint and never touching. The largest number is maxSeq, so that
// last+1 cannot overflow.
type ranges []schema.Range

// add puts first to last into the set.
func (s *ranges) add(first, last uint64) {
	i := s.find(first)
	if i > 0 && (*s)[i-1][1]+1 == first { // touches the one before
		i--
	}
	j := i
	for j < len(*s) && (*s)[j][0] <= last+1 {
		first, last = min(first, (*s)[j][0]), max(last, (*s)[j][1])
		j++
	}
	if j == i+1 { // the usual case: the newest range grows
		(*s)[i] = schema.Range{first, last}
		return
	}
	*s = slices.Replace(*s, i, j, schema.Range{first, last})
}

// without returns the parts of first to last that are not in the set.
func (s *ranges) without(first, last uint64) []schema.Range {
	var out []schema.Range
	for i := s.find(first); i < len(*s) && (*s)[i][0] <= last; i++ {
		r := (*s)[i]
		if r[0] > first {
			out = append(out, schema.Range{first, r[0] - 1})
		}
		first = r[1] + 1
	}
	if first <= last {
		out = append(out, schema.Range{first, last})
	}
	return out
}

// find returns the first range that ends at seq or later.
func (s *ranges) find(seq uint64) int {
	i, _ := slices.BinarySearchFunc(*s, seq, func(r schema.Range, q uint64) int {
		switch {
		case r[1] < q:
			return -1
		case r[1] > q:
			return 1
		}
		return 0
	})
	return i
}
