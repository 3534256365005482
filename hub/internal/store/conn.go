package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	sqlite3 "github.com/mattn/go-sqlite3"
)

// conn is the connection that writes, with its prepared statements. It belongs to one goroutine at a time.
//
// It always uses the background context: a cancelable one costs 2.6 times as much per row, and a transaction that was begun is better
// ended than cut.
type conn struct {
	db    *sql.DB
	c     *sql.Conn
	stmts map[string]*sql.Stmt
	sound bool // the log is what the disk has, see renewLog
}

func (c *conn) stmt(query string) (*sql.Stmt, error) {
	if s := c.stmts[query]; s != nil {
		return s, nil
	}
	s, err := c.c.PrepareContext(context.Background(), query)
	if err != nil {
		return nil, fmt.Errorf("prepare: %w", err)
	}
	c.stmts[query] = s
	return s, nil
}

// exec runs a statement.
func (c *conn) exec(query string, args ...any) error {
	_, err := c.run(query, args...)
	return err
}

// run runs a statement and returns its result.
func (c *conn) run(query string, args ...any) (sql.Result, error) {
	s, err := c.stmt(query)
	if err != nil {
		return nil, err
	}
	r, err := s.ExecContext(context.Background(), args...)
	c.sound = c.sound && !doubtful(err)
	return r, err
}

// doubtful reports whether a failed sync may be behind an error: any I/O error, but for the shared memory that a full disk has no room for,
// and whatever is not SQLite's.
func doubtful(err error) bool {
	var e sqlite3.Error
	if errors.As(err, &e) {
		return e.Code == sqlite3.ErrIoErr && e.ExtendedCode != sqlite3.ErrIoErrSHMSize
	}
	return err != nil
}

// renewLog moves all of the WAL into the database and begins it anew, unless it is known to be what the disk has.
//
// After a sync that failed, of this process or one before, the WAL may have pages that the kernel reads as written and will never write: a
// commit behind them would end at a power cut, however well it was synced. What is copied out of them is written and synced again.
// Held by TestNothingAckedReliesOnAFailedSync.
func (c *conn) renewLog() error {
	if c.sound {
		return nil
	}
	var busy, frames, moved int
	if err := c.row(`PRAGMA wal_checkpoint(TRUNCATE)`).Scan(&busy, &frames, &moved); err != nil {
		return fmt.Errorf("begin the log anew: %w", inWords(err))
	}
	if busy != 0 {
		return errors.New("begin the log anew: somebody has been reading the database for seconds")
	}
	c.sound = true
	return nil
}

// insert runs an INSERT and returns the new row's id.
func (c *conn) insert(query string, args ...any) (int64, error) {
	r, err := c.run(query, args...)
	if err != nil {
		return 0, err
	}
	return r.LastInsertId()
}

// scanner is a row to be, *sql.Row or an error.
type scanner interface{ Scan(dest ...any) error }

type errRow struct{ err error }

func (r errRow) Scan(...any) error { return r.err }

// row asks for one row.
func (c *conn) row(query string, args ...any) scanner {
	s, err := c.stmt(query)
	if err != nil {
		return errRow{err}
	}
	return s.QueryRowContext(context.Background(), args...)
}

// rows asks for several rows.
func (c *conn) rows(query string, args ...any) (*sql.Rows, error) {
	s, err := c.stmt(query)
	if err != nil {
		return nil, err
	}
	return s.QueryContext(context.Background(), args...)
}

// inTx runs f in a transaction, behind a sound log. After an error nothing of it is left.
func (c *conn) inTx(f func() error) error {
	if err := c.renewLog(); err != nil {
		return err
	}
	if err := c.exec(`BEGIN IMMEDIATE`); err != nil {
		return fmt.Errorf("begin: %w", err)
	}
	err := f()
	if err == nil {
		if err = c.exec(`COMMIT`); err == nil {
			return nil
		}
		err = fmt.Errorf("commit: %w", err)
	}
	_ = c.exec(`ROLLBACK`) // SQLite may have rolled back by itself; the connection is replaced after errors anyway
	return err
}

// inSavepoint runs f so that its error undoes only what f did.
func (c *conn) inSavepoint(f func() error) error {
	if err := c.exec(`SAVEPOINT job`); err != nil {
		return err
	}
	err := f()
	if err != nil {
		if e := c.exec(`ROLLBACK TO job`); e != nil {
			return e
		}
	}
	if e := c.exec(`RELEASE job`); e != nil {
		return e
	}
	return err
}

// close closes the connection; nil is one that could not be opened again.
func (c *conn) close() error {
	if c == nil {
		return nil
	}
	for _, s := range c.stmts {
		_ = s.Close()
	}
	_ = c.c.Close()
	return c.db.Close()
}
