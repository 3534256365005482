package pack

import "math/bits"

// How a column's remainders are written. Each is mapped to u ≥ 0 (zigzag); u without its shift lowest bits is a token of 4 bits, which are decided one by
// one with chances that depend on the bits before and on the tokens of the remainders before; what the token leaves open is plain bits.

const (
	escape = 15 // the token of what is larger than all others
	// escapeFrom is how many bits the least number has that needs an escape.
	escapeFrom = 8
)

// tokenFrom is the least number of a token, tokenOpen how many bits the token leaves open.
var (
	tokenFrom = [16]uint64{0, 1, 2, 3, 4, 5, 6, 7, 8, 12, 16, 24, 32, 48, 64, 128}
	tokenOpen = [16]uint8{0, 0, 0, 0, 0, 0, 0, 0, 2, 2, 3, 3, 4, 4, 6, 0}
	// tokenLevel is what later tokens are told of one.
	tokenLevel = [16]uint8{0, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 3, 3, 3, 3, 3}
)

// tokenOf returns the token of h.
func tokenOf(h uint64) uint64 {
	switch n := uint(bits.Len64(h)); {
	case n < 4:
		return h
	case n < 7:
		return 2*uint64(n) + h>>(n-2)&1
	case n < escapeFrom:
		return 14
	}
	return escape
}

// model has the chances of a column's tokens.
type model struct {
	token  [16][16]chance // by the levels of two tokens before, and the bits so far
	length [64]chance     // of what escaped, by the bits so far
}

func (m *model) reset(memory uint) {
	for i := range 1 << (2 * memory) {
		for j := range m.token[i] {
			m.token[i][j] = even
		}
	}
	for i := range m.length {
		m.length[i] = even
	}
}

// coding is how the remainders of a column are written.
type coding struct {
	shift  uint // 0 to 63
	memory uint // how many tokens before count, 0 to 2
}

// mask keeps of the levels before those that count.
func (c coding) mask() uint64 { return 1<<(2*c.memory) - 1 }

// remainders writes res.
func (w *writer) remainders(res []int64, c coding, m *model) {
	m.reset(c.memory)
	var before uint64
	for _, v := range res {
		u := zigzag(v)
		h := u >> c.shift
		t := tokenOf(h)
		ch := &m.token[before&15]
		w.decide(&ch[1], t>>3)
		w.decide(&ch[2|t>>3], t>>2&1)
		w.decide(&ch[4|t>>2], t>>1&1)
		w.decide(&ch[8|t>>1], t&1)
		if t < escape {
			w.bits(u-tokenFrom[t]<<c.shift, uint(tokenOpen[t])+c.shift)
		} else {
			w.escaped(u, c.shift, m)
		}
		before = (before<<2 | uint64(tokenLevel[t])) & c.mask()
	}
}

func (w *writer) escaped(u uint64, shift uint, m *model) {
	n := uint(bits.Len64(u))
	code := uint64(n-shift-escapeFrom) | 1<<6
	for i := range 6 {
		w.decide(&m.length[code>>(6-i)], code>>(5-i)&1)
	}
	w.bits(u&^(1<<(n-1)), n-1)
}

// remainders reads into res what writer.remainders wrote. The coder's state is in local variables, and decide written out, for speed: this is where
// most of Decode's time goes.
func (r *reader) remainders(res []int64, c coding, m *model) {
	m.reset(c.memory)
	var before uint64
	mask := c.mask()
	code, width, coded := r.code, r.width, r.coded
	for i := range res {
		ch := &m.token[before&15]
		t := uint64(1)
		for range 4 {
			p, seen := uint32(ch[t&15]>>chanceBits), uint32(ch[t&15]&0xffff)
			zero := (width >> chanceBits) * uint64(p)
			k := t & 15
			if code < zero {
				width = zero
				p += (1<<chanceBits - leastChance - p) * uint32(pace[seen&63]) >> chanceBits
				t <<= 1
			} else {
				code -= zero
				width -= zero
				p -= (p - leastChance) * uint32(pace[seen&63]) >> chanceBits
				t = t<<1 | 1
			}
			ch[k] = chance(p<<chanceBits | min(seen+1, seenMost))
			if width < 1<<32 {
				var next uint32
				next, coded = more(coded)
				width, code = width<<32, code<<32|uint64(next)
			}
		}
		t &= 15
		before = (before<<2 | uint64(tokenLevel[t])) & mask
		if t == escape {
			r.code, r.width, r.coded = code, width, coded
			res[i] = unzigzag(r.escaped(c.shift, m))
			code, width, coded = r.code, r.width, r.coded
			continue
		}
		u := tokenFrom[t] << (c.shift & 63)
		if n := uint(tokenOpen[t]) + c.shift; n > 0 {
			u += r.bits(n)
		}
		res[i] = unzigzag(u)
	}
	r.code, r.width, r.coded = code, width, coded
}

func (r *reader) escaped(shift uint, m *model) uint64 {
	code := uint64(1)
	for range 6 {
		code = code<<1 | r.decide(&m.length[code&63])
	}
	n := uint(code&63) + shift + escapeFrom
	if n > 64 {
		r.bad = true
		return 0
	}
	return 1<<(n-1) | r.bits(n-1)
}
