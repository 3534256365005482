package store

import (
	"context"
	"database/sql"
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
	// maxKnown bounds the devices whose row ids and ranges are kept in memory, and the sets that wait for the table.
	maxKnown = 8192
)

// ErrUnknownDevice is returned for a device that was never paired or was forgotten.
var ErrUnknownDevice = errors.New("unknown device")

// ErrScattered is returned for a frame that would leave more than 1024 holes in its epoch.
var ErrScattered = errors.New("sequence numbers have too many holes; send the missing frames first")

// ErrSeq is returned for a sequence number that cannot be stored.
var ErrSeq = errors.New("sequence number is out of range")

// known is what the writer knows of a device: its row ids, and what was received.
type known struct {
	id     int64
	series map[string]int64  // series.id by channel
	epochs map[string]*epoch // by the wire's name
}

// epoch is one outbox of a device.
type epoch struct {
	id    int64
	set   schema.Ranges // with this transaction
	dirty bool          // this transaction changed it
}

const (
	sqlDeviceRow = `SELECT id FROM device WHERE device_id = ?1`
	sqlEpochRow  = `SELECT id FROM epoch WHERE device_id = ?1 AND epoch = ?2`
	sqlAddEpoch  = `INSERT INTO epoch (device_id, epoch) VALUES (?1, ?2)`
	sqlReceived  = `SELECT first, last FROM received WHERE epoch_id = ?1 ORDER BY first`
	sqlAddRange  = `INSERT INTO received (epoch_id, first, last) VALUES (?1, ?2, ?3) ON CONFLICT DO UPDATE SET last = excluded.last`
	sqlDropRange = `DELETE FROM received WHERE epoch_id = ?1 AND first = ?2`
)

// device returns what is known of a device, from memory or the file.
func (w *writer) device(id string) (*known, error) {
	if k := w.known[id]; k != nil {
		return k, nil
	}
	k := &known{series: map[string]int64{}, epochs: map[string]*epoch{}}
	if err := w.conn.row(sqlDeviceRow, id).Scan(&k.id); err != nil {
		return nil, orUnknown(err, id)
	}
	w.known[id] = k
	return k, nil
}

// epoch returns an outbox of a device with what was received of it.
func (w *writer) epoch(k *known, name string) (*epoch, error) {
	if e := k.epochs[name]; e != nil {
		return e, nil
	}
	e := &epoch{}
	err := w.conn.row(sqlEpochRow, k.id, name).Scan(&e.id)
	if isNoRows(err) {
		e.id, err = w.conn.insert(sqlAddEpoch, k.id, name)
	}
	if err != nil {
		return nil, err
	}
	set, ok := w.head.received(e.id)
	if !ok {
		if set, err = readRanges(w.conn.rows(sqlReceived, e.id)); err != nil {
			return nil, err
		}
	}
	e.set = set
	k.epochs[name] = e
	return e, nil
}

func readRanges(rows *sql.Rows, err error) (schema.Ranges, error) {
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var all schema.Ranges
	for rows.Next() {
		var r schema.Range
		if err := rows.Scan(&r[0], &r[1]); err != nil {
			return nil, err
		}
		all = append(all, r)
	}
	return all, rows.Err()
}

// scattered refuses numbers that would leave too many holes. Error: ErrScattered.
func (e *epoch) scattered(first, last uint64) error {
	if len(e.set) >= maxRanges {
		grown := slices.Clone(e.set)
		if grown.Add(first, last); len(grown) > maxRanges {
			return ErrScattered
		}
	}
	return nil
}

// claim puts first to last into the set.
func (w *writer) claim(e *epoch, first, last uint64) {
	if !e.dirty {
		e.dirty = true
		w.touched = append(w.touched, e)
	}
	e.set.Add(first, last)
}

// saveRanges brings the table in step with a set.
func (c *conn) saveRanges(epoch int64, set schema.Ranges) error {
	saved, err := readRanges(c.rows(sqlReceived, epoch))
	if err != nil {
		return err
	}
	i := 0
	for _, r := range set {
		for ; i < len(saved) && saved[i][0] < r[0]; i++ {
			if err := c.exec(sqlDropRange, epoch, int64(saved[i][0])); err != nil {
				return err
			}
		}
		if i < len(saved) && saved[i][0] == r[0] {
			i++
			if saved[i-1] == r {
				continue
			}
		}
		if err := c.exec(sqlAddRange, epoch, int64(r[0]), int64(r[1])); err != nil {
			return err
		}
	}
	for ; i < len(saved); i++ {
		if err := c.exec(sqlDropRange, epoch, int64(saved[i][0])); err != nil {
			return err
		}
	}
	return nil
}

// forget drops what is known; it is read again when it is needed. The sets that are not in the table yet are in the head.
func (w *writer) forget() { w.known, w.touched = map[string]*known{}, w.touched[:0] }

const (
	sqlEpochOf = `SELECT e.id FROM device d JOIN epoch e ON e.device_id = d.id WHERE d.device_id = ?1 AND e.epoch = ?2`
)

// Received returns the ranges of an epoch that are stored or known gaps, ascending; none for an epoch that was never seen.
func (s *Store) Received(ctx context.Context, device, epoch string) ([]schema.Range, error) {
	var id int64
	err := s.read.QueryRowContext(ctx, sqlEpochOf, device, epoch).Scan(&id)
	if isNoRows(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("received device=%s: %w", device, err)
	}
	// Memory first: what is not there is in the table from then on.
	if set, ok := s.head.received(id); ok {
		return set, nil
	}
	set, err := readRanges(s.read.QueryContext(ctx, sqlReceived, id))
	if err != nil {
		return nil, fmt.Errorf("received device=%s: %w", device, err)
	}
	return set, nil
}
