package store

import (
	"context"
	"errors"
	"fmt"
)

const (
	// purgeRows is how many hours or events one transaction of a purge deletes: tens of milliseconds, so that fresh readings hardly wait.
	purgeRows = 5000
	// purgeChunks is how many chunks it deletes.
	purgeChunks = 200
)

const (
	sqlForget     = `UPDATE device SET device_id = NULL WHERE device_id = ?1`
	sqlForgotten  = `SELECT id FROM device WHERE device_id IS NULL ORDER BY id LIMIT 1`
	sqlSomeSeries = `SELECT id FROM series WHERE device_id = ?1 LIMIT 1`
	sqlPurge      = `DELETE FROM chunk WHERE id IN (SELECT id FROM chunk WHERE series_id = ?1 ORDER BY t0_ms LIMIT ?2)`
	sqlDropSeries = `DELETE FROM series WHERE id = ?1`

	sqlPurgeHoursEnd = `SELECT max(t_ms) FROM (SELECT t_ms FROM hour WHERE series_id = ?1 ORDER BY t_ms LIMIT ?2)`
	sqlPurgeHours    = `DELETE FROM hour WHERE series_id = ?1 AND t_ms <= ?2`

	sqlPurgeEventsEnd = `SELECT max(t_ms) FROM (SELECT t_ms FROM event WHERE device_id = ?1 ORDER BY t_ms LIMIT ?2)`
	sqlPurgeEvents    = `DELETE FROM event WHERE device_id = ?1 AND t_ms <= ?2`
)

// dropRest deletes what a device without series and events still has, its own row last.
func dropRest() []string {
	return []string{
		`DELETE FROM command_last WHERE device_id = ?1`,
		`DELETE FROM command_step WHERE command_id IN (SELECT id FROM command WHERE device_id = ?1)`,
		`DELETE FROM command WHERE device_id = ?1`,
		`DELETE FROM gap WHERE device_id = ?1`,
		`DELETE FROM received WHERE epoch_id IN (SELECT id FROM epoch WHERE device_id = ?1)`,
		`DELETE FROM epoch WHERE device_id = ?1`,
		`DELETE FROM boot WHERE device_id = ?1`,
		`DELETE FROM device WHERE id = ?1`,
	}
}

// ForgetDevice deletes a device with everything it measured and everything that was asked of it.
//
// It returns once the device is gone from all answers; its rows are deleted afterwards in small steps, also across a restart. Its key
// and its id are free at once. Error: ErrUnknownDevice.
func (s *Store) ForgetDevice(ctx context.Context, id string) error {
	err := s.writer.do(ctx, func(w *writer) error {
		delete(w.known, id) // frames of this commit that come later find no device
		w.purgeAfter = true
		return w.update(id, sqlForget, id)
	})
	if err != nil {
		return fmt.Errorf("forget: %w", err)
	}
	s.purging.Go(s.purgeForgotten)
	return nil
}

// anyForgotten reports whether an earlier process did not finish.
func (s *Store) anyForgotten(ctx context.Context) (bool, error) {
	var id int64
	err := s.read.QueryRowContext(ctx, sqlForgotten).Scan(&id)
	if isNoRows(err) {
		return false, nil
	}
	return err == nil, err
}

// errSealFirst is returned by purgeStep while the ring may hold readings of a forgotten device.
var errSealFirst = errors.New("the log must be packed first")

// purgeForgotten deletes the rows of forgotten devices step by step until none is left, a step fails or the store closes. What the ring
// holds of them is packed first and deleted with the rest: a later start would find it in the ring, and new rows may get the old ids.
func (s *Store) purgeForgotten() {
	ctx := context.Background()
	for more := true; more; {
		err := s.writer.do(ctx, func(w *writer) error {
			var err error
			more, err = w.purgeStep()
			return err
		})
		if errors.Is(err, errSealFirst) {
			more, err = true, s.Seal(ctx)
		}
		if err != nil {
			s.log.Warn("deleting a forgotten device goes on at the next start", "err", err)
			return
		}
	}
}

// purgeStep deletes a bounded piece of one forgotten device; more = call again.
func (w *writer) purgeStep() (more bool, err error) {
	var device, series int64
	if err := w.conn.row(sqlForgotten).Scan(&device); err != nil {
		if isNoRows(err) {
			return w.giveBack()
		}
		return false, err
	}
	if w.purgeAfter {
		return true, errSealFirst
	}
	err = w.conn.row(sqlSomeSeries, device).Scan(&series)
	if err == nil {
		return true, w.purgeSeries(series)
	}
	if !isNoRows(err) {
		return false, err
	}
	var end *int64
	if err := w.conn.row(sqlPurgeEventsEnd, device, purgeRows).Scan(&end); err != nil {
		return false, err
	}
	if end != nil {
		return true, w.conn.exec(sqlPurgeEvents, device, *end)
	}
	for _, query := range dropRest() {
		if err := w.conn.exec(query, device); err != nil {
			return false, err
		}
	}
	return true, nil
}

// purgeSeries deletes some chunks of a series; when there are none some hours; when there are none the series.
func (w *writer) purgeSeries(series int64) error {
	r, err := w.conn.run(sqlPurge, series, purgeChunks)
	if err != nil {
		return err
	}
	if n, err := r.RowsAffected(); err != nil || n > 0 {
		return err
	}
	var end *int64
	if err := w.conn.row(sqlPurgeHoursEnd, series, purgeRows).Scan(&end); err != nil {
		return err
	}
	if end != nil {
		return w.conn.exec(sqlPurgeHours, series, *end)
	}
	return w.conn.exec(sqlDropSeries, series)
}

// giveBack returns some of the file's empty pages to the disk, a MiB; more = call again.
func (w *writer) giveBack() (more bool, err error) {
	var before, after int
	if err := w.conn.row(`PRAGMA freelist_count`).Scan(&before); err != nil || before == 0 {
		return false, err
	}
	if err := w.vacuumSome(); err != nil {
		return false, err
	}
	err = w.conn.row(`PRAGMA freelist_count`).Scan(&after)
	return after > 0 && after < before, err // a repaired file may not be able to
}

// vacuumSome gives 256 pages back: each step of the statement frees one.
func (w *writer) vacuumSome() error {
	rows, err := w.conn.rows(`PRAGMA incremental_vacuum(256)`)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
	}
	return rows.Err()
}
