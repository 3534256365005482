package schema

import (
	"math"
	"math/rand/v2"
	"testing"
)

func TestRangesAreTheSetOfWhatWasAdded(t *testing.T) {
	const top = 64
	for seed := range uint64(200) {
		rng := rand.New(rand.NewPCG(seed, 1))
		var s Ranges
		var want [top + 1]bool
		for range 12 {
			first := 1 + rng.Uint64N(top)
			last := min(top, first+rng.Uint64N(8))
			s.Add(first, last)
			for n := first; n <= last; n++ {
				want[n] = true
			}
			for i, r := range s {
				if r[0] > r[1] || i > 0 && r[0] <= s[i-1][1]+1 {
					t.Fatalf("seed %d: %v is not ascending, disjoint and apart", seed, s)
				}
			}
		}
		first := 1 + rng.Uint64N(top)
		last := first + rng.Uint64N(top-first+1)
		in := uint64(0)
		var missing Ranges
		for n := first; n <= last; n++ {
			if s.Has(n) != want[n] {
				t.Fatalf("seed %d: Has(%d) = %v", seed, n, s.Has(n))
			}
			if want[n] {
				in++
			} else {
				missing.Add(n, n)
			}
		}
		if got := s.Count(first, last); got != in {
			t.Fatalf("seed %d: Count = %d, want %d", seed, got, in)
		}
		got := s.Without(first, last)
		if len(got) != len(missing) {
			t.Fatalf("seed %d: Without(%d, %d) of %v = %v, want %v", seed, first, last, s, got, missing)
		}
		for i := range got {
			if got[i] != missing[i] {
				t.Fatalf("seed %d: Without = %v, want %v", seed, got, missing)
			}
		}
		s.Trim(first)
		if len(s) > 0 && s[0][1] < first {
			t.Fatalf("seed %d: %v after Trim(%d)", seed, s, first)
		}
	}
}

func TestRangesAtTheEdges(t *testing.T) {
	var s Ranges
	s.Add(5, 4)
	if len(s) != 0 || s.Has(0) || s.Count(0, math.MaxUint64) != 0 {
		t.Errorf("an empty set is %v", s)
	}
	s.Add(math.MaxUint64, math.MaxUint64)
	s.Add(1, 3)
	s.Add(math.MaxUint64-1, math.MaxUint64-1)
	if len(s) != 2 || !s.Has(math.MaxUint64) || len(s.Without(1, math.MaxUint64)) != 1 {
		t.Errorf("got %v", s)
	}
}
