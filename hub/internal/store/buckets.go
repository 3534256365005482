package store

import (
	"math"

	"github.com/telltale-iot/telltale/schema"
)

// buckets folds numbers into min, max, mean and count per bucket; width 0 keeps every reading.
type buckets struct {
	fromMS, width int64
	tMS           []int64
	min, max      []float64
	mean          []float64
	count         []int64
	open          bucket // the last one, not yet in the columns
}

type bucket struct {
	tMS      int64
	n        int64
	min, max float64
	sum      float64
	scaled   float64 // the sum of x·2^-64, for values whose sum does not fit into a float64
}

const downscale = 1.0 / (1 << 64)

func (b *buckets) add(tMS int64, v schema.Value) {
	x, ok := v.Float()
	if !ok {
		return // no value, or a string from a time when the channel was another one
	}
	start := tMS
	if b.width > 0 {
		start = b.fromMS + (tMS-b.fromMS)/b.width*b.width
	}
	o := &b.open
	if o.n == 0 || b.width == 0 || start != o.tMS {
		b.flush()
		*o = bucket{tMS: start, min: x, max: x}
	}
	o.n++
	o.min, o.max = min(o.min, x), max(o.max, x)
	o.sum += x
	o.scaled += x * downscale
}

func (b *buckets) flush() {
	o := &b.open
	if o.n == 0 {
		return
	}
	mean := o.sum / float64(o.n)
	if math.IsInf(o.sum, 0) || math.IsNaN(o.sum) {
		mean = o.scaled / float64(o.n) / downscale
	}
	b.tMS = append(b.tMS, o.tMS)
	b.min = append(b.min, o.min)
	b.max = append(b.max, o.max)
	b.mean = append(b.mean, min(max(mean, o.min), o.max)) // rounding must not leave the bounds
	b.count = append(b.count, o.n)
	o.n = 0
}

func (b *buckets) result(channel string) schema.HistorySeries {
	b.flush()
	if b.tMS == nil {
		b.tMS = []int64{}
	}
	return schema.HistorySeries{Ch: channel, TMS: b.tMS, Mean: b.mean, Min: b.min, Max: b.max, Count: b.count}
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
