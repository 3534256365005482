// Package check looks whether a store's file is what it should be, and says exactly where it is not.
//
// [File] reads everything there is: SQLite's own integrity check, every chunk decoded and compared with what its row says of it, the order of
// chunks, the hourly values against the readings under them, every slot of the log, and the books of sequence numbers. It changes
// nothing and works beside a running hub: it sees one moment of the file. What has no checksum of its own, names and texts outside of chunks, is only
// seen when SQLite's structure breaks. Held by TestEveryFlippedByteIsNoticed.
package check

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"time"

	"github.com/telltale-iot/telltale/hub/internal/store"
)

// maxFindings bounds what a report lists; a file that has more wrong is not told apart any better.
const maxFindings = 1000

// Finding is one thing that is wrong.
type Finding struct {
	// Device and Channel concerned; "" = all, or not known.
	Device, Channel string
	// FromMS and ToMS bound the readings concerned, Unix ms; both 0 = no readings are.
	FromMS, ToMS int64
	// What is wrong, for people.
	What string
}

// String is the finding in a line.
func (f Finding) String() string {
	var b strings.Builder
	if f.Device != "" {
		b.WriteString(f.Device + " ")
	}
	if f.Channel != "" {
		b.WriteString(f.Channel + " ")
	}
	if f.FromMS != 0 || f.ToMS != 0 {
		fmt.Fprintf(&b, "%s – %s ", stamp(f.FromMS), stamp(f.ToMS))
	}
	if b.Len() == 0 {
		return f.What
	}
	return strings.TrimSuffix(b.String(), " ") + ": " + f.What
}

func stamp(ms int64) string { return time.UnixMilli(ms).UTC().Format("2006-01-02T15:04:05.000Z") }

// Report is what a check found.
type Report struct {
	// Findings, in the order of the check; none = all is well.
	Findings []Finding
	// More findings than those listed.
	More int
	// Shape of the file: how many migrations it has.
	Shape int
	// Readings stored: Packed in chunks, the rest in the log and in the old table of readings.
	Readings, Packed int64
	// Chunks, Hours and Slots (of the log, with readings that are not packed yet) looked at.
	Chunks, Hours, Slots int64
}

// OK reports whether nothing is wrong.
func (r *Report) OK() bool { return len(r.Findings) == 0 }

func (r *Report) add(f Finding) {
	if len(r.Findings) >= maxFindings {
		r.More++
		return
	}
	r.Findings = append(r.Findings, f)
}

// File checks a store's file. progress hears from 0 to 1; nil = nobody listens.
//
// What is wrong with the file is in the report. Error: it could not be looked at (no such file, no right, a newer program's, ctx ended).
func File(ctx context.Context, file string, progress func(float64)) (*Report, error) {
	if progress == nil {
		progress = func(float64) {}
	}
	r := &Report{}
	db, shape, err := store.OpenReadOnly(ctx, file)
	if damaged(err) {
		r.add(Finding{What: err.Error()})
		return r, nil
	}
	if err != nil {
		return nil, fmt.Errorf("check %s: %w", file, err)
	}
	defer func() { _ = db.Close() }()
	r.Shape = shape
	conn, err := db.Conn(ctx)
	if err != nil {
		return nil, fmt.Errorf("check %s: %w", file, err)
	}
	defer func() { _ = conn.Close() }()
	c := &checker{conn: conn, r: r, progress: progress, series: map[int64]series{}}
	if err := c.run(ctx); err != nil {
		return nil, fmt.Errorf("check %s: %w", file, err)
	}
	progress(1)
	return r, nil
}

// checker is one check under way.
type checker struct {
	conn     *sql.Conn
	r        *Report
	progress func(float64)
	series   map[int64]series // by row
	damage   []Finding        // what gaps say was lost with a damaged file, before a salvage
	flushed  uint64           // slots up to this one are packed
	shown    float64          // of the progress
}

type series struct{ device, channel string }

// part is a step of a check with the share of the progress at its end.
type part struct {
	what  string
	share float64
	since int // shape that has what it looks at
	look  func(context.Context) error
}

// run looks at everything inside one read transaction. A part that damage stops becomes a finding; the others go on.
func (c *checker) run(ctx context.Context) error {
	if err := c.exec(`BEGIN`); err != nil {
		return err
	}
	defer func() { _ = c.exec(`ROLLBACK`) }() // closing would do the same
	for _, p := range []part{
		{"the structure", structureShare, 0, c.structure},
		{"the names of the series", structureShare, 1, c.names},
		{"the old table of readings", structureShare, 1, c.rows},
		{"the log", structureShare, 3, c.ring},
		{"the packed readings", chunksShare, 3, c.chunks},
		{"the books of what was received", 1, 1, c.books},
	} {
		if c.r.Shape < p.since {
			continue
		}
		err := p.look(ctx)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil && !damaged(err) {
			return fmt.Errorf("%s: %w", p.what, err)
		}
		if err != nil {
			c.r.add(Finding{What: fmt.Sprintf("%s cannot be read: %v; hub salvage names what is lost and keeps the rest", p.what, err)})
		}
		c.share(p.share)
	}
	return nil
}

// structureShare and chunksShare are where the progress is after SQLite's own check, and after the chunks.
const (
	structureShare = 0.4
	chunksShare    = 0.95
)

// share tells the progress; it never goes back.
func (c *checker) share(p float64) {
	c.shown = max(c.shown, min(p, 1))
	c.progress(c.shown)
}

func (c *checker) exec(query string) error {
	_, err := c.conn.ExecContext(context.Background(), query)
	return err
}

func (c *checker) row(query string, args ...any) *sql.Row {
	return c.conn.QueryRowContext(context.Background(), query, args...)
}

// each calls fn for every row of a query; fn scans it.
func (c *checker) each(query string, fn func(scan func(...any) error) error, args ...any) error {
	rows, err := c.conn.QueryContext(context.Background(), query, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := fn(rows.Scan); err != nil {
			return err
		}
	}
	return rows.Err()
}
