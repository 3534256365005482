// Package ring says what is in the slots of the durable log: bytes only, no SQL and no files.
//
// A log is a circle of slots of one length. Slots are numbered from 1 without holes and number n lies at place n modulo the circle's
// length, so a reader knows of every damaged slot which number it had. Each [Slot] has a checksum, and its frames refer to nothing outside it: a
// lost slot takes no other with it. A frame that does not fit is cut into pieces, and a reader can tell a frame of which a piece is missing.
//
// [Log] puts frames into slots, [DecodeSlot] and [Slot.Frames] read them back. Bytes that [Log] did not write give [ErrDamaged], never
// a panic and never more memory than they are worth (FuzzSlot). Nothing here is safe for concurrent use.
package ring

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
)

// ErrDamaged is returned for bytes that a [Log] did not write.
var ErrDamaged = errors.New("a slot of the log is damaged")

const (
	// SlotBytes is the length of a slot: as a row of SQLite it fills one page of 4096 bytes, so rewriting it is one page.
	SlotBytes = 4050
	// headerBytes: number, began, length, checksum.
	headerBytes = 8 + 8 + 2 + 4
	// Room is how many bytes of frames a slot takes.
	Room = SlotBytes - headerBytes
)

var crcTable = crc32.MakeTable(crc32.Castagnoli)

// Slot is one slot of the log.
type Slot struct {
	// Number from 1; 0 = never written.
	Number uint64
	// BeganMS is when its first frame came, Unix ms; the frames' times count from it.
	BeganMS int64
	// payload are the frames.
	payload []byte
}

// Empty reports whether the slot holds no frame.
func (s *Slot) Empty() bool { return len(s.payload) == 0 }

// Append appends the slot's SlotBytes bytes.
func (s *Slot) Append(dst []byte) []byte {
	start := len(dst)
	dst = binary.LittleEndian.AppendUint64(dst, s.Number)
	dst = binary.LittleEndian.AppendUint64(dst, uint64(s.BeganMS))
	dst = binary.LittleEndian.AppendUint16(dst, uint16(len(s.payload)))
	dst = binary.LittleEndian.AppendUint32(dst, s.sum(dst[start:]))
	dst = append(dst, s.payload...)
	return append(dst, make([]byte, start+SlotBytes-len(dst))...)
}

// sum is the checksum over the header before it and the payload.
func (s *Slot) sum(header []byte) uint32 {
	return crc32.Update(crc32.Checksum(header, crcTable), crcTable, s.payload)
}

// DecodeSlot reads a slot; its frames share data's memory. All zeros are a slot that was never written. Error: [ErrDamaged], and then the
// number is what stands there, for what it is worth.
func DecodeSlot(data []byte) (Slot, error) {
	if len(data) != SlotBytes {
		return Slot{}, ErrDamaged
	}
	s := Slot{Number: binary.LittleEndian.Uint64(data), BeganMS: int64(binary.LittleEndian.Uint64(data[8:]))}
	n, sum := int(binary.LittleEndian.Uint16(data[16:])), binary.LittleEndian.Uint32(data[18:])
	rest := data[headerBytes:]
	if s.Number == 0 && s.BeganMS == 0 && n == 0 && sum == 0 && zero(rest) {
		return s, nil
	}
	if s.BeganMS == 0 && n == 0 && sum == 0 && zero(rest) { // only the number is not zero
		return Slot{}, ErrDamaged
	}
	if n > Room || s.Number == 0 || !zero(rest[n:]) {
		return Slot{Number: s.Number}, ErrDamaged
	}
	s.payload = rest[:n:n]
	if s.sum(data[:18]) != sum {
		return Slot{Number: s.Number}, ErrDamaged
	}
	return s, nil
}

func zero(b []byte) bool {
	for _, c := range b {
		if c != 0 {
			return false
		}
	}
	return true
}
