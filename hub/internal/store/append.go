package store

import (
	"cmp"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/telltale-iot/telltale/schema"
)

// Append queues one batch; done is called once: with nil when the batch is on the disk, or with why it is not.
//
// done runs on the writer's goroutine and must not block. A batch that is there already is dropped and done(nil) called: sending
// again is safe. Batches commit in the order of the calls, at the latest after Options.CommitEvery. The batch belongs to the store
// from here on. Errors: ErrFull, ErrClosed; to done: ErrUnknownDevice, ErrScattered, ErrSeq, ErrRefused, or why the disk cannot
// be written.
// Held by TestAFrameIsStoredOnce, TestAckedReadingsSurviveKill, TestOneFrameThatSQLiteRefusesDisturbsNoOther.
func (s *Store) Append(b schema.Batch, done func(error)) error {
	n := 0
	for i := range b.Series {
		n += len(b.Series[i].V)
	}
	return s.writer.push(job{frame: true, readings: n, done: done, write: func(w *writer) error { return w.batch(&b) }}, false)
}

// AppendGap queues a gap that takes the place of sequence numbers; done as in Append. Where some of them are stored, only the missing
// ones become gaps. Its times must be known: FromMS ≤ ToMS, Unix ms.
func (s *Store) AppendGap(device, epoch string, g schema.Gap, done func(error)) error {
	return s.writer.push(job{frame: true, done: done, write: func(w *writer) error { return w.gap(device, epoch, g) }}, false)
}

// AppendEvent queues an event; done as in Append. at gives its place: device, epoch, seq, t0 and time quality, without series.
func (s *Store) AppendEvent(at schema.Batch, e schema.Event, done func(error)) error {
	return s.writer.push(job{frame: true, done: done, write: func(w *writer) error { return w.event(&at, e) }}, false)
}

// row is a reading on its way into the table.
type row struct {
	series, tMS, epoch, seq, n int64
	value                      schema.Value
	quality, time              int64
}

// place finds device and epoch and claims first to last. missing is what was not there yet; none = a duplicate.
func (w *writer) place(device, name string, first, last uint64) (h *head, e *epoch, missing []schema.Range, err error) {
	if first == 0 || first > last || last > maxSeq {
		return nil, nil, nil, ErrSeq
	}
	if h, err = w.head(device); err != nil {
		return nil, nil, nil, err
	}
	if e, err = w.epoch(h, name); err != nil {
		return nil, nil, nil, err
	}
	if missing = e.set.Without(first, last); len(missing) == 0 {
		w.duplicates++
		return h, e, nil, nil
	}
	return h, e, missing, w.claim(e, first, last)
}

func (w *writer) batch(b *schema.Batch) error {
	h, e, missing, err := w.place(b.Device, b.Epoch, b.Seq, b.Seq)
	if err != nil || missing == nil {
		return err
	}
	tq := timeQualityToSQL(b.Time)
	for i := range b.Series {
		sr := &b.Series[i]
		id, err := w.series(h, sr.Ch)
		if err != nil {
			return err
		}
		for j := range sr.V {
			w.rows = append(w.rows, row{
				series: id, tMS: b.T0MS + sr.OffsetMS(j), epoch: e.id, seq: int64(b.Seq), value: sr.V[j],
				quality: qualityToSQL(sr.QualityAt(j)), time: tq,
			})
		}
	}
	return nil
}

const (
	sqlSeriesRow = `SELECT id FROM series WHERE device_id = ?1 AND channel = ?2`
	sqlAddSeries = `INSERT INTO series (device_id, channel) VALUES (?1, ?2)`
	sqlAddGap    = `INSERT INTO gap (device_id, epoch_id, first, last, channel, from_ms, to_ms, reason) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)`
	sqlAddEvent  = `INSERT INTO event (device_id, t_ms, epoch_id, seq, time_quality, type, entity, message) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)`
)

func (w *writer) series(h *head, channel string) (int64, error) {
	if id, ok := h.series[channel]; ok {
		return id, nil
	}
	var id int64
	err := w.conn.row(sqlSeriesRow, h.id, channel).Scan(&id)
	if isNoRows(err) {
		id, err = w.conn.insert(sqlAddSeries, h.id, channel)
	}
	if err != nil {
		return 0, fmt.Errorf("series %s: %w", channel, err)
	}
	h.series[channel] = id
	return id, nil
}

func (w *writer) gap(device, name string, g schema.Gap) error {
	h, e, missing, err := w.place(device, name, g.First, g.Last)
	if err != nil {
		return err
	}
	for _, r := range missing {
		if err := w.conn.exec(sqlAddGap, h.id, e.id, int64(r[0]), int64(r[1]), nil, g.FromMS, g.ToMS, string(g.Reason)); err != nil {
			return fmt.Errorf("gap: %w", err)
		}
	}
	return nil
}

func (w *writer) event(at *schema.Batch, ev schema.Event) error {
	h, e, missing, err := w.place(at.Device, at.Epoch, at.Seq, at.Seq)
	if err != nil || missing == nil {
		return err
	}
	err = w.conn.exec(sqlAddEvent, h.id, at.T0MS, e.id, int64(at.Seq), timeQualityToSQL(at.Time), ev.Type, orNull(ev.Entity), ev.Message)
	if err != nil {
		return fmt.Errorf("event: %w", err)
	}
	return nil
}

// rowsPerInsert is how many readings one INSERT carries: beyond this the saving per row is small and the remainder is long.
const rowsPerInsert = 32

const (
	sqlAddReading   = `INSERT INTO reading (series_id, t_ms, epoch_id, seq, n, value, quality, time_quality) VALUES `
	readingRow      = `(?, ?, ?, ?, ?, ?, ?, ?)`
	readingRowWidth = 8
)

// flushRows writes the readings of the transaction in the table's order, so that neighbours touch the same page once.
func (w *writer) flushRows() error {
	slices.SortStableFunc(w.rows, func(a, b row) int {
		return cmp.Or(cmp.Compare(a.series, b.series), cmp.Compare(a.tMS, b.tMS), cmp.Compare(a.epoch, b.epoch), cmp.Compare(a.seq, b.seq))
	})
	many := sqlAddReading + strings.Repeat(readingRow+", ", rowsPerInsert-1) + readingRow
	one := sqlAddReading + readingRow
	args := make([]any, 0, rowsPerInsert*readingRowWidth)
	for i := 0; i < len(w.rows); {
		n, query := 1, one
		if len(w.rows)-i >= rowsPerInsert {
			n, query = rowsPerInsert, many
		}
		args = args[:0]
		for j := i; j < i+n; j++ {
			r := &w.rows[j]
			if j > 0 && same(&w.rows[j-1], r) {
				r.n = w.rows[j-1].n + 1
			}
			args = append(args, r.series, r.tMS, r.epoch, r.seq, r.n, valueToSQL(r.value), r.quality, r.time)
		}
		if err := w.conn.exec(query, args...); err != nil {
			return fmt.Errorf("insert readings: %w", err)
		}
		i += n
	}
	return nil
}

// same reports whether two readings of one frame fall on the same ms of a series.
func same(a, b *row) bool {
	return a.series == b.series && a.tMS == b.tMS && a.epoch == b.epoch && a.seq == b.seq
}

func isNoRows(err error) bool { return errors.Is(err, sql.ErrNoRows) }

func orUnknown(err error, device string) error {
	if isNoRows(err) {
		return fmt.Errorf("device %q: %w", device, ErrUnknownDevice)
	}
	return err
}

func orNull(s string) any {
	if s == "" {
		return nil
	}
	return s
}
