package store

import (
	"context"
	"fmt"
	"time"

	"github.com/telltale-iot/telltale/hub/internal/store/pack"
)

const (
	// legacyPage is how many rows of readings one transaction packs: ten chunks, tens of milliseconds.
	legacyPage = 10 * chunkReadings
	// legacyTell is how often the log says how far the packing is.
	legacyTell = 5 * time.Second
)

const (
	sqlLegacySeries = `SELECT series_id FROM reading ORDER BY series_id LIMIT 1`
	sqlLegacyRows   = `SELECT t_ms, epoch_id, seq, n, value, quality, time_quality FROM reading WHERE series_id = ?1
	ORDER BY t_ms, epoch_id, seq, n LIMIT ?2`
	sqlDropLegacy = `DELETE FROM reading WHERE series_id = ?1 AND (t_ms, epoch_id, seq, n) <= (?2, ?3, ?4, ?5)`
)

// packLegacy packs the readings that an older version kept one by one in rows, and deletes the rows in the same transactions: killed in
// the middle it goes on at the next start, and nothing is lost or there twice. any: there were some. Held by
// TestRowsOfAnOlderVersionArePacked.
func (w *writer) packLegacy(ctx context.Context) (any bool, err error) {
	began, told := time.Now(), time.Now()
	total := 0
	for {
		n, err := w.legacyStep(legacyPage)
		if err != nil {
			return total > 0, fmt.Errorf("pack the readings of an older version: %w", inWords(err))
		}
		if n == 0 {
			break
		}
		if total += n; time.Since(told) > legacyTell {
			told = time.Now()
			w.log.Info("packing the readings that an older version stored; this is done once", "count", total)
		}
		if err := ctx.Err(); err != nil {
			return true, err
		}
	}
	if total > 0 {
		w.log.Info("the readings of an older version are packed", "count", total, "took", time.Since(began))
	}
	return total > 0, nil
}

// legacyStep packs at most limit rows of one series; 0 = there are none.
func (w *writer) legacyStep(limit int) (n int, err error) {
	return n, w.conn.inTx(func() error {
		var series int64
		if err := w.conn.row(sqlLegacySeries).Scan(&series); err != nil {
			if isNoRows(err) {
				return nil
			}
			return err
		}
		last, err := w.legacyRows(series, limit)
		if err != nil {
			return err
		}
		n = len(w.packer.points)
		if err := w.packer.pack(w.conn, series); err != nil {
			return err
		}
		return w.conn.exec(sqlDropLegacy, series, last[0], last[1], last[2], last[3])
	})
}

// legacyRows reads rows into the packer and returns the key of the last one.
func (w *writer) legacyRows(series int64, limit int) (last [4]int64, err error) {
	w.packer.points = w.packer.points[:0]
	rows, err := w.conn.rows(sqlLegacyRows, series, limit)
	if err != nil {
		return last, err
	}
	defer rows.Close()
	for rows.Next() {
		var value any
		var quality, time uint8
		if err := rows.Scan(&last[0], &last[1], &last[2], &last[3], &value, &quality, &time); err != nil {
			return last, err
		}
		p, err := legacyPoint(value, quality, time)
		if err != nil {
			return last, err
		}
		p.tMS = last[0]
		w.packer.points = append(w.packer.points, p)
	}
	return last, rows.Err()
}

// legacyPoint reads a value whose storage class is its type.
func legacyPoint(value any, quality, time uint8) (point, error) {
	v, err := valueFromSQL(value)
	if err != nil {
		return point{}, err
	}
	p := point{kind: pack.Numbers, mark: pack.NewMark(quality, time, v.IsNull()), text: v.Str()}
	p.num, _ = v.Float()
	switch value.(type) {
	case int64:
		p.kind = pack.Bools
	case string, []byte:
		p.kind = pack.Texts
	}
	return p, nil
}
