package store

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"
)

// seal packs all readings of the head into chunks, in one transaction with the rollups, the received ranges and the ring's position. After
// an error nothing has changed and the connection is closed.
func (w *writer) seal() error {
	if w.ring.Last() == w.head.flushed && len(w.head.sets) == 0 && len(w.lost) == 0 {
		w.sealed, w.purgeAfter = w.now(), false
		return nil
	}
	began := time.Now()
	next := newHead()
	next.flushed = w.ring.Last()
	err := w.conn.inTx(func() error { return w.pack(next.flushed) })
	if err != nil {
		w.drop()
		return fmt.Errorf("seal: %w", err)
	}
	w.ring.CloseSlot()
	w.log.Debug("readings packed", "count", w.head.readings, "took", time.Since(began))
	w.head.replace(next)
	w.packer.shrink()
	w.sealed, w.retrySeal, w.purgeAfter, w.lost = w.now(), time.Time{}, false, nil
	return nil
}

// pack writes the head into chunks and notes that the ring's slots up to flushed are free.
func (w *writer) pack(flushed uint64) error {
	for _, id := range slices.Sorted(maps.Keys(w.head.series)) {
		m := w.head.series[id]
		w.packer.points = memoryView{m.rooms, m.n}.points(w.packer.points[:0], minTime, maxTime)
		if err := w.packer.pack(w.conn, id); err != nil {
			return fmt.Errorf("series %d: %w", id, err)
		}
	}
	for _, id := range slices.Sorted(maps.Keys(w.head.sets)) {
		if err := w.conn.saveRanges(id, w.head.sets[id]); err != nil {
			return fmt.Errorf("save received ranges: %w", err)
		}
	}
	if err := w.tellLost(); err != nil {
		return err
	}
	return w.conn.exec(sqlSetMeta, "flushed", strconv.FormatUint(flushed, 10))
}

// Seal packs all readings that are committed so far, as happens by itself every half hour: afterwards the file holds them in chunks. For
// backups, checks and tests.
func (s *Store) Seal(ctx context.Context) error {
	result := make(chan error, 1)
	if err := s.writer.push(job{seal: true, done: func(err error) { result <- err }}, true); err != nil {
		return err
	}
	select {
	case err := <-result:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}
