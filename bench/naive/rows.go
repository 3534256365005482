package naive

import (
	"database/sql"
	"errors"
	"fmt"

	_ "github.com/mattn/go-sqlite3" // registers the driver

	"github.com/telltale-iot/telltale/schema"
)

// rows is a table with one row per reading.
type rows struct {
	db      *sql.DB
	insert1 *sql.Stmt
}

const sqlRows = `CREATE TABLE reading (
	device  TEXT NOT NULL,
	channel TEXT NOT NULL,
	t_ms    INTEGER NOT NULL, -- Unix ms
	value   ANY,
	PRIMARY KEY (device, channel, t_ms, value)
) WITHOUT ROWID`

const sqlInsertRow = `INSERT OR IGNORE INTO reading (device, channel, t_ms, value) VALUES (?, ?, ?, ?)`

func openRows(file string) (*rows, error) {
	db, err := sql.Open("sqlite3", "file:"+file+"?_journal_mode=WAL&_synchronous=FULL")
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", file, err)
	}
	db.SetMaxOpenConns(1) // SQLite has one writer
	if _, err := db.Exec(sqlRows); err != nil {
		return nil, errors.Join(fmt.Errorf("make the table: %w", err), db.Close())
	}
	stmt, err := db.Prepare(sqlInsertRow)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("prepare: %w", err), db.Close())
	}
	return &rows{db, stmt}, nil
}

// insert stores a frame in a transaction of its own.
func (r *rows) insert(device string, f *schema.Readings) error {
	tx, err := r.db.Begin()
	if err != nil {
		return err
	}
	stmt := tx.Stmt(r.insert1)
	for i := range f.Series {
		s := &f.Series[i]
		for k, v := range s.V {
			x, _ := v.Float()
			if _, err := stmt.Exec(device, s.Ch, f.T0MS+s.OffsetMS(k), x); err != nil {
				return errors.Join(err, tx.Rollback())
			}
		}
	}
	return tx.Commit()
}

// Close closes the database.
func (r *rows) Close() error { return errors.Join(r.insert1.Close(), r.db.Close()) }
