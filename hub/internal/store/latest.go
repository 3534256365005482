package store

import (
	"context"
	"fmt"
	"math"

	"github.com/telltale-iot/telltale/hub/internal/store/pack"
	"github.com/telltale-iot/telltale/schema"
)

const (
	sqlSeriesList = `SELECT s.id, s.channel FROM device d JOIN series s ON s.device_id = d.id WHERE d.device_id = ?1 ORDER BY s.channel`

	sqlChunkBefore = `SELECT id, t0_ms, t1_ms, n, data FROM chunk WHERE series_id = ?1 AND t0_ms < ?2 ORDER BY t0_ms DESC, id DESC LIMIT ?3`
)

// Latest returns the newest reading of each channel of a device, by channel: what fills a room at the start. Offsets count from t0MS,
// Unix ms. No error for an unknown device: it has no series.
func (s *Store) Latest(ctx context.Context, device string) (t0MS int64, series []schema.LiveSeries, err error) {
	ids, channels, err := s.seriesList(ctx, device)
	if err != nil {
		return 0, nil, fmt.Errorf("latest device=%s: %w", device, err)
	}
	for i, id := range ids {
		p, ok, err := s.newest(ctx, id, math.MaxInt64)
		if err != nil {
			return 0, nil, fmt.Errorf("latest device=%s channel=%s: %w", device, channels[i], err)
		}
		if !ok {
			continue
		}
		ls := schema.LiveSeries{Ch: channels[i], DtMS: []int64{p.tMS}, V: schema.Values{p.value()}}
		if q := p.mark.Quality(); q != 0 {
			ls.Q = []schema.Quality{qualityFromSQL(int64(q))}
		}
		if tq := p.mark.Time(); tq != 0 {
			ls.Time = timeQualityFromSQL(int64(tq))
		}
		series = append(series, ls)
		t0MS = max(t0MS, p.tMS)
	}
	for i := range series {
		series[i].DtMS[0] -= t0MS
	}
	return t0MS, series, nil
}

// newest returns a series' newest reading before a time, Unix ms: of several at one ms the one that came last. False when there is none.
func (s *Store) newest(ctx context.Context, series, beforeMS int64) (p point, ok bool, err error) {
	err = s.at(ctx, func(m *moment) (err error) {
		p, ok, err = m.newestPacked(series, beforeMS, s.damaged(series))
		if q, in := m.head.series[0].newest(beforeMS); in && (!ok || q.tMS >= p.tMS) {
			p, ok = q, true
		}
		return err
	}, series)
	return p, ok, err
}

// newestPacked looks into the last chunk that begins before the time, or into the one before it when that is damaged, and so on.
func (m *moment) newestPacked(series, beforeMS int64, damaged func(c *chunk)) (p point, ok bool, err error) {
	const tries = 4
	rows, err := m.rows(sqlChunkBefore, series, beforeMS, tries)
	if err != nil {
		return p, false, err
	}
	defer rows.Close()
	var block pack.Block
	for rows.Next() {
		var c chunk
		if err := rows.Scan(&c.id, &c.t0MS, &c.t1MS, &c.readings, &c.data); err != nil {
			return p, false, err
		}
		if err := pack.Decode(&block, c.data); err != nil {
			damaged(&c)
			continue
		}
		if all := appendBlock(nil, &block, math.MinInt64, beforeMS-1); len(all) > 0 {
			return all[len(all)-1], true, nil
		}
	}
	return p, false, rows.Err()
}

// LastBefore returns the time of a device's newest reading before a time, both Unix ms; 0 when there is none.
func (s *Store) LastBefore(ctx context.Context, device string, ms int64) (int64, error) {
	ids, _, err := s.seriesList(ctx, device)
	if err != nil {
		return 0, fmt.Errorf("last reading device=%s: %w", device, err)
	}
	var newest int64
	for _, id := range ids {
		p, _, err := s.newest(ctx, id, ms)
		if err != nil {
			return 0, fmt.Errorf("last reading device=%s: %w", device, err)
		}
		newest = max(newest, p.tMS)
	}
	return newest, nil
}

func (s *Store) seriesList(ctx context.Context, device string) (ids []int64, channels []string, err error) {
	rows, err := s.read.QueryContext(ctx, sqlSeriesList, device)
	if err != nil {
		return nil, nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var id int64
		var ch string
		if err := rows.Scan(&id, &ch); err != nil {
			return nil, nil, err
		}
		ids, channels = append(ids, id), append(channels, ch)
	}
	return ids, channels, rows.Err()
}
