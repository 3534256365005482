package pack

import "encoding/binary"

// reader takes apart what a writer wrote. After the end of the plain bits, or for what no writer writes, it is bad and gives zeros; reading goes on and
// does no harm.
type reader struct {
	plain []byte // and whatever follows it
	at    uint   // bits taken
	end   uint   // bits there are
	bad   bool

	coded []byte
	code  uint64
	width uint64

	ints  arena
	model model
}

// reset makes the reader ready for a body: size bytes of plain bits, then the coded stream.
func (r *reader) reset(body []byte, size int) {
	r.plain, r.at, r.end, r.bad = body, 0, uint(size)*8, false
	r.width, r.code = 1<<64-1, 0
	r.coded = body[size:]
	for range 2 {
		var next uint32
		next, r.coded = more(r.coded)
		r.code = r.code<<32 | uint64(next)
	}
	r.ints.reset()
}

// done reports whether everything was read and could be.
func (r *reader) done() bool { return !r.bad && r.at <= r.end && r.end-r.at < 8 }

// bits reads n bits, 0 to 64.
func (r *reader) bits(n uint) uint64 {
	at := r.at
	i := at >> 3
	if i+8 > uint(len(r.plain)) || n > 56 {
		return r.bitsAtEnd(n)
	}
	r.at = at + n
	return binary.LittleEndian.Uint64(r.plain[i:]) >> (at & 7) & (1<<(n&63) - 1)
}

// bitsAtEnd is bits where less than 8 bytes follow, or for many.
func (r *reader) bitsAtEnd(n uint) uint64 {
	if n > 56 {
		low := r.bits(32)
		return low | r.bits(n-32)<<32
	}
	var last [8]byte
	copy(last[:], r.plain[min(r.at>>3, uint(len(r.plain))):])
	v := binary.LittleEndian.Uint64(last[:]) >> (r.at & 7) & (1<<n - 1)
	r.at += n
	return v
}

// number reads what writer.number wrote.
func (r *reader) number() uint64 {
	n := uint(r.bits(7))
	switch {
	case n > 64:
		r.bad = true
		return 0
	case n < 2:
		return uint64(n)
	}
	return 1<<(n-1) | r.bits(n-1)
}

// signed reads what writer.signed wrote.
func (r *reader) signed() int64 { return unzigzag(r.number()) }

// decide reads one bit and teaches c, as writer.decide did.
func (r *reader) decide(c *chance) uint64 {
	zero := (r.width >> chanceBits) * c.ofZero()
	var b uint64
	if r.code < zero {
		r.width = zero
		c.saw0()
	} else {
		r.code -= zero
		r.width -= zero
		c.saw1()
		b = 1
	}
	if r.width < 1<<32 {
		var next uint32
		next, r.coded = more(r.coded)
		r.width, r.code = r.width<<32, r.code<<32|uint64(next)
	}
	return b
}

// more takes four bytes of a coded stream, zeros after its end.
func more(coded []byte) (uint32, []byte) {
	if len(coded) >= 4 {
		return binary.BigEndian.Uint32(coded), coded[4:]
	}
	var last [4]byte
	copy(last[:], coded)
	return binary.BigEndian.Uint32(last[:]), nil
}

// arena lends memory for one call.
type arena struct{ free, all []int64 }

// most is what an arena keeps for the next call: eight of the largest columns that are common.
const most = 8 * 4096

func (a *arena) reset() {
	if cap(a.all) > most {
		a.all = nil
	}
	a.free = a.all[:cap(a.all)]
}

// take lends n integers, of any content.
func (a *arena) take(n int) []int64 {
	if n > len(a.free) {
		a.all = make([]int64, max(n, 2*cap(a.all), 1024))
		a.free = a.all
	}
	out := a.free[:n:n]
	a.free = a.free[n:]
	return out
}
