package store

import (
	"context"
	"fmt"
	"slices"

	"github.com/telltale-iot/telltale/schema"
)

const sqlGaps = `SELECT coalesce(e.epoch, ''), g.first, g.last, coalesce(g.channel, ''), g.from_ms, g.to_ms, g.reason
	FROM device d JOIN gap g ON g.device_id = d.id LEFT JOIN epoch e ON e.id = g.epoch_id
	WHERE d.device_id = ?1 AND g.to_ms >= ?2 AND g.from_ms <= ?3 ORDER BY g.to_ms DESC LIMIT ?4`

// Gaps lists the gaps of a device that touch a span (Unix ms, both ends included), oldest first; the newest MaxHistoryGaps when there
// are more.
func (s *Store) Gaps(ctx context.Context, device string, fromMS, toMS int64) ([]schema.GapRecord, error) {
	rows, err := s.read.QueryContext(ctx, sqlGaps, device, fromMS, toMS, MaxHistoryGaps)
	if err != nil {
		return nil, fmt.Errorf("gaps device=%s: %w", device, err)
	}
	defer rows.Close()
	all := []schema.GapRecord{}
	for rows.Next() {
		var g schema.GapRecord
		if err := rows.Scan(&g.Epoch, &g.First, &g.Last, &g.Ch, &g.FromMS, &g.ToMS, &g.Reason); err != nil {
			return nil, fmt.Errorf("gaps device=%s: %w", device, err)
		}
		all = append(all, g)
	}
	slices.Reverse(all)
	return all, rows.Err()
}

// AddGap stores a gap without sequence numbers: a device that was off and measured nothing. Error: ErrUnknownDevice.
func (s *Store) AddGap(ctx context.Context, device string, g schema.GapRecord) error {
	err := s.writer.do(ctx, func(w *writer) error {
		h, err := w.device(device)
		if err != nil {
			return err
		}
		return w.conn.exec(sqlAddGap, h.id, nil, 0, 0, orNull(g.Ch), g.FromMS, max(g.FromMS, g.ToMS), string(g.Reason))
	})
	if err != nil {
		return fmt.Errorf("add gap: %w", err)
	}
	return nil
}

// EventRecord is an event as it is stored.
type EventRecord struct {
	TMS     int64              // Unix ms
	Time    schema.TimeQuality // never ""
	Epoch   string             // of the outbox
	Seq     uint64             // of the frame
	Type    string             // as in schema.Event
	Entity  string             // "" = the whole device
	Message string             // for people
}

const sqlEvents = `SELECT v.t_ms, v.time_quality, e.epoch, v.seq, v.type, coalesce(v.entity, ''), v.message
	FROM device d JOIN event v ON v.device_id = d.id JOIN epoch e ON e.id = v.epoch_id
	WHERE d.device_id = ?1 AND v.t_ms BETWEEN ?2 AND ?3 ORDER BY v.t_ms DESC LIMIT ?4`

// Events lists the newest events of a device in a span (Unix ms, both ends included), newest first, at most limit.
func (s *Store) Events(ctx context.Context, device string, fromMS, toMS int64, limit int) ([]EventRecord, error) {
	rows, err := s.read.QueryContext(ctx, sqlEvents, device, fromMS, toMS, limit)
	if err != nil {
		return nil, fmt.Errorf("events device=%s: %w", device, err)
	}
	defer rows.Close()
	all := []EventRecord{}
	for rows.Next() {
		var e EventRecord
		var tq int64
		if err := rows.Scan(&e.TMS, &tq, &e.Epoch, &e.Seq, &e.Type, &e.Entity, &e.Message); err != nil {
			return nil, fmt.Errorf("events device=%s: %w", device, err)
		}
		e.Time = timeQualityFromSQL(tq)
		all = append(all, e)
	}
	return all, rows.Err()
}
