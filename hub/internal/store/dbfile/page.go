package dbfile

import (
	"encoding/binary"
	"fmt"
)

// maxPayload bounds a row, in bytes: far more than the store ever writes into one, and what a damaged length may make us allocate.
const maxPayload = 16 << 20

// kind is what a page of a b-tree is.
type kind byte

// The kinds, as in the file.
const (
	indexInterior kind = 2
	tableInterior kind = 5
	indexLeaf     kind = 10
	tableLeaf     kind = 13
)

// page is a page of a b-tree.
type page struct {
	no    uint32
	kind  kind
	cells []Cell // one per entry, in key order; those that make no sense are bad
	right uint32 // the last child of an interior page
}

// Cell is a row of a table, an entry of an index, or a pointer to a child page.
type Cell struct {
	// RowID of a table's row.
	RowID int64
	bad   bool
	child uint32
	local []byte // the payload on the page itself; nil = only a pointer
	size  int    // of the whole payload
	next  uint32 // first overflow page; 0 = none
}

// leaf reports whether a page has no children.
func (p *page) leaf() bool { return p.kind == tableLeaf || p.kind == indexLeaf }

// page reads a page of a b-tree. Error: it is none, or damaged as a whole.
func (f *File) page(n uint32) (*page, error) {
	b, err := f.raw(n)
	if err != nil {
		return nil, err
	}
	at := 0
	if n == 1 {
		at = 100
	}
	p := &page{no: n, kind: kind(b[at])}
	head := 8
	switch p.kind {
	case tableLeaf, indexLeaf:
	case tableInterior, indexInterior:
		head = 12
		p.right = binary.BigEndian.Uint32(b[at+8:])
	default:
		return nil, fmt.Errorf("page %d: %w", n, ErrBad)
	}
	count := int(binary.BigEndian.Uint16(b[at+3:]))
	first := at + head + 2*count
	if first > f.usable {
		return nil, fmt.Errorf("page %d: %w", n, ErrBad)
	}
	p.cells = make([]Cell, 0, count)
	used := 0
	for i := range count {
		start := int(binary.BigEndian.Uint16(b[at+head+2*i:]))
		c, ok, rest := Cell{}, start >= first && start < f.usable, 0
		if ok {
			c, rest, ok = f.cell(p.kind, b[start:f.usable])
			used += max(4, f.usable-start-rest)
		}
		c.bad = !ok
		p.cells = append(p.cells, c)
	}
	if !f.adds(b, at, used) { // a cell may be missing, whatever the count says
		p.cells = append(p.cells, Cell{bad: true})
	}
	return p, nil
}

// adds reports whether cells and free blocks together fill a page's content, as they must.
func (f *File) adds(b []byte, at, used int) bool {
	content := int(binary.BigEndian.Uint16(b[at+5:]))
	if content == 0 {
		content = 65536
	}
	used += int(b[at+7])
	for free, last := int(binary.BigEndian.Uint16(b[at+1:])), 0; free != 0; {
		if free <= last || free+4 > f.usable { // they ascend
			return false
		}
		last = free
		used += int(binary.BigEndian.Uint16(b[free+2:]))
		free = int(binary.BigEndian.Uint16(b[free:]))
	}
	return used == f.usable-content
}

// cell takes a cell apart; rest is how many bytes follow it.
func (f *File) cell(k kind, b []byte) (c Cell, rest int, ok bool) {
	if k == tableInterior || k == indexInterior {
		if len(b) < 4 {
			return c, 0, false
		}
		c.child = binary.BigEndian.Uint32(b)
		b = b[4:]
	}
	var size uint64
	if k != tableInterior {
		var n int
		if size, n = varint(b); n == 0 || size > maxPayload || size > uint64(f.pages)*uint64(f.pageSize) {
			return c, 0, false
		}
		b = b[n:]
	}
	if k == tableInterior || k == tableLeaf {
		id, n := varint(b)
		if n == 0 {
			return c, 0, false
		}
		c.RowID = int64(id)
		b = b[n:]
	}
	if k == tableInterior {
		return c, len(b), true
	}
	c.size = int(size)
	local := f.localSize(k, c.size)
	if local > len(b) {
		return c, 0, false
	}
	c.local, rest = b[:local], len(b)-local
	if local < c.size {
		if rest < 4 {
			return c, 0, false
		}
		c.next, rest = binary.BigEndian.Uint32(b[local:]), rest-4
	}
	return c, rest, true
}

// localSize is how much of a payload lies on the page itself; the rest is on overflow pages.
func (f *File) localSize(k kind, size int) int {
	most := f.usable - 35
	if k != tableLeaf {
		most = (f.usable-12)*64/255 - 23
	}
	if size <= most {
		return size
	}
	least := (f.usable-12)*32/255 - 23
	if size := least + (size-least)%(f.usable-4); size <= most {
		return size
	}
	return least
}

// payload returns a cell's bytes with those on overflow pages.
func (f *File) payload(c *Cell) ([]byte, error) {
	if c.next == 0 {
		return c.local, nil
	}
	out := append([]byte(nil), c.local...)
	for n := c.next; len(out) < c.size; { // also ends when the chain goes in a circle: each page adds bytes
		if kind, _, known := f.pointer(n); known && kind != overflowFirst && kind != overflowNext {
			return nil, fmt.Errorf("page %d is no part of a long row: %w", n, ErrBad)
		}
		b, err := f.raw(n)
		if err != nil {
			return nil, err
		}
		n = binary.BigEndian.Uint32(b)
		out = append(out, b[4:4+min(c.size-len(out), f.usable-4)]...)
	}
	return out, nil
}

// varint reads SQLite's variable-length integer; n = 0: there is none.
func varint(b []byte) (x uint64, n int) {
	for i := range min(9, len(b)) {
		if i == 8 {
			return x<<8 | uint64(b[i]), 9
		}
		x = x<<7 | uint64(b[i]&0x7f)
		if b[i] < 0x80 {
			return x, i + 1
		}
	}
	return 0, 0
}
