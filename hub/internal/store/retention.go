package store

import (
	"context"
	"fmt"

	"github.com/telltale-iot/telltale/schema"
)

const (
	// MaxRetentionRules bounds the rules of one store.
	MaxRetentionRules = 1000
	// maxRetentionDays is a hundred years, beyond which nobody counts.
	maxRetentionDays = 36525
	// dayMS is a day, in ms.
	dayMS = 24 * 3600 * 1000
)

const (
	sqlRules     = `SELECT coalesce(d.device_id, ''), r.channel, r.days FROM retention r LEFT JOIN device d ON d.id = r.device_id ORDER BY r.device_id, r.channel`
	sqlDropRules = `DELETE FROM retention WHERE 1`
	sqlAddRule   = `INSERT INTO retention (device_id, channel, days) VALUES (?1, ?2, ?3)`
	sqlAllSeries = `SELECT s.id, s.device_id, s.channel, d.device_id FROM series s JOIN device d ON d.id = s.device_id
	WHERE d.device_id IS NOT NULL AND s.id > ?1 ORDER BY s.id LIMIT 1000`
	sqlWouldGo = `SELECT count(*), coalesce(sum(n), 0), coalesce(sum(length(data)), 0) FROM chunk
	WHERE series_id = ?1 AND t0_ms < ?2 AND t1_ms < ?2`
)

// Retention lists the rules that say how long readings are kept one by one. Those of forgotten devices are left out.
func (s *Store) Retention(ctx context.Context) ([]schema.RetentionRule, error) {
	rows, err := s.read.QueryContext(ctx, sqlRules)
	if err != nil {
		return nil, fmt.Errorf("retention rules: %w", err)
	}
	defer rows.Close()
	all := []schema.RetentionRule{}
	for rows.Next() {
		var r schema.RetentionRule
		if err := rows.Scan(&r.Device, &r.Ch, &r.Days); err != nil {
			return nil, fmt.Errorf("retention rules: %w", err)
		}
		all = append(all, r)
	}
	return all, rows.Err()
}

// SetRetention puts rules in the place of all those before; what they no longer keep is deleted soon, in small steps.
//
// Errors: *schema.Problem for a rule that cannot be (unknown device, a channel without device, two for the same, days out of range).
func (s *Store) SetRetention(ctx context.Context, rules []schema.RetentionRule) error {
	if p := checkRules(rules); p != nil {
		return p
	}
	err := s.writer.do(ctx, func(w *writer) error {
		if err := w.conn.exec(sqlDropRules); err != nil {
			return err
		}
		for _, r := range rules {
			device := int64(0)
			if r.Device != "" {
				if err := w.conn.row(sqlDeviceRow, r.Device).Scan(&device); err != nil {
					return orUnknownProblem(err, r.Device)
				}
			}
			if err := w.conn.exec(sqlAddRule, device, r.Ch, r.Days); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("set retention: %w", err)
	}
	poke(s.shed.wake)
	return nil
}

func checkRules(rules []schema.RetentionRule) *schema.Problem {
	if len(rules) > MaxRetentionRules {
		return schema.Problemf(schema.CodeOutOfRange, "%d rules, at most %d", len(rules), MaxRetentionRules)
	}
	seen := map[[2]string]bool{}
	for _, r := range rules {
		key := [2]string{r.Device, r.Ch}
		switch {
		case r.Days < 0 || r.Days > maxRetentionDays:
			return schema.Problemf(schema.CodeOutOfRange, "days must be 0 (for ever) to %d, not %d", maxRetentionDays, r.Days)
		case r.Ch != "" && r.Device == "":
			return schema.Problemf(schema.CodeOutOfRange, "a rule for the channel %q must name its device", r.Ch)
		case len(r.Ch) > 129:
			return schema.Problemf(schema.CodeOutOfRange, "a channel is <entity>.<channel>")
		case seen[key]:
			return schema.Problemf(schema.CodeConflict, "two rules for device %q, channel %q", r.Device, r.Ch)
		}
		seen[key] = true
	}
	return nil
}

func orUnknownProblem(err error, device string) error {
	if isNoRows(err) {
		return schema.Problemf(schema.CodeUnknownDevice, "there is no device %q", device)
	}
	return err
}

// PreviewRetention says what a set of rules would delete now, without deleting it. Errors as in SetRetention.
func (s *Store) PreviewRetention(ctx context.Context, rules []schema.RetentionRule) (schema.RetentionPreview, error) {
	p := schema.RetentionPreview{Series: []schema.RetentionLoss{}}
	if problem := checkRules(rules); problem != nil {
		return p, problem
	}
	for _, r := range rules {
		if r.Device == "" {
			continue
		}
		if _, ok, err := s.Device(ctx, r.Device); err != nil || !ok {
			return p, orElse(err, schema.Problemf(schema.CodeUnknownDevice, "there is no device %q", r.Device))
		}
	}
	now := s.now().UnixMilli()
	err := s.eachSeries(ctx, func(x seriesRow) error {
		cut := cutOf(now, daysOf(rules, x.device, x.channel))
		if cut == 0 {
			return nil
		}
		var chunks int
		loss := schema.RetentionLoss{Device: x.device, Ch: x.channel, BeforeMS: cut}
		if err := s.read.QueryRowContext(ctx, sqlWouldGo, x.id, cut).Scan(&chunks, &loss.Readings, &loss.Bytes); err != nil {
			return err
		}
		if chunks > 0 {
			p.Series = append(p.Series, loss)
			p.Readings += loss.Readings
			p.Bytes += loss.Bytes
		}
		return nil
	})
	if err != nil {
		return p, fmt.Errorf("preview retention: %w", err)
	}
	return p, nil
}

func orElse(err, otherwise error) error {
	if err != nil {
		return err
	}
	return otherwise
}

// daysOf finds the most exact rule: device and channel, device, every device. 0 = for ever.
func daysOf(rules []schema.RetentionRule, device, channel string) int64 {
	best, days := 0, int64(0)
	for _, r := range rules {
		rank := 0
		switch {
		case r.Device == device && r.Ch == channel:
			rank = 3
		case r.Device == device && r.Ch == "":
			rank = 2
		case r.Device == "" && r.Ch == "":
			rank = 1
		}
		if rank > best {
			best, days = rank, r.Days
		}
	}
	return days
}

// cutOf returns the time before which readings go, Unix ms; 0 = none go.
func cutOf(nowMS, days int64) int64 {
	if days == 0 {
		return 0
	}
	return max(0, nowMS-days*dayMS)
}

// seriesRow is a series with its names.
type seriesRow struct {
	id, deviceRow   int64
	channel, device string
}

// eachSeries calls fn for every series of the devices that are not forgotten, a thousand per read transaction.
func (s *Store) eachSeries(ctx context.Context, fn func(seriesRow) error) error {
	for last := int64(0); ; {
		page, err := s.seriesPage(ctx, last)
		if err != nil {
			return err
		}
		if len(page) == 0 {
			return nil
		}
		for _, x := range page {
			if err := fn(x); err != nil {
				return err
			}
			last = x.id
		}
	}
}

func (s *Store) seriesPage(ctx context.Context, after int64) ([]seriesRow, error) {
	rows, err := s.read.QueryContext(ctx, sqlAllSeries, after)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var page []seriesRow
	for rows.Next() {
		var x seriesRow
		if err := rows.Scan(&x.id, &x.deviceRow, &x.channel, &x.device); err != nil {
			return nil, err
		}
		page = append(page, x)
	}
	return page, rows.Err()
}
