package pack

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"math"

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
	start := len(dst)
	dst = append(dst, version<<4|byte(b.Kind))
	dst = binary.AppendUvarint(dst, uint64(b.Len()))
	dst = appendMarks(dst, b.Marks)
	dst = appendTimes(dst, b.TMS)
	switch b.Kind {
	case Numbers:
		dst = appendNumbers(dst, b)
	case Bools:
		dst = appendBools(dst, b)
	case Texts:
		dst = appendTexts(dst, b)
	}
	return binary.LittleEndian.AppendUint32(dst, crc32.Checksum(dst[start:], crcTable)), nil
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

func appendMarks(dst []byte, marks []Mark) []byte {
	for i := 0; i < len(marks); {
		j := i + 1
		for j < len(marks) && marks[j] == marks[i] {
			j++
		}
		dst = append(dst, byte(marks[i])|0x40)
		dst = binary.AppendUvarint(dst, uint64(j-i))
		i = j
	}
	return append(dst, 0)
}

func appendTimes(dst []byte, tms []int64) []byte {
	var prev, step int64
	for _, t := range tms {
		d := t - prev
		dst = binary.AppendVarint(dst, d-step)
		prev, step = t, d
	}
	return dst
}

func appendNumbers(dst []byte, b *Block) []byte {
	var prev uint64
	for i, v := range b.Num {
		if !b.Mark(i).Null() {
			bits := math.Float64bits(v + 0) // −0 + 0 = 0
			dst = binary.AppendUvarint(dst, bits^prev)
			prev = bits
		}
	}
	return dst
}

func appendBools(dst []byte, b *Block) []byte {
	for i, v := range b.Num {
		if !b.Mark(i).Null() {
			dst = append(dst, byte(v))
		}
	}
	return dst
}

func appendTexts(dst []byte, b *Block) []byte {
	for i, s := range b.Text {
		if !b.Mark(i).Null() {
			dst = binary.AppendUvarint(dst, uint64(len(s)))
			dst = append(dst, s...)
		}
	}
	return dst
}
