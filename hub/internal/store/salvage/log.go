package salvage

import (
	"context"
	"slices"
	"strconv"

	"github.com/telltale-iot/telltale/hub/internal/store/check"
	"github.com/telltale-iot/telltale/hub/internal/store/pack"
	"github.com/telltale-iot/telltale/hub/internal/store/ring"
)

// log moves the slots whose readings are not packed yet into the new store's log. When it is opened it sees for itself which are missing.
func (j *job) log(ctx context.Context) error {
	var places int64
	if err := j.tx.QueryRowContext(ctx, `SELECT count(*) FROM ring`).Scan(&places); err != nil {
		return err
	}
	slots := map[int64][]byte{}
	j.each("ring", func(id int64, r []any) {
		if data, ok := r[len(r)-1].([]byte); ok && len(r) == 2 && id >= 0 {
			slots[id] = data
		}
	})
	flushed, err := j.position(ctx, slots)
	if err != nil {
		return err
	}
	l := check.NewLog(flushed)
	for place, data := range slots {
		l.Slot(place, data)
	}
	for _, s := range l.Live() {
		data := s.Append(nil)
		if _, err := j.tx.ExecContext(ctx, `UPDATE ring SET data = ?2 WHERE slot = ?1`, int64(s.Number%uint64(places)), data); err != nil {
			return err
		}
	}
	_, err = j.tx.ExecContext(ctx, `INSERT OR REPLACE INTO meta (name, value) VALUES ('flushed', ?1)`, strconv.FormatUint(flushed, 10))
	return err
}

// position returns up to which slot the readings are packed. If the store no longer says it, it is the newest slot of which a reading is in a chunk.
func (j *job) position(ctx context.Context, slots map[int64][]byte) (uint64, error) {
	if j.flushed != nil {
		return *j.flushed, nil
	}
	if t := j.survey.Trees["meta"]; t != nil && t.Whole() {
		return 0, nil // nothing was ever packed
	}
	j.add(check.Finding{What: "the log's position is lost; it was found by looking for the log's readings among the packed ones"})
	newest := uint64(0)
	for _, data := range slots {
		s, err := ring.DecodeSlot(data)
		if err != nil || s.Number <= newest {
			continue
		}
		packed := false
		var broken error
		err = s.Frames(func(*ring.Frame) error { return broken }, func(_ *ring.Frame, r *ring.Run) {
			if !packed && broken == nil && r.Len() > 0 {
				packed, broken = j.packed(ctx, r.Series, r.TMS[0])
			}
		})
		if broken != nil {
			return 0, broken
		}
		if err == nil && packed {
			newest = s.Number
		}
	}
	return newest, nil
}

// packed reports whether a series has a packed reading at a time.
func (j *job) packed(ctx context.Context, series, tMS int64) (found bool, err error) {
	rows, err := j.tx.QueryContext(ctx, `SELECT data FROM chunk WHERE series_id = ?1 AND t0_ms <= ?2 AND t1_ms >= ?2`, series, tMS)
	if err != nil {
		return false, err
	}
	defer rows.Close()
	var b pack.Block
	for rows.Next() {
		var data []byte
		if err := rows.Scan(&data); err != nil {
			return false, err
		}
		found = found || pack.Decode(&b, data) == nil && slices.Contains(b.TMS, tMS)
	}
	return found, rows.Err()
}
