//go:build linux

package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"strings"

	_ "github.com/mattn/go-sqlite3" // registers the driver
)

// rowsPerInsert is where an INSERT of several rows is fastest with this driver: ten are 30 % slower, a thousand no faster.
const rowsPerInsert = 100

// database is one SQLite file with a connection that writes and some that read.
type database struct {
	file    string
	read    *sql.DB
	write   *sql.DB
	conn    *sql.Conn
	inserts [rowsPerInsert + 1]*sql.Stmt // by number of rows
	table   string                       // and columns
	columns int
	args    []any
}

// openDatabase opens or makes a file. schema is run when it is new; table and columns are what insert writes.
func openDatabase(file, synchronous, schema, table string, columns int) (*database, error) {
	q := url.Values{"_journal_mode": {"WAL"}, "_synchronous": {synchronous}, "_busy_timeout": {"5000"}, "_cache_size": {"-16384"}}
	d := &database{file: file, table: table, columns: columns, args: make([]any, 0, rowsPerInsert*columns)}
	var err error
	if d.write, err = sql.Open("sqlite3", "file:"+file+"?"+q.Encode()); err != nil {
		return nil, err
	}
	d.write.SetMaxOpenConns(1)
	if d.conn, err = d.write.Conn(context.Background()); err != nil {
		return nil, errors.Join(fmt.Errorf("open %s: %w", file, err), d.write.Close())
	}
	if _, err = d.conn.ExecContext(context.Background(), schema); err != nil {
		return nil, errors.Join(fmt.Errorf("make the tables: %w", err), d.close())
	}
	q.Set("mode", "ro")
	if d.read, err = sql.Open("sqlite3", "file:"+file+"?"+q.Encode()); err != nil {
		return nil, errors.Join(err, d.close())
	}
	d.read.SetMaxOpenConns(4)
	return d, nil
}

// exec runs one statement of the writer. Its context cannot be cancelled: the driver's cancellation costs more than a row.
func (d *database) exec(query string) error {
	_, err := d.conn.ExecContext(context.Background(), query)
	return err
}

// inTx runs f in one transaction, which is one durable commit with synchronous=FULL.
func (d *database) inTx(f func() error) error {
	if err := d.exec(`BEGIN IMMEDIATE`); err != nil {
		return err
	}
	err := f()
	if err == nil {
		err = d.flush()
	}
	if err != nil {
		return errors.Join(err, d.exec(`ROLLBACK`))
	}
	return d.exec(`COMMIT`)
}

// insert adds a row; many are written with one statement.
func (d *database) insert(row ...any) error {
	d.args = append(d.args, row...)
	if len(d.args) == rowsPerInsert*d.columns {
		return d.flush()
	}
	return nil
}

func (d *database) flush() error {
	n := len(d.args) / d.columns
	if n == 0 {
		return nil
	}
	if d.inserts[n] == nil {
		one := "(?" + strings.Repeat(",?", d.columns-1) + ")"
		var err error
		d.inserts[n], err = d.conn.PrepareContext(context.Background(), "INSERT INTO "+d.table+" VALUES "+one+strings.Repeat(","+one, n-1))
		if err != nil {
			return fmt.Errorf("prepare: %w", err)
		}
	}
	_, err := d.inserts[n].ExecContext(context.Background(), d.args...)
	d.args = d.args[:0]
	return err
}

func (d *database) close() error {
	var errs []error
	for _, s := range d.inserts {
		if s != nil {
			errs = append(errs, s.Close())
		}
	}
	if d.read != nil {
		errs = append(errs, d.read.Close())
	}
	return errors.Join(append(errs, d.conn.Close(), d.write.Close())...)
}

// sizeOf says what of a file is what.
type sizeOf struct {
	ring     string            // table of fixed size that is no data; "" = none
	readings map[string]string // expression that counts readings, by table
}

// fileSize looks into a closed file. Tables that it does not have count nothing.
func fileSize(file string, o sizeOf) (s size, err error) {
	info, err := os.Stat(file)
	if err != nil {
		return s, err
	}
	s.fileBytes = info.Size()
	db, err := sql.Open("sqlite3", "file:"+file+"?mode=ro")
	if err != nil {
		return s, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	number := func(query string) (n int64) {
		if err == nil {
			err = db.QueryRow(query).Scan(&n)
		}
		return n
	}
	has := func(table string) bool {
		return number(`SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name = '`+table+`'`) > 0
	}
	page := number(`PRAGMA page_size`)
	s.dataBytes = page * (number(`PRAGMA page_count`) - number(`PRAGMA freelist_count`))
	if o.ring != "" && has(o.ring) {
		s.dataBytes -= page * number(`SELECT coalesce(sum((length(data) + `+fmt.Sprint(page-1)+`) / `+fmt.Sprint(page)+`), 0) FROM `+o.ring)
	}
	for table, count := range o.readings {
		if has(table) {
			s.readings += number(`SELECT coalesce(` + count + `, 0) FROM ` + table)
		}
	}
	return s, err
}
