//go:build linux

package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"
	"path/filepath"
)

// rowShape is how a table of one row per reading is ordered.
type rowShape struct {
	key      string
	bySeries bool // rows of a commit are written series by series, as the table has them
}

// seriesRows is the table that everybody makes first: a chart reads one run of pages, a commit touches a page per series.
func seriesRows() rowShape { return rowShape{key: "series, t", bySeries: true} }

// timeRows writes the least that rows can, and a chart of one series reads all of them.
func timeRows() rowShape { return rowShape{key: "t, series"} }

// rows is a table with a row per reading.
type rows struct {
	*database
	shape rowShape
	group *sql.Stmt
	scan  *sql.Stmt
}

const (
	sqlBuckets = `SELECT t / ?4 AS b, min(v), max(v), sum(v), count(*) FROM reading WHERE series = ?1 AND t BETWEEN ?2 AND ?3 GROUP BY b ORDER BY b`
	sqlScan    = `SELECT t, v FROM reading WHERE series = ?1 AND t BETWEEN ?2 AND ?3 ORDER BY t`
)

func openRows(s spec, shape rowShape) (*rows, error) {
	schema := `CREATE TABLE IF NOT EXISTS reading (series INTEGER NOT NULL, t INTEGER NOT NULL, v REAL NOT NULL, PRIMARY KEY (` + shape.key + `)) WITHOUT ROWID`
	d, err := openDatabase(filepath.Join(s.dir, "rows.db"), "FULL", schema, "reading (series, t, v)", 3)
	if err != nil {
		return nil, err
	}
	e := &rows{database: d, shape: shape}
	if e.group, err = d.read.Prepare(sqlBuckets); err == nil {
		e.scan, err = d.read.Prepare(sqlScan)
	}
	if err != nil {
		return nil, errors.Join(err, e.Close())
	}
	return e, nil
}

// Store implements engine.
func (e *rows) Store(ticks []tick) error {
	return e.inTx(func() error {
		if e.shape.bySeries {
			for i := range ticks[0].v {
				for k := range ticks {
					if err := e.insert(i, ticks[k].tMS[i], ticks[k].v[i]); err != nil {
						return err
					}
				}
			}
			return nil
		}
		for k := range ticks {
			for i := range ticks[k].v {
				if err := e.insert(i, ticks[k].tMS[i], ticks[k].v[i]); err != nil {
					return err
				}
			}
		}
		return nil
	})
}

// Chart implements engine: SQLite does the folding.
func (e *rows) Chart(_ context.Context, q question) (c curve, err error) {
	c.widthMS = q.widthMS
	found, err := e.group.QueryContext(context.Background(), q.series, q.fromMS, q.toMS, q.widthMS)
	if err != nil {
		return c, err
	}
	defer func() { err = errors.Join(err, found.Close()) }()
	for found.Next() {
		var bucket, n int64
		var least, most, sum float64
		if err := found.Scan(&bucket, &least, &most, &sum, &n); err != nil {
			return c, err
		}
		c.add(bucket*q.widthMS, least, most, sum, n)
	}
	return c, found.Err()
}

// Scan answers the same question by reading every row and folding in Go.
func (e *rows) Scan(q question) (c curve, err error) {
	c.widthMS = q.widthMS
	found, err := e.scan.QueryContext(context.Background(), q.series, q.fromMS, q.toMS)
	if err != nil {
		return c, err
	}
	defer func() { err = errors.Join(err, found.Close()) }()
	at, least, most, sum, n := int64(-1), 0.0, 0.0, 0.0, int64(0)
	end := func() {
		if n > 0 {
			c.add(at*q.widthMS, least, most, sum, n)
		}
	}
	for found.Next() {
		var t int64
		var v float64
		if err := found.Scan(&t, &v); err != nil {
			return c, err
		}
		if b := t / q.widthMS; b != at {
			end()
			at, least, most, sum, n = b, math.Inf(1), math.Inf(-1), 0, 0
		}
		least, most, sum, n = min(least, v), max(most, v), sum+v, n+1
	}
	end()
	return c, found.Err()
}

func (c *curve) add(tMS int64, least, most, sum float64, n int64) {
	c.tMS = append(c.tMS, tMS)
	c.min, c.max = append(c.min, least), append(c.max, most)
	c.mean, c.count = append(c.mean, sum/float64(n)), append(c.count, n)
}

// Close implements engine.
func (e *rows) Close() error {
	var errs []error
	for _, s := range []*sql.Stmt{e.group, e.scan} {
		if s != nil {
			errs = append(errs, s.Close())
		}
	}
	if err := errors.Join(append(errs, e.close())...); err != nil {
		return fmt.Errorf("close rows: %w", err)
	}
	return nil
}

// Size implements engine.
func (e *rows) Size() (size, error) {
	return fileSize(e.file, sizeOf{readings: map[string]string{"reading": "count(*)"}})
}
