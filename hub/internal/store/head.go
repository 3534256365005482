package store

import (
	"slices"
	"sync"

	"github.com/telltale-iot/telltale/hub/internal/store/pack"
	"github.com/telltale-iot/telltale/schema"
)

const (
	// firstRoom and mostRoom are the sizes of the pieces that a series' memory grows by, in readings: a slow series costs little, and no
	// more than a few hundred readings of room are ever unused.
	firstRoom = 16
	mostRoom  = 512
)

// head is what was committed and is not in chunks yet: all readings of the ring's slots after flushed, and the received sets that they
// belong to. The writer changes it after its commits; readers take views.
type head struct {
	mu       sync.RWMutex
	flushed  uint64 // slots up to this one are packed
	series   map[int64]*memory
	readings int
	sets     map[int64]schema.Ranges // received sets by epoch row, where they differ from the table
	swapped  chan struct{}           // closed when the head is replaced, or for good
	closed   bool
}

func newHead() *head {
	return &head{series: map[int64]*memory{}, sets: map[int64]schema.Ranges{}, swapped: make(chan struct{})}
}

// memory is one series' readings in the order they came. What a view has seen of it never changes.
type memory struct {
	rooms []*room // all full but the last
	n     int     // readings in the last room
}

// room is a piece of a series' memory, of one kind and of fixed size.
type room struct {
	kind pack.Kind
	n    int // readings, once the room is no longer the last
	tMS  []int64
	num  []float64
	text []string
	mark []pack.Mark
}

// add appends readings.
func (m *memory) add(b *pack.Block) {
	for i, t := range b.TMS {
		r := m.place(b.Kind, b.Mark(i).Null())
		r.tMS[m.n], r.mark[m.n] = t, b.Mark(i)
		switch {
		case r.kind != b.Kind: // no value
		case b.Kind == pack.Texts:
			if r.text[m.n] = b.Text[i]; m.n > 0 && r.text[m.n-1] == b.Text[i] {
				r.text[m.n] = r.text[m.n-1] // states repeat themselves: keep one
			}
		default:
			r.num[m.n] = b.Num[i]
		}
		m.n++
	}
}

// place returns the room for the next reading. One without a value fits into any.
func (m *memory) place(kind pack.Kind, null bool) *room {
	size := firstRoom
	if n := len(m.rooms); n > 0 {
		r := m.rooms[n-1]
		if m.n < len(r.tMS) && (null || r.kind == kind) {
			return r
		}
		if null {
			kind = r.kind
		}
		r.n = m.n
		size = min(2*len(r.tMS), mostRoom)
	}
	r := &room{kind: kind, tMS: make([]int64, size), mark: make([]pack.Mark, size)}
	if kind == pack.Texts {
		r.text = make([]string, size)
	} else {
		r.num = make([]float64, size)
	}
	m.rooms, m.n = append(m.rooms, r), 0
	return r
}

// memoryView is a series' memory as it was at one moment. The zero value has nothing.
type memoryView struct {
	rooms []*room
	n     int
}

// each calls fn for every room with the number of readings in it, in the order they came.
func (v memoryView) each(fn func(r *room, n int)) {
	for i, r := range v.rooms {
		if i == len(v.rooms)-1 {
			fn(r, v.n)
		} else {
			fn(r, r.n)
		}
	}
}

// points appends the readings of a span, in the order they came.
func (v memoryView) points(dst []point, fromMS, toMS int64) []point {
	v.each(func(r *room, n int) {
		for i, t := range r.tMS[:n] {
			if t < fromMS || t > toMS {
				continue
			}
			p := point{tMS: t, mark: r.mark[i], kind: r.kind}
			if r.kind == pack.Texts {
				p.text = r.text[i]
			} else {
				p.num = r.num[i]
			}
			dst = append(dst, p)
		}
	})
	return dst
}

// newest returns the newest reading before a time, the one that came last of several; false when there is none.
func (v memoryView) newest(beforeMS int64) (p point, ok bool) {
	v.each(func(r *room, n int) {
		for i, t := range r.tMS[:n] {
			if t < beforeMS && (!ok || t >= p.tMS) {
				p, ok = point{tMS: t, mark: r.mark[i], kind: r.kind}, true
				if r.kind == pack.Texts {
					p.text = r.text[i]
				} else {
					p.num = r.num[i]
				}
			}
		}
	})
	return p, ok
}

// headView is the head as it was at one moment, for some series.
type headView struct {
	flushed  uint64
	swapped  <-chan struct{}
	closed   bool
	readings int          // of all series
	series   []memoryView // in the order they were asked for
}

func (h *head) view(ids ...int64) headView {
	v := headView{series: make([]memoryView, len(ids))}
	h.mu.RLock()
	defer h.mu.RUnlock()
	v.flushed, v.swapped, v.closed, v.readings = h.flushed, h.swapped, h.closed, h.readings
	for i, id := range ids {
		if m := h.series[id]; m != nil {
			v.series[i] = memoryView{m.rooms, m.n}
		}
	}
	return v
}

// oldest returns the time of the oldest reading in memory, Unix ms; 0 = there is none.
func (h *head) oldest() int64 {
	h.mu.RLock()
	defer h.mu.RUnlock()
	oldest := int64(0)
	for _, m := range h.series {
		memoryView{m.rooms, m.n}.each(func(r *room, n int) {
			for _, t := range r.tMS[:n] {
				if oldest == 0 || t < oldest {
					oldest = t
				}
			}
		})
	}
	return oldest
}

// received returns a set that is not in the table yet.
func (h *head) received(epoch int64) (schema.Ranges, bool) {
	h.mu.RLock()
	defer h.mu.RUnlock()
	set, ok := h.sets[epoch]
	return slices.Clone(set), ok
}

// of returns a series' memory; h.mu must be held.
func (h *head) of(series int64) *memory {
	m := h.series[series]
	if m == nil {
		m = &memory{}
		h.series[series] = m
	}
	return m
}

// replace puts another state in the head's place: after its readings were packed, or when all was read again.
func (h *head) replace(with *head) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.flushed, h.series, h.readings, h.sets = with.flushed, with.series, with.readings, with.sets
	close(h.swapped)
	h.swapped = make(chan struct{})
}

// close lets nobody wait any more for the head to be replaced.
func (h *head) close() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.closed = true
	close(h.swapped)
}
