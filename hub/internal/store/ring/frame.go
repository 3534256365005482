package ring

import (
	"encoding/binary"
	"math"

	"github.com/telltale-iot/telltale/hub/internal/store/pack"
)

// Type says what a frame is.
type Type uint8

// The types. Their numbers are in files: they never change.
const (
	Readings Type = 1 // readings of some series
	Claim    Type = 2 // sequence numbers that are known without readings: a gap or an event, stored elsewhere
)

// Frame is a frame of a device, or a piece of one.
type Frame struct {
	Type Type
	// Epoch is the row of the outbox.
	Epoch int64
	// Seq is the frame's number, and a claim's first.
	Seq uint64
	// Last is a claim's last number.
	Last uint64
	// T0MS is what the readings' times are near to, Unix ms.
	T0MS int64
	// Time is the quality of all its times, 0 to 3.
	Time uint8
	// Piece counts the pieces of a frame from 0; More: another one follows.
	Piece int
	More  bool
}

// Run is readings of one series that came together. Their times need not ascend.
type Run struct {
	// Series is the row of the series.
	Series int64
	pack.Block
}

// The first byte of a frame: type, quality of the times, whether a number of the piece follows, whether another piece does.
const (
	typeMask   = 0x0f
	timeShift  = 4
	timeMask   = 0x30
	pieceFlag  = 0x40
	moreFlag   = 0x80
	lengthSize = 2 // a frame begins with its length
)

// appendHead appends a frame's head after room for its length.
func appendHead(dst []byte, f *Frame, beganMS int64) []byte {
	b := byte(f.Type) | f.Time<<timeShift&timeMask
	if f.Piece > 0 {
		b |= pieceFlag
	}
	dst = append(dst, 0, 0, b)
	if f.Piece > 0 {
		dst = binary.AppendUvarint(dst, uint64(f.Piece))
	}
	dst = binary.AppendUvarint(dst, uint64(f.Epoch))
	dst = binary.AppendUvarint(dst, f.Seq)
	if f.Type == Claim {
		return binary.AppendUvarint(dst, f.Last-f.Seq)
	}
	return binary.AppendVarint(dst, f.T0MS-beganMS)
}

// Frames calls frame for every frame in the slot and run for its runs; run's argument is used again. Error: [ErrDamaged] from where on the slot cannot be
// read, or what frame returned.
func (s *Slot) Frames(frame func(*Frame) error, run func(*Frame, *Run)) error {
	var r Run
	for data := s.payload; len(data) > 0; {
		if len(data) < lengthSize {
			return ErrDamaged
		}
		n := int(binary.LittleEndian.Uint16(data))
		if n <= lengthSize || n > len(data) {
			return ErrDamaged
		}
		d := decoder{data: data[lengthSize:n]}
		data = data[n:]
		f, ok := d.head(s.BeganMS)
		if !ok {
			return ErrDamaged
		}
		if err := frame(&f); err != nil {
			return err
		}
		r.Series = 0
		for len(d.data) > 0 {
			if !d.run(&f, &r) {
				return ErrDamaged
			}
			run(&f, &r)
		}
	}
	return nil
}

// decoder takes bytes from the front of data. After the end it is bad and gives zeros.
type decoder struct {
	data []byte
	bad  bool
}

func (d *decoder) uvarint() uint64 {
	x, n := binary.Uvarint(d.data)
	if n <= 0 {
		d.bad = true
		return 0
	}
	d.data = d.data[n:]
	return x
}

func (d *decoder) varint() int64 {
	x := d.uvarint()
	return int64(x>>1) ^ -int64(x&1)
}

func (d *decoder) byte() byte {
	if len(d.data) == 0 {
		d.bad = true
		return 0
	}
	b := d.data[0]
	d.data = d.data[1:]
	return b
}

// bytes takes n bytes; nil when there are not so many.
func (d *decoder) bytes(n uint64) []byte {
	if n > uint64(len(d.data)) {
		d.bad = true
		return nil
	}
	b := d.data[:n]
	d.data = d.data[n:]
	return b
}

func (d *decoder) head(beganMS int64) (Frame, bool) {
	b := d.byte()
	f := Frame{Type: Type(b & typeMask), Time: b & timeMask >> timeShift, More: b&moreFlag != 0}
	if b&pieceFlag != 0 {
		f.Piece = int(min(d.uvarint(), math.MaxInt32))
	}
	f.Epoch = int64(d.uvarint())
	f.Seq = d.uvarint()
	switch f.Type {
	case Readings:
		f.T0MS, f.Last = beganMS+d.varint(), f.Seq
	case Claim:
		f.Last = f.Seq + d.uvarint()
		d.bad = d.bad || len(d.data) > 0 || f.Last < f.Seq
	default:
		d.bad = true
	}
	return f, !d.bad && f.Seq > 0 && f.Epoch > 0
}
