package store

import (
	"context"
	"fmt"

	"github.com/telltale-iot/telltale/schema"
)

const (
	sqlSeriesList = `SELECT s.id, s.channel FROM device d JOIN series s ON s.device_id = d.id WHERE d.device_id = ?1 ORDER BY s.channel`
	sqlNewest     = `SELECT t_ms, value, quality, time_quality FROM reading WHERE series_id = ?1
	ORDER BY t_ms DESC, epoch_id DESC, seq DESC, n DESC LIMIT 1`
	sqlNewestBefore = `SELECT t_ms FROM reading WHERE series_id = ?1 AND t_ms < ?2 ORDER BY t_ms DESC LIMIT 1`
)

// Latest returns the newest reading of each channel of a device, by channel: what fills a room at the start. Offsets count from t0MS,
// Unix ms. No error for an unknown device: it has no series.
func (s *Store) Latest(ctx context.Context, device string) (t0MS int64, series []schema.LiveSeries, err error) {
	ids, channels, err := s.seriesList(ctx, device)
	if err != nil {
		return 0, nil, fmt.Errorf("latest device=%s: %w", device, err)
	}
	for i, id := range ids {
		var tMS, q, tq int64
		var x any
		err := s.read.QueryRowContext(ctx, sqlNewest, id).Scan(&tMS, &x, &q, &tq)
		if isNoRows(err) {
			continue
		}
		if err != nil {
			return 0, nil, fmt.Errorf("latest device=%s channel=%s: %w", device, channels[i], err)
		}
		v, err := valueFromSQL(x)
		if err != nil {
			return 0, nil, fmt.Errorf("latest device=%s channel=%s: %w", device, channels[i], err)
		}
		ls := schema.LiveSeries{Ch: channels[i], DtMS: []int64{tMS}, V: schema.Values{v}}
		if q != 0 {
			ls.Q = []schema.Quality{qualityFromSQL(q)}
		}
		if tq != 0 {
			ls.Time = timeQualityFromSQL(tq)
		}
		series = append(series, ls)
		t0MS = max(t0MS, tMS)
	}
	for i := range series {
		series[i].DtMS[0] -= t0MS
	}
	return t0MS, series, nil
}

// LastBefore returns the time of a device's newest reading before a time, both Unix ms; 0 when there is none.
func (s *Store) LastBefore(ctx context.Context, device string, ms int64) (int64, error) {
	ids, _, err := s.seriesList(ctx, device)
	if err != nil {
		return 0, fmt.Errorf("last reading device=%s: %w", device, err)
	}
	var newest int64
	for _, id := range ids {
		var tMS int64
		err := s.read.QueryRowContext(ctx, sqlNewestBefore, id, ms).Scan(&tMS)
		if err != nil && !isNoRows(err) {
			return 0, fmt.Errorf("last reading device=%s: %w", device, err)
		}
		newest = max(newest, tMS)
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
