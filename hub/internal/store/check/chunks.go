package check

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"

	"github.com/telltale-iot/telltale/hub/internal/store/pack"
)

// Row is a chunk as its row describes it.
type Row struct {
	ID, Series int64
	Kind       pack.Kind
	T0MS, T1MS int64
	N, Values  int64
	Min, Max   sql.NullFloat64
	Sum        sql.NullFloat64
	Data       []byte
}

// Decode unpacks the chunk into b and compares it with what the row says; the error says what differs.
func (r *Row) Decode(b *pack.Block) error {
	if err := pack.Decode(b, r.Data); err != nil {
		return err
	}
	st := b.Stats()
	withValues := b.Kind != pack.Texts && st.Values > 0
	switch {
	case b.Kind != r.Kind:
		return fmt.Errorf("it is of kind %d, its row says %d", b.Kind, r.Kind)
	case st.Readings == 0:
		return errors.New("it is empty")
	case int64(st.Readings) != r.N || int64(st.Values) != r.Values:
		return fmt.Errorf("it has %d readings, %d with a value; its row says %d and %d", st.Readings, st.Values, r.N, r.Values)
	case st.T0MS != r.T0MS || st.T1MS != r.T1MS:
		return fmt.Errorf("it reaches from %s to %s, its row says something else", stamp(st.T0MS), stamp(st.T1MS))
	case withValues != r.Min.Valid || withValues != r.Max.Valid || withValues != r.Sum.Valid,
		withValues && (st.Min != r.Min.Float64 || st.Max != r.Max.Float64 || !near(st.Sum, r.Sum.Float64, st)):
		return errors.New("its row says other least, greatest or total values")
	}
	return nil
}

// near compares sums that were added in another order.
func near(a, b float64, st pack.Stats) bool {
	return a == b || math.Abs(a-b) <= 1e-9*math.Max(math.Abs(st.Min), math.Abs(st.Max))*float64(st.Values)
}

// key is a chunk's entry in the index.
type key struct{ series, t0MS, id int64 }

const (
	chunkKeys = `SELECT series_id, t0_ms, id FROM chunk INDEXED BY chunk_time WHERE series_id > ?1 OR series_id = ?1 AND (t0_ms > ?2 OR t0_ms = ?2 AND id > ?3)
		ORDER BY series_id, t0_ms, id LIMIT 500`
	chunkRow   = `SELECT series_id, kind, t0_ms, t1_ms, n, n_values, vmin, vmax, vsum, data FROM chunk WHERE id = ?1`
	countIndex = `SELECT count(*) FROM chunk INDEXED BY chunk_time`
	countTable = `SELECT count(*) FROM chunk NOT INDEXED`
	chunkIDs   = `SELECT id FROM chunk NOT INDEXED ORDER BY id`
)

// chunks looks at every chunk that the index knows, series by series in the order of their times, and at the hours of each.
func (c *checker) chunks(ctx context.Context) error {
	var all int64
	if err := c.row(countIndex).Scan(&all); err != nil {
		return err
	}
	w := walk{c: c, hours: map[int64]*Hour{}}
	at := key{series: math.MinInt64, t0MS: math.MinInt64, id: math.MinInt64}
	seen := map[int64]bool{}
	for more := true; more; {
		if err := ctx.Err(); err != nil {
			return err
		}
		keys, err := c.keys(at)
		if err != nil {
			return err
		}
		for _, k := range keys {
			seen[k.id] = true
			if err := w.chunk(k); err != nil {
				return err
			}
			at = k
		}
		more = len(keys) > 0
		c.share(structureShare + (chunksShare-structureShare)*float64(c.r.Chunks)/float64(max(all, 1)))
	}
	if err := w.end(); err != nil {
		return err
	}
	if err := w.otherHours(); err != nil {
		return err
	}
	return c.unindexed(seen)
}

func (c *checker) keys(after key) (all []key, err error) {
	err = c.each(chunkKeys, func(scan func(...any) error) error {
		var k key
		err := scan(&k.series, &k.t0MS, &k.id)
		all = append(all, k)
		return err
	}, after.series, after.t0MS, after.id)
	return all, err
}

// unindexed names chunks that the index does not know.
func (c *checker) unindexed(seen map[int64]bool) error {
	var n int64
	if err := c.row(countTable).Scan(&n); err != nil || n == int64(len(seen)) {
		return err
	}
	var ids []int64
	err := c.each(chunkIDs, func(scan func(...any) error) error {
		var id int64
		err := scan(&id)
		if !seen[id] {
			ids = append(ids, id)
		}
		return err
	})
	for _, id := range ids {
		r, err := c.chunkRow(id)
		if err != nil {
			return err
		}
		c.r.add(c.finding(r.Series, r.T0MS, r.T1MS, fmt.Sprintf("chunk %d is missing from the index", id)))
	}
	return err
}

func (c *checker) chunkRow(id int64) (Row, error) {
	r := Row{ID: id}
	err := c.row(chunkRow, id).Scan(&r.Series, &r.Kind, &r.T0MS, &r.T1MS, &r.N, &r.Values, &r.Min, &r.Max, &r.Sum, &r.Data)
	return r, err
}

// finding is one about readings of a series.
func (c *checker) finding(series, fromMS, toMS int64, what string) Finding {
	s, ok := c.series[series]
	if !ok {
		s.device = fmt.Sprintf("(series %d)", series)
	}
	return Finding{Device: s.device, Channel: s.channel, FromMS: fromMS, ToMS: toMS, What: what}
}

// walk goes along the chunks of one series after the other.
type walk struct {
	c       *checker
	series  int64
	began   bool
	firstMS int64 // begin of the first chunk
	lastMS  int64 // newest reading so far
	broken  bool  // a chunk could not be read: the hours cannot be compared
	hours   map[int64]*Hour
	block   pack.Block
}

// chunk looks at one chunk.
func (w *walk) chunk(k key) error {
	if !w.began || k.series != w.series {
		if err := w.end(); err != nil {
			return err
		}
		w.began, w.series, w.firstMS, w.lastMS, w.broken = true, k.series, k.t0MS, math.MinInt64, false
		if _, ok := w.c.series[k.series]; !ok {
			w.c.r.add(w.c.finding(k.series, k.t0MS, k.t0MS, "its chunks belong to a series that is not there"))
		}
	}
	w.c.r.Chunks++
	r, err := w.c.chunkRow(k.id)
	if err == nil && (r.Series != k.series || r.T0MS != k.t0MS) {
		err = errors.New("its row and the index differ")
	} else if err == nil {
		err = r.Decode(&w.block)
	}
	w.c.r.Packed += r.N
	if err != nil {
		w.broken = true
		w.c.r.add(w.c.finding(k.series, k.t0MS, max(k.t0MS, w.until(k, &r)), fmt.Sprintf("chunk %d: %v", k.id, err)))
		return nil
	}
	w.c.r.Readings += r.N
	if r.T0MS < w.lastMS && !w.broken {
		w.c.r.add(w.c.finding(k.series, r.T0MS, w.lastMS, fmt.Sprintf("chunk %d overlaps the one before it", k.id)))
	}
	w.lastMS = max(w.lastMS, r.T1MS)
	AddHours(w.hours, &w.block)
	return nil
}

// until is the newest reading that a damaged chunk can have held: what its row says, or else all until the next chunk.
func (w *walk) until(k key, r *Row) int64 {
	next, err := w.c.keys(k)
	if err != nil || len(next) == 0 || next[0].series != k.series {
		return r.T1MS
	}
	if r.Data == nil || r.T1MS > next[0].t0MS {
		return next[0].t0MS
	}
	return r.T1MS
}
