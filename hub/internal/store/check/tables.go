package check

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"

	sqlite3 "github.com/mattn/go-sqlite3"

	"github.com/telltale-iot/telltale/schema"
)

// damaged reports whether an error says that the file is damaged, and not that it cannot be looked at.
func damaged(err error) bool {
	var e sqlite3.Error
	return errors.As(err, &e) && (e.Code == sqlite3.ErrCorrupt || e.Code == sqlite3.ErrNotADB || e.Code == sqlite3.ErrError || e.Code == sqlite3.ErrIoErr)
}

// structure lets SQLite compare pages, indexes and columns.
func (c *checker) structure(context.Context) error {
	return c.each(`PRAGMA integrity_check(100)`, func(scan func(...any) error) error {
		var text string
		if err := scan(&text); err != nil {
			return err
		}
		if text != "ok" {
			c.r.add(Finding{What: "SQLite's structure: " + text})
		}
		return nil
	})
}

func (c *checker) names(context.Context) error {
	err := c.each(`SELECT d.device_id, coalesce(g.channel, ''), g.from_ms, g.to_ms FROM gap g JOIN device d ON d.id = g.device_id
		WHERE g.reason = 'damaged' AND g.epoch_id IS NULL AND d.device_id IS NOT NULL`, func(scan func(...any) error) error {
		var f Finding
		err := scan(&f.Device, &f.Channel, &f.FromMS, &f.ToMS)
		c.damage = append(c.damage, f)
		return err
	})
	if err != nil {
		return err
	}
	return c.each(`SELECT s.id, coalesce(d.device_id, ''), s.channel, d.id IS NULL FROM series s LEFT JOIN device d ON d.id = s.device_id`,
		func(scan func(...any) error) error {
			var id int64
			var s series
			var lost bool
			if err := scan(&id, &s.device, &s.channel, &lost); err != nil {
				return err
			}
			if lost {
				c.r.add(Finding{Channel: s.channel, What: fmt.Sprintf("series %d belongs to no device", id)})
			}
			if s.device == "" {
				s.device = "(a forgotten device)"
			}
			c.series[id] = s
			return nil
		})
}

// rows counts the readings that are still rows of their own.
func (c *checker) rows(context.Context) error {
	var n int64
	if err := c.row(`SELECT count(*) FROM sqlite_schema WHERE name = 'reading'`).Scan(&n); err != nil || n == 0 {
		return err
	}
	err := c.row(`SELECT count(*) FROM reading`).Scan(&n)
	c.r.Readings += n
	return err
}

// books looks at what was received, at gaps and at references.
func (c *checker) books(context.Context) error {
	if err := c.received(); err != nil {
		return err
	}
	if err := c.gaps(); err != nil {
		return err
	}
	err := c.each(`PRAGMA foreign_key_check`, func(scan func(...any) error) error {
		var table, parent string
		var row, key sql.NullInt64
		if err := scan(&table, &row, &parent, &key); err != nil {
			return err
		}
		c.r.add(Finding{What: fmt.Sprintf("row %d of table %s refers to a row of %s that is not there", row.Int64, table, parent)})
		return nil
	})
	if err != nil || c.r.Shape < 3 {
		return err
	}
	var total int64
	if err := c.row(`SELECT readings FROM total`).Scan(&total); err != nil && !errors.Is(err, sql.ErrNoRows) {
		return err
	}
	if total != c.r.Packed {
		c.r.add(Finding{What: fmt.Sprintf("the chunks hold %d readings, their total says %d", c.r.Packed, total)})
	}
	return nil
}

func (c *checker) received() error {
	var before [2]int64 // epoch and last
	return c.each(`SELECT r.epoch_id, coalesce(e.epoch, ''), coalesce(d.device_id, ''), r.first, r.last FROM received r
		LEFT JOIN epoch e ON e.id = r.epoch_id LEFT JOIN device d ON d.id = e.device_id ORDER BY r.epoch_id, r.first`,
		func(scan func(...any) error) error {
			var id, first, last int64
			var epoch, device string
			if err := scan(&id, &epoch, &device, &first, &last); err != nil {
				return err
			}
			switch {
			case epoch == "":
				c.r.add(Finding{What: fmt.Sprintf("received numbers %d–%d belong to no outbox", first, last)})
			case first < 1 || last < first || last == math.MaxInt64:
				c.r.add(Finding{Device: device, What: fmt.Sprintf("received numbers %d–%d are no range", first, last)})
			case id == before[0] && first <= before[1]+1:
				c.r.add(Finding{Device: device, What: fmt.Sprintf("received numbers %d–%d overlap or touch the range before them", first, last)})
			}
			before = [2]int64{id, last}
			return nil
		})
}

func (c *checker) gaps() error {
	return c.each(`SELECT g.id, coalesce(d.device_id, ''), coalesce(g.channel, ''), g.from_ms, g.to_ms, g.first, g.last, g.reason
		FROM gap g LEFT JOIN device d ON d.id = g.device_id`,
		func(scan func(...any) error) error {
			var id, first, last int64
			var f Finding
			var reason schema.GapReason
			if err := scan(&id, &f.Device, &f.Channel, &f.FromMS, &f.ToMS, &first, &last, &reason); err != nil {
				return err
			}
			switch {
			case f.FromMS > f.ToMS:
				f.What = fmt.Sprintf("gap %d ends before it begins", id)
			case first < 0 || last < first || (first == 0) != (last == 0):
				f.What = fmt.Sprintf("gap %d stands for the numbers %d–%d", id, first, last)
			case reason == "":
				f.What = fmt.Sprintf("gap %d has no reason", id)
			default:
				return nil
			}
			c.r.add(f)
			return nil
		})
}
