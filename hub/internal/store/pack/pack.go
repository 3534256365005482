// Package pack turns readings of one series into a few bits each and back.
//
// A [Block] is a run of readings in time order; [Append] encodes it and [Decode] gives back exactly what went in, bit by bit (−0 counts
// as 0). Nothing here knows SQL, files or time zones, and nothing is kept from one call to the next but memory: all functions are safe for
// concurrent use on different blocks. Data that was damaged is refused with [ErrDamaged], never decoded into something else.
//
// A reading of a room takes half a byte, of any series as few as it says something new; DESIGN.md has the figures, the reasons and the format. Start at
// encode.go; column.go is the heart.
package pack

import "errors"

// ErrDamaged is returned by Decode for bytes that Append did not write.
var ErrDamaged = errors.New("packed readings are damaged")

// MaxReadings bounds one block: what a decoder must be ready to allocate.
const MaxReadings = 1 << 16

// Kind is the type of a block's values.
type Kind uint8

// The kinds. Their numbers are in files: they never change.
const (
	Numbers Kind = 1
	Bools   Kind = 2
	Texts   Kind = 3
)

// Mark says what is to be known of a reading beside time and value. 0: a value, good, its time from a synced clock.
type Mark uint8

// A Mark's bits: quality (0–7), quality of the time (0–3), and whether there is no value. The meaning of the two qualities is the caller's.
const (
	qualityMask Mark = 0b0000_0111
	timeShift        = 3
	timeMask    Mark = 0b0001_1000
	null        Mark = 0b0010_0000
	allMarks         = qualityMask | timeMask | null
)

// NewMark makes a mark. quality 0 to 7, time 0 to 3.
func NewMark(quality, time uint8, isNull bool) Mark {
	m := Mark(quality)&qualityMask | Mark(time)<<timeShift&timeMask
	if isNull {
		m |= null
	}
	return m
}

// Quality returns the quality, 0 to 7.
func (m Mark) Quality() uint8 { return uint8(m & qualityMask) }

// Time returns the quality of the time, 0 to 3.
func (m Mark) Time() uint8 { return uint8(m & timeMask >> timeShift) }

// Null reports whether the reading has no value.
func (m Mark) Null() bool { return m&null != 0 }

// Block is readings of one series in time order.
type Block struct {
	Kind Kind
	// TMS are the times, Unix ms, ascending; equal ones are allowed.
	TMS []int64
	// Marks has one per reading; empty = all 0.
	Marks []Mark
	// Num are the values of Numbers (finite) and Bools (0 or 1), one per reading; 0 where there is none.
	Num []float64
	// Text are the values of Texts, one per reading; "" where there is none.
	Text []string
}

// Len returns how many readings the block has.
func (b *Block) Len() int { return len(b.TMS) }

// Mark returns the mark of reading i.
func (b *Block) Mark(i int) Mark {
	if len(b.Marks) == 0 {
		return 0
	}
	return b.Marks[i]
}
