package salvage

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/telltale-iot/telltale/hub/internal/store/check"
	"github.com/telltale-iot/telltale/hub/internal/store/pack"
)

const hourColumns = 7

// readHour reads a row of the hourly values; series 0 = of any.
func readHour(series int64, r []any) (tMS int64, h check.Hour, ok bool) {
	if len(r) != hourColumns {
		return 0, h, false
	}
	id, ok1 := r[0].(int64)
	tMS, ok2 := r[1].(int64)
	n, ok3 := r[2].(int64)
	minutes, ok4 := r[6].(int64)
	var real [3]float64
	for i := range real {
		switch x := r[3+i].(type) {
		case float64:
			real[i] = x
		case int64: // as SQLite keeps whole ones
			real[i] = float64(x)
		default:
			return 0, h, false
		}
	}
	h = check.Hour{N: n, Min: real[0], Max: real[1], Sum: real[2], Minutes: minutes}
	return tMS, h, ok1 && ok2 && ok3 && ok4 && (series == 0 || id == series) && n > 0 && h.Min <= h.Max && tMS%check.HourMS == 0
}

const setHour = `INSERT OR REPLACE INTO hour (series_id, t_ms, n, vmin, vmax, vsum, minutes) VALUES (?, ?, ?, ?, ?, ?, ?)`

// hours keeps the hourly values, makes those anew that the readings show to be wrong, and finds readings missing that they have counted.
func (j *job) hours(ctx context.Context) error {
	st, err := j.tx.PrepareContext(ctx, setHour)
	if err != nil {
		return err
	}
	defer func() { _ = st.Close() }()
	var broken error
	bad := 0
	bad += j.each("hour", func(_ int64, r []any) {
		if _, _, ok := readHour(0, r); !ok {
			bad++
		} else if _, err := st.ExecContext(ctx, r...); err != nil {
			broken = err
		}
	})
	if broken != nil {
		return broken
	}
	if bad > 0 {
		j.add(check.Finding{What: "hourly values are damaged; those whose readings are still there were made anew, some of older times may be lost"})
	}
	for _, series := range slices.Sorted(maps.Keys(j.series)) {
		if err := j.hoursOf(ctx, series); err != nil {
			return err
		}
	}
	return nil
}

// hoursOf compares the hours of a series with the chunks that were kept.
func (j *job) hoursOf(ctx context.Context, series int64) error {
	want, first, err := j.fromChunks(ctx, series)
	if err != nil || len(want) == 0 {
		return err
	}
	rows, err := j.tx.QueryContext(ctx, `SELECT t_ms, n, vmin, vmax, vsum, minutes FROM hour WHERE series_id = ?1`, series)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var t int64
		var got check.Hour
		if err := rows.Scan(&t, &got.N, &got.Min, &got.Max, &got.Sum, &got.Minutes); err != nil {
			return err
		}
		w := want[t]
		if t > first && (w == nil || got.N > w.N) {
			n := got.N
			if w != nil {
				n -= w.N
			}
			if !j.told(series, t, t+check.HourMS-1) {
				j.lost(series, t, t+check.HourMS-1, fmt.Sprintf("%d readings are missing: the hourly value has counted them", n))
			}
		}
		if w != nil && (got.Covers(w) && got.N > w.N || w.Differs(&got) == "") {
			delete(want, t) // the row says as much as the readings, or more
		}
	}
	if err := rows.Err(); err != nil {
		return err
	}
	for t, h := range want {
		if _, err := j.tx.ExecContext(ctx, setHour, series, t, h.N, h.Min, h.Max, h.Sum, h.Minutes); err != nil {
			return err
		}
	}
	return nil
}

// told reports whether a loss was told that touches a span of a series.
func (j *job) told(series, fromMS, toMS int64) bool {
	n := j.series[series]
	return slices.ContainsFunc(j.report.Lost, func(f check.Finding) bool {
		return f.Device == j.devices[n.device] && f.Channel == n.channel && f.FromMS <= toMS && f.ToMS >= fromMS && f.FromMS != 0
	})
}

// fromChunks adds up the hours of a series anew; first is the oldest hour that has readings one by one.
func (j *job) fromChunks(ctx context.Context, series int64) (want map[int64]*check.Hour, first int64, err error) {
	rows, err := j.tx.QueryContext(ctx, `SELECT t0_ms, data FROM chunk WHERE series_id = ?1 ORDER BY t0_ms`, series)
	if err != nil {
		return nil, 0, err
	}
	defer rows.Close()
	want, first = map[int64]*check.Hour{}, highest
	var b pack.Block
	for rows.Next() {
		var t int64
		var data []byte
		if err := rows.Scan(&t, &data); err != nil {
			return nil, 0, err
		}
		if err := pack.Decode(&b, data); err != nil {
			return nil, 0, err
		}
		first = min(first, t-(t%check.HourMS+check.HourMS)%check.HourMS)
		check.AddHours(want, &b)
	}
	return want, first, rows.Err()
}
