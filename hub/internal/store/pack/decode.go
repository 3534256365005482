package pack

import (
	"encoding/binary"
	"hash/crc32"
	"slices"
	"sync"
)

// Decode unpacks what [Append] packed, into the slices that dst has. A dst without Marks keeps none when all are 0.
//
// It returns [ErrDamaged] for anything else, with whatever in dst.
func Decode(dst *Block, data []byte) error {
	const sum = 4
	if len(data) < 2+sum {
		return ErrDamaged
	}
	body := data[:len(data)-sum]
	if crc32.Checksum(body, crcTable) != binary.LittleEndian.Uint32(data[len(body):]) {
		return ErrDamaged
	}
	n, a := binary.Uvarint(body[1:])
	if a <= 0 || n > MaxReadings {
		return ErrDamaged
	}
	size, c := binary.Uvarint(body[1+a:])
	if c <= 0 || size > uint64(len(body)-1-a-c) {
		return ErrDamaged
	}
	r := readers.Get().(*reader)
	defer readers.Put(r)
	r.reset(body[1+a+c:], int(size))
	r.block(dst, body[0], int(n))
	if !r.done() {
		return ErrDamaged
	}
	return nil
}

// readers lends readers, for the memory they have.
var readers = sync.Pool{New: func() any { return new(reader) }}

// block reads n readings.
func (r *reader) block(b *Block, head byte, n int) {
	b.Kind = Kind(head & kindMask)
	if head>>versionBits != version || head&^(kindMask|marksFlag|0xf<<versionBits) != 0 {
		r.bad = true
		return
	}
	values := r.marks(b, n, head&marksFlag != 0)
	b.TMS = slices.Grow(b.TMS[:0], n)[:n]
	r.column(b.TMS)
	for i := 1; i < n; i++ {
		r.bad = r.bad || b.TMS[i] < b.TMS[i-1]
	}
	b.Num, b.Text = b.Num[:0], b.Text[:0]
	switch b.Kind {
	case Numbers:
		b.Num = slices.Grow(b.Num, n)[:n]
		r.numbers(b.Num[:values])
		spread(b.Num, b.Marks, values)
	case Bools:
		b.Num = slices.Grow(b.Num, n)[:n]
		r.bools(b.Num[:values])
		spread(b.Num, b.Marks, values)
	case Texts:
		b.Text = slices.Grow(b.Text, n)[:n]
		r.texts(b.Text[:values])
		spread(b.Text, b.Marks, values)
	default:
		r.bad = true
	}
}

// marks reads the marks and returns how many readings have a value.
func (r *reader) marks(b *Block, n int, are bool) (values int) {
	if !are {
		if cap(b.Marks) > 0 {
			b.Marks = slices.Grow(b.Marks[:0], n)[:n]
			clear(b.Marks)
		}
		return n
	}
	b.Marks = slices.Grow(b.Marks[:0], n)[:n]
	marks := r.ints.take(n)
	r.column(marks)
	for i, m := range marks {
		r.bad = r.bad || m&^int64(allMarks) != 0
		b.Marks[i] = Mark(m) & allMarks
		if !b.Marks[i].Null() {
			values++
		}
	}
	return values
}

// bools reads a column of 0 and 1.
func (r *reader) bools(v []float64) {
	x := r.ints.take(len(v))
	r.column(x)
	for i, b := range x {
		r.bad = r.bad || b != 0 && b != 1
		v[i] = float64(b & 1)
	}
}

// spread moves the values at the front of v to the readings that have one, and clears the others.
func spread[V float64 | string](v []V, marks []Mark, values int) {
	if values == len(v) {
		return
	}
	var none V
	for i := len(v) - 1; i >= 0; i-- {
		if marks[i].Null() {
			v[i] = none
		} else {
			values--
			v[i] = v[values]
		}
	}
}
