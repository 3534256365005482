package store

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/telltale-iot/telltale/schema"
)

const (
	// maxRanges bounds the ranges of one epoch: an honest outbox has a handful of holes, and the list must fit into a welcome.
	maxRanges = 1024
	// maxSeq is the largest sequence number that can be stored; one less than SQLite's largest, so that last+1 is a number too.
	maxSeq = 1<<63 - 2
	// maxHeads bounds the devices whose row ids and ranges are kept in memory.
	maxHeads = 8192
)

// ErrUnknownDevice is returned for a device that was never paired or was forgotten.
var ErrUnknownDevice = errors.New("unknown device")

// ErrScattered is returned for a frame that would leave more than 1024 holes in its epoch.
var ErrScattered = errors.New("sequence numbers have too many holes; send the missing frames first")

// ErrSeq is returned for a sequence number that cannot be stored.
var ErrSeq = errors.New("sequence number is out of range")

// head is what the writer knows of a device: its row ids, and what was received.
type head struct {
	id     int64
	series map[string]int64  // series.id by channel
	epochs map[string]*epoch // by the wire's name
}

// epoch is one outbox of a device.
type epoch struct {
	id    int64
	set   schema.Ranges // with this transaction
	saved schema.Ranges // as committed; only meaningful while dirty
	dirty bool
}

const (
	sqlDeviceRow = `SELECT id FROM device WHERE device_id = ?1`
	sqlEpochRow  = `SELECT id FROM epoch WHERE device_id = ?1 AND epoch = ?2`
	sqlAddEpoch  = `INSERT INTO epoch (device_id, epoch) VALUES (?1, ?2)`
	sqlReceived  = `SELECT first, last FROM received WHERE epoch_id = ?1 ORDER BY first`
	sqlAddRange  = `INSERT INTO received (epoch_id, first, last) VALUES (?1, ?2, ?3) ON CONFLICT DO UPDATE SET last = excluded.last`
	sqlDropRange = `DELETE FROM received WHERE epoch_id = ?1 AND first = ?2`
)

// head returns what is known of a device, from memory or the file.
func (w *writer) head(device string) (*head, error) {
	if h := w.heads[device]; h != nil {
		return h, nil
	}
	h := &head{series: map[string]int64{}, epochs: map[string]*epoch{}}
	if err := w.conn.row(sqlDeviceRow, device).Scan(&h.id); err != nil {
		return nil, orUnknown(err, device)
	}
	w.heads[device] = h
	return h, nil
}

// epoch returns an outbox of a device with what was received of it.
func (w *writer) epoch(h *head, name string) (*epoch, error) {
	if e := h.epochs[name]; e != nil {
		return e, nil
	}
	e := &epoch{}
	err := w.conn.row(sqlEpochRow, h.id, name).Scan(&e.id)
	if isNoRows(err) {
		e.id, err = w.conn.insert(sqlAddEpoch, h.id, name)
	}
	if err != nil {
		return nil, err
	}
	rows, err := w.conn.rows(sqlReceived, e.id)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var r schema.Range
		if err := rows.Scan(&r[0], &r[1]); err != nil {
			return nil, err
		}
		e.set = append(e.set, r)
	}
	h.epochs[name] = e
	return e, rows.Err()
}

// claim puts first to last into the set. Error: ErrScattered, and then nothing has changed.
func (w *writer) claim(e *epoch, first, last uint64) error {
	if len(e.set) >= maxRanges {
		grown := slices.Clone(e.set)
		if grown.Add(first, last); len(grown) > maxRanges {
			return ErrScattered
		}
	}
	if !e.dirty {
		e.saved, e.dirty = slices.Clone(e.set), true
		w.touched = append(w.touched, e)
	}
	e.set.Add(first, last)
	return nil
}

// flushReceived writes the ranges that this transaction changed.
func (w *writer) flushReceived() error {
	for _, e := range w.touched {
		if err := w.saveRanges(e); err != nil {
			return fmt.Errorf("save received ranges: %w", err)
		}
	}
	return nil
}

func (w *writer) saveRanges(e *epoch) error {
	i := 0
	for _, r := range e.set {
		for ; i < len(e.saved) && e.saved[i][0] < r[0]; i++ {
			if err := w.conn.exec(sqlDropRange, e.id, int64(e.saved[i][0])); err != nil {
				return err
			}
		}
		if i < len(e.saved) && e.saved[i][0] == r[0] {
			i++
			if e.saved[i-1] == r {
				continue
			}
		}
		if err := w.conn.exec(sqlAddRange, e.id, int64(r[0]), int64(r[1])); err != nil {
			return err
		}
	}
	for ; i < len(e.saved); i++ {
		if err := w.conn.exec(sqlDropRange, e.id, int64(e.saved[i][0])); err != nil {
			return err
		}
	}
	return nil
}

// settleReceived marks the ranges as committed, and bounds what is kept in memory.
func (w *writer) settleReceived() {
	for _, e := range w.touched {
		e.dirty, e.saved = false, nil
	}
	w.touched = w.touched[:0]
	if len(w.heads) > maxHeads {
		w.forgetHeads()
	}
}

// forgetHeads drops what is in memory; it is read again from the file when it is needed.
func (w *writer) forgetHeads() {
	w.heads, w.touched = map[string]*head{}, w.touched[:0]
}

const sqlReceivedOf = `SELECT r.first, r.last FROM device d JOIN epoch e ON e.device_id = d.id JOIN received r ON r.epoch_id = e.id
	WHERE d.device_id = ?1 AND e.epoch = ?2 ORDER BY r.first`

// Received returns the ranges of an epoch that are stored or known gaps, ascending; none for an epoch that was never seen.
func (s *Store) Received(ctx context.Context, device, epoch string) ([]schema.Range, error) {
	rows, err := s.read.QueryContext(ctx, sqlReceivedOf, device, epoch)
	if err != nil {
		return nil, fmt.Errorf("received device=%s: %w", device, err)
	}
	defer rows.Close()
	var all []schema.Range
	for rows.Next() {
		var r schema.Range
		if err := rows.Scan(&r[0], &r[1]); err != nil {
			return nil, fmt.Errorf("received device=%s: %w", device, err)
		}
		all = append(all, r)
	}
	return all, rows.Err()
}
