package store

import (
	"context"
	"database/sql"
	"fmt"
	"math"

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
	// scanPage is how many readings one read transaction passes: a reader that stays inside one keeps the WAL from being used again.
	scanPage = 20_000
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
// otherwise exact min, max, mean and count per bucket; buckets are BucketMS wide, begin at FromMS, and empty ones are absent. Readings
// without a value are no points. States (bools, strings): the changes, after the value that held at FromMS; null = not known from
// there on. When there are more than Points changes, each bucket keeps its first and its last one, so that a short change is still seen.
// Gaps: those that touch the span, the newest MaxHistoryGaps of them.
//
// CompleteToMS is left to whoever knows the device's backlog. Errors: *schema.Problem for a query that cannot be answered (unknown
// device or channel, bounds); ctx's error when it ends first. Held by TestHistoryBucketsAreExact.
func (s *Store) History(ctx context.Context, device string, q HistoryQuery) (schema.History, error) {
	if p := q.check(); p != nil {
		return schema.History{}, p
	}
	h := schema.History{FromMS: q.FromMS, ToMS: q.ToMS, Series: []schema.HistorySeries{}}
	sources, err := s.sources(ctx, device, q.Channels)
	if err != nil {
		return h, err
	}
	raw := true
	for _, src := range sources {
		if src.states || src.id == 0 || !raw {
			continue
		}
		if raw, err = s.fits(ctx, src.id, q); err != nil {
			return h, fmt.Errorf("history device=%s: %w", device, err)
		}
	}
	if !raw {
		h.BucketMS = bucketWidth(q.ToMS-q.FromMS+1, int64(q.Points))
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

// bucketWidth returns the least width in ms, at least 1, that needs at most points buckets for a span.
func bucketWidth(spanMS, points int64) int64 { return max(1, (spanMS+points-1)/points) }

// source is where a channel's readings lie.
type source struct {
	channel string
	id      int64 // series.id; 0 = no reading was ever stored
	states  bool  // bools or strings
}

const (
	sqlSeriesOf = `SELECT s.id FROM device d JOIN series s ON s.device_id = d.id WHERE d.device_id = ?1 AND s.channel = ?2`
	sqlTypeOf   = `SELECT typeof(value) FROM reading WHERE series_id = ?1 ORDER BY t_ms DESC, epoch_id DESC, seq DESC, n DESC LIMIT 64`
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

// holdsStates looks at the newest readings of a series that nobody describes.
func (s *Store) holdsStates(ctx context.Context, series int64) (bool, error) {
	rows, err := s.read.QueryContext(ctx, sqlTypeOf, series)
	if err != nil {
		return false, err
	}
	defer rows.Close()
	for rows.Next() {
		var class string
		if err := rows.Scan(&class); err != nil {
			return false, err
		}
		if class != "null" {
			return class != "real", nil
		}
	}
	return false, rows.Err()
}

const sqlCountUpTo = `SELECT count(*) FROM (SELECT 1 FROM reading WHERE series_id = ?1 AND t_ms BETWEEN ?2 AND ?3 LIMIT ?4)`

// fits reports whether the span has at most q.Points readings of a series.
func (s *Store) fits(ctx context.Context, series int64, q HistoryQuery) (bool, error) {
	var n int
	err := s.read.QueryRowContext(ctx, sqlCountUpTo, series, q.FromMS, q.ToMS, q.Points+1).Scan(&n)
	return n <= q.Points, err
}

func (s *Store) seriesHistory(ctx context.Context, src source, q HistoryQuery, bucketMS int64) (schema.HistorySeries, error) {
	if !src.states {
		b := buckets{fromMS: q.FromMS, width: bucketMS}
		err := s.scan(ctx, src.id, q.FromMS, q.ToMS, b.add)
		return b.result(src.channel), err
	}
	c := changes{fromMS: q.FromMS, points: q.Points, spanMS: q.ToMS - q.FromMS + 1}
	before, known, err := s.stateBefore(ctx, src.id, q.FromMS)
	if err != nil {
		return schema.HistorySeries{}, err
	}
	if known {
		c.add(q.FromMS, before)
	}
	err = s.scan(ctx, src.id, q.FromMS, q.ToMS, c.add)
	return c.result(src.channel), err
}

const sqlStateBefore = `SELECT value FROM reading WHERE series_id = ?1 AND t_ms < ?2
	ORDER BY t_ms DESC, epoch_id DESC, seq DESC, n DESC LIMIT 1`

func (s *Store) stateBefore(ctx context.Context, series, ms int64) (v schema.Value, known bool, err error) {
	var x any
	err = s.read.QueryRowContext(ctx, sqlStateBefore, series, ms).Scan(&x)
	if isNoRows(err) {
		return v, false, nil
	}
	if err != nil {
		return v, false, err
	}
	v, err = valueFromSQL(x)
	return v, true, err
}

const sqlScan = `SELECT t_ms, epoch_id, seq, n, value FROM reading
	WHERE series_id = ?1 AND t_ms <= ?2 AND (t_ms, epoch_id, seq, n) > (?3, ?4, ?5, ?6)
	ORDER BY t_ms, epoch_id, seq, n LIMIT ?7`

// scan calls fn for every reading of a series in a span, in order. It reads page by page, each in a read transaction of its own, and
// looks at ctx in between.
func (s *Store) scan(ctx context.Context, series, fromMS, toMS int64, fn func(tMS int64, v schema.Value)) error {
	// The driver's own cancellation costs several times more per row than the row.
	plain := context.Background()
	stmt, err := s.read.PrepareContext(plain, sqlScan)
	if err != nil {
		return err
	}
	defer func() { _ = stmt.Close() }()
	last := [4]int64{fromMS - 1, math.MaxInt64, math.MaxInt64, math.MaxInt64}
	for n := s.page; n == s.page; {
		if err := ctx.Err(); err != nil {
			return err
		}
		rows, err := stmt.QueryContext(plain, series, toMS, last[0], last[1], last[2], last[3], s.page)
		if err != nil {
			return err
		}
		if n, err = scanRows(rows, &last, fn); err != nil {
			return err
		}
	}
	return nil
}

func scanRows(rows *sql.Rows, last *[4]int64, fn func(tMS int64, v schema.Value)) (n int, err error) {
	defer rows.Close()
	var x any
	for rows.Next() {
		if err := rows.Scan(&last[0], &last[1], &last[2], &last[3], &x); err != nil {
			return n, err
		}
		v, err := valueFromSQL(x)
		if err != nil {
			return n, err
		}
		fn(last[0], v)
		n++
	}
	return n, rows.Err()
}
