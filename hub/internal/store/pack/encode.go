package pack

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"math"
	"sync"

	"github.com/telltale-iot/telltale/schema"
)

// version is in the first byte of every packed block, above the kind.
const version = 1

// crcTable is of CRC-32C, which machines compute in hardware.
var crcTable = crc32.MakeTable(crc32.Castagnoli)

// Append packs a block and appends it to dst.
//
// The values of readings that have none are not kept. Errors, with dst unchanged: more than [MaxReadings], lengths that differ, times that go back, a
// mark with unknown bits, a number that is not finite, a bool that is neither 0 nor 1, a text of more than [schema.MaxText] bytes.
// Held by TestAppendRefuses.
func Append(dst []byte, b *Block) ([]byte, error) {
	if err := b.check(); err != nil {
		return dst, err
	}
	w := writers.Get().(*writer)
	defer writers.Put(w)
	w.reset()
	w.block(b)
	w.finish()
	start := len(dst)
	dst = append(dst, b.head())
	dst = binary.AppendUvarint(dst, uint64(b.Len()))
	dst = binary.AppendUvarint(dst, uint64(len(w.plain)))
	dst = append(append(dst, w.plain...), w.coded...)
	return binary.LittleEndian.AppendUint32(dst, crc32.Checksum(dst[start:], crcTable)), nil
}

// writers lends writers, for the memory they have.
var writers = sync.Pool{New: func() any { return new(writer) }}

// A packed block's first byte: kind, whether there are marks, version.
const (
	kindMask    = 0b0000_0011
	marksFlag   = 0b0000_0100
	versionBits = 4
)

// head returns the first byte of the packed block.
func (b *Block) head() byte {
	h := byte(b.Kind) | version<<versionBits
	if b.marked() {
		h |= marksFlag
	}
	return h
}

// marked reports whether any mark is not 0.
func (b *Block) marked() bool {
	for _, m := range b.Marks {
		if m != 0 {
			return true
		}
	}
	return false
}

// block writes marks, times and values.
func (w *writer) block(b *Block) {
	if b.marked() {
		marks := w.ints.take(b.Len())
		for i, m := range b.Marks {
			marks[i] = int64(m)
		}
		w.column(marks)
	}
	w.column(b.TMS)
	switch b.Kind {
	case Numbers:
		w.floats = w.floats[:0]
		for i, v := range b.Num {
			if !b.Mark(i).Null() {
				w.floats = append(w.floats, v+0) // −0 + 0 = 0
			}
		}
		w.numbers(w.floats)
	case Bools:
		bools := w.ints.take(b.Len())[:0]
		for i, v := range b.Num {
			if !b.Mark(i).Null() {
				bools = append(bools, int64(v))
			}
		}
		w.column(bools)
	case Texts:
		w.texts(b)
	}
}

// check refuses a block that breaks the rules of [Block].
func (b *Block) check() error {
	n := b.Len()
	if n > MaxReadings {
		return fmt.Errorf("a block has at most %d readings, not %d", MaxReadings, n)
	}
	if len(b.Marks) != 0 && len(b.Marks) != n {
		return fmt.Errorf("a block of %d readings has %d marks", n, len(b.Marks))
	}
	for i := 1; i < n; i++ {
		if b.TMS[i] < b.TMS[i-1] {
			return fmt.Errorf("reading %d of a block is %d ms older than the one before it", i, b.TMS[i-1]-b.TMS[i])
		}
	}
	for i, m := range b.Marks {
		if m&^allMarks != 0 {
			return fmt.Errorf("reading %d of a block has the unknown mark %#x", i, uint8(m))
		}
	}
	switch b.Kind {
	case Numbers, Bools:
		return b.checkNumbers()
	case Texts:
		return b.checkTexts()
	}
	return fmt.Errorf("a block has the unknown kind %d", b.Kind)
}

func (b *Block) checkNumbers() error {
	if len(b.Num) != b.Len() {
		return fmt.Errorf("a block of %d readings has %d numbers", b.Len(), len(b.Num))
	}
	for i, v := range b.Num {
		switch {
		case b.Mark(i).Null():
		case math.IsNaN(v) || math.IsInf(v, 0):
			return fmt.Errorf("reading %d of a block is %v, not a finite number", i, v)
		case b.Kind == Bools && v != 0 && v != 1:
			return fmt.Errorf("reading %d of a block of bools is %v, neither 0 nor 1", i, v)
		}
	}
	return nil
}

func (b *Block) checkTexts() error {
	if len(b.Text) != b.Len() {
		return fmt.Errorf("a block of %d readings has %d texts", b.Len(), len(b.Text))
	}
	for i, s := range b.Text {
		if len(s) > schema.MaxText && !b.Mark(i).Null() {
			return fmt.Errorf("reading %d of a block is a text of %d bytes, at most %d", i, len(s), schema.MaxText)
		}
	}
	return nil
}
