package store

import (
	"math"

	"github.com/telltale-iot/telltale/hub/internal/store/pack"
	"github.com/telltale-iot/telltale/schema"
)

// buckets folds numbers into min, max, mean and count per bucket. Bools are no numbers. Windows may come in any order.
type buckets struct {
	fromMS, toMS int64
	width, first int64 // first: start of the first bucket
	all          []sums
	block        pack.Block
	damaged      func(c *chunk)
}

func newBuckets(fromMS, toMS, width int64, damaged func(c *chunk)) *buckets {
	first := floor(fromMS, width)
	return &buckets{fromMS: fromMS, toMS: toMS, width: width, first: first, all: make([]sums, (toMS-first)/width+1), damaged: damaged}
}

func (b *buckets) at(tMS int64) *sums { return &b.all[(max(tMS, b.fromMS)-b.first)/b.width] }

// add folds a window in.
func (b *buckets) add(w *window) error {
	for i := range w.hours {
		b.at(w.hours[i].tMS).merge(&w.hours[i].sums)
	}
	for i := range w.chunks {
		c := &w.chunks[i]
		switch {
		case c.kind != pack.Numbers: // from a time when the channel was another one
		case c.data != nil:
			b.decode(w, c)
		case c.n > 0:
			b.at(c.t0MS).merge(&c.sums)
		}
	}
	w.head.each(func(r *room, n int) {
		if r.kind == pack.Numbers {
			b.numbers(w, r.tMS[:n], r.mark, r.num)
		}
	})
	return nil
}

func (b *buckets) decode(w *window, c *chunk) {
	if err := pack.Decode(&b.block, c.data); err != nil {
		b.damaged(c)
		return
	}
	b.numbers(w, b.block.TMS, b.block.Marks, b.block.Num)
}

// numbers folds in those of a window's span that have a value. marks may be empty.
func (b *buckets) numbers(w *window, tMS []int64, marks []pack.Mark, num []float64) {
	o, end := b.at(w.fromMS), int64(math.MinInt64) // the bucket of the last one and where it ends
	var start int64
	for i, t := range tMS {
		if t < w.fromMS || t > w.toMS || len(marks) > 0 && marks[i].Null() {
			continue
		}
		if t >= end || t < start {
			start = floor(t, b.width)
			end = start + b.width
			o = b.at(t)
		}
		o.add(num[i])
	}
}

func (b *buckets) result(channel string) schema.HistorySeries {
	h := schema.HistorySeries{Ch: channel, TMS: []int64{}}
	for i := range b.all {
		o := &b.all[i]
		if o.n == 0 {
			continue
		}
		h.TMS = append(h.TMS, b.first+int64(i)*b.width)
		h.Min, h.Max, h.Count = append(h.Min, o.min), append(h.Max, o.max), append(h.Count, o.n)
		h.Mean = append(h.Mean, o.mean())
	}
	return h
}

// change is a state from a time on.
type change struct {
	tMS int64
	v   schema.Value
}

// changes folds states into their changes. Up to points of them are kept as they are; beyond that each bucket keeps its first and its
// last one. It never holds more than 2·points.
type changes struct {
	fromMS, spanMS int64
	points         int
	width          int64 // of a bucket; 0 = all changes so far fit
	all            []change
	now            schema.Value
	any            bool
}

func (c *changes) add(tMS int64, v schema.Value) {
	if c.any && v == c.now {
		return
	}
	if n := len(c.all); c.any && c.all[n-1].tMS == tMS { // two at the same ms: the later one holds
		c.all[n-1].v, c.now = v, v
		if n > 1 && c.all[n-2].v == v {
			c.all = c.all[:n-1]
		}
		return
	}
	c.now, c.any = v, true
	c.append(change{tMS, v})
	if c.width == 0 && len(c.all) > c.points {
		c.thin()
	}
}

// append adds a change; with buckets, the third one of a bucket replaces the second.
func (c *changes) append(x change) {
	n := len(c.all)
	if c.width > 0 && n >= 2 && c.bucket(c.all[n-2].tMS) == c.bucket(x.tMS) {
		c.all = c.all[:n-1]
		if c.all[n-2].v == x.v {
			return // back to where the bucket's first change went
		}
	}
	c.all = append(c.all, x)
}

func (c *changes) bucket(tMS int64) int64 { return (tMS - c.fromMS) / c.width }

// thin goes over to buckets; two changes each make at most points.
func (c *changes) thin() {
	c.width = bucketWidth(c.spanMS, int64(max(1, c.points/2)))
	all := c.all
	c.all = make([]change, 0, c.points+1)
	for _, x := range all {
		c.append(x)
	}
}

func (c *changes) result(channel string) schema.HistorySeries {
	h := schema.HistorySeries{Ch: channel, TMS: make([]int64, 0, len(c.all)), V: make(schema.Values, 0, len(c.all))}
	for _, x := range c.all {
		h.TMS = append(h.TMS, x.tMS)
		h.V = append(h.V, x.v)
	}
	return h
}
