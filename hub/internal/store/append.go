package store

import (
	"database/sql"
	"errors"
	"fmt"

	"github.com/telltale-iot/telltale/hub/internal/store/ring"
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
	n, bytes := 0, ring.CostFrame
	for i := range b.Series {
		n += len(b.Series[i].V)
		bytes += ring.CostSeries
		for _, v := range b.Series[i].V {
			bytes += ring.CostReading + len(v.Str())
		}
	}
	return s.writer.push(job{frame: true, readings: n, bytes: bytes, done: done, write: func(w *writer) error { return w.batch(&b) }}, false)
}

// AppendGap queues a gap that takes the place of sequence numbers; done as in Append. Where some of them are stored, only the missing
// ones become gaps. Its times must be known: FromMS ≤ ToMS, Unix ms.
func (s *Store) AppendGap(device, epoch string, g schema.Gap, done func(error)) error {
	return s.writer.push(job{frame: true, bytes: ring.CostFrame, done: done, write: func(w *writer) error { return w.gap(device, epoch, g) }}, false)
}

// AppendEvent queues an event; done as in Append. at gives its place: device, epoch, seq, t0 and time quality, without series.
func (s *Store) AppendEvent(at schema.Batch, e schema.Event, done func(error)) error {
	return s.writer.push(job{frame: true, bytes: ring.CostFrame, done: done, write: func(w *writer) error { return w.event(&at, e) }}, false)
}

// arrival is a series of a frame that this transaction stores.
type arrival struct {
	series int64
	t0MS   int64
	time   uint8
	sent   *schema.Series
}

// place finds device and epoch of first to last, and whether they may be claimed. missing is what was not there yet; none = a duplicate.
func (w *writer) place(device, name string, first, last uint64) (k *known, e *epoch, missing []schema.Range, err error) {
	if first == 0 || first > last || last > maxSeq {
		return nil, nil, nil, ErrSeq
	}
	if k, err = w.device(device); err != nil {
		return nil, nil, nil, err
	}
	if e, err = w.epoch(k, name); err != nil {
		return nil, nil, nil, err
	}
	if missing = e.set.Without(first, last); len(missing) == 0 {
		w.duplicates++
		return k, e, nil, nil
	}
	return k, e, missing, e.scattered(first, last)
}

// batch puts a frame of readings into the ring. All that can fail comes before anything is changed.
func (w *writer) batch(b *schema.Batch) error {
	k, e, missing, err := w.place(b.Device, b.Epoch, b.Seq, b.Seq)
	if err != nil || missing == nil {
		return err
	}
	begin := len(w.arrivals)
	tq := uint8(timeQualityToSQL(b.Time))
	for i := range b.Series {
		id, err := w.series(k, b.Series[i].Ch)
		if err != nil {
			w.arrivals = w.arrivals[:begin]
			return err
		}
		w.arrivals = append(w.arrivals, arrival{series: id, t0MS: b.T0MS, time: tq, sent: &b.Series[i]})
	}
	f := w.ring.Readings(w.nowMS, ring.Frame{Epoch: e.id, Seq: b.Seq, T0MS: b.T0MS, Time: tq})
	for _, a := range w.arrivals[begin:] {
		w.came.Series = a.series
		runs(a.sent, a.t0MS, a.time, &w.came.Block, func() { f.Add(&w.came) })
		w.stored += len(a.sent.V)
	}
	f.End()
	w.claim(e, b.Seq, b.Seq)
	return nil
}

const (
	sqlSeriesRow = `SELECT id FROM series WHERE device_id = ?1 AND channel = ?2`
	sqlAddSeries = `INSERT INTO series (device_id, channel) VALUES (?1, ?2)`
	sqlAddGap    = `INSERT INTO gap (device_id, epoch_id, first, last, channel, from_ms, to_ms, reason) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)`
	sqlAddEvent  = `INSERT INTO event (device_id, t_ms, epoch_id, seq, time_quality, type, entity, message) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)`
)

func (w *writer) series(k *known, channel string) (int64, error) {
	if id, ok := k.series[channel]; ok {
		return id, nil
	}
	var id int64
	err := w.conn.row(sqlSeriesRow, k.id, channel).Scan(&id)
	if isNoRows(err) {
		id, err = w.conn.insert(sqlAddSeries, k.id, channel)
	}
	if err != nil {
		return 0, fmt.Errorf("series %s: %w", channel, err)
	}
	k.series[channel] = id
	return id, nil
}

func (w *writer) gap(device, name string, g schema.Gap) error {
	k, e, missing, err := w.place(device, name, g.First, g.Last)
	if err != nil {
		return err
	}
	if missing == nil {
		return nil
	}
	err = w.conn.inSavepoint(func() error {
		for _, r := range missing {
			if err := w.conn.exec(sqlAddGap, k.id, e.id, int64(r[0]), int64(r[1]), nil, g.FromMS, g.ToMS, string(g.Reason)); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("gap: %w", err)
	}
	w.ring.Claim(w.nowMS, e.id, g.First, g.Last)
	w.claim(e, g.First, g.Last)
	return nil
}

func (w *writer) event(at *schema.Batch, ev schema.Event) error {
	k, e, missing, err := w.place(at.Device, at.Epoch, at.Seq, at.Seq)
	if err != nil || missing == nil {
		return err
	}
	err = w.conn.exec(sqlAddEvent, k.id, at.T0MS, e.id, int64(at.Seq), timeQualityToSQL(at.Time), ev.Type, orNull(ev.Entity), ev.Message)
	if err != nil {
		return fmt.Errorf("event: %w", err)
	}
	w.ring.Claim(w.nowMS, e.id, at.Seq, at.Seq)
	w.claim(e, at.Seq, at.Seq)
	return nil
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
