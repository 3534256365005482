package store

import (
	"context"
	"fmt"
	"time"
)

const (
	// shedChunks is how many chunks one transaction deletes: some hundred KiB of pages, so that fresh readings hardly wait.
	shedChunks = 200
	// shedEvery is how often the retention rules are looked at when nobody changes them.
	shedEvery = time.Hour
	// shedKeepsMS is what a lack of room never deletes: the newest day, in ms.
	shedKeepsMS = dayMS
)

const (
	sqlShed = `DELETE FROM chunk WHERE id IN (SELECT id FROM chunk WHERE series_id = ?1 AND t0_ms < ?2 AND t1_ms < ?2 ORDER BY t0_ms LIMIT ?3)`
	// sqlOldest asks once per series, by the index.
	sqlOldest = `SELECT t0_ms FROM chunk WHERE series_id = ?1 ORDER BY t0_ms LIMIT 1`
	sqlTotal  = `SELECT readings, bytes FROM total WHERE id = 1`
)

// shedder deletes chunks: those that the rules no longer keep, and the oldest ones where there is no room for all.
type shedder struct {
	wake chan struct{} // the rules changed, or there is no room
}

// keepToRules deletes what the rules no longer keep. Whole chunks go, so that up to a few hours more may stay.
func (s *Store) keepToRules(ctx context.Context) error {
	rules, err := s.Retention(ctx)
	if err != nil || len(rules) == 0 {
		return err
	}
	now := s.now().UnixMilli()
	deleted := int64(0)
	err = s.eachSeries(ctx, func(x seriesRow) error {
		cut := cutOf(now, daysOf(rules, x.device, x.channel))
		if cut == 0 {
			return nil
		}
		n, err := s.deleteBefore(ctx, x.id, cut)
		deleted += n
		return err
	})
	if deleted > 0 {
		s.log.Info("old readings were deleted, as the retention rules say", "count", deleted)
	}
	if err != nil {
		return fmt.Errorf("keep to the retention rules: %w", err)
	}
	return nil
}

// deleteBefore deletes the chunks of a series that end before a time, in steps between other commits. It returns how many.
func (s *Store) deleteBefore(ctx context.Context, series, cutMS int64) (chunks int64, err error) {
	for n := int64(shedChunks); n == shedChunks; {
		if err := ctx.Err(); err != nil {
			return chunks, err
		}
		err := s.writer.do(ctx, func(w *writer) error {
			r, err := w.conn.run(sqlShed, series, cutMS, shedChunks)
			if err != nil {
				return err
			}
			n, err = r.RowsAffected()
			return err
		})
		if err != nil {
			return chunks, err
		}
		chunks += n
	}
	return chunks, nil
}

// dropOldestDay deletes the oldest day of readings of all series, whatever the rules say, and gives the room back to the disk. It returns the
// time before which everything is gone, Unix ms; 0 when only the newest day is left.
func (s *Store) dropOldestDay(ctx context.Context) (beforeMS int64, err error) {
	oldest, err := s.oldest(ctx)
	if err != nil {
		return 0, err
	}
	newest := s.now().UnixMilli() - shedKeepsMS
	if oldest == 0 || oldest >= newest {
		return 0, nil
	}
	cut := min((oldest/dayMS+1)*dayMS, newest)
	for deleted := int64(0); deleted == 0; cut = min(cut+dayMS, newest) { // a long chunk may reach into the next day
		err = s.eachSeries(ctx, func(x seriesRow) error {
			n, err := s.deleteBefore(ctx, x.id, cut)
			deleted += n
			return err
		})
		if err != nil {
			return 0, fmt.Errorf("delete the oldest readings: %w", err)
		}
		if deleted > 0 {
			break
		}
		if cut == newest {
			return 0, nil
		}
	}
	for more := true; more && err == nil; {
		err = s.writer.do(ctx, func(w *writer) error {
			more, err = w.giveBack()
			return err
		})
	}
	if err == nil {
		err = s.writer.checkpoint(ctx)
	}
	return cut, err
}

// oldest returns the time of the oldest reading that is packed, Unix ms; 0 = there is none.
func (s *Store) oldest(ctx context.Context) (int64, error) {
	first := int64(0)
	err := s.eachSeries(ctx, func(x seriesRow) error {
		var t int64
		err := s.read.QueryRowContext(ctx, sqlOldest, x.id).Scan(&t)
		if isNoRows(err) {
			return nil
		}
		if err == nil && (first == 0 || t < first) {
			first = t
		}
		return err
	})
	return first, err
}

// Held is what the store holds.
type Held struct {
	Readings int64 // one by one
	Packed   int64 // of them, in chunks
	Bytes    int64 // of the chunks
	OldestMS int64 // oldest of them, Unix ms; 0 = none
}

// Held counts what is kept reading by reading.
func (s *Store) Held(ctx context.Context) (Held, error) {
	var h Held
	err := s.at(ctx, func(m *moment) error {
		h.Readings = int64(m.head.readings)
		return m.row(sqlTotal).Scan(&h.Packed, &h.Bytes)
	})
	if err == nil {
		h.OldestMS, err = s.oldest(ctx)
	}
	if err != nil {
		return h, fmt.Errorf("count what is held: %w", err)
	}
	h.Readings += h.Packed
	if h.OldestMS == 0 {
		h.OldestMS = s.head.oldest()
	}
	return h, nil
}
