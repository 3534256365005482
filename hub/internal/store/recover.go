package store

import (
	"cmp"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/telltale-iot/telltale/hub/internal/store/ring"
	"github.com/telltale-iot/telltale/schema"
)

const (
	sqlSlots       = `SELECT slot, data FROM ring ORDER BY slot`
	sqlCountSlots  = `SELECT count(*) FROM ring`
	sqlAlive       = `SELECT id, device_id, last_seen_ms FROM device WHERE device_id IS NOT NULL ORDER BY device_id`
	sqlAliveSeries = `SELECT s.id, s.device_id FROM device d JOIN series s ON s.device_id = d.id WHERE d.device_id IS NOT NULL ORDER BY d.device_id`
	sqlAliveEpochs = `SELECT e.id, e.device_id FROM device d JOIN epoch e ON e.device_id = d.id WHERE d.device_id IS NOT NULL ORDER BY d.device_id`
)

// reopen opens the file anew and reads what is committed: after a failure neither SQLite's nor our memory of it can be trusted.
func (w *writer) reopen() error {
	c, err := openConn(w.file)
	if err != nil {
		return err
	}
	c.sound = w.sound
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

// load reads the ring's slots that are not packed yet into the head. Frames of forgotten devices stay out. What was lost with damaged slots
// becomes gaps, and then all is packed at once: nothing more is written into a ring that has a hole.
func (w *writer) load() error {
	began := time.Now()
	w.forget()
	w.lost = nil
	r, err := w.replay()
	if err != nil {
		return fmt.Errorf("read log: %w", err)
	}
	lost := r.missing(uint64(w.slots), w.now().UnixMilli())
	if len(lost) > 0 || len(r.broken) > 0 {
		if w.lost, err = r.losses(w.conn, lost); err != nil {
			return fmt.Errorf("read log: %w", err)
		}
	}
	w.ring = ring.NewLog(r.last)
	w.purgeAfter = true
	w.head.replace(&r.head)
	if w.sealed.IsZero() {
		w.sealed = w.now()
	}
	if len(r.slots) > 0 {
		w.log.Info("readings read from the log", "count", r.head.readings, "took", time.Since(began))
	}
	if len(lost) == 0 && len(w.lost) == 0 {
		return nil
	}
	for _, l := range lost {
		w.log.Warn("a part of the log is damaged", "first", l.first, "last", l.last, "from", time.UnixMilli(l.fromMS), "to", time.UnixMilli(l.toMS))
	}
	for _, l := range w.lost {
		w.log.Warn("readings are lost or may be, the log was damaged", "device", l.name, "from", time.UnixMilli(l.fromMS), "to", time.UnixMilli(l.toMS))
	}
	return w.seal()
}

// replay rebuilds a head from slots.
type replay struct {
	head    head
	devices map[int64]*aliveDevice
	series  map[int64]int64   // of devices that are not forgotten, and whose they are
	epochs  map[int64]int64   // likewise their outboxes
	slots   []ring.Slot       // after flushed, in order
	bad     map[uint64]uint64 // numbers that damaged slots should have, and what they say
	last    uint64            // newest number in use

	newest map[int64]uint64 // slot with a frame of an epoch
	pieces pieces
	broken []pieces // frames of which a piece is lost
}

type aliveDevice struct {
	name       string
	lastSeenMS int64
}

func (w *writer) replay() (*replay, error) {
	r := &replay{bad: map[uint64]uint64{}, newest: map[int64]uint64{}}
	r.head.series, r.head.sets = map[int64]*memory{}, map[int64]schema.Ranges{}
	var err error
	if r.head.flushed, err = flushed(w.conn.row(sqlFlushed)); err != nil {
		return nil, err
	}
	if err := r.readAlive(w.conn); err != nil {
		return nil, err
	}
	if err := r.readSlots(w.conn, uint64(w.slots)); err != nil {
		return nil, err
	}
	return r, r.play(w.conn)
}

func (r *replay) readAlive(c *conn) (err error) {
	r.devices = map[int64]*aliveDevice{}
	rows, err := c.rows(sqlAlive)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var id int64
		var d aliveDevice
		if err := rows.Scan(&id, &d.name, &d.lastSeenMS); err != nil {
			return err
		}
		r.devices[id] = &d
	}
	if err := rows.Err(); err != nil {
		return err
	}
	if r.series, err = pairs(c.rows(sqlAliveSeries)); err == nil {
		r.epochs, err = pairs(c.rows(sqlAliveEpochs))
	}
	return err
}

func pairs(rows *sql.Rows, err error) (map[int64]int64, error) {
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	all := map[int64]int64{}
	for rows.Next() {
		var id, of int64
		if err := rows.Scan(&id, &of); err != nil {
			return nil, err
		}
		all[id] = of
	}
	return all, rows.Err()
}

// readSlots reads the slots that are not packed, finds the newest number in use, and notes the slots that are damaged.
func (r *replay) readSlots(c *conn, count uint64) error {
	r.last = r.head.flushed
	rows, err := c.rows(sqlSlots)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var place uint64
		var data []byte
		if err := rows.Scan(&place, &data); err != nil {
			return err
		}
		s, err := ring.DecodeSlot(data)
		switch {
		case err != nil || s.Number != 0 && s.Number%count != place || s.Number > r.head.flushed+count:
			r.bad[r.head.flushed+1+(place+count-(r.head.flushed+1)%count)%count] = s.Number
		case s.Number > r.head.flushed:
			r.slots = append(r.slots, s)
			r.last = max(r.last, s.Number)
		}
	}
	slices.SortFunc(r.slots, func(a, b ring.Slot) int { return cmp.Compare(a.Number, b.Number) })
	return rows.Err()
}

// play puts the slots' frames into the head.
func (r *replay) play(c *conn) error {
	for i := 0; i < len(r.slots); i++ {
		s := &r.slots[i]
		err := s.Frames(func(f *ring.Frame) error { return r.frame(c, s, f) }, r.run)
		if errors.Is(err, ring.ErrDamaged) { // under a right checksum: what was read of it stays
			r.bad[s.Number] = s.Number
			r.slots = slices.Delete(r.slots, i, i+1)
			i--
			continue
		}
		if err != nil {
			return err
		}
	}
	if r.pieces.open {
		r.broken = append(r.broken, r.pieces)
	}
	return nil
}

func (r *replay) frame(c *conn, s *ring.Slot, f *ring.Frame) error {
	if f.Type == ring.Readings {
		r.broken = append(r.broken, r.pieces.piece(f, s.BeganMS)...)
	}
	if _, alive := r.epochs[f.Epoch]; !alive {
		return nil
	}
	set, err := r.set(c, f.Epoch)
	if err != nil {
		return err
	}
	set.Add(f.Seq, f.Last)
	r.head.sets[f.Epoch] = set
	r.newest[f.Epoch] = s.Number
	return nil
}

// set returns what was received of an epoch as far as it was read.
func (r *replay) set(c *conn, epoch int64) (schema.Ranges, error) {
	if set, ok := r.head.sets[epoch]; ok {
		return set, nil
	}
	return readRanges(c.rows(sqlReceived, epoch))
}

func (r *replay) run(_ *ring.Frame, run *ring.Run) {
	if _, alive := r.series[run.Series]; !alive {
		return
	}
	r.head.of(run.Series).add(&run.Block)
	r.head.readings += run.Len()
}
