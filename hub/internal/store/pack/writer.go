package pack

import (
	"encoding/binary"
	"math/bits"
)

// writer collects the two streams of a packed block: plain bits, and decisions of an adaptive binary arithmetic coder (a range coder with 64 bits
// of state and the carry run back through what is written).
//
// Source: G. N. N. Martin, Range encoding, 1979; the adaptive bit follows I. H. Pavlov's LZMA specification.
type writer struct {
	plain []byte
	acc   uint64 // bits that do not fill 8 bytes yet
	nacc  uint   // how many, 0 to 63

	coded []byte
	low   uint64
	width uint64

	ints   arena
	floats []float64
	model  model
	chooser
}

// reset makes the writer new but for its memory.
func (w *writer) reset() {
	w.plain, w.acc, w.nacc = w.plain[:0], 0, 0
	w.coded, w.low, w.width = w.coded[:0], 0, 1<<64-1
	w.ints.reset()
}

// bits writes the n low bits of v, 0 to 64, lowest first. The others must be 0.
func (w *writer) bits(v uint64, n uint) {
	w.acc |= v << w.nacc
	if w.nacc+n < 64 {
		w.nacc += n
		return
	}
	w.plain = binary.LittleEndian.AppendUint64(w.plain, w.acc)
	w.acc = v >> (64 - w.nacc)
	w.nacc += n - 64
}

// number writes any v: 7 bits that say how many, then all but the highest of them.
func (w *writer) number(v uint64) {
	n := uint(bits.Len64(v))
	w.bits(uint64(n), 7)
	if n > 1 {
		w.bits(v&^(1<<(n-1)), n-1)
	}
}

// numberSize is how many bits number writes.
func numberSize(v uint64) float64 { return float64(7 + max(1, bits.Len64(v)) - 1) }

// signed writes any v.
func (w *writer) signed(v int64) { w.number(zigzag(v)) }

// decide writes bit b, 0 or 1, and teaches c.
func (w *writer) decide(c *chance, b uint64) {
	zero := (w.width >> chanceBits) * c.ofZero()
	if b == 0 {
		w.width = zero
		c.saw0()
	} else {
		w.add(zero)
		w.width -= zero
		c.saw1()
	}
	if w.width < 1<<32 {
		w.coded = binary.BigEndian.AppendUint32(w.coded, uint32(w.low>>32))
		w.low <<= 32
		w.width <<= 32
	}
}

// add moves low up. A carry runs back through what is written; it never runs out of it, for low+width began as less than 2^64.
func (w *writer) add(d uint64) {
	w.low += d
	if w.low >= d {
		return
	}
	for i := len(w.coded) - 1; ; i-- {
		w.coded[i]++
		if w.coded[i] != 0 {
			return
		}
	}
}

// finish completes both streams. The coded one is as short as it can be: a reader takes zeros for what is after its end.
func (w *writer) finish() {
	for ; w.nacc > 0; w.nacc -= min(8, w.nacc) {
		w.plain = append(w.plain, byte(w.acc))
		w.acc >>= 8
	}
	for free := uint(56); ; free -= 8 { // leave out as many low bits as width allows
		mask := uint64(1)<<free - 1
		if up := -w.low & mask; up < w.width {
			w.add(up)
			break
		}
	}
	w.coded = binary.BigEndian.AppendUint64(w.coded, w.low)
	for len(w.coded) > 0 && w.coded[len(w.coded)-1] == 0 {
		w.coded = w.coded[:len(w.coded)-1]
	}
}

// zigzag maps small numbers of either sign to small ones: 0, −1, 1, −2 … to 0, 1, 2, 3 …
func zigzag(v int64) uint64 { return uint64(v<<1) ^ uint64(v>>63) }

// unzigzag is the way back.
func unzigzag(u uint64) int64 { return int64(u>>1) ^ -int64(u&1) }
