package store

import (
	"context"
	"fmt"
)

// purgeRows is how many readings or events one transaction of a purge deletes: tens of milliseconds, so that fresh readings hardly wait.
const purgeRows = 5000

const (
	sqlForget     = `UPDATE device SET device_id = NULL WHERE device_id = ?1`
	sqlForgotten  = `SELECT id FROM device WHERE device_id IS NULL ORDER BY id LIMIT 1`
	sqlSomeSeries = `SELECT id FROM series WHERE device_id = ?1 LIMIT 1`
	sqlPurgeEnd   = `SELECT max(t_ms) FROM (SELECT t_ms FROM reading WHERE series_id = ?1 ORDER BY t_ms LIMIT ?2)`
	sqlPurge      = `DELETE FROM reading WHERE series_id = ?1 AND t_ms <= ?2`
	sqlDropSeries = `DELETE FROM series WHERE id = ?1`

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
		delete(w.heads, id) // frames of this commit that come later find no device
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

// purgeForgotten deletes the rows of forgotten devices step by step until none is left, a step fails or the store closes.
func (s *Store) purgeForgotten() {
	for more := true; more; {
		err := s.writer.do(context.Background(), func(w *writer) error {
			var err error
			more, err = w.purgeStep()
			return err
		})
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
	var end *int64
	err = w.conn.row(sqlSomeSeries, device).Scan(&series)
	if isNoRows(err) {
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
	if err != nil {
		return false, err
	}
	if err := w.conn.row(sqlPurgeEnd, series, purgeRows).Scan(&end); err != nil {
		return false, err
	}
	if end == nil {
		return true, w.conn.exec(sqlDropSeries, series)
	}
	return true, w.conn.exec(sqlPurge, series, *end)
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
