package salvage

import (
	"cmp"
	"slices"
)

// entry is what the index of chunks knows of one.
type entry struct {
	series, t0MS, id int64
	found            bool
}

func (a entry) compare(b entry) int {
	return cmp.Or(cmp.Compare(a.series, b.series), cmp.Compare(a.t0MS, b.t0MS), cmp.Compare(a.id, b.id))
}

// hole is a place in the index where entries are missing: all between two that are there.
type hole struct{ after, before entry }

func (h hole) has(e entry) bool {
	return cmp.Or(cmp.Compare(h.after.series, e.series), cmp.Compare(h.after.t0MS, e.t0MS)) <= 0 &&
		cmp.Or(cmp.Compare(e.series, h.before.series), cmp.Compare(e.t0MS, h.before.t0MS)) <= 0
}

// index is what the index of chunks knows, in order.
type index struct {
	entries []entry
	holes   []hole
}

const (
	lowest  = -1 << 63
	highest = 1<<63 - 1
)

// readIndex reads the index of chunks.
func (j *job) readIndex() *index {
	x := &index{}
	t := j.survey.Trees["chunk_time"]
	if t == nil {
		x.holes = []hole{{entry{series: lowest, t0MS: lowest}, entry{series: highest, t0MS: highest}}}
		return x
	}
	last, open := entry{series: lowest, t0MS: lowest}, false
	end := func(at entry) {
		if open {
			x.holes = append(x.holes, hole{last, at})
		}
		open = false
	}
	j.survey.Each(t, func(c *cell) {
		e, ok := j.entry(c)
		if !ok || e.compare(last) < 0 { // an entry out of its order is a damaged one
			open = true
			return
		}
		end(e)
		x.entries, last = append(x.entries, e), e
	})
	end(entry{series: highest, t0MS: highest})
	j.survey.Orphans(t, func(c *cell) {
		if e, ok := j.entry(c); ok {
			x.entries = append(x.entries, e)
		}
	})
	slices.SortFunc(x.entries, entry.compare)
	return x
}

func (j *job) entry(c *cell) (e entry, ok bool) {
	if c == nil {
		return e, false
	}
	r, err := j.src.Record(c)
	if err != nil || len(r) != 3 {
		return e, false
	}
	series, ok1 := r[0].(int64)
	t0, ok2 := r[1].(int64)
	id, ok3 := r[2].(int64)
	return entry{series: series, t0MS: t0, id: id}, ok1 && ok2 && ok3
}

// take finds an entry that no chunk was found for yet, by series and time, best the one with the same id.
func (x *index) take(series, t0MS, id int64) *entry {
	i, _ := slices.BinarySearchFunc(x.entries, entry{series: series, t0MS: t0MS, id: lowest}, entry.compare)
	var other *entry
	for ; i < len(x.entries) && x.entries[i].series == series && x.entries[i].t0MS == t0MS; i++ {
		e := &x.entries[i]
		if !e.found && e.id == id {
			return e
		}
		if !e.found && other == nil {
			other = e
		}
	}
	return other
}

// byID finds an entry that no chunk was found for by its id.
func (x *index) byID(id int64) *entry {
	for i := range x.entries {
		if e := &x.entries[i]; e.id == id && !e.found {
			return e
		}
	}
	return nil
}

// unknown reports whether an entry may have been lost.
func (x *index) unknown(series, t0MS int64) bool {
	return slices.ContainsFunc(x.holes, func(h hole) bool { return h.has(entry{series: series, t0MS: t0MS}) })
}

// next is when the chunk behind one begins, or the end of time.
func (x *index) next(i int) int64 {
	if i+1 < len(x.entries) && x.entries[i+1].series == x.entries[i].series {
		return x.entries[i+1].t0MS
	}
	return highest
}
