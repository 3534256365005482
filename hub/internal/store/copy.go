package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	sqlite3 "github.com/mattn/go-sqlite3"

	"github.com/telltale-iot/telltale/hub/internal/store/ring"
)

// copyPages is how many pages one step of a copy writes before they are synced, a MiB: a commit that comes meanwhile waits for that much
// of the disk's time and no more.
const copyPages = 256

// Copied says what a copy holds.
type Copied struct {
	Bytes    int64 // of the file
	Readings int64 // as the store itself counted them at the moment of the copy
}

const (
	countPacked = `SELECT readings FROM total WHERE id = 1`
	countRows   = `SELECT count(*) FROM reading` // empty but for a file of before, until its rows are packed
	filePages   = `SELECT page_count * page_size FROM pragma_page_count, pragma_page_size`
)

// CopyTo writes the store as it is at one moment into a new file, which is on the disk when CopyTo returns nil.
//
// Everything acknowledged before the call is in it. The copy reads one snapshot while the writer goes on: it neither waits for the writer nor
// begins anew when there are commits. The file is plain: no WAL belongs to it. Its name must be free; after an error nothing is left
// of it. progress hears from 0 to 1; nil = nobody listens.
// Held by TestACopyUnderLoadHoldsWhatWasAckedBefore.
func (s *Store) CopyTo(ctx context.Context, file string, progress func(float64)) (Copied, error) {
	if err := s.Seal(ctx); err != nil {
		return Copied{}, fmt.Errorf("copy the store: %w", err)
	}
	from, err := openReaders(s.writer.file)
	if err != nil {
		return Copied{}, fmt.Errorf("copy the store: %w", err)
	}
	defer func() { _ = from.Close() }()
	return copyDB(ctx, from, &copying{file: file, live: true, progress: progress})
}

// CopyFile is CopyTo for a file that no store of this process has open, of any shape; it does not count.
func CopyFile(ctx context.Context, from, to string, progress func(float64)) (Copied, error) {
	db, _, err := OpenReadOnly(ctx, from)
	if err != nil {
		return Copied{}, fmt.Errorf("copy %s: %w", from, err)
	}
	defer func() { _ = db.Close() }()
	return copyDB(ctx, db, &copying{file: to, progress: progress})
}

func copyDB(ctx context.Context, from *sql.DB, j *copying) (c Copied, err error) {
	if j.progress == nil {
		j.progress = func(float64) {}
	}
	if j.f, err = os.OpenFile(j.file, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600); err != nil {
		return c, fmt.Errorf("copy the store: %w", err)
	}
	if err = j.run(ctx, from); err == nil {
		err = j.f.Sync()
	}
	if err = errors.Join(err, j.f.Close()); err != nil {
		_ = os.Remove(j.file)
		return c, fmt.Errorf("copy the store: %w", inWords(err))
	}
	return j.done, nil
}

// copying is one copy under way.
type copying struct {
	file     string
	f        *os.File
	live     bool // beside a store at work: count its readings, and leave it room
	progress func(float64)
	done     Copied
}

func (j *copying) run(ctx context.Context, from *sql.DB) (err error) {
	name, err := dsn(j.file, map[string]string{"_journal_mode": "OFF", "_synchronous": "OFF"}) // synced here; a half one is never used
	if err != nil {
		return err
	}
	to, err := sql.Open("sqlite3", name)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, to.Close()) }()
	plain := context.Background()
	source, err := from.Conn(plain)
	if err != nil {
		return err
	}
	defer func() { _ = source.Close() }()
	// The copy stays inside this read transaction, so that all its steps see the same moment.
	if _, err := source.ExecContext(plain, `BEGIN`); err != nil {
		return err
	}
	defer func() { _, _ = source.ExecContext(plain, `ROLLBACK`) }() // closing would do the same
	if j.live {
		if j.done.Readings, err = countReadings(source); err != nil {
			return err
		}
	}
	if err := j.room(source); err != nil {
		return err
	}
	target, err := to.Conn(plain)
	if err != nil {
		return err
	}
	defer func() { _ = target.Close() }()
	err = target.Raw(func(t any) error {
		return source.Raw(func(s any) error { return j.steps(ctx, t.(*sqlite3.SQLiteConn), s.(*sqlite3.SQLiteConn)) })
	})
	if err != nil {
		return err
	}
	// As a file that needs no WAL it can be read from a medium that cannot be written. Open makes one of it again.
	if _, err := target.ExecContext(plain, `PRAGMA journal_mode = DELETE`); err != nil {
		return err
	}
	info, err := j.f.Stat()
	if err == nil {
		j.done.Bytes = info.Size()
	}
	return err
}

// steps copies page by page. Each step is on the disk before the next: a backlog of dirty pages would make the writer's fsync wait for
// all of them.
func (j *copying) steps(ctx context.Context, to, from *sqlite3.SQLiteConn) error {
	b, err := to.Backup("main", from, "main")
	if err != nil {
		return err
	}
	for done := false; !done && err == nil; {
		if done, err = b.Step(copyPages); err != nil {
			break
		}
		if all := b.PageCount(); all > 0 {
			j.progress(1 - float64(b.Remaining())/float64(all))
		}
		err = errors.Join(j.f.Sync(), ctx.Err())
	}
	return errors.Join(err, b.Close())
}

// room says in words when the copy would not fit.
func (j *copying) room(from *sql.Conn) error {
	var need int64
	if err := from.QueryRowContext(context.Background(), filePages).Scan(&need); err != nil {
		return err
	}
	dir := filepath.Dir(j.file)
	free, size, err := diskRoom(dir)
	if err != nil {
		return err
	}
	var leave int64
	if j.live { // or the store would delete its oldest readings for lack of room
		leave = tightMark(size)
	}
	if free >= need+leave {
		return nil
	}
	return fmt.Errorf("there is not enough room: the copy needs %d MB and %d MB should stay free, but the disk of %s has only %d MB left",
		need>>20+1, leave>>20, dir, free>>20)
}

// countReadings counts what a file holds: packed, in the old table, and in the log.
func countReadings(conn *sql.Conn) (n int64, err error) {
	plain := context.Background()
	var text string
	var old int64
	err = conn.QueryRowContext(plain, sqlFlushed).Scan(&text)
	if isNoRows(err) {
		text, err = "0", nil
	}
	if err != nil {
		return 0, err
	}
	flushed, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		return 0, err
	}
	if err := conn.QueryRowContext(plain, countPacked).Scan(&n); err != nil {
		return 0, err
	}
	if err := conn.QueryRowContext(plain, countRows).Scan(&old); err != nil {
		return 0, err
	}
	rows, err := conn.QueryContext(plain, sqlSlots)
	if err != nil {
		return 0, err
	}
	defer rows.Close()
	for n += old; rows.Next(); {
		var place int64
		var data []byte
		if err := rows.Scan(&place, &data); err != nil {
			return 0, err
		}
		slot, err := ring.DecodeSlot(data)
		if err != nil || slot.Number <= flushed {
			continue // a damaged one fails the copy's check
		}
		err = slot.Frames(func(*ring.Frame) error { return nil }, func(_ *ring.Frame, run *ring.Run) { n += int64(run.Len()) })
		if err != nil {
			return 0, err
		}
	}
	return n, rows.Err()
}
