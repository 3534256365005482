package store

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"path/filepath"
	"slices"

	sqlite3 "github.com/mattn/go-sqlite3" // also registers the driver "sqlite3"
)

// ErrNewer is returned by Open for a file that a newer program wrote.
var ErrNewer = errors.New("the store was written by a newer version of the hub; install that version or restore a backup")

// ErrInUse is returned by Open for a data folder that another hub uses.
var ErrInUse = errors.New("the data folder is used by another hub; stop that one or choose another folder")

// migrations are numbered from 1; PRAGMA user_version says how many of them a file has.
//
//go:embed migrations/*.sql
var migrations embed.FS

// dsn returns the driver's data source name. Every connection gets its PRAGMAs here, so that none can be without them.
func dsn(file string, params map[string]string) (string, error) {
	abs, err := filepath.Abs(file)
	if err != nil {
		return "", err
	}
	q := url.Values{"_busy_timeout": {"5000"}, "_foreign_keys": {"1"}}
	for k, v := range params {
		q.Set(k, v)
	}
	u := url.URL{Scheme: "file", Path: filepath.ToSlash(abs), RawQuery: q.Encode()}
	return u.String(), nil
}

// openConn opens the one connection that writes. FULL is not the driver's default in WAL mode; with less an ack would be a lie, so
// it is checked.
func openConn(file string) (*conn, error) {
	name, err := dsn(file, map[string]string{"_journal_mode": "WAL", "_synchronous": "FULL", "_auto_vacuum": "incremental"})
	if err != nil {
		return nil, err
	}
	db, err := sql.Open("sqlite3", name)
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(1)
	ctx := context.Background()
	c, err := db.Conn(ctx)
	if err != nil {
		_ = db.Close()
		return nil, inWords(err)
	}
	w := &conn{db: db, c: c, stmts: map[string]*sql.Stmt{}}
	var sync, mode string
	err = errors.Join(
		// A WAL that once grew is cut back to 16 MiB at the next checkpoint.
		w.exec(`PRAGMA journal_size_limit = 16777216`),
		w.row(`PRAGMA synchronous`).Scan(&sync),
		w.row(`PRAGMA journal_mode`).Scan(&mode),
	)
	if err == nil && (sync != "2" || mode != "wal") {
		err = fmt.Errorf("the file system does not allow durable commits (synchronous=%s, journal_mode=%s)", sync, mode)
	}
	if err != nil {
		_ = w.close()
		return nil, inWords(err)
	}
	return w, nil
}

// openReaders opens the pool that answers questions. Each connection keeps the statements it prepared: that is half of a small question's time.
func openReaders(file string) (*sql.DB, error) {
	name, err := dsn(file, map[string]string{"mode": "ro", "_query_only": "1", "_stmt_cache_size": "64"})
	if err != nil {
		return nil, err
	}
	db, err := sql.Open("sqlite3", name)
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(maxReaders)
	db.SetMaxIdleConns(maxReaders)
	return db, nil
}

// inWords says what a person can do about the errors that SQLite has at opening.
func inWords(err error) error {
	var e sqlite3.Error
	if !errors.As(err, &e) {
		return err
	}
	switch e.Code {
	case sqlite3.ErrNotADB:
		return fmt.Errorf("the file is not a database or is encrypted; move it away or restore a backup: %w", err)
	case sqlite3.ErrCorrupt:
		return fmt.Errorf("the file is damaged; it was left as it is, restore a backup, or keep what hub salvage can read: %w", err)
	case sqlite3.ErrCantOpen, sqlite3.ErrReadonly, sqlite3.ErrPerm:
		return fmt.Errorf("the file cannot be written; check the folder's owner and rights: %w", err)
	case sqlite3.ErrFull:
		return fmt.Errorf("the disk is full: %w", err)
	}
	return err
}

// prepareFile brings the file to today's shape and reads who this hub is.
func prepareFile(ctx context.Context, c *conn, s *Store, l *lineage) error {
	steps, err := migrationSteps(migrations)
	if err != nil {
		return err
	}
	if err := migrate(ctx, c, steps); err != nil {
		return inWords(err)
	}
	s.hubID, err = c.identity("hub_id", 16)
	if err != nil {
		return err
	}
	s.generation, err = l.begin(c)
	return err
}

// migrationSteps returns the SQL of all migrations in order.
func migrationSteps(files fs.FS) ([]string, error) {
	names, err := fs.Glob(files, "migrations/*.sql")
	if err != nil {
		return nil, err
	}
	slices.Sort(names)
	steps := make([]string, 0, len(names))
	for _, n := range names {
		b, err := fs.ReadFile(files, n)
		if err != nil {
			return nil, err
		}
		steps = append(steps, string(b))
	}
	return steps, nil
}

// migrate applies the steps the file does not have yet, each in one transaction with its user_version: a crash in between leaves the
// file at a whole step. Held by TestAFailedMigrationChangesNothing.
func migrate(ctx context.Context, c *conn, steps []string) error {
	var have int
	if err := c.row(`PRAGMA user_version`).Scan(&have); err != nil {
		return err
	}
	if have > len(steps) {
		return fmt.Errorf("%w (the file has shape %d, this program knows %d)", ErrNewer, have, len(steps))
	}
	for i := have; i < len(steps); i++ {
		if err := c.inTx(func() error {
			if _, err := c.c.ExecContext(ctx, steps[i]); err != nil {
				return err
			}
			_, err := c.c.ExecContext(ctx, fmt.Sprintf(`PRAGMA user_version = %d`, i+1))
			return err
		}); err != nil {
			return fmt.Errorf("bring the store to shape %d: %w", i+1, err)
		}
	}
	return nil
}

const (
	sqlAddMeta = `INSERT INTO meta (name, value) VALUES (?1, ?2) ON CONFLICT DO NOTHING`
	sqlMeta    = `SELECT value FROM meta WHERE name = ?1`
)

// identity returns a random name of this store, made at its first use.
func (c *conn) identity(name string, bytes int) (string, error) {
	if err := c.exec(sqlAddMeta, name, randomHex(bytes)); err != nil {
		return "", fmt.Errorf("name the store: %w", inWords(err))
	}
	var v string
	err := c.row(sqlMeta, name).Scan(&v)
	return v, err
}
