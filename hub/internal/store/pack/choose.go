package pack

import (
	"math"
	"math/bits"
)

// chooser finds how remainders are written shortest, by counting tokens instead of coding them.
type chooser struct {
	nlogn [1024]float64 // of n
	count [16][16]int   // of tokens, by the levels of the two before
}

// choose returns the coding of res and about how many bits it makes. Shifts near the usual number of bits are tried.
func (c *chooser) choose(res []int64) (best coding, size float64) {
	if c.nlogn[2] == 0 {
		for n := 1; n < len(c.nlogn); n++ {
			c.nlogn[n] = float64(n) * math.Log2(float64(n))
		}
	}
	if len(res) == 0 {
		return coding{}, 0
	}
	usual := 0
	for _, v := range res {
		usual += bits.Len64(zigzag(v))
	}
	usual /= len(res)
	size = math.Inf(1)
	for shift := uint(max(0, usual-3)); shift <= uint(max(0, usual-1)); shift++ {
		open := c.tally(res, shift)
		for memory := uint(2); ; memory-- {
			if s := open + c.decisions(1<<(2*memory)); s < size {
				best, size = coding{shift, memory}, s
			}
			if memory == 0 {
				break
			}
			c.forget(1 << (2*memory - 2))
		}
	}
	return best, size
}

// tally counts the tokens of res and returns how many bits they leave open.
func (c *chooser) tally(res []int64, shift uint) float64 {
	const escapeBits = 5 // of the length, about
	c.count = [16][16]int{}
	var before uint64
	open := 0
	for _, v := range res {
		u := zigzag(v)
		t := tokenOf(u >> shift)
		c.count[before&15][t]++
		open += int(tokenOpen[t])
		if t == escape {
			open += bits.Len64(u>>shift) - 1 + escapeBits
		}
		before = before<<2 | uint64(tokenLevel[t])
	}
	return float64(open + len(res)*int(shift))
}

// forget adds the counts of all that have the same levels but the oldest, so that only the first to-th are left.
func (c *chooser) forget(to int) {
	for i := to; i < 4*to; i++ {
		for t, n := range c.count[i] {
			c.count[i%to][t] += n
		}
	}
}

// decisions is about how many bits the tokens take, with that many sets of chances: their entropy, and what it costs to learn the chances.
func (c *chooser) decisions(sets int) float64 {
	size := 0.0
	var sum [32]int
	for i := range sets {
		copy(sum[16:], c.count[i][:])
		for k := 15; k > 0; k-- {
			a, b := sum[2*k], sum[2*k+1]
			sum[k] = a + b
			if a+b > 0 {
				all := c.log(a + b)
				size += all - c.log(a) - c.log(b) + all/float64(2*(a+b)) + 1
			}
		}
	}
	return size
}

// log returns n·log₂ n.
func (c *chooser) log(n int) float64 {
	if n < len(c.nlogn) {
		return c.nlogn[n]
	}
	return float64(n) * math.Log2(float64(n))
}
