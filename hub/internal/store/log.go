package store

import (
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/telltale-iot/telltale/hub/internal/store/ring"
)

const (
	// ringSlots is how many slots a new store's ring has: 8 MB, half an hour of 500 readings a second.
	ringSlots = 2048
	// sealEvery bounds how long readings stay in the ring: what a start has to read, and what is in memory.
	sealEvery = 30 * time.Minute
	// sealAt is the part of the ring that may be in use before its readings are packed; the rest takes any commit.
	sealAt = 0.75
	// maxHeadReadings bounds the readings in memory: about 20 MB.
	maxHeadReadings = 1 << 20
	// sealAgain is how long after a failed seal the next one is tried.
	sealAgain = 10 * time.Second
)

// errRingFull is returned when the ring has no room and its readings cannot be packed: nothing is acked any more.
var errRingFull = errors.New("the log is full, because its readings cannot be packed")

const (
	sqlMakeRing = `WITH RECURSIVE i (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM i WHERE n + 1 < ?1)
	INSERT INTO ring (slot, data) SELECT n, zeroblob(?2) FROM i`
	sqlSaveSlot = `UPDATE ring SET data = ?2 WHERE slot = ?1`
	sqlFlushed  = `SELECT value FROM meta WHERE name = 'flushed'`
)

// flushed reads up to which slot the readings are packed.
func flushed(row scanner) (uint64, error) {
	var text string
	if err := row.Scan(&text); isNoRows(err) {
		return 0, nil
	} else if err != nil {
		return 0, err
	}
	return strconv.ParseUint(text, 10, 64)
}

// free is how many slots can be written before one that is not packed would be overwritten.
func (w *writer) free() int { return w.slots - int(w.ring.Last()-w.head.flushed) }

// makeRoom packs what is in the ring when it may not have room for jobs. If that fails they may still fit. Error: the file cannot be opened any
// more.
func (w *writer) makeRoom(jobs []job) error {
	bytes := 0
	for _, j := range jobs {
		bytes += j.bytes
	}
	if bytes == 0 || ring.Needs(bytes) <= w.free() || w.now().Before(w.retrySeal) {
		return nil
	}
	if err := w.sealNow(); err != nil && w.conn == nil {
		return w.reopen()
	}
	return nil
}

// saveSlots writes the transaction's slots.
func (w *writer) saveSlots() error {
	var data []byte
	for _, s := range w.ring.Dirty() {
		if s.Number-w.head.flushed > uint64(w.slots) {
			return errRingFull
		}
		data = s.Append(data[:0])
		r, err := w.conn.run(sqlSaveSlot, int64(s.Number%uint64(w.slots)), data)
		if err != nil {
			return fmt.Errorf("write log: %w", err)
		}
		if n, err := r.RowsAffected(); err != nil || n != 1 {
			return fmt.Errorf("write log: slot %d is not there (%w)", s.Number%uint64(w.slots), err)
		}
	}
	return nil
}

// sealFor packs the head when it is time, or when one of the jobs waits for it.
func (w *writer) sealFor(jobs []job) {
	asked := false
	for _, j := range jobs {
		asked = asked || j.seal
	}
	if !asked && !w.sealDue() {
		return
	}
	err := w.sealNow()
	for _, j := range jobs {
		if j.seal && j.done != nil {
			j.done(err)
		}
	}
}

func (w *writer) sealDue() bool {
	used := w.slots - w.free()
	switch {
	case w.conn == nil || w.now().Before(w.retrySeal):
		return false
	case used == 0:
		w.sealed = w.now()
		return false
	}
	return float64(used) >= sealAt*float64(w.slots) || w.head.readings >= maxHeadReadings || len(w.head.sets) > maxKnown ||
		w.now().Sub(w.sealed) >= sealEvery
}

// sealNow seals and says so when it fails; the readings are safe in the ring meanwhile.
func (w *writer) sealNow() error {
	if w.conn == nil {
		if err := w.reopen(); err != nil {
			return fmt.Errorf("open again: %w", err)
		}
	}
	err := w.seal()
	if err != nil {
		w.retrySeal = w.now().Add(sealAgain)
		w.log.Warn("readings cannot be packed now, they stay in the log", "err", err)
	}
	return err
}
