package dbfile

import (
	"encoding/binary"
	"errors"
	"io"
)

const (
	walHeader   = 32
	frameHeader = 24
)

// readLog finds the newest committed version of each page in the WAL. What follows the last valid commit does not count, as for SQLite.
func (f *File) readLog(size int64) error {
	head := make([]byte, walHeader)
	if _, err := f.log.ReadAt(head, 0); err != nil {
		if errors.Is(err, io.EOF) {
			return nil // empty
		}
		return err
	}
	magic := binary.BigEndian.Uint32(head)
	if magic&^1 != 0x377f0682 {
		return nil
	}
	var order binary.ByteOrder = binary.LittleEndian
	if magic&1 != 0 {
		order = binary.BigEndian
	}
	s0, s1 := walSum(order, 0, 0, head[:24])
	pageSize := binary.BigEndian.Uint32(head[8:])
	if s0 != binary.BigEndian.Uint32(head[24:]) || s1 != binary.BigEndian.Uint32(head[28:]) || pageSize < 512 || pageSize > 65536 {
		return nil
	}
	if f.headless {
		f.pageSize, f.usable = int(pageSize), int(pageSize)
	}
	if int(pageSize) != f.pageSize {
		return nil
	}
	f.inLog = map[uint32]int64{}
	there := f.pages // as many pages as in the file, and one more per frame, whatever a frame says
	uncommitted := map[uint32]int64{}
	frame := make([]byte, frameHeader+f.pageSize)
	for at := int64(walHeader); at+int64(len(frame)) <= size; at += int64(len(frame)) {
		if _, err := f.log.ReadAt(frame, at); err != nil {
			return err
		}
		s0, s1 = walSum(order, s0, s1, frame[:8])
		s0, s1 = walSum(order, s0, s1, frame[frameHeader:])
		n := binary.BigEndian.Uint32(frame)
		if string(frame[8:16]) != string(head[16:24]) || s0 != binary.BigEndian.Uint32(frame[16:]) || s1 != binary.BigEndian.Uint32(frame[20:]) || n == 0 {
			break
		}
		uncommitted[n] = at + frameHeader
		there++
		if pages := binary.BigEndian.Uint32(frame[4:]); pages != 0 {
			for n, at := range uncommitted {
				f.inLog[n] = at
			}
			clear(uncommitted)
			f.pages = min(pages, there)
		}
	}
	return nil
}

// walSum continues the WAL's checksum over bytes, a multiple of eight.
func walSum(order binary.ByteOrder, s0, s1 uint32, b []byte) (uint32, uint32) {
	for ; len(b) >= 8; b = b[8:] {
		s0 += order.Uint32(b) + s1
		s1 += order.Uint32(b[4:]) + s0
	}
	return s0, s1
}
