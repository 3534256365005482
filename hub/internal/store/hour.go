package store

import (
	"context"
	"database/sql"
	"math"

	"github.com/telltale-iot/telltale/hub/internal/store/pack"
)

// hourMS is the width of a rollup.
const hourMS = 3_600_000

// floor returns the multiple of width at or before a time. Both in ms.
func floor(tMS, width int64) int64 {
	r := tMS % width
	if r < 0 {
		r += width
	}
	return tMS - r
}

// sums adds up numbers.
type sums struct {
	n        int64
	min, max float64
	sum      float64
	scaled   float64 // the sum of v·2^-64, for numbers whose sum does not fit into a float64
}

const downscale = 1.0 / (1 << 64)

func (s *sums) add(v float64) {
	if s.n == 0 {
		*s = sums{min: v, max: v}
	}
	s.n++
	s.min, s.max = min(s.min, v), max(s.max, v)
	s.sum += v
	s.scaled += v * downscale
}

// mean of at least one number. Rounding does not leave the bounds.
func (s *sums) mean() float64 {
	mean := s.sum / float64(s.n)
	if math.IsInf(s.sum, 0) || math.IsNaN(s.sum) {
		mean = s.scaled / float64(s.n) / downscale
	}
	return min(max(mean, s.min), s.max)
}

func (s *sums) merge(o *sums) {
	if s.n == 0 {
		*s = *o
		return
	}
	s.n += o.n
	s.min, s.max = min(s.min, o.min), max(s.max, o.max)
	s.sum += o.sum
	s.scaled += o.scaled
}

// beyond is where a stored sum is no longer one: what is added to it is lost.
const beyond = 1e308

// known reports whether the stored sum is one.
func (s *sums) known() bool { return math.Abs(s.sum) < beyond }

// hourSum is what one hour gains.
type hourSum struct {
	tMS     int64
	minutes int64
	sums
}

// sqlAddHour merges a gain into an hour. No reading is ever stored twice or replaced, so adding is exact.
const sqlAddHour = `INSERT INTO hour (series_id, t_ms, n, vmin, vmax, vsum, minutes) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
	ON CONFLICT DO UPDATE SET n = n + excluded.n, vmin = min(vmin, excluded.vmin), vmax = max(vmax, excluded.vmax),
	vsum = CASE WHEN abs(vsum) < 1e308 AND abs(excluded.vsum) < 1e308 AND abs(vsum + excluded.vsum) < 1e308 THEN vsum + excluded.vsum ELSE 1e308 END,
	minutes = minutes | excluded.minutes`

// addHours adds the numbers of p.points to the hours of a series.
func (p *packer) addHours(c *conn, series int64) error {
	p.hours = p.hours[:0]
	for i := range p.points {
		x := &p.points[i]
		if x.kind != pack.Numbers || x.mark.Null() {
			continue
		}
		t := floor(x.tMS, hourMS)
		if n := len(p.hours); n == 0 || p.hours[n-1].tMS != t {
			p.hours = append(p.hours, hourSum{tMS: t})
		}
		h := &p.hours[len(p.hours)-1]
		h.add(x.num)
		h.minutes |= 1 << ((x.tMS - t) / 60_000)
	}
	for i := range p.hours {
		h := &p.hours[i]
		if !h.known() {
			h.sum = beyond
		}
		if err := c.exec(sqlAddHour, series, h.tMS, h.n, h.min, h.max, h.sum, h.minutes); err != nil {
			return err
		}
	}
	return nil
}

// sqlLostHours finds the hours of a span that no chunk touches: their readings one by one were deleted.
const sqlLostHours = `SELECT t_ms, n, vmin, vmax, vsum FROM hour h WHERE series_id = ?1 AND t_ms BETWEEN ?2 AND ?3
	AND coalesce((SELECT t1_ms FROM chunk WHERE series_id = ?1 AND t0_ms < h.t_ms + 3600000 ORDER BY t0_ms DESC, id DESC LIMIT 1), h.t_ms - 1) < h.t_ms
	ORDER BY t_ms`

// lostHours returns the hours that begin in a span, or in which it begins, and have no readings one by one any more.
func (m *moment) lostHours(series, fromMS, toMS int64) ([]hourSum, error) {
	return readHours(m.rows(sqlLostHours, series, floor(fromMS, hourMS), toMS))
}

func readHours(rows *sql.Rows, err error) ([]hourSum, error) {
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var all []hourSum
	for rows.Next() {
		var h hourSum
		if err := rows.Scan(&h.tMS, &h.n, &h.min, &h.max, &h.sum); err != nil {
			return nil, err
		}
		h.scaled = h.sum * downscale
		all = append(all, h)
	}
	return all, rows.Err()
}

// sumAgain finds the sums of hours that are beyond a float64 from their chunks, as far as these are there.
func (m *moment) sumAgain(s *Store, series int64, hours []hourSum) error {
	for i := range hours {
		h := &hours[i]
		if h.known() {
			continue
		}
		b := newBuckets(h.tMS, h.tMS+hourMS-1, hourMS, s.damaged(series))
		for from := h.tMS; from < h.tMS+hourMS; {
			w, err := m.window(s, series, from, h.tMS+hourMS-1, needReadings)
			if err != nil {
				return err
			}
			w.head = memoryView{}
			if err := b.add(&w); err != nil {
				return err
			}
			from = w.toMS + 1
		}
		if b.all[0].n == h.n {
			h.sums = b.all[0]
		}
	}
	return nil
}

// hoursPage is how many hours one read transaction reads.
const hoursPage = 10_000

const sqlHours = `SELECT t_ms, n, vmin, vmax, vsum FROM hour WHERE series_id = ?1 AND t_ms BETWEEN ?2 AND ?3 ORDER BY t_ms LIMIT ?4`

// walkHours calls fn for windows of whole hours that make up a span, oldest first; their chunks are left out.
func (s *Store) walkHours(ctx context.Context, series, fromMS, toMS int64, fn func(w *window) error) error {
	for fromMS <= toMS {
		if err := ctx.Err(); err != nil {
			return err
		}
		w := window{fromMS: fromMS, toMS: toMS}
		err := s.at(ctx, func(m *moment) (err error) {
			w.head = m.head.series[0]
			if w.hours, err = readHours(m.rows(sqlHours, series, fromMS, toMS, hoursPage)); err != nil {
				return err
			}
			return m.sumAgain(s, series, w.hours)
		}, series)
		if err != nil {
			return err
		}
		if n := len(w.hours); n == hoursPage {
			w.toMS = w.hours[n-1].tMS + hourMS - 1
		}
		if err := fn(&w); err != nil {
			return err
		}
		fromMS = w.toMS + 1
	}
	return nil
}
