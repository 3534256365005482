package pack

import (
	"encoding/binary"
	"hash/crc32"
	"math"
	"slices"

	"github.com/telltale-iot/telltale/schema"
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
	if body[0]>>4 != version {
		return ErrDamaged
	}
	r := &reader{data: body[1:]}
	dst.Kind = Kind(body[0] & 15)
	n := r.uvarint()
	if n > MaxReadings {
		return ErrDamaged
	}
	dst.readMarks(r, int(n))
	dst.readTimes(r, int(n))
	dst.Num, dst.Text = dst.Num[:0], dst.Text[:0]
	switch dst.Kind {
	case Numbers:
		dst.readNumbers(r, int(n))
	case Bools:
		dst.readBools(r, int(n))
	case Texts:
		dst.readTexts(r, int(n))
	default:
		return ErrDamaged
	}
	if r.bad || len(r.data) != 0 {
		return ErrDamaged
	}
	return nil
}

// reader takes bytes from the front of data. After the end, or for what cannot be, it is bad and gives zeros.
type reader struct {
	data []byte
	bad  bool
}

func (r *reader) uvarint() uint64 {
	x, n := binary.Uvarint(r.data)
	if n <= 0 {
		r.bad = true
		return 0
	}
	r.data = r.data[n:]
	return x
}

func (r *reader) bytes(n uint64) []byte {
	if n > uint64(len(r.data)) {
		r.bad = true
		return nil
	}
	out := r.data[:n]
	r.data = r.data[n:]
	return out
}

func (b *Block) readMarks(r *reader, n int) {
	b.Marks = b.Marks[:0]
	for !r.bad {
		m := r.bytes(1)
		if r.bad || m[0] == 0 {
			break
		}
		run := r.uvarint()
		if run > uint64(n-len(b.Marks)) || Mark(m[0]&^0x40)&^allMarks != 0 {
			r.bad = true
			return
		}
		for range run {
			b.Marks = append(b.Marks, Mark(m[0]&^0x40))
		}
	}
	if len(b.Marks) != 0 && len(b.Marks) != n {
		r.bad = true
	}
	if cap(b.Marks) > 0 && len(b.Marks) == 0 {
		b.Marks = slices.Grow(b.Marks, n)[:n]
		clear(b.Marks)
	}
}

func (b *Block) readTimes(r *reader, n int) {
	b.TMS = slices.Grow(b.TMS[:0], n)[:0]
	var prev, step int64
	for i := 0; i < n && !r.bad; i++ {
		x := r.uvarint()
		step += int64(x>>1) ^ -int64(x&1)
		prev += step
		if i > 0 && prev < b.TMS[i-1] {
			r.bad = true
		}
		b.TMS = append(b.TMS, prev)
	}
}

func (b *Block) readNumbers(r *reader, n int) {
	b.Num = slices.Grow(b.Num, n)[:0]
	var bits uint64
	for i := 0; i < n && !r.bad; i++ {
		if b.Mark(i).Null() {
			b.Num = append(b.Num, 0)
			continue
		}
		bits ^= r.uvarint()
		v := math.Float64frombits(bits)
		if math.IsNaN(v) || math.IsInf(v, 0) {
			r.bad = true
		}
		b.Num = append(b.Num, v)
	}
}

func (b *Block) readBools(r *reader, n int) {
	b.Num = slices.Grow(b.Num, n)[:0]
	for i := 0; i < n && !r.bad; i++ {
		if b.Mark(i).Null() {
			b.Num = append(b.Num, 0)
			continue
		}
		v := r.bytes(1)
		if r.bad || v[0] > 1 {
			r.bad = true
			return
		}
		b.Num = append(b.Num, float64(v[0]))
	}
}

func (b *Block) readTexts(r *reader, n int) {
	b.Text = slices.Grow(b.Text, n)[:0]
	for i := 0; i < n && !r.bad; i++ {
		if b.Mark(i).Null() {
			b.Text = append(b.Text, "")
			continue
		}
		size := r.uvarint()
		r.bad = r.bad || size > schema.MaxText
		b.Text = append(b.Text, string(r.bytes(size)))
	}
}
