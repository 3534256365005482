package store

import (
	"context"
	"fmt"
	"slices"

	"github.com/telltale-iot/telltale/hub/internal/store/pack"
	"github.com/telltale-iot/telltale/schema"
)

const (
	// MaxHistoryChannels bounds the channels of one query.
	MaxHistoryChannels = 32
	// MaxHistoryPoints bounds the points per channel: more than any screen has pixels across.
	MaxHistoryPoints = 4000
	// DefaultHistoryPoints is for a query that does not say.
	DefaultHistoryPoints = 1000
	// MaxHistoryGaps bounds the gaps that one answer carries.
	MaxHistoryGaps = 1000
)

// HistoryQuery asks for the history of some channels of one device.
type HistoryQuery struct {
	Channels []string // wire ids, 1 to MaxHistoryChannels
	FromMS   int64    // first ms, Unix ms
	ToMS     int64    // last ms, Unix ms
	Points   int      // most points per channel, 1 to MaxHistoryPoints; 0 = DefaultHistoryPoints
}

// History returns what channels measured from FromMS to ToMS, both included.
//
// Numbers: when every channel has at most Points readings, all of them (BucketMS 0; mean, min and max are the value, count is 1),
// otherwise exact min, max, mean and count per bucket of what lies in the span; buckets are BucketMS wide, begin at multiples of it since 1970, so that
// they stay where they are while a chart moves, and empty ones are absent: at most Points+1 of them. From an hour up BucketMS is whole hours.
// Where readings one by one were deleted, the hour's sums stand at its beginning. Readings without a value are no points.
// States (bools, strings): the changes, after the value that held at FromMS; null = not known from
// there on. When there are more than Points changes, each bucket keeps its first and its last one, so that a short change is still seen.
// Gaps: those that touch the span, the newest MaxHistoryGaps of them.
//
// CompleteToMS is left to whoever knows the device's backlog. Errors: *schema.Problem for a query that cannot be answered (unknown
// device or channel, bounds); ctx's error when it ends first. Held by TestHistoryBucketsAreExact, TestEverythingStoredIsReadBack.
func (s *Store) History(ctx context.Context, device string, q HistoryQuery) (schema.History, error) {
	if p := q.check(); p != nil {
		return schema.History{}, p
	}
	h := schema.History{FromMS: q.FromMS, ToMS: q.ToMS, Series: []schema.HistorySeries{}}
	sources, err := s.sources(ctx, device, q.Channels)
	if err != nil {
		return h, err
	}
	if h.BucketMS, err = s.bucketMS(ctx, sources, q); err != nil {
		return h, fmt.Errorf("history device=%s: %w", device, err)
	}
	for _, src := range sources {
		series := schema.HistorySeries{Ch: src.channel, TMS: []int64{}}
		if src.id != 0 {
			if series, err = s.seriesHistory(ctx, src, q, h.BucketMS); err != nil {
				return h, fmt.Errorf("history device=%s channel=%s: %w", device, src.channel, err)
			}
		}
		h.Series = append(h.Series, series)
	}
	h.Gaps, err = s.Gaps(ctx, device, q.FromMS, q.ToMS)
	return h, err
}

func (q *HistoryQuery) check() *schema.Problem {
	if q.Points == 0 {
		q.Points = DefaultHistoryPoints
	}
	const year3000 = 32_503_680_000_000 // keeps sums of times far from overflow, Unix ms
	switch {
	case len(q.Channels) == 0 || len(q.Channels) > MaxHistoryChannels:
		return schema.Problemf(schema.CodeOutOfRange, "ask for 1 to %d channels, not %d", MaxHistoryChannels, len(q.Channels))
	case q.Points < 1 || q.Points > MaxHistoryPoints:
		return schema.Problemf(schema.CodeOutOfRange, "ask for 1 to %d points, not %d", MaxHistoryPoints, q.Points)
	case q.FromMS < 0 || q.ToMS > year3000 || q.FromMS > q.ToMS:
		return schema.Problemf(schema.CodeOutOfRange, "from must not be after to, and both are Unix ms before the year 3000")
	}
	return nil
}

// bucketWidth returns the least width in ms, at least 1, that needs at most points buckets for a span, and one more where they do not begin with
// it; from an hour up whole hours.
func bucketWidth(spanMS, points int64) int64 {
	width := max(1, (spanMS+points-1)/points)
	if width > hourMS {
		width = (width + hourMS - 1) / hourMS * hourMS
	}
	return width
}

// bucketMS chooses the buckets of numbers: 0 when every channel has few enough readings.
func (s *Store) bucketMS(ctx context.Context, sources []source, q HistoryQuery) (int64, error) {
	few, stored, lost := true, false, false
	for _, src := range sources {
		if src.states || src.id == 0 {
			continue
		}
		n, some, err := s.countUpTo(ctx, src.id, q)
		if err != nil {
			return 0, err
		}
		few, stored, lost = few && n <= q.Points, stored || n > 0, lost || some
	}
	width := bucketWidth(q.ToMS-q.FromMS+1, int64(q.Points))
	switch {
	case few && !lost:
		return 0, nil
	case !stored && width < hourMS: // nothing finer is left of any
		return hourMS, nil
	}
	return width, nil
}

// source is where a channel's readings lie.
type source struct {
	channel string
	id      int64 // series.id; 0 = no reading was ever stored
	states  bool  // bools or strings
}

const (
	sqlSeriesOf = `SELECT s.id FROM device d JOIN series s ON s.device_id = d.id WHERE d.device_id = ?1 AND s.channel = ?2`
	sqlKindOf   = `SELECT kind FROM chunk WHERE series_id = ?1 AND n_values > 0 ORDER BY t0_ms DESC, id DESC LIMIT 1`
)

// sources finds the channels of a query. A channel that has readings can be asked for even when the device no longer describes it.
func (s *Store) sources(ctx context.Context, device string, channels []string) ([]source, error) {
	d, ok, err := s.Device(ctx, device)
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, schema.Problemf(schema.CodeUnknownDevice, "there is no device %q", device)
	}
	all := make([]source, 0, len(channels))
	for _, ch := range channels {
		src := source{channel: ch}
		err := s.read.QueryRowContext(ctx, sqlSeriesOf, device, ch).Scan(&src.id)
		if err != nil && !isNoRows(err) {
			return nil, fmt.Errorf("series device=%s channel=%s: %w", device, ch, err)
		}
		var c *schema.Channel
		if d.Descriptor != nil {
			_, c = d.Descriptor.Channel(ch)
		}
		switch {
		case c != nil:
			src.states = c.Type != schema.TypeNumber
		case src.id == 0:
			return nil, schema.Problemf(schema.CodeUnknownTarget, "device %s has no channel %q", device, ch)
		default:
			if src.states, err = s.holdsStates(ctx, src.id); err != nil {
				return nil, err
			}
		}
		all = append(all, src)
	}
	return all, nil
}

// holdsStates looks at the newest values of a series that nobody describes.
func (s *Store) holdsStates(ctx context.Context, series int64) (states bool, err error) {
	err = s.at(ctx, func(m *moment) error {
		kind := pack.Kind(0)
		m.head.series[0].each(func(r *room, n int) {
			if slices.ContainsFunc(r.mark[:n], func(x pack.Mark) bool { return !x.Null() }) {
				kind = r.kind
			}
		})
		if kind == 0 {
			if err := m.row(sqlKindOf, series).Scan(&kind); err != nil && !isNoRows(err) {
				return err
			}
		}
		states = kind == pack.Bools || kind == pack.Texts
		return nil
	}, series)
	return states, err
}

const sqlChunkCounts = `SELECT t0_ms, t1_ms, n, CASE WHEN t0_ms >= ?2 AND t1_ms <= ?3 THEN NULL ELSE data END FROM chunk
	WHERE series_id = ?1 AND t0_ms >= coalesce((SELECT max(t0_ms) FROM chunk WHERE series_id = ?1 AND t0_ms < ?2), ?2)
	AND t0_ms <= ?3 AND t1_ms >= ?2 ORDER BY t0_ms, id`

// countUpTo counts the readings of a span, to some number above q.Points when there are more. lost: hours of it have lost theirs.
func (s *Store) countUpTo(ctx context.Context, series int64, q HistoryQuery) (n int, lost bool, err error) {
	err = s.at(ctx, func(m *moment) error {
		n = 0
		m.head.series[0].each(func(r *room, count int) {
			for _, t := range r.tMS[:count] {
				if t >= q.FromMS && t <= q.ToMS {
					n++
				}
			}
		})
		if err := m.countChunks(series, q, &n); err != nil || n > q.Points {
			return err
		}
		hours, err := m.lostHours(series, q.FromMS, q.ToMS)
		lost = len(hours) > 0
		return err
	}, series)
	return n, lost, err
}

// countChunks adds the readings of a span's chunks to n until it is above q.Points.
func (m *moment) countChunks(series int64, q HistoryQuery, n *int) error {
	rows, err := m.rows(sqlChunkCounts, series, q.FromMS, q.ToMS)
	if err != nil {
		return err
	}
	defer rows.Close()
	var block pack.Block
	for rows.Next() && *n <= q.Points {
		var t0, t1 int64
		var count int
		var data []byte
		if err := rows.Scan(&t0, &t1, &count, &data); err != nil {
			return err
		}
		if data == nil {
			*n += count
			continue
		}
		if pack.Decode(&block, data) == nil {
			for _, t := range block.TMS {
				if t >= q.FromMS && t <= q.ToMS {
					*n++
				}
			}
		}
	}
	return rows.Err()
}

func (s *Store) seriesHistory(ctx context.Context, src source, q HistoryQuery, bucketMS int64) (schema.HistorySeries, error) {
	switch {
	case src.states:
		return s.stateHistory(ctx, src, q)
	case bucketMS == 0:
		return s.rawHistory(ctx, src, q)
	}
	b := newBuckets(q.FromMS, q.ToMS, bucketMS, s.damaged(src.id))
	first, end := q.FromMS, q.ToMS // of what is decoded
	if bucketMS >= hourMS {
		hours, endHours := floor(q.FromMS+hourMS-1, hourMS), floor(q.ToMS+1, hourMS) // the whole hours of the span
		if hours < endHours {
			if err := s.walkHours(ctx, src.id, hours, endHours-1, b.add); err != nil {
				return schema.HistorySeries{}, err
			}
			if err := s.walk(ctx, src.id, endHours, end, bucketMS, b.add); err != nil {
				return schema.HistorySeries{}, err
			}
			end = hours - 1
		}
	}
	err := s.walk(ctx, src.id, first, end, bucketMS, b.add)
	return b.result(src.channel), err
}

// rawHistory returns every number.
func (s *Store) rawHistory(ctx context.Context, src source, q HistoryQuery) (schema.HistorySeries, error) {
	h := schema.HistorySeries{Ch: src.channel, TMS: []int64{}}
	err := s.scan(ctx, src.id, q.FromMS, q.ToMS, needReadings, func(p *point) error {
		if p.kind == pack.Numbers && !p.mark.Null() {
			x := p.num
			h.TMS, h.Count = append(h.TMS, p.tMS), append(h.Count, 1)
			h.Min, h.Max, h.Mean = append(h.Min, x), append(h.Max, x), append(h.Mean, x)
		}
		return nil
	})
	return h, err
}

// stateHistory returns the changes.
func (s *Store) stateHistory(ctx context.Context, src source, q HistoryQuery) (schema.HistorySeries, error) {
	c := changes{fromMS: q.FromMS, points: q.Points, spanMS: q.ToMS - q.FromMS + 1}
	before, known, err := s.newest(ctx, src.id, q.FromMS)
	if err != nil {
		return schema.HistorySeries{}, err
	}
	if known {
		c.add(q.FromMS, before.value())
	}
	err = s.scan(ctx, src.id, q.FromMS, q.ToMS, needStates, func(p *point) error { c.add(p.tMS, p.value()); return nil })
	return c.result(src.channel), err
}

// scan calls fn for every reading of a series in a span, in order. need as in walk: readings or states.
func (s *Store) scan(ctx context.Context, series, fromMS, toMS, need int64, fn func(p *point) error) error {
	var buf []point
	var block pack.Block
	return s.walk(ctx, series, fromMS, toMS, need, func(w *window) error {
		buf = w.points(buf, &block, s.damaged(series))
		for i := range buf {
			if err := fn(&buf[i]); err != nil {
				return err
			}
		}
		return nil
	})
}
