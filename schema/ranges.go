package schema

import "slices"

// Ranges is a set of sequence numbers: closed ranges, ascending, disjoint and never touching. The zero value is empty. It is what
// [Welcome.Have] and [Ack.Ranges] hold; the agent's outbox and the hub's store keep their books in it. Not safe for concurrent use.
type Ranges []Range

// Add puts first to last into the set; nothing when first > last.
func (s *Ranges) Add(first, last uint64) {
	if first > last {
		return
	}
	i := s.find(first)
	if i > 0 && (*s)[i-1][1]+1 == first { // touches the one before
		i--
	}
	j := i
	for j < len(*s) && ((*s)[j][0] <= last || (*s)[j][0]-1 == last) {
		first, last = min(first, (*s)[j][0]), max(last, (*s)[j][1])
		j++
	}
	if j == i+1 { // the usual case: the newest range grows
		(*s)[i] = Range{first, last}
		return
	}
	*s = slices.Replace(*s, i, j, Range{first, last})
}

// Has reports whether seq is in the set.
func (s Ranges) Has(seq uint64) bool {
	i := s.find(seq)
	return i < len(s) && s[i][0] <= seq
}

// Without returns the parts of first to last that are not in the set.
func (s Ranges) Without(first, last uint64) []Range {
	var out []Range
	for i := s.find(first); i < len(s) && s[i][0] <= last; i++ {
		if s[i][0] > first {
			out = append(out, Range{first, s[i][0] - 1})
		}
		if s[i][1] >= last {
			return out
		}
		first = s[i][1] + 1
	}
	if first <= last {
		out = append(out, Range{first, last})
	}
	return out
}

// Count returns how many of first to last are in the set.
func (s Ranges) Count(first, last uint64) uint64 {
	var n uint64
	for i := s.find(first); i < len(s) && s[i][0] <= last; i++ {
		n += min(last, s[i][1]) - max(first, s[i][0]) + 1
	}
	return n
}

// Trim forgets the ranges that end before floor.
func (s *Ranges) Trim(floor uint64) { *s = slices.Delete(*s, 0, s.find(floor)) }

// find returns the first range that ends at seq or later.
func (s Ranges) find(seq uint64) int {
	i, _ := slices.BinarySearchFunc(s, seq, func(r Range, q uint64) int {
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
