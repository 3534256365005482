package disk

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
)

// MaxRecord bounds one record's body in bytes: a frame is at most 64 KiB, with room for what frames it.
const MaxRecord = 128 << 10

// RecordOverhead is what AppendRecord adds to a body: its length and its checksum, 4 bytes each.
const RecordOverhead = 8

// ErrDamaged says that bytes on the disk are not what was written: a torn tail or flipped bits.
var ErrDamaged = errors.New("damaged record")

// AppendRecord appends one framed record to dst and returns it.
//
// Layout, little endian: length of body uint32 · CRC32C of length and body uint32 · body. The checksum covers the length
// too, so that a flipped length is not mistaken for a short record.
func AppendRecord(dst, body []byte) []byte {
	var head [RecordOverhead]byte
	binary.LittleEndian.PutUint32(head[0:4], uint32(len(body)))
	binary.LittleEndian.PutUint32(head[4:8], checksum(head[0:4], body))
	dst = append(dst, head[:]...)
	return append(dst, body...)
}

// ReadRecords calls each with the body of every good record from the start of data and returns how many bytes were good.
//
// It stops at the first record that is cut off, too long or fails its checksum, with ErrDamaged, or at the first error
// of each. The body aliases data. Any input is safe; held by FuzzReadRecords.
func ReadRecords(data []byte, each func(body []byte) error) (good int, err error) {
	for good < len(data) {
		rest := data[good:]
		if len(rest) < RecordOverhead {
			return good, fmt.Errorf("%w: %d bytes of a header at offset %d", ErrDamaged, len(rest), good)
		}
		n := binary.LittleEndian.Uint32(rest[0:4])
		if n > MaxRecord || int(n) > len(rest)-RecordOverhead {
			return good, fmt.Errorf("%w: length %d at offset %d", ErrDamaged, n, good)
		}
		body := rest[RecordOverhead : RecordOverhead+int(n)]
		if checksum(rest[0:4], body) != binary.LittleEndian.Uint32(rest[4:8]) {
			return good, fmt.Errorf("%w: checksum at offset %d", ErrDamaged, good)
		}
		if err := each(body); err != nil {
			return good, err
		}
		good += RecordOverhead + int(n)
	}
	return good, nil
}

func checksum(length, body []byte) uint32 {
	table := crc32.MakeTable(crc32.Castagnoli)
	return crc32.Update(crc32.Update(0, table, length), table, body)
}
