package salvage

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"maps"
	"slices"

	"github.com/telltale-iot/telltale/hub/internal/store/check"
	"github.com/telltale-iot/telltale/hub/internal/store/dbfile"
	"github.com/telltale-iot/telltale/hub/internal/store/pack"
)

type cell = dbfile.Cell

// found is a chunk whose checksum is right.
type found struct {
	id, series int64
	stats      pack.Stats
	kind       pack.Kind
	data       []byte // of one that is put off
}

// span is what a kept chunk covers.
type span struct{ t0MS, t1MS int64 }

// chunkJob keeps the books while chunks are kept.
type chunkJob struct {
	*job
	index  *index
	add    *sql.Stmt
	ids    map[int64]bool
	spans  map[int64][]span // by series
	newest int64
	block  pack.Block
	later  []found // the index does not know them like this
	bad    int     // rows of chunks that are damaged, and places where some are missing
	broken error
}

const chunkColumns = 11

// chunks keeps every chunk whose checksum is right, and finds out which there were besides.
func (j *job) chunks(ctx context.Context) error {
	add, err := j.tx.PrepareContext(ctx, `INSERT INTO chunk (id, series_id, kind, t0_ms, t1_ms, n, n_values, vmin, vmax, vsum, data) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`)
	if err != nil {
		return err
	}
	defer func() { _ = add.Close() }()
	c := &chunkJob{job: j, index: j.readIndex(), add: add, ids: map[int64]bool{}, spans: map[int64][]span{}}
	c.bad = j.each("chunk", c.row)
	j.survey.Strays(func(cell *cell) { // pages that no table is known of: a chunk proves itself by its checksum
		if r, err := j.src.Record(cell); err == nil && len(r) == chunkColumns {
			c.row(cell.RowID, r)
		}
	})
	if t := j.survey.Trees["chunk"]; t != nil && !t.Whole() {
		c.bad++
	}
	if c.broken == nil {
		c.settle()
	}
	for _, spans := range c.spans {
		slices.SortFunc(spans, func(a, b span) int { return cmp.Or(cmp.Compare(a.t0MS, b.t0MS), cmp.Compare(a.t1MS, b.t1MS)) })
	}
	c.report()
	return c.broken
}

// row takes a row of the table of chunks. Everything that its packed readings do not say themselves is checked against the index.
func (c *chunkJob) row(id int64, r []any) {
	f := found{id: id}
	series, ok := int64(0), len(r) == chunkColumns
	if ok {
		series, ok = r[1].(int64)
	}
	if ok {
		f.data, ok = r[10].([]byte)
	}
	if !ok || pack.Decode(&c.block, f.data) != nil || c.block.Len() == 0 {
		c.bad++
		return
	}
	f.series, f.stats, f.kind = series, c.block.Stats(), c.block.Kind
	e := c.index.take(f.series, f.stats.T0MS, id)
	if e == nil && !c.index.unknown(f.series, f.stats.T0MS) {
		c.later = append(c.later, f)
		return
	}
	c.keep(&f, e)
}

// keep puts a chunk into the new store, its description made anew.
func (c *chunkJob) keep(f *found, e *entry) {
	if e != nil {
		e.found = true
	}
	if c.broken != nil || c.covered(f) {
		return
	}
	if _, known := c.job.series[f.series]; !known {
		if c.broken = c.nameless(f.series); c.broken != nil {
			return
		}
	}
	id := any(f.id)
	if c.ids[f.id] {
		id = nil // a new one
	}
	c.ids[f.id] = true
	st := &f.stats
	var least, most, sum any
	if f.kind != pack.Texts && st.Values > 0 {
		least, most, sum = st.Min, st.Max, st.Sum
	}
	_, c.broken = c.add.Exec(id, f.series, int64(f.kind), st.T0MS, st.T1MS, st.Readings, st.Values, least, most, sum, f.data)
	c.spans[f.series] = append(c.spans[f.series], span{st.T0MS, st.T1MS})
	c.newest = max(c.newest, st.T1MS)
}

// covered reports whether a kept chunk has these times already: the same one from another page, or an older version of it.
func (c *chunkJob) covered(f *found) bool {
	return slices.ContainsFunc(c.spans[f.series], func(s span) bool {
		return f.stats.T0MS < s.t1MS && s.t0MS < f.stats.T1MS || f.stats.T0MS == s.t0MS && f.stats.T1MS == s.t1MS && s.t0MS != s.t1MS
	})
}

// nameless makes a series for readings whose series is lost.
func (c *chunkJob) nameless(id int64) error {
	const device = "lost-series"
	var row int64
	err := c.tx.QueryRow(`SELECT id FROM device WHERE device_id = ?1`, device).Scan(&row)
	if err != nil {
		r, err := c.tx.Exec(`INSERT INTO device (device_id, own_name, public_key, paired_ms) VALUES (?1, ?1, zeroblob(32), 0)`, device)
		if err != nil {
			return err
		}
		if row, err = r.LastInsertId(); err != nil {
			return err
		}
		c.devices[row] = device
	}
	n := name{row, fmt.Sprintf("lost.s%d", id)}
	c.job.series[id] = n
	c.job.add(check.Finding{Device: device, Channel: n.channel, What: "the name of this series is lost; its readings are kept under this one"})
	_, err = c.tx.Exec(`INSERT INTO series (id, device_id, channel) VALUES (?1, ?2, ?3)`, id, n.device, n.channel)
	return err
}

// settle decides about chunks that row and index describe differently: one of the two is damaged, or it is what is left of a deleted row.
func (c *chunkJob) settle() {
	for i := range c.later {
		f := &c.later[i]
		e := c.index.byID(f.id)
		switch {
		case e != nil && e.series == f.series: // the index has the time wrong
			c.keep(f, e)
		case e != nil && e.t0MS == f.stats.T0MS: // whose is it? The hourly values know
			row, index := c.fits(f.series, f), c.fits(e.series, f)
			if row != index {
				if index {
					f.series = e.series
				}
				c.keep(f, e)
				continue
			}
			e.found = true
			for _, series := range []int64{f.series, e.series} {
				c.lost(series, f.stats.T0MS, f.stats.T1MS, "it cannot be told whose readings these were")
			}
		case e == nil && !c.expected(f):
			c.keep(f, nil)
		}
	}
}

// expected reports whether the index knows another chunk at a chunk's time that was not found: then this one is an older version of it.
func (c *chunkJob) expected(f *found) bool {
	return slices.ContainsFunc(c.index.entries, func(e entry) bool {
		return !e.found && e.series == f.series && e.t0MS >= f.stats.T0MS && e.t0MS <= f.stats.T1MS
	})
}

// fits reports whether the hourly values of a series have counted the readings of a chunk.
func (c *chunkJob) fits(series int64, f *found) bool {
	if f.kind != pack.Numbers || pack.Decode(&c.block, f.data) != nil {
		return false
	}
	want := map[int64]*check.Hour{}
	check.AddHours(want, &c.block)
	n := 0
	c.each("hour", func(_ int64, r []any) {
		t, h, ok := readHour(series, r)
		if w := want[t]; ok && w != nil && h.Covers(w) {
			n++
		}
	})
	return n == len(want)
}

// report names the chunks that the index knows and that were not found; and where the index has holes, the times between the chunks there.
func (c *chunkJob) report() {
	for i, e := range c.index.entries {
		if e.found {
			continue
		}
		to := c.index.next(i)
		if to == highest {
			to = max(c.newest, e.t0MS)
		}
		c.lost(e.series, e.t0MS, to, "packed readings are damaged")
	}
	if c.bad == 0 {
		return
	}
	for _, h := range c.index.holes {
		for _, series := range slices.Sorted(maps.Keys(c.job.series)) {
			if series < h.after.series || series > h.before.series {
				continue
			}
			from, to := int64(0), c.newest
			if series == h.after.series {
				from = h.after.t0MS
			}
			if series == h.before.series {
				to = h.before.t0MS
			}
			c.unknown(series, from, to)
		}
	}
}

// unknown notes the times without a kept chunk in a span as lost: there may have been some.
func (c *chunkJob) unknown(series, fromMS, toMS int64) {
	const what = "there may have been packed readings: they and the index are damaged"
	spans := c.spans[series]
	if len(spans) == 0 {
		c.lost(series, fromMS, toMS, what)
		return
	}
	for _, s := range spans {
		if s.t1MS <= fromMS || s.t0MS >= toMS {
			continue
		}
		if s.t0MS > fromMS {
			c.lost(series, fromMS, s.t0MS, what)
		}
		fromMS = max(fromMS, s.t1MS)
	}
	if fromMS < toMS {
		c.lost(series, fromMS, toMS, what)
	}
}
