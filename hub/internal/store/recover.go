package store

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/telltale-iot/telltale/hub/internal/store/ring"
	"github.com/telltale-iot/telltale/schema"
)

const (
	sqlSlots       = `SELECT slot, data FROM ring ORDER BY slot`
	sqlCountSlots  = `SELECT count(*) FROM ring`
	sqlAliveSeries = `SELECT s.id FROM device d JOIN series s ON s.device_id = d.id WHERE d.device_id IS NOT NULL ORDER BY d.device_id`
	sqlAliveEpochs = `SELECT e.id, e.device_id FROM device d JOIN epoch e ON e.device_id = d.id WHERE d.device_id IS NOT NULL ORDER BY d.device_id`
)

// reopen opens the file anew and reads what is committed: after a failure neither SQLite's nor our memory of it can be trusted.
func (w *writer) reopen() error {
	c, err := openConn(w.file)
	if err != nil {
		return err
	}
	w.conn = c
	if err := w.load(); err != nil {
		w.drop()
		return err
	}
	return nil
}

// makeRing fills the ring's table with empty slots, once.
func (w *writer) makeRing(slots int) error {
	if err := w.conn.row(sqlCountSlots).Scan(&w.slots); err != nil || w.slots > 0 {
		return err
	}
	w.slots = slots
	return w.conn.inTx(func() error { return w.conn.exec(sqlMakeRing, slots, ring.SlotBytes) })
}

// load reads the ring's slots that are not packed yet into the head. Frames of forgotten devices stay out.
func (w *writer) load() error {
	began := time.Now()
	w.forget()
	var r replay
	var err error
	if r.head.flushed, err = flushed(w.conn.row(sqlFlushed)); err != nil {
		return fmt.Errorf("read the log's position: %w", err)
	}
	if err := r.readAlive(w.conn); err != nil {
		return fmt.Errorf("read series: %w", err)
	}
	if err := r.readSlots(w.conn, w.slots); err != nil {
		return fmt.Errorf("read log: %w", err)
	}
	if err := r.play(w.conn); err != nil {
		return fmt.Errorf("read log: %w", err)
	}
	w.ring = ring.NewLog(r.last)
	w.purgeAfter = true
	w.head.replace(&r.head)
	if len(r.slots) > 0 {
		w.log.Info("readings read from the log", "count", r.head.readings, "took", time.Since(began))
	}
	if w.sealed.IsZero() {
		w.sealed = w.now()
	}
	return nil
}

// replay rebuilds a head from slots.
type replay struct {
	head   head
	series map[int64]bool  // of devices that are not forgotten
	epochs map[int64]int64 // their outboxes, and whose they are
	slots  []ring.Slot     // after flushed, in order
	last   uint64          // newest number in use
}

func (r *replay) readAlive(c *conn) error {
	r.series, r.epochs = map[int64]bool{}, map[int64]int64{}
	rows, err := c.rows(sqlAliveSeries)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var id int64
		if err := rows.Scan(&id); err != nil {
			return err
		}
		r.series[id] = true
	}
	if err := rows.Err(); err != nil {
		return err
	}
	epochs, err := c.rows(sqlAliveEpochs)
	if err != nil {
		return err
	}
	defer epochs.Close()
	for epochs.Next() {
		var id, device int64
		if err := epochs.Scan(&id, &device); err != nil {
			return err
		}
		r.epochs[id] = device
	}
	return epochs.Err()
}

// readSlots reads the slots that are not packed, and finds the newest number in use.
func (r *replay) readSlots(c *conn, count int) error {
	r.last = r.head.flushed
	rows, err := c.rows(sqlSlots)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var place int64
		var data []byte
		if err := rows.Scan(&place, &data); err != nil {
			return err
		}
		s, err := ring.DecodeSlot(data)
		live := s.Number > r.head.flushed && s.Number <= r.head.flushed+uint64(count) && s.Number%uint64(count) == uint64(place)
		if err == nil && live {
			r.slots = append(r.slots, s)
			r.last = max(r.last, s.Number)
		}
	}
	slices.SortFunc(r.slots, func(a, b ring.Slot) int { return cmp.Compare(a.Number, b.Number) })
	return rows.Err()
}

// play puts the slots' frames into the head.
func (r *replay) play(c *conn) error {
	r.head.series, r.head.sets = map[int64]*memory{}, map[int64]schema.Ranges{}
	for i := range r.slots {
		err := r.slots[i].Frames(func(f *ring.Frame) error { return r.frame(c, f) }, r.run)
		if err != nil {
			return err
		}
	}
	return nil
}

func (r *replay) frame(c *conn, f *ring.Frame) error {
	if _, ok := r.epochs[f.Epoch]; !ok {
		return nil
	}
	set, ok := r.head.sets[f.Epoch]
	if !ok {
		var err error
		if set, err = readRanges(c.rows(sqlReceived, f.Epoch)); err != nil {
			return err
		}
	}
	set.Add(f.Seq, f.Last)
	r.head.sets[f.Epoch] = set
	return nil
}

func (r *replay) run(_ *ring.Frame, run *ring.Run) {
	if !r.series[run.Series] {
		return
	}
	r.head.of(run.Series).add(&run.Block)
	r.head.readings += run.Len()
}
