// Package salvage reads what can be read of a damaged store and makes a new, good one of it.
//
// [Run] never touches the damaged file. It reads it page by page without SQLite (package dbfile), keeps every chunk and every slot of the log
// whose checksum is right, and names what is lost: as findings, and as gaps with the reason "damaged" in the new store. What is not named is there and
// equal. Where it cannot be known whether readings are missing, the span counts as lost.
//
// A chunk is known to be lost because another page knows of it: the index of chunks has an entry for each, and the hourly values have counted its
// readings. Only rows without a checksum and without such a witness (names, events, commands, received numbers) can be wrong without being
// noticed, when damage hits them and leaves the page's structure whole.
// Held by TestWhatIsNotReportedAsLostIsThereAndEqual.
package salvage

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/telltale-iot/telltale/hub/internal/store"
	"github.com/telltale-iot/telltale/hub/internal/store/check"
	"github.com/telltale-iot/telltale/hub/internal/store/dbfile"
	"github.com/telltale-iot/telltale/schema"
)

// maxLost bounds the losses that are told apart; the others are told as one.
const maxLost = 10_000

// Options says what [Run] reads and writes.
type Options struct {
	// File is the damaged store; its WAL is read as well.
	File string
	// Output is the new store's file; it must not exist.
	Output string
	// Progress hears from 0 to 1; nil = nobody listens.
	Progress func(float64)

	empty string // a new store's file, for tests: making one takes longer than filling it
}

// Report says what a salvage kept and what is lost.
type Report struct {
	// Lost spans, and other losses in words.
	Lost []check.Finding
	// Devices, Readings and Chunks in the new store.
	Devices, Readings, Chunks int64
}

// Run makes a new store of what a damaged one still holds. Errors: the file cannot be opened, the output exists or cannot be written.
func Run(ctx context.Context, o Options) (*Report, error) {
	if _, err := os.Lstat(o.Output); !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("%s is there already; the salvaged store needs a name of its own", o.Output)
	}
	if o.Progress == nil {
		o.Progress = func(float64) {}
	}
	dir, err := os.MkdirTemp(filepath.Dir(o.Output), ".salvage-*")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	roots, err := newStore(ctx, dir, o.empty)
	if err != nil {
		return nil, err
	}
	src, err := dbfile.Open(o.File)
	if err != nil {
		return nil, err
	}
	defer func() { _ = src.Close() }() // it was only read
	j := &job{src: src, survey: src.Survey(roots), progress: o.Progress, report: &Report{}, series: map[int64]name{}, devices: map[int64]string{}}
	if err := j.fill(ctx, store.File(dir)); err != nil {
		return nil, fmt.Errorf("salvage %s: %w", o.File, err)
	}
	if err := j.finish(ctx, dir); err != nil {
		return nil, fmt.Errorf("salvage %s: %w", o.File, err)
	}
	if err := os.Rename(store.File(dir), o.Output); err != nil {
		return nil, err
	}
	o.Progress(1)
	return j.report, nil
}

// newStore makes an empty store and returns where its tables begin: the same places as in any store, unless one was repaired.
func newStore(ctx context.Context, dir, empty string) (map[string]uint32, error) {
	if empty != "" {
		if _, err := store.CopyFile(ctx, empty, store.File(dir), nil); err != nil {
			return nil, err
		}
	} else if s, err := store.Open(ctx, store.Options{Dir: dir}); err != nil {
		return nil, err
	} else if err := s.Close(); err != nil {
		return nil, err
	}
	f, err := dbfile.Open(store.File(dir))
	if err != nil {
		return nil, err
	}
	roots := map[string]uint32{}
	for name, t := range f.Survey(nil).Trees {
		roots[name] = t.Root
	}
	return roots, f.Close()
}

// finish opens the new store as the hub would, packs what is in its log, notes what was missing there, and checks all of it.
func (j *job) finish(ctx context.Context, dir string) error {
	s, err := store.Open(ctx, store.Options{Dir: dir})
	if err != nil {
		return err
	}
	if err := errors.Join(s.Seal(ctx), s.Close()); err != nil {
		return err
	}
	r, err := check.File(ctx, store.File(dir), nil)
	if err != nil {
		return err
	}
	if !r.OK() {
		return fmt.Errorf("the new store is not good: %s", r.Findings[0])
	}
	j.report.Readings, j.report.Chunks = r.Readings, r.Chunks
	return errors.Join(j.newGaps(ctx, store.File(dir)), syncFile(store.File(dir)))
}

// newGaps notes the gaps that the new store made when it read its log.
func (j *job) newGaps(ctx context.Context, file string) error {
	db, _, err := store.OpenReadOnly(ctx, file)
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }()
	rows, err := db.QueryContext(ctx, `SELECT d.device_id, g.from_ms, g.to_ms FROM gap g JOIN device d ON d.id = g.device_id WHERE g.id > ?1 ORDER BY g.id`, j.lastGap)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		f := check.Finding{What: "readings that came then were in damaged slots of the log, or may have been"}
		if err := rows.Scan(&f.Device, &f.FromMS, &f.ToMS); err != nil {
			return err
		}
		j.add(f)
	}
	return rows.Err()
}

func syncFile(file string) error {
	f, err := os.OpenFile(file, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

type name struct {
	device  int64
	channel string
}

// job is one salvage under way.
type job struct {
	src      *dbfile.File
	survey   *dbfile.Survey
	progress func(float64)
	report   *Report
	tx       *sql.Tx
	devices  map[int64]string
	series   map[int64]name
	flushed  *uint64 // slots of the log up to this one are packed; nil = that is lost
	lastGap  int64   // id of the last gap that this salvage wrote
	more     int     // losses beyond maxLost
}

func (j *job) fill(ctx context.Context, file string) error {
	db, err := store.OpenForFilling(file)
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }()
	if j.tx, err = db.BeginTx(ctx, nil); err != nil {
		return err
	}
	defer func() { _ = j.tx.Rollback() }() // after the commit it does nothing
	for i, part := range []func(context.Context) error{j.tables, j.names, j.chunks, j.hours, j.gaps, j.log} {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := part(ctx); err != nil {
			return err
		}
		j.progress([]float64{0.1, 0.1, 0.6, 0.8, 0.85, 0.9}[i])
	}
	if err := j.tx.Commit(); err != nil {
		return err
	}
	return db.Close()
}

// lost notes what is lost of a series.
func (j *job) lost(series, fromMS, toMS int64, what string) {
	n := j.series[series]
	f := check.Finding{Device: j.devices[n.device], Channel: n.channel, FromMS: fromMS, ToMS: max(fromMS, toMS), What: what}
	if f.Channel == "" {
		f.What = fmt.Sprintf("series %d, whose name is lost: %s", series, what)
	}
	j.add(f)
}

func (j *job) add(f check.Finding) {
	if len(j.report.Lost) >= maxLost {
		last := &j.report.Lost[maxLost-1]
		last.Device, last.Channel = "", ""
		last.FromMS, last.ToMS = min(last.FromMS, f.FromMS), max(last.ToMS, f.ToMS)
		j.more++
		last.What = fmt.Sprintf("%d more losses, of any device and channel", j.more+1)
		return
	}
	j.report.Lost = append(j.report.Lost, f)
}

// each passes all records of a table or an index that can be read, in whatever order; holes counts the places where some are missing
// and the records that cannot be taken apart.
func (j *job) each(table string, fn func(id int64, r []any)) (holes int) {
	t := j.survey.Trees[table]
	if t == nil {
		return 0
	}
	visit := func(c *dbfile.Cell) {
		if c == nil {
			holes++
			return
		}
		r, err := j.src.Record(c)
		if err != nil {
			holes++
			return
		}
		fn(c.RowID, r)
	}
	j.survey.Each(t, visit)
	j.survey.Orphans(t, visit)
	return holes
}

// gaps writes what is lost into the new store: of the series, of the device, or of every device.
func (j *job) gaps(ctx context.Context) error {
	const add = `INSERT INTO gap (device_id, epoch_id, first, last, channel, from_ms, to_ms, reason) SELECT id, NULL, 0, 0, ?2, ?3, ?4, ?5 FROM device
		WHERE device_id IS NOT NULL AND (?1 = '' OR device_id = ?1)`
	for _, f := range j.report.Lost {
		if f.FromMS == 0 && f.ToMS == 0 {
			continue
		}
		var channel any
		if f.Channel != "" {
			channel = f.Channel
		}
		if _, err := j.tx.ExecContext(ctx, add, f.Device, channel, f.FromMS, f.ToMS, string(schema.GapDamaged)); err != nil {
			return err
		}
	}
	return j.tx.QueryRowContext(ctx, `SELECT coalesce(max(id), 0) FROM gap`).Scan(&j.lastGap)
}
