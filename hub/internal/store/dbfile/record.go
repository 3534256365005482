package dbfile

import (
	"encoding/binary"
	"fmt"
	"math"
)

// maxColumns bounds a record: more than any table of the store has.
const maxColumns = 64

// Record returns the columns of a row or an index entry: nil, int64, float64, string or []byte each, as database/sql takes them. A column that
// is the table's INTEGER PRIMARY KEY is nil; Cell.RowID has it.
func (f *File) Record(c *Cell) ([]any, error) {
	b, err := f.payload(c)
	if err != nil {
		return nil, err
	}
	head, n := varint(b)
	if n == 0 || head > uint64(len(b)) || head < uint64(n) {
		return nil, fmt.Errorf("record header: %w", ErrBad)
	}
	types, body := b[n:head], b[head:]
	var out []any
	for len(types) > 0 {
		t, n := varint(types)
		if n == 0 || len(out) == maxColumns {
			return nil, fmt.Errorf("record header: %w", ErrBad)
		}
		types = types[n:]
		v, size, ok := column(t, body)
		if !ok {
			return nil, fmt.Errorf("column %d: %w", len(out), ErrBad)
		}
		out, body = append(out, v), body[size:]
	}
	if len(body) != 0 {
		return nil, fmt.Errorf("%d bytes follow the record: %w", len(body), ErrBad)
	}
	return out, nil
}

// column reads one value of a serial type.
func column(t uint64, b []byte) (v any, size int, ok bool) {
	switch {
	case t == 0:
		return nil, 0, true
	case t <= 6:
		size := []int{0, 1, 2, 3, 4, 6, 8}[t]
		if size > len(b) {
			return nil, 0, false
		}
		x := int64(int8(b[0]))
		for _, c := range b[1:size] {
			x = x<<8 | int64(c)
		}
		return x, size, true
	case t == 7:
		if len(b) < 8 {
			return nil, 0, false
		}
		return math.Float64frombits(binary.BigEndian.Uint64(b)), 8, true
	case t == 8 || t == 9:
		return int64(t - 8), 0, true
	case t < 12 || (t-12)/2 > uint64(len(b)):
		return nil, 0, false
	}
	size = int((t - 12) / 2)
	if t%2 == 0 {
		return b[:size:size], size, true
	}
	return string(b[:size]), size, true
}
